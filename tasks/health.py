"""Tasks that examine and repair."""

from __future__ import annotations

from infra.health import examination, repair
from tasks.lab_task import lab_task

examine_components = lab_task(name="examine-components", timeout_seconds=120)(examination.examine_components)
examine_compose_services = lab_task(name="examine-compose-services", timeout_seconds=120)(examination.examine_compose_services)
repair_component = lab_task(
    name="repair-component", task_run_name="repair-component {finding.component}", timeout_seconds=400, retries=0
)(repair.repair_component)
