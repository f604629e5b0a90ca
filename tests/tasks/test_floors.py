"""Tasks are decorators: each wraps a plain function of the same name from the floor below, and nothing goes round one."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys

import pytest
from prefect import Task

import tasks
from infra.host.paths import CHECKOUT

FLOORS = ("flows", "tasks", "infra", "src")
MODULES = [importlib.import_module(f"tasks.{module.name}") for module in pkgutil.iter_modules(tasks.__path__)]
TASKS = [(name, value) for module in MODULES for name, value in vars(module).items() if isinstance(value, Task)]


def test_there_are_tasks_to_look_at() -> None:
    assert len(TASKS) >= 25


@pytest.mark.parametrize(("name", "task"), TASKS, ids=[name for name, _task in TASKS])
def test_a_task_wraps_a_plain_function_of_its_own_name(name: str, task: Task[..., object]) -> None:
    plain = inspect.unwrap(task.fn)  # what it raises passes through the wrapper that every task has
    assert plain.__name__ == name
    assert plain.__module__.startswith("infra.")
    assert getattr(importlib.import_module(plain.__module__), name) is plain
    assert task.name == name.replace("_", "-")
    assert task.description == inspect.getdoc(plain)


def test_nothing_goes_round_a_task() -> None:
    way_round = re.compile(r"\b(fn|__wrapped__)\b")
    found = [
        f"{path.relative_to(CHECKOUT)}: {line.strip()}"
        for floor in FLOORS
        for path in (CHECKOUT / floor).rglob("*.py")
        for line in path.read_text(encoding="utf-8").splitlines()
        if way_round.search(line)
    ]
    assert found == []


LOOKING = ("status", "logs", "spy")


@pytest.fixture(scope="module")
def imported() -> dict[str, list[str]]:
    """By command, what is slow to import and was there once it was: one process imports one command after the other."""
    slow = ("prefect", "pyspark", "pandas", "docker", "supervisor.childutils", "cryptography.x509", "infra.external.runtime")
    look = f"print([name for name in {slow} if name in sys.modules])"
    code = "\n".join(["import sys", *(f"import infra.commands.{command}; {look}" for command in LOOKING)])
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return dict(zip(LOOKING, map(ast.literal_eval, done.stdout.splitlines()), strict=True))


@pytest.mark.parametrize("command", LOOKING)
def test_a_command_that_only_looks_imports_no_prefect(command: str, imported: dict[str, list[str]]) -> None:
    assert imported[command] == []


def test_prefects_import_pulls_in_no_grammar_of_every_iri() -> None:
    """``rfc3987_syntax`` builds 38 grammars on import: 1.0 s of the 2.1 s that ``import prefect`` took with it.

    jsonschema imports it wherever it is installed, so the lock has to do without.
    """
    code = "import sys, prefect; print([name for name in ('lark', 'rfc3987_syntax') if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
