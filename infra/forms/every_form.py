"""Every form there is: one bounded model each, which defines both the Prefect form and the command line."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import BaseModel

from infra.forms.producing import FileReplayForm, ProduceForm, RateForm, TopicReplayForm, TrendForm, TweetForm
from infra.forms.proving import (
    AuditForm,
    EvaluateForm,
    GameDayForm,
    HealthCheckForm,
    NaiveForm,
    RebuildForm,
    RedriveForm,
    SmokeTestForm,
    TruthForm,
    VerifyForm,
)
from infra.forms.showing import (
    ClientForm,
    DemoForm,
    ExportForm,
    LogsForm,
    ObserveForm,
    PlayForm,
    PresentForm,
    RecordForm,
    RehearseForm,
    ReportForm,
    ServeForm,
    SpyForm,
)
from infra.forms.stacks import StartUpForm, TearDownCommand

if TYPE_CHECKING:
    from collections.abc import Mapping


ALL_FORMS: tuple[type[BaseModel], ...] = (
    StartUpForm,
    TearDownCommand,
    SmokeTestForm,
    AuditForm,
    HealthCheckForm,
    GameDayForm,
    ServeForm,
    SpyForm,
    ExportForm,
    ClientForm,
    RebuildForm,
    RedriveForm,
    TweetForm,
    RateForm,
    TrendForm,
    VerifyForm,
    FileReplayForm,
    TopicReplayForm,
    TruthForm,
    NaiveForm,
    EvaluateForm,
    LogsForm,
    ObserveForm,
    DemoForm,
    ReportForm,
    RecordForm,
    PlayForm,
    ProduceForm,
    RehearseForm,
    PresentForm,
)


def field_sections(form: type[BaseModel]) -> Mapping[str, str]:
    """Return field → section for every field of a form; the section is empty for the form's own fields."""
    fields: dict[str, str] = {}
    for name, field in form.model_fields.items():
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            fields.update(dict.fromkeys(field.annotation.model_fields, name))
        else:
            fields[name] = ""
    return fields
