"""Final windows as Parquet: a file of the rankings and one of the windows' totals for each rule, as of one moment."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pyarrow as pa
import pyarrow.parquet as pq
from sqlalchemy import func, select

from trending.database import as_of_one_moment
from trending.opened_store import watched_store
from trending.serving.counts import RANKING
from trending.serving.others import LOOKED_AT
from trending.serving.ranking_query import RuleCounts
from trending.settings import Rule, Spelling, WindowTime
from trending.tweets.rule import LAST_DATE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from trending.opened_store import StorePlace
    from trending.serving.ranking_query import Window

_START = pa.field("window_start", pa.timestamp("s", tz="UTC"), nullable=False)
RANKING_SCHEMA = pa.schema(
    [
        _START,
        pa.field("rank", pa.int32(), nullable=False),
        pa.field("hashtag", pa.string(), nullable=False),
        pa.field("tweets", pa.int64(), nullable=False),
    ]
)
WINDOWS_SCHEMA = pa.schema(
    [_START, *(pa.field(name, pa.int64(), nullable=False) for name in ("tweets", "hashtags", "other_tweets", "other_hashtags"))]
)


def export_final(place: StorePlace, directory: Path) -> dict[Path, int]:
    """Write the final windows into the directory, which is made; returns file → its rows.

    ``ranking-RULE.parquet`` has a row a hashtag, ``windows-RULE.parquet`` one a window, with the sum of what is not kept by name.
    A file that is there is replaced when the new one is whole. Raises SQLAlchemy's OperationalError where there is no store.
    """
    directory.mkdir(parents=True, exist_ok=True)
    written: dict[Path, int] = {}
    with closing(watched_store(place)) as store, as_of_one_moment(store.engine) as connection:
        present = RuleCounts(connection)
        for rule in (present.rule, *present.other_rules):
            written.update(_export(connection, rule, directory))
    return written


def _export(connection: Connection, rule: Rule, directory: Path) -> dict[Path, int]:
    spelling = "" if rule.spelling is Spelling.EXACT else f"-{rule.spelling}"
    name = f"{rule.window_time}-{rule.window_seconds}s{spelling}.parquet"
    ranking, windows = directory / f"ranking-{name}", directory / f"windows-{name}"
    fresh = [path.with_name(f".{path.name}.fresh") for path in (ranking, windows)]
    rows = {ranking: 0, windows: 0}
    try:
        with pq.ParquetWriter(fresh[0], RANKING_SCHEMA) as ranked, pq.ParquetWriter(fresh[1], WINDOWS_SCHEMA) as totals:
            for window in _final(connection, rule):
                ranked.write_table(_ranking(window))
                totals.write_table(pa.Table.from_pylist([_totals(window)], WINDOWS_SCHEMA))
                rows[ranking] += len(window.ranked)
                rows[windows] += 1
        for path, whole in zip((ranking, windows), fresh, strict=True):
            whole.replace(path)
    finally:
        for path in fresh:
            with suppress(FileNotFoundError):
                path.unlink()
    return rows


def _final(connection: Connection, rule: Rule) -> Iterator[Window]:
    """Yield the windows of a rule that Spark's query has passed, in order of time: none of them can grow any more."""
    counts = RuleCounts(connection, rule)
    of_rule = counts.checkpoints
    passed = connection.execute(
        select(func.max(LOOKED_AT.c.window_start)).where(LOOKED_AT.c.checkpoint.in_(of_rule))
    ).scalar_one()
    if rule.window_time is WindowTime.ORIGINAL and not counts.counts_on:
        passed = int(LAST_DATE)  # nobody counts by these times any more
    if passed is None:
        return
    start = RANKING.c.window_start
    query = select(start).where(RANKING.c.checkpoint.in_(of_rule), start <= passed).distinct().order_by(start)
    for each in connection.execute(query).scalars().all():
        window = counts.window(each)
        if window is not None:
            yield window


def _ranking(window: Window) -> pa.Table:
    places = len(window.ranked)
    hashtags, tweets = zip(*window.ranked, strict=True)
    columns = ([window.start] * places, range(1, places + 1), hashtags, tweets)
    arrays = [pa.array(list(column), field.type) for column, field in zip(columns, RANKING_SCHEMA, strict=True)]
    return pa.Table.from_arrays(arrays, schema=RANKING_SCHEMA)


def _totals(window: Window) -> dict[str, int]:
    return {
        "window_start": window.start,
        "tweets": window.tweets,
        "hashtags": window.hashtags,
        "other_tweets": window.other_tweets,
        "other_hashtags": window.other_hashtags,
    }
