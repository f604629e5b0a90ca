"""A second opinion on single records: SPEC.md's text read once more, with the standard library and nothing of the rule.

The stream and the recount share ``trending.tweets.rule``, so a mistake in it would be in both, and they would agree. The audit
asks this reading about a sample. It shares the names of kinds and reasons with the rule, and neither its decoder nor its figures.

Where the standard library's ``json`` differs from JSON or from the rule, this reading says what holds:

- Duplicate keys: the library keeps the last one and forgets the others. Here all are kept: the last one counts, and one of a
  wrong type is a wrong type wherever it stands.
- ``NaN``, ``Infinity``: the library takes them; JSON has no such numbers.
- Large numbers: the library refuses an integer of more than 4,300 digits and makes infinity of 1e999. Here numbers stay text
  until they are needed; a timestamp that is not finite has a wrong type, and an unread number may be of any size.
- A lone surrogate's escape: the library makes a text of it that has no UTF-8.
- Depth: the library ends where the interpreter's recursion does. Here brackets are counted first.
"""

from __future__ import annotations

import json
import unicodedata
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from trending.settings import Spelling, WindowTime
from trending.text import printable
from trending.tweets.rule import Kind, Reason, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from trending.kafka.log_reader import Record
    from trending.settings import Rule

_DEEPEST = 256
_LONGEST = 280
_GRACE = 60
_YEAR_9999 = 253_370_764_800
_AHEAD = 5


EVERY = 97
"""One record in so many is read a second time: a prime, so that no habit of a producer falls into step with it."""
OF_A_KIND = 100
"""So many records of each kind and reason that is no tweet are read a second time, wherever they lie."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A record on which the rule and the second reading disagree."""

    partition: int
    offset: int
    rule: Verdict
    again: Verdict

    def __str__(self) -> str:
        rule, again = (printable(f"{each.kind} {each.label!r} at {each.time}") for each in (self.rule, self.again))
        return f"partition {self.partition}, offset {self.offset}: the rule says {rule}, a second reading {again}"


class SecondReader:
    """Reads a sample of the records a second time: always the same ones of a log, and a bounded share of them.

    It may go on from a number of ``records``, those that are no tweets by kind and label.
    """

    def __init__(self, records: int = 0, odd: Mapping[tuple[Kind, str], int] | None = None) -> None:
        self.records = records
        self.disagreements: list[Disagreement] = []
        self.odd: Counter[tuple[Kind, str]] = Counter(odd or {})

    def check(self, record: Record, verdict: Verdict, rule: Rule) -> None:
        """Read the record again if it belongs to the sample, and keep a disagreement with the rule's verdict."""
        by_offset = record.offset % EVERY == 0
        if not self.wants(verdict.kind, verdict.label, by_offset=by_offset):
            return
        again = read_again(record.value, record.append_time, rule)
        disagreement = None if again == verdict else Disagreement(record.partition, record.offset, verdict, again)
        self.note(verdict.kind, verdict.label, by_offset=by_offset, disagreement=disagreement)

    def wants(self, kind: Kind, label: str, *, by_offset: bool) -> bool:
        """Whether the next record of a kind belongs to the sample; ``by_offset`` says that its offset chooses it."""
        return by_offset or (kind is not Kind.TWEET and self.odd[kind, label] < OF_A_KIND)

    def note(self, kind: Kind, label: str, *, by_offset: bool, disagreement: Disagreement | None) -> None:  # noqa: ARG002 - for blocks
        """Count a record that was read again, and keep the disagreement if there is one."""
        if kind is not Kind.TWEET:
            self.odd[kind, label] += 1
        self.records += 1
        if disagreement is not None:
            self.disagreements.append(disagreement)


class _Number(NamedTuple):
    """A number as it is written."""

    text: str


class _Object(NamedTuple):
    """A JSON object with all its keys, duplicates too, in order."""

    pairs: list[tuple[str, object]]

    def all(self, key: str) -> list[object]:
        return [value for name, value in self.pairs if name == key]


