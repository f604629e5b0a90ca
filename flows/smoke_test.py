"""Send five messages through the topic and read them back."""

from __future__ import annotations

from prefect import flow

from flows.runs.named_commands import names_its_stack
from flows.runs.server import with_server
from infra.forms.proving import SmokeTestForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from tasks.audit import send_probe


@flow(name="smoke-test", flow_run_name="smoke-test {settings.name}")
@names_its_stack
def smoke_test(settings: SmokeTestForm) -> None:
    """Succeed only if all five messages came back within the deadline."""
    send_probe(settings.name, settings.timeout_seconds)


def main(settings: SmokeTestForm) -> None:
    """Run the flow from a terminal; raises StackAbsent before a server is started for it."""
    open_lab(settings.name)
    with_server(lambda: smoke_test(settings))


if __name__ == "__main__":
    run_command(SmokeTestForm, main, ".venv/bin/python -m flows.smoke_test")
