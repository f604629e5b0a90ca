from __future__ import annotations

import os
import signal
import threading
from typing import TYPE_CHECKING

import pytest
from pydantic import ValidationError

from infra.console.interruptions import raise_on_signals
from infra.forms.producing import ProduceForm
from infra.host.secret_references import no_block
from infra.producers import elsewhere
from infra.producers.elsewhere import produce_elsewhere
from trending.errors import InvalidInput, LabError, NotReady, StackAbsent
from trending.postgresql.place import PostgresLedger
from trending.producer.places import shared
from trending.programs.heartbeat import write_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.settings import ProducerSettings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from infra.producers.life import Produced

STORE = {"store_url": "postgresql+psycopg://lab@localhost/counts"}
KAFKA = {"bootstrap": "localhost:9092"}


@pytest.fixture
def ready(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked up: neither Kafka nor database."""

    def spec_of(settings: ProduceForm, _load_block: object, heartbeat: Path) -> ProducerSpec:
        return ProducerSpec(
            bootstrap="localhost:9092",
            topic="tweets",
            heartbeat=heartbeat,
            settings=ProducerSettings(),
            ledger=heartbeat.with_name("ledger.sqlite"),
            topic_id="topic-1",
            tweets=settings.produce_tweets,
        )

    monkeypatch.setattr(elsewhere, "_spec_of", spec_of)
    for name in ("LOOK_SECONDS", "TELL_SECONDS"):
        monkeypatch.setattr(elsewhere, name, 0.01)


def sending(spec: ProducerSpec, stop: threading.Event) -> None:
    """Send one tweet more with each beat until told to stop, or all that are asked for; then flush."""
    sent = 0
    while not stop.wait(0.005) and not 0 < spec.tweets <= sent:
        sent += 1
        write_heartbeat(spec.heartbeat, "running", {"sent": sent, "acknowledged": sent - 1, "failed": 0}, "run")
    write_heartbeat(spec.heartbeat, "stopped", {"sent": sent, "acknowledged": sent, "failed": 0}, "run")


def run(
    form: ProduceForm, program: Callable[[ProducerSpec, threading.Event], None] = sending
) -> tuple[Produced, list[tuple[Produced, float]]]:
    told: list[tuple[Produced, float]] = []
    done = produce_elsewhere(form, no_block, program, lambda done, percent: told.append((done, percent)))
    return done, told


@pytest.mark.usefixtures("ready")
def test_so_many_tweets_are_sent_and_told_of_meanwhile() -> None:
    done, told = run(ProduceForm(produce_tweets=40))
    assert (done.phase, done.sent, done.acknowledged, done.unknown, done.run) == ("stopped", 40, 40, 0, "run")
    shares = [percent for _done, percent in told]
    assert shares == sorted(shares)
    assert told[-1] == (done, 100.0)
    assert {each.phase for each, _share in told} >= {"running", "stopped"}


@pytest.mark.usefixtures("ready")
def test_after_so_many_seconds_it_is_told_to_stop_and_sends_what_it_holds() -> None:
    done, _told = run(ProduceForm(produce_seconds=0.2))
    assert done.phase == "stopped"
    assert done.unknown == 0
    assert done.sent > 1


@pytest.mark.usefixtures("ready")
def test_a_signal_ends_it_in_order_and_goes_on_then() -> None:
    """As Prefect's cancellation does, which ends in the same exception in the main thread."""
    earlier = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)}
    raise_on_signals()
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGTERM)).start()
    told: list[Produced] = []
    try:
        with pytest.raises(BaseException) as caught:  # noqa: PT011 - what it is, is the signal's
            produce_elsewhere(ProduceForm(), no_block, sending, lambda done, _percent: told.append(done))
    finally:
        for number, handler in earlier.items():
            signal.signal(number, handler)
    assert not isinstance(caught.value, LabError | AssertionError)
    assert (told[-1].phase, told[-1].unknown) == ("stopped", 0)


