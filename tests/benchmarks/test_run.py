"""The command: which rows it takes, and what is left when it is cut short."""

from __future__ import annotations

from typing import Any

import pytest

from benchmarks import run
from benchmarks.contest import Limit, Row, Sample
from benchmarks.rows import Group


class Counted:
    """A participant that measures 1 for ever, or is cut short; it notes that it was closed."""

    def __init__(self, name: str, error: BaseException | None = None) -> None:
        self.name = name
        self.facts: dict[str, str] = {}
        self.closed = 0
        self.measured = 0
        self._error = error

    def prepare(self) -> None:
        """Nothing."""

    def measure(self) -> Sample:
        self.measured += 1
        if self._error:
            raise self._error
        return Sample(1.0)

    def close(self) -> None:
        self.closed += 1


class Bench:
    """The command on groups of our own; keeps what would be written."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
        self.written: list[list[int]] = []
        self._monkeypatch = monkeypatch
        self._table = tmp_path / "table.md"
        self._table.write_text("the table\n", encoding="utf-8")
        monkeypatch.setattr(run, "write_results", self._write)
        monkeypatch.setattr(run.signal, "signal", lambda _number, _handler: None)

    def __call__(self, participants: list[Counted], *arguments: str) -> None:
        rows = [Row(number, "work", each.name, "one", 1.0) for number, each in enumerate(participants, start=1)]
        made = tuple(Group((each, Limit("one", 1.0)), (row,)) for each, row in zip(participants, rows, strict=True))
        self._monkeypatch.setattr(run, "groups", lambda _sizes: made)
        self._monkeypatch.setattr("sys.argv", ["bench", *arguments])
        run.main()

    def _write(self, results: list[dict[str, Any]]) -> tuple[str, Any]:
        self.written.append([result["row"] for result in results])
        return "results.json", self._table


@pytest.fixture
def bench(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Bench:
    return Bench(monkeypatch, tmp_path)


def test_what_was_measured_is_written_after_each_group(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    participants = [Counted("a"), Counted("b")]
    bench(participants, "--rounds", "2")
    assert bench.written == [[1], [1, 2]]
    assert [(each.measured, each.closed) for each in participants] == [(2, 1), (2, 1)]
    assert "the table" in capsys.readouterr().out


def test_only_the_rows_asked_for_are_measured(bench: Bench) -> None:
    participants = [Counted("a"), Counted("b")]
    bench(participants, "--rows", "2", "--rounds", "1")
    assert (bench.written, participants[0].measured) == ([[2]], 0)


def test_cut_short_it_ends_what_runs_and_keeps_the_groups_before(bench: Bench) -> None:
    participants = [Counted("a"), Counted("b", KeyboardInterrupt())]
    with pytest.raises(KeyboardInterrupt):
        bench(participants, "--rounds", "1")
    assert (bench.written, participants[1].closed) == ([[1]], 1)


def test_a_participant_that_fails_to_close_keeps_no_other_one_open() -> None:
    class Stuck(Counted):
        def close(self) -> None:
            raise RuntimeError("stuck")

    first = Counted("a")
    with pytest.raises(RuntimeError, match="stuck"):
        Group((first, Limit("one", 1.0), Stuck("b")), ()).close()
    assert first.closed == 1


@pytest.mark.parametrize(
    ("arguments", "why"),
    [(("--rows", "3"), "there are rows [1]"), (("--rounds", "0"), "rounds is at least 1"), (("--tweets", "0"), "tweets must be")],
)
def test_what_it_cannot_measure_is_refused(
    bench: Bench, arguments: tuple[str, ...], why: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        bench([Counted("a")], *arguments)
    assert why in capsys.readouterr().err
    assert bench.written == []
