"""A replay at work: beside the stack's producer, under a ledger run of its own, from its first record to its last."""

from __future__ import annotations

import math
import tempfile
import time
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout

from infra.console.interruptions import begun_despite_signals
from infra.console.reporting import say
from infra.lab.prerequisites import check_disk
from infra.operations.producer import wanted_producers
from infra.producers.life import Life, Produced, figures_of
from infra.stack.state import still_wanted
from trending.errors import ConfigurationConflict, NotReady, StackBusy
from trending.producer.program import TweetProducer
from trending.programs.heartbeat import FINISHED, FRESH_SECONDS, joined
from trending.programs.specifications import ProducerSpec
from trending.replay.items import Times
from trending.replay.source import Replay
from trending.replay.times import MICROSECONDS
from trending.settings import ProducerSettings, WindowTime
from trending.text import local_time

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.host.paths import StackPaths
    from infra.lab.assembly import Lab
    from trending.replay.items import Item

TELL_SECONDS = 5.0
LOOK_SECONDS = 0.2
GROUP_BYTES = 600
"""What a hashtag in a window takes at most in the state's tables, in their copies in the checkpoint, and in the store."""


def replay(lab: Lab, topic_id: str, items: Iterator[Item], rate: float, total: int) -> Produced:
    """Send all items, and return what became of them; raises StackBusy beside another replay, LabError as a producer does.

    Raises NotReady where the stack does not run, or is stopped meanwhile.
    ``rate`` is about how many come in a second, ``total`` how many in all. An interruption ends it in order, and goes on then.
    """
    _require_up(lab)
    with alone(lab.paths), tempfile.TemporaryDirectory(prefix="trending-replay-") as directory:
        spec = _spec_of(lab, topic_id, Path(directory) / "replay.json")
        shifts = lab.settings.stream.window_time is WindowTime.EVENT
        source = Replay(spec, items, time.monotonic, rate=rate, shifts=shifts)
        life = Life(lambda spec, stop: TweetProducer(spec, source).run(stop), spec)
        try:
            _watch(life, lab, source, spec, total)
        finally:
            begun_despite_signals(life.end)
            done = figures_of(spec)
            _tell_end(source, done)
        if (life.failure or not source.over) and not still_wanted(lab.paths):  # its ledger may be gone by now
            cause = f"the stack {lab.paths.name} was stopped while the replay was at work"
            raise NotReady(cause, done.line, f"make up NAME={lab.paths.name}, then the replay once more") from life.failure
        if life.failure is not None:
            raise life.failure
        return done


def require_times(lab: Lab, times: Times, what: str) -> None:
    """Raise ConfigurationConflict where all of ``what`` would be refused for its original times."""
    if times is Times.ORIGINAL and lab.settings.stream.window_time is WindowTime.EVENT:
        cause = "with their original times all tweets would be late: this stack counts by event"
        raise ConfigurationConflict(cause, what, "make up WINDOW_TIME=original SCENARIO=quiet")


def _require_up(lab: Lab) -> None:
    if not still_wanted(lab.paths):
        cause = f"the stack {lab.paths.name} does not run, so nothing can be replayed into it"
        raise NotReady(cause, f"it is wanted {lab.state.wanted}", f"make up NAME={lab.paths.name}, then the replay once more")


def _watch(life: Life, lab: Lab, source: Replay, spec: ProducerSpec, total: int) -> None:
    told, begun, shifts = time.monotonic(), False, 0
    while not life.ended.wait(LOOK_SECONDS) and still_wanted(lab.paths):
        if not begun and source.begin_at is not None:
            begun = True
            say(f"the first one comes at {local_time(source.begin_at / MICROSECONDS, lab.settings.stream.zone)}")
        for record, seconds in source.shifted[shifts:]:
            say(f"from record {record} on everything comes {seconds} s later: it could not be sent in time, and would be late")
        shifts = len(source.shifted)
        if time.monotonic() - told >= TELL_SECONDS:
            told = time.monotonic()
            say(f"{figures_of(spec).line}, of {total}")


def _tell_end(source: Replay, done: Produced) -> None:
    unknown = f", unknown {done.unknown}" if done.unknown else ""
    say(f"sent {done.sent} records under ids of the run {source.run}, acknowledged {done.acknowledged}{unknown}")
    if source.shifted:
        say(f"it was shifted {len(source.shifted)} times: what came before and after each is ranked in windows that are apart")


@contextmanager
def alone(paths: StackPaths) -> Iterator[None]:
    """Have the stack's replays for oneself; raises StackBusy beside another one."""
    lock = FileLock(paths.replay, timeout=0)
    try:
        lock.acquire()
    except Timeout as error:
        cause = f"another replay into the stack {paths.name} is at work"
        raise StackBusy(cause, str(paths.replay), "wait until it has ended, or end it with Ctrl-C") from error
    try:
        yield
    finally:
        paths.replay.unlink(missing_ok=True)  # before it is released, as the stack's lock
        lock.release()


def tell_what_comes_beside(lab: Lab) -> None:
    """Say what else is counted, and by which time, where that matters for the ranking."""
    beat = joined(lab.paths.heartbeat(name) for name in wanted_producers(lab))
    if beat is not None and beat.age(time.time()) <= FRESH_SECONDS and beat.phase != FINISHED:
        say("the stack's own producer sends tweets too; make up SCENARIO=quiet has it send none that is ranked")
    if lab.settings.stream.window_time is WindowTime.ARRIVAL:
        say("the stack counts by arrival: at a window's edge a tweet may fall into the next; WINDOW_TIME=event keeps them apart")


def require_room(lab: Lab, records: int) -> None:
    """Say how much so many records may take where no window is ever over; raises PrerequisiteMissing where that has no room."""
    if lab.settings.stream.window_time is WindowTime.ORIGINAL:
        needed = math.ceil(records * GROUP_BYTES / 2**20)
        free = check_disk(needed, lab.paths.root)
        say(f"by original times no window is ever over: up to {needed} MiB stay in state and store; {free}")


def span(microseconds: int) -> str:
    """Return so much time as it is said: 1:23:45."""
    return str(timedelta(seconds=round(microseconds / MICROSECONDS)))


def _spec_of(lab: Lab, topic_id: str, heartbeat: Path) -> ProducerSpec:
    return ProducerSpec(
        bootstrap=lab.stack.connection.bootstrap,
        access=lab.access,
        topic=lab.settings.stack.topic,
        heartbeat=heartbeat,
        settings=ProducerSettings(),
        ledger=lab.paths.ledger,
        topic_id=topic_id,
        window_seconds=lab.settings.stream.window_seconds,
    )
