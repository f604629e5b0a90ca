"""The evidence beside the counts: a batch each minute, the game day, Prefect's runs. What is missing is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.report.blocks import Table, Text

if TYPE_CHECKING:
    from trending.report.blocks import Block
    from trending.report.data import Report
    from trending.report.defence.evidence import Ages
    from trending.report.wording import Wording

SHOWN_RUNS = 12
NOTHING = "—"


def minutely_blocks(report: Report, tell: Wording) -> tuple[Block, ...]:
    """Return age and cost of a batch each minute beside the stream's."""
    known, stream = report.measured.minutely, report.measured.stream
    if known is None:
        return (Text(tell("minutely_none")),)
    interval = tell.number(known.interval)
    rows = [
        (
            tell(f"minutely_{name}"),
            tell.seconds(None if known.ages is None else getattr(known.ages, name)),
            tell.seconds(None if stream.ages is None else getattr(stream.ages, name)),
        )
        for name in ("median", "p95", "longest")
    ]
    rows += [
        (tell("minutely_each"), tell.seconds(known.mean_seconds), tell.seconds(stream.mean_seconds)),
        (tell("minutely_slowest"), tell.seconds(known.longest_seconds), NOTHING),
        (tell("minutely_busy"), tell.seconds(known.busy), tell.seconds(known.stream_busy)),
        (tell("minutely_batches"), tell.number(known.batches), tell.number(stream.batches)),
        (tell("minutely_records"), tell.number(known.records), NOTHING),
        (tell("minutely_tweets"), _tweets(known.ages, tell), _tweets(stream.ages, tell)),
    ]
    heads = tuple(head.format(interval=interval) for head in tell.words("minutely_heads"))
    table = Table(tell("minutely_caption", interval=interval), heads, tuple(rows), frozenset({1, 2}))
    return (table, Text(tell("minutely_words")))


def _tweets(ages: Ages | None, tell: Wording) -> str:
    return tell.unknown if ages is None else tell.number(ages.tweets)


def game_day_blocks(report: Report, tell: Wording) -> tuple[Block, ...]:
    """Return what each fault of the game day did, or that there was none."""
    day = report.game_day
    if day is None:
        return (Text(tell("game_none")),)
    rows = tuple(
        (
            each.name,
            tell.number(each.noticed, 1),
            tell.number(each.recovered, 1),
            each.back_by,
            *(tell.number(figure) for figure in (each.acknowledged, each.lost, each.duplicated)),
        )
        for each in day.faults
    )
    caption = tell("game_caption", day=tell.day(day.at), survived=tell.number(day.survived), chosen=tell.number(day.chosen))
    broken = (Text(tell("game_broken", broken=day.broken)),) if day.broken else ()
    return (Table(caption, tell.words("game_heads"), rows, frozenset({1, 2, 4, 5, 6})), *broken, Text(tell("game_words")))


def runs_blocks(report: Report, tell: Wording) -> tuple[Block, ...]:
    """Return Prefect's last runs that have ended, or why there are none: the one that makes the report still runs."""
    if report.runs is None:
        return (Text(tell("runs_none")),)
    ended = [each for each in report.runs if each.seconds is not None]
    if not ended:
        return (Text(tell("runs_empty")),)
    rows = tuple(
        (each.name, each.flow, each.state, tell.day(each.started), tell.seconds(each.seconds)) for each in ended[-SHOWN_RUNS:]
    )
    return (Table(tell("runs_caption"), tell.words("runs_heads"), rows, frozenset({4})),)
