"""A scenario that is played into a Kafka without broker, over several lives."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fakes.trending.acknowledged import acknowledged_ids
from fakes.trending.kafka import MIDNIGHT
from fakes.trending.sources.scenarios import scenario
from fakes.trending.stage import Stage

from trending.kafka.log_reader import read_log
from trending.producer import ledger_writer, reading_back
from trending.producer.ledger import read_ledger
from trending.producer.places.opened import OpenedLedger, opened
from trending.producer.sources import play, sharing
from trending.producer.sources.booked import Booked, Shift
from trending.producer.sources.play import PAUSE_SECONDS, SETTLE_SECONDS
from trending.programs.heartbeat import FINISHED, WAITING, read_heartbeat
from trending.settings import Rule, WindowTime
from trending.simulator.records import Records
from trending.simulator.truth import intended
from trending.tweets.rule import Kind, classify

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

    from trending.kafka.log_reader import Record

SPOILED = {
    "window_time": "event",
    "tweets": {"hashtags": {"0": 0.1, "1": 0.8, "2": 0.1}},
    "mischief": {
        "late": {"share": 0.05, "seconds": [130, 300]},
        "out_of_order": {"share": 0.1, "seconds": 20},
        "corrupt": 0.1,
        "duplicated": 0.05,
        "future": 0.05,
    },
}
NOW = {"start": "now"}


@pytest.fixture
def stage(kafka: FakeKafka, tmp_path: Path) -> Stage:
    return Stage(kafka, tmp_path)


def test_records_are_sent_when_they_are_due_and_booked_as_what_they_are(stage: Stage) -> None:
    played = scenario(**SPOILED, **NOW, rate={"base": 20, "arrivals": "poisson"})
    beat = stage.live(played, 30)
    assert stage.numbers() == list(range(len(stage.numbers())))
    assert len(stage.numbers()) == pytest.approx(600, rel=0.15)
    stage.require_as_planned(played, beat.note)
    booked, block = stage.booked(beat.note), Records(played).block(0)
    for number, _value, append_time in stage.log()[0]:
        assert append_time == pytest.approx((booked.begin + block.due[number]) / 1000, abs=0.3)


def test_the_truth_about_what_was_sent_is_what_the_log_says(stage: Stage) -> None:
    played = scenario(**SPOILED, **NOW, rate={"base": 20})
    booked = stage.booked(stage.live(played, 60).note)
    log = stage.log()[0]
    truth = intended(Records(played), range(len(log)), booked.begins, 60)
    verdicts = [classify(value, append_time, Rule(WindowTime.EVENT)) for _number, value, append_time in log]
    assert Counter(each.label for each in verdicts if each.kind is Kind.REJECT) == truth.rejected
    assert Counter((int(each.time // 60 * 60), each.label) for each in verdicts if each.kind is Kind.TWEET) == truth.tweets
    assert sum(each.kind is Kind.UNTAGGED for each in verdicts) == truth.untagged > 0


def test_a_play_opens_its_ledger_once(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    played = scenario(**NOW)
    stage.live(played, 5)
    ledgers: list[OpenedLedger] = []
    for module in (play, sharing, reading_back):
        monkeypatch.setattr(module, "opened", lambda path: ledgers.append(opened(path)) or ledgers[-1])
    again = play.Play(stage.spec(played), lambda: 0.0)
    assert (again.resumed, len(ledgers)) == (True, 1)
    again.close()


def test_a_scenario_begins_with_the_next_whole_window(stage: Stage) -> None:
    stage.kafka.clock.advance(13.5)
    at = MIDNIGHT + stage.kafka.clock.now
    stage.at(2, lambda: stage.phases.append(stage_phase(stage)))
    beat = stage.live(scenario(), 70)
    begin = -int(-at // 60) * 60
    assert stage.booked(beat.note).begin == begin * 1000
    times = [append_time for _number, _value, append_time in stage.log()[0]]
    assert begin <= times[0] < begin + 0.3
    assert stage.phases == [WAITING]


def stage_phase(stage: Stage) -> str:
    beat = read_heartbeat(stage.directory / "producer.json")
    return beat.phase if beat else ""


def test_another_life_goes_on_where_the_last_one_was(stage: Stage) -> None:
    played = scenario(**SPOILED, **NOW)
    first = stage.live(played, 20)
    sent = len(stage.numbers())
    second = stage.live(played, 20)
    assert first.note == second.note
    assert stage.numbers() == list(range(len(stage.numbers())))
    assert len(stage.numbers()) > sent + 100
    stage.require_as_planned(played, first.note)


@pytest.mark.parametrize("pause", [0, 20])
@pytest.mark.parametrize("partitions", [1, 3])
@pytest.mark.parametrize("arrived", [0, 1, 7, 40])
def test_of_what_was_under_way_only_what_is_absent_is_sent_again(
    stage: Stage, partitions: int, arrived: int, pause: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage.kafka.create("tweets", partitions)
    # Many copies: some arrive whose tweets, of another partition, do not, and come later by the pause.
    spoiled = {**SPOILED, "mischief": {**SPOILED["mischief"], "duplicated": 0.3}}  # type: ignore[dict-item]
    played = scenario(**spoiled, **NOW, rate={"base": 30})

    class Killed(BaseException):
        pass

    def kill() -> None:
        raise Killed

    stage.at(10, lambda: setattr(stage.kafka, "frozen", True))
    stage.at(13, kill)
    ledgers: list[OpenedLedger] = []
    for module in (ledger_writer, play):
        monkeypatch.setattr(module, "opened", lambda path: ledgers.append(opened(path)) or ledgers[-1])
    with pytest.raises(Killed):
        stage.live(played, 100)
    for ledger in ledgers:
        ledger.close()
    left = stage.kafka.producers[-1].abandon()
    stage.kafka.frozen = False
    assert len(left) > 60
    # Of each partition a beginning arrives; of one of several partitions nothing does.
    for partition in range(1 if partitions > 1 else 0, partitions):
        for queued in [each for each in left if each.partition == partition][:arrived]:
            stage.kafka.append("tweets", queued.value, partition=partition, key=queued.key)
    stage.kafka.clock.advance(pause)
    run = stage.live(played, 15).note
    assert stage.numbers() == list(range(len(stage.numbers())))
    assert len(stage.numbers()) > 300 + len(left)
    assert len(read_ledger(stage.directory / "ledger.sqlite").reserved) == 1
    stage.require_as_planned(played, run)


def test_what_arrives_while_the_next_life_looks_is_seen(stage: Stage) -> None:
    played = scenario(**NOW)
    run = stage.live(played, 10).note
    sent = len(stage.numbers())
    value = b'{"hashtag_principal":"#a","timestamp":1,"usuario":"u","texto":"t"}'
    stage.at(SETTLE_SECONDS / 2, lambda: stage.kafka.append("tweets", value, key=f"t1:{run}:{sent}".encode()))
    stage.live(played, 10)
    assert stage.numbers() == list(range(len(stage.numbers())))


def test_nothing_is_sent_while_it_is_not_known_what_has_arrived(stage: Stage) -> None:
    played = scenario(**NOW)
    stage.live(played, 10)
    sent = stage.numbers()
    stage.kafka.silent.add(("tweets", 0))
    stage.kafka.append("tweets", b"of others")
    beat = stage.live(played, 40)
    assert len(stage.kafka.logs["tweets"][0]) == len(sent) + 1
    assert beat.figures["sent"] == 0
    stage.kafka.silent.clear()


def test_what_others_have_sent_meanwhile_keeps_no_scenario_from_going_on(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading past it takes longer than one look may: each look goes on where the one before had to end."""
    played = scenario(**NOW)
    run = stage.live(played, 10).note
    sent = len(stage.numbers())
    others = int(2.5 * reading_back.READING_SECONDS)
    for _each in range(others):
        stage.kafka.append("tweets", b"of others")
    read: list[int] = []

    def slowly(*question: Any) -> Iterator[Record]:
        for record in read_log(*question):
            question[-1]()
            stage.kafka.clock.advance(1)
            read.append(record.offset)
            yield record

    monkeypatch.setattr(reading_back, "read_log", slowly)
    beat = stage.live(played, 60)
    assert len(read) == others
    assert (beat.note, beat.figures["sent"] > 100) == (run, True)
    ledger = read_ledger(stage.directory / "ledger.sqlite")
    assert len(acknowledged_ids(ledger, {})) == sent + beat.figures["acknowledged"]


