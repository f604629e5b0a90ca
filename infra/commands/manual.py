"""The documents that are generated from the code.

``python -m infra.commands.manual`` writes them, and a test checks that they are current. docs/troubleshooting.md comes from the
diagnosis table and the tree of errors, docs/settings.md from the flows' forms, docs/tweet.schema.json from the wire format,
docs/scenario.schema.json from the scenario's model; the ready scenarios' pictures and pages from docs/scenarios, what
``make scenario-pictures`` has kept of real runs.
"""

from __future__ import annotations

import sys
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from infra.console.crash_reports import run_reported
from infra.forms import producing, proving, showing, stacks
from infra.host.paths import CHECKOUT
from infra.kafka.diagnosis import HEAP_EXHAUSTED, KILLED, KILLED_BY_HAND, MEMORY_KILLED, OUT_OF_MEMORY, TABLE, Diagnosis
from trending.drawing.scenario_pages import scenario_documents
from trending.errors import Interrupted, LabError
from trending.settings import LabSettings
from trending.simulator.scenario import scenario_schema
from trending.tweets.wire_format import json_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from pydantic.fields import FieldInfo

COMMANDS: dict[type[BaseModel], str] = {
    stacks.StartUpForm: "make up",
    stacks.TearDownCommand: "make down, make stop",
    proving.SmokeTestForm: "make smoke",
    proving.AuditForm: "make audit",
    proving.HealthCheckForm: "make health",
    proving.GameDayForm: "make game-day",
    producing.ProduceForm: "make produce",
    showing.ServeForm: "make serve",
    showing.ObserveForm: "make observe",
    showing.SpyForm: "make spy",
    showing.ExportForm: "make export",
    showing.ClientForm: "make client",
    proving.RebuildForm: "make rebuild",
    proving.RedriveForm: "make redrive",
    producing.TweetForm: "make tweet",
    producing.RateForm: "make rate",
    producing.TrendForm: "make trend",
    proving.VerifyForm: "make verify",
    producing.FileReplayForm: "make replay",
    producing.TopicReplayForm: "make replay-topic",
    proving.TruthForm: "make truth",
    proving.NaiveForm: "make naive",
    proving.EvaluateForm: "make evaluate",
    showing.LogsForm: "make logs",
    showing.DemoForm: "make demo",
    showing.RehearseForm: "make rehearse",
    showing.PresentForm: "make present",
    showing.ReportForm: "make report",
    showing.RecordForm: "make record",
    showing.PlayForm: "make replay-demo",
}
"""Form → the commands that take it."""
_MADE = "<!-- Made by `make docs` from {sources}: change it there. -->\n\n"
_BOUNDS = {Ge: ("ge", "≥"), Gt: ("gt", ">"), Le: ("le", "≤"), Lt: ("lt", "<")}


def troubleshooting() -> str:
    """Return docs/troubleshooting.md."""
    reproduced = [_row(row) for row in TABLE if row.reproduced]
    read_about = [_row(row) for row in TABLE if not row.reproduced]
    deaths = (MEMORY_KILLED, KILLED_BY_HAND, OUT_OF_MEMORY, KILLED)
    ends = [*map(_row, deaths), f"| exit {HEAP_EXHAUSTED} of a JVM | see `OutOfMemoryError` below | |"]
    heading = ["| symptom | cause | remedy |", "|---|---|---|"]
    codes = [f"| {error.exit_code} | `{error.__name__}` | {_first_line(error)} |" for error in all_errors()]
    return _MADE.format(sources="infra/kafka/diagnosis.py and src/trending/errors.py") + _lines(
        "# Troubleshooting by symptom",
        "",
        "Every error of the lab says its cause, the evidence and the command to run next; where a service or program died, the",
        "table below was looked up in its last lines. `make status` says the same of a running stack, `make logs SERVICE=kafka`",
        "shows the lines themselves.",
        "",
        "## How something ended",
        "",
        *heading,
        *ends,
        "",
        "## What stands in a log or an error",
        "",
        "Search for a piece of what you see. Each was reproduced.",
        "",
        *heading,
        *reproduced,
        "",
        "These were read about and not reproduced:",
        "",
        *heading,
        *read_about,
        "",
        "## Exit codes of every command",
        "",
        "0 is done; the others are the errors, the most general one first.",
        "",
        "| code | error | what it says |",
        "|---:|---|---|",
        *codes,
    )


def settings() -> str:
    """Return docs/settings.md."""
    return _MADE.format(sources="infra/forms and src/trending/settings.py") + _lines(
        "# Settings",
        "",
        "Each setting, `rate` for example, is an option (`.venv/bin/python -m flows.start_up --rate=5`), a variable of `make`",
        "(`make up RATE=5`), a variable of the environment (`TRENDING_RATE=5`) and a field of the Prefect form. An option goes",
        "before a variable, and that before the default. `make up` remembers: what it was last asked for this stack stands in",
        "for the default. A value out of its bounds is refused by name.",
        "",
        "Four variables are no settings: `TRENDING_HOME` (where everything lies; `.trending` in the checkout), `JAVA_HOME`,",
        "`PREFECT_API_URL` and `PREFECT_HOME`.",
        "",
        *_sections(),
        *_commands(),
    )


