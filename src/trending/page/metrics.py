"""The stack's figures for Prometheus, made at each scrape from files that the page reads anyway.

Every family is always exported with its help; its samples only when known. An unknown figure is absent, never 0.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from trending.page.health_note import health_families, read_health
from trending.page.moving.condition import Condition, program_condition
from trending.programs.heartbeat import Heartbeat, read_heartbeat
from trending.serving.trends import elapsed_seconds, trends

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from prometheus_client.core import Metric

    from trending.page.board import Board
    from trending.page.feed import Feed
    from trending.programs.specifications import PageSpec
    from trending.serving.slide import Slide

TOP_HASHTAGS = 10
"""Hashtags that get a label of their own; all others share one sample, so that traffic cannot make the number of series grow."""
_UP = {Condition.WELL, Condition.STARTING, Condition.TROUBLED}
_OFFSET = "offset."
_OPENMETRICS = "application/openmetrics-text"

_COUNTERS = {
    "producer": {
        "sent": ("trending_producer_sent_tweets", "Tweets handed to the Kafka client by this life of the producer."),
        "acknowledged": (
            "trending_producer_acknowledged_tweets",
            "Tweets that the broker acknowledged to this life of the producer.",
        ),
        "failed": ("trending_producer_failed_tweets", "Tweets that the broker refused for good."),
        "waits": ("trending_producer_queue_full", "Times that the producer waited because its queue was full."),
    },
    "stream": {
        "rows_total": ("trending_stream_input_records", "Records read from the topic by this life of the job."),
    },
}
_GAUGES = {
    "producer": {
        "queued": ("trending_producer_queued_tweets", "Tweets sent and not yet acknowledged."),
        "debt": ("trending_producer_debt_tweets", "Tweets by which this life of the producer is behind the rate asked for."),
    },
    "stream": {
        "batch": ("trending_stream_last_batch_id", "Number of the last finished batch; it goes on over restarts."),
        "batch_seconds": ("trending_stream_last_batch_duration_seconds", "Duration of the last finished batch."),
        "input_rows": ("trending_stream_last_batch_input_records", "Records that the last finished batch read."),
        "state_rows": ("trending_stream_state_rows", "Rows that Spark keeps between batches."),
        "progress_at": (
            "trending_stream_last_progress_timestamp_seconds",
            "When the query last finished a batch or found nothing to do, in seconds since the epoch.",
        ),
    },
}


class StackCollector(Collector):
    """Collects one stack's figures. It is stateless: each counter comes from a program and restarts with that program."""

    def __init__(self, spec: PageSpec, board: Board, feed: Feed) -> None:
        self._spec, self._board, self._feed = spec, board, feed

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        info = GaugeMetricFamily("trending_stack_info", "Always 1; whose page this is.", labels=["name", "stack_id", "topic"])
        info.add_metric([self._spec.name, self._spec.stack_id, self._spec.topic], 1)
        yield info
        beats = {"producer": _beat(self._spec.producer), "stream": _beat(self._spec.stream)}
        now = time.time()
        yield from _programs({**beats, "page": _beat(self._spec.heartbeat)}, now)
        for program, beat in beats.items():
            yield from _figures(program, beat.figures if beat else {})
        yield from _batches(beats["stream"])
        yield from _offsets(beats["producer"], beats["stream"])
        yield from self._broker()
        yield from self._store()
        yield from self._ranking()
        yield from health_families(read_health(self._spec.health))
        viewers = GaugeMetricFamily("trending_page_viewers", "Browsers that follow the live page.", value=self._feed.viewers)
        yield viewers
        yield CounterMetricFamily("trending_page_updates", "Updates of the live page so far.", value=self._feed.version)

    def _broker(self) -> Iterator[Metric]:
        family = GaugeMetricFamily(
            "trending_broker_up",
            "1 while producer and job say that the broker answers them, 0 while it does not; absent if unknown.",
        )
        pipeline = self._feed.sections.get("pipeline")
        condition = pipeline["kafka"]["health"] if pipeline else Condition.UNKNOWN
        if condition not in {Condition.UNKNOWN, Condition.UNRECORDED}:
            family.add_metric([], float(condition is Condition.WELL))
        yield family

    def _store(self) -> Iterator[Metric]:
        snapshot, readable = self._board.snapshot, self._board.readable
        yield GaugeMetricFamily("trending_store_readable", "1 if the page can read the serving store.", value=float(readable))
        batch = GaugeMetricFamily(
            "trending_store_last_batch_timestamp_seconds", "When the last batch was written, in seconds since the epoch."
        )
        rejects = CounterMetricFamily(
            "trending_dead_letter_records", "Records that went to the dead letters, as the store has them."
        )
        size = GaugeMetricFamily("trending_store_size_bytes", "Size of the store: its file and write-ahead log, or its tables.")
        if readable:
            rejects.add_metric([], snapshot.rejects)
            size.add_metric([], self._board.store_bytes)
            if snapshot.at:
                batch.add_metric([], snapshot.at)
        yield from (batch, rejects, size)

    def _ranking(self) -> Iterator[Metric]:
        snapshot = self._board.snapshot
        start = GaugeMetricFamily(
            "trending_ranking_window_start_timestamp_seconds", "Start of the latest window, in seconds since the epoch."
        )
        length = GaugeMetricFamily("trending_ranking_window_length_seconds", "Length of the latest window.")
        hashtags = GaugeMetricFamily("trending_ranking_window_hashtags", "Different hashtags of the latest window.")
        # Two labels, since a hashtag may well be called "other".
        tweets = GaugeMetricFamily(
            "trending_ranking_window_tweets",
            f'Tweets of the latest window: its first {TOP_HASHTAGS} hashtags (part="top"), all others together (part="other").',
            labels=["part", "hashtag"],
        )
        velocity = GaugeMetricFamily(
            "trending_ranking_velocity_tweets",
            "Tweets a second in the counted part of the latest window; absent while that part is not known.",
            labels=["part", "hashtag"],
        )
        score = GaugeMetricFamily(
            "trending_ranking_trend_score",
            "Standard deviations by which a leading hashtag is above the rate of the windows before; absent if not known.",
            labels=["hashtag"],
        )
        if snapshot.windows:
            latest = snapshot.windows[-1]
            top = latest.ranked[:TOP_HASHTAGS]
            start.add_metric([], latest.start)
            length.add_metric([], latest.seconds)
            hashtags.add_metric([], latest.hashtags)
            for hashtag, count in top:
                tweets.add_metric(["top", hashtag], count)
            rest = latest.tweets - sum(count for _hashtag, count in top)
            tweets.add_metric(["other", "other"], rest)
            until = self._board.counted_until(latest)
            moves = trends(replace(latest, ranked=top), snapshot.history, until)
            for hashtag, move in moves.items():
                if move.velocity is not None:
                    velocity.add_metric(["top", hashtag], move.velocity)
                if move.score is not None:
                    score.add_metric([hashtag], move.score)
            if (elapsed := elapsed_seconds(latest, until)) and any(move.velocity is not None for move in moves.values()):
                velocity.add_metric(["other", "other"], rest / elapsed)
        yield from (start, length, hashtags, tweets, velocity, score, _slide_family(snapshot.slide))


