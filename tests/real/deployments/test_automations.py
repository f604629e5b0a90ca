"""Each automation, exercised by what it is for: a message that arrives, a run gone silent, a check that found no worker."""

from __future__ import annotations

import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import psutil
import pytest
import yaml
from prefect.client.schemas.objects import StateType
from pydantic import SecretStr
from real.served import Served, form

from flows.commands.deployment import AUTOMATIONS, apply_automations, wait_for_worker
from infra.health.verdicts import Finding, Verdict, note_findings
from infra.host.clock import SystemClock
from infra.prefect_services.supervision import WORKER, services_supervisor
from infra.prefect_services.worker import ensure_worker
from infra.stack.runtime import ServiceState

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real.harness import RealStack


@pytest.fixture
def mailbox() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """An address on loopback and what was posted to it."""
    received: list[dict[str, Any]] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            received.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: Any) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}/alert", received
        server.shutdown()
        thread.join()


@pytest.mark.row(27, "E")
def test_an_alert_arrives_when_a_health_check_finds_something_down(
    served: Served, stack: RealStack, mailbox: tuple[str, list[dict[str, Any]]]
) -> None:
    address, received = mailbox
    assert "trending-alert" in apply_automations(SecretStr(address))
    stack.up(until="producer")
    stack.lab.supervisor.remove("producer")
    assert served.run("health-check/local", {"name": stack.name}).state_name == "Failed"
    stack.wait_until(lambda: bool(received), 60, "the alert arrives")
    assert received[0]["title"] == "Trending lab: health"
    assert "make status" in received[0]["text"]
    before = len(received)
    assert served.run("health-check/local", {"name": stack.name}).state_name == "Failed"
    time.sleep(5)
    assert len(received) == before, "nothing changed, nobody is alerted"
    findings = [Finding("producer", Verdict.UNHEALTHY, "gone")]
    assert note_findings(stack.paths.health, findings, (), time.time())[0] == {}


@pytest.mark.row(25, "E")
def test_a_run_whose_worker_died_with_it_is_marked_crashed(served: Served, stack: RealStack, tmp_path: Path) -> None:
    declared = yaml.safe_load(AUTOMATIONS.read_text(encoding="utf-8"))
    zombies = next(each for each in declared["automations"] if each["name"] == "trending-zombies")
    zombies["trigger"]["within"] = 40  # a little over one heartbeat instead of three
    quick = tmp_path / "automations.yaml"
    quick.write_text(yaml.safe_dump(declared), encoding="utf-8")
    apply_automations(None, quick)
    supervisor = services_supervisor()
    try:
        run = served.start("start-up/local", form(stack))
        stack.wait_until(lambda: stack.service_state() is ServiceState.RUNNING, 90, "the broker runs")
        worker = psutil.Process(supervisor.status(WORKER).pid)  # type: ignore[union-attr]
        family = [worker, *worker.children(recursive=True)]
        heartbeats = len(served.events("prefect.flow-run.heartbeat", f"prefect.flow-run.{run}"))
        stack.wait_until(
            lambda: len(served.events("prefect.flow-run.heartbeat", f"prefect.flow-run.{run}")) > heartbeats or heartbeats > 0,
            60,
            "it sent a heartbeat",
        )
        # A worker that supervisord starts anew would end the run before the automation does. A stop is asked for first, so it
        # starts none; all of them are frozen meanwhile, so none sees the SIGTERM and ends the run itself.
        for process in family:
            process.suspend()
        supervisor.ask_to_stop(WORKER)
        for process in family:
            process.kill()
        supervisor.remove(WORKER)
        # What the dead run had begun is adopted meanwhile: the automation waits for its heartbeat anyway.
        stack.up()
        stack.audit()
        crashed = served.wait(run, 180)
        assert crashed.state_type is StateType.CRASHED
        assert "sent no heartbeat" in str(crashed.state and crashed.state.message)
    finally:
        apply_automations(None)
        ensure_worker(served.server)
        wait_for_worker(SystemClock())


def test_a_health_check_that_finds_no_worker_is_cancelled(served: Served) -> None:
    supervisor = services_supervisor()
    supervisor.remove(WORKER)
    try:
        run = served.start("health-check/local", {"name": "nobody"})
        assert served.wait(run, 120).state_name == "Cancelled"
    finally:
        ensure_worker(served.server)
        wait_for_worker(SystemClock())
    assert served.run("health-check/local", {"name": "nobody"}).state_name == "Absent"
