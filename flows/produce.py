"""Send tweets from here to a stack's topic, wherever that is: one producer among several, with a ledger of its own."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_progress_artifact, update_progress_artifact

from flows.runs.artifacts import as_evidence
from flows.runs.named_commands import names_its_stack
from flows.runs.secret_blocks import secret_block
from flows.runs.server import with_server
from infra.console.reporting import say
from infra.forms.producing import ProduceForm
from infra.forms.terminal import run_command
from infra.producers.elsewhere import check_produce, produce_elsewhere
from infra.producers.life import Produced
from tasks.lab_task import report_to_prefect
from trending.producer.program import main as send

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID


@flow(name="produce", flow_run_name="produce {settings.producer_name}")
@names_its_stack
def produce(settings: ProduceForm) -> Produced:
    """Send for the time or the number that is asked for, or until the run is cancelled; either ends it in order."""
    report_to_prefect()
    return produce_elsewhere(settings, secret_block, send, beats_left(settings.producer_name))


def beats_left(producer: str) -> Callable[[Produced, float], None]:
    """Return a function that leaves the producer's figures with the run: as progress while it sends, as a table at the end."""
    made: list[UUID] = []

    def leave(done: Produced, percent: float) -> None:
        with as_evidence("the progress"):
            if made:
                update_progress_artifact(made[0], percent, description=done.line)
            else:
                made.append(cast("UUID", create_progress_artifact(percent, key=f"produce-{producer}", description=done.line)))
            if done.phase == "stopped":
                say(f"producer {producer}: {done.line}")
                create_markdown_artifact(to_markdown(producer, done), key=f"produced-{producer}", description=done.line)

    return leave


def to_markdown(producer: str, done: Produced) -> str:
    """Return the figures of a producer that has ended as a Markdown table."""
    head = "| run | sent | acknowledged | failed | unknown |\n|---|---:|---:|---:|---:|\n"
    return f"# Producer {producer}\n\n{head}| {done.run} | {done.sent} | {done.acknowledged} | {done.failed} | {done.unknown} |\n"


def main(settings: ProduceForm) -> None:
    """Run the flow from a terminal."""
    check_produce(settings)
    with_server(lambda: produce(settings))


if __name__ == "__main__":
    run_command(ProduceForm, main, ".venv/bin/python -m flows.produce")
