"""Rows of columns: CSV as it is exported in many places, and Parquet."""

from __future__ import annotations

import csv
import re
from itertools import chain
from typing import IO, TYPE_CHECKING

from trending.errors import InvalidInput
from trending.replay.posts import FIELDS, USUAL, BadRow, Columns, post_of
from trending.replay.shapes import Bad
from trending.replay.times import micros

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

    from trending.replay.posts import Post

LONGEST_FIELD = 1_048_576
"""Characters of a CSV's field. A quote that is never closed takes the rest of the file for one: this bounds it."""
BATCH = 5_000
"""Rows of a Parquet file in memory at once."""
_SEPARATORS = (",", ";", "\t", "|")
_QUOTED = re.compile(r'"(?:[^"]|"")*"')
_SENTIMENT = {"time": 3, "text": 6, "user": 5}
"""The six columns of Sentiment140, which has no header: polarity, id, date, query, user, text."""
_SENTIMENT_COLUMNS = 6


def read_csv(lines: IO[str], path: Path, columns: Columns) -> Iterator[Post | Bad]:
    """Yield the posts of a CSV file, whose header is row 1; raises InvalidInput where a needed column is in no header."""
    csv.field_size_limit(LONGEST_FIELD)
    head = lines.readline(LONGEST_FIELD)
    separator = _separator(head)
    rows = csv.reader(chain([head], lines), delimiter=separator)
    try:
        first = next(rows)
    except csv.Error as error:
        cause = f"{path} is neither JSON nor Parquet, and its first row is none of a CSV file"
        raise InvalidInput(cause, str(error), "make replay FILE=another") from error
    places = _by_number(columns, len(first), path) or _without_header(first)
    if places:
        yield _post(1, first, places, columns)
    else:
        places = _places(first, path, columns)
    number = 1
    while True:
        number += 1
        try:
            values = next(rows)
        except StopIteration:
            return
        except csv.Error as error:
            yield Bad(number, "", f"is no row of a CSV file ({error}): is a quote open?")
            continue
        if values:
            yield _post(number, values, places, columns)


def read_parquet(path: Path, columns: Columns) -> Iterator[Post | Bad]:
    """Yield the posts of a Parquet file, its rows counted from 1; raises InvalidInput for one that is none, or lacks a column."""
    import pyarrow as pa  # noqa: PLC0415 - 0.2 s that other files need not wait for
    import pyarrow.parquet as pq  # noqa: PLC0415

    try:
        with pq.ParquetFile(path, pre_buffer=False) as file:
            names = file.schema_arrow.names
            places = _places(names, path, columns)
            wanted = {name: names[place - 1] for name, place in places.items()}
            row = 0
            for batch in file.iter_batches(BATCH, columns=sorted(set(wanted.values()))):
                found = {name: batch.column(column).to_pylist() for name, column in wanted.items()}
                for values in zip(*found.values(), strict=True):
                    row += 1
                    try:
                        yield post_of(row, dict(zip(found, values, strict=True)), columns.unit)
                    except BadRow as error:
                        yield Bad(row, wanted.get(error.field, error.field), error.why)
    except (pa.ArrowException, OSError) as error:
        cause = f"{path} cannot be read as Parquet"
        raise InvalidInput(cause, str(error).splitlines()[0], "make replay FILE=another") from error


def _post(row: int, values: Sequence[str], places: Mapping[str, int], columns: Columns) -> Post | Bad:
    found = {name: values[place - 1] for name, place in places.items() if place <= len(values)}
    for name in ("time", "text"):
        if name in places and name not in found:
            return Bad(row, columns.names.get(name, name), f"is missing: the row has {len(values)} columns")
    try:
        return post_of(row, found, columns.unit)
    except BadRow as error:
        return Bad(row, columns.names.get(error.field, error.field), error.why)


def _separator(head: str) -> str:
    bare = _QUOTED.sub("", head)
    return max(_SEPARATORS, key=bare.count)


def _by_number(columns: Columns, width: int, path: Path) -> dict[str, int]:
    """Return field → place from 1 on, where columns are named by number: then there is no header."""
    if not columns.names or not all(name.isdecimal() for name in columns.names.values()):
        return {}
    places = {name: int(column) for name, column in columns.names.items()}
    if not all(1 <= place <= width for place in places.values()):
        cause = f"COLUMNS names a column by a number that {path} does not have"
        raise InvalidInput(cause, f"its first row has {width}", f"numbers from 1 to {width}: COLUMNS=time=1,text={width}")
    return places


def _without_header(first: Sequence[str]) -> dict[str, int]:
    if len(first) != _SENTIMENT_COLUMNS:
        return {}
    try:
        micros(first[_SENTIMENT["time"] - 1])
    except ValueError:
        return {}
    return _SENTIMENT


def _places(header: Sequence[str], path: Path, columns: Columns) -> dict[str, int]:
    """Return field → place of its column, from 1 on."""
    known = {_plain(name): place for place, name in reversed(list(enumerate(header, 1)))}
    places = {}
    for name in FIELDS:
        wanted = [columns.names[name]] if name in columns.names else USUAL[name]
        if place := next((known[_plain(each)] for each in wanted if _plain(each) in known), 0):
            places[name] = place
        elif name in columns.names or name == "time" or (name == "text" and "hashtag" not in known):
            cause = (
                f"{path} has no column {columns.names[name]}" if name in columns.names else f"{path}: which column is the {name}?"
            )
            has = ", ".join(each[:40] for each in header[:30])
            raise InvalidInput(cause, f"its columns are {has}", f"make replay FILE=… COLUMNS={name}=…")
    return places


def _plain(name: str) -> str:
    return name.strip().lower().replace(" ", "_").replace("-", "_")
