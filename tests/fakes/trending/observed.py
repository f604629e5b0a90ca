"""A stack of which everything is known that a metric can tell."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from infra.health.verdicts import Finding, Verdict, note_findings, note_repair

if TYPE_CHECKING:
    from fakes.trending.page import PageHome

PRODUCER = {
    "sent": 120,
    "acknowledged": 110,
    "failed": 2,
    "queued": 8,
    "waits": 3,
    "asked": 500,
    "achieved": 480.5,
    "overdue": 1.25,
    "throttled": 0.4,
    "offset.0": 100,
    "offset.10": 40,
}
STREAM = {
    "batch": 41,
    "batches": 7,
    "seconds_total": 3.5,
    "batch_seconds": 0.25,
    "input_rows": 20,
    "rows_total": 900,
    "state_rows": 31,
    "progress_at": 1_700_000_000.5,
    "behind": 0,
    "offset.0": 70,
    "offset.10": 44,
}


def observed(home: PageHome, kafka: Verdict = Verdict.HEALTHY) -> None:
    """Write a ranking, beats, and a health check that repaired the broker before it looked."""
    now = time.time()
    for ago in range(5, -1, -1):
        home.write(int(now) // 60 * 60 - 60 * ago, {"#a": 5, "#b": 2})
    home.beat("producer", started=now - 60, **PRODUCER)
    home.beat("stream", started=now - 60, **{**STREAM, "progress_at": now})
    path = home.root / "health.json"
    note_repair(path, "kafka", now)
    findings = [Finding("kafka", kafka, ""), Finding("versions", Verdict.HEALTHY, "", version="4.4.0")]
    note_findings(path, findings, (), now)
