"""The programs' figures for Prometheus, from their heartbeats."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, SummaryMetricFamily

from trending.page.moving.condition import Condition, program_condition
from trending.programs.heartbeat import Heartbeat, read_heartbeat

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from prometheus_client.core import Metric

_UP = {Condition.WELL, Condition.STARTING, Condition.TROUBLED}
_OFFSET = "offset."

_PRODUCER_COUNTERS = {
    "sent": ("trending_producer_sent_tweets", "Tweets handed to the Kafka client by this life of the producer."),
    "acknowledged": (
        "trending_producer_acknowledged_tweets",
        "Tweets that the broker acknowledged to this life of the producer.",
    ),
    "failed": ("trending_producer_failed_tweets", "Tweets that the broker refused for good."),
    "waits": ("trending_producer_queue_full", "Times that the producer waited because its queue was full."),
}
_PRODUCER_GAUGES = {
    "queued": ("trending_producer_queued_tweets", "Tweets sent and not yet acknowledged."),
    "debt": ("trending_producer_debt_tweets", "Tweets by which this life of the producer is behind the rate asked for."),
    "asked": (
        "trending_producer_asked_rate",
        "Tweets a second that the producer is to send now: its setting, its scenario's plan, or what `make rate` asked for.",
    ),
    "achieved": (
        "trending_producer_achieved_rate",
        "Tweets a second that the broker acknowledged in the last seconds.",
    ),
    "throttled": (
        "trending_producer_throttled_seconds",
        "Seconds for which a broker last held an answer to the producer back, because a quota is exceeded; else 0.",
    ),
    "overdue": (
        "trending_producer_overdue_seconds",
        "Age of the oldest tweet without an acknowledgement, from when it was to be sent.",
    ),
}
_STREAM_GAUGES = {
    "batch": ("trending_stream_last_batch_id", "Number of the last finished batch; it goes on over restarts."),
    "batch_seconds": ("trending_stream_last_batch_duration_seconds", "Duration of the last finished batch."),
    "input_rows": ("trending_stream_last_batch_input_records", "Records that the last finished batch read."),
    "state_rows": ("trending_stream_state_rows", "Rows that Spark keeps between batches."),
    "progress_at": (
        "trending_stream_last_progress_timestamp_seconds",
        "When the query last finished a batch or found nothing to do, in seconds since the epoch.",
    ),
}


def beat_of(path: Path | None) -> Heartbeat | None:
    """Return a program's last heartbeat; None where it has left none, or is no part of the stack."""
    return read_heartbeat(path) if path else None


def life_families(beats: Mapping[str, Heartbeat | None], now: float) -> Iterator[Metric]:
    """Yield which programs beat, when they last did, and since when they live."""
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


def producer_families(beats: Mapping[str, Heartbeat | None]) -> Iterator[Metric]:
    """Yield what each producer's heartbeat counts and measures.

    Several are never added up: where one began anew, the sum's fall would look like an increase by all that the others have sent.
    """
    figures = {program: beat.figures for program, beat in beats.items() if beat}
    for kind, known in ((CounterMetricFamily, _PRODUCER_COUNTERS), (GaugeMetricFamily, _PRODUCER_GAUGES)):
        for figure, (name, text) in known.items():
            family = kind(name, text, labels=["program"])
            for program, found in figures.items():
                if figure in found:
                    family.add_metric([program], found[figure])
            yield family


def stream_families(stream: Heartbeat | None) -> Iterator[Metric]:
    """Yield what the job's heartbeat counts and measures."""
    figures = stream.figures if stream else {}
    text = "Records read from the topic by this life of the job."
    yield CounterMetricFamily("trending_stream_input_records", text, value=figures.get("rows_total"))
    for figure, (name, words) in _STREAM_GAUGES.items():
        yield GaugeMetricFamily(name, words, value=figures.get(figure))


def batch_families(stream: Heartbeat | None) -> Iterator[Metric]:
    """Yield how many batches the job has finished, and their time."""
    family = SummaryMetricFamily(
        "trending_stream_batch_duration_seconds", "Finished batches of this life of the job, and their time."
    )
    figures = stream.figures if stream else {}
    if "batches" in figures and "seconds_total" in figures:
        family.add_metric([], int(figures["batches"]), figures["seconds_total"])
    yield family


def offset_families(
    producers: Iterable[Heartbeat | None], acknowledged_to: Mapping[int, int], stream: Heartbeat | None
) -> Iterator[Metric]:
    """Yield how far producers and job have come in each partition, and the lag between them.

    The producers' heartbeats are the fresher ones; ``acknowledged_to``, by the ledgers, has what others of the lab's have sent: a
    replay, a redrive, a tweet by hand, producers elsewhere.
    """
    end = GaugeMetricFamily(
        "trending_producer_end_offset",
        "Offset behind the last acknowledged tweet of the partition, the producer's or a replay's.",
        labels=["partition"],
    )
    done = GaugeMetricFamily(
        "trending_stream_offset", "Offset up to which the job has counted the partition.", labels=["partition"]
    )
    lag = GaugeMetricFamily(
        "trending_stream_lag_records", "Acknowledged tweets that the job has not counted yet.", labels=["partition"]
    )
    ends, counted = {str(number): float(reached) for number, reached in acknowledged_to.items()}, _by_partition(stream)
    for producer in producers:
        for number, reached in _by_partition(producer).items():
            ends[number] = max(ends.get(number, 0.0), reached)
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
