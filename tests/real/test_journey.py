"""One story a runtime, told by the commands a person uses: up, status, tester, faults, audit, report, stop, start, down.

FAULTS.md row 6 is in it (up twice, two at once, down twice, down on nothing), rows 11 and 20 by their simplest faults.
"""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import psutil
import pytest
from real.conftest import new_stack

from infra.forms.stacks import LastStep
from infra.host.paths import CHECKOUT
from infra.host.processes import wait_for_end
from infra.prefect_services.server import ensure_server, stop_server
from trending.kafka.log_reader import log_ends

if TYPE_CHECKING:
    from real.harness import RealStack

pytestmark = pytest.mark.journey
STEPS = ["preparation", "supervisor", "kafka", "topic", "producer", "stream", "page"]


def run_tester(stack: RealStack) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "tests/tester.py"],
        cwd=CHECKOUT,
        env={**os.environ, "TRENDING_NAME": stack.name},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def lives(stack: RealStack) -> tuple[int, ...]:
    """Return the pids of everything that runs."""
    return (stack.service_pid(), *(stack.program_pid(program) for program in ("producer", "stream", "page")))


def end_of_log(stack: RealStack) -> int:
    first, end = log_ends(stack.lab.stack.connection, "tweets_topic")[0]
    assert first == 0
    return end


@pytest.mark.row(6, "D", "E")
@pytest.mark.row(11, "D", "E")
@pytest.mark.row(20, "D", "E")
@pytest.mark.row(25, "D", "E")
def test_from_the_first_up_to_the_last_down(any_stack: RealStack) -> None:
    stack = any_stack
    no_stack_yet(stack)
    two_at_once(stack)
    again(stack)
    messages_there_and_back(stack)
    broker_and_driver_killed(stack)
    audited_and_reported(stack)
    stopped_and_started(stack)
    beside_another_stack(stack)
    stack.audit()
    taken_down_without_a_server(stack)


def no_stack_yet(stack: RealStack) -> None:
    output = stack.command("status", f"--name={stack.name}", code=11)
    assert f"there is no stack {stack.name}" in output
    assert "Traceback" not in output


def two_at_once(stack: RealStack) -> None:
    """Exactly one creates everything, in strict order."""
    both = [stack.start("start_up", *stack.up_arguments()) for _each in range(2)]
    outputs = [process.communicate(timeout=240)[0] for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    first, second = sorted(outputs, key=lambda output: "nothing was changed" in output)
    assert f"stack {stack.name} is up" in first
    assert "was up already: nothing was changed" in second
    for output in outputs:
        assert [line.split("] ")[1].split(":")[0] for line in output.splitlines() if line.startswith("[")] == STEPS


def again(stack: RealStack) -> None:
    before = lives(stack)
    assert "was up already: nothing was changed" in stack.up()
    assert lives(stack) == before
    status = stack.command("status", f"--name={stack.name}")
    assert status.count("healthy") == 4
    assert "unhealthy" not in status


def messages_there_and_back(stack: RealStack) -> None:
    for _twice in range(2):
        done = run_tester(stack)
        assert done.returncode == 0, done.stderr
        assert done.stdout.splitlines() == [
            f">>> 1. INICIANDO PRODUTOR (Enviando mensajes a localhost:{stack.port})...",
            *(f"[OK] Enviado: {{'usuario': 'User_{n}', 'mensaje': 'Hola Kafka', 'contador': {n}}}" for n in range(1, 6)),
            ">>> 2. INICIANDO CONSUMIDOR (Leyendo de tweets_topic)...",
            *(f"[OK] Recibido: {{'usuario': 'User_{n}', 'mensaje': 'Hola Kafka', 'contador': {n}}}" for n in range(1, 6)),
            ">>> Consumidor finalizado con éxito. ¡TODO FUNCIONA!",
        ]
    stack.command("smoke_test", f"--name={stack.name}")
    assert "counts for #Clase in the window from" in stack.command("tweet", f"--name={stack.name}", "--text=hola #Clase")
    lines = stack.command("spy", f"--name={stack.name}", "--limit=5").splitlines()
    assert len(lines) == 5
    assert all('"hashtag_principal":"#' in line for line in lines)


def broker_and_driver_killed(stack: RealStack) -> None:
    """One after the other, and both are waited for together; test_game_day.py has them one by one."""
    broker = stack.service_pid()
    stack.kill(broker)
    stack.wait_until(lambda: stack.service_pid() != broker, 30, "the broker has a new pid")
    driver, jvm = stack.program_pid("stream"), psutil.Process(stack.jvm_pid())
    stack.kill(driver)
    assert wait_for_end([jvm], 5) == [], "the tree of a killed driver is gone"
    stack.wait_new_life("stream", driver)
    stack.wait_progress()


def audited_and_reported(stack: RealStack) -> None:
    assert "foreign records: 15" in stack.audit_command()
    place = stack.paths.home / f"report-{stack.name}"
    stack.require_clean(stack.command("report", f"--name={stack.name}", f"--out={place}"))
    assert {each.name for each in place.iterdir()} >= {"informe.html", "diapositivas.html", "diapositivas.pdf", "datos.json"}


def stopped_and_started(stack: RealStack) -> None:
    end = end_of_log(stack)
    for _twice in range(2):
        assert f"stopped; make start NAME={stack.name} brings it back" in stack.command(
            "tear_down", f"--name={stack.name}", "--stop_only"
        )
        assert stack.running() == set()
    stack.up()
    assert end_of_log(stack) >= end


def beside_another_stack(stack: RealStack) -> None:
    """It comes and goes, and this one goes on."""
    other = new_stack()
    other.bring_up(LastStep.PRODUCER)
    try:
        assert other.running() == {"kafka", "producer"}
        assert stack.running() == {"kafka", "producer", "stream", "page"}
    finally:
        other.down()
    other.assert_nothing_left()
    assert stack.running() == {"kafka", "producer", "stream", "page"}
    stack.wait_progress()


def taken_down_without_a_server(stack: RealStack) -> None:
    """The data plane outlives Prefect's server, and down needs none."""
    assert stop_server()
    try:
        stack.wait_progress(30)
        assert "its data deleted" in stack.down_command()
        assert "nothing to take down" in stack.down_command()
    finally:
        ensure_server()
    stack.assert_nothing_left()
    assert not stack.paths.root.exists()
