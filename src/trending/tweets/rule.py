"""The rule that classifies a record from the record alone: as a tweet, untagged, foreign or a reject.

Stream, audit and tests share it, so a record is classified the same at any trigger interval and in any order.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import Annotated, Literal, NamedTuple

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from trending.settings import MINUTE_SECONDS, Rule, Spelling, WindowTime
from trending.tweets.spelling import folded
from trending.tweets.wire_format import MAX_HASHTAG, SCHEMA_VERSION

MAX_DEPTH = 256
"""Deepest nesting that is read. Otherwise the interpreter's recursion limit would decide. It depends on the depth of the
caller's stack, so stream and audit could judge the same record differently."""
LATE_AFTER = 60.0
"""Seconds past its window's end after which a tweet counts as late (SPEC, section 4)."""
LAST_DATE = 253_370_764_800.0
"""Where the year 9999 begins. By original times a tweet counts whose timestamp lies between 0 and this."""
FUTURE_AFTER = 5.0
"""Seconds that a tweet's timestamp may lie ahead of its append time (SPEC, section 4)."""


class _Version(msgspec.Struct, gc=False):
    """The version that a record names, whatever its other fields are."""

    version_esquema: Raw = Raw()


class _Wire(_Version, gc=False):
    """The keys that are read. Any may be missing; the probe's two keys mark a foreign record and may hold anything in a tweet."""

    usuario: str | None = None
    texto: str | None = None
    hashtag_principal: str | UnsetType | None = UNSET
    timestamp: float | None = None
    mensaje: Raw = Raw()
    contador: Raw = Raw()


class PlainTweet(msgspec.Struct, gc=False):
    """A record that is a tweet at first sight. What does not decode into it may be one all the same: ``classify`` knows."""

    hashtag_principal: Annotated[str, Meta(min_length=1, max_length=MAX_HASHTAG)]
    timestamp: float
    usuario: str | None = None
    texto: str | None = None
    version_esquema: Literal[1] = SCHEMA_VERSION


class Kind(StrEnum):
    """What a record of the topic means for the ranking."""

    TWEET = "tweet"
    UNTAGGED = "untagged"
    FOREIGN = "foreign"
    REJECT = "reject"


class Reason(StrEnum):
    """Why a record goes to the dead letters; the texts are stored and shown."""

    TOMBSTONE = "tombstone"
    BAD_JSON = "not valid JSON"
    BAD_UTF8 = "not valid UTF-8"
    TOO_DEEP = "nested too deeply"
    UNKNOWN_VERSION = "version_esquema is not one that is known"
    WRONG_TYPE = "a field has the wrong type"
    NO_HASHTAG = "hashtag_principal is missing"
    LONG_HASHTAG = f"hashtag_principal is longer than {MAX_HASHTAG} characters"
    NO_TIMESTAMP = "timestamp is missing"
    LATE = "late: its window closed before it was appended"
    FUTURE = "future: its timestamp is ahead of its append time"
    NO_DATE = "timestamp is before 1970 or after 9998"


class Verdict(NamedTuple):
    """The classification of one record.

    ``label`` is a tweet's hashtag or a reject's reason, and empty for an untagged or foreign record. ``time`` decides the window,
    in seconds since the epoch.
    """

    kind: Kind
    label: str
    time: float


_decode = msgspec.json.Decoder(_Wire).decode
_decode_version = msgspec.json.Decoder(_Version).decode
_skim = msgspec.json.Decoder(Raw).decode
decode_plain = msgspec.json.Decoder(PlainTweet).decode
"""Decode a record that ``unreadable`` has nothing against; raises msgspec.DecodeError for what is no plain tweet."""
_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"?|[\[{]|[\]}]', re.DOTALL)
_WHERE = re.compile(r"(?:Expected `(?P<wanted>[^`]*)`, got `(?P<got>[^`]*)`|(?P<other>[^`]*?))(?: - at `\$\.?(?P<field>[^`]*)`)?")
"""What msgspec says of a value of a wrong type."""
_TYPES = {
    "str": "a text",
    "float": "a number",
    "int": "a number",
    "bool": "true or false",
    "object": "an object",
    "array": "a list",
}
_INTEGER = re.compile(rb"-?[0-9]+")


def window_start(time: float, seconds: int) -> int:
    """Return the start of the window of that many seconds that contains ``time``, both in seconds since the epoch."""
    return math.floor(time / seconds) * seconds


def minute_of(append_time: float) -> int:
    """Return the minute in which a record was appended: the ledger counts by minutes, whatever the windows' length."""
    return window_start(append_time, MINUTE_SECONDS)


