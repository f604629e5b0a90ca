"""Scenarios from YAML: by the name of a ready one, or by a path.

What is wrong ends in one line: file, line, field, and what would be right.

Plain values are read by the core schema of YAML 1.2, so that ``no`` and ``1:30`` are texts. Anchors and tags are refused.
"""

from __future__ import annotations

import json
import math
import re
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from trending.errors import InvalidInput
from trending.settings import SCENARIO_NAME
from trending.simulator.scenario import Scenario
from trending.simulator.yaml_marks import Marks, Misread, read_marked
from trending.text import printable

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pydantic_core import ErrorDetails

READY = Path(__file__).with_name("scenarios")
"""Where the ready scenarios lie, a file each."""
MOST_BYTES = 1_000_000
_SHOWN = 40
_KINDS = {
    "model_type": "a mapping: field: value",
    "model_attributes_type": "a mapping: field: value",
    "dict_type": "a mapping: name: value",
    "tuple_type": "a list: [first, second]",
    "float_type": "a number",
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "int_parsing": "a whole number",
    "string_type": "a text; quote it, as in '#Spark': after a blank, # begins a comment",
    "finite_number": "a finite number",
}
"""pydantic's kinds of errors, and what would be right."""
_SUBJECT = re.compile(r"^\w+ should (be )?")
"""What pydantic's sentences begin with, as in "Input should be greater than 0"."""


def ready_scenarios() -> list[str]:
    """Return the names of the ready scenarios."""
    return sorted(path.stem for path in READY.glob("*.yaml"))


def load_scenario(name: str, seed: int | None = None) -> Scenario:
    """Return the scenario of this name or path, with a ``seed`` in place of its own; raises InvalidInput with one line."""
    path = READY / f"{name}.yaml" if SCENARIO_NAME.fullmatch(name) else Path(name)
    if path.parent == READY and not path.exists():
        ready = ", ".join(ready_scenarios())
        cause = f"there is no scenario {name}: ready are {ready}; a file is given by its path, as ./{name}.yaml"
        raise InvalidInput(cause)
    try:
        scenario = _read(path)
        return scenario if seed is None else scenario.model_copy(update={"seed": seed})
    except Misread as misread:
        place = f"{path}, line {misread.line}" if misread.line else str(path)
        cause = f"{place}: {printable(misread.problem)}"
    raise InvalidInput(cause)


def _read(path: Path) -> Scenario:
    marks = Marks()
    content = read_marked(_text(path), marks)
    if not isinstance(content, dict):
        problem = f"a scenario is a mapping that begins with version: 1, and this is {_shown(content)}"
        raise Misread(problem, marks.line(()))
    tweets = content.get("tweets")
    if isinstance(tweets, dict) and isinstance(tweets.get("users"), str):
        tweets["users"] = _users(path.parent / tweets["users"], marks)
    try:
        return Scenario.model_validate_json(json.dumps(content))
    except ValidationError as error:
        raise _misread(error, marks) from None


def _text(path: Path) -> str:
    """Return a file's text; raises Misread."""
    try:
        with path.open("rb") as file:
            data = file.read(MOST_BYTES + 1)
        if len(data) > MOST_BYTES:
            problem = f"it is longer than {MOST_BYTES:,} bytes, which no scenario needs"
            raise Misread(problem)
        return data.decode("utf-8-sig")
    except OSError as error:
        problem = f"it cannot be read: {error.strerror or error}"
        raise Misread(problem) from None
    except UnicodeDecodeError as error:
        problem = f"byte 0x{data[error.start]:02x} is not UTF-8: save the file as UTF-8"
        raise Misread(problem, data.count(b"\n", 0, error.start) + 1) from None


def _users(path: Path, marks: Marks) -> list[str]:
    """Return the users of a file, one a line, without blank lines."""
    try:
        return [line.strip() for line in _text(path).splitlines() if line.strip()]
    except Misread as misread:
        problem = f"tweets.users names {path}: {misread.problem}"
        raise Misread(problem, marks.line(("tweets", "users"))) from None


def _misread(error: ValidationError, marks: Marks) -> Misread:
    """Return the first of the errors by line, and how many there are beside it."""
    found = sorted((_problem(each, marks) for each in error.errors(include_url=False)), key=lambda each: each.line)
    rest = f" (and {len(found) - 1} more)" if len(found) > 1 else ""
    return Misread(found[0].problem + rest, found[0].line)


def _problem(error: ErrorDetails, marks: Marks) -> Misread:
    path = tuple(str(each) for each in error["loc"] if each != "[key]")
    name = _named(path) or "the scenario"
    kind, value = error["type"], error.get("input")
    if kind == "missing":
        return Misread(f"{name} is missing", marks.line(path[:-1]))
    if kind == "extra_forbidden":
        return Misread(f"{name} is unknown: {_known(path)}", marks.key_line(path))
    if kind == "value_error":
        problem = error["msg"].removeprefix("Value error, ")
        # It begins with what it is about, as in "late.seconds begins at 60".
        return Misread(f"{name}: {problem}" if path else problem, marks.line((*path, *problem.split(" ", 1)[0].split("."))))
    wanted = f"be {_KINDS[kind]}" if kind in _KINDS else _sentence(error["msg"])
    line = marks.key_line(path) if error["loc"][-1:] == ("[key]",) else marks.line(path)
    return Misread(f"{name} is {_shown(value)}: it must {wanted}", line)


def _sentence(message: str) -> str:
    """Return what would be right of pydantic's words."""
    words = _SUBJECT.sub("", message)
    return words if words.startswith("have ") else f"be {words[:1].lower()}{words[1:]}"


def _named(path: Sequence[str]) -> str:
    """Return a field's name as a person would say it: ``trends[1].peak``, counted from 1."""
    name = ""
    for each in path:
        name += (
            f"[{int(each) + 1}]"
            if each.isdigit() and name.endswith(("bursts", "ramps", "trends"))
            else f".{each}"
            if name
            else each
        )
    return name


def _known(path: Sequence[str]) -> str:
    """Return what the fields beside an unknown one are, the most similar one first."""
    schema = Scenario.model_json_schema(by_alias=True)
    here: Mapping[str, Any] = schema
    for each in path[:-1]:
        here = _resolved(here.get("properties", {}).get(each, here), schema)
    fields = sorted(here.get("properties", {}))
    close = get_close_matches(path[-1], fields, 1)
    return f"{close[0]} is meant" if close else f"known are {', '.join(fields)}"


def _resolved(part: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the mapping that a part of the schema refers to, as an item of a list or where it may be missing."""
    for each in (part, *part.get("anyOf", ()), part.get("items", {})):
        if "$ref" in each:
            found: Mapping[str, Any] = schema["$defs"][each["$ref"].rsplit("/", 1)[-1]]
            return found
    return part


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"
