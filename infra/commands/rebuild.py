"""Count anew from the log under a new checkpoint: the way out of a damaged one that keeps the data."""

from __future__ import annotations

from infra.console.reporting import say
from infra.forms.proving import RebuildForm
from infra.forms.terminal import run_command
from infra.host.paths import StackPaths
from infra.operations.stream import rebuild_stream, still_counting, wait_for_stream
from infra.stack.state import stack_held
from trending.errors import Interrupted, NotReady, ServiceDied, endings_passed_on


def main(settings: RebuildForm) -> None:
    """Set the checkpoint aside, empty the store, start the stream where counting began; the log itself is only read.

    Raises NotReady if the first batch takes longer than the start of a stream may take: the stream goes on all the same.
    """
    stack = settings.name
    with stack_held(StackPaths.of(stack)):
        counted = rebuild_stream(stack)
        try:
            with endings_passed_on():
                for partition, offset in sorted(counted.items()):
                    say(f"partition {partition} is counted anew from offset {offset}")
                wait_for_stream(stack)
        except Interrupted:
            say(still_counting(stack))
            raise
        except NotReady as error:
            if not error.retriable or isinstance(error, ServiceDied):
                raise
            cause = "the first batch takes long, and counting goes on by itself"
            follow = f"make status NAME={stack} shows how far it is; then make audit NAME={stack} proves the count"
            raise NotReady(cause, error.cause, follow) from error
    say(f"the stream counts; make audit NAME={stack} proves the count once it has caught up")


if __name__ == "__main__":
    run_command(RebuildForm, main, ".venv/bin/python -m infra.commands.rebuild")
