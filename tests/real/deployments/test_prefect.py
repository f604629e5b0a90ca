"""The lab operated from Prefect: a real server, a real worker, real deployments. FAULTS.md rows 8, 9, 25, 26 and 27."""

from __future__ import annotations

import datetime as dt
import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest
from prefect.client.schemas.filters import DeploymentFilter, DeploymentFilterId
from prefect.states import Pending
from real.served import Served, form

from flows.commands.deployment import wait_for_worker
from infra.forms.stacks import LastStep
from infra.health.verdicts import note_repair, read_record
from infra.host.clock import SystemClock
from infra.host.paths import CHECKOUT
from infra.prefect_services.credentials import prefect_environment
from infra.prefect_services.server import current_server
from infra.prefect_services.supervision import WORKER, services_supervisor
from infra.prefect_services.worker import ensure_worker
from infra.stack.runtime import ServiceState

if TYPE_CHECKING:
    from pathlib import Path
    from uuid import UUID

    from real.harness import RealStack

WELL = {"Healthy", "Warning"}
"""A stream that has just started is a warning for a while."""
DEPLOYMENTS = ("start-up", "tear-down", "health-check", "smoke-test", "audit", "demo", "game-day", "report")


def flow_process(run: UUID) -> psutil.Process:
    """Return the process that a worker started for a run."""
    for process in psutil.process_iter():
        try:
            if process.environ().get("PREFECT__FLOW_RUN_ID") == str(run) and "prefect" in " ".join(process.cmdline()):
                return process
        except psutil.Error:
            continue
    raise AssertionError(f"no process of run {run}")


def test_everything_is_deployed_with_its_form_schedule_and_limits(served: Served) -> None:
    for name in DEPLOYMENTS:
        deployment = served.client.read_deployment_by_name(f"{name}/local")
        assert deployment.description
        assert deployment.tags
        schema = deployment.parameter_openapi_schema
        assert "settings" in schema["properties"]
        assert deployment.pull_steps == [{"prefect.deployments.steps.set_working_directory": {"directory": str(CHECKOUT)}}]
        intervals = [schedule.schedule.interval.total_seconds() for schedule in deployment.schedules]
        assert intervals == ([300] if name == "health-check" else [])
    limit = served.client.read_deployment_by_name("health-check/local").global_concurrency_limit
    assert limit is not None
    assert limit.limit == 1
    fields = served.client.read_deployment_by_name("start-up/local").parameter_openapi_schema["definitions"]
    rate = fields["ProducerSettings"]["properties"]["rate"]
    assert rate["description"] == "Tweets per second; more than 0, at most 1,000,000."
    assert rate["exclusiveMinimum"] == 0
    assert rate["default"] == 1.0


def test_up_check_smoke_audit_and_down_from_deployments(served: Served, stack: RealStack) -> None:
    asked = time.monotonic()
    run = served.start("start-up/local", form(stack))
    served.wait(run, 30, "Running", "Completed")
    assert time.monotonic() - asked < 20, "far from the 5 s of PERFORMANCE.md row 12, which the benchmark measures"
    up = served.wait(run)
    assert up.state_name == "Completed", up.state
    stack.wait_progress()
    check = served.run("health-check/local", {"name": stack.name})
    assert check.state_name in WELL, check.state
    table = served.artifacts(f"health-{stack.name}")[0]["data"]
    for component in ("kafka", "cluster", "topic", "producer", "stream"):
        assert f'"component": "{component}", "verdict": "healthy"' in table
    assert served.run("smoke-test/local", {"name": stack.name}).state_name == "Completed"
    assert served.run("audit/local", {"name": stack.name}).state_name == "Completed"
    refused = served.run("tear-down/local", {"name": stack.name, "volumes": True})
    assert refused.state_name == "Failed"
    assert "confirm must be" in str(refused.state and refused.state.message)
    down = served.run("tear-down/local", {"name": stack.name, "volumes": True, "confirm": stack.name})
    assert down.state_name == "Completed", down.state
    stack.assert_nothing_left()
    assert served.run("health-check/local", {"name": stack.name}).state_name == "Absent"
    assert current_server() is not None
    worker = services_supervisor().status(WORKER)
    assert worker is not None
    assert worker.alive, "the tear-down ended the worker that ran it"


