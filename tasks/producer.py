"""Tasks on the producer program."""

from __future__ import annotations

from infra.operations import producer
from tasks.step import step

launch_producer = step(name="launch-producer", timeout_seconds=60)(producer.launch_producer)
wait_for_producer = step(name="wait-for-producer", timeout_seconds=60, retries=0)(producer.wait_for_producer)
stop_producer = step(name="stop-producer", timeout_seconds=90)(producer.stop_producer)
