from __future__ import annotations

import os
import threading
import time
from itertools import count
from typing import TYPE_CHECKING

import pytest

from trending.programs.heartbeat import Heartbeat, read_heartbeat, write_heartbeat

if TYPE_CHECKING:
    from pathlib import Path


def test_a_beat_says_who_when_and_how(tmp_path: Path) -> None:
    path = tmp_path / "producer.json"
    before = time.time()
    write_heartbeat(path, "running", {"sent": 3, "queued": 0.5}, "run 1")
    beat = read_heartbeat(path)
    assert beat is not None
    assert before <= beat.at <= time.time()
    assert 0 < beat.started <= before, "the process began before it beat"
    assert (beat.pid, beat.phase, beat.figures, beat.note) == (os.getpid(), "running", {"sent": 3, "queued": 0.5}, "run 1")


def test_a_beat_replaces_the_one_before_and_leaves_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "producer.json"
    write_heartbeat(path, "running", {"sent": 3}, "note")
    write_heartbeat(path, "stopped")
    beat = read_heartbeat(path)
    assert beat is not None
    assert (beat.phase, beat.figures, beat.note) == ("stopped", {}, "")
    assert list(tmp_path.iterdir()) == [path]


def test_a_program_that_has_not_beaten_has_no_heartbeat(tmp_path: Path) -> None:
    assert read_heartbeat(tmp_path / "none.json") is None


@pytest.mark.parametrize("content", [b"", b"{", b"null", b'{"at":1}', b'{"at":1,"pid":2,"phase":"\xff"}', b"\x00" * 40])
def test_a_damaged_heartbeat_counts_as_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "producer.json"
    path.write_bytes(content)
    assert read_heartbeat(path) is None


def test_a_reader_never_sees_half_a_beat(tmp_path: Path) -> None:
    path = tmp_path / "producer.json"
    figures = {f"figure {number}": float(number) for number in range(500)}
    write_heartbeat(path, "0", figures)
    done = threading.Event()

    def beat() -> None:
        for number in count():
            write_heartbeat(path, str(number), figures)
            if done.is_set():
                return

    writer = threading.Thread(target=beat)
    writer.start()
    beats = [read_heartbeat(path) for _read in range(100)]
    done.set()
    writer.join()
    assert all(beat is not None and beat.figures == figures for beat in beats)


def test_a_clock_that_steps_back_makes_no_dead_program_look_fresh() -> None:
    beat = Heartbeat(100.0, 1, "running")
    assert beat.age(107.5) == 7.5
    assert beat.age(40.0) == 60.0
