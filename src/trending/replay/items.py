"""What is sent, piece by piece: when each is due after the start, and its bytes once the start is known."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from trending.replay.times import MICROSECONDS, written
from trending.tweets.wire_format import Tweet, encode, encode_value

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from fractions import Fraction

    from trending.replay.posts import Post

ORIGIN_TIME = "origin.time"
"""Header of a record whose timestamp is not the one that it had: that one, in ISO 8601."""


class Times(StrEnum):
    """Which timestamps tweets of a file get."""

    COMPRESSED = "compressed"
    ORIGINAL = "original"


class Pace(NamedTuple):
    """From which time on something is replayed, in microseconds, and how many times as fast as it came."""

    first: int
    speed: Fraction

    def after(self, time: int) -> int:
        """Return when a time comes, in microseconds after the start, rounded down.

        So what lay in one of the original windows of ``speed`` times a window's length lies in one window.
        """
        return (time - self.first) * self.speed.denominator // self.speed.numerator


class Item(NamedTuple):
    """One record, ``due`` so many microseconds after the start.

    Its timestamp is ``stamp`` microseconds after the start and comes between ``value`` and ``tail``; with None, ``value`` is the
    whole record. ``key`` is None where the id is to be the key, and ``partition`` where any will do.
    """

    due: int
    value: bytes | None
    label: str
    headers: tuple[tuple[str, str | bytes | None], ...] = ()
    stamp: int | None = None
    tail: bytes = b""
    key: bytes | None = None
    partition: int | None = None

    def at(self, begin: int) -> bytes | None:
        """Return the bytes of the record when everything begins at ``begin``, in microseconds since the epoch."""
        if self.stamp is None or self.value is None:
            return self.value
        return self.value + encode_value((begin + self.stamp) / MICROSECONDS) + self.tail


_END = b"0.0}"


def compressed(posts: Iterable[Post], pace: Pace) -> Iterator[Item]:
    """Yield posts as tweets whose timestamps are when they are due; the time that each had is in a header."""
    for post in posts:
        body = encode(Tweet(post.user, post.text, post.hashtag, 0.0)).removesuffix(_END)
        due = pace.after(post.time)
        yield Item(due, body, post.hashtag, ((ORIGIN_TIME, written(post.time).encode()),), due, b"}")


def original(posts: Iterable[Post], pace: Pace) -> Iterator[Item]:
    """Yield posts as tweets with the timestamps that they had."""
    for post in posts:
        value = encode(Tweet(post.user, post.text, post.hashtag, post.time / MICROSECONDS))
        yield Item(pace.after(post.time), value, post.hashtag)
