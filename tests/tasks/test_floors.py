"""Tasks are decorators: each wraps a plain function of the same name from the floor below, and nothing goes round one."""

from __future__ import annotations

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
    plain = task.fn
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


@pytest.mark.parametrize("command", ["status", "logs", "spy"])
def test_a_command_that_only_looks_imports_no_prefect(command: str) -> None:
    slow = ("prefect", "pyspark", "pandas", "docker", "supervisor.childutils")
    code = f"import sys, infra.commands.{command}; print([name for name in {slow} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
