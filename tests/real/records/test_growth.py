"""Retention at work: the log loses segments while tweets come fast, and the audit is clean over what it still has."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
from real.harness import plain

from flows import audit
from infra.audits import counting_processes
from infra.stack import profiles
from infra.stack.profiles import common_properties
from trending.audit.recounting.blocks import join
from trending.kafka.log_reader import log_ends
from trending.producer.ledger import read_ledger

if TYPE_CHECKING:
    from pathlib import Path

    from real.harness import RealStack

    from trending.audit.recounting.blocks import BlockCount
    from trending.audit.recounting.recount import Recount
    from trending.settings import StackSettings

SECONDS = 90
RATE = 10_000
"""What two busy cores do beside the job and each other's tests."""
HASHTAGS = 100_000
SEGMENTS_GONE = 10
MIB = 1 << 20
RETENTION_MB = 12
"""Of each of two partitions, in segments of 1.5 MiB: at 30 bytes a tweet 84 s of log. The job must not fall behind it."""
LONGEST_SECONDS = 300


def looks_often(settings: StackSettings) -> dict[str, str]:
    """Return the broker's properties, with a look for what to delete every second instead of every five minutes."""
    return {**common_properties(settings), "log.retention.check.interval.ms": "1000"}


def segments(stack: RealStack) -> set[Path]:
    return set(stack.paths.broker("kafka").glob("tweets_topic-*/*.log"))


def size_of(files: set[Path]) -> int:
    return sum(path.stat().st_size for path in files if path.exists())


@pytest.mark.row(33, "E")
def test_segments_go_under_full_rate_and_the_audit_is_clean_over_what_is_left(
    stack: RealStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(profiles, "common_properties", looks_often)
    catalogue = tmp_path / "catalogue.json"
    hashtags = [{"name": f"#tag{number}", "weight": 1} for number in range(HASHTAGS)]
    catalogue.write_text(json.dumps({"hashtags": hashtags}), encoding="utf-8")
    # Where times may go back, windows near the log's beginning are not compared, and it has little more than a minute.
    stack.settings |= {"partitions": "2", "retention_mb": str(RETENTION_MB), "allowed_skew_seconds": "0"}
    stack.bring_up()
    stack.bring_up(rate=str(RATE), catalogue=str(catalogue))  # now that the job is warm: its first batch is the slowest
    seen: set[Path] = set()
    least = time.monotonic() + SECONDS

    def ten_are_gone() -> bool:
        there = segments(stack)
        seen.update(there)
        return time.monotonic() > least and len(seen - there) >= SEGMENTS_GONE

    stack.wait_until(ten_are_gone, LONGEST_SECONDS, "ten segments are gone")
    told: list[int] = []

    def joined(whole: Recount, block: BlockCount) -> None:
        told.append(len(block.noted))
        join(whole, block)

    monkeypatch.setattr(counting_processes, "LONG", 1)
    monkeypatch.setattr(counting_processes, "_BLOCK", 200_000)
    monkeypatch.setattr(counting_processes, "join", joined)
    with plain():
        report = audit.recount(stack.name, resume=False)
    assert len(told) > 1, "several processes have counted it"
    assert all(told)
    said = "\n".join(report.lines(None))
    assert report.clean, said
    assert not report.complete, "what expired can't be counted anew"
    log = log_ends(stack.lab.stack.connection, "tweets_topic")
    for part, (first, end) in log.items():
        assert first > 0
        assert f"audit: the log has offsets {report.kept[part][0]} to {end} of partition {part}" in said
    ledger = read_ledger(stack.paths.ledger)
    assert ledger.expired, "the producer looks every minute"
    assert report.expired >= sum(ledger.expired.values()) > 0
    assert report.acknowledged + report.acknowledged_before == ledger.acknowledged == report.counted > SECONDS * RATE / 4
    stack.wait_until(lambda: size_of(segments(stack)) <= 2 * (RETENTION_MB + 2) * MIB, 30, "the log is as large as it may be")
