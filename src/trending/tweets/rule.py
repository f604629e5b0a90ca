"""The rule that classifies a record from the record alone: as a tweet, a reject or foreign.

Stream, audit and tests share it, so a record is classified the same at any trigger interval and in any order.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import NamedTuple

import msgspec

from trending.settings import WINDOW_SECONDS, WindowTime

MAX_HASHTAG = 280
"""Longest hashtag that is ranked, in characters, so that no single record can fill the store."""
MAX_DEPTH = 256
"""Deepest nesting that is read. Otherwise the interpreter's recursion limit would decide. It depends on the depth of the
caller's stack, so stream and audit could judge the same record differently."""
LATE_AFTER = 60.0
"""Seconds past its window's end after which a tweet counts as late (SPEC, section 4)."""
FUTURE_AFTER = 5.0
"""Seconds that a tweet's timestamp may lie ahead of its append time (SPEC, section 4)."""


class _Wire(msgspec.Struct):
    """The keys that are read. Any may be missing; the probe's two keys mark a foreign record."""

    usuario: str | None = None
    texto: str | None = None
    hashtag_principal: str | None = None
    timestamp: float | None = None
    mensaje: str | None = None
    contador: int | None = None


class Kind(StrEnum):
    """What a record of the topic means for the ranking."""

    TWEET = "tweet"
    FOREIGN = "foreign"
    REJECT = "reject"


class Reason(StrEnum):
    """Why a record goes to the dead letters; the texts are stored and shown."""

    TOMBSTONE = "tombstone"
    BAD_JSON = "not valid JSON"
    BAD_UTF8 = "not valid UTF-8"
    TOO_DEEP = "nested too deeply"
    WRONG_TYPE = "a field has the wrong type"
    NO_HASHTAG = "hashtag_principal is missing"
    LONG_HASHTAG = f"hashtag_principal is longer than {MAX_HASHTAG} characters"
    NO_TIMESTAMP = "timestamp is missing"
    LATE = "late: its window closed before it was appended"
    FUTURE = "future: its timestamp is ahead of its append time"


class Verdict(NamedTuple):
    """The classification of one record.

    ``label`` is a tweet's hashtag or a reject's reason, and empty for a foreign record. ``time`` decides the window, in seconds
    since the epoch.
    """

    kind: Kind
    label: str
    time: float


_decode = msgspec.json.Decoder(_Wire).decode
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)


def window_start(time: float) -> int:
    """Return the start of the window that contains ``time``, both in seconds since the epoch."""
    return math.floor(time / WINDOW_SECONDS) * WINDOW_SECONDS


def classify(value: bytes | None, append_time: float, window_time: WindowTime) -> Verdict:
    """Classify a record.

    ``append_time`` is the broker's LogAppendTime in seconds since the epoch. In event mode a tweet is late when its window's
    end + 60 s ≤ its append time and future when its timestamp > its append time + 5 s (SPEC, section 4).
    """
    if value is None:
        return Verdict(Kind.REJECT, Reason.TOMBSTONE, append_time)
    if len(value) > MAX_DEPTH and _too_deep(value):
        return Verdict(Kind.REJECT, Reason.TOO_DEEP, append_time)
    try:
        wire = _decode(value)
    except msgspec.ValidationError:
        reason = Reason.WRONG_TYPE
    except msgspec.DecodeError:
        reason = Reason.BAD_JSON
    except UnicodeDecodeError:
        reason = Reason.BAD_UTF8
    else:
        return _judge(wire, append_time, window_time)
    return Verdict(Kind.REJECT, reason, append_time)


def _too_deep(value: bytes) -> bool:
    """Return whether arrays and objects are nested deeper than MAX_DEPTH; brackets inside strings do not count."""
    if value.count(b"[") + value.count(b"{") <= MAX_DEPTH:
        return False
    depth = 0
    for token in _STRUCTURE.finditer(value):
        if token[0] in b"[{":
            depth += 1
            if depth > MAX_DEPTH:
                return True
        elif token[0] in b"]}":
            depth -= 1
    return False


def _judge(wire: _Wire, append_time: float, window_time: WindowTime) -> Verdict:
    hashtag, timestamp = wire.hashtag_principal, wire.timestamp
    if not hashtag and wire.mensaje is not None and wire.contador is not None:
        return Verdict(Kind.FOREIGN, "", append_time)
    if not hashtag:
        reason = Reason.NO_HASHTAG
    elif len(hashtag) > MAX_HASHTAG:
        reason = Reason.LONG_HASHTAG
    elif timestamp is None:
        reason = Reason.NO_TIMESTAMP
    elif window_time is WindowTime.ARRIVAL:
        return Verdict(Kind.TWEET, hashtag, append_time)
    elif timestamp > append_time + FUTURE_AFTER:
        reason = Reason.FUTURE
    elif window_start(timestamp) + WINDOW_SECONDS + LATE_AFTER <= append_time:
        reason = Reason.LATE
    else:
        return Verdict(Kind.TWEET, hashtag, timestamp)
    return Verdict(Kind.REJECT, reason, append_time)
