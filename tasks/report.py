"""Tasks for the report: facts about the stack, a photo of its page, counts while nothing is produced, the files."""

from __future__ import annotations

from infra.operations import report
from tasks.lab_task import lab_task

gather_facts = lab_task(name="gather-facts", timeout_seconds=60)(report.gather_facts)
photograph_page = lab_task(name="photograph-page", timeout_seconds=90, retries=0)(report.photograph_page)
survey_log = lab_task(name="survey-log", timeout_seconds=1800)(report.survey_log)
write_report = lab_task(name="write-report", timeout_seconds=120, retries=0)(report.write_report)
