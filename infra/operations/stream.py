"""Operations on the streaming job."""

from __future__ import annotations

import re
from functools import partial
from typing import TYPE_CHECKING

from infra.console.interruptions import finished_despite_signals
from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.java.jars import ensure_jars
from infra.kafka.readiness import Rung, climb
from infra.lab.assembly import Lab, open_lab
from infra.lab.checkpoints import checkpoint_jars, checkpoint_place, checkpoint_secrets
from infra.lab.store import store_place, store_secrets
from infra.operations.epochs import begin_anew, counting_epoch, key_of, known_topic_id, open_epoch
from infra.operations.program_ladder import beating, fresh_heartbeat
from infra.spark_cluster.package import ensure_package
from infra.spark_cluster.standalone import cluster_master, properties
from infra.stack.state import Wanted
from infra.supervision.budget import Deaths, read_budget
from infra.supervision.output_tail import tail
from infra.supervision.programs import STREAM, launch_program
from trending.errors import ConfigurationConflict, Interrupted, NotReady, ServiceDied, UndoAbandoned, endings_passed_on
from trending.kafka.log_reader import ends_of, log_ends, topic_id
from trending.programs.heartbeat import read_heartbeat
from trending.programs.specifications import StreamSpec
from trending.settings import dead_letter_topic
from trending.stream.cluster.master import WAITING, no_room, require_master, require_reachable_driver
from trending.stream.cluster.python import require_python
from trending.stream.cluster.staging import require_reachable_store

if TYPE_CHECKING:
    from infra.stack.runtime import Outcome
    from trending.programs.heartbeat import Heartbeat
    from trending.serving.epochs import Epoch
    from trending.settings import StreamSettings

READY_SECONDS = 120.0
CLUSTER_READY_SECONDS = 420.0
"""The same with executors elsewhere: their JVMs start cold, one after the other. Two cores that also ran two workers and three
secure brokers took 67 and 73 s (2026-11-30), beside a second stack more than 120, and at a load of 20 the first batch was 4 s
short of its end after 240. What a cluster cannot do is told long before.
"""
EVIDENCE_LINES = 4
ERROR_LINES = 120
_OWN_ERROR = re.compile(r"ERROR trending(?:\.stream)? (.+)\n  evidence: (.+)\n  next: (.+)")
CATCH_UP_SECONDS = 180.0
"""How long the stream may take to count what is in the log."""


def stream_spec(lab: Lab, epoch: Epoch) -> StreamSpec:
    """Return the specification of the job that counts in an epoch."""
    place = checkpoint_place(lab, epoch.checkpoint)
    return StreamSpec(
        bootstrap=lab.stack.connection.bootstrap,
        access=lab.access,
        topic=lab.settings.stack.topic,
        heartbeat=lab.paths.heartbeat(STREAM),
        settings=_with_secret(lab.settings.stream),
        store=store_place(lab),
        checkpoint=place,
        checkpoint_id=epoch.checkpoint,
        topic_id=epoch.topic_id,
        start_offsets=dict(epoch.starts),
        jars=(*ensure_jars("spark"), *checkpoint_jars(place)),
        package=ensure_package() if lab.settings.stream.on_cluster else None,
        dead_letters=dead_letter_topic(lab.settings.stack.topic),
        group=shown_group(lab.paths.name),
    )


def _with_secret(settings: StreamSettings) -> StreamSettings:
    """Return the settings with the properties of the cluster that was started here, where the job goes there."""
    if settings.spark_properties or settings.spark_master != cluster_master():
        return settings
    return settings.model_copy(update={"spark_properties": str(properties())})


def shown_group(stack: str) -> str:
    """Return the consumer group in which Kafka's own tools see how far the stack's job has come."""
    return f"{stack}-{STREAM}"


def submit_stream(stack: str) -> Outcome:
    """Submit the streaming job under supervision; returns what had to be done.

    With settings that need another checkpoint the job that runs hands over: it is stopped, and the next one begins where the
    store says that it has counted to. From one topic to another it counts the old one to its end first.
    """
    lab = open_lab(stack)
    if lab.settings.stream.on_cluster:
        settings = _with_secret(lab.settings.stream)
        require_master(settings)  # before the job that runs is stopped
        require_reachable_driver(settings)
        require_reachable_store(settings, store_place(lab))
        require_python(settings)
    topic = known_topic_id(lab)
    before = open_epoch(lab)
    if before is not None and before.key != key_of(lab, topic):
        if before.topic != lab.settings.stack.topic:
            _count_to_the_end(lab, before)
        stop_stream(stack)
    epoch = counting_epoch(lab, topic)
    spec = stream_spec(lab, epoch)
    secrets = {**store_secrets(lab), **checkpoint_secrets(spec.checkpoint)}
    return launch_program(lab.supervisor, lab.paths, STREAM, spec.model_dump_json(), java=True, secrets=secrets)


def _count_to_the_end(lab: Lab, epoch: Epoch) -> None:
    """Wait until all of the epoch's topic is counted; raises ConfigurationConflict where that does not come.

    Nothing is lost by it: the topic is there, and counts on as soon as it is the stack's again.
    """
    if topic_id(lab.stack.connection, epoch.topic) != epoch.topic_id:
        return  # it is gone, and the audit says what of it can't be verified
    ends = ends_of(log_ends(lab.stack.connection, epoch.topic))

    def counted() -> str:
        now = open_epoch(lab) or epoch
        behind = {part: end for part, end in ends.items() if now.counted_to().get(part, 0) < end}
        if behind:
            cause = f"{epoch.topic} is not counted to its end"
            raise NotReady(cause, f"log ends {ends}, counted to {now.counted_to()}", "make status")
        return f"{epoch.topic} is counted to {ends}"

    try:
        climb([Rung("counted", counted)], CATCH_UP_SECONDS, SystemClock(), say)
    except NotReady as error:
        way = f"make up TOPIC={epoch.topic} NAME={lab.paths.name}, and ask for the other topic when it has caught up"
        raise ConfigurationConflict(error.cause, error.evidence, way) from error


