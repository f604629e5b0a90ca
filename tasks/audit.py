"""Tasks of the audit and of the five-message probe."""

from __future__ import annotations

from infra.operations import audit
from tasks.step import step

audit_log = step(name="audit-log", timeout_seconds=1800)(audit.audit_log)
send_probe = step(name="send-probe", retries=0, timeout_seconds=120)(audit.send_probe)
