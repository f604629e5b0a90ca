"""What stands in the dead-letter topic: a letter for each reject, beyond a number of them a summary for each reason."""

from __future__ import annotations

import json
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from trending.kafka.log_reader import Record
    from trending.kafka.rejects import Rejects

LETTERS = 10_000
"""Letters of their own that the rejects of one batch and partition get."""
PREFIX = "dlq."
"""How the headers begin that a letter has beside those of its record."""
Headers = list[tuple[str, "str | bytes | None"]]


@dataclass(frozen=True, slots=True, order=True)
class Reject:
    """One rejected record."""

    partition: int
    offset: int
    reason: str

    def headers(self, topic: str, attempt: int) -> Headers:
        """Return the letter's own headers; the ``attempt`` counts how often the record was rejected, this time included."""
        numbers = {"partition": self.partition, "offset": self.offset, "attempt": attempt}
        return _prefixed([("reason", self.reason), ("topic", topic), *((name, str(number)) for name, number in numbers.items())])


@dataclass(frozen=True, slots=True, order=True)
class Summary:
    """The rejects of a partition and reason from one offset to another, which have no letters of their own."""

    partition: int
    reason: str
    first: int
    last: int
    records: int

    def headers(self, topic: str) -> Headers:
        """Return the letter's headers."""
        numbers = {"partition": self.partition, "first_offset": self.first, "last_offset": self.last, "records": self.records}
        return _prefixed([("reason", self.reason), ("topic", topic), *((name, str(number)) for name, number in numbers.items())])

    def value(self) -> bytes:
        """Return the letter's value, for people."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode()


def _prefixed(headers: list[tuple[str, str]]) -> Headers:
    return [(PREFIX + name, text) for name, text in headers]


def divide(rejects: Sequence[Rejects], most: int = LETTERS) -> tuple[list[Reject], list[Summary]]:
    """Return the first rejects of a partition, which get letters, and summaries of the rest, a reason each."""

    def places(each: Rejects) -> Iterator[Reject]:
        return (Reject(each.partition, offset, each.reason) for offset in each.offsets())

    lettered = list(islice(merge(*map(places, rejects)), most))
    if len(lettered) < most:
        return lettered, []
    summaries = []
    for each in rejects:
        rest = [offset for offset in each.offsets() if offset > lettered[-1].offset]
        if rest:
            summaries.append(Summary(each.partition, each.reason, rest[0], rest[-1], len(rest)))
    return lettered, summaries


def own_headers(headers: Mapping[str, str | bytes | None]) -> dict[str, str]:
    """Return the letter's own headers without their prefix; those of a letter made before 2026-11-29 had none."""
    ours = {name.removeprefix(PREFIX): text for name, text in headers.items() if name.startswith(PREFIX)}
    found = ours if "partition" in ours else headers
    return {name: text.decode("utf-8", "replace") if isinstance(text, bytes) else text or "" for name, text in found.items()}


def letter_place(headers: Mapping[str, str | bytes | None]) -> tuple[int, int] | None:
    """Return partition and offset of the record that a letter with these headers holds, or None where it is not one of ours."""
    ours = own_headers(headers)
    try:
        return int(ours["partition"]), int(ours["offset"])
    except (KeyError, ValueError):
        return None


def summary_of(headers: Mapping[str, str | bytes | None]) -> Summary | None:
    """Return the summary in a letter with these headers, or None where it is none of ours."""
    ours = own_headers(headers)
    try:
        partition, first, last, records = (int(ours[name]) for name in ("partition", "first_offset", "last_offset", "records"))
        return Summary(partition, ours["reason"], first, last, records)
    except (KeyError, ValueError):
        return None


@dataclass
class Letters:
    """The letters that were read. ``twice`` counts those that say once more what another one says.

    Where ``begins`` is not 0, retention has deleted letters: ``firsts`` has, for each partition of the tweets, the offset of the
    first record that one of the remaining letters is about. Letters of a partition are written in the order of its records.
    """

    places: set[tuple[int, int]] = field(default_factory=set)
    summaries: set[Summary] = field(default_factory=set)
    twice: int = 0
    begins: int = 0
    firsts: dict[int, int] = field(default_factory=dict)

    @classmethod
    def read(cls, records: Iterable[Record], begins: int = 0) -> Letters:
        """Return the letters in these records of the dead-letter topic, which begins at offset ``begins``.

        Other records there are nobody's business.
        """
        letters = cls(begins=begins)
        letters.add(records)
        return letters

    def add(self, records: Iterable[Record]) -> None:
        """Add the letters in these records."""
        for record in records:
            if (place := letter_place(record.headers)) is not None:
                self.twice += place in self.places
                self.places.add(place)
                self.firsts.setdefault(*place)
            elif (summary := summary_of(record.headers)) is not None:
                self.twice += summary in self.summaries
                self.summaries.add(summary)
                self.firsts.setdefault(summary.partition, summary.first)

    def account_for(self, partition: int, reason: str, offsets: Sequence[int]) -> int:
        """Return how many of these rejects, in order, have a letter or lie in a summary that has their exact number."""
        return sum(self._accounted(partition, reason, offsets))

    def expired(self, partition: int, reason: str, offsets: Sequence[int]) -> int:
        """Return how many of these rejects, in order, have no letter because retention has deleted it.

        Those are the ones before the first record that a letter is left of. Where none is left of a partition, nobody can tell.
        """
        if not self.begins:
            return 0
        first = self.firsts.get(partition)
        accounted = self._accounted(partition, reason, offsets)
        return sum(not found for offset, found in zip(offsets, accounted, strict=True) if first is None or offset < first)

    def _accounted(self, partition: int, reason: str, offsets: Sequence[int]) -> list[bool]:
        true = [
            each
            for each in self.summaries
            if (each.partition, each.reason) == (partition, reason)
            and each.records == bisect_right(offsets, each.last) - bisect_left(offsets, each.first)
        ]
        accounted = []
        ranges = iter(sorted((each.first, each.last) for each in true))
        first, last = next(ranges, (0, -1))
        for offset in offsets:
            while last < offset and (following := next(ranges, None)) is not None:
                first, last = following[0], max(last, following[1])
            accounted.append(first <= offset <= last or (partition, offset) in self.places)
        return accounted
