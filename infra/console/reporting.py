"""The lab's own output: lines sent to the standard logger ``trending``, marked to distinguish them from a library's."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING

from infra.console.standard_streams import terminal_has_closed

if TYPE_CHECKING:
    from typing import TextIO

LOGGER = "trending"
MARK = "lab"
"""Attribute of the log records that are the lab's own lines."""


def say(line: str) -> None:
    """Report one line. A terminal prints it; in a flow run, it also goes to Prefect's log."""
    logging.getLogger(LOGGER).info(line, extra={MARK: True})


def write_line(line: str, stream: TextIO | None = None) -> bool:
    """Write one line at once, to standard output by default; returns whether its terminal was found to be closed."""
    stream = sys.stdout if stream is None else stream
    stream.write(f"{line}\n")
    stream.flush()
    return terminal_has_closed(stream)
