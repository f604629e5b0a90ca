"""The locks: what pip installs, and what Ivy fetches."""

from __future__ import annotations

import hashlib
import re
import tomllib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.host.paths import CHECKOUT
from infra.java.jars import LOCK_FILE, S3A_LOCK, Jar, read_lock

if TYPE_CHECKING:
    from collections.abc import Iterable

REQUIREMENTS = CHECKOUT / "requirements-dev.lock"
"""All packages: those of requirements.lock, which users install, and those of its development."""
_PROJECT = "trending-lab (pyproject.toml)"
_PINNED = re.compile(r"^(\S+)==(\S+)")
_HASH = re.compile(r"--hash=sha256:([0-9a-f]{64})")
_PARENT = re.compile(r"^    # (?:via(?: |$)|  )(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Requirement:
    """A pinned package: the sums of all its files, and the packages that want it, as pip-compile writes them."""

    name: str
    version: str
    sha256: tuple[str, ...]
    parents: tuple[str, ...]


def locks_hash() -> str:
    """Return one SHA-256 over all locks: another one means that what was made from them is out of date."""
    return hashlib.sha256(b"".join(path.read_bytes() for path in (REQUIREMENTS, LOCK_FILE, S3A_LOCK))).hexdigest()


def read_requirements(text: str) -> list[Requirement]:
    """Parse a lock of pip-compile's; a lock that it was made under (``-c``) is nobody who wants a package."""
    found = []
    for block in re.split(r"\n(?=\S)", text):
        pinned = _PINNED.match(block)
        if pinned is not None:
            parents = tuple(parent for parent in _PARENT.findall(block) if parent and not parent.startswith("-c "))
            found.append(Requirement(pinned[1], pinned[2], tuple(sorted(_HASH.findall(block))), parents))
    return found


def requirements() -> list[Requirement]:
    """Return the packages of the lock."""
    return read_requirements(REQUIREMENTS.read_text(encoding="utf-8"))


def jars() -> dict[Jar, tuple[str, ...]]:
    """Return each jar of the locks once, with the sets that it belongs to."""
    sets: dict[tuple[str, str, str, str], list[str]] = {}
    for jar in (jar for lock in (LOCK_FILE, S3A_LOCK) for jar in read_lock(lock.read_text(encoding="ascii"))):
        sets.setdefault((jar.organisation, jar.artifact, jar.version, jar.sha256), []).append(jar.group)
    return {Jar(groups[0], *coordinates): tuple(groups) for coordinates, groups in sorted(sets.items())}


def needed_to_run(packages: Iterable[Requirement]) -> set[str]:
    """Return the names of the packages that the lab runs with; the others are for its development.

    The lock strips extras: what only an extra of a package wants counts as wanted by the package. So it is rather too many.
    """
    project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    direct = {re.split(r"[^a-z0-9-]", line.lower())[0] for line in project["dependencies"]}
    children: dict[str, set[str]] = {}
    for package in packages:
        for parent in package.parents:
            children.setdefault(parent, set()).add(package.name)
    waiting, found = sorted(direct & children[_PROJECT]), set()
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += children.get(name, ())
    return found
