"""Operations on the producer program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.kafka.readiness import climb
from infra.lab.assembly import Lab, open_lab
from infra.lab.store import make_shared_ledgers
from infra.operations.epochs import known_topic_id
from infra.operations.program_ladder import beating
from infra.supervision.programs import PRODUCER, launch_program
from trending.errors import ConfigurationConflict
from trending.programs.heartbeat import FINISHED, WAITING, read_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.settings import MINUTE_SECONDS
from trending.simulator.generator import hash_of, load_catalogue
from trending.simulator.loading import load_scenario
from trending.simulator.scenario import SURELY_LATE, Scenario, hash_of_scenario
from trending.text import for_make

if TYPE_CHECKING:
    from infra.kafka.readiness import Rung
    from infra.stack.runtime import Outcome
    from trending.settings import LabSettings

READY_SECONDS = 30.0


def producer_spec(lab: Lab) -> ProducerSpec:
    """Return the producer's specification; raises InvalidInput for an unusable catalogue or scenario.

    Raises ConfigurationConflict for a scenario of the other window time.
    """
    settings = lab.settings.producer
    catalogue = load_catalogue(settings.catalogue)
    scenario = scenario_of(lab.settings)
    return ProducerSpec(
        bootstrap=lab.stack.connection.bootstrap,
        access=lab.access,
        topic=lab.settings.stack.topic,
        heartbeat=lab.paths.heartbeat(PRODUCER),
        settings=settings.model_copy(update={"scenario": None}),  # its content counts, not where it stands
        ledger=lab.paths.ledger,
        topic_id=known_topic_id(lab),
        catalogue_hash=hash_of(catalogue),
        scenario=scenario.model_dump_json(by_alias=True) if scenario else "",
        window_seconds=lab.settings.stream.window_seconds if scenario else MINUTE_SECONDS,
    )


def scenario_of(settings: LabSettings) -> Scenario | None:
    """Return the scenario that the producer is to play, with the seed that was asked for; None without one.

    Raises InvalidInput for an unusable one, ConfigurationConflict for one that the stack's windows do not fit.
    """
    name = settings.producer.scenario
    if not name:
        return None
    scenario = load_scenario(name, settings.producer.seed)
    way = f"make up SCENARIO={for_make(name)}"
    wanted, mode, seconds = scenario.window_time, settings.stream.window_time, settings.stream.window_seconds
    if wanted is not None and wanted is not mode:
        cause = f"the scenario {name} is made for window time {wanted}, and this stack counts by {mode}"
        raise ConfigurationConflict(cause, scenario.title, f"{way} WINDOW_TIME={wanted}")
    require_late_ones_late(name, scenario, seconds, way)
    return scenario


def require_late_ones_late(name: str, scenario: Scenario, seconds: int, way: str) -> None:
    """Raise ConfigurationConflict where tweets of a scenario that are meant late could be in time, in windows of this length."""
    late = scenario.mischief.late
    if late and late.seconds[0] < seconds + SURELY_LATE:
        cause = f"mischief.late.seconds of the scenario {name} must begin at {seconds + SURELY_LATE} in windows of {seconds} s"
        raise ConfigurationConflict(cause, f"it begins at {late.seconds[0]:g}", f"{way} WINDOW_SECONDS=60")


def producer_ladder(lab: Lab) -> list[Rung]:
    """Return the rungs of the producer; one whose scenario has not begun yet, or is over, has reached them all."""
    return beating(lab, PRODUCER, "acknowledged", lambda beat: beat.phase if beat.phase in {WAITING, FINISHED} else "")


def launch_producer(stack: str) -> Outcome:
    """Start the producer under supervision; returns what had to be done.

    Where the stack has a schema, the tables for the ledgers of other producers are made there.
    """
    lab = open_lab(stack)
    make_shared_ledgers(lab)
    specification = producer_spec(lab)
    scenario = scenario_of(lab.settings)
    if scenario is not None:
        say(f"scenario {lab.settings.producer.scenario}: seed {scenario.seed}, content {hash_of_scenario(scenario)}")
    return launch_program(lab.supervisor, lab.paths, PRODUCER, specification.model_dump_json())


def scenario_is_over(lab: Lab) -> bool:
    """Whether the producer has played its scenario to the end."""
    beat = read_heartbeat(lab.paths.heartbeat(PRODUCER))
    return beat is not None and beat.phase == FINISHED


def wait_for_producer(stack: str) -> dict[str, str]:
    """Wait until the producer's heartbeat is fresh and the broker has acknowledged a tweet."""
    lab = open_lab(stack)
    return climb(producer_ladder(lab), READY_SECONDS, SystemClock(), say)


def stop_producer(stack: str) -> None:
    """Stop the producer; it flushes its messages and closes its ledger first."""
    open_lab(stack).supervisor.remove(PRODUCER)


def scenario_line(lab: Lab) -> str:
    """Return what the producer plays, by the specification that it was started with; empty where it plays no scenario."""
    path = lab.paths.specification(PRODUCER)
    content = ProducerSpec.load(path).scenario if path.exists() else ""
    if not content:
        return ""
    scenario = Scenario.model_validate_json(content)
    beat = read_heartbeat(lab.paths.heartbeat(PRODUCER))
    position = f", run {beat.note}, next record {beat.figures['position']:.0f}" if beat and "position" in beat.figures else ""
    return f"scenario {lab.settings.producer.scenario}: seed {scenario.seed}, content {hash_of_scenario(scenario)}{position}"
