"""Say whether a topic is a scenario's."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.forms.proving import VerifyForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from trending.errors import AuditFailed, InvalidInput
from trending.kafka.log_reader import ends_of, log_ends, read_log
from trending.simulator.loading import load_scenario
from trending.simulator.scenario import hash_of_scenario
from trending.text import for_make, local_time

if TYPE_CHECKING:
    from trending.simulator.verification import FoundRun


def main(settings: VerifyForm) -> None:
    """Read the topic and print what each run has; raises AuditFailed where a run is not the whole scenario."""
    lab = open_lab(settings.name)
    name = settings.scenario or lab.settings.producer.scenario
    if not name:
        cause = "SCENARIO is missing: which one is the topic to be?"
        raise InvalidInput(cause, f"the stack {settings.name} plays none", "make verify SCENARIO=world-cup")
    seed = lab.settings.producer.seed if settings.seed is None and name == lab.settings.producer.scenario else settings.seed
    scenario = load_scenario(name, seed)
    topic = settings.of_topic or lab.settings.stack.topic
    say(f"scenario {name}: seed {scenario.seed}, content {hash_of_scenario(scenario)}; reading {topic}")
    # NumPy and SQLAlchemy take 0.4 s, which an error need not wait for.
    from trending.producer.sources.booked import read_plays  # noqa: PLC0415
    from trending.simulator.verification import Verification  # noqa: PLC0415

    changes = {run: play.changes for run, play in read_plays(lab.paths.ledger).items()}
    found = Verification(scenario, changes)
    ends = log_ends(lab.stack.connection, topic)
    starts = {part: first for part, (first, _end) in ends.items()}
    found.read(read_log(lab.stack.connection, topic, starts, ends_of(ends)))
    zone = lab.settings.stream.zone
    for run in found.runs.values():
        began = min(run.begins, default=None)
        when = f", begun {local_time(began / 1000, zone)}" if began is not None else ""
        changed = f", changed {len(changes[run.run])} times by the ledger" if changes.get(run.run) else ""
        say(f"run {run.run}: {run.records} records, {run.same} of them the scenario's{when}{changed}")
        for line in _wrong(run, found.count(run.run)):
            say(f"  {line}")
        if run.same and run.differing and run.run not in changes:
            say("  if its rate or trends were changed while it was sent, only the ledger of the stack that did it knows how")
    if found.others:
        say(f"{found.others} records without an id of ours")
    whole = [run for run in found.runs.values() if run.is_whole(found.count(run.run))]
    if not whole:
        cause = f"{topic} is not the scenario {name}"
        evidence = f"{len(found.runs)} runs, none of them whole" if found.runs else "it has no record with an id of ours"
        raise AuditFailed(cause, evidence, f"make verify SCENARIO={for_make(name)} SEED=…, if it was played with another seed")
    say(f"{topic} is the scenario {name}: run {', '.join(run.run for run in whole)}")


def _wrong(run: FoundRun, count: int | None) -> list[str]:
    """Return what keeps a run from being the scenario, a line each."""
    lines = [f"record {each.number} differs: partition {each.partition}, offset {each.offset}" for each in run.examples]
    if run.differing > len(run.examples):
        lines.append(f"and {run.differing - len(run.examples)} more differ")
    if run.missing:
        lines.append(f"{run.missing} records before the last one are not there")
    if run.repeated:
        lines.append(f"{run.repeated} are there twice")
    if count is not None and run.last + 1 < count:
        lines.append(f"it ends with record {run.last}, and the scenario has {count} records")
    if len(run.begins) > 1:
        lines.append(f"it was shifted, or its rate was changed: its timestamps tell {len(run.begins)} starts")
    return lines


if __name__ == "__main__":
    run_command(VerifyForm, main, ".venv/bin/python -m infra.commands.simulator.verify")
