"""The house: every room has a number of modules that one can take in, and what is started by its name is where that says."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest
import yaml

from flows.commands.modules import COMMANDS, module_of

CHECKOUT = Path(__file__).resolve().parents[1]
FLOORS = ("flows", "tasks", "infra", "src", "tests")
MOST = 12
UNCOUNTED = {"__init__", "__main__", "conftest"}
FLOWS = [path for path in sorted((CHECKOUT / "flows").glob("*.py")) if path.stem not in UNCOUNTED]


def modules_by_folder() -> dict[str, list[str]]:
    """Return folder → the modules in it, for each folder that has any."""
    found: dict[str, list[str]] = {}
    for floor in FLOORS:
        for path in sorted((CHECKOUT / floor).rglob("*.py")):
            if path.stem not in UNCOUNTED:
                found.setdefault(path.parent.relative_to(CHECKOUT).as_posix(), []).append(path.stem)
    return found


def test_no_folder_holds_more_than_a_dozen_modules() -> None:
    crowded = {folder: names for folder, names in modules_by_folder().items() if len(names) > MOST}
    assert crowded == {}, "a room of its own for some of them"


@pytest.mark.parametrize("path", FLOWS, ids=lambda path: path.stem)
def test_a_file_of_flows_is_one_flow_with_one_deployment(path: Path) -> None:
    flows = [
        node.name
        for node in ast.parse(path.read_text(encoding="utf-8")).body
        if isinstance(node, ast.FunctionDef)
        and any("flow" in re.findall(r"\w+", ast.unparse(each)) for each in node.decorator_list)
    ]
    deployments = yaml.safe_load((CHECKOUT / "prefect.yaml").read_text(encoding="utf-8"))["deployments"]
    entrypoints = [each["entrypoint"] for each in deployments if each["entrypoint"].startswith(f"flows/{path.name}:")]
    assert [f"flows/{path.name}:{name}" for name in flows] == entrypoints
    assert len(flows) == 1


FIRST_OF_A_COMMAND = ["from infra.console.imports import tell_in_one_line", "tell_in_one_line()"]
"""What the two packages of commands do before the command's own imports; it imports the standard library only."""


@pytest.mark.parametrize("floor", ["flows", "infra", "src"])
def test_a_package_costs_nothing_to_import(floor: str) -> None:
    for path in (CHECKOUT / floor).rglob("__init__.py"):
        docstring, *code = ast.parse(path.read_text(encoding="utf-8")).body
        assert isinstance(docstring, ast.Expr), path
        first = path.parent in {CHECKOUT / "flows", CHECKOUT / "infra"}
        assert [ast.unparse(each) for each in code] == (FIRST_OF_A_COMMAND if first else []), path


def test_where_a_stack_lies_is_composed_in_one_module() -> None:
    """Of its directories and of the lab's directory of stacks."""
    by_hand = re.compile(r"\bpaths\.(?:root|data|run|logs|checkpoints) /|[\"']stacks[\"']")
    modules = [path for floor in ("flows", "tasks", "infra") for path in sorted((CHECKOUT / floor).rglob("*.py"))]
    composing = [path for path in modules if by_hand.search(path.read_text(encoding="utf-8"))]
    assert [path.relative_to(CHECKOUT).as_posix() for path in composing] == ["infra/host/paths.py"]


@pytest.mark.parametrize("program", ["producer", "stream", "page"])
def test_a_program_is_started_by_the_name_of_its_package(program: str) -> None:
    assert find_spec(f"trending.{program}.__main__") is not None


def test_every_command_of_the_makefile_is_a_module() -> None:
    named = re.findall(r" -m ((?:flows|infra)[.\w]+)", (CHECKOUT / "Makefile").read_text(encoding="utf-8"))
    assert [name for name in named if not runs(name)] == []
    assert len(named) > len(FLOWS)


def test_every_command_is_a_module() -> None:
    assert [word for word, command in COMMANDS.items() if not runs(command.module)] == []
    assert [path.stem for path in FLOWS if not runs(module_of(path.stem))] == []


def runs(module: str) -> bool:
    """Whether ``python -m`` has something to run there."""
    path = (CHECKOUT / module.replace(".", "/")).with_suffix(".py")
    return path.exists() and '__name__ == "__main__"' in path.read_text(encoding="utf-8")
