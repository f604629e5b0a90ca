"""What the producer asks of the source of its records."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol

if TYPE_CHECKING:
    from collections.abc import Callable


class Drawn(NamedTuple):
    """Records on the wire, and what the ledger books each one as."""

    values: list[bytes | None]
    labels: list[str]


class Source(Protocol):
    """Numbers records, says when they are due, and makes them. ``now`` is monotonic, ``wall`` seconds since the epoch."""

    run: str
    position: int
    """The number of the next record."""
    rate: float
    """About how many records a second it makes."""

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
