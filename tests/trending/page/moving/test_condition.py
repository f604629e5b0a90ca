from __future__ import annotations

import pytest

from trending.page.moving.condition import BrokerWitness, Condition, program_condition
from trending.programs.heartbeat import FINISHED, WAITING, Heartbeat

NOW = 1000.0


def beat(phase: str = "running", at: float = NOW, **figures: float) -> Heartbeat:
    return Heartbeat(at, 1, phase, figures)


@pytest.mark.parametrize(
    ("heartbeat", "expected"),
    [
        (None, Condition.ABSENT),
        (beat(), Condition.WELL),
        (beat(at=NOW - 9), Condition.WELL),
        (beat(at=NOW - 11), Condition.STALE),
        (beat("stopped"), Condition.ABSENT),
        (beat("starting the session"), Condition.STARTING),
        (beat(WAITING), Condition.STARTING),
        (beat(FINISHED), Condition.WELL),
        (beat("broker lost"), Condition.TROUBLED),
        (beat("waiting for the broker"), Condition.TROUBLED),
        (beat("broker lost", at=NOW - 60), Condition.STALE),
    ],
)
def test_a_program_is_known_by_its_heartbeat(heartbeat: Heartbeat | None, expected: Condition) -> None:
    assert program_condition(heartbeat, NOW) is expected


def test_nobody_who_lives_means_nothing_is_known_of_the_broker() -> None:
    assert BrokerWitness().judge(None, beat(at=NOW - 60), NOW) is Condition.UNKNOWN


def test_the_broker_is_well_while_tweets_are_acknowledged_and_in_trouble_when_they_only_wait() -> None:
    witness = BrokerWitness()
    assert witness.judge(beat(acknowledged=5, queued=2), beat(), NOW) is Condition.WELL
    assert witness.judge(beat(acknowledged=5, queued=9), beat(), NOW + 4) is Condition.WELL
    assert witness.judge(beat(acknowledged=5, queued=9), beat(), NOW + 6) is Condition.TROUBLED
    assert witness.judge(beat(acknowledged=6, queued=9), beat(), NOW + 7) is Condition.WELL


def test_a_slow_producer_with_nothing_waiting_is_no_sign_of_trouble() -> None:
    witness = BrokerWitness()
    for later in (0, 5, 9):
        assert witness.judge(beat(acknowledged=5, queued=0), None, NOW + later) is Condition.WELL


def test_a_stream_that_lost_the_broker_is_believed() -> None:
    assert BrokerWitness().judge(beat(acknowledged=1), beat("broker lost"), NOW) is Condition.TROUBLED
