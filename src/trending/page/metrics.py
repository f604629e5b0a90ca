"""The stack's figures for Prometheus, made at each scrape from files that the page reads anyway.

Every family is always exported with its help; its samples only when known. An unknown figure is absent, never 0.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from trending.page.health_note import health_families, read_health
from trending.page.moving.condition import Condition
from trending.page.program_metrics import (
    batch_families,
    beat_of,
    life_families,
    offset_families,
    producer_families,
    stream_families,
)
from trending.serving.trends import elapsed_seconds, trends

if TYPE_CHECKING:
    from collections.abc import Iterator

    from prometheus_client.core import Metric

    from trending.page.board import Board
    from trending.page.feed import Feed
    from trending.programs.specifications import PageSpec
    from trending.serving.slide import Slide

TOP_HASHTAGS = 10
"""Hashtags that get a label of their own; all others share one sample, so that traffic cannot make the number of series grow."""
_OPENMETRICS = "application/openmetrics-text"


class StackCollector(Collector):
    """Collects one stack's figures. It is stateless: each counter comes from a program and restarts with that program."""

    def __init__(self, spec: PageSpec, board: Board, feed: Feed) -> None:
        self._spec, self._board, self._feed = spec, board, feed

    def collect(self) -> Iterator[Metric]:
        """Yield every family."""
        info = GaugeMetricFamily("trending_stack_info", "Always 1; whose page this is.", labels=["name", "stack_id", "topic"])
        info.add_metric([self._spec.name, self._spec.stack_id, self._spec.topic], 1)
        yield info
        producers = {name: beat_of(path) for name, path in self._spec.producers.items()}
        stream = beat_of(self._spec.stream)
        yield from life_families({**producers, "stream": stream, "page": beat_of(self._spec.heartbeat)}, time.time())
        yield from producer_families(producers)
        yield from stream_families(stream)
        yield from batch_families(stream)
        yield from offset_families(producers.values(), self._board.acknowledged_to, stream)
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
