"""The heartbeat of a job that waits for its cluster and looks there more often than it has something to say."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from trending.programs.heartbeat import write_heartbeat

if TYPE_CHECKING:
    from pathlib import Path

BEAT_SECONDS = 1.0
"""A tenth of the age at which a heartbeat counts as old; a look comes ten times a second."""


class Beats:
    """Beats once a second, and at once where the phase is another one."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._phase, self._at = "", 0.0

    def beat(self, phase: str, note: str = "") -> None:
        """Say what the job waits for, unless that was said within the last second."""
        now = time.monotonic()
        if phase == self._phase and now - self._at < BEAT_SECONDS:
            return
        write_heartbeat(self._path, phase, note=note)
        self._phase, self._at = phase, now
