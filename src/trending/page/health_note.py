"""What the page knows of health checks: the record that the last one left, as metrics."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from prometheus_client.core import Metric

VERDICTS = ("healthy", "warning", "blocked", "unhealthy")
"""What a health check says of a component (infra.health.verdicts.Verdict, which this side of the house does not import)."""


class HealthNote(msgspec.Struct, frozen=True):
    """What the page reads of the record that a health check leaves; infra.health.verdicts.HealthRecord writes it."""

    at: float = 0.0
    verdicts: dict[str, str] = {}
    repaired: dict[str, int] = {}
    kafka: str = ""


def read_health(path: Path | None) -> HealthNote:
    """Return what the last health check noted; nothing where there was none or its record can't be read."""
    if path is None:
        return HealthNote()
    try:
        return msgspec.json.decode(path.read_bytes(), type=HealthNote)
    except (FileNotFoundError, msgspec.DecodeError, UnicodeDecodeError):
        return HealthNote()


def health_families(note: HealthNote) -> Iterator[Metric]:
    """Yield what is known of the last check; a component has a sample for each verdict, so that none outlives its end."""
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
