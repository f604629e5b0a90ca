from __future__ import annotations

import sqlite3
from contextlib import closing
from typing import TYPE_CHECKING

from fakes.trending.counting import epoch, write

from trending.serving.counts import Batch
from trending.serving.store import FORMAT, Store
from trending.settings import Rule, Spelling, WindowTime

if TYPE_CHECKING:
    from pathlib import Path

MINUTE = 1765845060
NEXT = "2025-12-16 00:32:00"


def seen(path: Path, rule: str = "arrival", spelling: str = "exact") -> list[tuple[object, ...]]:
    """Return the view's rows as any other program sees them."""
    query = "SELECT window_start, rank, hashtag, tweets, final FROM trending_ranking WHERE window_time = ? AND spelling = ?"
    with closing(sqlite3.connect(path)) as stranger:
        return sorted(stranger.execute(query, (rule, spelling)).fetchall())


def test_a_file_has_the_view_with_each_ranking_and_says_which_are_final(tmp_path: Path) -> None:
    path = tmp_path / "serving.sqlite"
    with closing(Store(path)) as store:
        tweets = {(MINUTE, "#b"): 5, (MINUTE, "#B"): 5, (MINUTE, "#ñ"): 7, (MINUTE + 60, "#a"): 1}
        write(store, "first", Batch(0, 1.0, tweets, {}))
        write(store, "second", Batch(0, 1.0, {(MINUTE, "#b"): 9}, {}))
        store.take_over(epoch("folded", rule=Rule(spelling=Spelling.FOLDED)))
        write(store, "folded", Batch(0, 1.0, {(MINUTE, "#b"): 19}, {}))
        store.take_over(epoch("third", rule=Rule(WindowTime.EVENT)))
        write(store, "third", Batch(0, 1.0, {(MINUTE, "#a"): 2}, {}))
        start = "2025-12-16 00:31:00"
        ranked = [(start, 1, "#b", 14), (start, 2, "#ñ", 7), (start, 3, "#B", 5), (NEXT, 1, "#a", 1)]
        assert seen(path) == [(*row, False) for row in ranked]
        assert seen(path, spelling="folded") == [(start, 1, "#b", 19, False)]
        assert seen(path, "event") == [(start, 1, "#a", 2, False)]
        store.trim("third", MINUTE, 100)
        assert seen(path, "event") == [(start, 1, "#a", 2, True)]
        assert seen(path) == [(*row, False) for row in ranked], "windows of another rule have their own end"


def test_a_file_from_before_gets_the_view_and_an_earlier_one_is_replaced(tmp_path: Path) -> None:
    path = tmp_path / "serving.sqlite"
    with closing(Store(path)) as store:
        write(store, "c", Batch(0, 1.0, {(MINUTE + 60, "#a"): 3}, {}))
    for older in ("DROP VIEW trending_ranking", "CREATE VIEW trending_ranking AS SELECT 1 AS other"):
        with closing(sqlite3.connect(path)) as connection:
            connection.executescript(f"{older}; PRAGMA user_version = {FORMAT}")
        Store(path).close()
        assert seen(path) == [(NEXT, 1, "#a", 3, False)]
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("DROP VIEW trending_ranking")
