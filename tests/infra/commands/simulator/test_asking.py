"""``make rate`` and ``make trend``, with somebody in the producer's place."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from fakes.plain import lab_stack
from fakes.stacks import beat, make

from flows import rate as rate_flow
from flows import trend as trend_flow
from infra.commands.simulator import asking, rate, trend
from infra.forms.producing import RateForm, TrendForm
from infra.forms.terminal import parse
from infra.operations import producer
from trending.errors import ConfigurationConflict, InvalidInput, LabError, NotReady, StackAbsent
from trending.producer.places.opened import opened
from trending.producer.sources.control import Listener, answer_to, ask
from trending.programs.heartbeat import WAITING
from trending.settings import ProducerSettings
from trending.simulator.live.changes import Change, RateChange, TrendChange

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.lab.assembly import Lab

SCENARIO = "version: 1\nseed: 5\nrate: {base: 10}\nhashtags: {named: {'#a': 1}}\n"


@pytest.fixture
def lab(world: object, tmp_path: Path) -> Lab:
    """A stack whose producer plays a scenario."""
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return with_producer(producer=ProducerSettings(scenario=str(path)))


def with_producer(**sections: object) -> Lab:
    lab = make(**sections)
    producer.launch_producer("lab")
    beat(lab, "producer", figures={"queued": 7, "position": 12.0})
    opened(lab.paths.ledger).close()
    return lab


@contextmanager
def answering(lab: Lab, refused: str = "") -> Iterator[list[object]]:
    """Take one request in the producer's place; yields what was asked."""
    found: list[object] = []
    stop = threading.Event()

    def work() -> None:
        ledger = opened(lab.paths.ledger)
        listener = Listener(ledger, "0123456789ab", "topic-1")
        while not stop.wait(0.01):
            request = listener.look(float("inf"), time.time())
            if request is not None and refused:
                listener.refuse(request, refused, "make up")
            elif request is not None:
                change = Change(1_234, 5.0, request.asked)
                listener.take(request, lambda _connection, change=change: change, time.time())
            if request is not None:
                found.append(request.asked)
                break
            listener._looked = float("-inf")
        ledger.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield found
    finally:
        stop.set()
        thread.join()


def test_a_rate_is_asked_for_and_said_with_its_first_record(lab: Lab, said: list[str]) -> None:
    for given, line in (
        ({"rate": 500, "for": 60}, "from record 1234 on: 500 a second, for 60 s"),
        ({"rate": 500}, "from record 1234 on: 500 a second"),
        ({}, "from record 1234 on: as the scenario plans"),
    ):
        with answering(lab) as found:
            rate.main(RateForm.model_validate({"name": "lab", **given}))
        assert found == [RateChange.model_validate({"rate": given.get("rate"), "for": given.get("for")})]
        assert said[-1] == line
    assert producer.scenario_line(lab).endswith(", next record 12")


def test_a_trend_is_asked_for(lab: Lab, said: list[str]) -> None:
    with answering(lab) as found:
        trend.main(TrendForm(name="lab", hashtag="#Gol", rise=5))
    assert found == [TrendChange(hashtag="#Gol", rise=5, hold=60, peak=0.5)]
    assert said[-1] == "from record 1234 on: #Gol with 50% of the tweets, for 60 s"


def test_a_form_of_prefects_does_the_same(lab: Lab) -> None:
    with answering(lab):
        assert rate_flow.rate.fn(RateForm(name="lab", rate=5)) == "from record 1234 on: 5 a second"
    with answering(lab):
        assert trend_flow.trend.fn(TrendForm(name="lab", hashtag="#x")).startswith("from record 1234 on: #x ")
    assert "for" in RateForm.model_json_schema()["properties"]


def test_without_a_scenario_the_rate_is_the_settings_again(world: object, said: list[str]) -> None:
    with answering(with_producer(producer=ProducerSettings(rate=3))):
        rate.main(RateForm(name="lab"))
    assert said[-1] == "from tweet 1234 on: 3 a second, as in its settings"


def test_a_producer_that_does_not_answer_changes_nothing(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.3)
    with pytest.raises(NotReady, match="did not answer within") as caught:
        rate.main(RateForm(name="lab", rate=5))
    assert "nothing was changed" in str(caught.value)
    assert "7 queued" in str(caught.value)
    assert caught.value.next_command == "make status"
    ledger = opened(lab.paths.ledger)
    assert Listener(ledger, "0123456789ab", "topic-1").look(0.0, 0.0) is None, "it is withdrawn"
    ledger.close()


