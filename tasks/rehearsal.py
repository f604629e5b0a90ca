"""Tasks that look at what a presentation will need."""

from __future__ import annotations

from infra.presentation import rehearsal
from tasks.lab_task import lab_task

fetched_parts = lab_task(name="fetched-parts", timeout_seconds=60)(rehearsal.fetched_parts)
ports = lab_task(name="ports", timeout_seconds=20)(rehearsal.ports)
start = lab_task(name="start", timeout_seconds=20)(rehearsal.start)
memory = lab_task(name="memory", timeout_seconds=20)(rehearsal.memory)
screen = lab_task(name="screen", timeout_seconds=90)(rehearsal.screen)
