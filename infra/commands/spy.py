"""Print the topic from the beginning and follow it until Ctrl-C."""

from __future__ import annotations

import sys

from infra.console.standard_streams import reader_has_gone
from infra.forms.showing import SpyForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from trending.kafka.spy import follow
from trending.programs.lifecycle import stop_on_signals


def main(settings: SpyForm) -> None:
    """Print each record's value on a line of its own."""
    lab = open_lab(settings.name)
    stop = stop_on_signals()

    def show(line: str) -> None:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
        if reader_has_gone():
            stop.set()

    follow(lab.stack.connection, lab.settings.stack.topic, stop, show, settings.limit)


if __name__ == "__main__":
    run_command(SpyForm, main, ".venv/bin/python -m infra.commands.spy")
