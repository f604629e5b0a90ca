"""A file of posts: what it is by its first bytes, and its rows one by one, in bounded memory however large it is."""

from __future__ import annotations

import bz2
import gzip
import io
import zlib
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, cast

import msgspec

from trending.errors import InvalidInput
from trending.replay.posts import Columns
from trending.replay.shapes import Bad, posts_in
from trending.replay.tables import read_csv, read_parquet

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trending.replay.posts import Post

LONGEST_LINE = 33_554_432
"""Bytes of a line of JSON: a page of v2 with 500 tweets and all that it refers to has some three million."""
LARGEST_DOCUMENT = 268_435_456
"""Bytes of a file that is one JSON value and not lines: it has to stand in memory."""
_BOM = b"\xef\xbb\xbf"
_WIDE = (b"\xff\xfe", b"\xfe\xff")
_PARQUET = b"PAR1"
_HEAD = 65_536
_CHUNK = 1_048_576
_decode = msgspec.json.Decoder().decode


@dataclass(frozen=True)
class RecordedFile:
    """A file and how its columns are named."""

    path: Path
    columns: Columns = field(default_factory=Columns)

    def posts(self) -> Iterator[Post | Bad]:
        """Yield its posts in their order, and a ``Bad`` for each row that is none; raises InvalidInput for an unreadable file."""
        try:
            yield from self._posts()
        except (OSError, EOFError, zlib.error) as error:
            cause = f"{self.path} cannot be read"
            raise InvalidInput(cause, str(error) or type(error).__name__, "make replay FILE=another") from error

    def _posts(self) -> Iterator[Post | Bad]:
        with self._open() as file:
            head = file.peek(_HEAD)[:_HEAD]
        if head.startswith(_PARQUET):
            yield from read_parquet(self.path, self.columns)
        elif not head.strip():
            cause = f"{self.path} is empty"
            raise InvalidInput(cause, "there is nothing to replay", "make replay FILE=another")
        elif head.removeprefix(_BOM).lstrip()[:1] in {b"{", b"["}:
            yield from self._read_json(head)
        else:
            with self._open() as file:
                text = io.TextIOWrapper(cast("IO[bytes]", file), self._encoding(head), errors="replace", newline="")
                yield from read_csv(text, self.path, self.columns)

    def _open(self) -> io.BufferedReader:
        """Open it, unpacked where it is packed."""
        with self.path.open("rb") as file:
            magic = file.read(3)
        if magic.startswith(b"\x1f\x8b"):
            return io.BufferedReader(cast("io.RawIOBase", gzip.open(self.path)), _HEAD)
        if magic == b"BZh":
            return io.BufferedReader(cast("io.RawIOBase", bz2.open(self.path)), _HEAD)
        return io.BufferedReader(cast("io.RawIOBase", self.path.open("rb", buffering=0)), _HEAD)

    def _encoding(self, head: bytes) -> str:
        """Return a CSV's encoding: UTF-8 where all of it is; else Latin-1 as Windows extends it, which Excel writes."""
        if head.startswith(_WIDE):
            return "utf-16"
        with self._open() as file:
            text = io.TextIOWrapper(cast("IO[bytes]", file), "utf-8")
            try:
                while text.read(_CHUNK):
                    pass
            except UnicodeDecodeError:
                return "cp1252"
        return "utf-8-sig"

    def _read_json(self, head: bytes) -> Iterator[Post | Bad]:
        if self._is_document(head):
            yield from self._read_document()
            return
        with self._open() as file:
            row = 0
            while line := file.readline(LONGEST_LINE):
                row += 1
                if len(line) == LONGEST_LINE and not line.endswith(b"\n"):
                    while (rest := file.readline(LONGEST_LINE)) and not rest.endswith(b"\n"):
                        pass
                    yield Bad(row, "", f"has more than {LONGEST_LINE} bytes: a row would be one tweet, or one page of them")
                    continue
                if row == 1:
                    line = line.removeprefix(_BOM)
                if not line.isspace():
                    yield from self._of_text(row, line)

    def _of_text(self, row: int, text: bytes) -> Iterator[Post | Bad]:
        try:
            value = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            return iter([Bad(row, "", f"is not JSON in UTF-8 ({error})")])
        return posts_in(row, value, self.columns)

    def _is_document(self, head: bytes) -> bool:
        """Whether it is one JSON value over several lines, or a list: lines of JSON begin with a whole object."""
        text = head.removeprefix(_BOM).lstrip()
        first, separator, _rest = text.partition(b"\n")
        if text.startswith(b"[") or first.strip() == b"{":
            return True
        if not separator:
            return False  # one line, as long as it may be
        try:
            _decode(first)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # A line that is broken is not a document: that goes on in lines which are no objects either.
            return not any(line.lstrip().startswith(b"{") and line.rstrip().endswith(b"}") for line in text.splitlines()[:50])
        return False

    def _read_document(self) -> Iterator[Post | Bad]:
        with self._open() as file:
            text = file.read(LARGEST_DOCUMENT + 1).removeprefix(_BOM)
        if len(text) > LARGEST_DOCUMENT:
            cause = f"{self.path} is one JSON value of more than {LARGEST_DOCUMENT} bytes, which would have to stand in memory"
            raise InvalidInput(
                cause, "a file of lines, a JSON object each, may have any size", f"jq -c '.[]' {self.path} > lines.jsonl"
            )
        try:
            value = _decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            cause = f"{self.path} is not JSON in UTF-8"
            raise InvalidInput(cause, str(error), "make replay FILE=another") from error
        for row, each in enumerate(value if isinstance(value, list) else [value], 1):
            yield from posts_in(row, each, self.columns)
