from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.producer.schedule import MAX_BURST, Schedule


@given(st.floats(0.05, 1_000_000), st.integers(1, 400))
def test_whoever_sends_what_is_due_keeps_the_rate_and_has_no_debt(rate: float, looks: int) -> None:
    schedule, now, sent = Schedule(rate, 100.0), 100.0, 0
    for _look in range(looks):
        sent += (due := schedule.due(now, sent))
        assert due == 0 or schedule.burst <= due <= MAX_BURST
        assert schedule.debt(now, sent) <= (0 if rate * 0.001 < MAX_BURST else rate)
        now += min(0.001, schedule.wait(now, sent) or 0.001)
    assert sent <= (now - 100.0) * rate + 1


def test_slow_tweets_go_out_one_by_one_and_fast_ones_in_bursts() -> None:
    assert [Schedule(rate, 0.0).burst for rate in (0.1, 1, 99, 1_000, 20_000, 1_000_000)] == [1, 1, 1, 10, 200, MAX_BURST]


def test_the_wait_ends_when_the_next_burst_is_due() -> None:
    schedule = Schedule(1_000.0, 0.0)
    assert schedule.due(0.0, 0) == 0
    wait = schedule.wait(0.0, 0)
    assert schedule.due(wait - 0.001, 0) == 0
    assert schedule.due(wait + 1e-9, 0) == 10


def test_a_hold_up_is_made_up_for_by_a_second_at_most_and_the_rest_is_shown_as_debt() -> None:
    schedule = Schedule(10.0, 0.0)
    sent = schedule.due(0.0, 0)
    sent += schedule.due(60.0, sent)
    assert (sent, schedule.due(60.0, sent)) == (11, 0)
    assert schedule.debt(60.0, sent) == 601 - 11 - 1
    assert schedule.due(61.0, sent) == 1, "it goes on at its rate"


def test_what_was_asked_for_and_cannot_be_sent_is_shown() -> None:
    schedule = Schedule(1_000_000.0, 0.0)
    assert schedule.debt(10.0, 6_000_000) == pytest.approx(4_000_000, abs=MAX_BURST)
