"""Print the last lines of a service or program."""

from __future__ import annotations

import sys

from infra.forms.showing import LogsForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from infra.lab.output import output_tail
from infra.supervision.programs import programs_there
from trending.errors import InvalidInput


def main(settings: LogsForm) -> None:
    """Print the service's or program's output; raises InvalidInput for a name that the stack does not have."""
    lab = open_lab(settings.name)
    parts = [*(service.name for service in lab.stack.services), *programs_there(lab.paths)]
    if settings.service not in parts:
        cause = f"{settings.service} is no part of {settings.name}"
        raise InvalidInput(cause, f"its parts are {', '.join(parts)}", "make logs SERVICE=kafka")
    sys.stdout.write(output_tail(lab, settings.service, settings.lines) + "\n")


if __name__ == "__main__":
    run_command(LogsForm, main, ".venv/bin/python -m infra.commands.logs")
