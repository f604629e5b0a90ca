from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.trending.checkpoint import BATCHES, make, stream_spec
from fakes.trending.kafka import MIDNIGHT

from trending.errors import NotReady
from trending.settings import WATERMARK_SECONDS, StreamSettings, WindowTime
from trending.stream import catching_up
from trending.stream.catching_up import OFFSETS_PER_MB, most_offsets, watermark_seconds

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

    from trending.programs.specifications import StreamSpec


@pytest.fixture
def spec(tmp_path: Path, kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> StreamSpec:
    monkeypatch.setattr(catching_up, "time", kafka.clock)
    return stream_spec(tmp_path, "", {0: 0, 1: 0})


def send(kafka: FakeKafka, partition: int, seconds: float) -> None:
    kafka.clock.now = seconds
    assert kafka.clock.time() == MIDNIGHT + seconds
    kafka.append("tweets", b"x", partition=partition)


def test_a_batch_is_as_large_as_the_heap(spec: StreamSpec) -> None:
    assert most_offsets(spec) == spec.settings.driver_mb * OFFSETS_PER_MB
    larger = spec.model_copy(update={"settings": StreamSettings(driver_mb=2048)})
    assert most_offsets(larger) == 4 * most_offsets(spec)
    assert f"at most {OFFSETS_PER_MB:,} records" in (StreamSettings.model_fields["driver_mb"].description or "")


@pytest.mark.row(24)
@pytest.mark.parametrize("allowed", [0, 120, 3600])
@pytest.mark.parametrize("mode", WindowTime)
def test_one_partition_is_waited_for_by_the_skew_that_is_allowed_however_much_waits(
    kafka: FakeKafka, spec: StreamSpec, mode: WindowTime, allowed: int
) -> None:
    send(kafka, 0, 1000)
    kafka.clock.now = 9000
    settings = StreamSettings(window_time=mode, allowed_skew_seconds=allowed)
    assert watermark_seconds(spec.model_copy(update={"settings": settings})) == WATERMARK_SECONDS[mode] + allowed


@pytest.mark.row(24)
@pytest.mark.row(34)
def test_several_partitions_are_waited_for_as_long_as_the_oldest_record_that_waits(kafka: FakeKafka, spec: StreamSpec) -> None:
    kafka.create("tweets", partitions=2)
    usual = WATERMARK_SECONDS[WindowTime.ARRIVAL] + spec.settings.allowed_skew_seconds
    assert watermark_seconds(spec) == usual
    send(kafka, 0, 1000)
    send(kafka, 1, 1900)
    kafka.clock.now = 2000
    assert watermark_seconds(spec) == usual + 1000
    make(spec.checkpoint)
    for _record in range(7 + BATCHES):
        send(kafka, 0, 1990)
    kafka.clock.now = 2000
    assert watermark_seconds(spec) == usual + 100, "what is counted does not wait"


def test_a_broker_that_is_away_is_no_verdict(kafka: FakeKafka, spec: StreamSpec) -> None:
    kafka.unreachable = True
    with pytest.raises(NotReady):
        watermark_seconds(spec)
