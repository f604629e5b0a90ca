"""What the producer asks of the source of its records."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, cast

from trending.tweets.record_id import ID_HEADER, record_ids, record_keys

if TYPE_CHECKING:
    from collections.abc import Callable

Headers = list[tuple[str, "str | bytes | None"]]


class IdHeaders:
    """Headers of records that have none but their id, made when they are asked for.

    Lists of them would be thousands of containers that live for a burst: 1.0 of 1.3 µs a record went into Python's collector.
    """

    def __init__(self, ids: list[bytes]) -> None:
        self._ids = ids

    def __getitem__(self, place: int) -> Headers:
        return [(ID_HEADER, self._ids[place])]


class Drawn(NamedTuple):
    """Records on the wire, and what the ledger books each one as.

    ``headers`` and ``keys`` are there for those that have some of their own; None for a key means that the id is to be the key.
    With keys and without headers, every record has a key of its own.
    """

    values: list[bytes | None]
    labels: list[str]
    headers: list[Headers] | None = None
    keys: list[bytes | None] | None = None

    def addressed(self, run: str, first: int) -> tuple[list[bytes], list[Headers] | IdHeaders | None]:
        """Return the records' keys and headers with their ids, from sequence ``first`` on; a key of one's own is left alone."""
        sequences = range(first, first + len(self.values))
        if self.keys is None:
            return record_keys(run, sequences), self.headers
        ids = record_ids(run, sequences)
        if self.headers is None:
            return cast("list[bytes]", self.keys), IdHeaders(ids)
        headers = [
            given if own is None else [*given, (ID_HEADER, each)]
            for own, given, each in zip(self.keys, self.headers, ids, strict=True)
        ]
        keys = record_keys(run, sequences)
        return [key if own is None else own for own, key in zip(self.keys, keys, strict=True)], headers


class Source(Protocol):
    """Numbers records, says when they are due, and makes them. ``now`` is monotonic, ``wall`` seconds since the epoch."""

    run: str
    rate: float
    """About how many records a second it makes."""

    @property
    def position(self) -> int:
        """The number of the next record."""

    @property
    def over(self) -> bool:
        """Whether nothing is to come any more, and the producer ends when all of it is acknowledged."""

    def take_over(self, goes_on: Callable[[], bool], pause: Callable[[], object]) -> bool:
        """Book what became of the last life's records; False where it is time to end before that is known."""

    def begin(self, partitions: int, now: float, wall: float) -> None:
        """Begin, or go on, on a topic of so many partitions."""

    def due(self, now: float, wall: float) -> int:
        """Return how many records to send now, all to one partition and numbered in a row."""

    def partition(self, now: float) -> int:
        """Return the partition of the next record."""

    def draw(self, count: int, wall: float) -> Drawn:
        """Return the next records, as many as are due or fewer."""

    def advance(self, records: int) -> None:
        """Note that so many were handed over."""

    def wait(self, now: float, wall: float) -> float:
        """Return the seconds until something is due, at most 0.2."""

    def debt(self, now: float, wall: float) -> int:
        """Return how many records are overdue."""

    def listen(self, now: float, wall: float) -> None:
        """Do what was asked for since the last look, or answer why not."""

    def asked(self, wall: float) -> float:
        """Return how many records a second it is to send at this moment."""

    def overdue(self, number: int, now: float, wall: float) -> float:
        """Return by how many seconds a record is overdue; 0 of one that is still to come."""

    def phase(self, wall: float) -> str:
        """Return what the heartbeat calls it."""

    def note(self, proven: int) -> None:
        """Keep on disk that all records below this number are acknowledged."""

    def close(self) -> None:
        """Give back what it has open."""
