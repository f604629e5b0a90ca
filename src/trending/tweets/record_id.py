"""The ``id`` header of every record that the producer sends: which of its lives sent it, and as which one."""

from __future__ import annotations

ID_HEADER = "id"

MAX_SEQUENCE_DIGITS = 19
"""Digits of the largest sequence that the ledger can hold; Python refuses to read a number of some thousands."""


def record_id(run: str, sequence: int) -> bytes:
    """Return the ``id`` header's value: the producer's run, a colon, the sequence within it."""
    return f"{run}:{sequence}".encode("ascii")


def parse_record_id(value: bytes) -> tuple[str, int] | None:
    """Return (run, sequence) of an ``id`` header, or None where it is not one of valid."""
    run, separator, sequence = value.decode("ascii", "replace").partition(":")
    valid = separator and sequence.isdecimal() and len(sequence) <= MAX_SEQUENCE_DIGITS
    return (run, int(sequence)) if valid else None
