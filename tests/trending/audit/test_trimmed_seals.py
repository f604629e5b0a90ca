"""Two epochs share a window; it is sealed while it is open, trimmed, and summarised, in any order, and the verdict holds."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from unittest import mock

import pytest
from examples import examples
from fakes.audits.audited import MINUTE, TAGS
from fakes.audits.grown import Site
from fakes.trending.memory import folder_in_memory
from hypothesis import event, given, settings
from hypothesis import strategies as st

from trending.audit.seal import Unfit
from trending.serving import pruning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.audit.audit_report import AuditReport

pytestmark = pytest.mark.row(23)
HOUR = 3600
NAMES = (*TAGS, "#d")
PLACES = {
    "ranking": "SELECT checkpoint, window_start, hashtag FROM ranking",
    "others": "SELECT checkpoint, window_start, '' FROM others",
    "summaries": "SELECT checkpoint, 0, '' FROM summaries",
}
WHERE = {
    "ranking": "WHERE (checkpoint, window_start, hashtag) = (:checkpoint, :window, :name)",
    "others": "WHERE (checkpoint, window_start) = (:checkpoint, :window)",
    "summaries": "WHERE checkpoint = :checkpoint",
}
FAULTS = {
    "one lost": ("ranking", "UPDATE ranking SET tweets = tweets - 1"),
    "one added": ("ranking", "UPDATE ranking SET tweets = tweets + 1"),
    "another's name": ("ranking", "UPDATE ranking SET hashtag = '#x'"),
    "another's window": ("ranking", "UPDATE ranking SET window_start = window_start + 7"),
    "a row lost": ("ranking", "DELETE FROM ranking"),
    "the others' sum": ("others", "UPDATE others SET tweets = tweets + 1"),
    "the others' number": ("others", "UPDATE others SET hashtags = hashtags + 1"),
    "the summary": ("summaries", "UPDATE summaries SET tweets = tweets + 1"),
}
"""Fault → the table in one of whose places it is planted, and how."""


def with_two_epochs(site: Site) -> None:
    """Let two epochs count into the first window; by its sums the second one's hashtags lead."""
    site.send(0, MINUTE, "#a", "#b", "#b")
    site.hand_over("next", 60)
    site.send(0, MINUTE + 1, "#a", *["#c"] * 4, "#d", "#d")
    site.write()


def rows_of(site: Site, table: str) -> set[tuple[str, int]]:
    with closing(sqlite3.connect(site.store_path)) as store:
        return set(store.execute(f"SELECT checkpoint, window_start FROM {table}"))  # noqa: S608 - our own


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a site that was sealed while the window of its two epochs was open."""
    with closing(Site(tmp_path)) as site:
        for hour in range(4, 0, -1):
            site.send(0, MINUTE - hour * HOUR, *NAMES)
            site.write()
        with_two_epochs(site)
        assert site.examine(seals=True).seal is not None
        yield site


@pytest.mark.parametrize("trimmed", ["before", "after", "never"])
@pytest.mark.parametrize("most_rows", [1, 3, 50_000])
def test_a_window_of_two_epochs_that_was_open_in_the_seal_may_be_trimmed_and_summarised(
    site: Site, trimmed: str, most_rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The epochs have not the same windows before it, so one could be summarised up to it and the other not yet."""
    monkeypatch.setattr(pruning, "MOST_ROWS", most_rows)
    site.send(0, MINUTE + 9 * HOUR, "#a")
    site.write()
    site.expire({0: len(site.log[0]) - 1})
    for step in range(9):
        if trimmed == ("before" if step < 6 else "after"):
            site.trim(2)
        if step >= 1:
            site.prune(site.now)
        report = site.examine(since_seal=True).report
        assert report.clean, report.lines(None)
        assert report.seals


class Part(NamedTuple):
    """What one epoch counts of a window, from its beginning or after the epoch before, whose windows may be as long."""

    partition: int
    names: list[str]
    seconds: int


PARTS = st.builds(
    Part, st.integers(0, 1), st.lists(st.sampled_from(NAMES), min_size=3, max_size=6), st.sampled_from([60, 60, 60, 60, 10])
)
SHARED = st.lists(PARTS, min_size=2, max_size=3)
"""What one epoch after the other counts of a window."""
COURSE = ("seal", "night", "trim", "summarise", "summarise", "summarise", "summarise")
BESIDE = ("trim", "trim", "window", "seal")
"""Steps that come anywhere in the course of things."""


