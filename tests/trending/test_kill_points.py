"""Producer and stream killed at every step that leaves a trace: nothing is lost or counted twice, no letter is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.audits.pipeline import OF_A_PLAY, STEPS, TAKE, KillPoints, Pipeline
from fakes.trending.counting import TOPIC
from fakes.trending.kafka import FakeKafka, FakeTime
from fakes.trending.memory import folder_in_memory
from fakes.trending.sources.scenarios import scenario

from trending.simulator.live.changes import RateChange, TrendChange
from trending.simulator.records import Records
from trending.simulator.truth import intended
from trending.tweets.record_id import parse_record_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trending.audit.audit_report import AuditReport

pytestmark = [pytest.mark.row(19), pytest.mark.row(20)]
POISON = (b"{not json", b'{"hashtag_principal":null,"timestamp":1}', b'{"usuario":"User_1","mensaje":"Hola Kafka","contador":1}')


SPOILED = scenario(
    start="now",
    rate={"base": 4},
    seed=3,
    tweets={"hashtags": {"0": 0.2, "1": 0.8}},
    mischief={"corrupt": 0.3, "duplicated": 0.2},
)


FASTER = RateChange.model_validate({"rate": 12, "for": 3})
GOL = TrendChange(hashtag="#Gol", hold=4, peak=0.7)


def run(
    kafka: FakeKafka,
    folder: Path,
    points: KillPoints,
    *,
    arrives: bool,
    played: str,
    asked: Sequence[RateChange | TrendChange] = (),
) -> Pipeline:
    """Run a pipeline to its end: two turns of sending and counting, with records of others in between."""
    pipeline = Pipeline(folder, kafka, points, arrives=arrives, scenario=played)
    for place, each in enumerate(asked):
        pipeline.ask(1.5 + place, each)
    for _turn in range(2):
        # A life that goes on with a scenario looks for two seconds at what has arrived.
        pipeline.produce(3.5 if played else 1.2)
        for value in POISON:
            kafka.append(TOPIC, value)
        pipeline.stream()
    return pipeline


def once(
    at: int | None, *, arrives: bool, played: str = "", asked: Sequence[RateChange | TrendChange] = ()
) -> tuple[Pipeline, AuditReport, KillPoints]:
    """Run a pipeline of its own, killed at a point, and audit it."""
    kafka = FakeKafka(FakeTime())
    kafka.create(TOPIC)
    kafka.create("letters")
    points = KillPoints(at)
    with folder_in_memory() as folder, pytest.MonkeyPatch.context() as patch:
        for module in ("kafka.log_reader", "producer.program"):
            patch.setattr(f"trending.{module}.time", kafka.clock)
        for module in ("kafka.log_reader", "kafka.shown_offsets", "producer.stuck_client"):
            patch.setattr(f"trending.{module}.AdminClient", kafka.admin)
        patch.setattr("trending.kafka.log_reader.Consumer", kafka.consumer)
        points.put_in_place(patch, kafka)
        pipeline = run(kafka, Path(folder), points, arrives=arrives, played=played, asked=asked)
        if asked:
            pipeline.answered = pipeline.answers()
            pipeline.played = pipeline.play() if played else None
        return pipeline, pipeline.audit(), points


def chosen(names: list[str], only: str) -> list[tuple[int, str]]:
    """Return place and name of the first and the last point of each name: a step has a beginning and an end, and may recur."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if only in name:
            places.setdefault(name, []).append(place)
    return [(place, name) for name, all_of_it in places.items() for place in sorted({all_of_it[0], all_of_it[-1]})]


@pytest.mark.parametrize("arrives", [False, True], ids=["what was under way is lost", "what was under way arrives"])
def test_killed_at_any_point_nothing_is_lost_and_nothing_counts_twice(*, arrives: bool) -> None:
    whole, report, points = once(None, arrives=arrives)
    assert report.clean
    assert whole.deaths == 0
    names = points.reached
    assert all(any(f"{program}: {step}" in name for name in names) for program, steps in STEPS.items() for _owner, step in steps)
    for at, name in chosen(names, only="producer" if arrives else ""):
        killed, report, _points = once(at, arrives=arrives)
        told = "\n".join([f"killed {name}, point {at} of {len(names)}", *report.lines(None)])
        assert killed.deaths == 1, told
        assert report.clean, told
        assert report.complete, told
        assert (report.lost, report.duplicated, report.in_flight) == (0, 0, 0), told
        assert report.unknown_arrived == 0, f"{told}\nthe next life reads back what arrived"
        assert report.letters_twice == 0, told
        assert sum(report.rejected.values()) == report.dead_letters == 2, told
        assert report.acknowledged >= len(killed.kafka.values(TOPIC)) - 2 * len(POISON) - report.unknown_arrived, told


