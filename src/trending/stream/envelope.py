"""A letter as it is sent: the record that was rejected, as far as a letter has room for it, and headers that say why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from trending.stream.letters import PREFIX, Headers, Reject, Summary

if TYPE_CHECKING:
    from trending.kafka.log_reader import Record

GONE = "retention or compaction removed the record before it was dead-lettered"
"""Header of a letter without a value: the reject is booked, and nobody can read it any more."""
_HEADER_BYTES = 12
"""What a header takes beside its name and value."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A letter with everything that is sent; ``time`` is in milliseconds since the epoch, 0 for the time of sending."""

    letter: Reject | Summary
    key: bytes | None
    value: bytes | None
    headers: Headers
    time: int = 0

    def __len__(self) -> int:
        return len(self.key or b"") + len(self.value or b"") + _size(self.headers)


def enclose(reject: Reject, record: Record | None, topic: str, room: int) -> Envelope:
    """Return the letter of a record of ``topic``, or of one that the log has no more; ``room`` is in bytes.

    The value has half of the room for itself. A key is whole or left out, since a part of it is another key; so are all headers
    together. Headers of the record that begin like a letter's own are left out.
    """
    own = reject.headers(topic, attempts(record) + 1 if record else 1)
    if record is None:
        return Envelope(reject, None, None, [*own, (f"{PREFIX}gone", GONE)])
    key, value = record.key, record.value
    headers: Headers = [(name, text) for name, text in record.all_headers if not name.startswith(PREFIX)]
    cut = []
    if len(key or b"") > room // 2:
        key = None
        cut.append("key")
    if len(key or b"") + _size(headers) > room // 2:
        headers = []
        cut.append("headers")
    if value is not None:
        own.append((f"{PREFIX}length", str(len(value))))
        left = room - len(key or b"") - _size(headers)
        if len(value) > left:
            value = value[:left]
            cut.append("value")
    if cut:
        own.append((f"{PREFIX}cut", ",".join(cut)))
    return Envelope(reject, key, value, [*headers, *own], round(record.append_time * 1000))


def attempts(record: Record) -> int:
    """Return how often a record was rejected before: one that was sent back says so, any other says nothing."""
    said = record.headers.get(f"{PREFIX}attempt") or b""
    return int(said) if said.isdigit() and len(said) < _HEADER_BYTES else 0


def _size(headers: Headers) -> int:
    return sum(_HEADER_BYTES + len(name.encode()) + len(text or b"") for name, text in headers)
