"""The ``id`` header of every record that the producer sends: the producer's run and the sequence number within it."""

from __future__ import annotations

ID_HEADER = "id"

MAX_SEQUENCE_DIGITS = 19
"""Digits of the largest sequence that the ledger can hold. Python refuses to parse a number with thousands of digits."""


def record_id(run: str, sequence: int) -> bytes:
    """Return the ``id`` header's value: the producer's run, a colon, the sequence within it."""
    return f"{run}:{sequence}".encode("ascii")


def parse_record_id(value: bytes) -> tuple[str, int] | None:
    """Return (run, sequence) of an ``id`` header, or None if the header is not one of ours."""
    run, separator, sequence = value.decode("ascii", "replace").partition(":")
    valid = separator and sequence.isdecimal() and len(sequence) <= MAX_SEQUENCE_DIGITS
    return (run, int(sequence)) if valid else None
