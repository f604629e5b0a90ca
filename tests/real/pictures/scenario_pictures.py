"""Play the ready scenarios on real stacks and keep what their stores have, ``make scenario-pictures``. No test runs it.

The pictures in docs/scenarios are drawn from what is kept, by ``make docs``. It takes two minutes a scenario;
``ARGS=soak`` plays one alone.
"""

from __future__ import annotations

import os
import sys
import tempfile
import time
from contextlib import closing
from pathlib import Path

from real.harness import RealStack, plain

from flows import audit
from infra.host.paths import CHECKOUT
from infra.host.processes import free_port
from infra.supervision.programs import PRODUCER
from trending.drawing.scenario_figures import Manner, ScenarioFigures, read_figures
from trending.errors import AuditFailed, LabError
from trending.producer.sources.booked import read_plays
from trending.programs.heartbeat import FINISHED
from trending.serving.reader import StoreReader
from trending.simulator.loading import load_scenario, ready_scenarios
from trending.simulator.scenario import Scenario

PLACE = CHECKOUT / "docs" / "scenarios"
MANNERS = {
    "breaking-news": Manner(time_scale=9, seconds=540),
    "classroom": Manner(time_scale=10, seconds=600),
    "evaluation": Manner(),
    "late-data": Manner(seconds=90),
    "lessons": Manner(),
    "noisy": Manner(time_scale=3, seconds=180),
    "quiet": Manner(),
    "soak": Manner(time_scale=1440, seconds=86_400, share=0.01),
    "world-cup": Manner(time_scale=9, seconds=1080),
}
"""A minute or two of the clock each. A whole day of soak in a minute would be 288,000 tweets a second: it gets a hundredth."""
WINDOW_SECONDS = 5
END_SECONDS = 240
QUIET_SECONDS = 30
"""Nothing comes after the first tweet of quiet, which must be seen for a while."""
APART_SECONDS = 26
"""A scenario's tweets may be 20 s older than when they are sent: with a window more, quiet's one is surely before them."""


def play(name: str, home: Path) -> ScenarioFigures:
    """Play a scenario on a stack of its own, audit it, and return what the store has; raises AuditFailed.

    The stack plays the one tweet of ``quiet`` first: the stream takes 20 s to start, and what was refused until then would all be
    of its first batch.
    """
    manner, ready = MANNERS[name], load_scenario(name)
    path = home / f"{name}.yaml"
    path.write_text(manner.of(ready).model_dump_json(by_alias=True, exclude_none=True), encoding="utf-8")  # JSON is YAML
    stack = RealStack(f"picture-{name}", free_port(int(os.environ.get("FIRST_PORT", "28700")), 100))
    mode = {"window_seconds": str(WINDOW_SECONDS), **({"window_time": ready.window_time.value} if ready.window_time else {})}
    try:
        stack.bring_up(scenario="quiet", **mode)
        if name != "quiet":
            time.sleep(APART_SECONDS)
            stack.bring_up(scenario=str(path), **mode)
        stack.wait_until(lambda: is_over(stack, 1 if name == "quiet" else 2), END_SECONDS, f"{name} is over")
        if name == "quiet":
            time.sleep(QUIET_SECONDS)
        until = time.time() if name == "quiet" else 0.0
        with plain():
            report = audit.recount(stack.name, resume=False)
        if not (report.clean and report.complete):
            cause = f"the run of {name} is not one for a picture"
            raise AuditFailed(cause, "\n".join(report.lines(None)), "make scenario-pictures")
        *_quiet, played = read_plays(stack.paths.ledger).values()
        require_as_planned(played.shifts, name)
        begin = played.begin / 1000
        with closing(StoreReader(stack.paths.store)) as reader, reader.as_of_one_moment() as connection:
            return read_figures(connection, name, manner, begin, begin - APART_SECONDS, until)
    finally:
        stack.down()


def is_over(stack: RealStack, plays: int) -> bool:
    """Whether the last of so many plays has been played to its end."""
    runs, beat = [*read_plays(stack.paths.ledger)], stack.beat(PRODUCER)
    return len(runs) == plays and beat is not None and (beat.phase, beat.note) == (FINISHED, runs[-1])


def require_as_planned(shifts: object, name: str) -> None:
    """Raise AuditFailed where the producer has paused: the times of the picture would be others than the scenario's."""
    if shifts:
        cause = f"the producer of {name} was stopped for a while: {shifts}"
        raise AuditFailed(cause, "", "make scenario-pictures")


def require_every_manner() -> None:
    """Every ready scenario has a manner, and the manner fits: what is wrong raises before anything is started."""
    assert set(MANNERS) == set(ready_scenarios())
    for name, manner in MANNERS.items():
        assert isinstance(manner.of(load_scenario(name)), Scenario)


def main(names: list[str]) -> int:
    """Play the scenarios that are named, or all, and write their figures."""
    require_every_manner()
    jars = Path(os.environ.get("TRENDING_REAL_HOME") or CHECKOUT / ".trending")
    try:
        with tempfile.TemporaryDirectory(prefix="trending-pictures-") as place:
            for shared in ("jars", "cds"):
                (Path(place) / shared).symlink_to(jars / shared)
            os.environ["TRENDING_HOME"] = place
            for name in names or list(MANNERS):
                figures = play(name, Path(place))
                PLACE.mkdir(exist_ok=True)
                (PLACE / f"{name}.json").write_text(figures.model_dump_json(indent=1) + "\n", encoding="utf-8")
                sys.stdout.write(f"{name}: {figures.records} records in {len(figures.windows)} windows\n")
    except LabError as error:
        sys.stderr.write(f"error: {error}\n")
        return error.exit_code
    sys.stdout.write("make docs draws them\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
