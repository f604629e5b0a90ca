"""What a Spark master says of a job's executors: the driver's JVM writes it to a file, the only evidence before one calls."""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING

from trending.stream.cluster.beats import Beats
from trending.stream.cluster.master import GRANT_SECONDS, WAITING, no_room

if TYPE_CHECKING:
    import threading
    from pathlib import Path

    from trending.programs.specifications import StreamSpec

logger = logging.getLogger("trending.stream")

LOOK_SECONDS = 0.1
LINE = 300
STARTING = "starting the executors"
_GRANTED = "Executor "
"""How the lines begin in which the master's client tells that an executor was added, or how it does."""


def cluster_log(spec: StreamSpec) -> Path:
    """Return the file of what the master says of the executors."""
    return spec.scratch / "cluster.log"


def is_granted(spec: StreamSpec) -> bool:
    """Whether the master has given the job an executor."""
    return bool(last_line(spec, _GRANTED))


def await_room(spec: StreamSpec, stop: threading.Event) -> None:
    """Wait until a standalone master gives the job an executor, beating with what it waits for.

    The job does not die of it: cores come free by themselves, and five deaths would end it for good. Start-up, which somebody
    waits for, reads the heartbeat and refuses.
    """
    deadline = time.monotonic() + GRANT_SECONDS
    told, beats = False, Beats(spec.heartbeat)
    while spec.settings.standalone and not is_granted(spec) and not stop.wait(LOOK_SECONDS):
        if time.monotonic() < deadline:
            continue
        full = no_room(spec.settings)
        beats.beat(WAITING, full.cause)
        if not told:
            logger.warning("%s", full)
            told = True
    if told:
        beats.beat(STARTING)


def _lines(spec: StreamSpec) -> list[str]:
    try:
        return cluster_log(spec).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []


def last_line(spec: StreamSpec, words: str) -> str:
    """Return the last line with these words; empty where there is none."""
    return next((line for line in reversed(_lines(spec)) if words in line), "")[:LINE]


def ended(spec: StreamSpec) -> int:
    """Return how many executors have ended."""
    return sum("is now EXITED" in line or "is now FAILED" in line for line in _lines(spec))
