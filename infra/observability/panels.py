"""The dashboard's rows of panels and their queries, as plain data."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

ONE = '{stack="$stack"}'
"""The label filter for the stack that is chosen at the top of the dashboard."""
LIVE_RATE = "[1m]"
"""Twelve scrapes: short enough to show a fault, long enough that a trigger of 10 s does not make the curve jagged."""


class Kind(StrEnum):
    """The Grafana panel types in use."""

    TIME_SERIES = "timeseries"
    STAT = "stat"
    BARS = "bargauge"
    TABLE = "table"


@dataclass(frozen=True)
class Query:
    """One query and the legend of its series; Grafana replaces ``{{label}}``."""

    expression: str
    legend: str = ""


@dataclass(frozen=True)
class Panel:
    """One panel. ``width`` is in Grafana's columns, of which there are 24; ``unit`` is Grafana's name for it.

    ``up`` colours 1 green and 0 red.
    """

    title: str
    description: str
    kind: Kind
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 8
    height: int = 7
    up: bool = False


def _stat(title: str, description: str, expression: str, legend: str = "", unit: str = "short", *, up: bool = False) -> Panel:
    return Panel(title, description, Kind.STAT, (Query(expression, legend),), unit, width=6, height=4, up=up)


def _age(metric: str) -> str:
    return f"time() - {metric}{ONE}"


PANELS = (
    _stat("Page", "Whether Prometheus reaches the stack.", 'up{job="trending", stack="$stack"}', up=True),
    _stat("Programs", "1 while a program beats.", f"trending_program_up{ONE}", "{{program}}", up=True),
    _stat("Broker", "What producer and job say of it.", f"trending_broker_up{ONE}", up=True),
    _stat("Kafka", "The version that the last health check found.", f"trending_broker_info{ONE}", "{{version}}"),
    _stat(
        "Last batch", "Age of the job's last sign of progress.", _age("trending_stream_last_progress_timestamp_seconds"), "", "s"
    ),
    _stat("Lag", "Acknowledged tweets not counted yet.", f"sum(trending_stream_lag_records{ONE})"),
    _stat("Dead letters", "Records that could not be used.", f"trending_dead_letter_records_total{ONE}"),
    _stat("Last health check", "Its age.", _age("trending_health_last_check_timestamp_seconds"), "", "s"),
    Panel(
        "Trending now",
        "Tweets of the latest window: the first hashtags, and all others together.",
        Kind.BARS,
        (Query(f"sort_desc(trending_ranking_window_tweets{ONE})", "{{hashtag}}"),),
    ),
    Panel(
        "Ranking over time",
        "A hashtag that leaves the first ten leaves this picture.",
        Kind.TIME_SERIES,
        (Query('trending_ranking_window_tweets{stack="$stack", part="top"}', "{{hashtag}}"),),
        width=16,
    ),
    Panel(
        "Trends",
        "Standard deviations by which a leading hashtag is above its rate in the windows before; from 3 on seldom chance.",
        Kind.BARS,
        (Query(f"sort_desc(trending_ranking_trend_score{ONE})", "{{hashtag}}"),),
    ),
    Panel(
        "Velocity",
        "Tweets a second in the counted part of the latest window.",
        Kind.TIME_SERIES,
        (Query(f"trending_ranking_velocity_tweets{ONE}", "{{hashtag}}"),),
        unit="ops",
    ),
    Panel(
        "The last five minutes",
        "The fewest whole windows that cover them: the first hashtags, and all others together.",
        Kind.BARS,
        (Query(f"sort_desc(trending_slide_tweets{ONE})", "{{hashtag}}"),),
    ),
    Panel(
        "Tweets a second",
        "Asked of the producer, sent, acknowledged, and read by the job.",
        Kind.TIME_SERIES,
        (
            Query(f"sum(trending_producer_asked_rate{ONE})", "asked"),
            Query(f"sum(trending_producer_achieved_rate{ONE})", "achieved"),
            Query(f"sum(rate(trending_producer_sent_tweets_total{ONE}{LIVE_RATE}))", "sent"),
            Query(f"sum(rate(trending_producer_acknowledged_tweets_total{ONE}{LIVE_RATE}))", "acknowledged"),
            Query(f"rate(trending_stream_input_records_total{ONE}{LIVE_RATE})", "read"),
        ),
        unit="ops",
    ),
    Panel(
        "Producer's queue",
        "Tweets that wait for the broker, how often it was full, how old the oldest of them is, what a quota holds back.",
        Kind.TIME_SERIES,
        (
            Query(f"sum(trending_producer_queued_tweets{ONE})", "queued"),
            Query(f"sum(rate(trending_producer_queue_full_total{ONE}{LIVE_RATE}))", "waits a second"),
            Query(f"sum(increase(trending_producer_failed_tweets_total{ONE}[5m]))", "failed in 5 min"),
            Query(f"max(trending_producer_overdue_seconds{ONE})", "seconds overdue"),
            Query(f"max(trending_producer_throttled_seconds{ONE})", "seconds throttled"),
        ),
    ),
    Panel(
        "Lag by partition",
        "It rises between two batches; what counts is how low it gets.",
        Kind.TIME_SERIES,
        (Query(f"trending_stream_lag_records{ONE}", "partition {{partition}}"),),
    ),
    Panel(
        "Batch duration",
        "The last batch, and the mean of the last minute.",
        Kind.TIME_SERIES,
        (
            Query(f"trending_stream_last_batch_duration_seconds{ONE}", "last"),
            Query(
                f"rate(trending_stream_batch_duration_seconds_sum{ONE}{LIVE_RATE})"
                f" / (rate(trending_stream_batch_duration_seconds_count{ONE}{LIVE_RATE}) > 0)",
                "mean",
            ),
        ),
        unit="s",
    ),
    Panel(
        "State and batch",
        "Rows that Spark keeps, and records of the last batch.",
        Kind.TIME_SERIES,
        (
            Query(f"trending_stream_state_rows{ONE}", "state rows"),
            Query(f"trending_stream_last_batch_input_records{ONE}", "records"),
        ),
    ),
    Panel(
        "Offsets",
        "What is acknowledged, and how far the job has counted.",
        Kind.TIME_SERIES,
        (
            Query(f"trending_producer_end_offset{ONE}", "end {{partition}}"),
            Query(f"trending_stream_offset{ONE}", "counted {{partition}}"),
        ),
    ),
    Panel(
        "Health check",
        "What the last one said of each component.",
        Kind.TABLE,
        (Query(f"trending_health_verdict{ONE} == 1", "{{component}}: {{verdict}}"),),
    ),
    Panel(
        "Repairs and restarts",
        "Repairs by health checks, and programs that began a new life, in the last hour.",
        Kind.TIME_SERIES,
        (
            Query(f"increase(trending_health_repairs_total{ONE}[1h])", "repairs of {{component}}"),
            Query(f"changes(trending_program_start_time_seconds{ONE}[1h])", "{{program}} restarted"),
        ),
    ),
    Panel(
        "The page itself",
        "Browsers that follow it, and updates a second.",
        Kind.TIME_SERIES,
        (
            Query(f"trending_page_viewers{ONE}", "viewers"),
            Query(f"rate(trending_page_updates_total{ONE}{LIVE_RATE})", "updates a second"),
        ),
    ),
    Panel(
        "Memory and disk",
        "The page's memory, and the serving store with its write-ahead log.",
        Kind.TIME_SERIES,
        (
            Query('process_resident_memory_bytes{job="trending", stack="$stack"}', "page"),
            Query(f"trending_store_size_bytes{ONE}", "store"),
        ),
        unit="bytes",
    ),
)
