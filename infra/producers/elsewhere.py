"""A producer that is no program of a stack: it lives as long as the run that it is, with its ledger in the stack's schema."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from pydantic import PrivateAttr

from infra.console.interruptions import begun_despite_signals
from infra.console.reporting import say
from infra.external.entry import Entry
from infra.external.examination import connection_of
from infra.host.secret_references import read_secret
from infra.lab.assembly import open_lab
from infra.lab.store import store_place
from infra.producers.life import Life, Produced, figures_of
from trending.errors import InvalidInput, NotReady
from trending.kafka.log_reader import topic_id
from trending.postgresql.place import PostgresLedger, PostgresPlace
from trending.producer.sources.choice import require_no_scenario
from trending.programs.specifications import ProducerSpec
from trending.simulator.generator import load_catalogue

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable

    from pydantic import SecretStr

    from infra.forms.producing import ProduceForm
    from infra.lab.assembly import Lab
    from trending.kafka.connection import KafkaConnection

    Program = Callable[[ProducerSpec, threading.Event], None]

LOOK_SECONDS = 1.0
TELL_SECONDS = 5.0
"""Between two reports on how it is doing."""


class _Target(NamedTuple):
    connection: KafkaConnection
    topic: str
    place: PostgresPlace


class _Spec(ProducerSpec):
    """A specification that is in no file, so that what lets the producer into Kafka is in none either."""

    _into: KafkaConnection = PrivateAttr()

    @property
    def connection(self) -> KafkaConnection:
        """How the producer reaches Kafka."""
        return self._into


def check_produce(settings: ProduceForm) -> None:
    """Raise LabError for what can be seen to be wrong without asking Kafka or the database."""
    require_no_scenario(settings.producer_name, settings.producer.scenario)
    load_catalogue(settings.producer.catalogue)
    if not settings.access.bootstrap:
        _own_place(settings.name)


def produce_elsewhere(
    settings: ProduceForm,
    load_block: Callable[[str], SecretStr],
    program: Program,
    tell: Callable[[Produced, float], None],
) -> Produced:
    """Run the producer ``program`` until it has done what is asked for; an interruption ends it in order, and goes on then.

    ``tell`` is told of it every few seconds, with the percentage that is done, and at its end. Raises LabError where it cannot
    begin, and what the program raises.
    """
    with tempfile.TemporaryDirectory(prefix="trending-producer-") as directory:
        spec = _spec_of(settings, load_block, Path(directory) / "producer.json")
        began = time.monotonic()
        life = Life(program, spec)
        try:
            _watch(life, spec, settings, lambda done: tell(done, _percent(settings, done, time.monotonic() - began)))
        finally:
            begun_despite_signals(life.end)
            tell(figures_of(spec), 100.0)
        if life.failure is not None:
            raise life.failure
        return figures_of(spec)


def _watch(life: Life, spec: ProducerSpec, settings: ProduceForm, tell: Callable[[Produced], None]) -> None:
    began = told = time.monotonic()
    while not life.ended.wait(LOOK_SECONDS):
        now = time.monotonic()
        if settings.produce_seconds and now - began >= settings.produce_seconds:
            return
        if now - told >= TELL_SECONDS:
            told = now
            tell(figures_of(spec))


def _percent(settings: ProduceForm, done: Produced, seconds: float) -> float:
    """Return how much is done of what is asked for; of what has no end, how much of what was sent is acknowledged."""
    shares = [(seconds, settings.produce_seconds), (done.acknowledged, settings.produce_tweets)]
    parts = [100.0 * part / whole for part, whole in shares if whole] or [100.0 * done.acknowledged / max(1, done.sent)]
    return min(100.0, max(parts))


def _spec_of(settings: ProduceForm, load_block: Callable[[str], SecretStr], heartbeat: Path) -> ProducerSpec:
    """Return the producer's specification; raises LabError with what is missing: nothing was sent then."""
    from trending.producer.places.shared import require_usable  # noqa: PLC0415 - libpq, 0.1 s that every command would wait for

    check_produce(settings)
    target = _target_of(settings, load_block)
    cluster_id = Entry(target.connection).view().cluster_id
    identity = topic_id(target.connection, target.topic)
    if identity is None:
        cause = f"there is no topic {target.topic} in cluster {cluster_id}"
        raise NotReady(
            cause, "the stack makes it when it starts, and nothing was sent", "make up, for the stack; or another TOPIC"
        )
    ledger = PostgresLedger(place=target.place, producer=settings.producer_name)
    found = require_usable(ledger, cluster_id)
    say(f"producer {settings.producer_name} sends to {target.topic} in cluster {cluster_id}; its ledger: {found}")
    spec = _Spec(
        bootstrap=target.connection.bootstrap,
        topic=target.topic,
        heartbeat=heartbeat,
        settings=settings.producer,
        ledger=ledger,
        topic_id=identity,
        tweets=settings.produce_tweets,
    )
    spec._into = target.connection  # noqa: SLF001 - our own
    return spec


def _target_of(settings: ProduceForm, load_block: Callable[[str], SecretStr]) -> _Target:
    """Return where to send and where to keep the ledger: what is given, or what the stack of this checkout has."""
    if settings.access.bootstrap:
        given = read_secret("STORE_SECRET", settings.serving.store_secret, load_block)
        place = PostgresPlace(url=settings.serving.store_url, stack=settings.name, owner="", given=given)
        return _Target(connection_of(settings.access, load_block), settings.topic, place)
    lab, place = _own_place(settings.name)
    return _Target(lab.stack.connection, lab.settings.stack.topic, place)


def _own_place(stack: str) -> tuple[Lab, PostgresPlace]:
    """Return a stack of this checkout, and where its ledgers are; raises InvalidInput where it has no database."""
    lab = open_lab(stack)
    own = store_place(lab)
    if not isinstance(own, PostgresPlace):
        cause = f"the stack {stack} keeps its counts in a file, where no other producer can have a ledger"
        raise InvalidInput(cause, str(own), "make up STORE_URL=postgresql+psycopg://…")
    return lab, own
