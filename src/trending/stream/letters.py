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
Headers = list[tuple[str, "str | bytes | None"]]


@dataclass(frozen=True, slots=True, order=True)
class Reject:
    """One rejected record."""

    partition: int
    offset: int
    reason: str


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
        return [("reason", self.reason), ("topic", topic), *((name, str(number)) for name, number in numbers.items())]

    def value(self) -> bytes:
        """Return the letter's value, for people."""
        return json.dumps({name: getattr(self, name) for name in self.__slots__}).encode()


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


def letter_place(headers: Mapping[str, str | bytes | None]) -> tuple[int, int] | None:
    """Return partition and offset of the record that a letter with these headers holds, or None where it is not one of ours."""
    try:
        return int(headers["partition"] or ""), int(headers["offset"] or "")
    except (KeyError, ValueError):
        return None


def summary_of(headers: Mapping[str, str | bytes | None]) -> Summary | None:
    """Return the summary in a letter with these headers, or None where it is none of ours."""
    try:
        partition, first, last, records = (
            int(headers[name] or "") for name in ("partition", "first_offset", "last_offset", "records")
        )
        reason = headers["reason"]
    except (KeyError, ValueError):
        return None
    return Summary(
        partition, reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason or "", first, last, records
    )


@dataclass
class Letters:
    """The letters that were read."""

    places: set[tuple[int, int]] = field(default_factory=set)
    summaries: set[Summary] = field(default_factory=set)

    @classmethod
    def read(cls, records: Iterable[Record]) -> Letters:
        """Return the letters in these records of the dead-letter topic; other records there are nobody's business."""
        letters = cls()
        for record in records:
            if (place := letter_place(record.headers)) is not None:
                letters.places.add(place)
            elif (summary := summary_of(record.headers)) is not None:
                letters.summaries.add(summary)
        return letters

    def account_for(self, partition: int, reason: str, offsets: Sequence[int]) -> int:
        """Return how many of these rejects, in order, have a letter or lie in a summary that has their exact number."""
        true = [
            each
            for each in self.summaries
            if (each.partition, each.reason) == (partition, reason)
            and each.records == bisect_right(offsets, each.last) - bisect_left(offsets, each.first)
        ]
        covered = 0
        ranges = iter(sorted((each.first, each.last) for each in true))
        first, last = next(ranges, (0, -1))
        for offset in offsets:
            while last < offset and (following := next(ranges, None)) is not None:
                first, last = following[0], max(last, following[1])
            covered += first <= offset <= last or (partition, offset) in self.places
        return covered
