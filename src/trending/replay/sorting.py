"""Posts in the order of their times, however many: sorted in parts on disk, which are merged as they are sent."""

from __future__ import annotations

from heapq import merge
from itertools import islice
from typing import TYPE_CHECKING

import msgspec

from trending.errors import InvalidInput
from trending.replay.posts import Post

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

IN_MEMORY = 100_000
"""Posts that are sorted at once: some 80 MB of them."""
TOGETHER = 64
"""Parts that are merged into one of the next level: files that are open at once."""
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Post).decode


class Sorted:
    """Sorts into a directory, which must be empty."""

    def __init__(self, directory: Path, in_memory: int = IN_MEMORY, together: int = TOGETHER) -> None:
        self._directory = directory
        self._in_memory = in_memory
        self._together = together
        self._levels: list[list[Path]] = []
        self._made = 0

    def take(self, posts: Iterable[Post]) -> None:
        """Sort posts onto the disk; raises InvalidInput where that is full."""
        remaining = iter(posts)
        try:
            while part := sorted(islice(remaining, self._in_memory)):
                self._keep(0, part)
        except OSError as error:
            cause = f"the posts are not in the order of their times, and cannot be sorted in {self._directory}"
            raise InvalidInput(cause, str(error), "TMPDIR=… names a directory with room, or sort the file by time") from error

    def posts(self) -> Iterator[Post]:
        """Yield them in order, those of one time in that of their rows."""
        return merge(*(_read(path) for level in self._levels for path in level))

    def _keep(self, level: int, part: Iterable[Post]) -> None:
        path = self._directory / f"{self._made}.jsonl"
        self._made += 1
        with path.open("wb") as file:
            file.writelines(_encode(post) + b"\n" for post in part)
        if level == len(self._levels):
            self._levels.append([])
        self._levels[level].append(path)
        if len(self._levels[level]) == self._together:
            paths, self._levels[level] = self._levels[level], []
            self._keep(level + 1, merge(*map(_read, paths)))
            for each in paths:
                each.unlink()


def _read(path: Path) -> Iterator[Post]:
    with path.open("rb") as file:
        yield from map(_decode, file)
