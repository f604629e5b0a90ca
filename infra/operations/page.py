"""Operations on the page program."""

from __future__ import annotations

import http.client
import json
import math
import os
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.host.processes import another_page_port
from infra.kafka.readiness import ANSWER_SECONDS, Rung, climb
from infra.lab.assembly import open_lab
from infra.lab.store import ledger_places, store_place, store_secrets
from infra.operations.producer import wanted_producers
from infra.operations.program_ladder import living
from infra.supervision.programs import PAGE as NAME
from infra.supervision.programs import PRODUCER, STREAM, launch_program
from trending.errors import ConfigurationConflict, InvalidInput, NotReady
from trending.programs.specifications import PageSpec

if TYPE_CHECKING:
    from pathlib import Path

    from infra.lab.assembly import Lab
    from infra.stack.runtime import Outcome

READY_SECONDS = 30.0
SAVE_SECONDS = 30.0


def page_spec(lab: Lab) -> PageSpec:
    """Return the page's specification."""
    return PageSpec(
        bootstrap=lab.stack.connection.bootstrap,
        access=lab.access,
        topic=lab.settings.stack.topic,
        heartbeat=lab.paths.heartbeat(NAME),
        settings=lab.settings.page,
        stack_id=lab.paths.stack_id,
        name=lab.paths.name,
        store=store_place(lab),
        time_zone=lab.settings.stream.time_zone,
        producer=lab.paths.heartbeat(PRODUCER),
        more_producers=tuple(lab.paths.heartbeat(name) for name in wanted_producers(lab)[1:]),
        stream=lab.paths.heartbeat(STREAM),
        health=lab.paths.health,
        ledgers=tuple(ledger_places(lab)),
        runtime=lab.runtime.kind.value,
    )


def ask_whose(port: int) -> str:
    """Return the stack id that the page at ``port`` answers with; raises NotReady if none answers."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=ANSWER_SECONDS)
    try:
        connection.request("GET", "/health")
        return str(json.load(connection.getresponse())["stack_id"])
    except (OSError, http.client.HTTPException, ValueError, KeyError, TypeError) as error:
        cause = f"no page answers on port {port}"
        raise NotReady(cause, str(error) or type(error).__name__, f"make logs SERVICE={NAME}") from error
    finally:
        connection.close()


def save_recording(lab: Lab, path: Path, seconds: float) -> int:
    """Write what the page has shown in the last ``seconds`` to ``path``; returns its size.

    Raises InvalidInput where something is there already, NotReady where no page answers.
    """
    if os.path.lexists(path):
        raise _there_already(path)
    port = lab.settings.page.page_port
    if not port or ask_whose(port) != lab.paths.stack_id:
        cause = f"the stack {lab.paths.name} has no page of its own that answers"
        raise NotReady(cause, f"page port {port}", "make up")
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SAVE_SECONDS)
    try:
        connection.request("GET", f"/recording?seconds={math.ceil(seconds)}")
        answer = connection.getresponse()
        content = answer.read()
    except (OSError, http.client.HTTPException) as error:
        cause = f"the page on port {port} gave no recording"
        raise NotReady(cause, str(error) or type(error).__name__, f"make logs SERVICE={NAME}") from error
    finally:
        connection.close()
    if answer.status != http.HTTPStatus.OK:  # a page of an earlier release keeps none
        cause = f"the page on port {port} gave no recording"
        raise NotReady(cause, f"status {answer.status}", f"make logs SERVICE={NAME}")
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError as error:  # made meanwhile
        raise _there_already(path) from error
    return len(content)


def _there_already(path: Path) -> InvalidInput:
    cause = f"{path} is there already"
    return InvalidInput(cause, "a recording is never written over something else", "make record RECORDING=another")


def page_ladder(lab: Lab) -> list[Rung]:
    """Return the rungs of the page: it runs, its heartbeat is fresh, and this stack's page answers at its address."""
    port = lab.settings.page.page_port

    def answers() -> str:
        found = ask_whose(port)
        if found != lab.paths.stack_id:
            cause = f"another page answers on port {port}"
            raise ConfigurationConflict(
                cause, f"it says {found!r}, this stack is {lab.paths.stack_id!r}", f"make up {another_page_port()}"
            )
        return lab.settings.page.address

    return [*living(lab, NAME), Rung("answers", answers)]


def launch_page(stack: str) -> Outcome:
    """Start the live page under supervision; returns what had to be done."""
    lab = open_lab(stack)
    return launch_program(lab.supervisor, lab.paths, NAME, page_spec(lab).model_dump_json(), secrets=store_secrets(lab))


def wait_for_page(stack: str) -> dict[str, str]:
    """Wait until the page answers; returns the evidence of each rung."""
    return climb(page_ladder(open_lab(stack)), READY_SECONDS, SystemClock(), say)


def stop_page(stack: str) -> None:
    """Stop the page; nothing depends on it."""
    open_lab(stack).supervisor.remove(NAME)
