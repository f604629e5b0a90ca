"""The kill points: before and after each step of producer and stream that leaves a trace, by the functions' names."""

from __future__ import annotations

import pkgutil
from dataclasses import dataclass
from functools import wraps
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

PRODUCER = "producer"
STREAM = "stream"


@dataclass(frozen=True, slots=True)
class Step:
    """A function of a program that leaves a trace.

    ``owner`` is the class or module where the program looks it up. One that is ``first`` is reached when a life begins and hardly
    ever afterwards; one that is ``rejecting``, only in a batch with rejects.
    """

    program: str
    name: str
    owner: str
    function: str
    first: bool = False
    rejecting: bool = False


@dataclass(frozen=True, slots=True)
class Point:
    """The moment before a step, or the one after it."""

    step: Step
    after: bool

    @property
    def program(self) -> str:
        return self.step.program

    @property
    def name(self) -> str:
        return f"{self.program}, {'after' if self.after else 'before'} {self.step.name}"

    def __str__(self) -> str:
        return self.name


STEPS = (
    Step(PRODUCER, "ids are reserved in the ledger", "trending.producer.ledger_writer:LedgerWriter", "reserve", first=True),
    Step(PRODUCER, "a burst is handed over", "trending.producer.program:TweetProducer", "_hand_over"),
    Step(PRODUCER, "an acknowledgement is noted", "trending.producer.ledger_writer:LedgerWriter", "acknowledge_run"),
    Step(PRODUCER, "its hashtags are noted", "trending.producer.ledger_writer:LedgerWriter", "count"),
    Step(PRODUCER, "the ledger's commit", "trending.producer.ledger_writer:LedgerWriter", "commit"),
    Step(PRODUCER, "the heartbeat", "trending.producer.program", "write_heartbeat"),
    Step(STREAM, "the checkpoint is judged", "trending.stream.job", "require_sound", first=True),
    Step(STREAM, "the session is built", "trending.stream.job", "build_session", first=True),
    Step(STREAM, "the batch's ends are read", "trending.stream.job", "ends_of_batch"),
    Step(STREAM, "the epoch is asked for", "trending.serving.store:Store", "require_open", rejecting=True),
    Step(STREAM, "the letters are read back", "trending.stream.dead_letters:DeadLetters", "_read_back", rejecting=True),
    Step(STREAM, "the letters' transaction ends", "trending.stream.dead_letters", "end_transaction", rejecting=True),
    Step(STREAM, "the counts within the store's transaction", "trending.serving.counts", "write"),
    Step(STREAM, "the store's commit", "trending.serving.store:Store", "write"),
    Step(STREAM, "the letters are booked", "trending.serving.store:Store", "note_dead_letters", rejecting=True),
    Step(STREAM, "the offsets are shown", "trending.kafka.shown_offsets:ShownOffsets", "commit"),
    Step(STREAM, "the sink's end", "trending.stream.sink:RankingSink", "write"),
    Step(STREAM, "Spark's commit is told", "trending.stream.progress:ProgressListener", "onQueryProgress"),
)
POINTS = tuple(Point(step, after) for step in STEPS for after in (False, True))
BY_NAME = {point.name: point for point in POINTS}


def lay(program: str, reach: Callable[[str], None]) -> None:
    """Have ``reach`` called with a point's name wherever the program reaches one, in this process."""
    for step in STEPS:
        if step.program == program:
            owner = pkgutil.resolve_name(step.owner)
            setattr(owner, step.function, _around(step, getattr(owner, step.function), reach))


def _around(step: Step, function: Callable[..., Any], reach: Callable[[str], None]) -> Callable[..., Any]:
    before, after = Point(step, after=False).name, Point(step, after=True).name

    @wraps(function)
    def reached(*arguments: Any, **named: Any) -> Any:
        reach(before)
        answer = function(*arguments, **named)
        reach(after)
        return answer

    return reached
