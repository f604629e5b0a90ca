"""The id of every record that the producer sends: the producer's run and the sequence number within it.

It travels as the record's key, in a form that nobody else's key has by accident, or in a header ``id`` where keys are wanted for
something else. Readers take either.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

ID_HEADER = "id"

MAX_SEQUENCE_DIGITS = 19
"""Digits of the largest sequence that the ledger can hold. Python refuses to parse a number with thousands of digits."""

_KEY_VERSION = "t1"
_KEY = re.compile(rb"t1:([0-9a-f]{12}):(0|[1-9][0-9]{0,18})")


def record_id(run: str, sequence: int) -> bytes:
    """Return the ``id`` header's value: the producer's run, a colon, the sequence within it."""
    return f"{run}:{sequence}".encode("ascii")


def record_ids(run: str, sequences: range) -> list[bytes]:
    """Return the values of the ``id`` headers of consecutive records."""
    form = f"{run}:%d".encode("ascii")
    return [form % sequence for sequence in sequences]


def parse_record_id(value: bytes) -> tuple[str, int] | None:
    """Return (run, sequence) of an ``id`` header, or None if the header is not one of ours."""
    run, separator, sequence = value.decode("ascii", "replace").partition(":")
    valid = separator and sequence.isdecimal() and len(sequence) <= MAX_SEQUENCE_DIGITS
    return (run, int(sequence)) if valid else None


def record_keys(run: str, sequences: range) -> list[bytes]:
    """Return the keys of consecutive records: a version, the run (12 hexadecimal digits) and the sequence, with colons."""
    form = f"{_KEY_VERSION}:{run}:%d".encode("ascii")
    return [form % sequence for sequence in sequences]


def parse_record_key(key: bytes) -> tuple[str, int] | None:
    """Return (run, sequence) of a key, or None if the key is not one of ours, as ``orders:17`` is not."""
    found = _KEY.fullmatch(key)
    return (found[1].decode("ascii"), int(found[2])) if found else None


def identity_of(key: bytes | None, headers: Mapping[str, bytes | None]) -> tuple[str, int] | None:
    """Return (run, sequence) of a record by its header ``id``, or by its key where it has none; None if it is not ours."""
    header = headers.get(ID_HEADER)
    if header:
        return parse_record_id(header)
    return parse_record_key(key) if key else None
