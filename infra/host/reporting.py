"""The lab's own output: lines sent to the standard logger ``trending``, marked to distinguish them from a library's."""

from __future__ import annotations

import errno
import logging
import os
import sys
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from typing import TextIO

LOGGER = "trending"
MARK = "lab"
"""Attribute of the log records that are the lab's own lines."""


def say(line: str) -> None:
    """Report one line. A terminal prints it; in a flow run, it also goes to Prefect's log."""
    logging.getLogger(LOGGER).info(line, extra={MARK: True})


def write_line(line: str, stream: TextIO | None = None) -> bool:
    """Write one line at once, to standard output by default; where nobody reads any more, go on in silence.

    Returns whether the terminal was found to be closed.

    A command must finish what it does after its pipe's reader has ended, and its undo after its terminal was closed (EIO).
    """
    stream = sys.stdout if stream is None else stream
    try:
        stream.write(f"{line}\n")
        stream.flush()
    except UnicodeEncodeError as error:
        return write_line(line.encode(error.encoding, "backslashreplace").decode(error.encoding), stream)
    except (OSError, ValueError) as error:
        _silence(stream)
        return isinstance(error, OSError) and error.errno == errno.EIO
    return False


def _silence(stream: TextIO) -> None:
    """Send the rest of a stream nowhere: what Python still holds of it is written at exit, and would fail again."""
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)