class _Refused(Exception):
    """The record is a reject."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


def read_again(value: bytes | None, append_time: float, rule: Rule) -> Verdict:
    """Return kind, label and time of a record by SPEC.md, sections 2 to 4; ``append_time`` is in seconds since the epoch."""
    try:
        return _read(value, append_time, rule)
    except _Refused as refused:
        return Verdict(Kind.REJECT, refused.reason, append_time)


def _read(value: bytes | None, append_time: float, rule: Rule) -> Verdict:
    record = _parsed(value)
    if not isinstance(record, _Object):
        raise _Refused(Reason.WRONG_TYPE)
    versions = record.all("version_esquema")
    if versions and versions[-1] != _Number("1"):
        raise _Refused(Reason.UNKNOWN_VERSION)
    _usuario, _texto, hashtag = (_text(record.all(key)) for key in ("usuario", "texto", "hashtag_principal"))
    if hashtag and rule.spelling is Spelling.FOLDED:
        hashtag = _one_form(hashtag)
    timestamps = [_seconds(each) for each in record.all("timestamp")]
    if not hashtag and _is_probe(record):
        return Verdict(Kind.FOREIGN, "", append_time)
    if not record.all("hashtag_principal"):
        raise _Refused(Reason.NO_HASHTAG)
    if hashtag and len(hashtag) > _LONGEST:
        raise _Refused(Reason.LONG_HASHTAG)
    timestamp = timestamps[-1] if timestamps else None
    if timestamp is None:
        raise _Refused(Reason.NO_TIMESTAMP)
    if not hashtag:
        return Verdict(Kind.UNTAGGED, "", append_time)
    return Verdict(Kind.TWEET, hashtag, _counted_at(timestamp, append_time, rule))


def _one_form(hashtag: str) -> str:
    """Return a hashtag without differences of case and of accents' encoding, and without blanks around."""
    apart = unicodedata.normalize("NFD", hashtag)
    return unicodedata.normalize("NFC", "".join(map(str.casefold, apart))).strip()


def _counted_at(timestamp: float, append_time: float, rule: Rule) -> float:
    if rule.window_time is WindowTime.ARRIVAL:
        return append_time
    if rule.window_time is WindowTime.ORIGINAL:
        if timestamp < 0 or timestamp >= _YEAR_9999:
            raise _Refused(Reason.NO_DATE)
        return timestamp
    if timestamp > append_time + _AHEAD:
        raise _Refused(Reason.FUTURE)
    if timestamp - timestamp % rule.window_seconds + rule.window_seconds + _GRACE <= append_time:
        raise _Refused(Reason.LATE)
    return timestamp


def _text(values: list[object]) -> str | None:
    """Return the last one; every one must be a text or null."""
    texts = [each for each in values if each is None or isinstance(each, str)]
    if len(texts) < len(values):
        raise _Refused(Reason.WRONG_TYPE)
    return texts[-1] if texts else None


def _parsed(value: bytes | None) -> object:
    if value is None:
        raise _Refused(Reason.TOMBSTONE)
    try:
        text = value.decode("utf-8", "strict")
    except UnicodeDecodeError:
        raise _Refused(Reason.BAD_UTF8) from None
    if _depth(text) > _DEEPEST:
        raise _Refused(Reason.TOO_DEEP)
    try:
        record: object = json.loads(
            text, object_pairs_hook=_Object, parse_int=_Number, parse_float=_Number, parse_constant=_no_constant
        )
        json.dumps(record, ensure_ascii=False).encode("utf-8")
    except ValueError:  # what is no JSON, and the text without UTF-8 that a lone surrogate makes
        raise _Refused(Reason.BAD_JSON) from None
    return record


def _no_constant(name: str) -> object:
    msg = f"{name} is no JSON"
    raise ValueError(msg)


def _depth(text: str) -> int:
    """Return how deep arrays and objects are nested; what stands in a text does not count."""
    depth = deepest = 0
    within = escaped = False
    for character in _structural(text):
        if within:
            within = escaped or character != '"'
            escaped = character == "\\" and not escaped
        elif character == '"':
            within = True
        elif character in "[{":
            depth += 1
            deepest = max(deepest, depth)
        elif character in "]}":
            depth -= 1
    return deepest


def _structural(text: str) -> Iterable[str]:
    """Return the text, or nothing of one that has too few brackets for any depth that matters."""
    return text if text.count("[") + text.count("{") > _DEEPEST else ""


def _seconds(value: object) -> float | None:
    if value is None:
        return None
    if not isinstance(value, _Number) or abs(seconds := float(value.text)) == float("inf"):
        raise _Refused(Reason.WRONG_TYPE)
    return seconds


def _is_probe(record: _Object) -> bool:
    messages, counters = record.all("mensaje"), record.all("contador")
    counter = counters[-1] if counters else None
    whole = isinstance(counter, _Number) and counter.text.lstrip("-").isdecimal()
    return bool(messages) and isinstance(messages[-1], str) and whole
