"""Seals over a long time: retention cuts the log, ledger and store are pruned anywhere, and the verdict since a seal holds."""

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
from trending.producer import pruning as ledger_pruning
from trending.serving import pruning as store_pruning

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.audit.audit_report import AuditReport

HOUR = 3600


class Burst(NamedTuple):
    """Tweets that are sent so many seconds after the ones before, within some seconds."""

    partition: int
    hashtags: list[str]
    pause: int
    seconds: float
    answered: bool
    rejects: bool


class Round(NamedTuple):
    """Bursts; whether they are audited then, how many hours retention leaves, and when ledger and store are pruned."""

    bursts: list[Burst]
    new_life: bool
    audited: bool
    late: bool
    hours: int
    prune: str


BURSTS = st.builds(
    Burst,
    st.integers(0, 1),
    st.lists(st.sampled_from(TAGS), min_size=1, max_size=4),
    st.sampled_from([1, 61, HOUR, 3 * HOUR]),
    st.sampled_from([0.0, 0.0, 50.0]),
    st.sampled_from([True, True, True, False]),
    st.booleans(),
)
ROUNDS = st.builds(
    Round,
    st.lists(BURSTS, min_size=1, max_size=5),
    st.booleans(),
    st.booleans(),
    st.booleans(),
    st.sampled_from([1, 4, 7, 100]),
    st.sampled_from(["never", "before", "meanwhile"]),
)


def totals(report: AuditReport) -> dict[str, object]:
    """Return the figures that retention and seals must leave as they are."""
    names = ("counted", "summarised", "kept", "clean", "lost", "duplicated", "behind", "without_id", "foreign")
    return {
        "acknowledged": report.acknowledged + report.acknowledged_before,
        "expired": report.expired + report.expired_sealed,
        **{name: getattr(report, name) for name in names},
    }


def work(site: Site, bursts: list[Burst]) -> None:
    for each in bursts:
        at = site.now + each.pause
        site.send(each.partition, at, *each.hashtags, seconds=each.seconds, acknowledge=each.answered)
        if each.rejects:
            site.reject(each.partition, at + each.seconds)
    site.write()


def pruned(site: Site) -> None:
    """Prune twice: what the last batch wrote stays the first time."""
    for _ in range(2):
        site.write()
        site.prune(site.now)


def require_the_verdict_of_everything(site: Site, *, prune_meanwhile: bool) -> AuditReport:
    """Audit everything and since the seal, which must say the same; with a seal it is complete."""
    whole = site.audit()
    assert whole.clean, whole.lines(None)
    try:
        report = site.examine(since_seal=True, seals=True, meanwhile=lambda: pruned(site) if prune_meanwhile else None).report
    except Unfit as unfit:
        why = str(unfit)
    else:
        assert report.clean, report.lines(None)
        assert totals(report) == totals(whole)
        assert report.complete or not report.seals
        expired = "expired" if report.expired_sealed else "not expired"
        event(f"{'since a seal' if report.seals else 'of everything'}, {expired}, summarised: {report.summarised > 0}")
        return report
    event(why[:30])
    assert why.startswith("retention has taken") or "not acknowledged when it was made" in why
    return site.examine(seals=True).report


