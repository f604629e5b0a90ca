"""Change the rate of a stack's producer while it works."""

from __future__ import annotations

from prefect import flow

from flows.runs.named_commands import names_its_stack
from infra.commands.simulator.asking import change_rate
from infra.console.reporting import say
from infra.forms.producing import RateForm
from tasks.lab_task import report_to_prefect


@flow(name="rate", flow_run_name="rate {settings.name}")
@names_its_stack
def rate(settings: RateForm) -> str:
    """Change it from the next record on; fails, and changes nothing, if the producer does not answer within 5 s."""
    report_to_prefect()
    changed = change_rate(settings)
    say(changed)
    return changed