@pytest.mark.row(8, "E")
def test_row_8_a_cancelled_start_up_is_undone(served: Served, stack: RealStack) -> None:
    run = served.start("start-up/local", form(stack))
    stack.wait_until(lambda: stack.lab.supervisor.status("stream") is not None, 90, "the job is submitted")
    served.cancel(run)
    assert served.wait(run, 90).state_name == "Cancelled"
    stack.wait_until(lambda: stack.running() == set(), 60, "everything is undone")
    stack.assert_nothing_left()


def test_a_run_that_a_worker_left_behind_does_not_hold_up_the_next(served: Served) -> None:
    """A worker that ends while it submits a run reports nothing; the run held its deployment's only slot for 315 s."""
    services_supervisor().remove(WORKER)
    try:
        left = served.start("health-check/local", {"name": "nobody"})
        served.client.set_flow_run_state(left, Pending())  # as a worker does before it starts the process
        ensure_worker(served.server)
        assert served.run("health-check/local", {"name": "nobody"}, 60).state_name == "Absent"
    finally:
        ensure_worker(served.server)
        wait_for_worker(SystemClock())
    assert served.wait(left, 10).state_name == "Crashed"


@pytest.mark.row(9, "E")
def test_row_9_after_sigkill_of_the_run_the_next_one_adopts_and_down_cleans(served: Served, stack: RealStack) -> None:
    run = served.start("start-up/local", form(stack))
    stack.wait_until(lambda: stack.service_state() is ServiceState.RUNNING, 90, "the broker runs")
    flow_process(run).kill()
    assert served.wait(run, 90).state_name == "Crashed"
    broker = stack.service_pid()
    assert served.run("start-up/local", form(stack)).state_name == "Completed"
    assert stack.service_pid() == broker
    stack.audit()
    assert served.run("tear-down/local", {"name": stack.name}).state_name == "Completed"
    stack.assert_nothing_left()


@pytest.mark.row(25, "E")
def test_row_25_a_killed_worker_and_a_locked_database_do_not_touch_the_data_plane(served: Served, stack: RealStack) -> None:
    stack.bring_up(LastStep.PRODUCER)
    worker = services_supervisor().status(WORKER)
    assert worker is not None
    psutil.Process(worker.pid).kill()
    database = next(iter(_databases()))
    with closing(sqlite3.connect(database, timeout=30)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        before = stack.figure("producer", "acknowledged")
        stack.wait_until(lambda: stack.figure("producer", "acknowledged") > before, 20, "the producer goes on")
        down = tear_down_impatiently(stack)
        connection.rollback()
    assert down.returncode == 0, down.stdout
    assert "going on without" in down.stdout
    stack.assert_nothing_left()
    stack.wait_until(
        lambda: (again := services_supervisor().status(WORKER)) is not None and again.alive and again.pid != worker.pid,
        30,
        "the worker is back",
    )
    wait_for_worker(SystemClock())  # a check that waits for it longer than some seconds is late, and cancelled
    assert served.run("health-check/local", {"name": stack.name}).state_name == "Absent"


IMPATIENT = """
from flows import tear_down
tear_down.REQUEST_SECONDS = 3.0
tear_down.run_command(tear_down.TearDownCommand, tear_down.main, "python -m flows.tear_down")
"""


def tear_down_impatiently(stack: RealStack) -> subprocess.CompletedProcess[str]:
    """Run the command, which gives a server that does not answer 3 s a request instead of 15."""
    return subprocess.run(
        [sys.executable, "-c", IMPATIENT, f"--name={stack.name}", "--volumes"],
        cwd=CHECKOUT,
        env={name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "PYTEST_"))},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )


def _databases() -> list[Path]:
    from pathlib import Path  # noqa: PLC0415

    return list(Path(prefect_environment()["PREFECT_HOME"]).glob("*.db"))


