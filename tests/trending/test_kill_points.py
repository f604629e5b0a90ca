"""Producer and stream killed at every step that leaves a trace: nothing is lost or counted twice, no letter is missing."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.audits.pipeline import OF_A_PLAY, STEPS, KillPoints, Pipeline
from fakes.trending.counting import TOPIC
from fakes.trending.kafka import FakeKafka, FakeTime
from fakes.trending.memory import folder_in_memory
from fakes.trending.scenarios import scenario

from trending.simulator.records import Records
from trending.simulator.truth import intended
from trending.tweets.record_id import parse_record_key

if TYPE_CHECKING:
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


def run(kafka: FakeKafka, folder: Path, points: KillPoints, *, arrives: bool, played: str) -> Pipeline:
    """Run a pipeline to its end: two turns of sending and counting, with records of others in between."""
    pipeline = Pipeline(folder, kafka, points, arrives=arrives, scenario=played)
    for _turn in range(2):
        # A life that goes on with a scenario looks for two seconds at what has arrived.
        pipeline.produce(3.5 if played else 1.2)
        for value in POISON:
            kafka.append(TOPIC, value)
        pipeline.stream()
    return pipeline


def once(at: int | None, *, arrives: bool, played: str = "") -> tuple[Pipeline, AuditReport, KillPoints]:
    """Run a pipeline of its own, killed at a point, and audit it."""
    kafka = FakeKafka(FakeTime())
    kafka.create(TOPIC)
    kafka.create("letters")
    points = KillPoints(at)
    with folder_in_memory() as folder, pytest.MonkeyPatch.context() as patch:
        for module in ("kafka.log_reader", "producer.program"):
            patch.setattr(f"trending.{module}.time", kafka.clock)
        for name in ("trending.kafka.log_reader.AdminClient", "trending.kafka.shown_offsets.AdminClient"):
            patch.setattr(name, kafka.admin)
        patch.setattr("trending.kafka.log_reader.Consumer", kafka.consumer)
        points.put_in_place(patch, kafka)
        pipeline = run(kafka, Path(folder), points, arrives=arrives, played=played)
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
