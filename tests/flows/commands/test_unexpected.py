"""Every step of every command raises what nobody expected: one line, a file with the traceback, nothing left behind."""

from __future__ import annotations

import errno
import os
import re
import shutil
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.plain import lab_stack
from fakes.world import World

from flows import audit, demo, game_day, health_check, report, smoke_test, start_up, tear_down
from flows.commands import serve
from infra.commands import logs, observe, spy, status
from infra.commands.recordings import play, record
from infra.forms import proving, showing, stacks
from infra.forms.terminal import run_command

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("plain", "own_process")
CHECKOUT = Path(__file__).resolve().parents[3]
RECORDED = str(CHECKOUT / "docs/recorded/ranking.sqlite")


@dataclass(frozen=True)
class Command:
    """A command: its form, its ``main``, its arguments, and whether a stack must be up for it."""

    form: Any
    main: Callable[[Any], None]
    arguments: tuple[str, ...] = ("--name", "lab")
    needs_stack: bool = True
    recorded: Any = None
    judges: int = 0
    """Exit code with which it tells of what it looked at: an error in a look is a finding."""
    looks: int = 1
    """How often it does a step before it believes that it fails."""


COMMANDS = {
    "up": Command(stacks.StartUpForm, start_up.main, needs_stack=False, recorded=start_up.recorded_settings),
    "up again": Command(stacks.StartUpForm, start_up.main, recorded=start_up.recorded_settings),
    "down": Command(stacks.TearDownCommand, tear_down.main, ("--name", "lab", "--volumes")),
    "stop": Command(stacks.TearDownCommand, tear_down.main, ("--name", "lab", "--stop_only")),
    "status": Command(stacks.NamedStack, status.main),
    "health": Command(proving.HealthCheckForm, health_check.main, judges=15, looks=40),
    "demo": Command(showing.DemoForm, demo.main, ("--name", "lab", "--demo_seconds", "5"), needs_stack=False),
}
"""Commands of whose steps the world knows."""
ONE_STEP = {
    "audit": (Command(proving.AuditForm, audit.main), "flows.audit.audit_running"),
    "game-day": (Command(proving.GameDayForm, game_day.main), "flows.game_day.open_lab"),
    "report": (Command(showing.ReportForm, report.main), "flows.report.read_state"),
    "smoke": (Command(proving.SmokeTestForm, smoke_test.main), "flows.smoke_test.send_probe"),
    "logs": (Command(showing.LogsForm, logs.main), "infra.commands.logs.open_lab"),
    "spy": (Command(showing.SpyForm, spy.main), "infra.commands.spy.follow"),
    "observe": (Command(showing.ObserveForm, observe.main, ()), "infra.commands.observe.place_files"),
    "replay_demo": (
        Command(showing.PlayForm, play.main, ("--store", RECORDED)),
        "infra.commands.recordings.play.show",
    ),
    "record": (Command(showing.RecordForm, record.main), "infra.commands.recordings.record.save_recording"),
    "serve": (Command(showing.ServeForm, serve.main, ()), "flows.commands.serve.ensure_server"),
}
"""Commands that are broken at one step, by the name of the function that raises."""
ERRORS = {
    "OSError": lambda: OSError(errno.ENOSPC, os.strerror(errno.ENOSPC)),
    "RuntimeError": lambda: RuntimeError("nobody expected this"),
    "KeyboardInterrupt": KeyboardInterrupt,
}


