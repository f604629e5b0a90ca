"""What the store has of a real run of a scenario: how many records each window, and how many tweets of the leading hashtags."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import func, select

from trending.serving.counts import UNTAGGED, metadata
from trending.serving.ranking_query import RuleCounts
from trending.serving.store import EPOCHS
from trending.settings import WindowTime
from trending.simulator.loading import load_scenario
from trending.simulator.scenario import Limit, Scenario, hash_of_scenario
from trending.tweets.rule import window_start

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy import Connection

    from trending.serving.ranking_query import Window

MOST_HASHTAGS = 5
"""Hashtags that have a line: as many as there are colours that can be told apart."""


class _Kept(BaseModel):
    """A part of a file of figures."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Manner(_Kept):
    """How a ready scenario was played so that its run takes a minute or two.

    ``seconds`` of the scenario were played, ``time_scale`` of them in a second of the clock, at ``share`` of its rate.
    """

    time_scale: float = 1.0
    seconds: float | None = None
    share: float = 1.0

    def of(self, scenario: Scenario) -> Scenario:
        """Return the scenario as it was played; its own limit stays where no seconds are given."""
        rate = scenario.rate.model_copy(update={"base": scenario.rate.base * self.share})
        limit = scenario.limit if self.seconds is None else Limit(seconds=self.seconds)
        changes = {"time_scale": self.time_scale, "rate": rate, "limit": limit}
        return Scenario.model_validate_json(scenario.model_copy(update=changes).model_dump_json(by_alias=True))


class Stretch(_Kept):
    """A window: when it begins in seconds of the scenario, what was counted in it, and the tweets of each leading hashtag.

    ``refused`` are the records of the batches that were written in it.
    """

    at: float
    tweets: int
    untagged: int = 0
    refused: int = 0
    hashtags: tuple[int, ...] = ()
    leader: int | None = Field(None, description="The place among the hashtags of the one that leads; None: one without a line.")


class ScenarioFigures(_Kept):
    """A run of a ready scenario: its name, the hash of its content, how and when it was played, and what the store has of it."""

    scenario: str
    content: str
    seed: int
    manner: Manner
    day: str
    window_time: WindowTime
    window_seconds: int
    hashtags: tuple[str, ...]
    windows: tuple[Stretch, ...]
    refused: dict[str, int]

    @property
    def span(self) -> float:
        """Seconds of the scenario in a window."""
        return self.window_seconds * self.manner.time_scale

    @property
    def played_seconds(self) -> float:
        """Seconds of the scenario up to its limit; of one without, to the end of the last window that was watched."""
        limit = self.manner.of(load_scenario(self.scenario)).limit
        return limit.seconds if limit and limit.seconds else round(self.windows[-1].at + self.span)

    @property
    def records(self) -> int:
        """All records of the run."""
        return sum(each.tweets + each.untagged for each in self.windows) + sum(self.refused.values())


def read_figures(
    connection: Connection, name: str, manner: Manner, begin: float, since: float = 0.0, until: float = 0.0
) -> ScenarioFigures:
    """Return the figures of a ready scenario's run that began at ``begin``; windows before ``since`` are another run's.

    Until ``until`` the run was watched, so that windows without a record are told too. All are in seconds since the epoch.
    """
    scenario, counts = load_scenario(name), RuleCounts(connection)
    seconds, latest = counts.seconds, counts.latest()
    first = window_start(since, seconds)
    counted = {} if latest is None else {each.start: each for each in counts.windows(first, latest)}
    untagged = _untagged(connection, first)
    refused, reasons = _refused(connection, seconds, since)
    hashtags = _leading(list(counted.values()))
    starts = sorted({*counted, *untagged, *refused})
    windows = [
        Stretch(
            at=(start - begin) * manner.time_scale,
            tweets=counted[start].tweets if start in counted else 0,
            untagged=untagged[start],
            refused=refused[start],
            **_ranked(counted.get(start), hashtags),
        )
        for start in range(starts[0], max(starts[-1] + seconds, window_start(until, seconds)), seconds)
    ]
    return ScenarioFigures(
        scenario=name,
        content=hash_of_scenario(scenario),
        seed=scenario.seed,
        manner=manner,
        day=dt.datetime.fromtimestamp(begin, dt.UTC).date().isoformat(),
        window_time=counts.rule.window_time,
        window_seconds=seconds,
        hashtags=hashtags,
        windows=tuple(windows),
        refused=dict(sorted(reasons.items())),
    )


def _untagged(connection: Connection, first: int) -> Counter[int]:
    window, records = UNTAGGED.c.window_start, UNTAGGED.c.records
    query = select(window, func.sum(records)).where(window >= first).group_by(window)
    return Counter({row[0]: int(row[1]) for row in connection.execute(query)})


def _refused(connection: Connection, seconds: int, since: float) -> tuple[Counter[int], Counter[str]]:
    """Return window start → records refused in the batches that were written then, and reason → records."""
    rejected, batches = metadata.tables["rejected"].c, EPOCHS.batches.c
    same = (rejected.checkpoint == batches.checkpoint) & (rejected.batch == batches.batch)
    windows, reasons = Counter[int](), Counter[str]()
    query = select(batches.at, rejected.reason, rejected.records).where(same, batches.at >= since)
    for at, reason, records in connection.execute(query):
        windows[window_start(at, seconds)] += records
        reasons[reason] += records
    return windows, reasons


def _leading(windows: Sequence[Window]) -> tuple[str, ...]:
    """Return the hashtags that have a line, by tweets: those with most of them, of which a window that one leads counts in whole.

    So one that comes up for a while has a line before one that is always fourth, and one that leads stragglers alone has none.
    """
    totals, weights = Counter[str](), Counter[str]()
    for window in windows:
        totals.update(dict(window.ranked))
        if window.ranked:
            weights[window.ranked[0][0]] += window.tweets
    order = sorted(totals, key=lambda hashtag: (-totals[hashtag] - weights[hashtag], hashtag))
    return tuple(sorted(order[:MOST_HASHTAGS], key=lambda hashtag: (-totals[hashtag], hashtag)))


def _ranked(window: Window | None, hashtags: Sequence[str]) -> dict[str, object]:
    ranked = dict(window.ranked) if window else {}
    first = next(iter(ranked), None)
    leader = hashtags.index(first) if first in hashtags else None
    return {"hashtags": tuple(ranked.get(each, 0) for each in hashtags), "leader": leader}