@pytest.mark.parametrize("partitions", [1, 3])
def test_a_pause_shifts_what_comes_after_it_and_nothing_else(stage: Stage, partitions: int) -> None:
    stage.kafka.create("tweets", partitions)
    played = scenario(**SPOILED, **NOW)
    run = stage.live(played, 10).note
    before = stage.log()
    stage.kafka.clock.advance(100)
    stage.live(played, 20)
    booked = stage.booked(run)
    assert {each.partition for each in booked.shifts} == set(range(partitions))
    assert all(each.milliseconds == pytest.approx(102_000, abs=1_500) for each in booked.shifts)
    for partition, records in before.items():
        assert stage.log()[partition][: len(records)] == records
    stage.require_as_planned(played, run)
    fates = Records(played).block(0).fates
    for number, value, append_time in [each for records in stage.log().values() for each in records]:
        if classify(value, append_time, Rule(WindowTime.EVENT)).label.startswith("late"):
            assert fates[number] == 1


def test_a_short_pause_is_made_up_for(stage: Stage) -> None:
    played = scenario(**NOW)
    run = stage.live(played, 10).note
    stage.kafka.clock.advance(PAUSE_SECONDS - 2 * SETTLE_SECONDS - 1)
    stage.live(played, 10)
    assert stage.booked(run).shifts == ()
    assert len(stage.numbers()) == pytest.approx(220, abs=3)


