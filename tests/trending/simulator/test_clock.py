from __future__ import annotations

import numpy as np
import pytest
from fakes.trending.sources.scenarios import scenario
from hypothesis import given, settings
from hypothesis import strategies as st

from trending.simulator.clock import Clock
from trending.simulator.draws import BLOCK, uniform

RATES = st.fixed_dictionaries(
    {"base": st.floats(0.01, 10_000), "arrivals": st.sampled_from(["steady", "poisson"])},
    optional={
        "wave": st.fixed_dictionaries({"period": st.floats(60, 86_400), "depth": st.floats(0, 0.95)}),
        "bursts": st.lists(
            st.fixed_dictionaries({"at": st.floats(0, 3_000), "for": st.floats(0.1, 500), "times": st.floats(0.01, 50)}),
            max_size=3,
        ),
        "ramps": st.lists(
            st.fixed_dictionaries({"at": st.floats(0, 3_000), "for": st.floats(0.1, 500), "to": st.floats(0.01, 50)}), max_size=1
        ),
    },
)


def test_a_steady_rate_is_one_tweet_every_so_many_seconds() -> None:
    times = Clock(scenario(rate={"base": 4})).times(3)
    assert times.tolist() == [number / 4 for number in range(3 * BLOCK, 4 * BLOCK)]


@settings(max_examples=60, deadline=None)
@given(RATES, st.integers(0, 200))
def test_no_record_is_due_before_the_one_ahead_of_it(rate: dict[str, object], block: int) -> None:
    clock = Clock(scenario(rate=rate))
    times = np.concatenate([clock.times(block), clock.times(block + 1)])
    assert (np.diff(times) >= -1e-6 * times[-1]).all()
    assert (np.diff(clock.times(block)) >= 0).all()
    assert np.isfinite(times).all()


@settings(max_examples=60, deadline=None)
@given(RATES, st.floats(0, 5_000))
def test_the_first_record_at_a_time_is_found_again_by_its_time(rate: dict[str, object], time: float) -> None:
    clock = Clock(scenario(rate=rate))
    number = clock.number_at(time)

    def due(number: int) -> float:
        return clock.times(number // BLOCK)[number % BLOCK].item()

    assert due(number) >= time
    assert number == 0 or due(number - 1) < time


def count(clock: Clock, start: float, end: float) -> int:
    return clock.number_at(end) - clock.number_at(start)


@pytest.mark.parametrize("arrivals", ["steady", "poisson"])
def test_a_burst_multiplies_the_rate_while_it_lasts(arrivals: str) -> None:
    rate = {"base": 200, "bursts": [{"at": 300, "for": 60, "times": 8}], "arrivals": arrivals}
    clock = Clock(scenario(rate=rate))
    assert count(clock, 0, 300) == pytest.approx(60_000, rel=0.03)
    assert count(clock, 300, 360) == pytest.approx(96_000, rel=0.03)
    assert count(clock, 360, 660) == pytest.approx(60_000, rel=0.03)


def test_a_ramp_leads_to_its_multiple_and_stays_there() -> None:
    rate = {"base": 100, "ramps": [{"at": 100, "for": 100, "to": 3}, {"at": 300, "for": 100, "to": 1}]}
    clock = Clock(scenario(rate=rate))
    found = [count(clock, start, start + 100) for start in range(0, 600, 100)]
    assert found == pytest.approx([10_000, 20_000, 30_000, 20_000, 10_000, 10_000], rel=0.001)
    assert clock.rate(250) == pytest.approx(300, rel=0.01)


def test_waves_come_again_and_again_behind_what_is_planned() -> None:
    rate = {"base": 10, "wave": {"period": 600, "depth": 0.6}, "bursts": [{"at": 700, "for": 50, "times": 2}]}
    clock = Clock(scenario(rate=rate))
    half = [count(clock, start, start + 300) for start in range(1_200, 6_000, 300)]
    crest = 3_000 * (1 + 0.6 * 2 / np.pi)
    assert half[::2] == pytest.approx([crest] * 8, rel=0.002)
    assert half[1::2] == pytest.approx([6_000 - crest] * 8, rel=0.002)
    assert count(clock, 600_000, 600_600) == 6_000


def test_random_arrivals_vary_as_a_poisson_process_does() -> None:
    clock = Clock(scenario(rate={"base": 100, "arrivals": "poisson"}, seed=5))
    counts = np.diff([clock.number_at(second) for second in range(400)])
    assert counts.mean() == pytest.approx(100, rel=0.02)
    assert counts.var() == pytest.approx(100, rel=0.3)


def test_a_scale_of_sixty_plays_an_hour_in_a_minute() -> None:
    clock = Clock(scenario(time_scale=60))
    assert clock.offsets(clock.times(0))[600] == 1.0


def test_the_numbers_of_a_block_are_even_and_those_of_two_parts_have_nothing_in_common() -> None:
    drawn = np.concatenate([uniform(7, block, "hashtags") for block in range(30)])
    other = np.concatenate([uniform(7, block, "users") for block in range(30)])
    assert 0 <= drawn.min() < drawn.max() < 1
    assert np.histogram(drawn, 10, (0, 1))[0] == pytest.approx([len(drawn) / 10] * 10, rel=0.04)
    assert abs(np.corrcoef(drawn, other)[0, 1]) < 0.01


def test_a_seed_means_the_same_numbers_for_ever() -> None:
    assert uniform(7, 3, "hashtags")[:3].tolist() == [0.6443007504567504, 0.019266572082415223, 0.8272586839739233]
