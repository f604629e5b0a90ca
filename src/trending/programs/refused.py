"""Records that were refused last, noted beside the job's heartbeat: the page shows them, and asks no broker."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

KEPT = 12
"""Refused records that are noted; all of them are in the dead-letter topic."""
NAME = "refused.json"


class Refused(msgspec.Struct, frozen=True):
    """A refused record: where it is in the topic, why it was refused, when it was appended, and what could be read of it.

    ``timestamp`` is its own, None where it has none. Times are in seconds since the epoch.
    """

    partition: int
    offset: int
    reason: str
    append_time: float = 0.0
    hashtag: str = ""
    user: str = ""
    timestamp: float | None = None


class _Read(msgspec.Struct):
    usuario: str = ""
    hashtag_principal: str = ""
    timestamp: float | None = None


def refused(partition: int, offset: int, reason: str, append_time: float, value: bytes | None) -> Refused:
    """Return the note of a record; of one that is no tweet, just its place."""
    try:
        read = msgspec.json.decode(value or b"{}", type=_Read)
    except (msgspec.DecodeError, UnicodeDecodeError):
        read = _Read()
    return Refused(partition, offset, reason, append_time, read.hashtag_principal[:100], read.usuario[:100], read.timestamp)


def note_refused(path: Path, fresh: Iterable[Refused]) -> None:
    """Replace the note at ``path`` with one that has these too, the newest last."""
    found = {(each.partition, each.offset): each for each in (*read_refused(path), *fresh)}
    kept = sorted(found.values(), key=lambda each: each.append_time)[-KEPT:]
    new = path.with_suffix(".new")
    new.write_bytes(msgspec.json.encode(kept))
    new.replace(path)


def read_refused(path: Path) -> list[Refused]:
    """Return what is noted at ``path``, the newest last; nothing where there is no such note."""
    try:
        return msgspec.json.decode(path.read_bytes(), type=list[Refused])
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return []
