"""What goes wrong with records: how each one is spoiled, and what then becomes of it by the rule."""

from __future__ import annotations

from enum import IntEnum
from typing import TYPE_CHECKING

import numpy as np

from trending.simulator.draws import BLOCK
from trending.tweets.rule import MAX_DEPTH, Reason
from trending.tweets.wire_format import MAX_HASHTAG, SCHEMA_VERSION, encode_value

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.simulator.draws import Floats, Integers
    from trending.simulator.scenario import Mischief

FUTURE_SECONDS = (60.0, 3_600.0)
"""How far ahead a tweet of the future is: much more than the 5 s of the rule and any way to the broker."""
FARTHEST_COPY = 8
"""A copy is one of so many records before it."""
COPY_SECONDS = 10.0
"""A copy is sent at most so long after its tweet, so that it is never late where that was not."""


class Fate(IntEnum):
    """What is done to a record."""

    PLAIN = 0
    LATE = 1
    BORDERLINE = 2
    OUT_OF_ORDER = 3
    FUTURE = 4
    CORRUPT = 5
    COPY = 6


class Spoiler:
    """Chooses the fate of a block's records."""

    def __init__(self, mischief: Mischief) -> None:
        late, borderline, disorder = mischief.late, mischief.borderline, mischief.out_of_order
        self._kinds = [
            (Fate.LATE, late.share if late else 0.0, late.seconds if late else (0.0, 0.0)),
            (Fate.BORDERLINE, borderline.share if borderline else 0.0, borderline.seconds if borderline else (0.0, 0.0)),
            (Fate.OUT_OF_ORDER, disorder.share if disorder else 0.0, (0.0, disorder.seconds if disorder else 0.0)),
            (Fate.FUTURE, mischief.future, (-FUTURE_SECONDS[0], -FUTURE_SECONDS[1])),
            (Fate.CORRUPT, mischief.corrupt, (0.0, 0.0)),
            (Fate.COPY, mischief.duplicated, (0.0, 0.0)),
        ]
        self._sums = np.cumsum([share for _fate, share, _seconds in self._kinds])
        self._codes = np.array([*(fate for fate, _share, _seconds in self._kinds), Fate.PLAIN])
        self._low = np.array([*(seconds[0] for _fate, _share, seconds in self._kinds), 0.0])
        self._wide = np.array([*(seconds[1] - seconds[0] for _fate, _share, seconds in self._kinds), 0.0])

    @property
    def spoils(self) -> bool:
        """Whether anything goes wrong at all."""
        return bool(self._sums[-1])

    def fates(self, drawn: Floats, detail: Floats) -> tuple[Integers, Floats]:
        """Return the fate of each record, and how many seconds its timestamp lies behind."""
        chosen = np.searchsorted(self._sums, drawn, side="right")
        return self._codes[chosen], self._low[chosen] + self._wide[chosen] * detail


def sources(fates: Integers, detail: Floats, offsets: Floats) -> Integers:
    """Return for each record of a block which one it is: itself, or for a copy the one that is sent again.

    ``offsets`` are seconds of the clock. A copy that would come too long after its tweet is a tweet of its own.
    """
    found = np.arange(BLOCK)
    for place in np.flatnonzero(fates == Fate.COPY).tolist():
        distance = 1 + int(detail[place] * FARTHEST_COPY)
        for first in (place - distance, place - 1):
            if first >= 0 and offsets[place] - offsets[found[first]] <= COPY_SECONDS:
                found[place] = found[first]
                break
    return found


class _Spoiled:
    """A way to spoil a record's bytes, and the reason for which it then is refused."""

    def __init__(self, reason: Reason, spoil: Callable[[bytes], bytes | None]) -> None:
        self.reason = reason
        self.spoil = spoil


_TEXT, _HASHTAG, _TIMESTAMP = b'"texto":"', b'"hashtag_principal":"', b',"timestamp":'


def _without_hashtag(value: bytes) -> bytes:
    head, tail = value.split(_HASHTAG, 1)
    return head + tail[tail.rindex(_TIMESTAMP) + 1 :]


def _quoted_timestamp(value: bytes) -> bytes:
    head, tail = value.rsplit(_TIMESTAMP, 1)
    return head + _TIMESTAMP + b'"' + tail[:-1] + b'"}'


def _without_timestamp(value: bytes) -> bytes:
    return value.rsplit(_TIMESTAMP, 1)[0] + b"}"


def _with(value: bytes, field: str, content: bytes) -> bytes:
    return value[:-1] + b"," + encode_value(field) + b":" + content + b"}"


CORRUPTIONS = (
    _Spoiled(Reason.BAD_JSON, lambda value: value[:-1]),
    _Spoiled(Reason.BAD_UTF8, lambda value: value.replace(_TEXT, _TEXT + b"\xff", 1)),
    _Spoiled(Reason.NO_HASHTAG, _without_hashtag),
    _Spoiled(Reason.WRONG_TYPE, _quoted_timestamp),
    _Spoiled(Reason.NO_TIMESTAMP, _without_timestamp),
    _Spoiled(Reason.LONG_HASHTAG, lambda value: value.replace(_HASHTAG, _HASHTAG + b"x" * (MAX_HASHTAG + 1), 1)),
    _Spoiled(Reason.UNKNOWN_VERSION, lambda value: _with(value, "version_esquema", b"%d" % (SCHEMA_VERSION + 1))),
    _Spoiled(Reason.TOO_DEEP, lambda value: _with(value, "anidado", b"[" * MAX_DEPTH + b"]" * MAX_DEPTH)),
    _Spoiled(Reason.TOMBSTONE, lambda _value: None),
)
"""All ways in which a record is corrupted, each as likely as the others."""
