"""A recording of the page's events: lines of JSON, the first with every section, each further one with those that changed."""

from __future__ import annotations

import gzip
from collections import deque
from typing import TYPE_CHECKING, Any

import msgspec

from trending.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FORM = 1
KEPT_SECONDS = 900.0
KEPT_BYTES = 16_777_216
"""What is kept in memory: a quarter of an hour, or less where the sections are large."""
MOST_BYTES = 268_435_456
"""A file that unpacks to more is none of ours."""


class Line(msgspec.Struct, omit_defaults=True):
    """One line: when it was shown, seconds since the epoch, and sections; the first also has the form and whose page it was."""

    at: float
    sections: dict[str, msgspec.Raw]
    form: int = 0
    stack: str = ""
    zone: str = ""


class Recorder:
    """Keeps the last minutes of what changed. What is older is merged into the state at which they begin."""

    def __init__(self) -> None:
        self._base: dict[str, bytes] = {}
        self._begun = 0.0
        self._changes: deque[tuple[float, Mapping[str, bytes]]] = deque()
        self._bytes = 0

    def add(self, at: float, changed: Mapping[str, bytes]) -> None:
        """Keep what changed at that time; the values are JSON."""
        if not self._base:
            self._base, self._begun = dict(changed), at
            return
        self._changes.append((at, changed))
        self._bytes += sum(map(len, changed.values()))
        while self._changes and (self._changes[0][0] < at - KEPT_SECONDS or self._bytes > KEPT_BYTES):
            self._begun, oldest = self._changes.popleft()
            self._base.update(oldest)
            self._bytes -= sum(map(len, oldest.values()))

    def lines(self, stack: str, zone: str, seconds: float) -> bytes:
        """Return the last ``seconds`` as a recording, packed."""
        base, begun, changes = dict(self._base), self._begun, list(self._changes)
        last = changes[-1][0] if changes else begun
        while changes and changes[0][0] < last - seconds:
            begun, oldest = changes.pop(0)
            base.update(oldest)
        first = Line(begun, {name: msgspec.Raw(text) for name, text in base.items()}, FORM, stack, zone)
        rest = (Line(at, {name: msgspec.Raw(text) for name, text in changed.items()}) for at, changed in changes)
        text = b"\n".join(msgspec.json.encode(line) for line in (first, *rest))
        return gzip.compress(text, mtime=0)


def read_first(path: Path) -> tuple[Line, dict[str, Any]]:
    """Return the first line of a recording and its sections; raises InvalidInput where the file is none."""
    try:
        with gzip.open(path) as file:
            line = msgspec.json.decode(file.readline(KEPT_BYTES), type=Line)
        sections = {name: msgspec.json.decode(bytes(text)) for name, text in line.sections.items()}
    except (OSError, EOFError, msgspec.DecodeError, UnicodeDecodeError) as error:
        cause = f"{path} is no recording of the page"
        raise InvalidInput(cause, str(error), "make record makes one of a running stack") from error
    if line.form != FORM:
        cause = f"{path} is a recording of another form"
        raise InvalidInput(cause, f"form {line.form}, this page plays form {FORM}", "make record makes a new one")
    return line, sections
