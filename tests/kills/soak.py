"""``make soak``: a stack of its own at full rate, killed at random for an hour, then audited. Outside CI.

Afterwards a random scenario is sent and counted in random ways, and each ranking is held against its truth.

It has its own home directory and ports, and takes down what it has made. Where the audit finds a fault, the data stays.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from random import Random, SystemRandom

from kills.governor import Governor
from kills.ground import StackGround
from kills.plan import SoakForm, choose, shared_scenario, times
from kills.trial import Trial, lines_of, require_deaths
from kills.usage import Usage
from pairs.soak import try_combinations
from real.harness import RealStack, plain

from flows.audit import recount
from infra.console.reporting import say
from infra.forms.stacks import LastStep
from infra.forms.terminal import run_command
from infra.host.clock import SystemClock
from infra.host.paths import lab_home
from infra.host.processes import free_port
from infra.operations.producer import stop_producer
from infra.operations.stream import stop_stream
from trending.errors import LabError

PORT = 29092
PORTS = 10
"""The broker's, its controller's, the page's, and some that a stack of this size leaves free."""

LIMIT_SECONDS = 600.0
"""Beside a producer at full rate a start of the stream with its first batch takes minutes on a busy machine."""


def main(settings: SoakForm) -> None:
    """Run the soak; raises AuditFailed where something was lost or doubled, NotSurvived where the stack did not come back."""
    seed = SystemRandom().randrange(2**32) if settings.kills_seed is None else settings.kills_seed
    say(f"{settings.kills} kills in {settings.seconds:g} s at {settings.rate:g} tweets a second; KILLS_SEED={seed} repeats it")
    jars = lab_home()
    home = Path(tempfile.mkdtemp(prefix="trending-soak-"))
    for shared in ("jars", "cds"):
        (home / shared).symlink_to(jars / shared)
    os.environ["TRENDING_HOME"] = str(home)
    wanted = {"rate": f"{settings.rate:f}", "heap_mb": "512", "page_port": "0", **shared_scenario(settings, home)}
    stack = RealStack("soak", free_port(PORT, PORTS), settings=wanted)
    kept = False
    try:
        _soak(stack, settings, Random(seed))
        stop_stream(stack.name)
        try_combinations(Random(seed), settings.combinations, home / "pairs")
    except LabError:
        kept = True
        raise
    finally:
        stack.down(volumes=not kept)
        if kept:
            say(f"log, ledger, store and output are kept in {home}")
        else:
            shutil.rmtree(home)


def _soak(stack: RealStack, settings: SoakForm, random: Random) -> None:
    strikes = choose(random, settings.kills, settings.kills)
    stack.bring_up(LastStep.TOPIC)
    ground = StackGround(stack, stack.paths.run)
    trial = Trial(ground, SystemClock(), say, LIMIT_SECONDS)
    with Usage(stack.paths) as usage:
        try:
            with Governor(ground) as governor:
                ground.start()
                blows = trial.carry_out(strikes, times(random, strikes, settings.seconds))
        finally:
            ground.close()
        stop_producer(stack.name)
        trial.settle()
        with plain():
            report = recount(stack.name, resume=False)
    held = f"the producer was held back {governor.holds} times while the stream was far behind"
    for line in (*lines_of(blows), held, *usage.lines(), *report.lines(None)):
        say(line)
    require_deaths(strikes, ground.deaths())
    report.require_clean()


if __name__ == "__main__":
    run_command(SoakForm, main, "python -m kills.soak")
