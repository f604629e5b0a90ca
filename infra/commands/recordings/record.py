"""Save what the live page has shown in the last minutes, to be played with ``make replay-demo``."""

from __future__ import annotations

from pathlib import Path

from infra.console.reporting import say
from infra.forms.showing import RecordForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from infra.operations.page import save_recording
from trending.text import for_make


def main(settings: RecordForm) -> None:
    """Write the file; raises NotReady where no page answers."""
    path = Path(settings.recording)
    size = save_recording(open_lab(settings.name), path, settings.last)
    say(f"{path}: the last {settings.last:g} s of the page, {size / 1024:.0f} KiB")
    say(f"make replay-demo RECORDING={for_make(settings.recording)} plays it")


if __name__ == "__main__":
    run_command(RecordForm, main, ".venv/bin/python -m infra.commands.recordings.record")