@pytest.mark.usefixtures("ready")
def test_what_the_program_raises_is_the_runs_error() -> None:
    def dies(_spec: ProducerSpec, _stop: threading.Event) -> None:
        cause = "librdkafka gave up"
        raise LabError(cause, "evidence", "make status")

    with pytest.raises(LabError, match="librdkafka gave up"):
        run(ProduceForm(), dies)


class Cluster:
    """A cluster that lets everybody in."""

    def __init__(self, _connection: object) -> None:
        self.cluster_id = "cluster-1"

    def view(self) -> Cluster:
        return self


@pytest.mark.parametrize("topic_id", ["topic-1", None])
def test_what_is_given_becomes_the_programs_specification_and_no_secret_is_in_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, topic_id: str | None
) -> None:
    monkeypatch.setattr(elsewhere, "Entry", Cluster)
    monkeypatch.setattr(elsewhere, "topic_id", lambda _connection, _topic: topic_id)
    asked: list[tuple[str, str]] = []
    monkeypatch.setattr(shared, "require_usable", lambda ledger, cluster: asked.append((str(ledger), cluster)) or "PostgreSQL")
    for name in ("KAFKA", "STORE"):
        monkeypatch.setenv(f"{name}_CANARY", f"canary of {name}")
    access = {"bootstrap": "localhost:9092", "security_protocol": "SASL_SSL", "sasl_mechanism": "PLAIN", "kafka_user": "lab"}
    form = ProduceForm.model_validate(
        {
            "name": "many",
            "producer_name": "laptop",
            "produce_tweets": 7,
            "topic": "lab_tweets",
            "access": {**access, "kafka_secret": "env:KAFKA_CANARY"},
            "serving": {**STORE, "store_secret": "env:STORE_CANARY"},
        }
    )
    specs: list[ProducerSpec] = []
    if topic_id is None:
        with pytest.raises(NotReady, match="no topic lab_tweets in cluster cluster-1"):
            run(form, lambda spec, _stop: specs.append(spec))
        assert not specs
        return
    run(form, lambda spec, _stop: specs.append(spec))
    (spec,) = specs
    assert (spec.topic, spec.topic_id, spec.tweets, spec.bootstrap) == ("lab_tweets", "topic-1", 7, "localhost:9092")
    assert spec.connection.settings["sasl.password"] == "canary of KAFKA"
    assert isinstance(spec.ledger, PostgresLedger)
    assert (spec.ledger.producer, spec.ledger.place.schema_name) == ("laptop", "trending_many")
    assert "canary of STORE" == spec.ledger.place.password  # noqa: SIM300
    assert "canary" not in f"{spec!r}{spec.model_dump_json()}{form!r}{form.model_dump_json()}"
    assert asked == [(f"{STORE['store_url']}, schema trending_many, producer laptop", "cluster-1")]


def test_without_a_stack_and_with_one_whose_counts_are_in_a_file_it_says_what_is_missing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    with pytest.raises(StackAbsent):
        run(ProduceForm(name="nobodys"))
    monkeypatch.setattr(elsewhere, "open_lab", lambda _name: None)
    monkeypatch.setattr(elsewhere, "store_place", lambda _lab: tmp_path / "serving.sqlite")
    with pytest.raises(InvalidInput, match="in a file, where no other producer can have a ledger") as caught:
        run(ProduceForm(name="filed"))
    assert "STORE_URL" in caught.value.next_command


@pytest.mark.parametrize(
    "given",
    [
        {"access": KAFKA},
        {"serving": STORE},
        {"access": {"kafka_user": "u"}},
        {"access": KAFKA, "serving": {**STORE, "store_secret": "a password"}},
        {"producer_name": "Über"},
        {"produce_seconds": -1},
    ],
)
def test_a_form_that_names_half_a_place_is_refused(given: dict[str, object]) -> None:
    with pytest.raises(ValidationError) as caught:
        ProduceForm.model_validate(given)
    assert "a password" not in str(caught.value)


def test_a_secret_may_be_a_block_of_prefects() -> None:
    form = ProduceForm.model_validate({"access": KAFKA, "serving": {**STORE, "store_secret": "block:counts"}})
    assert form.serving.store_secret == "block:counts"  # noqa: S105 - where it is
