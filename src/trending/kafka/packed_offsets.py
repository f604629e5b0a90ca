"""Offsets as bytes: runs of consecutive ones, each two variable-length integers, compressed.

A million consecutive offsets take 15 bytes, a million scattered ones well under two each; as rows they took some hundred each.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_SEVEN_BITS = 0x7F
_MORE = 0x80


def pack(offsets: Iterable[int]) -> bytes:
    """Return the offsets, none of them negative, as bytes; their order and repetitions are not kept."""
    numbers = bytearray()
    end = 0
    for start, length in _runs(sorted(set(offsets))):
        _append(numbers, start - end)
        _append(numbers, length)
        end = start + length
    return zlib.compress(bytes(numbers))


def unpack(packed: bytes) -> Iterator[int]:
    """Yield the offsets in order."""
    numbers = _numbers(zlib.decompress(packed))
    end = 0
    for gap in numbers:
        start = end + gap
        end = start + next(numbers)
        yield from range(start, end)


def _runs(ordered: list[int]) -> Iterator[tuple[int, int]]:
    """Yield start and length of each run of consecutive offsets."""
    first = 0
    for place in range(1, len(ordered) + 1):
        if place == len(ordered) or ordered[place] != ordered[place - 1] + 1:
            yield ordered[first], place - first
            first = place


def _append(numbers: bytearray, number: int) -> None:
    while number > _SEVEN_BITS:
        numbers.append(number & _SEVEN_BITS | _MORE)
        number >>= 7
    numbers.append(number)


def _numbers(content: bytes) -> Iterator[int]:
    number = shift = 0
    for byte in content:
        number |= (byte & _SEVEN_BITS) << shift
        shift += 7
        if byte <= _SEVEN_BITS:
            yield number
            number = shift = 0
