"""Operations on the producer program."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.kafka.acls import as_admin
from infra.kafka.readiness import climb
from infra.lab.assembly import Lab, open_lab
from infra.lab.store import make_shared_ledgers
from infra.operations.epochs import known_topic_id
from infra.operations.program_ladder import beating
from infra.stack.runtime import Outcome
from infra.supervision.programs import PRODUCER, PRODUCERS, launch_program, producers_there
from trending.errors import ConfigurationConflict
from trending.programs.heartbeat import FINISHED, FRESH_SECONDS, WAITING, joined, read_heartbeat
from trending.programs.specifications import ProducerSpec
from trending.settings import MINUTE_SECONDS
from trending.simulator.generator import hash_of, load_catalogue
from trending.simulator.loading import load_scenario
from trending.simulator.scenario import SURELY_LATE, Scenario, hash_of_scenario
from trending.text import for_make

if TYPE_CHECKING:
    from infra.kafka.readiness import Rung
    from trending.programs.heartbeat import Heartbeat
    from trending.settings import LabSettings

READY_SECONDS = 30.0


def producer_spec(lab: Lab, place: int = 0) -> ProducerSpec:
    """Return the specification of the producer at a ``place`` among those that share the scenario.

    Raises InvalidInput for an unusable catalogue or scenario, ConfigurationConflict for a scenario of the other window time.
    """
    settings = lab.settings.producer
    catalogue = load_catalogue(settings.catalogue)
    scenario = scenario_of(lab.settings)
    return ProducerSpec(
        bootstrap=lab.stack.connection.bootstrap,
        access=lab.access,
        topic=lab.settings.stack.topic,
        heartbeat=lab.paths.heartbeat(PRODUCERS[place]),
        # A scenario's content counts, not where it stands.
        settings=settings.model_copy(update={"scenario": None, "producers": 1}),
        ledger=lab.paths.ledger,
        topic_id=known_topic_id(lab),
        catalogue_hash=hash_of(catalogue),
        scenario=scenario.model_dump_json(by_alias=True) if scenario else "",
        window_seconds=lab.settings.stream.window_seconds if scenario else MINUTE_SECONDS,
        place=place,
        producers=settings.producers,
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
    producers, partitions = settings.producer.producers, settings.stack.partitions
    if producers > partitions:
        cause = f"{producers} producers share the partitions of the topic, and it is to have {partitions}"
        raise ConfigurationConflict(cause, "each writes to some that are its own", f"{way} PRODUCERS={partitions}")
    return scenario


def require_late_ones_late(name: str, scenario: Scenario, seconds: int, way: str) -> None:
    """Raise ConfigurationConflict where tweets of a scenario that are meant late could be in time, in windows of this length."""
    late = scenario.mischief.late
    if late and late.seconds[0] < seconds + SURELY_LATE:
        cause = f"mischief.late.seconds of the scenario {name} must begin at {seconds + SURELY_LATE} in windows of {seconds} s"
        raise ConfigurationConflict(cause, f"it begins at {late.seconds[0]:g}", f"{way} WINDOW_SECONDS=60")


def producer_ladder(lab: Lab, name: str = PRODUCER) -> list[Rung]:
    """Return the rungs of a producer; one whose scenario has not begun yet, or is over, has reached them all."""

    def at_rest(beat: Heartbeat) -> str:
        # One of several may have nothing to send for a while, since others do; that is waited for at the first one.
        idle = beat.phase == "running" and not beat.figures.get("queued") and not beat.figures.get("acknowledged")
        if idle and (name != PRODUCER or _others_send(lab)):
            return "all is sent that is due in its partitions"
        return beat.phase if beat.phase in {WAITING, FINISHED} else ""

    return beating(lab, name, "acknowledged", at_rest)


def _others_send(lab: Lab) -> bool:
    """Whether a producer beside the first has sent something, or has come to its end."""
    beats = [read_heartbeat(lab.paths.heartbeat(name)) for name in wanted_producers(lab)[1:]]
    return any(beat is not None and (beat.phase == FINISHED or beat.figures.get("acknowledged", 0) > 0) for beat in beats)


def wanted_producers(lab: Lab) -> tuple[str, ...]:
    """Return the names of the producers that the settings ask for."""
    return PRODUCERS[: lab.settings.producer.producers]


def launch_producer(stack: str) -> Outcome:
    """Start the producer, or those that share a scenario, under supervision; returns what had to be done.

    None of them may write for another one's partitions, so where their number or their scenario is another one, all are stopped
    first. Where the stack has a schema, the tables for the ledgers of other producers are made there.
    """
    lab = open_lab(stack)
    make_shared_ledgers(lab)
    wanted = {name: producer_spec(lab, place).model_dump_json() for place, name in enumerate(wanted_producers(lab))}
    scenario = scenario_of(lab.settings)
    if scenario is not None:
        say(f"scenario {lab.settings.producer.scenario}: seed {scenario.seed}, content {hash_of_scenario(scenario)}")
    there = producers_there(lab.paths)
    if any(_written(lab, name) not in {"", wanted.get(name)} for name in there):
        for name in there[1:]:
            lab.supervisor.ask_to_stop(name)
        for name in there[1:]:
            _remove(lab, name)
        if len(wanted) > 1:
            lab.supervisor.remove(PRODUCER)
    if len(wanted) > 1:
        from trending.producer.places.opened import opened  # noqa: PLC0415 - SQLAlchemy, 0.2 s that every status would wait for

        opened(lab.paths.ledger).close()  # before there are two that would make the file at once, and lock each other out
    outcomes = [launch_program(lab.supervisor, lab.paths, name, specification) for name, specification in wanted.items()]
    return next((each for each in outcomes if each is not Outcome.ADOPTED), Outcome.ADOPTED)


def _written(lab: Lab, name: str) -> str:
    """Return the specification that a producer was started with, empty without one."""
    path = lab.paths.specification(name)
    return path.read_text(encoding="utf-8") if path.exists() else ""


def _remove(lab: Lab, name: str) -> None:
    """Stop a producer beside the first, and forget it."""
    lab.supervisor.remove(name)
    for path in (lab.paths.specification(name), lab.paths.heartbeat(name), lab.paths.drift(name)):
        path.unlink(missing_ok=True)


def unfinished_producers(lab: Lab) -> list[str]:
    """Return the producers that have not come to the scenario's end."""
    beats = {name: read_heartbeat(lab.paths.heartbeat(name)) for name in wanted_producers(lab)}
    return [name for name, beat in beats.items() if beat is None or beat.phase != FINISHED]


