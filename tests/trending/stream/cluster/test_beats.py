from __future__ import annotations

from typing import TYPE_CHECKING

from trending.programs.heartbeat import FRESH_SECONDS
from trending.stream.cluster import beats
from trending.stream.cluster.beats import BEAT_SECONDS, Beats

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def test_what_is_said_ten_times_a_second_is_written_once_and_something_new_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now, written = [5.0], list[tuple[float, str, str]]()
    monkeypatch.setattr("trending.stream.cluster.beats.time.monotonic", lambda: now[0])
    monkeypatch.setattr(beats, "write_heartbeat", lambda _path, phase, note: written.append((now[0], phase, note)))
    own = Beats(tmp_path / "beat.json")
    for look in range(25):
        now[0] = 5.0 + look / 10
        own.beat("waiting" if look < 13 else "starting", "no room" if look < 13 else "")
    assert written == [(5.0, "waiting", "no room"), (6.0, "waiting", "no room"), (6.3, "starting", ""), (7.3, "starting", "")]
    assert BEAT_SECONDS < FRESH_SECONDS / 5
