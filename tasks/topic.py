"""Tasks on topics: create them once, wait for their leaders, resolve where the stream starts."""

from __future__ import annotations

from infra.operations import topic
from tasks.step import step

create_topic = step(name="create-topic", timeout_seconds=90)(topic.create_topic)
resolve_offsets = step(name="resolve-offsets", timeout_seconds=60)(topic.resolve_offsets)
