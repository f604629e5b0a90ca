"""The results: a JSON file for each day of measuring, in the format of PERFORMANCE.md, and the table in docs/performance.md."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.contest import WHOLE_FROM
from benchmarks.machine import machine, versions

if TYPE_CHECKING:
    from collections.abc import Sequence

RESULTS = Path(__file__).parent / "results"
PAGE = Path(__file__).parents[1] / "docs" / "performance.md"
BEGIN, END = "<!-- from benchmarks/results/latest.md: make bench -->\n", "<!-- end of the results -->"


def write_results(rows: Sequence[dict[str, Any]], directory: Path = RESULTS) -> tuple[Path, Path]:
    """Write today's JSON and the table, also into docs/performance.md; rows measured earlier, and not now, are kept.

    Returns the paths of JSON and table.
    """
    directory.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = directory / f"{now:%Y-%m-%d}.json"
    fresh = [{**row, "at": f"{now:%Y-%m-%dT%H:%M:%SZ}", "versions": versions(), "machine": machine()} for row in rows]
    measured = {row["row"] for row in fresh}
    kept = [row for row in _earlier(directory) if row["row"] not in measured]  # a row goes whole: it may have several lines
    content = {"rows": sorted((*kept, *fresh), key=lambda row: int(row["row"]))}
    path.write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    table = directory / "latest.md"
    text = to_markdown(content["rows"])
    table.write_text(text, encoding="utf-8")
    show_on_page(text)
    return path, table


def show_on_page(table: str, page: Path = PAGE) -> None:
    """Put the table between the page's two marks; raises ValueError where they are missing."""
    before, mark, rest = page.read_text(encoding="utf-8").partition(BEGIN)
    _old, end, after = rest.partition(END)
    if not mark or not end:
        message = f"{page} has no place for the results"
        raise ValueError(message)
    page.write_text(f"{before}{mark}{table}{end}{after}", encoding="utf-8")


def _earlier(directory: Path) -> list[dict[str, Any]]:
    """Return the rows of the latest file, which has those of the ones before it."""
    files = sorted(directory.glob("????-??-??.json"))
    rows: list[dict[str, Any]] = json.loads(files[-1].read_text(encoding="utf-8"))["rows"] if files else []
    return rows


def to_markdown(rows: Sequence[dict[str, Any]]) -> str:
    """Return the table; what could not be measured says why."""
    lines = ["| # | work | ours | peer | ratio (spread) | goal | met |", "|---|---|---:|---:|---:|---:|---|"]
    for row in rows:
        goal = f"{row['goal_is']} {row['goal']:g}"
        if row["measured"]:
            low, high = row["spread"]["ratio"]
            figures = f"{_shown(row['ours'])} | {_shown(row['peer'])} | {row['ratio']:g} ({low:g} to {high:g})"
            lines.append(f"| {row['row']} | {row['work']} | {figures} | {goal} | {_told(row)} |")
        else:
            why = " ".join(row["why"].split()).replace("|", "/")
            lines.append(f"| {row['row']} | {row['work']} | | | not measured: {why} | {goal} | |")
    measured = [row for row in rows if row["measured"]]
    if measured:
        last = max(measured, key=lambda row: str(row["at"]))
        rounds = min(row["n"] for row in measured)
        when = f"{min(str(row['at']) for row in measured)} to {last['at']}"
        loads = f"load {min(row['load'][0] for row in measured):g} to {max(row['load'][1] for row in measured):g}"
        about = ", ".join(f"{name} {each}" for name, each in last["versions"].items())
        where = f"{last['machine']['cores']} cores, {last['machine']['memory_mb']} MiB, {last['machine']['system']}"
        lines += [
            "",
            f"Medians of {rounds} or more rounds, each row by turns; {when}, {where}, {loads}; {about}.",
        ]
    return "\n".join(lines) + "\n"


def _told(row: dict[str, Any]) -> str:
    """Return whether the line is met, or the row by another line of its own."""
    if row["met"]:
        return "yes"
    return "no; the row is by another line" if row.get("row_met") else "no"


def _shown(figure: float) -> str:
    return f"{figure:,.0f}" if abs(figure) >= WHOLE_FROM else f"{figure:g}"
