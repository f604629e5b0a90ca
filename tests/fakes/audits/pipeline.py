"""Producer, stream and audit on a Kafka without broker, each of which may be killed at any step that leaves a trace.

The producer, the sink, the dead letters, the ledger and the store are the real ones. Spark's part, the protocol of a micro-batch,
is played: the end offsets of a batch are written before it runs, its state and its commit afterwards. A killed program loses what
it had in memory, and another life goes on with what is on disk and in Kafka.
"""

from __future__ import annotations

import threading
from array import array
from collections import Counter, defaultdict
from dataclasses import dataclass, field, replace
from functools import partial, wraps
from typing import TYPE_CHECKING, Any

from fakes.trending.aggregation import table_of
from fakes.trending.counting import TOPIC, TOPIC_ID, epoch
from fakes.trending.kafka import FakeProducer
from greenlet import getcurrent, greenlet

from trending.audit.reconciliation import Ledgers, LogRange, reconcile
from trending.audit.recounting.recount import Recount, recount
from trending.audit.recounting.sequences import by_run
from trending.audit.recounting.truths import Truths
from trending.kafka.connection import KafkaConnection
from trending.kafka.log_reader import ends_of, log_ends, read_log
from trending.kafka.packed_offsets import pack
from trending.kafka.record_columns import by_columns
from trending.kafka.rejects import OFFSET
from trending.kafka.shown_offsets import ShownOffsets
from trending.producer import program
from trending.producer.ledger import read_ledger
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places.opened import opened as open_ledger
from trending.producer.sources import booked, control, play, random_tweets
from trending.programs.specifications import ProducerSpec
from trending.serving.store import Store
from trending.settings import ProducerSettings, Rule
from trending.stream.dead_letters import DeadLetters
from trending.stream.letters import Letters
from trending.stream.sink import Pruning, RankingSink
from trending.tweets.rule import Kind, classify, window_start

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import pytest
    from fakes.trending.aggregation import Row
    from fakes.trending.kafka import FakeKafka
    from fakes.trending.sources.together import SharedTime

    from trending.audit.audit_report import AuditReport
    from trending.producer.places.opened import LedgerPlace, OpenedLedger
    from trending.producer.sources.booked import Booked
    from trending.simulator.live.changes import RateChange, TrendChange

LETTERS = "letters"
CHECKPOINT = "c"
CONNECTION = KafkaConnection("localhost:9092")
RULE = Rule()
STEPS: dict[str, tuple[tuple[Any, str], ...]] = {
    "producer": (
        (LedgerWriter, "reserve"),
        (LedgerWriter, "acknowledge_run"),
        (LedgerWriter, "count"),
        (LedgerWriter, "commit"),
        (program, "write_heartbeat"),
    ),
    "stream": (
        (Store, "require_open"),
        (Store, "write"),
        (Store, "note_dead_letters"),
        (ShownOffsets, "commit"),
    ),
}
"""Program → its steps that leave a trace, beside those of its Kafka client and of Spark."""
OF_A_PLAY = ("book", "book_shifts", "book_position")
"""Steps of a producer with a scenario."""
TAKE = "producer: take"
"""The step in which a producer books a change and acknowledges it."""
DRAWS = "producer: draws_below"
"""The step in which a producer among several says how far it draws."""
OF_CLIENTS = ("produce", "flush", "init_transactions", "begin_transaction", "commit_transaction")


class Killed(BaseException):
    """SIGKILL: nothing of the program runs any more, so nothing may catch it."""