def scenario_is_over(lab: Lab) -> bool:
    """Whether the scenario was played to the end, by all that share it."""
    return not unfinished_producers(lab)


def wait_for_producer(stack: str) -> dict[str, str]:
    """Wait until each producer's heartbeat is fresh and the broker has acknowledged a tweet."""
    lab = open_lab(stack)
    others = {}
    for name in wanted_producers(lab)[1:]:
        others[name] = "; ".join(climb(producer_ladder(lab, name), READY_SECONDS, SystemClock(), say).values())
    return climb(producer_ladder(lab), READY_SECONDS, SystemClock(), say) | others


def stop_producer(stack: str) -> None:
    """Stop the producer, the first one last; each flushes its messages and closes its ledger first."""
    lab = open_lab(stack)
    there = producers_there(lab.paths)
    for name in there[1:]:  # each may flush for 20 s where no broker answers
        lab.supervisor.ask_to_stop(name)
    for name in reversed(there):
        lab.supervisor.remove(name)


def scenario_line(lab: Lab) -> str:
    """Return what is played, by the specification that the first producer was started with; empty without a scenario.

    Of several producers the next record is that of the one that is furthest.
    """
    path = lab.paths.specification(PRODUCER)
    content = ProducerSpec.load(path).scenario if path.exists() else ""
    if not content:
        return ""
    scenario = Scenario.model_validate_json(content)
    beat = joined(lab.paths.heartbeat(name) for name in producers_there(lab.paths))
    position = f", run {beat.note}, next record {beat.figures['position']:.0f}" if beat and "position" in beat.figures else ""
    return f"scenario {lab.settings.producer.scenario}: seed {scenario.seed}, content {hash_of_scenario(scenario)}{position}"


def quota_line(lab: Lab) -> str:
    """Return that a quota of the cluster slows the producer down, and what shows it; empty where none does.

    Only the brokers' own word tells: librdkafka has no question about quotas.
    """
    beat = joined(lab.paths.heartbeat(name) for name in producers_there(lab.paths))
    if beat is None or beat.age(time.time()) > FRESH_SECONDS or not (seconds := beat.figures.get("throttled", 0.0)):
        return ""
    of = "producer_byte_rate or request_percentage of its user or client id"
    shows = f"kafka-configs {as_admin(lab.stack.connection.bootstrap)} --describe --entity-type users (or clients)"
    return f"a quota slows the producer down: a broker held its answer back for {seconds:g} s ({of}); {shows} lists them"
