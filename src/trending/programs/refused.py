"""Records that were refused last, noted beside the job's heartbeat: the page shows them, and asks no broker.

In words for a terminal too: which ones, and why.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

import msgspec

from trending.text import printable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from trending.kafka.rejects import Rejects

KEPT = 12
"""Refused records that are noted; all of them are in the dead-letter topic."""
NAME = "refused.json"
NAMED = 3
"""Refused records that a line of the console names, of each reason in a batch; of the others it tells the number."""


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

    def __str__(self) -> str:
        """Return which record it is, as far as it could be read."""
        who = " of ".join(printable(each) for each in (self.hashtag, self.user) if each)
        place = f"partition {self.partition}, offset {self.offset}"
        return f"{who} ({place})" if who else place


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


def lines_of_batch(batch: int, rejects: Iterable[Rejects], known: Iterable[Refused]) -> list[str]:
    """Return a line for each reason of a batch's rejects: how many, and the last of them by name; ``known`` is what was read."""
    read = {(each.partition, each.offset): each for each in known}
    by_reason: dict[str, list[Rejects]] = {}
    for each in rejects:
        by_reason.setdefault(each.reason, []).append(each)
    return [_line_of_batch(batch, reason, group, read) for reason, group in sorted(by_reason.items())]


def _line_of_batch(batch: int, reason: str, rejects: list[Rejects], read: Mapping[tuple[int, int], Refused]) -> str:
    # Of a flood's millions only these become objects.
    last = deque(((each.partition, offset) for each in rejects for offset in each.offsets()), NAMED)
    many = sum(map(len, rejects))
    named = "; ".join(str(read.get(place, Refused(*place, reason))) for place in last)
    which = ", the last ones" if many > NAMED else ""
    return f"refused in batch {batch}: {many} {printable(reason)}{which}: {named}"


def lines_of_all(reasons: Mapping[str, int], noted: Iterable[Refused]) -> list[str]:
    """Return a line for each reason, the most frequent first: how many so far, and the last one that is noted."""
    last = {each.reason: each for each in noted}
    return [
        f"refused: {many} {printable(reason)}" + (f"; the last one: {last[reason]}" if reason in last else "")
        for reason, many in sorted(reasons.items(), key=lambda item: (-item[1], item[0]))
    ]
