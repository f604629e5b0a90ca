"""The keeper of a notebook's stack: however the kernel ends, it interrupts running commands and takes the stack down.

The kernel holds this process's standard input open, so its end means that the kernel was closed, restarted or killed. A handler
in the kernel would not do: a front end gives a kernel five seconds, and SIGKILL gives it none.
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
"""A notebook that took its stack down itself writes this to the keeper."""
UNDO_SECONDS = 60.0
TEAR_DOWN_SECONDS = 600


def commands_of(mark: str) -> list[psutil.Process]:
    """Return the lab's running commands that carry this notebook's mark, without the processes that they started."""
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
    """Interrupt running commands, which then undo their work, and take the stack down with its data."""
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
        # The kernel is gone, so nobody would see this process's output.
        (lab_home() / f"{stack}.log").write_bytes(done.stdout)


def main() -> None:
    """``python -m flows.notebook.keeper STACK MARK``: wait for standard input's end, then clean up unless told not to."""
    stack, mark = sys.argv[1:]
    if os.fork():
        os._exit(0)  # the front end may end all descendants of the kernel; after the fork this process is not one
    if sys.stdin.buffer.read() != DONE:
        clean_up(stack, mark)


if __name__ == "__main__":
    main()