class TwoEpochs:
    """A site that does one step after the other; ledger, log and store agree at each of them."""

    def __init__(self, site: Site, kept: int) -> None:
        self.site = site
        self.kept = kept
        self.epochs = 1

    def count(self, parts: list[Part]) -> None:
        """Let one epoch after the other count into the next window."""
        self.site.now += 61
        for number, part in enumerate(parts):
            if number:
                self.site.hand_over(f"c{self.epochs}", part.seconds)
                self.epochs += 1
            self.site.send(part.partition % len(self.site.log), self.site.now, *part.names)
            self.site.write()

    def seal(self) -> None:
        """Make a seal, from the one before where that fits."""
        if self.since_seal(seals=True) is None:
            self.site.examine(seals=True)

    def night(self) -> None:
        """Retention takes what lies in the log."""
        self.site.send(0, self.site.now + 9 * HOUR, "#a")
        self.site.write()
        self.site.expire_older(self.site.now - HOUR)

    def trim(self) -> None:
        self.site.trim(self.kept)

    def summarise(self) -> None:
        self.site.prune(self.site.now)

    def since_seal(self, *, seals: bool = False) -> AuditReport | None:
        """Audit since the seal, if there is one that fits; retention may have gone on behind it."""
        try:
            report = self.site.examine(since_seal=True, seals=seals).report
        except Unfit as unfit:
            why = str(unfit)
        else:
            return report if report.seals else None
        assert why.startswith("retention has taken")
        return None

    def require_in_order(self) -> bool:
        """Audit since the seal, which must be complete, or everything; returns whether there is a seal."""
        since = self.since_seal()
        report = since or self.site.audit()
        assert report.clean, report.lines(None)
        assert report.counted == sum(map(len, self.site.log))
        assert report.complete or not since
        return since is not None

    def plant(self, fault: str, data: st.DataObject) -> None:
        """Plant a fault wherever there is a place for it: it is told since the seal."""
        table, statement = FAULTS[fault]
        with closing(sqlite3.connect(self.site.store_path)) as store:
            places = store.execute(PLACES[table]).fetchall()
            if places:
                checkpoint, window, name = data.draw(st.sampled_from(sorted(places)))
                with store:
                    found = store.execute(
                        f"{statement} {WHERE[table]}", {"checkpoint": checkpoint, "window": window, "name": name}
                    )
                    assert found.rowcount == 1
                report = self.since_seal()
                assert report is not None
                assert not report.clean
                event(f"found: {fault}")


@settings(max_examples=examples(60))
@given(
    partitions=st.integers(1, 2),
    most_rows=st.sampled_from([1, 1, 50_000]),
    before=st.sampled_from([2, 1, 3, 0]),
    kept=st.sampled_from([2, 2, 1]),
    shared=SHARED,
    later=SHARED,
    places=st.tuples(*(st.integers(0, len(COURSE)) for _step in BESIDE)),
    fault=st.sampled_from(sorted(FAULTS)),
    data=st.data(),
)
def test_in_any_order_of_seal_hand_over_trimming_and_summary_the_verdict_is_right(
    partitions: int,
    most_rows: int,
    before: int,
    kept: int,
    shared: list[Part],
    later: list[Part],
    places: tuple[int, ...],
    fault: str,
    data: st.DataObject,
) -> None:
    """The first epoch has some windows before, so that the others could be summarised sooner."""
    with (
        mock.patch.object(pruning, "MOST_ROWS", most_rows),
        folder_in_memory() as folder,
        closing(Site(Path(folder), partitions)) as site,
    ):
        site.now = MINUTE
        two = TwoEpochs(site, kept)
        for _ in range(before):
            two.count([Part(0, ["#a"], 60)])
        two.count(shared)
        steps = {
            "window": lambda: two.count(later),
            "seal": two.seal,
            "night": two.night,
            "trim": two.trim,
            "summarise": two.summarise,
        }
        is_sealed = False
        for _place, step in sorted([*zip(places, BESIDE, strict=True), *((at + 0.5, each) for at, each in enumerate(COURSE))]):
            steps[step]()
            is_sealed = two.require_in_order()
        assert site.audit().clean
        if is_sealed:
            two.plant(fault, data)
