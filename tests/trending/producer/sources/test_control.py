"""A producer that is asked for another rate, or for a trend, while it sends."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest
from fakes.trending.sources.scenarios import scenario
from fakes.trending.stage import Stage

from trending.producer.sources import control
from trending.producer.sources.control import Answer, withdraw
from trending.programs.heartbeat import FINISHED, read_heartbeat
from trending.simulator.live.changes import MOST_CHANGES, RateChange, TrendChange
from trending.tweets.rule import decode_plain

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

    from trending.programs.heartbeat import Heartbeat

SPOILED = {
    "start": "now",
    "tweets": {"hashtags": {"0": 0.1, "1": 0.8, "2": 0.1}},
    "mischief": {"corrupt": 0.1, "duplicated": 0.05},
}
GOL = TrendChange(hashtag="#Gol", hold=20, peak=0.6)


def rate(value: float | None, seconds: float | None = None) -> RateChange:
    return RateChange.model_validate({"rate": value, "for": seconds})


@pytest.fixture
def stage(kafka: FakeKafka, tmp_path: Path) -> Stage:
    return Stage(kafka, tmp_path)


def asked_at(stage: Stage, seconds: float, *asked: RateChange | TrendChange) -> list[str]:
    """Ask so many seconds from now; returns the requests' names as soon as they have some."""
    names: list[str] = []
    for each in asked:
        stage.at(seconds, lambda each=each: names.append(stage.ask(each)))
    return names


def by_second(stage: Stage) -> Counter[int]:
    """Return second since midnight → records that were appended in it."""
    times = [append_time for records in stage.log().values() for _number, _value, append_time in records]
    return Counter(int(time - min(times)) for time in times)


def test_the_rate_changes_within_a_moment_and_each_record_is_still_what_its_number_says(stage: Stage) -> None:
    played = scenario(**SPOILED, rate={"base": 10, "arrivals": "poisson"})
    names = asked_at(stage, 10, rate(100, 10))
    beat = stage.live(played, 40)
    answer = stage.answer(names[0])
    assert answer is not None
    assert 70 < answer.first < 130
    stage.require_as_planned(played, beat.note)
    assert stage.numbers() == list(range(len(stage.numbers())))
    seconds = by_second(stage)
    assert sum(seconds[each] for each in range(12, 18)) == pytest.approx(600, rel=0.15)
    assert sum(seconds[each] for each in range(24, 38)) == pytest.approx(140, rel=0.3)
    (change,) = stage.booked(beat.note).changes
    assert (change.first, change.asked) == (answer.first, rate(100, 10))


def test_a_trend_comes_with_the_next_record_and_goes(stage: Stage) -> None:
    played = scenario(start="now", rate={"base": 20})
    names = asked_at(stage, 10, GOL)
    beat = stage.live(played, 50)
    answer = stage.answer(names[0])
    assert answer is not None
    stage.require_as_planned(played, beat.note)
    found = [decode_plain(value).hashtag_principal for _number, value, _time in stage.log()[0] if value is not None]
    assert found[: answer.first].count("#Gol") == 0
    assert found[answer.first : answer.first + 400].count("#Gol") == pytest.approx(240, rel=0.2)
    assert found[answer.first + 410 :].count("#Gol") == 0


def test_changes_outlive_their_producer_in_two_partitions(kafka: FakeKafka, tmp_path: Path) -> None:
    kafka.create("tweets", partitions=2)
    stage, played = Stage(kafka, tmp_path), scenario(**SPOILED, rate={"base": 10})
    asked_at(stage, 6, rate(50), GOL)
    beat = stage.live(played, 10)
    sent = len(stage.numbers())
    again = asked_at(stage, 6, rate(5))
    assert stage.live(played, 12).note == beat.note
    assert stage.answer(again[0]) is not None
    assert len(stage.numbers()) > sent + 100
    assert stage.numbers() == list(range(len(stage.numbers())))
    assert len(stage.booked(beat.note).changes) == 3
    stage.require_as_planned(played, beat.note)


def test_a_slow_producer_does_not_wait_for_its_next_record(stage: Stage) -> None:
    names = asked_at(stage, 3, rate(20))
    beat = stage.live(scenario(start="now", rate={"base": 0.05}), 10)
    assert stage.answer(names[0]) == Answer(1)
    assert len(stage.numbers()) == pytest.approx(140, abs=10)
    assert beat.figures["position"] == len(stage.numbers())


