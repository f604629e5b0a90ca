"""One stack whose programs are killed where it hurts: at six named points and at ten random ones, with one audit at the end.

The seed of the random ones is printed; TRENDING_KILLS_SEED repeats a run.
"""

from __future__ import annotations

import os
from random import Random, SystemRandom
from typing import TYPE_CHECKING

import pytest
from kills.ground import StackGround
from kills.plan import Strike, choose
from kills.points import BY_NAME
from kills.trial import Trial, require_deaths
from real.harness import CLEAN

from infra.forms.stacks import LastStep
from infra.host.clock import SystemClock

if TYPE_CHECKING:
    from pathlib import Path

    from real.harness import RealStack

NAMED = (
    # A second life begins where the first has left its ledger.
    ("producer, before the ledger's commit", "producer, after ids are reserved in the ledger"),
    # One batch, which dies at each of its steps: what was written of it is there again and again.
    (
        "stream, before the letters' transaction ends",
        "stream, after the letters' transaction ends",
        "stream, after the store's commit",
        "stream, before Spark's commit is told",
    ),
)
RANDOM = 10
DEAR = 4
"""So many of the random ones may hit the stream, whose start costs ten seconds and twenty of the processor's."""


@pytest.mark.row(19, "E")
@pytest.mark.row(20, "E")
def test_killed_at_named_points_and_at_random_nothing_is_lost_and_nothing_counts_twice(stack: RealStack, tmp_path: Path) -> None:
    seed = int(os.environ.get("TRENDING_KILLS_SEED") or SystemRandom().randrange(2**32))
    print(f"TRENDING_KILLS_SEED={seed}")  # noqa: T201 - a run that fails can be repeated
    named = [Strike(tuple(BY_NAME[name] for name in names)) for names in NAMED]
    strikes = [*named, *choose(Random(seed), RANDOM, DEAR)]
    assert sum(strike.kills for strike in strikes) == 16
    stack.bring_up(LastStep.TOPIC)
    ground = StackGround(stack, tmp_path)
    try:
        ground.start()
        Trial(ground, SystemClock(), print).carry_out(strikes, [0.0] * len(strikes))
    finally:
        ground.close()
    require_deaths(strikes, ground.deaths())
    output = stack.audit(resume=False)
    print(output)  # noqa: T201 - the figures of the run
    assert CLEAN.search(output)
