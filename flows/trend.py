"""Give the scenario that a stack's producer plays one more trend."""

from __future__ import annotations

from prefect import flow

from flows.runs.named_commands import names_its_stack
from infra.commands.simulator.asking import start_trend
from infra.console.reporting import say
from infra.forms.producing import TrendForm
from tasks.lab_task import report_to_prefect


@flow(name="trend", flow_run_name="trend {settings.name}")
@names_its_stack
def trend(settings: TrendForm) -> str:
    """Start it with the next record; fails, and changes nothing, if the producer does not answer within 5 s."""
    report_to_prefect()
    started = start_trend(settings)
    say(started)
    return started
