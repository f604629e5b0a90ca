"""A first look through a whole file: how many posts, from when to when, which rows are none, whether they are in order."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from trending.replay.shapes import Bad

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from trending.replay.posts import Post

SHOWN = 20
"""Bad rows that are kept to be told one by one."""
TELL_POSTS = 200_000


@dataclass
class Survey:
    """What was found. Times are in microseconds since the epoch; ``back_at`` is the first row that is older than one before it.

    ``back`` is how many rows are, ``step`` by how much at most. ``fields`` are the bad rows by field.
    """

    posts: int = 0
    untagged: int = 0
    first: int = 0
    last: int = 0
    back: int = 0
    back_at: int = 0
    step: int = 0
    bad: list[Bad] = field(default_factory=list)
    fields: Counter[str] = field(default_factory=Counter)

    def add(self, post: Post) -> None:
        """Take one post."""
        if not self.posts:
            self.first = self.last = post.time
        elif post.time < self.last:
            self.back += 1
            self.back_at = self.back_at or post.row
            self.step = max(self.step, self.last - post.time)
        self.first, self.last = min(self.first, post.time), max(self.last, post.time)
        self.posts += 1
        self.untagged += not post.hashtag

    def refuse(self, bad: Bad) -> None:
        """Take one row that is no post."""
        if len(self.bad) < SHOWN:
            self.bad.append(bad)
        self.fields[bad.field] += 1


def survey(rows: Iterable[Post | Bad], tell: Callable[[int], None]) -> Survey:
    """Return what these rows hold; ``tell`` is told now and then how many posts were read."""
    found = Survey()
    for row in rows:
        if isinstance(row, Bad):
            found.refuse(row)
        else:
            found.add(row)
            if found.posts % TELL_POSTS == 0:
                tell(found.posts)
    return found