def stream_ladder(lab: Lab) -> list[Rung]:
    """Return the rungs of the job: it has finished a batch, or has found nothing new.

    A new checkpoint always begins with a batch. A job that goes on from an old one runs none before there are records, which a
    scenario that is over, or waits for its first window, does not send.
    """
    return beating(lab, STREAM, "batches", _idle)


def _idle(beat: Heartbeat) -> str:
    nothing_new = beat.figures.get("read_until") and not beat.figures.get("batches")
    return "idle: everything in the log is counted" if nothing_new else ""


def wait_for_stream(stack: str) -> dict[str, str]:
    """Wait until the query has finished its first batch, or has found that there is nothing new."""
    lab = open_lab(stack)
    rungs = [Rung("cluster", partial(_require_no_refusal, lab)), *stream_ladder(lab)]
    try:
        return climb(rungs, ready_seconds(lab.settings.stream), SystemClock(), say)
    except ServiceDied as error:
        if lab.settings.stream.on_cluster and (told := _told_by_the_job(lab)):
            raise told from error
        raise


def ready_seconds(settings: StreamSettings) -> float:
    """Return how long the first batch may take, in seconds."""
    return CLUSTER_READY_SECONDS if settings.on_cluster else READY_SECONDS


def _told_by_the_job(lab: Lab) -> ServiceDied | None:
    """Return the job's own last error, which the JVM's stack traces surround; None where it told none."""
    lines = tail(lab.paths.output_file(STREAM, "err"), ERROR_LINES)
    errors = list(_OWN_ERROR.finditer(lines))
    return ServiceDied(*errors[-1].groups()) if errors else None


def _require_no_refusal(lab: Lab) -> str:
    """Raise ServiceDied once a job on a cluster has died before its first batch, ClusterFull where there is no room for it.

    Its next lives would most likely find the same: no executor that calls, no master that takes it. supervisord goes on trying,
    for a cluster that comes back; whoever waits here can do something about it.
    """
    if not lab.settings.stream.on_cluster:
        return "tasks run in the driver"
    deaths = read_budget(lab.paths.budget).get(STREAM, Deaths())
    beat = read_heartbeat(lab.paths.heartbeat(STREAM))
    if deaths.at and not (beat and (beat.figures.get("batches") or _idle(beat))):
        cause = f"the job does not run on {lab.settings.stream.spark_master}"
        evidence = tail(lab.paths.output_file(STREAM, "err"), EVIDENCE_LINES)
        raise ServiceDied(cause, evidence, f"make logs SERVICE={STREAM}")
    if beat and beat.phase == WAITING:
        raise no_room(lab.settings.stream)
    return lab.settings.stream.spark_master


def wait_for_catch_up(stack: str, timeout_seconds: float = CATCH_UP_SECONDS) -> dict[int, int]:
    """Wait until the stream has processed every record that is in the log now; returns the log's ends."""
    lab = open_lab(stack)
    ends = ends_of(log_ends(lab.stack.connection, lab.settings.stack.topic))

    def caught_up() -> str:
        figures = fresh_heartbeat(lab, STREAM).figures
        behind = {part: end for part, end in ends.items() if figures.get(f"offset.{part}", 0) < end}
        if behind:
            cause = f"the stream is behind on partitions {sorted(behind)}"
            raise NotReady(cause, f"log ends {ends}, stream {figures}", "make status")
        return f"offsets {ends}"

    climb([Rung("caught up", caught_up)], timeout_seconds, SystemClock(), say)
    return ends


def rebuild_stream(stack: str) -> dict[int, int]:
    """Count the store anew from the log under a new checkpoint; returns where that begins (partition → offset).

    Cut short by a signal, it is done all the same before Interrupted goes on: a half one would leave a stream that stands still.
    Cut short for good, it says so.
    """
    lab = open_lab(stack)
    if lab.state.wanted is not Wanted.UP:
        cause = f"the stack {stack} is not up, and counting needs its broker"
        ways = f"make up NAME={stack} UNTIL=producer, then make rebuild NAME={stack}"
        raise ConfigurationConflict(cause, f"wanted is {lab.state.wanted}", ways)
    log_ends(lab.stack.connection, lab.settings.stack.topic)  # raises where no broker answers, before anything is stopped
    say("the stream stops, and counts the log anew under a new checkpoint")
    try:
        with endings_passed_on():
            return _start_anew(lab)
    except Interrupted:
        try:
            with finished_despite_signals():
                say("interrupted: the rebuild is finished all the same, since nothing counts before")
                _start_anew(lab)
                say(still_counting(stack))
        except UndoAbandoned:
            status = lab.supervisor.status(STREAM)
            nothing = f"the rebuild was abandoned, and nothing counts: make rebuild NAME={stack} does it from the beginning"
            say(still_counting(stack) if status is not None and status.alive else nothing)
            raise
        raise


def _start_anew(lab: Lab) -> dict[int, int]:
    """Stop the job and start another one under a new checkpoint; cut short, it can be done once more."""
    stop_stream(lab.paths.name)
    begin = begin_anew(lab)
    submit_stream(lab.paths.name)
    return begin


def still_counting(stack: str) -> str:
    """Return the line for those who leave a rebuild before its first batch."""
    return f"the stream counts the log anew by itself; make status NAME={stack} shows how far it is"


def stop_stream(stack: str) -> None:
    """Stop the job; when it is submitted again, it continues from its checkpoint."""
    open_lab(stack).supervisor.remove(STREAM)