def played_numbers(pipeline: Pipeline) -> list[int]:
    """Return the numbers of a scenario's records in the log; they all are of one run."""
    ids = [parse_record_key(message.key()) for message in pipeline.kafka.records(TOPIC) if isinstance(message.key(), bytes)]
    assert len({each[0] for each in ids if each}) == 1
    return [each[1] for each in ids if each]


@pytest.mark.parametrize("arrives", [False, True], ids=["what was under way is lost", "what was under way arrives"])
def test_a_scenario_killed_at_any_point_goes_on_with_the_record_that_is_absent(*, arrives: bool) -> None:
    played = SPOILED.model_dump_json(by_alias=True)
    whole, report, points = once(None, arrives=arrives, played=played)
    assert report.clean
    names = points.reached
    assert all(any(f"producer: {step}" in name for name in names) for step in OF_A_PLAY if step != "book_shifts")
    assert len(played_numbers(whole)) > 8
    for at, name in chosen(names, only="producer"):
        killed, report, _points = once(at, arrives=arrives, played=played)
        told = "\n".join([f"killed {name}, point {at} of {len(names)}", *report.lines(None)])
        assert killed.deaths == 1, told
        assert report.clean, told
        assert report.complete, told
        assert (report.lost, report.duplicated, report.in_flight, report.unknown_arrived) == (0, 0, 0, 0), told
        numbers = played_numbers(killed)
        assert numbers == list(range(len(numbers))), told
        truth = intended(Records(SPOILED), range(len(numbers)), lambda found: found * 0, 60)
        assert sum(report.rejected.values()) == report.dead_letters == truth.rejected.total() + 2, told
        assert report.untagged == truth.untagged + 2, told
        assert report.acknowledged == len(numbers), told
        (truth_found,) = report.truths
        assert (truth_found.found.as_intended, truth_found.absent) == (len(numbers), 0), told


@pytest.mark.parametrize("arrives", [False, True], ids=["what was under way is lost", "what was under way arrives"])
def test_a_change_is_on_disk_and_acknowledged_or_neither_wherever_the_producer_is_killed(*, arrives: bool) -> None:
    played = SPOILED.model_dump_json(by_alias=True)
    whole, report, points = once(None, arrives=arrives, played=played, asked=[FASTER, GOL])
    assert report.clean
    assert whole.played is not None
    assert [each.asked for each in whole.played.changes] == [FASTER, GOL]
    takes = [at for at, name in enumerate(points.reached) if TAKE in name]
    assert len(takes) == 4, "before and after each"
    others = [at for at, _name in chosen(points.reached, only="producer") if at > takes[0]]
    for at in sorted({*takes, *others}):
        killed, report, _points = once(at, arrives=arrives, played=played, asked=[FASTER, GOL])
        told = "\n".join([f"killed {points.reached[at]}, point {at}", *report.lines(None)])
        assert killed.deaths == 1, told
        assert report.clean, told
        assert (report.lost, report.duplicated, report.in_flight, report.unknown_arrived) == (0, 0, 0, 0), told
        numbers = played_numbers(killed)
        assert numbers == list(range(len(numbers))), told
        assert killed.played is not None
        changes = killed.played.changes
        # Whoever waits for an answer has one exactly when the change is booked; a request outlives the life that did not take it.
        assert [each and each.first for each in killed.answered] == [each.first for each in changes], told
        assert [each.asked for each in changes] == [FASTER, GOL], told
        (truth_found,) = report.truths
        assert (truth_found.found.as_intended, truth_found.absent) == (len(numbers), 0), told
        truth = intended(killed.played.records(), range(len(numbers)), lambda found: found * 0, 60)
        assert sum(report.rejected.values()) == report.dead_letters == truth.rejected.total() + 2, told
        assert report.untagged == truth.untagged + 2, told


def test_another_rate_of_a_producer_without_a_scenario_is_known_to_the_life_behind_a_kill() -> None:
    _whole, report, points = once(None, arrives=True, asked=[RateChange(rate=40)])
    assert report.clean
    for at in [place for place, name in enumerate(points.reached) if TAKE in name]:
        killed, report, _points = once(at, arrives=True, asked=[RateChange(rate=40)])
        told = "\n".join([f"killed {points.reached[at]}", *report.lines(None)])
        assert killed.deaths == 1, told
        assert report.clean, told
        assert killed.answered[0] is not None, told
        assert len(killed.kafka.values(TOPIC)) > 40, told
