"""Tasks for the streaming job."""

from __future__ import annotations

from infra.operations import stream
from tasks.lab_task import lab_task

submit_stream = lab_task(name="submit-stream", timeout_seconds=300)(stream.submit_stream)
wait_for_stream = lab_task(name="wait-for-stream", timeout_seconds=480, retries=0)(stream.wait_for_stream)
wait_for_catch_up = lab_task(name="wait-for-catch-up", timeout_seconds=300, retries=0)(stream.wait_for_catch_up)
stop_stream = lab_task(name="stop-stream", timeout_seconds=90)(stream.stop_stream)
