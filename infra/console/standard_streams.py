"""Standard output and error that a command cannot die of: neither of an encoding nor of a reader that has gone.

Standard library only: the check of prerequisites uses it before anything is installed.
"""

from __future__ import annotations

import errno
import io
import os
import sys
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

_GONE = frozenset({errno.EPIPE, errno.EIO})
"""``make status | head -1`` has read enough; the terminal was closed."""


class _Enduring(io.FileIO):
    """A file descriptor for writing. When its reader has gone, what follows is written to nowhere."""

    lost = 0
    """Number of the error that told so, EPIPE or EIO, or ENOSPC of a full disk; 0 while all is written."""

    def write(self, data: ReadableBuffer, /) -> int:
        try:
            return super().write(data)
        except OSError as error:
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self.fileno())
            os.close(nowhere)
            self.lost = error.errno or 0
            if error.errno not in _GONE:
                raise  # once: what Python still holds of it is written at exit, where an error would be a traceback
            return memoryview(data).nbytes


def make_streams_endure() -> None:
    """Replace standard output and error of this process.

    A command that changes something goes on without a reader, since the change is what was asked for; one that only follows
    something asks ``reader_has_gone``. A character that the terminal cannot show becomes a question mark.
    """
    sys.stdout = _enduring(sys.stdout, sys.__stdout__)
    sys.stderr = _enduring(sys.stderr, sys.__stderr__)


def reader_has_gone() -> bool:
    """Whether what this process prints is read by nobody any more; known after the first line that was lost."""
    return _lost(sys.stdout) in _GONE


def terminal_has_closed(stream: TextIO) -> bool:
    """Whether the terminal that ``stream`` wrote to has been closed; known after the first line that was lost."""
    return _lost(stream) == errno.EIO


def _lost(stream: TextIO) -> int:
    raw = getattr(getattr(stream, "buffer", None), "raw", None)
    return raw.lost if isinstance(raw, _Enduring) else 0


def _enduring(stream: TextIO | None, original: TextIO | None) -> TextIO:
    if stream is None:  # started with the descriptor closed
        return open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123 - it lives as long as the process
    if stream is not original:  # a test's, a notebook's
        return stream
    stream.flush()
    raw = _Enduring(stream.fileno(), "wb", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding=stream.encoding, errors="replace", line_buffering=True)
