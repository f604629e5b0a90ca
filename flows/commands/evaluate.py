"""Evaluate any streaming job, on a stack of its own that plays a scenario and is broken on purpose."""

from __future__ import annotations

import shlex
from contextlib import closing
from typing import TYPE_CHECKING, Any

from flows.demo import own_stack, taken_down_in_the_end
from flows.runs.server import with_server
from flows.start_up import start_up
from infra.console.reporting import say
from infra.evaluation.faults import aimed, require_known
from infra.evaluation.job import Job, job_variables, words_of
from infra.evaluation.plan import require_exact
from infra.evaluation.results import open_results, require_fresh, result_place
from infra.evaluation.trial import Patience, evaluate
from infra.forms.proving import EvaluateForm
from infra.forms.stacks import LastStep, StartUpForm
from infra.forms.terminal import run_command
from infra.game_day.aims import require_struck
from infra.lab.assembly import open_lab
from infra.operations.services import check_own_start
from infra.operations.topic import create_result_topic
from trending.errors import InvalidInput
from trending.simulator.records import Records

if TYPE_CHECKING:
    from infra.evaluation.results import ResultPlace
    from infra.evaluation.trial import Evaluation
    from trending.simulator.scenario import Scenario

DEFAULTS = {"stream": {"window_time": "event", "window_seconds": 10}, "producer": {"scenario": "evaluation"}}
"""What an evaluation has that a stack has not by itself; a variable or an option goes before it."""


def defaults(_name: str) -> dict[str, Any]:
    """Return what stands for the settings that are not given."""
    return DEFAULTS


def main(settings: EvaluateForm) -> None:
    """Check everything that can be checked before, then evaluate; raises AuditFailed for a job that is not exact."""
    check_own_start(settings)
    wanted = settings.evaluation
    words, place = words_of(wanted.job), result_place(wanted.results)
    require_known(wanted.faults)
    require_struck(settings.producer.producers, wanted.struck_producer)
    scenario = require_exact(settings)
    if settings.stack.secure or settings.stack.external:
        cause = "an evaluation has brokers of its own, which ask for no password"
        raise InvalidInput(cause, "the job would not know it", "make evaluate … without SECURE and RUNTIME=external")
    require_fresh(place)
    found: list[Evaluation] = []
    with_server(lambda: found.append(on_own_stack(settings, words, place, scenario)), leave=False)
    for line in found[0].lines(settings.stream.zone):
        say(line)
    found[0].require_exact()


def on_own_stack(settings: EvaluateForm, words: tuple[str, ...], place: ResultPlace, scenario: Scenario) -> Evaluation:
    """Bring up a stack without our stream, start the job, then the scenario; take everything down in the end."""
    wanted = settings.evaluation
    with own_stack(settings.stack) as own, taken_down_in_the_end(own.name):
        form = StartUpForm.of(settings, stack=own, until=LastStep.TOPIC)
        start_up(form)
        lab = open_lab(own.name)
        records = Records(scenario)
        say(f"{shlex.join(words)}: scenario {settings.producer.scenario}, seed {scenario.seed}, {records.count} records")
        if place.topic:
            create_result_topic(lab, place.topic)
        job = Job(lab, words, place, job_variables(lab))
        job.start()
        try:
            start_up(form.model_copy(update={"until": LastStep.PRODUCER}))
            with closing(open_results(place, lab.stack.connection)) as results:
                patience = Patience(wanted.limit_seconds, wanted.settle_seconds)
                return evaluate(lab, job, results, records, aimed(lab, wanted.faults, wanted.struck_producer), patience)
        finally:
            job.end()


if __name__ == "__main__":
    run_command(EvaluateForm, main, ".venv/bin/python -m flows.commands.evaluate", defaults)
