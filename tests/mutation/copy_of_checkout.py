"""A copy of the checkout in which mutmut may write what it likes, with its settings for one module."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from infra.host.paths import CHECKOUT
from trending.errors import InvalidInput

if TYPE_CHECKING:
    from pathlib import Path

COPIED = ("flows", "infra", "tasks", "benchmarks", "docs", "Makefile", "prefect.yaml")
"""What tests read beside sources, tests and pyproject.toml, which mutmut copies by itself."""

MADE = (".git", ".venv", ".trending", "mutants", "reports", "*.egg-info", ".*_cache", "__pycache__")


def source_of(module: str) -> str:
    """Return the path of a module of the data plane's, in the checkout; raises InvalidInput where there is none."""
    path = f"src/{module.replace('.', '/')}.py"
    if not module.startswith("trending.") or not (CHECKOUT / path).is_file():
        cause = f"{module} is no module of the data plane's"
        raise InvalidInput(cause, path, "make mutants MODULE=trending.tweets.rule")
    return path


def room_of_tests(module: str) -> str:
    """Return the folder with the tests of a module's room, which alone decide: the tests mirror the tree."""
    _trending, room, *_name = module.split(".")
    return f"tests/trending/{room}"


def settings_for(module: str) -> str:
    """Return mutmut's section of pyproject.toml."""
    quoted = ", ".join(f'"{name}"' for name in COPIED)
    return f"""
[tool.mutmut]
source_paths = ["src/"]
only_mutate = ["{source_of(module)}"]
pytest_add_cli_args_test_selection = ["{room_of_tests(module)}"]
pytest_add_cli_args = ["-p", "no:cacheprovider", "-n", "0"]
also_copy = [{quoted}]
"""


def copy(module: str, place: Path) -> None:
    """Copy the checkout into ``place``, without what is made in it, and add mutmut's settings."""
    settings = settings_for(module)
    shutil.copytree(CHECKOUT, place, ignore=shutil.ignore_patterns(*MADE), dirs_exist_ok=True)
    with (place / "pyproject.toml").open("a", encoding="utf-8") as file:
        file.write(settings)
