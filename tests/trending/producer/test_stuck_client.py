"""A client that is stuck is told from a broker that is away."""

from __future__ import annotations

from fakes.clock import FakeClock

from trending.producer.stuck_client import ASK_SECONDS, QUIET_SECONDS, STUCK_SECONDS, StuckClient


class Broker:
    """A broker that names leaders or does not, and counts how often it was asked."""

    def __init__(self) -> None:
        self.leaders = True
        self.questions = 0
        self.answers = 1
        """Of so many questions one is answered in time."""

    def leaders_known(self) -> bool:
        self.questions += 1
        return self.leaders and self.questions % self.answers == 0


def watch(seconds: float, watcher: StuckClient, clock: FakeClock, acknowledged: int = 7, queued: int = 50) -> bool:
    """Look ten times a second; returns whether it was ever called stuck."""
    stuck = False
    for _look in range(int(seconds * 10)):
        clock.advance(0.1)
        stuck = stuck or watcher.look(acknowledged, queued)
    return stuck


def test_a_client_that_sends_nothing_although_leaders_are_known_is_stuck() -> None:
    clock, broker = FakeClock(), Broker()
    watcher = StuckClient(broker.leaders_known, clock.monotonic)
    assert not watch(QUIET_SECONDS + STUCK_SECONDS - 1, watcher, clock)
    assert watch(ASK_SECONDS + 2, watcher, clock)


def test_a_broker_that_is_away_is_waited_for_however_long_it_takes() -> None:
    clock, broker = FakeClock(), Broker()
    broker.leaders = False
    watcher = StuckClient(broker.leaders_known, clock.monotonic)
    assert not watch(3600, watcher, clock)
    broker.leaders = True
    assert not watch(STUCK_SECONDS - 1, watcher, clock), "it is given time to notice that its broker is back"
    assert not watcher.look(8, 49)
    assert not watch(QUIET_SECONDS + STUCK_SECONDS - 1, watcher, clock, acknowledged=8), "an acknowledgement starts it all anew"


def test_an_empty_queue_is_no_silence() -> None:
    clock, broker = FakeClock(), Broker()
    watcher = StuckClient(broker.leaders_known, clock.monotonic)
    assert not watch(600, watcher, clock, queued=0)
    assert broker.questions == 0


def test_leaders_that_come_and_go_are_no_proof() -> None:
    clock, broker = FakeClock(), Broker()
    watcher = StuckClient(broker.leaders_known, clock.monotonic)
    for _time in range(20):
        broker.leaders = not broker.leaders
        assert not watch(STUCK_SECONDS - 2 * ASK_SECONDS, watcher, clock)


def test_a_busy_broker_that_answers_every_third_question_in_time_is_not_away() -> None:
    clock, broker = FakeClock(), Broker()
    broker.answers = 3
    watcher = StuckClient(broker.leaders_known, clock.monotonic)
    assert watch(QUIET_SECONDS + STUCK_SECONDS + 6 * ASK_SECONDS, watcher, clock)


def test_a_client_that_is_acknowledged_asks_nothing() -> None:
    clock, broker = FakeClock(), Broker()
    watcher = StuckClient(broker.leaders_known, clock.monotonic)
    for acknowledged in range(600):
        assert not watch(0.5, watcher, clock, acknowledged=acknowledged)
    assert broker.questions == 0
