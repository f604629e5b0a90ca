"""Every command of the lessons on one stack, in order, and every figure that they show."""

from __future__ import annotations

import os
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from lessons import missing, steps
from real.conftest import new_stack

from infra.host.paths import CHECKOUT
from infra.supervision.programs import PRODUCER
from trending.programs.heartbeat import FINISHED

if TYPE_CHECKING:
    from pathlib import Path

    from real.harness import RealStack

TYPED = "/tmp/trending-"  # noqa: S108 - how directories begin that a student types; here they lie in one of the test's
COMMAND_SECONDS = 180


def run(command: str, stack: RealStack, place: Path) -> str:
    """Return what a command says that is run as by a student, on this stack; a sleep ends with the scenario that it waits for."""
    if command.startswith("sleep "):
        stack.wait_until(lambda: getattr(stack.beat(PRODUCER), "phase", "") == FINISHED, 120, "the scenario is over")
        return ""
    settings = {"NAME": stack.name, "PORT": stack.port, "PAGE_PORT": stack.page_port, "RUNTIME": "embedded", "HEAP_MB": 192}
    inherited = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("PYTEST_", "MAKE", "MFLAGS")) and (name == "TRENDING_HOME" or not name.startswith("TRENDING_"))
    }
    done = subprocess.run(
        ["/bin/sh", "-c", command.replace(TYPED, f"{place}/")],
        cwd=CHECKOUT,
        env={**inherited, **{f"TRENDING_{name}": str(value) for name, value in settings.items()}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
        check=False,
    )
    return done.stdout if done.returncode == 0 else f"{done.stdout}\nexit code {done.returncode} of {command}\n"


@pytest.mark.timeout(900)
def test_the_commands_of_the_lessons_print_the_figures_of_the_lessons(real_home: Path, tmp_path: Path) -> None:
    stack, wrong, began = new_stack(), list[str](), time.monotonic()
    try:
        for step in steps("en"):
            output = "".join(run(command, stack, tmp_path) for command in step.commands)
            print(f"lesson {step.lesson} after {time.monotonic() - began:.0f} s: {step.commands}\n{output}")  # noqa: T201 - if it fails
            if lacking := missing(step.expected, output):
                wrong.append(f"lesson {step.lesson}: {lacking}")
            wrong += [line for line in output.splitlines() if line.startswith("exit code ")]
    finally:
        stack.down()
    stack.assert_nothing_left()
    assert wrong == []