def _sections() -> Iterator[str]:
    for name, section in LabSettings.model_fields.items():
        model = section.annotation
        assert isinstance(model, type)  # noqa: S101 - narrows the type; every field of it is a section
        assert issubclass(model, BaseModel)  # noqa: S101
        yield from (f"## {section.title}: {_first_line(model)}", "", *_table(model, f"{name}."), "")


def _commands() -> Iterator[str]:
    yield from ("# What else a command takes", "")
    for form, commands in COMMANDS.items():
        whole = set(LabSettings.model_fields) <= set(form.model_fields)
        own = [name for name in form.model_fields if not (whole and name in LabSettings.model_fields)]
        yield from (f"## `{commands}`", "", _first_line(form), "")
        if whole:
            other = ", ".join(_other_defaults(form))
            yield from (f"All of the above{f' (with {other} by default)' if other else ''}{', and:' if own else '.'}", "")
        if own:
            yield from (*_table(form, only=own), "")


def _other_defaults(form: type[BaseModel]) -> Iterator[str]:
    """Yield the settings for which the form has another default than a stack, with that default."""
    for name, section in LabSettings.model_fields.items():
        usual, ours = section.annotation, form.model_fields[name].annotation
        if ours is not usual:
            assert isinstance(ours, type)  # noqa: S101 - narrows the type; every field of it is a section
            assert issubclass(ours, BaseModel)  # noqa: S101
            for field in ours.__annotations__:
                yield f"`{name}.{field}` {_default(ours.model_fields[field])}"


def _table(model: type[BaseModel], prefix: str = "", only: Iterable[str] | None = None) -> list[str]:
    rows = ["| setting | `make`, environment | default | bounds | what it is |", "|---|---|---|---|---|"]
    for name in only or model.model_fields:
        field = model.model_fields[name]
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            rows += _table(field.annotation, f"{name}.")[2:]
            continue
        variable = f"`{name.upper()}`, `TRENDING_{name.upper()}`"
        rows.append(
            f"| `{prefix}{name}` | {variable} | {_default(field)} | {_bounds(field)} | {_cell(field.description or '')} |"
        )
    return rows


def _default(field: FieldInfo) -> str:
    if field.default is PydanticUndefined:
        return "empty" if field.default_factory is list else "of this machine"
    value = field.default
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if value in {None, ""}:
        return "empty"
    return f"`{str(value.value if isinstance(value, Enum) else value).removeprefix(f'{CHECKOUT}/')}`"


def _bounds(field: FieldInfo) -> str:
    choices = _choices(field.annotation)
    if choices:
        return ", ".join(f"`{choice}`" for choice in choices)
    words = []
    for bound in field.metadata:
        if type(bound) in _BOUNDS:
            attribute, sign = _BOUNDS[type(bound)]
            words.append(f"{sign} {getattr(bound, attribute):,}".replace(",", "\u202f"))
        pattern = getattr(bound, "pattern", None)
        if pattern:
            words.append(f"`{_cell(pattern)}`")
    return ", ".join(words)


def _choices(annotation: Any) -> list[str]:  # noqa: ANN401 - any annotation
    for each in (annotation, *get_args(annotation)):
        if isinstance(each, type) and issubclass(each, Enum):
            return [str(member.value) for member in each]
    return ["true", "false"] if annotation is bool else []


def all_errors() -> list[type[LabError | Interrupted]]:
    """Return every error of the lab by its exit code."""
    found: list[type[LabError]] = [LabError]
    for error in found:
        found += error.__subclasses__()  # the list grows during the loop, so it covers the whole tree
    own = [error for error in dict.fromkeys(found) if error.__module__ == LabError.__module__]
    return [*sorted(own, key=lambda error: error.exit_code), Interrupted]


def _row(row: Diagnosis) -> str:
    return f"| `{_cell(row.symptom)}` | {_cell(row.cause)} | {_cell(row.remedy)} |"


def _first_line(documented: type) -> str:
    return (documented.__doc__ or "").strip().splitlines()[0]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _lines(*lines: str) -> str:
    return "\n".join(lines).rstrip("\n") + "\n"


DOCUMENTS: dict[Path, Callable[[], str]] = {
    CHECKOUT / "docs" / "troubleshooting.md": troubleshooting,
    CHECKOUT / "docs" / "settings.md": settings,
    CHECKOUT / "docs" / "tweet.schema.json": json_schema,
    CHECKOUT / "docs" / "scenario.schema.json": scenario_schema,
    **scenario_documents(CHECKOUT / "docs"),
}
"""Where each document lies, and what makes it."""


def main() -> None:
    """Write all of them."""
    for path, make in DOCUMENTS.items():
        Path(path).write_text(make(), encoding="utf-8")
        sys.stdout.write(f"[ok] {path.relative_to(CHECKOUT)}\n")


if __name__ == "__main__":
    run_reported(main)
