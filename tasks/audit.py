"""Tasks for the audit and the five-message probe."""

from __future__ import annotations

from infra.operations import audit
from tasks.lab_task import lab_task

audit_log = lab_task(name="audit-log", timeout_seconds=1800)(audit.audit_log)
audit_running = lab_task(name="audit-running", timeout_seconds=1800, retries=0)(audit.audit_running)
send_probe = lab_task(name="send-probe", retries=0, timeout_seconds=120)(audit.send_probe)
