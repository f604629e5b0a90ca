"""The derivations of docs/scaling.md: computed again from the figures that the page states, and from measurements as they are."""

from __future__ import annotations

import json
import re
from math import ceil

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.clusters.workers import EXECUTORS_CPU
from benchmarks.report import RESULTS
from benchmarks.scaling.figures import ASSUMED, CASES, MEASURED, PAGE, ROW_18, Case, figures
from benchmarks.scaling.page import COSTS, STEPS, filled
from trending.producer.program import REPORT_SECONDS
from trending.settings import StackSettings, StreamSettings
from trending.stream.catching_up import OFFSETS_PER_MB

GIVEN = {each.symbol: each.value for each in (*MEASURED, *ASSUMED)}
SMALL, LARGE = (figures(case) for case in CASES)


def test_the_page_has_the_tables_of_today() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert filled(page) == page, "make docs"
    with pytest.raises(ValueError, match="no place for the table measured"):
        filled("no mark\n")


def test_the_figure_of_the_executors_is_that_of_the_run_it_names() -> None:
    rows = json.loads((RESULTS / f"{ROW_18}.json").read_text(encoding="utf-8"))["rows"]
    (row,) = (row for row in rows if row["row"] == 18 and "streaming job" in row["work"] and EXECUTORS_CPU in row["work"])
    assert GIVEN["executor"] == round(row["ours"], 1)


def test_what_is_said_to_be_a_setting_or_a_constant_is_the_one_of_today() -> None:
    stream, stack = StreamSettings(), StackSettings()
    assert (GIVEN["trigger"], GIVEN["kept"]) == (stream.trigger_seconds, stream.ranking_hashtags)
    assert GIVEN["partition"] * 1024 == stack.retention_mb
    assert (GIVEN["per_mb"], GIVEN["report"]) == (OFFSETS_PER_MB, REPORT_SECONDS)


def test_a_million_tweets_a_second_by_hand() -> None:
    assert SMALL["bytes"] == 30e6
    assert SMALL["network out"] == 4 * 30e6, "two other copies, the job, an audit"
    assert SMALL["log week"] == 30e6 * 604_800 * 3
    assert (SMALL["brokers disk"], SMALL["brokers"]) == (7, 7), "54.4 TB on 8 TB each"
    assert SMALL["updating"] == pytest.approx(0.2)
    assert SMALL["cores"] == ceil(2 * (GIVEN["executor"] + 0.2)) == SMALL["partitions"]
    assert (SMALL["batch"], SMALL["heap"]) == (10_000_000, 5_000)
    assert (SMALL["groups"], SMALL["writes"]) == (300_000, 10_000)
    assert SMALL["postgres"] == pytest.approx(2.8)
    assert SMALL["producers"] == 3
    assert (SMALL["commit"], SMALL["ledger each"], SMALL["ledger"]) == (100_000, 200_000, 600_000)
    assert SMALL["ledger postgres"] == pytest.approx(16.8)
    assert SMALL["audit hour"] == pytest.approx(3_780), "more than the hour"
    assert SMALL["audit memory"] == 450e6


def test_a_hundred_million_by_hand() -> None:
    assert LARGE["bytes"] == 3e9
    assert (LARGE["brokers network"], LARGE["brokers disk"], LARGE["brokers day"]) == (20, 681, 98)
    assert (LARGE["rows"], LARGE["collected"]) == (1_000_000, 46e6)
    assert (LARGE["sqlite"], LARGE["postgres"]) == pytest.approx((4.2, 28.0))
    assert LARGE["producers"] == 245
    assert LARGE["commit"] == pytest.approx(1e8 / 245 / 2), "fewer tweets in half a second than hashtags in a minute"
    assert LARGE["audit cores"] == 420
    parts = ("cores", "broker cores", "producer cores", "audit cores")
    assert LARGE["all cores"] == sum(LARGE[part] for part in parts) + 4
    assert LARGE["month"] == pytest.approx(LARGE["all cores"] * 0.05 * 730)


@given(st.floats(1, 1e9), st.floats(1, 1e8), st.floats(1, 10))
def test_nothing_but_the_reach_of_a_partition_shrinks_with_tweets_or_hashtags(rate: float, hashtags: float, times: float) -> None:
    """Several producers share a rate, so what one of them does may shrink as well."""
    shared = {"partition hours", "commit", "ledger each", "ledger share"}
    for larger in (Case(rate * times, hashtags), Case(rate, hashtags * times)):
        before, after = figures(Case(rate, hashtags)), figures(larger)
        assert [name for name in before.keys() - shared if after[name] < before[name] * (1 - 1e-9)] == []


def test_every_figure_of_the_prose_that_the_tables_compute_is_theirs() -> None:
    prose = re.sub(r"<!-- table: .*?<!-- end -->", "", PAGE.read_text(encoding="utf-8"), flags=re.DOTALL)
    said = {
        f"write for {SMALL['ledger postgres']:.1f} s": "at 10⁶ the ledgers in one PostgreSQL",
        f"PostgreSQL takes\n   {LARGE['postgres']:.0f} s": "at 10⁸ the store in PostgreSQL",
        f"SQLite {LARGE['sqlite']:.1f} of them": "at 10⁸ the store in SQLite",
        f"a week of all is {LARGE['ledger week'] / 1e12:.0f} TB": "at 10⁸ the ledgers' size",
        f"{LARGE['audit cores']:.0f} cores, and {LARGE['audit memory'] / 1e9:.0f} GB of ids": "at 10⁸ the audit",
        f"{LARGE['brokers network']:.0f} brokers carry the traffic": "at 10⁸ the brokers by network",
        f"{LARGE['brokers disk']:.0f} the week. A day of it takes {LARGE['brokers day']:.0f}": "at 10⁸ the log",
        f"{LARGE['brokers day']:.0f} brokers, {8 * LARGE['brokers day']:.0f} cores": "what a day of log costs",
    }
    assert [what for text, what in said.items() if text not in prose] == []


def test_each_line_shows_a_figure_that_is_computed() -> None:
    assert {key for key, *_rest in (*STEPS, *COSTS)} <= SMALL.keys()
