"""Watches over a notebook's stack: however the kernel ends, what it had running is interrupted and its stack taken down.

The kernel holds this process's standard input open, and the end of that is the kernel's end: closed, restarted or killed. No
handler in the kernel could do it, since a front end gives a kernel five seconds and SIGKILL gives it none.
"""

from __future__ import annotations

import os
import subprocess
import sys

import psutil

from infra.host.paths import CHECKOUT, lab_home
from infra.host.processes import end_processes

MARK = "NOTEBOOK_KERNEL"
"""Variable in the environment of every command that a notebook runs."""
DONE = b"done"
"""What a notebook says that took its stack down itself."""
UNDO_SECONDS = 60.0
TEAR_DOWN_SECONDS = 600


def commands_of(mark: str) -> list[psutil.Process]:
    """Return the lab's commands that run for the notebook with this mark; what they started carries it too and is left out."""
    commands = []
    for process in psutil.process_iter():
        try:
            carries_mark = process.environ().get(MARK) == mark and process.pid != os.getpid()
            if carries_mark and any(part.startswith(("flows.", "infra.commands.")) for part in process.cmdline()):
                commands.append(process)
        except psutil.Error:
            continue
    return commands


def clean_up(stack: str, mark: str) -> None:
    """Interrupt what runs, which then undoes itself, and take the stack down with its data by the usual command."""
    end_processes(commands_of(mark), UNDO_SECONDS)
    command = [sys.executable, "-m", "flows.tear_down", f"--name={stack}", "--volumes"]
    done = subprocess.run(
        command,
        cwd=CHECKOUT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=TEAR_DOWN_SECONDS,
        check=False,
    )
    if done.returncode:
        # Nobody looks at this process's output: the kernel is gone.
        (lab_home() / f"{stack}.log").write_bytes(done.stdout)


def main() -> None:
    """``python -m flows.notebook.keeper STACK MARK``: wait for standard input's end, then clean up unless told not to."""
    stack, mark = sys.argv[1:]
    if os.fork():
        os._exit(0)  # the kernel's front end may end all of the kernel's descendants: this is none
    if sys.stdin.buffer.read() != DONE:
        clean_up(stack, mark)


if __name__ == "__main__":
    main()