def expose(registry: CollectorRegistry, accept: str) -> tuple[bytes, str]:
    """Return the figures and their content type: OpenMetrics for clients that accept it, otherwise the classic text format.

    The library raises on a version that is not a number, so it is asked without one.
    """
    encode, content_type = choose_encoder(_OPENMETRICS if _OPENMETRICS in accept else "")
    return encode(registry), content_type


def metrics_registry(spec: PageSpec, board: Board, feed: Feed) -> CollectorRegistry:
    """Return what ``/metrics`` shows: the stack's figures and the page program's own memory and processor time."""
    registry = CollectorRegistry()
    registry.register(StackCollector(spec, board, feed))
    ProcessCollector(registry=registry)
    return registry


def _beat(path: Path | None) -> Heartbeat | None:
    return read_heartbeat(path) if path else None


def _programs(beats: Mapping[str, Heartbeat | None], now: float) -> Iterator[Metric]:
    up = GaugeMetricFamily("trending_program_up", "1 if the program beats, 0 if it stopped or is silent.", labels=["program"])
    last = GaugeMetricFamily(
        "trending_program_last_heartbeat_timestamp_seconds", "The last beat, in seconds since the epoch.", labels=["program"]
    )
    start = GaugeMetricFamily(
        "trending_program_start_time_seconds",
        "Start of the program's present life, in seconds since the epoch.",
        labels=["program"],
    )
    for program, beat in beats.items():
        if beat is None:
            continue
        condition = Condition.WELL if beat.phase == "serving" else program_condition(beat, now)
        up.add_metric([program], float(condition in _UP))
        last.add_metric([program], beat.at)
        if beat.started:
            start.add_metric([program], beat.started)
    yield from (up, last, start)


def _figures(program: str, figures: Mapping[str, float]) -> Iterator[Metric]:
    for figure, (name, text) in _COUNTERS.get(program, {}).items():
        yield CounterMetricFamily(name, text, value=figures.get(figure))
    for figure, (name, text) in _GAUGES.get(program, {}).items():
        yield GaugeMetricFamily(name, text, value=figures.get(figure))


def _batches(stream: Heartbeat | None) -> Iterator[Metric]:
    family = SummaryMetricFamily(
        "trending_stream_batch_duration_seconds", "Finished batches of this life of the job, and their time."
    )
    figures = stream.figures if stream else {}
    if "batches" in figures and "seconds_total" in figures:
        family.add_metric([], int(figures["batches"]), figures["seconds_total"])
    yield family


def _offsets(producer: Heartbeat | None, stream: Heartbeat | None) -> Iterator[Metric]:
    end = GaugeMetricFamily(
        "trending_producer_end_offset", "Offset behind the last acknowledged tweet of the partition.", labels=["partition"]
    )
    done = GaugeMetricFamily(
        "trending_stream_offset", "Offset up to which the job has counted the partition.", labels=["partition"]
    )
    lag = GaugeMetricFamily(
        "trending_stream_lag_records", "Acknowledged tweets that the job has not counted yet.", labels=["partition"]
    )
    ends, counted = _by_partition(producer), _by_partition(stream)
    for partition, offset in ends.items():
        end.add_metric([partition], offset)
    for partition, offset in counted.items():
        done.add_metric([partition], offset)
    for partition in sorted(ends.keys() & counted.keys(), key=int):
        lag.add_metric([partition], max(0.0, ends[partition] - counted[partition]))
    yield from (end, done, lag)


def _by_partition(beat: Heartbeat | None) -> dict[str, float]:
    figures = beat.figures if beat else {}
    return {name.removeprefix(_OFFSET): value for name, value in figures.items() if name.startswith(_OFFSET)}


def _slide_family(slide: Slide | None) -> Metric:
    family = GaugeMetricFamily(
        "trending_slide_tweets",
        "Tweets of the fewest whole windows that cover the last five minutes: the first "
        f'{TOP_HASHTAGS} hashtags, as far as they are kept by name (part="top"), all others together (part="other").',
        labels=["part", "hashtag"],
    )
    if slide is not None:
        top = slide.ranked[:TOP_HASHTAGS]
        for line in top:
            family.add_metric(["top", line.hashtag], line.tweets)
        family.add_metric(["other", "other"], slide.tweets - sum(line.tweets for line in top))
    return family