@pytest.fixture(autouse=True)
def _no_server(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (start_up, health_check, demo, audit, game_day, report, smoke_test):
        monkeypatch.setattr(module, "with_server", lambda run, **_options: run())
    monkeypatch.setattr("flows.tear_down.current_server", lambda *_users: None)
    monkeypatch.setattr("flows.tear_down.stop_idle_server", lambda: None)
    monkeypatch.setattr("flows.health_check.emit_event", lambda *_event, **_payload: None)
    monkeypatch.setattr("flows.demo.watch_rankings", lambda _stack, _seconds: None)
    monkeypatch.setattr("infra.health.examination.PAUSE_SECONDS", 0.0)
    monkeypatch.setattr("atexit.register", lambda *_call: None)


def run(command: Command) -> int:
    """Run a command as the terminal does; returns its exit code."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["it", *command.arguments])
        try:
            run_command(command.form, command.main, "it", command.recorded)
        except SystemExit as end:
            return int(end.code or 0)
    return 0


def ready(world: World, command: Command) -> None:
    """Have a stack or none, as the command needs, with nothing done yet."""
    if command.needs_stack:
        start_up.start_up(stacks.StartUpForm(stack=lab_stack()))
    world.forget_history()


def empty(home: Path) -> None:
    """Delete what a run has left in the home."""
    for left in home.iterdir():
        shutil.rmtree(left) if left.is_dir() else left.unlink()


def steps_of(command: Command, home: Path) -> list[str]:
    """Return every operation that the command does on a machine where nothing fails."""
    world = World()
    with pytest.MonkeyPatch.context() as patch:
        world.put_in_place(patch)
        ready(world, command)
        run(command)
    empty(home)
    return list(dict.fromkeys(world.calls))


def assert_told(code: int, error: str, command: Command, said: str, home: Path) -> None:
    """Assert that the command ended as it should after this error."""
    assert "Traceback" not in said
    if error == "KeyboardInterrupt":
        assert code == 130
        assert said.splitlines().count("interrupted") == 1
        return
    if code == command.judges:
        return
    assert code == 1
    lines = [line for line in said.splitlines() if line.startswith(f"error: {error}: ")]
    assert len(lines) == 1
    found = re.search(r" - its traceback is in (\S+)$", lines[0])
    assert found is not None
    file = Path(found[1])
    assert file.is_relative_to(home)
    assert file.stat().st_mode & 0o777 == 0o600
    assert error in file.read_text()


@pytest.mark.thorough
@pytest.mark.row(7)
@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", COMMANDS)
def test_each_step_of_a_command_may_raise_anything(
    name: str, error: str, monkeypatch: pytest.MonkeyPatch, java17: Path, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert java17.exists()
    monkeypatch.setenv("TRENDING_RUNTIME", "embedded")
    monkeypatch.setenv("TRENDING_PORT", str(lab_stack().port))
    command = COMMANDS[name]
    steps = steps_of(command, home)
    assert steps
    unnoticed = []
    for step in steps:
        world = World()
        with pytest.MonkeyPatch.context() as patch:
            world.put_in_place(patch)
            ready(world, command)
            capsys.readouterr()
            world.fail(step, *[ERRORS[error]() for _look in range(command.looks)])
            code = run(command)
            said = capsys.readouterr().err
            if code == 0:
                unnoticed.append(step)
            else:
                assert_told(code, error, command, said, home)
            if name == "up":
                assert world.running == set(), f"something was left behind after {step}"
        empty(home)
    if error == "KeyboardInterrupt":
        assert unnoticed == []
    assert len(unnoticed) < len(steps) / 2, "most steps are not told of"


@pytest.mark.parametrize("error", ERRORS)
@pytest.mark.parametrize("name", ONE_STEP)
def test_a_command_whose_work_raises_anything_ends_in_one_line(
    name: str, error: str, monkeypatch: pytest.MonkeyPatch, world: World, home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command, function = ONE_STEP[name]
    monkeypatch.setenv("TRENDING_RUNTIME", "embedded")
    ready(world, command)

    def broken(*_arguments: object, **_options: object) -> None:
        unexpected = ERRORS[error]()
        raise unexpected

    monkeypatch.setattr(function, broken)
    capsys.readouterr()
    assert_told(run(command), error, command, capsys.readouterr().err, home)


def test_every_command_ends_through_one_of_the_two_doors() -> None:
    """Both tell errors in one line: ``run_command`` for those with a form, ``run_reported`` for the rest."""
    makefile = (CHECKOUT / "Makefile").read_text(encoding="utf-8")
    for module in sorted(set(re.findall(r" -m ((?:flows|infra)[.\w]+)", makefile))):
        source = (CHECKOUT / module.replace(".", "/")).with_suffix(".py").read_text(encoding="utf-8")
        last = source.rstrip().splitlines()[-1].strip()
        assert last.startswith(("run_command(", "run_reported(")), module
        # As it is typed: a system may have no python, and if it has one, that one lacks our packages.
        assert "python -m" not in last or f'".venv/bin/python -m {module}"' in last, module