def test_a_request_is_withdrawn_whatever_ends_the_wait(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    class Interrupted(BaseException):
        pass

    def interrupted(_seconds: float) -> None:
        raise Interrupted

    monkeypatch.setattr(asking.time, "sleep", interrupted)
    with pytest.raises(Interrupted):
        rate.main(RateForm(name="lab", rate=5))
    ledger = opened(lab.paths.ledger)
    assert Listener(ledger, "0123456789ab", "topic-1").look(0.0, 0.0) is None
    ledger.close()


def test_of_several_producers_those_that_have_not_begun_are_named(world: object, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.2)
    lab = with_producer(stack=lab_stack(partitions=4), producer=ProducerSettings(scenario="classroom", producers=4))
    beat(lab, "producer-2", phase="starting: reading back")
    beat(lab, "producer-3", phase=WAITING)
    lab.paths.heartbeat("producer-4").unlink()
    with pytest.raises(NotReady) as caught:
        rate.main(RateForm(name="lab", rate=5))
    assert caught.value.cause == "the producer did not answer within 0 s: producer-2, producer-4 have not begun to send"
    assert caught.value.next_command == "make logs SERVICE=producer-2"


def test_a_frozen_producer_is_said_to_be(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asking, "ANSWER_SECONDS", 0.2)
    beat(lab, "producer", at=time.time() - 60)
    with pytest.raises(NotReady, match="gives no sign of life"):
        rate.main(RateForm(name="lab", rate=5))


def test_what_the_producer_refuses_is_said_with_its_way(lab: Lab) -> None:
    with answering(lab, "the scenario is over"), pytest.raises(ConfigurationConflict, match="the scenario is over") as caught:
        rate.main(RateForm(name="lab", rate=5))
    assert caught.value.next_command == "make up"


def test_what_can_be_seen_beforehand_is_not_asked(lab: Lab) -> None:
    for hashtag in ("Gol", "", "#", "#" + "x" * 300, "#a\x00"):
        with pytest.raises(InvalidInput, match="must begin with #") as caught:
            trend.main(TrendForm(name="lab", hashtag=hashtag))
        assert caught.value.next_command == "make trend HASHTAG='#Gol' FOR=60"
    lab.paths.ledger.rename(aside := lab.paths.ledger.with_name("aside"))
    with pytest.raises(NotReady, match="only just been started"):
        rate.main(RateForm(name="lab", rate=5))
    aside.rename(lab.paths.ledger)
    lab.supervisor.remove("producer")
    for main, form in ((rate.main, RateForm(name="lab", rate=5)), (trend.main, TrendForm(name="lab", hashtag="#a"))):
        with pytest.raises(NotReady, match="the producer does not run") as stopped:
            main(form)  # type: ignore[operator]
        assert stopped.value.next_command == "make up"
    with pytest.raises(StackAbsent):
        rate.main(RateForm(name="nobodys", rate=5))


def test_a_trend_needs_a_scenario(world: object) -> None:
    with_producer()
    with pytest.raises(ConfigurationConflict, match="needs a scenario") as caught:
        trend.main(TrendForm(name="lab", hashtag="#a"))
    assert caught.value.next_command == "make up SCENARIO=classroom"


def test_a_stack_whose_producer_was_never_started_is_told_what_to_do(world: object) -> None:
    make()
    with pytest.raises(NotReady, match="was not started") as caught:
        rate.main(RateForm(name="lab", rate=5))
    assert caught.value.next_command == "make up"


@pytest.mark.parametrize("given", ["--rate=0", "--rate=1000000000", "--rate=-1", "--rate=nan", "--for=0", "--rate=fast"])
def test_a_rate_that_is_none_is_refused_with_the_next_command(given: str) -> None:
    with pytest.raises(InvalidInput) as caught:
        parse(RateForm, [given], "rate")
    assert isinstance(caught.value, LabError)
    assert caught.value.next_command == "rate --help"
    assert "\n" not in caught.value.cause


def test_requests_of_commands_that_were_killed_are_cleared_away(lab: Lab) -> None:
    ledger = opened(lab.paths.ledger)
    old = ask(ledger, RateChange(rate=1), time.time() - 100)
    new = ask(ledger, RateChange(rate=2), time.time() + 5)
    with ledger.engine.connect() as connection:
        left = connection.exec_driver_sql("SELECT request FROM asked").scalars().all()
    assert left == [new]
    assert answer_to(ledger, old) is None
    ledger.close()
