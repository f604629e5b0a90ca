"""Flows and tasks as the plain functions that they are, so that a hundred runs take no engine and no server."""

from __future__ import annotations

import importlib
import os
from pathlib import Path
from typing import Any

import pytest
from fakes.world import World
from prefect import Flow, Task

from infra.host.processes import free_port
from infra.operations.take_down import directly
from trending.settings import RuntimeKind, StackSettings

FIRST_PORT = 19200 + 300 * int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
"""Each worker has ports of its own: one that is free now may be taken by a test of another worker a moment later. They lie below
those of real stacks, which begin at 21000: a test of the engine runs beside them."""

__all__ = ["artifacts", "plain", "world"]
MODULES = ("start_up", "tear_down", "audit", "demo", "smoke_test", "health_check", "game_day", "report", "rehearse")


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch, java17: object) -> World:
    """A machine of pretend, in place."""
    assert java17
    made = World()
    made.put_in_place(monkeypatch)
    return made


@pytest.fixture
def artifacts(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """The Markdown pages that flows leave, by key."""
    pages: dict[str, str] = {}

    def keep(markdown: str, key: str, description: str) -> None:
        assert description
        pages[key] = markdown

    def keep_link(link: str, link_text: str, key: str, description: str) -> None:
        assert link_text
        keep(link, key, description)

    monkeypatch.setattr("flows.runs.stopwatch.create_markdown_artifact", keep)
    monkeypatch.setattr("flows.runs.stopwatch.create_link_artifact", keep_link)
    monkeypatch.setattr("flows.audit.create_markdown_artifact", keep)
    monkeypatch.setattr("flows.report.create_markdown_artifact", keep)
    monkeypatch.setattr("flows.runs.artifacts.create_markdown_artifact", keep)
    monkeypatch.setattr("flows.game_day.create_markdown_artifact", keep)
    for module in ("health_check", "runs.artifacts"):
        monkeypatch.setattr(
            f"flows.{module}.create_table_artifact", lambda table, key, description: keep(str(table), key, description)
        )
    for module in ("game_day", "runs.artifacts"):
        monkeypatch.setattr(f"flows.{module}.create_progress_artifact", lambda *_progress, **_names: "progress")
        monkeypatch.setattr(
            f"flows.{module}.update_progress_artifact", lambda _artifact, percent: pages.update(progress=str(percent))
        )
    return pages


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch, artifacts: dict[str, str]) -> None:
    """Replace every task and flow in the flows' modules by its function.

    A supervisord is never started: a test that had forgotten ``world`` brought Kafka and Spark up, for 36 to 59 s a run.
    """
    assert artifacts == {}
    for name in MODULES:
        module = importlib.import_module(f"flows.{name}")
        for attribute, value in list(vars(module).items()):
            if isinstance(value, Task | Flow):
                monkeypatch.setattr(module, attribute, value.fn)
    monkeypatch.setattr("flows.tear_down.as_task", directly)
    monkeypatch.setattr("infra.supervision.supervisor.Supervisor.start", _start_nothing)
    monkeypatch.setattr("flows.report.runs_of", lambda _stack: ())
    monkeypatch.setattr("flows.report.CHECKOUT", Path("/nowhere"))  # somebody's own defence.toml is no test's


def _start_nothing(_supervisor: object) -> bool:
    pytest.fail("a supervisord was about to be started: the test asks for no world")


def lab_stack(**settings: Any) -> StackSettings:
    """Return settings of an embedded stack on ports that are free at this moment."""
    return StackSettings(**{"name": "lab", "runtime": RuntimeKind.EMBEDDED, "port": free_port(FIRST_PORT, 100), **settings})
