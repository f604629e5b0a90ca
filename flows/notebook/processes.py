"""The processes of a notebook: the lab's commands as children of its kernel, and its keeper.

A child process is independent of the kernel's event loop and imports, and is interrupted like a command in a terminal.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable

from flows.commands.modules import module_of
from flows.notebook.keeper import DONE, MARK
from infra.host.paths import CHECKOUT
from trending.errors import LabError

Run = Callable[[str, list[str]], None]
"""Runs a command of the lab by its module's name, with its arguments."""


def interpreter() -> str:
    """Return the Python of the project's virtual environment if it exists: the kernel's may be another, as on Colab."""
    own = CHECKOUT / ".venv" / "bin" / "python"
    return str(own) if own.exists() else sys.executable


def runner(mark: str) -> Run:
    """Return a function that runs a command as a child process of this kernel and shows its output as it arrives."""

    def run(command: str, arguments: list[str]) -> None:
        with subprocess.Popen(
            [interpreter(), "-m", module_of(command), *arguments],
            cwd=CHECKOUT,
            env={
                **os.environ,
                MARK: mark,
                "PYTHONUNBUFFERED": "1",
                "PYTHONIOENCODING": "utf-8",  # what is read below
                "FORCE_COLOR": "",  # a kernel sets it: dim frames
            },
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            encoding="utf-8",
            start_new_session=True,  # a front end interrupts the whole group; the child is interrupted below, once
        ) as process:
            try:
                last = relay(process)
            except KeyboardInterrupt:
                relay_interrupted(process)
                raise
        if process.returncode:
            cause = f"{command} ended with exit code {process.returncode}"
            raise LabError(cause, last, "read its lines above; docs/troubleshooting.md has the exit codes")

    return run


def relay(process: subprocess.Popen[str]) -> str:
    """Print the process's lines until its end and return the last one."""
    last = ""
    for line in process.stdout or ():
        sys.stdout.write(line)
        sys.stdout.flush()
        last = line.strip() or last
    process.wait()
    return last


def relay_interrupted(process: subprocess.Popen[str]) -> None:
    """Interrupt the command, which then undoes its work; each further interruption is passed on, and the third abandons that."""
    while True:
        process.terminate()
        try:
            relay(process)
        except KeyboardInterrupt:
            continue
        return


def start_keeper(name: str, mark: str) -> Callable[[], None]:
    """Start the keeper, which takes the stack down when this kernel ends; returns a function that dismisses it."""
    keeper = subprocess.Popen(
        [interpreter(), "-m", "flows.notebook.keeper", name, mark],
        cwd=CHECKOUT,
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    line = keeper.stdin
    assert line is not None  # noqa: S101 - it was asked for
    if keeper.wait():  # it continues in a process of its own
        line.close()
        cause = "what watches over the notebook's stack could not be started"
        raise LabError(cause, f"exit code {keeper.returncode}", "make prerequisites")

    def done() -> None:
        line.write(DONE)
        line.close()

    return done
