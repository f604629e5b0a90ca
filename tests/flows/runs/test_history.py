"""Which of Prefect's runs a report shows."""

from __future__ import annotations

import datetime as dt
from contextlib import contextmanager
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

from flows.runs import history
from trending.report.defence.evidence import FlowRun

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest

BEGIN = dt.datetime(2026, 11, 30, 6, tzinfo=dt.UTC)


def run(name: str, minute: int, *, ended: bool = True, begun: bool = True) -> Any:
    began = BEGIN + dt.timedelta(minutes=minute)
    return SimpleNamespace(
        name=name,
        state_name="Completed" if ended else "Running",
        start_time=began if begun else None,
        end_time=began if ended else None,
        total_run_time=dt.timedelta(seconds=2.5),
    )


def answer(monkeypatch: pytest.MonkeyPatch, runs: list[Any]) -> None:
    @contextmanager
    def client(*, sync_client: bool) -> Iterator[Any]:
        assert sync_client
        yield SimpleNamespace(read_flow_runs=lambda **_filters: runs)

    monkeypatch.setattr(history, "get_client", client)


def test_the_stacks_own_runs_are_shown_in_the_order_in_which_they_began(monkeypatch: pytest.MonkeyPatch) -> None:
    others = [run("start-up lab2", 9), run("start-up my lab-1", 8), run("audit lab", 7, begun=False)]
    answer(monkeypatch, [*others, run("report lab", 3, ended=False), run("start-up lab", 1)])
    first = BEGIN.timestamp() + 60
    assert history.runs_of("lab") == (
        FlowRun(name="start-up lab", flow="start-up", state="Completed", started=first, seconds=2.5),
        FlowRun(name="report lab", flow="report", state="Running", started=first + 120, seconds=None),
    )


def test_only_the_last_dozen_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    answer(monkeypatch, [run(f"audit{number} lab", number) for number in reversed(range(20))])
    shown = history.runs_of("lab")
    assert shown is not None
    assert [each.flow for each in shown] == [f"audit{number}" for number in range(8, 20)]


def test_a_server_that_does_not_answer_hides_nothing_else(monkeypatch: pytest.MonkeyPatch, said: list[str]) -> None:
    def refuse(*, sync_client: bool) -> Any:
        raise ConnectionError(f"refused {sync_client}")

    monkeypatch.setattr(history, "get_client", refuse)
    assert history.runs_of("lab") is None
    assert said == ["the list of runs could not be left with the run: ConnectionError: refused True"]
