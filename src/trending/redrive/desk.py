"""The way back: letters into the tweets' topic, in one transaction and under new ids that the ledger has before."""

from __future__ import annotations

import secrets
import time
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from trending.errors import LabError, NotReady
from trending.kafka.answers import error_of
from trending.kafka.log_reader import ends_of, log_ends, read_log
from trending.kafka.transactions import DEADLINE_SECONDS, end_transaction, redrive_id, transaction_settings
from trending.producer import redriven
from trending.producer.ledger import read_ledger
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places.opened import opened
from trending.producer.places.tables import REDRIVEN
from trending.producer.redriven import Redriven
from trending.redrive.choice import Choice, Mended, Wish, choose
from trending.settings import Rule
from trending.tweets.fates import label_of
from trending.tweets.record_id import ID_HEADER, identity_of, record_id, record_keys
from trending.tweets.rule import classify

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trending.kafka.connection import KafkaConnection
    from trending.producer.ledger import Ledger

Place = tuple[int, int, float]
"""Partition, offset, append time."""


@dataclass(frozen=True)
class Sent:
    """What was sent back, and the ledger's run."""

    run: str
    letters: int


@dataclass(frozen=True)
class Desk:
    """The tweets' topic and its dead letters, both with the ids of their making, and the ledger of the stack."""

    connection: KafkaConnection
    topic: str
    topic_id: str
    letters: str
    letters_id: str
    ledger: Path
    rule: Rule

    def look(self, wish: Wish) -> Choice:
        """Return what would be sent back now; changes nothing."""
        there = log_ends(self.connection, self.letters)
        begins = {part: first for part, (first, _end) in there.items()}
        ledger = read_ledger(self.ledger)
        # Of what a redrive has left that was cut short, it is looked up before anything is sent whether it arrived.
        booked = {each.letter for each in ledger.redriven if each.letters_id == self.letters_id}
        done = booked - {each.letter for each in self._open(ledger, log_ends(self.connection, self.topic))}
        return choose(read_log(self.connection, self.letters, begins, ends_of(there)), done, wish, time.time(), self.rule)

    def send(self, wish: Wish) -> Sent:
        """Send back what fits, all of it or nothing; raises NotReady when no broker answers, LabError when it is refused.

        First it is looked up what became of a redrive that was cut short: its transaction is over as soon as ours may begin.
        """
        try:
            producer = Producer(self.connection.client(transaction_settings(redrive_id(self.topic)), silent=False))
            producer.init_transactions(DEADLINE_SECONDS)
            self._settle()
            mended = self.look(wish).mended
            return self._send(producer, mended) if mended else Sent("", 0)
        except (KafkaException, SystemError) as error:
            fatal = error_of(error)  # raised below: it would be the context, and keep this frame with the client
        raise self._failed(fatal)

    def _open(self, ledger: Ledger, log: Mapping[int, tuple[int, int]]) -> list[Redriven]:
        """Return the letters that were booked and not acknowledged, and that the log can still tell of.

        Of a topic that is gone, and where retention has taken the place, nobody can tell: those count as sent.
        """
        runs = {each.run for each in ledger.redriven}
        ranges = ledger.acknowledged_ranges({})
        acknowledged = {(run, sequence) for run, sequences in ranges if run in runs for sequence in sequences}
        here = [each for each in ledger.redriven if ledger.topics.get(each.run) == self.topic_id]
        there = [each for each in here if each.partition in log and log[each.partition][0] <= each.not_before]
        return [each for each in there if each.identity not in acknowledged]

    def _settle(self) -> None:
        """Book what arrived of a redrive that was cut short, and strike the rest, which will never arrive."""
        log = log_ends(self.connection, self.topic)
        awaited = {each.identity: each for each in self._open(read_ledger(self.ledger), log)}
        if not awaited:
            return
        begins: dict[int, int] = {}
        for each in awaited.values():
            begins[each.partition] = min(each.not_before, begins.get(each.partition, each.not_before))
        ends = {part: end for part, end in ends_of(log).items() if part in begins}
        arrived: dict[tuple[str, int], tuple[Place, bytes]] = {}
        for record in read_log(self.connection, self.topic, begins, ends):
            identity = identity_of(record.key, record.headers)
            if identity is not None and identity in awaited:
                arrived[identity] = (record.partition, record.offset, record.append_time), record.value or b""
        self._acknowledge(arrived)
        engine = opened(self.ledger).engine
        with engine.begin() as connection:
            redriven.strike(connection, REDRIVEN, (each for identity, each in awaited.items() if identity not in arrived))
        engine.dispose()

    def _send(self, producer: Producer, mended: list[Mended]) -> Sent:
        run = secrets.token_hex(6)
        ends = ends_of(log_ends(self.connection, self.topic))
        targets = [each.place[0] if each.place[0] in ends else 0 for each in mended]
        booked = [
            Redriven(run, number, self.letters_id, each.letter, target, ends[target])
            for number, (each, target) in enumerate(zip(mended, targets, strict=True))
        ]
        with closing(LedgerWriter(self.ledger, run, self.topic_id)) as writer:
            writer.reserve(len(mended))
        engine = opened(self.ledger).engine
        with engine.begin() as connection:
            redriven.book(connection, REDRIVEN, booked)
        engine.dispose()
        placed = self._transact(producer, run, mended, targets)
        self._acknowledge({(run, number): (place, mended[number].value) for number, place in placed.items()})
        return Sent(run, len(placed))

    def _transact(self, producer: Producer, run: str, mended: list[Mended], targets: list[int]) -> dict[int, Place]:
        """Send all in one transaction; returns sequence → partition, offset and append time. What fails leaves nothing behind."""
        placed: dict[int, Place] = {}
        failures: list[KafkaError] = []

        def delivered(number: int, error: KafkaError | None, message: Message) -> None:
            if error is not None:
                failures.append(error)
            else:
                placed[number] = (message.partition() or 0, message.offset() or 0, message.timestamp()[1] / 1000)

        producer.begin_transaction()
        keys = record_keys(run, range(len(mended)))
        for number, (each, target) in enumerate(zip(mended, targets, strict=True)):
            # A stranger's key is wanted for something: there the id goes into the header.
            own = () if each.key is None else ((ID_HEADER, record_id(run, number)),)
            key = keys[number] if each.key is None else each.key
            headers = [*each.headers, *own]
            producer.produce(self.topic, each.value, key, target, headers=headers, on_delivery=partial(delivered, number))
        failure = end_transaction(producer, failures)
        if failure is not None:
            raise self._failed(failure)
        return placed

    def _acknowledge(self, arrived: Mapping[tuple[str, int], tuple[Place, bytes]]) -> None:
        """Book records in the ledger: identity → place, value."""
        for run in sorted({run for run, _sequence in arrived}):
            with closing(LedgerWriter(self.ledger, run, self.topic_id)) as writer:
                for (_run, sequence), (place, value) in sorted(item for item in arrived.items() if item[0][0] == run):
                    # As the audit does: by arrival there is no late and no future, so what was sent is a tweet.
                    writer.acknowledge(sequence, *place, label_of(classify(value, place[2], Rule())))

    def _failed(self, error: KafkaError) -> LabError:
        cause = f"no letter was sent back to {self.topic}, or it is not known yet"
        way = "make redrive SEND=1 looks first what became of them"
        return (NotReady if error.retriable() or error.code() < 0 else LabError)(cause, str(error), way)
