"""Count anew from the log under a new checkpoint: the way out of a damaged one that keeps the data."""

from __future__ import annotations

import sys

from infra.console.reporting import say
from infra.forms.parameters import RebuildForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.operations.stream import rebuild_stream, wait_for_stream
from infra.stack.state import stack_held


def main(settings: RebuildForm) -> None:
    """Set the checkpoint aside, empty the store, start the stream where counting began; the log itself is only read."""
    with stack_held(StackPaths.of(settings.name)):
        say("the stream stops, and counts the log anew under a new checkpoint")
        begin = rebuild_stream(settings.name)
        wait_for_stream(settings.name)
    for partition, offset in sorted(begin.items()):
        sys.stdout.write(f"partition {partition} is counted anew from offset {offset}\n")
    sys.stdout.write(f"next: make audit NAME={settings.name} proves the count once the stream has caught up\n")


if __name__ == "__main__":
    run_command(RebuildForm, main, "python -m infra.commands.rebuild")
