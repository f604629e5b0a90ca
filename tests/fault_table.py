"""The list of faults and their tests, made from the markers: ``python -m fault_table`` writes tests/faults.md.

A test says which row it covers by ``@pytest.mark.row(17, "D", "E")``: the number, and the runtimes in which it breaks the real
thing, Docker or embedded. A test on fakes names none. ``pytestmark`` says it for all tests of a file. The files are read, not
imported.
"""

from __future__ import annotations

import ast
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

TESTS = Path(__file__).parent
LIST = TESTS / "faults.md"
RUNTIMES = {"D": "Docker", "E": "embedded"}
HEAD = """# The faults that the system survives, and their tests

Made by `make docs` from the markers `row`; a fast test fails when this file is not what they say, or when a row has no test.
After each row's title stands where it is asked for: in the Docker runtime, the embedded one or both. After a test stands where it
breaks the real thing; one without is on fakes, or needs no stack.
"""


@dataclass(frozen=True)
class Row:
    """A fault. ``asked`` names the runtimes, ``later`` what builds it, where nothing does yet."""

    title: str
    asked: str = "DE"
    later: str = ""


ROWS = {
    1: Row("no Docker engine, or a wrong DOCKER_HOST"),
    2: Row("image absent and no registry reachable", "D"),
    3: Row("port taken by a foreign process"),
    4: Row("port taken between check and start", "D"),
    5: Row("name taken: ours and equal, ours and drifted, foreign", "D"),
    6: Row("`up` twice, two `up` at once, `down` twice, `down` on nothing"),
    7: Row("a step fails, after each step"),
    8: Row("SIGINT or SIGTERM to the flow at a step; cancellation from the API"),
    9: Row("SIGKILL to the flow at a step"),
    10: Row("broker memory-killed or killed by hand (Docker); heap exhausted (both)"),
    11: Row("broker killed while the stream runs"),
    12: Row("broker frozen for 30 s"),
    13: Row("one of three brokers killed"),
    14: Row("ZooKeeper killed; Kafka restarted before its session ends; one of two volumes deleted", "D"),
    15: Row("cluster id of the data differs from the stack's"),
    16: Row("data directory full or read-only"),
    17: Row("wrong advertised address"),
    18: Row("topic exists with other settings; topic deleted while the stream runs"),
    19: Row("producer killed or frozen, broker unreachable for a minute"),
    20: Row("Spark driver killed; its JVM killed; killed between store write and commit"),
    21: Row("checkpoint corrupt, incompatible, or used by two jobs"),
    22: Row("poison in the topic, hostile hashtags"),
    23: Row("a million distinct hashtags in a minute"),
    24: Row("late, future, duplicated and out-of-order tweets, skewed partitions"),
    25: Row("supervisor killed; Prefect server stopped, its database locked; worker killed"),
    26: Row("health check overlaps with `down`, or with another one"),
    27: Row("healer killed mid-repair; component that dies again and again"),
    28: Row("reused pid, zombie"),
    29: Row("store locked, store deleted, disk full while writing"),
    30: Row("connection reset, black hole, latency, slow close between client and broker"),
    31: Row("paths with spaces and accents; other locale, time zone, directory; read-only home; no Java, Java 11"),
    32: Row("a secret handed in for an external cluster"),
    33: Row("retention takes segments under full rate; a month of windows", later="issue 12"),
    34: Row("records of others: transactions, rejects larger than a letter, a million rejects, compaction", later="issue 11"),
    35: Row("state lost, damaged, of another version or user; checkout copied or moved; other TMPDIR, HOME, umask"),
    36: Row("what the user's shell exports; a terminal without UTF-8, a closed pipe, a closed terminal"),
    37: Row("a page of another origin, a foreign Host header, another user of the machine"),
}


@dataclass(frozen=True, order=True)
class Covering:
    """A test that covers a row, and the runtimes in which it does so for real."""

    file: str
    test: str
    runtimes: tuple[str, ...]


def covered() -> dict[int, list[Covering]]:
    """Return the tests of each row by file and name; raises ValueError for a marker that says nothing."""
    found: dict[int, list[Covering]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        for number, covering in markers(path):
            found.setdefault(number, []).append(covering)
    return {number: sorted(coverings) for number, coverings in sorted(found.items())}


def markers(path: Path) -> Iterator[tuple[int, Covering]]:
    text = path.read_text(encoding="utf-8")
    if "mark.row(" not in text:  # 86 of 199 files; parsing is most of the time
        return
    body = ast.parse(text).body
    of_all = [node.value for node in body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "pytestmark"]
    for node in body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            rows: dict[int, set[str]] = {}
            for call in (part for tree in (*node.decorator_list, *of_all) for part in ast.walk(tree)):
                if isinstance(call, ast.Call) and ast.unparse(call.func) == "pytest.mark.row":
                    number, *runtimes = (ast.literal_eval(argument) for argument in call.args)
                    if number not in ROWS or not set(runtimes) <= set(RUNTIMES):
                        raise ValueError(f"{path.name}: {node.name}: {ast.unparse(call)}")
                    rows.setdefault(number, set()).update(runtimes)
            for number, where in rows.items():
                yield number, Covering(path.relative_to(TESTS).as_posix(), node.name, tuple(sorted(where)))


def rows_without_test(tests: dict[int, list[Covering]]) -> list[int]:
    """Return the rows that no test covers and no open issue builds."""
    return [number for number, row in ROWS.items() if number not in tests and not row.later]


def describe(tests: dict[int, list[Covering]]) -> str:
    """Return the list as Markdown."""
    lines = [HEAD]
    for number, row in ROWS.items():
        lines.append(f"## {number}. {row.title} ({names(row.asked)})\n")
        lines += [f"- `{each.file}` {each.test}{real(each)}" for each in tests.get(number, ())]
        if missing := names(missing_for_real(row, tests.get(number, []))):
            lines.append(f"- none with the real thing: {missing}")
        if row.later:
            lines.append(f"- not yet, or not all of it: {row.later}")
        lines.append("")
    return "\n".join(lines)


def missing_for_real(row: Row, coverings: list[Covering]) -> tuple[str, ...]:
    there = {runtime for covering in coverings for runtime in covering.runtimes}
    return tuple(each for each in row.asked if each not in there)


def names(runtimes: str | tuple[str, ...]) -> str:
    return ", ".join(RUNTIMES[each] for each in runtimes)


def real(covering: Covering) -> str:
    return f" ({names(covering.runtimes)})" if covering.runtimes else ""


def main() -> None:
    LIST.write_text(describe(covered()), encoding="utf-8")
    sys.stdout.write(f"[ok] {LIST.relative_to(TESTS.parent)}\n")


if __name__ == "__main__":
    main()
