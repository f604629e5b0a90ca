"""Operations on the streaming job."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.java.jars import ensure_jars
from infra.kafka.readiness import Rung, climb
from infra.lab.assembly import Lab, open_lab
from infra.operations.program_ladder import beating, fresh_heartbeat
from infra.operations.topic import begin_anew, checkpoint_path, dead_letter_topic, known_topic_id
from infra.stack.state import Wanted
from infra.supervision.programs import launch_program
from trending.errors import ConfigurationConflict, NotReady
from trending.kafka.log_reader import log_ends
from trending.programs.specifications import StreamSpec

if TYPE_CHECKING:
    from infra.stack.runtime import Outcome

NAME = "stream"
READY_SECONDS = 120.0


def stream_spec(lab: Lab, start_offsets: dict[int, int]) -> StreamSpec:
    """Return the job's specification."""
    checkpoint = checkpoint_path(lab)
    return StreamSpec(
        bootstrap=lab.stack.connection.bootstrap,
        topic=lab.settings.stack.topic,
        heartbeat=lab.paths.heartbeat(NAME),
        settings=lab.settings.stream,
        store=lab.paths.store,
        checkpoint=checkpoint,
        checkpoint_id=checkpoint.name,
        topic_id=known_topic_id(lab),
        start_offsets=start_offsets,
        jars=ensure_jars("spark"),
        dead_letters=dead_letter_topic(lab.settings.stack.topic),
    )


def submit_stream(stack: str, start_offsets: dict[int, int]) -> Outcome:
    """Submit the streaming job under supervision; returns what had to be done."""
    lab = open_lab(stack)
    return launch_program(lab.supervisor, lab.paths, NAME, stream_spec(lab, start_offsets).model_dump_json(), java=True)


def wait_for_stream(stack: str) -> dict[str, str]:
    """Wait until the query has finished its first batch."""
    lab = open_lab(stack)
    return climb(beating(lab, NAME, "batches"), READY_SECONDS, SystemClock(), say)


def wait_for_catch_up(stack: str, timeout_seconds: float = 180.0) -> dict[int, int]:
    """Wait until the stream has processed every record that is in the log now; returns the log's ends."""
    lab = open_lab(stack)
    ends = {partition: end for partition, (_first, end) in log_ends(lab.stack.connection, lab.settings.stack.topic).items()}

    def caught_up() -> str:
        figures = fresh_heartbeat(lab, NAME).figures
        behind = {part: end for part, end in ends.items() if figures.get(f"offset.{part}", 0) < end}
        if behind:
            cause = f"the stream is behind on partitions {sorted(behind)}"
            raise NotReady(cause, f"log ends {ends}, stream {figures}", "make status")
        return f"offsets {ends}"

    climb([Rung("caught up", caught_up)], timeout_seconds, SystemClock(), say)
    return ends


def rebuild_stream(stack: str) -> dict[int, int]:
    """Count the store anew from the log under a new checkpoint; returns where that begins (partition → offset)."""
    from trending.serving.store import Store  # noqa: PLC0415 - SQLAlchemy, 0.2 s that every status would wait for

    lab = open_lab(stack)
    if lab.state.wanted is not Wanted.UP:
        cause = f"the stack {stack} is not up, and counting needs its broker"
        raise ConfigurationConflict(cause, f"wanted is {lab.state.wanted}", f"make up NAME={stack} UNTIL=producer")
    log_ends(lab.stack.connection, lab.settings.stack.topic)  # raises where no broker answers, before anything is stopped
    stop_stream(stack)
    begin = begin_anew(lab)
    with closing(Store(lab.paths.store)) as store:
        store.forget()
    submit_stream(stack, begin)
    return begin


def stop_stream(stack: str) -> None:
    """Stop the job; when it is submitted again, it continues from its checkpoint."""
    open_lab(stack).supervisor.remove(NAME)
