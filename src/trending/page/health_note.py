"""The record that the last health check left, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client.core import Metric

VERDICTS = ("healthy", "warning", "blocked", "unhealthy")
"""A health check's verdicts: the values of infra.health.verdicts.Verdict, which the data plane does not import."""


class HealthNote(msgspec.Struct, frozen=True):
    """The part of a health check's record that the page reads; infra.health.verdicts.HealthRecord writes it."""

    at: float = 0.0
    verdicts: dict[str, str] = {}
    repaired: dict[str, int] = {}
    kafka: str = ""


def read_health(path: Path | None) -> HealthNote:
    """Return what the last health check recorded; an empty note if there was none or its record cannot be read."""
    if path is None:
        return HealthNote()
    try:
        return msgspec.json.decode(path.read_bytes(), type=HealthNote)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return HealthNote()


def health_families(note: HealthNote) -> Iterator[Metric]:
    """Yield the metrics of the last check. A component has a sample for each verdict, so no old verdict stays at 1."""
    verdict = GaugeMetricFamily(
        "trending_health_verdict", "1 for what the last health check said of the component.", labels=["component", "verdict"]
    )
    at = GaugeMetricFamily("trending_health_last_check_timestamp_seconds", "The last health check, in seconds since the epoch.")
    repairs = CounterMetricFamily("trending_health_repairs", "Repairs of the component so far.", labels=["component"])
    broker = GaugeMetricFamily(
        "trending_broker_info", "Always 1; Kafka's version as the last health check found it.", labels=["version"]
    )
    for component, current in note.verdicts.items():
        for each in VERDICTS:
            verdict.add_metric([component, each], float(each == current))
    if note.at:
        at.add_metric([], note.at)
    for component, count in note.repaired.items():
        repairs.add_metric([component], count)
    if note.kafka:
        broker.add_metric([note.kafka], 1)
    yield from (verdict, at, repairs, broker)