@pytest.mark.row(33)
@settings(deadline=None, max_examples=examples(60))
@given(st.sampled_from([10, 60, 3600]), st.sampled_from([3, 50_000]), st.lists(ROUNDS, min_size=2, max_size=7))
def test_wherever_it_is_sealed_expired_and_pruned_an_audit_since_the_seal_says_what_one_of_everything_does(
    window_seconds: int, most_rows: int, rounds: list[Round]
) -> None:
    with (
        mock.patch.object(ledger_pruning, "MOST_ROWS", most_rows),
        mock.patch.object(store_pruning, "MOST_ROWS", most_rows),
        folder_in_memory() as folder,
        closing(Site(Path(folder), 2, window_seconds)) as site,
    ):
        site.now = MINUTE
        for number, each in enumerate(rounds):
            if each.new_life:
                site.writer.close()
                site.begin_life(f"run-{number}")
            work(site, each.bursts)
            if each.audited:
                require_the_verdict_of_everything(site, prune_meanwhile=False)
            while each.late and site.unanswered:
                site.acknowledge(0)
            site.write()
            site.expire_older(site.now - each.hours * HOUR)
            if each.prune == "before":
                pruned(site)
            require_the_verdict_of_everything(site, prune_meanwhile=each.prune == "meanwhile")


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Return a site that was sealed after 20 bursts an hour apart; retention took 15 since, and what can be was pruned."""
    with closing(Site(tmp_path)) as site:
        for hour in range(20):
            site.send(0, MINUTE + hour * HOUR, *TAGS)
            site.reject(0, MINUTE + hour * HOUR + 1)
            site.write()
        site.write()
        assert site.examine(seals=True).seal is not None
        site.expire({0: 60})
        site.prune(site.now)
        yield site


def test_a_seal_is_left_out_once_records_that_were_acknowledged_after_it_are_but_a_number(tmp_path: Path) -> None:
    """The property above has found it."""
    with closing(Site(tmp_path)) as site:
        site.send(0, MINUTE, "#a", acknowledge=False)
        site.send(0, MINUTE + HOUR, "#b")
        site.write()
        assert site.examine(seals=True).seal is not None
        site.acknowledge(0)
        site.send(0, MINUTE + 9 * HOUR, "#c")
        site.write()
        site.expire({0: 1})
        site.prune(site.now)
        why = "the ledger has summarised 1 records of run run-0 that were not acknowledged when it was made"
        with pytest.raises(Unfit, match=why):
            site.examine(since_seal=True)
        assert site.audit().clean


def change(site: Site, statement: str) -> None:
    with closing(sqlite3.connect(site.store_path)) as store, store:
        assert store.execute(statement, {"first": MINUTE, "sealed": MINUTE + 14 * HOUR}).rowcount == 1


def test_what_is_said_since_a_seal_behind_a_pruning(site: Site) -> None:
    site.send(0, site.now + 60, *TAGS)
    site.write()
    report = site.examine(since_seal=True, seals=True).report
    assert (report.clean, report.complete) == (True, True)
    lines = [line.removeprefix("audit: ") for line in report.lines(None)]
    assert "the log has offsets 60 to 83 of partition 0" in lines
    assert "expired, and covered by the seal: 60" in lines
    assert "counted in windows that are summarised: 39" in lines
    assert not [line for line in lines if line.startswith(("expired after", "acknowledged before"))]
    assert lines[-1] == "acknowledged 63, in log 63, counted 63, lost 0, duplicated 0"
    whole = site.audit()
    assert (whole.expired, whole.acknowledged, whole.acknowledged_before, whole.counted) == (60, 18, 45, 63)


@pytest.mark.parametrize(
    ("statement", "named"),
    [
        ("UPDATE summaries SET tweets = tweets + 1", "the sum of those before window"),
        ("DELETE FROM summaries", "window"),
        ("UPDATE ranking SET tweets = 2 WHERE window_start = :sealed AND hashtag = '#a'", "window"),
        ("DELETE FROM ranking WHERE window_start = :sealed AND hashtag = '#a'", "window"),
        ("INSERT INTO ranking SELECT 'c', :first, '#a', 1, max(batch) FROM ranking", "window"),
        ("DELETE FROM rejected WHERE batch = 16", "rejects of c"),
        ("UPDATE rejected SET digest = '1' WHERE batch = -2", "rejects of c"),
    ],
)
def test_a_store_that_is_changed_is_told_from_one_that_is_pruned(site: Site, statement: str, named: str) -> None:
    assert site.examine(since_seal=True).report.changed == ()
    change(site, statement)
    report = site.examine(since_seal=True).report
    assert not report.clean
    told = [line for line in report.lines(None) if "changed behind the seal" in line]
    assert told
    assert all(line.startswith(f"audit: the store has changed behind the seal: {named}") for line in told)


def test_a_window_that_was_changed_before_it_was_summarised_is_in_the_sum(site: Site) -> None:
    change(site, "UPDATE ranking SET tweets = 2 WHERE window_start = :sealed AND hashtag = '#a'")
    site.expire({0: 76})
    site.prune(site.now)
    (told,) = site.examine(since_seal=True).report.changed
    assert told.what == "summarised"


def test_windows_that_are_summarised_while_the_log_has_everything_are_told(tmp_path: Path) -> None:
    with closing(Site(tmp_path)) as site:
        for hour in range(5):
            site.send(0, MINUTE + hour * HOUR, *TAGS)
            site.write()
        site.examine(seals=True)
        site.store.prune("c", MINUTE + 2 * HOUR, {})
        (told,) = site.examine(since_seal=True).report.changed
        assert told.what == "summarised"
        assert site.audit().lost == 6


def test_a_seal_that_is_made_behind_a_pruning_goes_on_from_there(site: Site) -> None:
    """It has neither the windows that are summarised, nor what was pruned of the ledger, and says the same."""
    for _ in range(3):
        report = site.examine(since_seal=True, seals=True).report
        (stored,) = site.store.known_seals().values()
        assert {window for _checkpoint, window in stored.windows} == {MINUTE + hour * HOUR for hour in range(13, 19)}
        assert (report.clean, report.complete, report.acknowledged, report.counted) == (True, True, 60, 60)


def test_a_rebuilt_store_is_sealed_and_what_lay_before_may_be_pruned_then(tmp_path: Path) -> None:
    """It begins to count where the log begins; the ledger has what came before, first by rows, later by number."""
    with closing(Site(tmp_path)) as site:
        for hour in range(20):
            site.send(0, MINUTE + hour * HOUR, *TAGS)
        site.expire({0: 30})
        site.rebuild()
        first = site.examine(seals=True).report
        assert (first.complete, first.acknowledged, first.acknowledged_before) == (True, 30, 30)
        site.prune(site.now)
        for _ in range(2):
            since = site.examine(since_seal=True, seals=True).report
            assert (len(since.seals), since.complete, since.acknowledged, since.acknowledged_before) == (1, True, 30, 30)
            site.expire({0: 45})
            pruned(site)