def test_a_clock_that_is_set_back_shifts_the_other_way(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    clock, back = stage.kafka.clock, [0.0]
    monkeypatch.setattr(clock, "time", lambda: MIDNIGHT + clock.now - back[0])
    stage.at(10, lambda: back.__setitem__(0, 3_600))
    run = stage.live(scenario(**NOW), 20).note
    (shift,) = stage.booked(run).shifts
    assert shift.milliseconds == pytest.approx(-3_600_000, abs=500)
    assert len(stage.numbers()) == pytest.approx(200, abs=10)
    stage.require_as_planned(scenario(**NOW), run)


def test_a_scenario_that_is_over_stays_over(stage: Stage) -> None:
    played = scenario(**NOW, limit={"tweets": 50})
    stage.at(15, lambda: stage.phases.append(stage_phase(stage)))
    stage.live(played, 20)
    assert stage.numbers() == list(range(50))
    stage.at(15, lambda: stage.phases.append(stage_phase(stage)))
    assert stage.live(played, 20).figures["sent"] == 0
    assert stage.phases == [FINISHED, FINISHED]
    assert stage.numbers() == list(range(50))
    stage.kafka.silent.add(("tweets", 0))
    stage.kafka.append("tweets", b"of others")
    stage.at(5, lambda: stage.phases.append(stage_phase(stage)))
    stage.live(played, 10)
    assert stage.phases[-1] == FINISHED, "all of it is acknowledged: there is nothing to read back"
    stage.kafka.silent.clear()


def test_another_seed_is_another_run_and_begins_anew(stage: Stage) -> None:
    first = stage.live(scenario(**NOW, seed=1), 5)
    second = stage.live(scenario(**NOW, seed=2), 5)
    third = stage.live(None, 5)
    fourth = stage.live(scenario(**NOW, seed=2), 5)
    runs = [each.note for each in (first, second, third, fourth)]
    assert len(set(runs)) == 4
    ledger = read_ledger(stage.directory / "ledger.sqlite")
    assert {run for run, _sequence in acknowledged_ids(ledger, {})} == set(runs)


def test_each_partition_has_shifts_of_its_own() -> None:
    shifts = (Shift(0, 20, 5_000), Shift(1, 35, 5_000), Shift(0, 60, 9_000), Shift(1, 60, 9_000))
    booked = Booked("run", "topic", "hash", scenario().model_dump_json(by_alias=True), 2, 10, 1_000_000, 0, shifts)
    numbers = np.array([0, 15, 25, 30, 34, 35, 41, 55, 61, 75])
    found = (booked.begins(numbers) - 1_000_000).tolist()
    assert found == [0, 0, 5_000, 0, 0, 5_000, 5_000, 5_000, 9_000, 9_000]


@pytest.mark.parametrize("skew", [0.01, 0.5, 0.77, 0.99])
def test_a_skew_is_the_share_of_the_first_partition_and_the_others_have_equal_parts(skew: float, stage: Stage) -> None:
    stage.kafka.create("tweets", 3)
    played = scenario(**{**SPOILED, "tweets": {"partitions": {"skew": skew}}}, **NOW, rate={"base": 30})
    stage.live(played, 20)
    run = stage.live(played, 20).note
    stage.require_as_planned(played, run)
    first, *others = (len(records) for records in stage.log().values())
    assert first / (first + sum(others)) == pytest.approx(skew, abs=0.02)
    assert others[0] == pytest.approx(others[1], abs=30)
    booked = stage.booked(run)
    numbers = np.arange(3_000)
    assert booked.partitions_of(numbers).tolist() == [booked.partition(number) for number in range(3_000)]
    far = np.arange(10**12, 10**12 + 200_000)
    assert np.mean(booked.partitions_of(far) == 0) == pytest.approx(skew, abs=0.01)


def test_the_key_is_the_user_and_the_id_is_in_the_header(stage: Stage) -> None:
    stage.kafka.create("tweets", 2)
    played = scenario(**{**SPOILED, "tweets": {"key": "usuario"}}, **NOW)
    stage.live(played, 10)
    stage.at(5, lambda: setattr(stage.kafka, "frozen", True))
    stage.at(6, lambda: setattr(stage.kafka, "frozen", False))
    run = stage.live(played, 20).note
    assert stage.numbers() == list(range(len(stage.numbers())))
    assert len(stage.numbers()) > 200
    stage.require_as_planned(played, run)
    tweets = 0
    for message in [message for log in stage.kafka.logs["tweets"] for message in log]:
        value, key = message.value() or b"", message.key()
        assert isinstance(key, bytes)
        assert key.decode() in played.tweets.users
        tweets += b'"usuario":"' + key + b'"' in value
    assert tweets > 150
