"""Task that breaks a running stack on purpose."""

from __future__ import annotations

from infra.game_day import trials
from tasks.lab_task import lab_task

inject_fault = lab_task(
    name="inject-fault", task_run_name="inject-fault {aim}", timeout_seconds=trials.LONGEST_SECONDS, retries=0
)(trials.inject_fault)
