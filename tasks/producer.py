"""Tasks for the producer program."""

from __future__ import annotations

from infra.operations import producer
from tasks.lab_task import lab_task

launch_producer = lab_task(name="launch-producer", timeout_seconds=60)(producer.launch_producer)
wait_for_producer = lab_task(name="wait-for-producer", timeout_seconds=60, retries=0)(producer.wait_for_producer)
stop_producer = lab_task(name="stop-producer", timeout_seconds=90)(producer.stop_producer)
