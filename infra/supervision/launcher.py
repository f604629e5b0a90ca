"""Ends what a program's last run left behind, then starts the program: ``python -m infra.supervision.launcher COMMAND …``.

A killed Spark driver leaves its JVM for a moment, and two of them must not write one checkpoint. The pid stays the same, because
this process becomes the program.
"""

from __future__ import annotations

import os
import sys

from infra.host.processes import COMPONENT_VARIABLE, STACK_VARIABLE, end_processes, stack_processes

GRACE_SECONDS = 1.0


def main() -> None:
    """End the leftovers, then become the command; exits with 1 if a leftover cannot be ended."""
    environment = os.environ
    leftovers = [
        process
        for process in stack_processes(environment[STACK_VARIABLE], environment[COMPONENT_VARIABLE])
        if process.pid != os.getpid()
    ]
    if survivors := end_processes(leftovers, GRACE_SECONDS):
        sys.exit(f"an earlier life is still there: {[process.pid for process in survivors]}")
    os.execvp(sys.argv[1], sys.argv[1:])  # noqa: S606 - the command is our own declaration


if __name__ == "__main__":
    main()
