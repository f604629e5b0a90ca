"""Signal handling and exit codes of the long-running programs."""

from __future__ import annotations

import logging
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
    """Return an event that SIGTERM and SIGINT set, so that a program ends between two steps and never within one."""
    stop = threading.Event()

    def _stop(_number: int, _frame: FrameType | None) -> None:
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
