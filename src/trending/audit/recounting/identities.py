"""The ids of a batch by columns: equal, record by record, to ``trending.tweets.record_id.identity_of``."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trending.tweets.record_id import ID_HEADER, identity_of, parse_record_key

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from trending.kafka.record_columns import RecordColumns

NOBODY = -1
"""The number of a row without an id of ours."""
_PREFIX = len(b"t1:0123456789ab:")
_DIGITS = 18
"""Longer sequences than this one by one: nineteen digits need care, and no producer has sent so many."""
_POWERS = 10 ** np.arange(_DIGITS - 1, -1, -1, dtype=np.uint64)


class Identities(NamedTuple):
    """The ids of a batch: ``runs[numbers[row]]`` and ``sequences[row]`` are a row's; the number is NOBODY where it has none."""

    runs: tuple[str, ...]
    numbers: NDArray[np.int64]
    sequences: NDArray[np.uint64]


def identities_of(records: RecordColumns) -> Identities:
    """Return the ids of the records by their headers ``id``, or by their keys where they have none."""
    found = _Found(len(records))
    keys = [key or b"" for key in records.keys]
    for row, headers in records.headers.items():
        if headers.get(ID_HEADER):
            found.note(row, identity_of(None, headers))
            keys[row] = b""
    lengths = np.fromiter(map(len, keys), np.int64, len(keys))
    for length in np.unique(lengths[lengths > _PREFIX]).tolist():
        rows = np.flatnonzero(lengths == length)
        same = keys if len(rows) == len(keys) else [keys[row] for row in rows.tolist()]
        if length > _PREFIX + _DIGITS:
            for row, key in zip(rows.tolist(), same, strict=True):
                found.note(row, parse_record_key(key))
        else:
            _parse_keys(same, length, rows, found)
    return found.identities()


class _Found:
    """The ids found so far."""

    def __init__(self, length: int) -> None:
        self._runs: dict[str, int] = {}
        self._numbers = np.full(length, NOBODY, np.int64)
        self._sequences = np.zeros(length, np.uint64)

    def note(self, row: int, identity: tuple[str, int] | None) -> None:
        if identity is not None:
            self.note_run(np.array([row]), identity[0], np.array([identity[1]], np.uint64))

    def note_run(self, rows: NDArray[np.int64], run: str, sequences: NDArray[np.uint64]) -> None:
        self._numbers[rows] = self._runs.setdefault(run, len(self._runs))
        self._sequences[rows] = sequences

    def identities(self) -> Identities:
        return Identities(tuple(self._runs), self._numbers, self._sequences)


def _parse_keys(keys: Sequence[bytes], length: int, rows: NDArray[np.int64], found: _Found) -> None:
    """Note the ids in keys of one length, which stand at ``rows``.

    The prefix is parsed once for all keys that have it, and the digits by columns.
    """
    letters = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), length)
    digits = letters[:, _PREFIX:] - np.uint8(ord("0"))  # what is below "0" becomes a large number
    numeric = (digits <= 9).all(axis=1)  # noqa: PLR2004 - digits
    if digits.shape[1] > 1:
        numeric &= digits[:, 0] > 0
    left = np.flatnonzero(numeric)
    sequences = digits.astype(np.uint64) @ _POWERS[-digits.shape[1] :]
    while len(left):
        prefix = keys[left[0]][:_PREFIX]
        same = (letters[left, :_PREFIX] == np.frombuffer(prefix, np.uint8)).all(axis=1)
        chosen = left[same]
        identity = parse_record_key(prefix + b"0")
        if identity is not None:
            found.note_run(rows[chosen], identity[0], sequences[chosen])
        left = left[~same]


def rows_by_run(identities: Identities) -> Iterator[tuple[str, NDArray[np.int64]]]:
    """Yield each run with the rows that have its ids, in order."""
    for number, run in enumerate(identities.runs):
        yield run, np.flatnonzero(identities.numbers == number)
