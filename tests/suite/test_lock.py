"""The lock holds for every Python that the project supports: pip is told to resolve nothing, so what it lacks is never there."""

from __future__ import annotations

import tomllib
from importlib.metadata import PackageNotFoundError, requires

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


def locked() -> set[str]:
    """The packages of the lock."""
    lines = (CHECKOUT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    return {canonicalize_name(line.partition("==")[0]) for line in lines if line[:1].isalnum()}


def wanted(environment: dict[str, str]) -> dict[str, str]:
    """What the project needs under a Python, with the extras that are asked for: package → who wants it."""
    found: dict[str, str] = {}
    seen: set[tuple[str, str]] = set()
    waiting = [
        ("pyproject.toml", Requirement(line)) for line in [*PROJECT["dependencies"], *PROJECT["optional-dependencies"]["dev"]]
    ]
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


@pytest.mark.parametrize("python", PYTHONS)
def test_the_lock_has_all_that_a_supported_python_wants(python: str) -> None:
    environment = {"python_version": python.rpartition(".")[0], "python_full_version": python}
    lacking = {name: parent for name, parent in wanted(environment).items() if name not in {*locked(), *SPARED}}
    assert not lacking, f"Python {python}: the lock lacks {lacking} (package: who wants it)"


def test_what_only_an_older_python_wants_would_be_seen() -> None:
    assert set(wanted(UNFIT)) - locked(), "the reading of requirements finds nothing under a Python that is not supported"
