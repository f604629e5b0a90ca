"""What 10⁶ and 10⁸ tweets a second would need, derived from what was measured, each figure stated once."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

PAGE = Path(__file__).parents[2] / "docs" / "scaling.md"
GIB = 1 << 30
WEEK_SECONDS = 7 * 24 * 3600
MINUTE_SECONDS, HOUR_SECONDS = 60, 3600
MONTH_HOURS = 730
MICRO = 1e-6
ROW_18 = "2026-11-30"
"""The day of the results in which the figure of row 18 stands."""


@dataclass(frozen=True)
class Figure:
    """A figure that the derivations begin with: its symbol, what it is, and where it comes from."""

    symbol: str
    value: float
    unit: str
    what: str
    source: str


def _record(number: int, when: str = "") -> str:
    """Return a link to a decision record, and on what machine it measured."""
    (path,) = PAGE.parent.glob(f"decisions/{number:04}-*.md")
    return f"[record {number}](decisions/{path.name})" + (f", {when} machine" if when else "")


MEASURED = (
    Figure("log", 30, "bytes", "a simulated tweet in the log, compressed with lz4", "[growth](growth.md), 2026-11-29"),
    Figure(
        "plain",
        180,
        "bytes",
        "the same uncompressed: value 154, key 25, rounded",
        _record(92),
    ),
    Figure(
        "producer",
        2.0,
        "µs of CPU",
        "a tweet in the producer, four partitions",
        _record(95, "busy"),
    ),
    Figure(
        "sent",
        409_000,
        "tweets/s",
        "one producer process, at least",
        "[performance](performance.md#goals-that-are-not-met), load 4",
    ),
    Figure(
        "executor",
        5.9,
        "µs of CPU",
        "a tweet in the executors, streaming job on two workers",
        f"row 18 of {ROW_18}, busy machine",
    ),
    Figure("sqlite", 4.2, "µs of CPU", "a row of the store, SQLite", _record(122, "busy")),
    Figure(
        "postgres",
        28,
        "µs",
        "a row of the store, PostgreSQL on the same machine",
        _record(131, "busy"),
    ),
    Figure("row", 40, "bytes", "a row of the store", "[growth](growth.md), 2026-11-29"),
    Figure(
        "ledger",
        4.6,
        "µs",
        "a row of the ledger, SQLite, in memory",
        _record(96, "busy"),
    ),
    Figure("count", 72, "bytes", "a count of the ledger", "[growth](growth.md), 2026-11-29"),
    Figure("state", 135, "bytes", "a group of Spark's state, on disk, at most", _record(121)),
    Figure("update", 20, "µs", "a group of the state that changes", _record(121, "busy")),
    Figure("arrow", 46, "bytes", "a row of a batch in the driver's Python", _record(121)),
    Figure(
        "ranking",
        0.29,
        "µs of CPU",
        "a hashtag of the open window, for one ranking",
        _record(117, "busy"),
    ),
    Figure(
        "audit",
        4.2,
        "µs of CPU",
        "a record in the audit, two processes",
        _record(119, "quiet"),
    ),
)
ASSUMED = (
    Figure("replicas", 3, "", "copies of each partition", "usual"),
    Figure("headroom", 2, "", "cores for decoding, by those that the rate alone takes: to catch up after a pause", "a choice"),
    Figure("nic", 625, "MB/s", "of a broker's network: half of 10 Gbit/s, each way", "an assumption"),
    Figure("disk", 8, "TB", "of a broker for the log", "an assumption"),
    Figure("broker_cores", 8, "cores", "of a broker; what ours takes of the processor a tweet was not measured", "an assumption"),
    Figure("executor_cores", 4, "cores", "of an executor", "a choice"),
    Figure("trigger", 10, "s", "between batches", "`TRIGGER_SECONDS`"),
    Figure("report", 0.5, "s", "between a producer's commits of its ledger", "`trending.producer.program`"),
    Figure("windows", 3, "", "windows whose groups the state holds", "[growth](growth.md)"),
    Figure("kept", 10_000, "hashtags", "kept of a window that is over", "`RANKING_HASHTAGS`"),
    Figure("processes", 4, "", "that an audit starts at most", _record(119)),
    Figure("per_mb", 2_000, "records", "a batch for each MiB of the driver's heap", "`trending.stream.catching_up`"),
    Figure("partition", 16, "GiB", "of log that a partition keeps", "`RETENTION_MB`"),
    Figure("price", 0.05, "USD", "a core-hour with 4 GiB; no offer, put in your own", "assumed on 2026-11-30"),
)


@dataclass(frozen=True)
class Case:
    """A rate, and how many hashtags a minute has: an assumption too."""

    rate: float
    hashtags: float


CASES = (Case(1e6, 1e5), Case(1e8, 1e6))


def figures(case: Case, given: Iterable[Figure] = (*MEASURED, *ASSUMED)) -> dict[str, float]:
    """Return every figure that follows for a case, by the name that the derivations use."""
    g = {each.symbol: each.value for each in given}
    rate, hashtags = case.rate, case.hashtags
    f: dict[str, float] = {}
    f["bytes"] = rate * g["log"]
    f["plain bytes"] = rate * g["plain"]
    f["decoding"] = rate * g["executor"] * MICRO
    f["batch"] = rate * g["trigger"]
    f["rows"] = min(hashtags, f["batch"])
    f["updating"] = f["rows"] * g["update"] * MICRO / g["trigger"]
    f["cores"] = ceil((f["decoding"] + f["updating"]) * g["headroom"])
    f["partitions"] = f["cores"]
    f["executors"] = ceil(f["cores"] / g["executor_cores"])
    f["network in"] = f["bytes"] * g["replicas"]
    f["network out"] = f["bytes"] * (g["replicas"] - 1 + 2)
    f["log week"] = f["bytes"] * WEEK_SECONDS * g["replicas"]
    f["brokers network"] = ceil(max(f["network in"], f["network out"]) / (g["nic"] * 1e6))
    f["brokers disk"] = ceil(f["log week"] / (g["disk"] * 1e12))
    f["brokers day"] = ceil(f["brokers disk"] / 7)
    f["brokers"] = max(g["replicas"], f["brokers network"], f["brokers disk"])
    f["partition hours"] = g["partition"] * GIB / (f["bytes"] / f["partitions"]) / HOUR_SECONDS
    f["heap"] = f["batch"] / g["per_mb"]
    f["groups"] = hashtags * g["windows"]
    f["state"] = f["groups"] * g["state"]
    f["writes"] = f["rows"] / g["trigger"]
    f["collected"] = f["rows"] * g["arrow"]
    f["sqlite"] = f["rows"] * g["sqlite"] * MICRO
    f["postgres"] = f["rows"] * g["postgres"] * MICRO
    f["store day"] = 24 * 60 * min(hashtags, g["kept"]) * g["row"]
    f["page"] = hashtags * g["ranking"] * MICRO
    f["producers"] = ceil(rate / g["sent"])
    f["producer cores"] = rate * g["producer"] * MICRO
    each = rate / f["producers"]
    f["commit"] = min(hashtags, each * g["report"])
    f["ledger each"] = f["commit"] / g["report"]
    f["ledger"] = f["ledger each"] * f["producers"]
    f["ledger share"] = f["ledger each"] * g["ledger"] * MICRO
    f["ledger postgres"] = f["ledger"] * g["postgres"] * MICRO
    f["ledger week"] = f["producers"] * min(hashtags, each * MINUTE_SECONDS) * g["count"] * WEEK_SECONDS / MINUTE_SECONDS
    f["audit cores"] = ceil(rate * g["audit"] * MICRO)
    f["audit hour"] = rate * HOUR_SECONDS * g["audit"] * MICRO / g["processes"]
    f["audit memory"] = rate * HOUR_SECONDS / 8
    f["broker cores"] = f["brokers"] * g["broker_cores"]
    f["all cores"] = f["cores"] + f["broker cores"] + ceil(f["producer cores"]) + f["audit cores"] + g["executor_cores"]
    f["month"] = f["all cores"] * g["price"] * MONTH_HOURS
    return f