@dataclass
class KillPoints:
    """Names every step that is reached, and kills at the one whose turn it is."""

    at: int | None = None
    reached: list[str] = field(default_factory=list)
    ledgers: list[LedgerWriter] = field(default_factory=list)
    """Those of all producers, whose files the kernel would close."""
    opened: list[OpenedLedger] = field(default_factory=list)
    """Those of all scenarios that are played."""
    owned: list[tuple[greenlet, LedgerWriter | OpenedLedger | FakeProducer]] = field(default_factory=list)
    """What each program has open, for the one that is killed."""

    def reach(self, name: str) -> None:
        self.reached.append(name)
        if self.at == len(self.reached) - 1:
            raise Killed(name)

    def around(self, name: str, step: Callable[..., Any]) -> Callable[..., Any]:
        """Return the step with a point before it and one after it."""

        @wraps(step)
        def reached(*arguments: Any, **named: Any) -> Any:
            self.reach(f"before {name}")
            answer = step(*arguments, **named)
            self.reach(f"after {name}")
            return answer

        return reached

    def put_in_place(self, monkeypatch: pytest.MonkeyPatch, kafka: FakeKafka) -> None:
        for program_name, steps in STEPS.items():
            for owner, name in steps:
                monkeypatch.setattr(owner, name, self.around(f"{program_name}: {name}", getattr(owner, name)))
        opened = program.LedgerWriter

        def ledger(place: LedgerPlace, run: str, topic_id: str, **more: Any) -> LedgerWriter:
            self.ledgers.append(opened(place, run, topic_id, **more))
            self.owned.append((getcurrent(), self.ledgers[-1]))
            return self.ledgers[-1]

        monkeypatch.setattr(program, "LedgerWriter", ledger)

        def open_again(place: LedgerPlace) -> OpenedLedger:
            self.opened.append(open_ledger(place))
            self.owned.append((getcurrent(), self.opened[-1]))
            return self.opened[-1]

        monkeypatch.setattr(play, "opened", open_again)
        monkeypatch.setattr(random_tweets, "opened", open_again)
        monkeypatch.setattr(play, "draws_below", self.around(DRAWS, play.draws_below))
        monkeypatch.setattr(control.Listener, "take", self.around(TAKE, control.Listener.take))
        for name in OF_A_PLAY:
            monkeypatch.setattr(booked, name, self.around(f"producer: {name}", getattr(booked, name)))
        made = kafka.producer

        def producer(configuration: dict[str, Any], logger: object = None) -> Any:
            client = made(configuration, logger)
            self.owned.append((getcurrent(), client))
            whose = "dead letters" if "transactional.id" in configuration else "producer"
            for name in OF_CLIENTS:
                setattr(client, name, self.around(f"{whose}: {name}", getattr(client, name)))
            return client

        monkeypatch.setattr("trending.producer.program.Producer", producer)
        monkeypatch.setattr("trending.stream.dead_letters.Producer", producer)


@dataclass
class Spark:
    """What a checkpoint has: batch → its end offsets, and the counts after each batch that is committed."""

    ends: list[dict[int, int]] = field(default_factory=list)
    states: list[Counter[tuple[Kind, int, str]]] = field(default_factory=list)


