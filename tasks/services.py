"""Tasks for the stack's services: prepare, start, wait, stop, sweep."""

from __future__ import annotations

from infra.operations import services
from tasks.lab_task import lab_task

prepare_stack = lab_task(name="prepare-stack", timeout_seconds=900)(services.prepare_stack)
enter_cluster = lab_task(name="enter-cluster", timeout_seconds=60)(services.enter_cluster)
start_supervisor = lab_task(name="start-supervisor", timeout_seconds=60)(services.start_supervisor)
start_service = lab_task(name="start-service", task_run_name="start-service {service}", timeout_seconds=180)(
    services.start_service
)
wait_for_service = lab_task(name="wait-for-service", task_run_name="wait-for-service {service}", timeout_seconds=180, retries=0)(
    services.wait_for_service
)
stop_service = lab_task(name="stop-service", task_run_name="stop-service {service}", timeout_seconds=120)(services.stop_service)
remove_service = lab_task(name="remove-service", task_run_name="remove-service {service}", timeout_seconds=120)(
    services.remove_service
)
sweep_stack = lab_task(name="sweep-stack", timeout_seconds=180)(services.sweep_stack)
mark_wanted = lab_task(name="mark-wanted", timeout_seconds=30)(services.mark_wanted)
