"""Several producers share a scenario: one is killed at any step, and what is in the log is what one producer would have sent."""

from __future__ import annotations

import threading
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.audits.pipeline import DRAWS, OF_A_PLAY, TAKE, KillPoints, Pipeline
from fakes.trending.counting import TOPIC
from fakes.trending.kafka import FakeKafka
from fakes.trending.memory import folder_in_memory
from fakes.trending.sources.scenarios import scenario
from fakes.trending.sources.together import SharedTime

from trending.producer import program
from trending.simulator.live.changes import RateChange, TrendChange
from trending.simulator.truth import intended
from trending.tweets.record_id import identity_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from trending.audit.audit_report import AuditReport
    from trending.simulator.scenario import Scenario

SPOILED = scenario(
    start="now",
    limit={"tweets": 60},
    rate={"base": 12},
    seed=3,
    tweets={"hashtags": {"0": 0.2, "1": 0.8}},
    mischief={"corrupt": 0.2, "duplicated": 0.2},
)
FASTER = RateChange.model_validate({"rate": 30, "for": 2})
GOL = TrendChange(hashtag="#Gol", hold=4, peak=0.7)


class Run:
    """Producers that play a scenario on a topic of four partitions."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: str, played: Scenario, at: int | None, *, arrives: bool) -> None:
        self.clock = SharedTime()
        self.kafka = FakeKafka(self.clock)
        self.kafka.create(TOPIC, 4)
        self.kafka.create("letters")
        self.points = KillPoints(at)
        for module in ("kafka.log_reader", "producer.program", "producer.sources.sharing"):
            patch.setattr(f"trending.{module}.time", self.clock)
        for module in ("kafka.log_reader", "kafka.shown_offsets", "producer.stuck_client"):
            patch.setattr(f"trending.{module}.AdminClient", self.kafka.admin)
        patch.setattr("trending.kafka.log_reader.Consumer", self.kafka.consumer)
        self.points.put_in_place(patch, self.kafka)
        self.pipeline = Pipeline(
            Path(folder), self.kafka, self.points, arrives=arrives, scenario=played.model_dump_json(by_alias=True)
        )

    def play(self, seconds: float, producers: int) -> None:
        self.pipeline.produce_together(self.clock, seconds, producers)

    def numbers(self) -> dict[int, list[int]]:
        """Return partition → numbers, in the order of the log; all are of one run."""
        found, runs = {}, set()
        for partition in range(4):
            log = [(each.key(), each.headers() or ()) for each in self.kafka.records(TOPIC, partition)]
            headers = [{name: value for name, value in given if isinstance(value, bytes)} for _key, given in log]
            ids = [identity_of(key, each) for (key, _given), each in zip(log, headers, strict=True) if isinstance(key, bytes)]
            found[partition] = [each[1] for each in ids if each]
            runs |= {each[0] for each in ids if each}
        assert len(runs) == 1
        return found

    def require_each_once(self) -> int:
        """Return how many records there are: all up to that number, in order within each partition."""
        found, played = self.numbers(), self.pipeline.played
        assert played is not None
        assert all(numbers == sorted(set(numbers)) for numbers in found.values())
        assert all(played.partition(number) == partition for partition, numbers in found.items() for number in numbers)
        every = sorted(number for numbers in found.values() for number in numbers)
        assert every == list(range(len(every)))
        return len(every)

    def audit(self) -> AuditReport:
        self.pipeline.stream()
        return self.pipeline.audit()


def once(
    at: int | None,
    *,
    arrives: bool = False,
    producers: Sequence[int] = (3,),
    played: Scenario = SPOILED,
    asked: Sequence[RateChange | TrendChange] = (),
    seconds: float = 9.0,
    asked_at: float = 1.5,
) -> tuple[Run, AuditReport]:
    """Play in turns of so many producers, one of which is killed at a point, and audit."""
    with folder_in_memory() as folder, pytest.MonkeyPatch.context() as patch:
        found = Run(patch, folder, played, at, arrives=arrives)
        for place, each in enumerate(asked):
            found.pipeline.ask(asked_at + place, each)
        for number in producers:
            found.play(seconds, number)
        found.pipeline.answered = found.pipeline.answers() if asked else []
        found.pipeline.played = found.pipeline.play()
        return found, found.audit()


def hashtags_of(found: Run) -> Counter[bytes | None]:
    """Return the values of all records without their times, which tell when a run began."""
    values = [value for partition in range(4) for value in found.kafka.values(TOPIC, partition)]
    return Counter(value and value.partition(b'"timestamp"')[0] for value in values)


def chosen(names: list[str]) -> Iterator[int]:
    """Yield the first, the middle and the last point of each name."""
    places: dict[str, list[int]] = {}
    for place, name in enumerate(names):
        if "producer" in name:
            places.setdefault(name, []).append(place)
    for found in places.values():
        yield from sorted({found[0], found[len(found) // 2], found[-1]})


@pytest.mark.parametrize("tweets", [{}, {"key": "usuario", "partitions": {"skew": 0.6}}])
def test_one_two_three_and_four_producers_send_the_same_records(tweets: dict[str, object]) -> None:
    whole = {**SPOILED.model_dump(by_alias=True), "tweets": {"hashtags": {"0": 0.2, "1": 0.8}} | tweets}
    played = scenario(**whole)
    alone, report = once(None, producers=(1,), played=played)
    assert report.clean
    assert alone.require_each_once() == 60
    for producers in (2, 3, 4):
        found, report = once(None, producers=(producers,), played=played)
        assert report.clean
        assert report.complete
        assert report.truths[0].found.as_intended == 60
        assert found.numbers() == alone.numbers()
        assert hashtags_of(found) == hashtags_of(alone)


@pytest.mark.row(19)
@pytest.mark.parametrize("arrives", [False, True], ids=["what was under way is lost", "what was under way arrives"])
def test_one_of_three_killed_at_any_point_goes_on_in_its_partitions_while_the_others_play(*, arrives: bool) -> None:
    whole, report = once(None)
    assert report.clean
    names = whole.points.reached
    steps = [*(f"producer: {step}" for step in OF_A_PLAY if step != "book_shifts"), DRAWS]
    assert all(any(step in name for name in names) for step in steps)
    for at in chosen(names):
        found, report = once(at, arrives=arrives)
        told = "\n".join([f"killed {names[at]}, point {at} of {len(names)}", *report.lines(None)])
        assert found.pipeline.deaths == 1, told
        assert found.require_each_once() == 60, told
        assert report.clean, told
        assert report.complete, told
        assert (report.lost, report.duplicated, report.in_flight, report.unknown_arrived) == (0, 0, 0, 0), told
        assert report.acknowledged == 60, told
        (truth,) = report.truths
        assert (truth.found.as_intended, truth.absent) == (60, 0), told
        assert hashtags_of(found) == hashtags_of(whole), told


@pytest.mark.parametrize("turns", [(1, 3), (3, 1), (3, 2, 4), (2, 3, 1)])
def test_another_number_of_producers_goes_on_with_the_run(turns: tuple[int, ...]) -> None:
    played = SPOILED.model_copy(update={"limit": None})
    found, report = once(None, producers=turns, played=played, seconds=4.0)
    assert report.clean, "\n".join(report.lines(None))
    assert found.require_each_once() > 60
    (truth,) = report.truths
    assert truth.absent == 0
    assert truth.found.as_intended == found.require_each_once()


@pytest.mark.parametrize(("turns", "asked_at", "limit"), [((3,), 1.5, {"tweets": 100}), ((1, 3), 4.5, {"seconds": 12})])
def test_a_change_applies_from_a_record_that_no_producer_has_drawn_wherever_one_is_killed(
    turns: tuple[int, ...], asked_at: float, limit: dict[str, int]
) -> None:
    played = scenario(**SPOILED.model_dump(by_alias=True, exclude={"limit"}), limit=limit)

    def play(at: int | None) -> tuple[Run, AuditReport]:
        seconds = 12.0 if len(turns) == 1 else 4.0
        turn_of = turns if len(turns) == 1 else [*turns, turns[-1], turns[-1], turns[-1]]
        return once(at, arrives=True, producers=turn_of, played=played, asked=[FASTER, GOL], seconds=seconds, asked_at=asked_at)

    whole, report = play(None)
    assert report.clean, "\n".join(report.lines(None))
    names = whole.points.reached
    takes = [at for at, name in enumerate(names) if TAKE in name]
    assert whole.pipeline.played is not None
    assert [each.asked for each in whole.pipeline.played.changes] == [FASTER, GOL]
    for at in sorted({at for at in chosen(names) if at > takes[0]} | set(takes)):
        found, report = play(at)
        told = "\n".join([f"killed {names[at]}, point {at} of {len(names)}", *report.lines(None)])
        assert found.pipeline.deaths == 1, told
        assert report.clean, told
        assert found.pipeline.played is not None
        changes = found.pipeline.played.changes
        records = found.pipeline.played.records()
        assert found.require_each_once() == records.count, told
        assert [each and each.first for each in found.pipeline.answered] == [each.first for each in changes], told
        (truth,) = report.truths
        assert (truth.found.as_intended, truth.absent) == (records.count, 0), told
        wanted = intended(records, range(records.count), lambda numbers: numbers * 0, 60)
        assert sum(report.rejected.values()) == wanted.rejected.total(), told


def test_who_is_at_its_end_goes_on_when_a_change_moves_that() -> None:
    # Five records a turn and four partitions: the last ones before the end are those of one producer.
    played = scenario(start="now", limit={"seconds": 8}, rate={"base": 2}, seed=3)
    found, report = once(None, producers=(4,), played=played, asked=[FASTER], seconds=14.0, asked_at=4.5)
    assert report.clean
    assert found.pipeline.played is not None
    (change,) = found.pipeline.played.changes
    records = found.pipeline.played.records()
    assert records.count == found.require_each_once() > 40
    assert change.first < 16


def test_a_change_behind_what_is_drawn_already_is_refused_at_the_end() -> None:
    found, report = once(None, asked=[FASTER], asked_at=4.9)
    assert report.clean
    assert found.require_each_once() == 60
    (answer,) = found.pipeline.answered
    assert answer is not None
    assert answer.refused == "the scenario is over; it had 60 records"


def test_a_shift_of_one_producer_moves_its_partitions_only() -> None:
    with folder_in_memory() as folder, pytest.MonkeyPatch.context() as patch:
        played = SPOILED.model_copy(update={"limit": None})
        found = Run(patch, folder, played, None, arrives=True)
        found.play(6.0, 3)
        spec = found.pipeline.spec(1, 3)
        stop = threading.Event()
        found.clock.at(found.clock.now + 8.0, stop.set)
        # The second one comes back eight seconds after the others.
        late = partial(after, found.clock, 8.0, partial(program.main, spec, stop))
        others = [partial(program.main, found.pipeline.spec(place, 3), stop) for place in (0, 2)]
        found.clock.run([*others, late], lambda *_died: False)
        found.play(6.0, 3)
        found.pipeline.played = found.pipeline.play()
        assert {each.partition for each in found.pipeline.played.shifts} == {1}
        report = found.audit()
    told = "\n".join(report.lines(None))
    assert report.clean, told
    (truth,) = report.truths
    assert truth.holds, told
    assert found.numbers()[1] == sorted(found.numbers()[1])


def after(clock: SharedTime, seconds: float, program_of: Callable[[], None]) -> None:
    clock.sleep(seconds)
    program_of()
