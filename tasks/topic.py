"""Tasks for topics: create them once, wait for their leaders, resolve where the stream starts."""

from __future__ import annotations

from infra.operations import epochs, topic
from tasks.lab_task import lab_task

create_topic = lab_task(name="create-topic", timeout_seconds=90)(topic.create_topic)
resolve_offsets = lab_task(name="resolve-offsets", timeout_seconds=60)(epochs.resolve_offsets)
