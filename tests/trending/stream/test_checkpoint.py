from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from trending.errors import ConfigurationConflict
from trending.stream.checkpoint import batch_ends, committed_offsets, passed_by

if TYPE_CHECKING:
    from pathlib import Path


class Checkpoint:
    """A checkpoint's folder as Spark lays it out."""

    def __init__(self, path: Path) -> None:
        self.path = path
        for folder in ("commits", "offsets"):
            (path / folder).mkdir(parents=True)

    def batch(self, number: int, offsets: dict[str, dict[str, int]], *, committed: bool = True, watermark: float = 0) -> None:
        text = f'v1\n{{"batchWatermarkMs":{round(watermark * 1000)},"batchTimestampMs":1}}\n{json.dumps(offsets)}'
        (self.path / "offsets" / str(number)).write_text(text, encoding="utf-8")
        (self.path / "offsets" / f".{number}.crc").write_bytes(b"crc")
        if committed:
            (self.path / "commits" / str(number)).write_text('v1\n{"nextBatchWatermarkMs":0}', encoding="utf-8")
            (self.path / "commits" / f".{number}.crc").write_bytes(b"crc")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Checkpoint:
    return Checkpoint(tmp_path / "checkpoint")


def test_a_new_checkpoint_has_no_offsets(tmp_path: Path, checkpoint: Checkpoint) -> None:
    assert committed_offsets(tmp_path / "none", "tweets") == {}
    assert committed_offsets(checkpoint.path, "tweets") == {}


@pytest.mark.row(20)
def test_a_batch_that_was_not_committed_does_not_count(checkpoint: Checkpoint) -> None:
    checkpoint.batch(0, {"tweets": {"0": 7}}, committed=False)
    assert committed_offsets(checkpoint.path, "tweets") == {}
    checkpoint.batch(0, {"tweets": {"0": 7}})
    checkpoint.batch(1, {"tweets": {"0": 9}}, committed=False)
    assert committed_offsets(checkpoint.path, "tweets") == {0: 7}


def test_the_last_batch_is_the_highest_number_not_the_last_name(checkpoint: Checkpoint) -> None:
    for number in (2, 9, 10):
        checkpoint.batch(number, {"tweets": {"0": number * 100, "11": number}})
    assert committed_offsets(checkpoint.path, "tweets") == {0: 1000, 11: 10}


def test_what_is_no_batch_in_the_folder_is_passed_over(checkpoint: Checkpoint) -> None:
    checkpoint.batch(3, {"tweets": {"0": 7}})
    (checkpoint.path / "commits" / "9.compact").write_text("v1", encoding="utf-8")
    (checkpoint.path / "commits" / "12.tmp").write_text("v1", encoding="utf-8")
    assert committed_offsets(checkpoint.path, "tweets") == {0: 7}


def test_the_offsets_of_another_topic_are_not_ours(checkpoint: Checkpoint) -> None:
    checkpoint.batch(3, {"other": {"0": 7}})
    assert committed_offsets(checkpoint.path, "tweets") == {}


def test_every_batch_that_is_kept_tells_where_it_ended(checkpoint: Checkpoint) -> None:
    checkpoint.batch(9, {"tweets": {"0": 7}})
    checkpoint.batch(10, {"tweets": {"0": 7, "1": 3}}, committed=False)
    assert batch_ends(checkpoint.path, "tweets") == {9: {0: 7}, 10: {0: 7, 1: 3}}


def test_a_batch_that_spark_removes_meanwhile_is_passed_over(checkpoint: Checkpoint) -> None:
    (checkpoint.path / "offsets" / "8").symlink_to(checkpoint.path / "gone")
    checkpoint.batch(9, {"tweets": {"0": 7}})
    assert batch_ends(checkpoint.path, "tweets") == {9: {0: 7}}


MINUTE = 1765845060


@pytest.mark.row(23)
@pytest.mark.parametrize(
    ("watermark", "seconds", "passed"),
    [
        (MINUTE + 60, 60, MINUTE),
        (MINUTE + 59.999, 60, MINUTE - 60),
        (MINUTE + 119.999, 60, MINUTE),
        (MINUTE + 10, 10, MINUTE),
        (0, 60, 0),
    ],
)
def test_a_window_is_over_that_ended_by_the_watermark_of_the_batch_before(
    checkpoint: Checkpoint, watermark: float, seconds: int, passed: int
) -> None:
    """The batch's own watermark is not what its rows are compared with."""
    checkpoint.batch(3, {"tweets": {"0": 7}}, watermark=watermark)
    checkpoint.batch(4, {"tweets": {"0": 8}}, watermark=MINUTE + 3600)
    assert passed_by(checkpoint.path, seconds, 4) == passed


@pytest.mark.row(23)
def test_before_the_second_batch_no_window_is_over(checkpoint: Checkpoint) -> None:
    checkpoint.batch(0, {"tweets": {"0": 7}}, watermark=MINUTE)
    assert passed_by(checkpoint.path, 60, 0) == 0


@pytest.mark.row(21)
def test_a_batch_whose_watermark_cannot_be_read_is_damage(checkpoint: Checkpoint) -> None:
    checkpoint.batch(0, {"tweets": {"0": 7}})
    (checkpoint.path / "offsets" / "0").write_text("v1", encoding="utf-8")
    with pytest.raises(ConfigurationConflict, match="damaged"):
        passed_by(checkpoint.path, 60, 1)