def test_what_is_asked_and_achieved_is_in_the_heartbeat(stage: Stage) -> None:
    seen: list[Heartbeat | None] = []
    asked_at(stage, 5, rate(40))
    stage.at(4, lambda: seen.append(read_heartbeat(stage.directory / "producer.json")))
    stage.at(19, lambda: seen.append(read_heartbeat(stage.directory / "producer.json")))
    stage.live(scenario(start="now", rate={"base": 10}), 20)
    figures = [each.figures for each in seen if each is not None]
    assert [each["asked"] for each in figures] == pytest.approx([10, 40])
    assert [each["achieved"] for each in figures] == pytest.approx([10, 40], rel=0.25)
    assert all(each["overdue"] < 0.5 for each in figures)


def test_a_request_whose_time_is_over_or_that_was_withdrawn_changes_nothing(stage: Stage) -> None:
    late = stage.ask(rate(500), seconds=-1)
    names: list[str] = []

    def ask_and_withdraw() -> None:
        names.append(stage.ask(rate(500)))
        with stage.ledger() as ledger:
            assert withdraw(ledger, names[0]) is None

    stage.at(5, ask_and_withdraw)
    beat = stage.live(scenario(start="now"), 10)
    assert stage.booked(beat.note).changes == ()
    assert [stage.answer(each) for each in (late, *names)] == [None, None]
    assert len(stage.numbers()) == pytest.approx(100, abs=5)


def test_a_request_that_is_withdrawn_while_the_producer_takes_it_changes_nothing(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    take, names = control.Listener.take, asked_at(stage, 5, rate(500))

    def too_late(listener: control.Listener, *arguments: object) -> bool:
        with stage.ledger() as ledger:
            assert withdraw(ledger, names[0]) is None
        return take(listener, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(control.Listener, "take", too_late)
    beat = stage.live(scenario(start="now"), 10)
    assert stage.booked(beat.note).changes == ()
    assert len(stage.numbers()) == pytest.approx(100, abs=5)


def test_a_request_that_was_taken_cannot_be_withdrawn(stage: Stage) -> None:
    names = asked_at(stage, 5, rate(50))
    stage.live(scenario(start="now"), 10)
    with stage.ledger() as ledger:
        assert withdraw(ledger, names[0]) == stage.answer(names[0])
    assert stage.answer(names[0]) is not None


@pytest.mark.parametrize(
    ("played", "asked", "why"),
    [
        (scenario(start="now", limit={"tweets": 20}), rate(5), "the scenario is over; it had 20 records"),
        (scenario(start="now", trends=[{"hashtag": "#a", "at": 0, "hold": 99, "peak": 0.9}]), GOL, "trends would have 1.5"),
        (None, GOL, "a trend needs a scenario"),
    ],
    ids=["over", "no room", "none"],
)
def test_what_cannot_be_is_refused_with_a_way_and_nothing_is_booked(
    stage: Stage, played: object, asked: RateChange | TrendChange, why: str
) -> None:
    names = asked_at(stage, 5, asked)
    beat = stage.live(played, 10)  # type: ignore[arg-type]
    answer = stage.answer(names[0])
    assert answer is not None
    assert answer.refused.startswith(why)
    assert answer.way.startswith("make ")
    if played is not None:
        assert stage.booked(beat.note).changes == ()
        assert beat.phase in {FINISHED, "stopped"}


def test_a_run_is_changed_so_often_and_no_more(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MOST_CHANGES > 2
    monkeypatch.setattr("trending.producer.sources.changing.MOST_CHANGES", 2)
    names = asked_at(stage, 5, rate(5), rate(6), rate(7))
    beat = stage.live(scenario(start="now"), 10)
    assert len(stage.booked(beat.note).changes) == 2
    answers = [stage.answer(each) for each in names]
    assert sum(bool(each and each.refused) for each in answers) == 1


def test_without_a_scenario_the_simulators_rate_changes_and_the_next_life_knows_it(stage: Stage) -> None:
    names = asked_at(stage, 10, rate(40))
    stage.live(None, 20)
    assert stage.answer(names[0]) is not None
    assert by_second(stage)[15] == pytest.approx(40, abs=5)
    sent = len(stage.numbers())
    asked_at(stage, 4, rate(100, 2))
    asked_at(stage, 12, rate(None))
    beat = stage.live(None, 18)
    assert len(stage.numbers()) - sent == pytest.approx(4 * 40 + 2 * 100 + 6 * 40 + 6 * 2, rel=0.12)
    assert beat.figures["asked"] == 2


def test_a_rate_for_a_while_that_is_over_is_none_for_the_next_life(stage: Stage) -> None:
    asked_at(stage, 2, rate(100, 3))
    stage.live(None, 3)
    stage.kafka.clock.advance(10)
    sent = len(stage.numbers())
    stage.live(None, 10)
    assert len(stage.numbers()) - sent == pytest.approx(20, abs=3)
