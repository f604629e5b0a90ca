"""The view ``trending_ranking``: each window's ranking, for whoever asks a store in SQL."""

from __future__ import annotations

NAME = "trending_ranking"
_VIEW = """
CREATE {replacing}VIEW trending_ranking AS
WITH counting AS (
  SELECT checkpoint, window_time, window_seconds, coalesce(spelling, 'exact') AS spelling FROM epochs
),
seen AS (
  SELECT e.window_time, e.window_seconds, e.spelling, max(l.window_start) AS passed
  FROM looked_at l JOIN counting e USING (checkpoint) GROUP BY e.window_time, e.window_seconds, e.spelling
)
SELECT {stack}{start} AS window_start, e.window_seconds, e.window_time,
  row_number() OVER (
    PARTITION BY e.window_time, e.window_seconds, e.spelling, r.window_start ORDER BY sum(r.tweets) DESC, r.hashtag
  ) AS rank,
  r.hashtag, CAST(sum(r.tweets) AS bigint) AS tweets, coalesce(r.window_start <= s.passed, false) AS final, e.spelling
FROM ranking r JOIN counting e USING (checkpoint) LEFT JOIN seen s USING (window_time, window_seconds, spelling)
GROUP BY e.window_time, e.window_seconds, e.spelling, r.window_start, r.hashtag, s.passed
"""
"""A window is final once Spark's query has passed it."""


def of_schema(stack: str) -> str:
    """Return the statement that makes the view in a stack's schema, where a column says whose it is."""
    return _VIEW.format(replacing="OR REPLACE ", stack=f"'{stack}'::text AS stack, ", start="to_timestamp(r.window_start)")


def of_file() -> tuple[str, str]:
    """Return the statements that make the view in a file: it is one stack's, and its times are texts in UTC."""
    made = _VIEW.format(replacing="", stack="", start="datetime(r.window_start, 'unixepoch')")
    return f"DROP VIEW IF EXISTS {NAME}", made