class Pipeline:
    """A stack whose programs are killed; ``arrives`` says whether what a killed producer has under way reaches the broker."""

    def __init__(self, folder: Path, kafka: FakeKafka, points: KillPoints, *, arrives: bool, scenario: str = "") -> None:
        self.folder = folder
        self.scenario = scenario
        self.partitions = range(len(kafka.logs[TOPIC]))
        self.kafka = kafka
        self.points = points
        self.arrives = arrives
        self.spark = Spark()
        self.deaths = 0
        self.asked: list[str] = []
        self.answered: list[control.Answer | None] = []
        self.played: Booked | None = None
        store = Store(folder / "serving.sqlite")
        store.take_over(epoch(CHECKPOINT, starts=dict.fromkeys(self.partitions, 0)))
        store.close()

    def ask(self, seconds: float, asked: RateChange | TrendChange) -> None:
        """Ask the producer for a change, so many seconds from now."""
        due = iter([asked])
        self.kafka.clock.at(self.kafka.clock.now + seconds, lambda: [self._ask(each) for each in due] and None)

    def _ask(self, asked: RateChange | TrendChange) -> None:
        ledger = open_ledger(self.folder / "ledger.sqlite")
        self.asked.append(control.ask(ledger, asked, self.kafka.clock.time() + 60))
        ledger.close()

    def answers(self) -> list[control.Answer | None]:
        ledger = open_ledger(self.folder / "ledger.sqlite")
        found = [control.answer_to(ledger, name) for name in self.asked]
        ledger.close()
        return found

    def play(self) -> Booked:
        """Return the only scenario that was played."""
        (found,) = booked.read_plays(self.folder / "ledger.sqlite").values()
        return found

    def produce(self, seconds: float) -> None:
        """Let the producer send for so long; a killed one is followed by another, which sends as long."""
        while True:
            stop = threading.Event()
            self.kafka.clock.at(self.kafka.clock.now + seconds, stop.set)
            try:
                program.main(self.spec(0, 1), stop)
            except Killed:
                self._bury_producer()
            else:
                return

    def spec(self, place: int, producers: int) -> ProducerSpec:
        return ProducerSpec(
            bootstrap=CONNECTION.bootstrap,
            topic=TOPIC,
            heartbeat=self.folder / f"producer-{place}.json",
            settings=ProducerSettings(rate=4, seed=1),
            topic_id=TOPIC_ID,
            ledger=self.folder / "ledger.sqlite",
            scenario=self.scenario,
            place=place,
            producers=producers,
        )

    def produce_together(self, clock: SharedTime, seconds: float, producers: int) -> None:
        """Let several producers send for so long; a killed one is followed by another, while the others go on."""
        stop = threading.Event()
        clock.at(clock.now + seconds, stop.set)
        lives = [partial(program.main, self.spec(place, producers), stop) for place in range(producers)]
        clock.run(lives, self._died)

    def _died(self, _place: int, life: greenlet, error: BaseException) -> bool:
        if not isinstance(error, Killed):
            raise error
        self.deaths += 1
        for owner, thing in self.points.owned:
            if owner is not life:
                continue
            if isinstance(thing, FakeProducer):
                for queued in thing.abandon() if self.arrives else []:
                    self.kafka.append(queued.topic, queued.value, partition=queued.partition, key=queued.key)
            else:
                (thing._ledger if isinstance(thing, LedgerWriter) else thing).close()
        return True

    def _bury_producer(self) -> None:
        self.deaths += 1
        for ledger in (self.points.ledgers[-1]._ledger, *self.points.opened):
            ledger.close()
        left = self.kafka.producers[-1].abandon()
        for queued in left if self.arrives else []:
            self.kafka.append(queued.topic, queued.value, partition=queued.partition, key=queued.key)

    def stream(self) -> None:
        """Let the stream count what the log has; a killed driver is followed by another on its checkpoint."""
        while True:
            store = Store(self.folder / "serving.sqlite")
            try:
                self._count(store)
            except Killed:
                self.deaths += 1
            else:
                return
            finally:
                store.close()

    def _count(self, store: Store) -> None:
        letters = DeadLetters(CONNECTION, TOPIC, LETTERS, store.dead_letter_offset(CHECKPOINT))
        shown = ShownOffsets(CONNECTION, "lab-stream", TOPIC)
        nothing = Pruning(7, lambda _now: None, 10_000, lambda _batch: 0)
        ends_of_batch = self.spark.ends.__getitem__
        sink = RankingSink(store, CHECKPOINT, letters, None, lambda _block: None, ends_of_batch, shown.commit, nothing)
        while True:
            number = len(self.spark.states)
            if number == len(self.spark.ends):
                before = self.spark.ends[-1] if self.spark.ends else dict.fromkeys(self.partitions, 0)
                ends = {each: self.kafka.end((TOPIC, each), committed=True) for each in self.partitions}
                if ends == before:
                    return
                self.points.reach("stream: before offsets")
                self.spark.ends.append(ends)
            self.points.reach("stream: before the batch")
            state, rows = self._aggregate(number)
            sink.write(number, table_of(rows))
            self.points.reach("stream: before its commit")
            self.spark.states.append(state)

    def _aggregate(self, number: int) -> tuple[Counter[tuple[Kind, int, str]], list[Row]]:
        """Return the counts after the batch, and the rows that it changed, as in update mode."""
        state = self.spark.states[-1].copy() if self.spark.states else Counter[tuple[Kind, int, str]]()
        starts = self.spark.ends[number - 1] if number else dict.fromkeys(self.partitions, 0)
        changed = set()
        rejects: defaultdict[tuple[int, str, int], array[int]] = defaultdict(lambda: array(OFFSET))
        for record in read_log(CONNECTION, TOPIC, starts, self.spark.ends[number]):
            verdict = classify(record.value, record.append_time, RULE)
            window = window_start(verdict.time, RULE.window_seconds)
            if verdict.kind is Kind.REJECT:
                rejects[window, verdict.label, record.partition].append(record.offset)
            else:
                state[verdict.kind, window, verdict.label] += 1
                changed.add((verdict.kind, window, verdict.label))
        rows: list[Row] = [
            (str(kind), window, label, -1, b"", state[kind, window, label]) for kind, window, label in sorted(changed)
        ]
        rows += [
            (str(Kind.REJECT), window, label, partition, pack(offsets), len(offsets))
            for (window, label, partition), offsets in rejects.items()
        ]
        return state, rows

    def audit(self) -> AuditReport:
        """Audit at rest, as ``infra.operations.audit`` does."""
        ledger = read_ledger(self.folder / "ledger.sqlite")
        store = Store(self.folder / "serving.sqlite")
        view = store.view()
        store.close()
        log, letters = log_ends(CONNECTION, TOPIC), log_ends(CONNECTION, LETTERS)
        ends = ends_of(log)
        starts = dict.fromkeys(self.partitions, 0)
        part = LogRange(starts, starts, ends, self.kafka.clock.time())
        acknowledged = by_run(ledger.acknowledged_ranges(part.beginning(), ends))
        whole = Recount(view.epochs, truth=Truths(booked.read_plays(self.folder / "ledger.sqlite", TOPIC_ID)))
        recounted = recount(by_columns(read_log(CONNECTION, TOPIC, starts, ends)), view.epochs, acknowledged, whole)
        there = Letters.read(read_log(CONNECTION, LETTERS, {0: 0}, ends_of(letters)), 0)
        report = reconcile(Ledgers(ledger, ledger), part, recounted, view, there, 0.0)
        return replace(report, truths=recounted.truth.parts(recounted.ids, recounted.latest))
