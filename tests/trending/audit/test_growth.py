"""A log that retention cuts, and bookkeeping that is pruned behind it: bounded, and the audit is as exact as ever."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from examples import examples
from fakes.audits.audited import MINUTE, TAGS
from fakes.audits.grown import Site
from fakes.trending.memory import folder_in_memory
from hypothesis import given, settings
from hypothesis import strategies as st

from trending.kafka.log_start import MARGIN_SECONDS
from trending.producer.ledger import read_ledger
from trending.serving.store import KEPT_BATCHES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.audit.audit_report import AuditReport

HOUR = 3600
DAY = 24 * HOUR
WINDOWS = 43_200
"""The windows of a month."""
PERIOD = 240
"""Minutes from one pruning to the next."""


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    made = Site(tmp_path)
    with closing(made):
        yield made


def line(report: AuditReport, beginning: str) -> str:
    (found,) = (each.removeprefix("audit: ") for each in report.lines(None) if each.startswith(f"audit: {beginning}"))
    return found


@pytest.mark.thorough
@pytest.mark.row(33)
def test_a_month_of_windows_is_bounded_by_rule_and_audited_clean() -> None:
    """A day of log and a week of windows, pruned every four hours; two partitions by turns, so that each burst is a row."""
    with folder_in_memory() as folder, closing(Site(Path(folder), partitions=2)) as site:
        sizes, most = [], dict[str, int]()
        for minute in range(WINDOWS):
            at = MINUTE + 60 * minute + 1
            site.send(minute % 2, at, *TAGS)
            if minute % PERIOD == PERIOD - 1:
                site.reject(0, at)
                site.write()
                site.expire_older(at - DAY)
                if minute % (6 * PERIOD) == PERIOD - 1:
                    most = {table: max(rows, most.get(table, 0)) for table, rows in site.rows().items()}
                    sizes.append((site.ledger_path.stat().st_size, site.store_path.stat().st_size))
                site.prune(at - 7 * DAY)
        report = site.audit()
    kept = 24 * 60 + PERIOD + 1
    assert most["acked"] <= kept
    assert most["counts"] <= (kept + MARGIN_SECONDS // 60) * 3
    assert most["ranking"] <= (7 * 24 * 60 + PERIOD + 1) * 3
    assert most["rejected"] <= kept // PERIOD + 2, "a row each, and their sum"
    assert most["batches"] <= KEPT_BATCHES + 1
    assert max(most[table] for table in ("runs", "expired", "epochs", "summaries")) <= 2
    for file in (0, 1):
        grown = [size[file] for size in sizes]
        assert grown[-1] <= 1.1 * grown[len(grown) // 3], "after ten days as large as after thirty"
    assert report.clean, report.lines(None)
    assert report.acknowledged == report.in_log == (24 * 60 + 1) * 3
    assert report.acknowledged + report.acknowledged_before == report.counted == WINDOWS * 3
    assert report.summarised == (WINDOWS - (7 * 24 * 60 + 1)) * 3
    assert [report.kept[part][1] for part in (0, 1)] == [WINDOWS // 2 * 3 + WINDOWS // PERIOD, WINDOWS // 2 * 3]


@pytest.mark.row(33)
def test_the_audit_says_what_the_log_has_and_what_lay_before(site: Site) -> None:
    for hour in range(100):
        site.send(0, MINUTE + hour * HOUR, *TAGS)
    site.write()
    site.send(0, MINUTE + 100 * HOUR, *TAGS)
    site.write()
    site.expire({0: 150})
    before = site.audit()
    site.prune(MINUTE + 20 * HOUR)
    report = site.audit()
    assert line(report, "the log has") == "the log has offsets 150 to 303 of partition 0"
    assert line(report, "acknowledged before") == "acknowledged before what the log has: 150"
    assert line(report, "counted in windows") == "counted in windows that are summarised: 60"
    assert line(report, "expired after") == "expired after counting: 150"
    assert report.lines(None)[-1] == "audit: acknowledged 153, in log 153, counted 303, lost 0, duplicated 0"
    assert report == replace(before, summarised=60)
    assert (report.clean, report.complete) == (True, False)


def test_behind_the_logs_beginning_the_ledger_is_compared_by_the_minute_as_ever(site: Site) -> None:
    """One life of a producer lasts for weeks, and retention has always taken a part of what it sent."""
    for hour in range(10):
        site.send(0, MINUTE + hour * HOUR, *TAGS)
    site.write()
    site.expire({0: 13})
    assert site.audit().clean
    with closing(sqlite3.connect(site.ledger_path)) as ledger, ledger:
        ledger.execute("UPDATE counts SET tweets = 2 WHERE minute = ? AND hashtag = '#a'", (MINUTE + 7 * HOUR,))
    report = site.audit()
    assert [(each.window, each.hashtag, each.in_log, each.other) for each in report.differences] == [
        (MINUTE + 7 * HOUR, "#a", 1, 2)
    ]
    assert not report.clean


def test_what_is_pruned_while_the_log_is_read_was_acknowledged_all_the_same(tmp_path: Path) -> None:
    with closing(Site(tmp_path, PARTITIONS)) as site:
        for hour in range(20):
            site.send(hour % 2, MINUTE + hour * HOUR, *TAGS)
        site.write()
        site.expire({0: 6, 1: 6})
        before = site.audit()

        def retention_goes_on() -> None:
            site.expire({0: 18, 1: 18})
            site.prune(MINUTE)

        assert site.audit(retention_goes_on) == before
        assert read_ledger(site.ledger_path).expired == {("run-0", 0): 18, ("run-0", 1): 18}
        assert (before.acknowledged, before.acknowledged_before, before.unknown_arrived) == (48, 12, 0)


def test_an_interval_that_may_grow_is_not_pruned_and_counts_once(site: Site) -> None:
    site.send(0, MINUTE, *TAGS)
    site.write()
    site.expire({0: 3})
    site.prune(MINUTE)
    assert read_ledger(site.ledger_path).intervals, "the next tweet makes it longer"
    site.send(0, MINUTE + 5 * HOUR, *TAGS)
    site.write()
    report = site.audit()
    assert (report.acknowledged, report.acknowledged_before) == (3, 3)
    assert report.clean


def test_what_the_last_batch_wrote_is_not_summarised_since_it_may_come_again(site: Site) -> None:
    site.send(0, MINUTE, *TAGS)
    site.reject(0, MINUTE)
    site.write()
    site.expire({0: 4})
    site.now = MINUTE + 9 * HOUR
    site.prune(MINUTE + DAY)
    assert (site.rows()["ranking"], site.rows()["summaries"]) == (3, 0)
    assert [offsets.tolist() for offsets in site.store.view().rejects.values()] == [[3]]
    site.write()
    site.prune(MINUTE + DAY)
    assert (site.rows()["ranking"], site.rows()["summaries"]) == (0, 1)
    assert [offsets.tolist() for offsets in site.store.view().rejects.values()] == [[]]


PARTITIONS = 2
EVENTS = st.lists(
    st.one_of(
        st.tuples(st.just("send"), st.integers(0, PARTITIONS - 1), st.lists(st.sampled_from(TAGS), min_size=1, max_size=4)),
        st.tuples(st.just("reject"), st.integers(0, PARTITIONS - 1), st.just([])),
        st.tuples(st.sampled_from(["write", "pass", "life"]), st.integers(1, 5), st.just([])),
        st.tuples(st.just("expire"), st.integers(0, PARTITIONS - 1), st.just([])),
        st.tuples(st.sampled_from(["expire older", "prune"]), st.integers(0, 12), st.just([])),
    ),
    max_size=40,
)


@pytest.mark.row(33)
@settings(deadline=None, max_examples=examples(40))
@given(EVENTS)
def test_whatever_retention_takes_and_pruning_leaves_every_total_is_kept(events: list[tuple[str, int, list[str]]]) -> None:
    with folder_in_memory() as folder, closing(Site(Path(folder), PARTITIONS)) as site:
        at, sent = MINUTE, 0
        for number, (what, where, hashtags) in enumerate(events):
            if what == "send":
                site.send(where, at, *hashtags)
                sent += len(hashtags)
            elif what == "reject":
                site.reject(where, at)
            elif what == "write":
                site.write()
            elif what == "life":
                site.write()
                site.writer.close()
                site.begin_life(f"run-{number}")
            elif what == "pass":
                at += where * 1800
                site.now = at
            elif what == "expire older":
                site.write()
                site.expire_older(at - where * 1800)
            elif what == "expire":
                site.write()
                site.expire({where: site.firsts[where] + number % 5})
            else:
                require_pruning_changes_nothing(site, at - where * 1800)
        site.write()
        require_pruning_changes_nothing(site, at)
        report = site.audit()
        assert report.acknowledged + report.acknowledged_before == sent == report.counted
        assert report.expired == sum(site.firsts.values())


def require_pruning_changes_nothing(site: Site, until: float) -> None:
    """Prune, and require the audit that was clean before to say the same; and that what the log still has keeps its rows."""
    site.write()
    before = site.audit()
    assert before.clean, before.lines(None)
    site.prune(until)
    after = site.audit()
    assert replace(after, summarised=before.summarised) == before
    assert after.summarised >= before.summarised
    assert sum(records for _reason, records in stored_rejects(site)) == site.rejected.total()
    kept = {record.append_time // 60 * 60 for part, log in enumerate(site.log) for record in log[site.firsts[part] :]}
    ranked = {window for _checkpoint, window, _hashtag in site.store.view().counts}
    minutes = {minute for _run, minute, _hashtag in read_ledger(site.ledger_path).counts}
    tweets = {record.append_time // 60 * 60 for log in site.log for record in log if record.headers}
    assert kept & tweets <= ranked
    assert kept & tweets <= minutes


def stored_rejects(site: Site) -> list[tuple[str, int]]:
    with closing(sqlite3.connect(site.store_path)) as connection:
        return connection.execute("SELECT reason, records FROM rejected").fetchall()


def test_where_times_go_back_at_the_logs_beginning_windows_that_have_lost_a_record_are_not_compared(site: Site) -> None:
    """The clock of another leader is behind: what was appended first, and expired, has the later times."""
    site.send(0, MINUTE + 100, *TAGS)
    site.send(0, MINUTE, *TAGS)
    site.send(0, MINUTE + 300, *TAGS)
    site.write()
    site.expire({0: 3})
    assert not site.audit().clean
    site.skew = 120.0
    assert site.audit().clean
    with closing(sqlite3.connect(site.store_path)) as store, store:
        store.execute("UPDATE ranking SET tweets = 2 WHERE window_start = ? AND hashtag = '#a'", (MINUTE + 300,))
    assert site.audit().duplicated == 1, "what is whole is compared"
