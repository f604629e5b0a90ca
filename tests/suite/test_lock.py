"""The lock holds for every Python that the project supports: pip is told to resolve nothing, so what it lacks is never there."""

from __future__ import annotations

import ast
import tomllib
from importlib.metadata import PackageNotFoundError, packages_distributions, requires

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from infra.host.paths import CHECKOUT

pytestmark = pytest.mark.thorough
PYTHONS = ("3.11.0", "3.11.2", "3.12.0", "3.13.0")
"""Debian 12 has 3.11.2; redis wants one package more below 3.11.3, and the lock was made with 3.11.7."""
PROJECT = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
SPARED = {
    "pyyaml-ft": "libcst wants it under 3.13 for a tool of its own alone, which takes pyyaml as well; 3.11 can't install it"
}
"""What the lock lacks all the same, and why."""
UNFIT = {"python_version": "3.10", "python_full_version": "3.10.4"}


def pins(lock: str) -> dict[str, str]:
    """Package → version of a lock."""
    lines = (CHECKOUT / lock).read_text(encoding="utf-8").splitlines()
    pairs = [line.removesuffix(" \\").split("==") for line in lines if line[:1].isalnum()]
    return {canonicalize_name(name): version for name, version in pairs}


def wanted(environment: dict[str, str], *extras: str) -> dict[str, str]:
    """What the project needs under a Python, with the extras that are asked for: package → who wants it."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    lines = [*PROJECT["dependencies"], *(line for extra in extras for line in PROJECT["optional-dependencies"][extra])]
    waiting = [("pyproject.toml", Requirement(line)) for line in lines]
    while waiting:
        parent, requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        found.setdefault(name, parent)
        for extra in {"", *requirement.extras}:
            if (name, extra) in seen:
                continue
            seen.add((name, extra))
            try:
                lines = requires(name) or []
            except PackageNotFoundError:  # for another Python than this one, so that its own wants can't be read
                continue
            children = [Requirement(line) for line in lines]
            here = {**environment, "extra": extra}
            waiting += [(name, child) for child in children if child.marker is None or child.marker.evaluate(here)]
    return found


LOCKS = {"requirements.lock": (), "requirements-dev.lock": ("dev",)}
"""Lock → the extras that it is made with."""
OF_A_NOTEBOOK = {"IPython"}
"""What the kernel that runs a notebook has anyway."""


@pytest.mark.parametrize("lock", LOCKS)
@pytest.mark.parametrize("python", PYTHONS)
def test_a_lock_has_all_that_a_supported_python_wants(python: str, lock: str) -> None:
    environment = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    lacking = {name: parent for name, parent in wanted(environment, *LOCKS[lock]).items() if name not in {*pins(lock), *SPARED}}
    assert not lacking, f"Python {python}: the lock lacks {lacking} (package: who wants it)"


def test_what_only_an_older_python_wants_would_be_seen() -> None:
    assert set(wanted(UNFIT, "dev")) - set(pins("requirements-dev.lock")), (
        "the reading of requirements finds nothing under a Python that is not supported"
    )


def test_development_adds_to_what_users_install_and_changes_nothing_of_it() -> None:
    users, developers = pins("requirements.lock"), pins("requirements-dev.lock")
    assert users.items() < developers.items()
    assert not {"pytest", "mypy", "ruff", "playwright"} & set(users)


def test_what_runs_imports_nothing_that_only_development_has() -> None:
    """Every distribution that a module of the product imports, also inside functions, is one of the users' lock."""
    users = set(pins("requirements.lock"))
    homes = packages_distributions()
    imported: dict[str, str] = {}
    for floor in ("flows", "tasks", "infra", "src"):
        for path in (CHECKOUT / floor).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [each.name for each in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                    names = [node.module]
                imported.update({name.partition(".")[0]: path.name for name in names})
    foreign = {
        name: path
        for name, path in imported.items()
        if name in homes and name not in OF_A_NOTEBOOK and not {canonicalize_name(each) for each in homes[name]} & users
    }
    assert foreign == {}
    assert {"prefect", "pyspark", "docker", "confluent_kafka"} <= set(imported)