@pytest.mark.row(26, "E")
def test_row_26_a_take_down_during_a_repair_wins_and_nothing_is_resurrected(served: Served, stack: RealStack) -> None:
    stack.bring_up(LastStep.PRODUCER)
    stack.lab.supervisor.stop("kafka")
    repair = served.start("health-check/local", {"name": stack.name, "heal": True})
    stack.wait_until(lambda: broker_runs(stack), 90, "the repair is under way")
    # A frozen broker keeps the repair waiting until the take-down comes, however long the start of that one's process takes.
    with stack.frozen():
        down = served.start("tear-down/local", {"name": stack.name})
        assert served.wait(repair, 120).state_name == "Absent"
    assert served.wait(down, 120).state_name == "Completed"
    stack.assert_nothing_left()
    time.sleep(3)
    stack.assert_nothing_left()


def broker_runs(stack: RealStack) -> bool:
    status = stack.lab.supervisor.status("kafka")
    return status is not None and status.alive


@pytest.mark.row(26, "E")
def test_healing_brings_back_each_component_once(served: Served, stack: RealStack) -> None:
    stack.up()

    def assert_heals(*names: str) -> None:
        run = served.run("health-check/local", {"name": stack.name, "heal": True})
        assert run.state_name in names, served.story(run)

    assert_heals(*WELL)
    for component in ("producer", "stream", "kafka"):
        if component == "kafka":
            stack.lab.supervisor.stop(component)
        else:
            stack.lab.supervisor.remove(component)
        assert_heals("Repaired")
        assert len(read_record(stack.paths.health).repairs[component]) == 1
    stack.supervisord().kill()
    assert_heals("Repaired")
    stack.wait_progress()
    assert_heals(*WELL)
    stack.audit()
    changed = served.events("trending.health.changed", f"trending.stack.{stack.paths.stack_id}")
    verdicts = [event["resource"]["trending.verdict"] for event in changed]
    assert "unhealthy" not in verdicts, "each was well again when its check ended"


@pytest.mark.row(27, "E")
def test_row_27_a_killed_healer_has_spent_its_repair_and_a_spent_budget_is_told_once(served: Served, stack: RealStack) -> None:
    stack.bring_up(LastStep.PRODUCER)
    stack.lab.supervisor.stop("kafka")
    run = served.start("health-check/local", {"name": stack.name, "heal": True})
    stack.wait_until(lambda: broker_runs(stack), 90, "the repair is under way")
    flow_process(run).kill()
    assert served.wait(run, 90).state_name == "Crashed"
    assert len(read_record(stack.paths.health).repairs["kafka"]) == 1
    stack.lab.supervisor.stop("kafka")
    assert served.run("health-check/local", {"name": stack.name, "heal": True}).state_name == "Repaired"
    note_repair(stack.paths.health, "kafka", time.time())  # a third
    stack.lab.supervisor.stop("kafka")
    for _check in range(2):
        spent = served.run("health-check/local", {"name": stack.name, "heal": True})
        assert spent.state_name == "Failed"
        assert "was repaired 3 times" in str(spent.state and spent.state.message)
    assert not broker_runs(stack)
    told = served.events("trending.health.given-up", f"trending.stack.{stack.paths.stack_id}")
    assert len(told) == 1


def test_a_scheduled_health_check_runs_by_itself(served: Served) -> None:
    """The deployment's own schedule is five minutes: beside it one of seconds, which the server's scheduler finds in as many."""
    deployment = served.client.read_deployment_by_name("health-check/local")
    wanted = DeploymentFilter(id=DeploymentFilterId(any_=[deployment.id]))
    place = f"/deployments/{deployment.id}/schedules"
    quick = {"schedule": {"interval": 15}, "active": True}
    reply = served.client._client.post(place, json=[quick])
    reply.raise_for_status()
    (schedule,) = reply.json()
    started = dt.datetime.now(dt.UTC)
    try:
        deadline = time.monotonic() + 120
        while True:
            runs = served.client.read_flow_runs(deployment_filter=wanted, limit=200)
            scheduled = [run for run in runs if run.auto_scheduled and run.start_time and run.start_time >= started]
            if any(run.state_name == "Absent" for run in scheduled):
                return
            assert time.monotonic() < deadline, [(run.name, run.state_name) for run in scheduled]
            time.sleep(0.5)
    finally:
        served.client._client.delete(f"{place}/{schedule['id']}").raise_for_status()
