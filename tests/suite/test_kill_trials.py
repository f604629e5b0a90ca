"""The kills of ``make soak`` and of tests/real/test_kill_points.py, on a stack that is played."""

from __future__ import annotations

import os
import pkgutil
import signal
import subprocess
import sys
from collections import Counter
from random import Random
from types import SimpleNamespace
from typing import TYPE_CHECKING, cast

import pytest
from fakes.clock import FakeClock
from hypothesis import given
from hypothesis import strategies as st
from kills import points
from kills.governor import ENOUGH_BEHIND, MOST_BEHIND, Governor
from kills.ground import StackGround
from kills.plan import LONGEST_DELAY_SECONDS, SoakForm, Strike, Target, at, choose, shared_scenario, times
from kills.points import BY_NAME, POINTS, PRODUCER, STEPS, STREAM, Point, Step
from kills.program import trapped
from kills.trap import Death, Trap
from kills.trial import LIMIT_SECONDS, Blow, Trial, lines_of, require_deaths

from infra.host.paths import CHECKOUT
from infra.stack.declaration import Program
from trending.errors import NotSurvived
from trending.programs.heartbeat import Heartbeat
from trending.simulator.loading import load_scenario

if TYPE_CHECKING:
    from pathlib import Path

    from real.harness import RealStack

COMMIT = BY_NAME["producer, before the ledger's commit"]
STORED = BY_NAME["stream, after the store's commit"]
LETTERS = BY_NAME["stream, before the letters' transaction ends"]
RESERVED = BY_NAME["producer, after ids are reserved in the ledger"]


class FakeGround:
    """A stack whose programs reach a point a second after they are armed, and work again five seconds after a death."""

    def __init__(self, clock: FakeClock) -> None:
        self.clock = clock
        self.armed: list[Point] = []
        self.done: list[str] = []
        self.unreachable: set[Point] = set()
        self.forgiven = 0
        self.poisoned = 0
        self.back_at = 0.0
        self.back_seconds = 5.0
        self.comes_back = True
        self.reached_at = 0.0
        self.records = 0

    def arm(self, points: list[Point]) -> None:
        self.armed = list(points)
        self.reached_at = self.clock.now + 1.0

    def left(self) -> list[str]:
        if self.armed and self.clock.now >= self.reached_at and self._reaches(self.armed[0]):
            self._die(self.armed.pop(0).name)
            self.reached_at = self.clock.now + 1.0
        return [point.name for point in self.armed]

    def _reaches(self, point: Point) -> bool:
        return point not in self.unreachable and (not point.step.rejecting or self.poisoned > 0)

    def kill(self, target: Target) -> None:
        self._die(str(target))

    def _die(self, name: str) -> None:
        self.done.append(name)
        self.back_at = self.clock.now + self.back_seconds

    def poison(self) -> None:
        self.poisoned += 1

    def forgive(self) -> None:
        self.forgiven += 1

    def progress(self) -> dict[str, float]:
        moving = self.comes_back and self.clock.now >= self.back_at
        return dict.fromkeys((PRODUCER, STREAM), self.clock.now if moving else 0.0)

    def behind(self) -> int:
        return self.records

    def last_words(self) -> str:
        return "the last line"


@pytest.mark.parametrize("step", STEPS, ids=lambda step: step.name)
def test_every_step_is_a_function_that_its_program_has(step: Step) -> None:
    assert callable(getattr(pkgutil.resolve_name(step.owner), step.function))


def test_no_two_points_have_one_name() -> None:
    assert len(BY_NAME) == len(POINTS) == 2 * len(STEPS)


def test_points_are_laid_before_and_after_the_steps_of_one_program(monkeypatch: pytest.MonkeyPatch) -> None:
    class Owner:
        def work(self, number: int, *, more: int) -> int:
            reached.append("working")
            return number + more

    reached: list[str] = []
    monkeypatch.setattr(points.pkgutil, "resolve_name", lambda _name: Owner)
    mine, other = Step(PRODUCER, "the work", "owner", "work"), Step(STREAM, "other work", "owner", "missing")
    monkeypatch.setattr(points, "STEPS", (mine, other))
    points.lay(PRODUCER, reached.append)
    assert Owner().work(1, more=2) == 3
    assert reached == ["producer, before the work", "working", "producer, after the work"]


