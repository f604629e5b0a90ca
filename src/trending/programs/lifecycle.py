"""Signal handling and exit codes of the long-running programs."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from trending.errors import LabError
from trending.programs.specifications import ProgramSpec

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType


Spec = TypeVar("Spec", bound=ProgramSpec)


def stop_on_signals() -> threading.Event:
    """Return an event that SIGTERM and SIGINT set, so that a program ends between two steps and never within one.

    A second signal ends it at once, wherever it is: what is on disk bears that, as it bears a crash.
    """
    stop = threading.Event()

    def _stop(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.set()

    signal.signal(signal.SIGTERM, _stop)
    signal.signal(signal.SIGINT, _stop)
    return stop


def run_program(spec_type: type[Spec], main: Callable[[Spec, threading.Event], None]) -> None:
    """Run a program; its only argument is the path of its specification. On failure, exit with the error's code."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s", stream=sys.stderr)
    stop = stop_on_signals()
    try:
        main(spec_type.load(Path(sys.argv[1])), stop)
    except LabError as error:
        logging.getLogger("trending").error("%s", error)  # noqa: TRY400 - the message is the whole story
        sys.exit(error.exit_code)
