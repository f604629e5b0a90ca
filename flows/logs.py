"""Print the last lines of a service or program."""

from __future__ import annotations

import sys

from flows.command_line import run_command
from flows.forms import LogsForm
from infra.embedded import tail
from infra.lab import open_lab
from tasks.undo import PROGRAMS
from trending.errors import InvalidInput


def main(settings: LogsForm) -> None:
    """Print what it wrote to standard output and error; raises InvalidInput for a name that the stack does not have."""
    lab = open_lab(settings.name)
    services = {service.name: service for service in lab.stack.services}
    if settings.service in services:
        sys.stdout.write(lab.runtime.logs(services[settings.service], settings.lines) + "\n")
    elif settings.service in PROGRAMS:
        for stream in ("err", "out"):
            sys.stdout.write(tail(lab.supervisor.logs / f"{settings.service}.{stream}.log", settings.lines) + "\n")
    else:
        cause = f"{settings.service} is no part of {settings.name}"
        raise InvalidInput(cause, f"its parts are {', '.join([*services, *PROGRAMS])}", "make logs SERVICE=kafka")


if __name__ == "__main__":
    run_command(LogsForm, main, "python -m flows.logs")
