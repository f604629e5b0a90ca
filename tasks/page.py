"""Tasks for the page program."""

from __future__ import annotations

from infra.operations import page
from tasks.lab_task import lab_task

launch_page = lab_task(name="launch-page", timeout_seconds=60)(page.launch_page)
wait_for_page = lab_task(name="wait-for-page", timeout_seconds=60, retries=0)(page.wait_for_page)
stop_page = lab_task(name="stop-page", timeout_seconds=90)(page.stop_page)
