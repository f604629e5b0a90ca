"""The tables of docs/scaling.md. ``python -m benchmarks.scaling.page`` writes them into the page."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from benchmarks.scaling.figures import ASSUMED, CASES, HOUR_SECONDS, MEASURED, PAGE, Figure, figures

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

GIGA = 1e9
END = "<!-- end -->"


def _rate(value: float) -> str:
    return f"{value / GIGA:,.2f} GB/s" if value >= GIGA else f"{value / 1e6:,.0f} MB/s"


def _size(value: float) -> str:
    for unit, name in ((1e15, "PB"), (1e12, "TB"), (GIGA, "GB")):
        if value >= unit:
            return f"{value / unit:,.1f} {name}"
    return f"{value / 1e6:,.0f} MB"


def _time(seconds: float) -> str:
    return f"{seconds / HOUR_SECONDS:,.2f} h"


def _number(value: float) -> str:
    return f"{value:,.0f}"


Step = tuple[str, str, str, "Callable[[float], str]"]
"""The name of a figure, what it is, what it is made of, and how it is shown."""
STEPS: tuple[Step, ...] = (
    ("bytes", "tweets into the log", "rate × log", _rate),
    ("plain bytes", "the same if nothing compresses", "rate × plain", _rate),
    ("decoding", "cores that decoding takes", "rate × executor", lambda v: f"{v:,.1f}"),
    ("updating", "cores that the state's groups take", "hashtags × update ÷ trigger", lambda v: f"{v:,.1f}"),
    ("cores", "cores of executors", "both × headroom, rounded up", _number),
    ("partitions", "partitions: a task a core, and a task a partition", "cores of executors", _number),
    ("executors", "executors", "÷ executor_cores, rounded up", _number),
    ("network in", "brokers' network, in: each copy once", "bytes × replicas", _rate),
    ("network out", "out: to the other copies, the job, an audit", "bytes × (replicas - 1 + 2)", _rate),
    ("log week", "a week of log on all disks", "bytes × 604,800 s × replicas", _size),
    ("brokers network", "brokers by network", "larger of in and out ÷ nic", _number),
    ("brokers disk", "brokers by disk", "a week of log ÷ disk", _number),
    ("brokers day", "brokers by disk, if the log is kept for a day", "÷ 7, rounded up", _number),
    ("partition hours", "what 16 GiB a partition hold", "partition ÷ (bytes ÷ partitions)", lambda v: f"{v:,.1f} h"),
    ("batch", "records a batch", "rate × trigger", _number),
    ("heap", "driver's heap for such a batch", "÷ per_mb", lambda v: f"{v:,.0f} MiB"),
    ("groups", "groups in the state", "hashtags × windows", _number),
    ("state", "state on the executors' disks", "× state", _size),
    ("rows", "rows that a batch writes", "smaller of hashtags and records", _number),
    ("collected", "their size in the driver's Python, with SQLite", "× arrow", _size),
    ("writes", "rows written to the store a second", "rows ÷ trigger", _number),
    ("sqlite", "seconds of each trigger's 10, SQLite", "rows × sqlite", lambda v: f"{v:,.2f} s"),
    ("postgres", "seconds of each trigger's 10, PostgreSQL", "rows × postgres", lambda v: f"{v:,.1f} s"),
    ("store day", "store, a day of windows that are over", "1,440 × smaller of hashtags and kept × row", _size),
    ("page", "a ranking of the open window", "hashtags × ranking", lambda v: f"{v * 1000:,.0f} ms"),
    ("producers", "producers", "rate ÷ sent, rounded up", _number),
    ("producer cores", "cores of producers", "rate × producer", _number),
    ("commit", "rows of a commit of one ledger, at most", "smaller of hashtags and rate ÷ producers × report", _number),
    ("ledger each", "rows a second, one ledger", "÷ report", _number),
    ("ledger share", "of a core for that, in a file", "× ledger", lambda v: f"{100 * v:,.0f} %"),
    ("ledger", "rows a second, all ledgers", "one ledger's × producers", _number),
    ("ledger postgres", "seconds a second, all in one PostgreSQL", "× postgres", lambda v: f"{v:,.1f} s"),
    ("ledger week", "counts of all ledgers, a week", "producers × 10,080 min × hashtags × count", _size),
    ("audit cores", "cores of an audit that keeps pace", "rate × audit, rounded up", _number),
    ("audit hour", "our audit of an hour's log", "3,600 s × rate × audit ÷ processes", _time),
    ("audit memory", "its ids, one bit a tweet of that hour", "3,600 s × rate ÷ 8", _size),
)
COSTS: tuple[Step, ...] = (
    ("cores", "cores of executors", "above", _number),
    ("broker cores", "cores of brokers", "brokers × broker_cores", _number),
    ("producer cores", "cores of producers", "above", _number),
    ("audit cores", "cores of the audit", "above", _number),
    ("all cores", "all cores, 4 for the driver among them", "sum", _number),
    ("log week", "disk", "a week of log", _size),
    ("network out", "network, out of the brokers", "above", _rate),
    ("month", "the cores alone, for a month of 730 h", "× price", lambda v: f"{v:,.0f} USD"),
)


def table_of_figures(given: Sequence[Figure]) -> str:
    """Return the table of what the derivations begin with."""
    rows = [f"| `{each.symbol}` | {each.value:,g} {each.unit} | {each.what} | {each.source} |" for each in given]
    return "\n".join(["| name | figure | of what | from |", "|---|---:|---|---|", *rows]) + "\n"


def table_of_steps(steps: Sequence[Step]) -> str:
    """Return the table of what follows, a column a case."""
    heads = [f"{case.rate:,.0f}/s, {case.hashtags:,.0f} hashtags a minute" for case in CASES]
    derived = [figures(case) for case in CASES]
    rows = [f"| {what} | {how} | {' | '.join(shown(each[key]) for each in derived)} |" for key, what, how, shown in steps]
    return "\n".join([f"| what | from | {' | '.join(heads)} |", "|---|---|---:|---:|", *rows]) + "\n"


def tables() -> dict[str, str]:
    """Return the page's tables by the names of their marks."""
    return {
        "measured": table_of_figures(MEASURED),
        "assumed": table_of_figures(ASSUMED),
        "derived": table_of_steps(STEPS),
        "costs": table_of_steps(COSTS),
    }


def filled(page: str) -> str:
    """Return the page with today's tables between its marks; raises ValueError where one is missing."""
    for name, table in tables().items():
        before, mark, rest = page.partition(f"<!-- table: {name} -->\n")
        _old, end, after = rest.partition(END)
        if not mark or not end:
            message = f"the page has no place for the table {name}"
            raise ValueError(message)
        page = f"{before}{mark}{table}{end}{after}"
    return page


def main() -> None:
    """Write the tables into the page."""
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
    sys.stdout.write(f"{PAGE}\n")


if __name__ == "__main__":
    main()