def classify(value: bytes | None, append_time: float, rule: Rule) -> Verdict:
    r"""Classify a record by a rule.

    ``append_time`` is the broker's LogAppendTime in seconds since the epoch. In event mode a tweet is late when its window's
    end + 60 s ≤ its append time and future when its timestamp > its append time + 5 s (SPEC, section 4). By original times it is
    neither, and its timestamp only needs a date.

    The whole record is one JSON text in UTF-8, also where nobody reads it. The escape of a lone surrogate (``\ud800``) is valid
    UTF-8 and in JSON's grammar, but no text has it (RFC 7493, section 2.1): it makes a record BAD_JSON, in unread keys and values
    too. Apart from that, fields that are not read may hold anything, and so may the probe's two in a record with a hashtag.

    Where spellings are folded, a hashtag is judged by its folded form: one of blanks is none, and the length is that form's.

    An untagged record is not ranked, so it is neither late nor future and is counted at its append time, as a foreign one is.
    """
    if value is None:
        return Verdict(Kind.REJECT, Reason.TOMBSTONE, append_time)
    reason = unreadable(value)
    if reason is None:
        try:
            return _judge(_decode(value), append_time, rule)
        except msgspec.ValidationError:
            reason = _ill_typed(value)
        except msgspec.DecodeError:
            reason = Reason.BAD_JSON
    return Verdict(Kind.REJECT, reason, append_time)


def unreadable(value: bytes) -> Reason | None:
    """Return why a record must not be decoded, or None: the decoder checks neither its depth nor the UTF-8 of what it skips."""
    if not value.isascii():
        try:
            value.decode()
        except UnicodeDecodeError:
            return Reason.BAD_UTF8
    return Reason.TOO_DEEP if len(value) > MAX_DEPTH and _too_deep(value) else None


def _ill_typed(value: bytes) -> Reason:
    """Return why a record with a value of a wrong type is rejected: what is behind that value was not looked at yet.

    Another version may well give a field another type, so that comes first.
    """
    try:
        _skim(value)
        version = _decode_version(value).version_esquema
    except msgspec.ValidationError:
        return Reason.WRONG_TYPE
    except msgspec.DecodeError:
        return Reason.BAD_JSON
    return Reason.WRONG_TYPE if _is_known(version) else Reason.UNKNOWN_VERSION


def ill_typed_field(value: bytes) -> str:
    """Return which field of a record has the wrong type and which it would have, in words; empty where none has."""
    try:
        _decode(value)
    except msgspec.ValidationError as error:
        found = _WHERE.fullmatch(str(error))
        if found is None:
            return str(error)
        wanted = " or ".join(_TYPES.get(each, each) for each in (found["wanted"] or "").split(" | "))
        who = found["field"] or "the record"
        is_now = _TYPES.get(found["got"], found["got"])
        return f"{who} is {is_now} and would be {wanted}" if wanted else f"{who}: {found['other']}"
    except msgspec.DecodeError:
        return ""
    return ""


def _is_known(version: Raw) -> bool:
    return bytes(version) in {b"", b"%d" % SCHEMA_VERSION}


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


def _judge(wire: _Wire, append_time: float, rule: Rule) -> Verdict:
    hashtag, timestamp = _spelled(wire.hashtag_principal, rule), wire.timestamp
    if not _is_known(wire.version_esquema):
        reason = Reason.UNKNOWN_VERSION
    elif not hashtag and _is_the_probes(wire):
        return Verdict(Kind.FOREIGN, "", append_time)
    elif hashtag is UNSET:
        reason = Reason.NO_HASHTAG
    elif hashtag and len(hashtag) > MAX_HASHTAG:
        reason = Reason.LONG_HASHTAG
    elif timestamp is None:
        reason = Reason.NO_TIMESTAMP
    elif not hashtag:
        return Verdict(Kind.UNTAGGED, "", append_time)
    elif rule.window_time is WindowTime.ARRIVAL:
        return Verdict(Kind.TWEET, hashtag, append_time)
    elif (untimely := _untimely(timestamp, append_time, rule)) is not None:
        reason = untimely
    else:
        return Verdict(Kind.TWEET, hashtag, timestamp)
    return Verdict(Kind.REJECT, reason, append_time)


def _spelled(hashtag: str | UnsetType | None, rule: Rule) -> str | UnsetType | None:
    return folded(hashtag) if rule.spelling is Spelling.FOLDED and isinstance(hashtag, str) else hashtag


def _untimely(timestamp: float, append_time: float, rule: Rule) -> Reason | None:
    if rule.window_time is WindowTime.ORIGINAL:
        return None if 0 <= timestamp < LAST_DATE else Reason.NO_DATE
    if timestamp > append_time + FUTURE_AFTER:
        return Reason.FUTURE
    return Reason.LATE if _is_late(timestamp, append_time, rule.window_seconds) else None


def _is_late(timestamp: float, append_time: float, seconds: int) -> bool:
    # Older than a window and its grace is late wherever its window began: that of -1.797e308 is an integer beyond every float.
    if timestamp <= append_time - (seconds + LATE_AFTER):
        return True
    return window_start(timestamp, seconds) + seconds + LATE_AFTER <= append_time


def _is_the_probes(wire: _Wire) -> bool:
    """Whether the record has the probe's two fields, a text and an integer."""
    return bytes(wire.mensaje).startswith(b'"') and _INTEGER.fullmatch(bytes(wire.contador)) is not None