def test_a_trap_is_sprung_once_a_life_and_in_its_order(tmp_path: Path) -> None:
    killed: list[int] = []
    trap = Trap(tmp_path, PRODUCER, lambda: killed.append(1))
    trap.reach("a")
    assert (killed, trap.left(), trap.deaths()) == ([], [], [])
    trap.arm(["a", "b"])
    trap.reach("b")
    assert killed == [], "its turn comes later"
    trap.reach("a")
    trap.reach("a")
    assert (len(killed), trap.left()) == (1, ["b"])
    trap.reach("b")
    assert (len(killed), trap.left()) == (2, [])
    assert [(death.pid, death.point) for death in trap.deaths()] == [(os.getpid(), "a"), (os.getpid(), "b")]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".deaths"], "no half-written file is left"


def test_a_trap_is_disarmed_by_nothing(tmp_path: Path) -> None:
    trap = Trap(tmp_path, PRODUCER)
    trap.arm(["a"])
    trap.arm([])
    trap.reach("a")
    assert trap.left() == []


@pytest.mark.parametrize("name", [PRODUCER, "producer-2"])
def test_a_program_with_a_trap_is_the_program_and_is_killed_at_the_point(name: str, tmp_path: Path) -> None:
    """The real producer, which no broker answers, beats; it is killed by the signal and says where."""
    specification = tmp_path / "producer.json"
    specification.write_text(
        '{"bootstrap": "localhost:1", "topic": "t", "topic_id": "i", "settings": {}, "catalogue_hash": "", '
        f'"heartbeat": "{tmp_path}/beat.json", "ledger": "{tmp_path}/ledger.sqlite"}}',
        encoding="utf-8",
    )
    plain = Program(name, (sys.executable, "-m", "trending.producer", str(specification)), {}, 30, "before")
    laid = trapped(plain, tmp_path)
    assert laid.drift_hash != plain.drift_hash
    Trap(tmp_path, name).arm(["producer, after the heartbeat"])
    done = subprocess.run(
        laid.command,
        env={**os.environ, **laid.environment},
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert (tmp_path / "beat.json").exists()
    assert [death.point for death in Trap(tmp_path, name).deaths()] == ["producer, after the heartbeat"]


@given(st.integers(0, 2**32), st.integers(0, 40), st.integers(0, 40))
def test_a_plan_has_as_many_kills_as_asked_for_and_spares_the_stream(seed: int, kills: int, dear: int) -> None:
    strikes = choose(Random(seed), kills, dear)
    assert sum(strike.kills for strike in strikes) == kills
    assert sum(strike.kills for strike in strikes if STREAM in strike.hits) <= dear
    for strike in strikes:
        assert len({point.program for point in strike.points}) <= 1
        assert 0 <= strike.delay <= LONGEST_DELAY_SECONDS
        if strike.points and strike.points[0].step.first:
            assert strike.target is not None, "nothing would reach it"
    when = times(Random(seed), strikes, 60)
    assert when == sorted(when)
    assert len(when) == len(strikes)
    assert all(0 <= each <= 60 for each in when)


def test_a_seed_repeats_its_plan_and_another_has_another() -> None:
    assert choose(Random(5), 20, 20) == choose(Random(5), 20, 20)
    assert choose(Random(5), 20, 20) != choose(Random(6), 20, 20)


def test_a_long_soak_has_every_target_every_step_and_deaths_in_a_row() -> None:
    strikes = choose(Random(1), 1000, 1000)
    assert {strike.target for strike in strikes} == {None, *Target}
    assert {point for strike in strikes for point in strike.points} == set(POINTS)
    assert Counter(len(strike.points) for strike in strikes)[2] > 50


def test_a_point_at_the_beginning_of_a_life_comes_after_a_death() -> None:
    assert at(COMMIT, Random(1)) == Strike((COMMIT,))
    assert at(RESERVED, Random(1)).target is Target.PRODUCER
    assert at(BY_NAME["stream, after the session is built"], Random(1)).target is Target.DRIVER
    assert str(Strike((COMMIT,), Target.JVM)) == "JVM at some moment; producer, before the ledger's commit"


def test_a_strike_ends_when_the_programs_work_again() -> None:
    clock = FakeClock()
    ground = FakeGround(clock)
    blow = Trial(ground, clock, print).strike(Strike((COMMIT, RESERVED), Target.PRODUCER, 2.0), clock.now - 7)
    assert ground.done == ["producer", COMMIT.name, RESERVED.name]
    assert blow.at == pytest.approx(7.0)
    assert blow.back == pytest.approx(5.0, abs=0.2)
    assert ground.forgiven == 1
    assert ground.poisoned == 0


def test_a_point_of_the_dead_letters_is_reached_by_poison() -> None:
    clock = FakeClock()
    ground = FakeGround(clock)
    Trial(ground, clock, print).strike(Strike((LETTERS, STORED)), clock.now)
    assert ground.done == [LETTERS.name, STORED.name]
    assert ground.poisoned >= 2, "one may be in a batch that is over"


def test_a_point_that_is_never_reached_ends_the_trial() -> None:
    clock = FakeClock()
    ground = FakeGround(clock)
    ground.unreachable.add(STORED)
    with pytest.raises(NotSurvived, match="never reached: stream, after the store's commit") as raised:
        Trial(ground, clock, print).carry_out([Strike((STORED,))], [0.0])
    assert raised.value.evidence == "the last line"
    assert clock.now == pytest.approx(1000 + LIMIT_SECONDS, abs=0.3)


def test_each_point_has_a_limit_of_its_own() -> None:
    clock = FakeClock()
    ground = FakeGround(clock)
    ground.back_seconds = 1.0
    Trial(ground, clock, print, 1.5).strike(Strike((COMMIT, STORED, COMMIT, STORED)), clock.now)
    assert clock.now > 1004
    ground.unreachable.add(STORED)
    with pytest.raises(NotSurvived, match=f"never reached: {STORED}"):
        Trial(ground, clock, print, 1.5).strike(Strike((COMMIT, STORED, COMMIT)), clock.now)


def test_a_program_that_does_not_come_back_ends_the_trial() -> None:
    clock = FakeClock()
    ground = FakeGround(clock)
    ground.comes_back = False
    with pytest.raises(NotSurvived, match="did not come back: JVM at some moment"):
        Trial(ground, clock, print).strike(Strike((), Target.JVM), clock.now)


def test_strikes_come_at_their_times_or_at_once_when_they_are_late() -> None:
    clock = FakeClock()
    told: list[str] = []
    strikes = [Strike((COMMIT,)), Strike((STORED,)), Strike((), Target.BROKER)]
    blows = Trial(FakeGround(clock), clock, told.append).carry_out(strikes, [1.0, 2.0, 30.0])
    assert [blow.at for blow in blows] == [pytest.approx(1.0), pytest.approx(7.0, abs=0.5), pytest.approx(30.0)]
    assert [line[:14] for line in told] == [f"kill {n} of 3:  " for n in (1, 2, 3)]
    assert told[0].endswith(COMMIT.name)


def test_a_log_that_is_worked_off_slowly_is_waited_for_and_a_stream_that_stands_still_is_not() -> None:
    told: list[str] = []
    ground = FakeGround(FakeClock())

    def work() -> None:
        ground.records = max(0, ground.records - 1)

    ground.records = 2000
    clock = FakeClock(work)
    Trial(ground, clock, told.append).settle()
    assert clock.now > 1000 + LIMIT_SECONDS
    assert len(told) == pytest.approx(20, abs=1)
    ground.records = 3
    with pytest.raises(NotSurvived, match="stands still, 3 records behind"):
        Trial(ground, FakeClock(), told.append).settle()


class HeldGround:
    """Producers that are so many records ahead of the stream."""

    def __init__(self) -> None:
        self.records = 0.0
        self.asked: list[bool] = []

    def ahead(self) -> float:
        return self.records

    def hold(self, *, held: bool) -> None:
        self.asked.append(held)


def test_a_producer_is_held_back_while_the_stream_is_far_behind() -> None:
    ground = HeldGround()
    governor = Governor(ground)
    for behind, asked in (
        (0, []),
        (MOST_BEHIND, []),
        (MOST_BEHIND + 1, [True]),
        (MOST_BEHIND - 1, [True]),  # its next life is held too
        (ENOUGH_BEHIND, [True]),
        (ENOUGH_BEHIND - 1, [False]),
        (MOST_BEHIND, []),
    ):
        ground.records, ground.asked = behind, []
        governor.look()
        assert ground.asked == asked, behind
    assert governor.holds == 1
    ground.records, ground.asked = 0, []
    with governor:
        pass
    assert ground.asked == [False], "it is never left standing"


class ManyProducers:
    """A stack whose producers and stream have worked off so much of their partitions, by their heartbeats."""

    def __init__(self, directory: Path) -> None:
        settings = SimpleNamespace(producer=SimpleNamespace(producers=3))
        self.lab = SimpleNamespace(settings=settings, stack=SimpleNamespace(connection=SimpleNamespace(client=lambda _own: {})))
        self.beats = {"producer": {"0": 7}, "producer-2": {"1": 5}, "producer-3": {}, "stream": {"0": 4, "1": 5}}
        self.ground = StackGround(cast("RealStack", self), directory)

    def beat(self, program: str) -> Heartbeat:
        offsets = {f"offset.{partition}": float(offset) for partition, offset in self.beats[program].items()}
        return Heartbeat(0.0, 1, "running", {"acknowledged": 1.0, **offsets})


@pytest.fixture
def producers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ManyProducers:
    monkeypatch.setattr("kills.ground.Producer", lambda _configuration: None)
    return ManyProducers(tmp_path)


def test_each_strike_hits_the_next_of_several_producers(
    producers: ManyProducers, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ground, killed = producers.ground, list[str]()
    monkeypatch.setattr("kills.ground.program_process", lambda _lab, name: SimpleNamespace(kill=lambda: killed.append(name)))
    for program in ("producer", "producer-2", "producer-3", "producer"):
        ground.arm([COMMIT])
        assert ground.left() == Trap(tmp_path, program).left() == [COMMIT.name]
        assert ground.progress()[PRODUCER] == sum(producers.beats[program].values())
        ground.kill(Target.PRODUCER)
        assert killed.pop() == program
        Trap(tmp_path, program, lambda: None).reach(COMMIT.name)
        assert ground.left() == []
    ground.arm([STORED])
    assert Trap(tmp_path, STREAM).left() == [STORED.name]
    assert [death.point for death in ground.deaths()] == [COMMIT.name] * 4


def test_what_the_stream_has_not_counted_is_that_of_all_producers(producers: ManyProducers) -> None:
    assert producers.ground.ahead() == 12 - 9


def test_several_producers_of_a_soak_share_its_scenario_at_the_rate_asked_for(tmp_path: Path) -> None:
    assert shared_scenario(SoakForm(rate=20_000.0), tmp_path) == {}
    settings = shared_scenario(SoakForm(rate=20_000.0, producers=2), tmp_path)
    assert (settings["producers"], settings["partitions"]) == ("2", "2")
    played, ready = load_scenario(settings["scenario"]), load_scenario("soak")
    assert (played.rate.base, played.rate.wave) == (20_000.0, None)
    assert (played.hashtags, played.mischief, played.limit) == (ready.hashtags, ready.mischief, None)


def test_only_the_deaths_that_were_meant_count() -> None:
    strikes = [Strike((COMMIT, RESERVED)), Strike((STORED,)), Strike((), Target.JVM)]
    met = [Death(1.0, 11, COMMIT.name), Death(2.0, 21, STORED.name), Death(3.0, 12, RESERVED.name)]
    require_deaths(strikes, met)
    for wrong in (
        [],
        met[:2],
        [*met, Death(4.0, 13, COMMIT.name)],
        [met[2], met[1], met[0]],
        [*met[:2], met[2]._replace(pid=11)],
    ):
        with pytest.raises(NotSurvived, match="did not die at the points that were meant"):
            require_deaths(strikes, wrong)


def test_the_report_has_each_point_with_its_number_and_times() -> None:
    blows = [
        Blow(Strike((STORED,)), 1.0, 10.0),
        Blow(Strike((STORED, LETTERS)), 20.0, 14.0),
        Blow(Strike((), Target.BROKER), 40.0, 3.0),
    ]
    assert lines_of(blows) == [
        "   1  back after   3.0 s, at most   3.0 s  broker, at some moment",
        f"   2  back after  12.0 s, at most  14.0 s  {STORED.name}",
        f"   1  back after  14.0 s, at most  14.0 s  {LETTERS.name}",
    ]
    assert lines_of([]) == []
