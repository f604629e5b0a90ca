"""What the lab, its brokers and its job make in a stack's directory and in the home. All else there is somebody's.

It needs the standard library only, as ``make clean`` does.
"""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

from infra.host.paths import StackPaths

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

BROKER_DIRECTORY = re.compile(r"kafka(-[0-9]+)?")
"""Names of brokers' directories. What somebody keeps beside them, as ``kafka.bak``, is no broker's."""
_BESIDE = r"(-wal|-shm|-journal|\.aside-.*)?"
"""What SQLite keeps beside a file, and what a rebuild sets aside. In ``aside`` lies a damaged ledger."""
_IN_DATA = re.compile(
    rf"{BROKER_DIRECTORY.pattern}|checkpoints|aside|truth\.(json|new)|(ledger|serving)\.sqlite{_BESIDE}|lost\+found"
)
_IN_ROOT = re.compile(r"data|run|home|(state|health|start-up|game-day)\.(json|lock|fresh)|state\.json\.damaged")
"""With the state file that its error says to set aside."""
CHECKPOINT = re.compile(r"[0-9a-f]+(-[0-9]+)?(\.start\.(json|fresh)|\.lock)?(\.aside-.*)?")
"""A checkpoint, where it began, what a rebuild has set aside of both, and the lock that version 0.1.0's job had beside it."""
_IN_CHECKPOINT = re.compile(r"metadata|offsets|commits|sources|state|\..+")
_OBJECT_IN_CHECKPOINTS = re.compile(rf"({CHECKPOINT.pattern})(/({_IN_CHECKPOINT.pattern})(/.*)?)?")
_IN_ASIDE = re.compile(rf"(ledger|serving)\.sqlite{_BESIDE}")
_IN_BROKER = re.compile(
    r"\.lock|\.kafka_cleanshutdown|meta\.properties|bootstrap\.checkpoint|[a-z-]+-checkpoint|\S+\.tmp|lost\+found"
    r"|[\w.-]+-\d+(\.[0-9a-f]+-(delete|future|stray))?"
)
"""A broker's log directory: its own files, and a directory for each partition."""
_IN_PARTITION = re.compile(r"\d{20}(-\d+)?(\.\w+)+|leader-epoch-checkpoint|partition\.metadata|quorum-state|\S+\.tmp")
_IN_HOME = re.compile(
    r"bench|cds|crashes|ivy|jars|object-store-[0-9a-f]+|observability|package|prefect|rehearsal|server|spark-cluster|stacks|tmp"
    r"|[\w-]+\.log|lost\+found"
)
"""With what benchmarks and the suite fetch once."""

_BESIDE_STACKS = re.compile(r"\.[\w-]+\.(lock|down|claim|replay)")
"""Hidden files beside the stacks' directories. What is set aside there, as ``.NAME.copied``, somebody wants to keep."""


def strange_in_home(home: Path) -> list[Path]:
    """Return what lies in the lab's home and its stacks' directories though the lab never makes it."""
    found = [each for each in entries_of(home) if not _IN_HOME.fullmatch(each.name)]
    hidden = (each for each in entries_of(StackPaths(home, "").root) if each.name.startswith("."))
    found += [each for each in hidden if not _BESIDE_STACKS.fullmatch(each.name)]
    for paths in StackPaths.all(home):
        found += strange_in(paths) if paths.root.is_dir() else [paths.root]
    return found


def linked_in_home(home: Path) -> list[Path]:
    """Return the links behind which the home, a stack or its data lies: whoever deletes them deletes nothing else."""
    places = [home, StackPaths(home, "any").root.parent]
    for paths in StackPaths.all(home):
        places += [paths.root, paths.data, *entries_of(paths.data)]
    return [place for place in places if os.path.islink(place)]  # noqa: PTH114 - as below


def strange_in(paths: StackPaths) -> list[Path]:
    """Return what lies in the stack's directory though the lab, its brokers and its job never make it.

    Of a directory that is strange its content is not named. Nobody looks behind a link, or in ``run``, the programs' working
    directory: the kernel, a JVM and Spark choose names of their own there.
    """
    brokers = [place for place in _below(paths.data) if BROKER_DIRECTORY.fullmatch(place.name)]
    levels = [
        (_IN_ROOT, [paths.root]),
        (_IN_DATA, [paths.data]),
        (_IN_ASIDE, [paths.aside]),
        (_IN_BROKER, brokers),
        (_IN_PARTITION, [place for broker in brokers for place in _below(broker) if _IN_BROKER.fullmatch(place.name)]),
    ]
    return [*_strange(levels), *strange_in_checkpoints(paths.checkpoints)]


def strange_in_checkpoints(root: Path) -> list[Path]:
    """Return the same of a directory of checkpoints, which may be elsewhere."""
    checkpoints = [place for place in _below(root) if CHECKPOINT.fullmatch(place.name)]
    return _strange([(CHECKPOINT, [root]), (_IN_CHECKPOINT, checkpoints)])


def strange_objects(names: Iterable[str]) -> list[str]:
    """Return the same of objects, by their names from where the checkpoints lie."""
    return [name for name in names if not _OBJECT_IN_CHECKPOINTS.fullmatch(name)]


def _strange(levels: Iterable[tuple[re.Pattern[str], Iterable[Path]]]) -> list[Path]:
    return [
        each
        for names, places in levels
        for place in places
        if not os.path.islink(place)  # noqa: PTH114 - pathlib's raises where it may not look
        for each in entries_of(place)
        if not names.fullmatch(each.name)
    ]


def _below(place: Path) -> list[Path]:
    return [each for each in entries_of(place) if each.is_dir() and not each.is_symlink()]


def everything_in(root: Path) -> frozenset[Path] | None:
    """Return what is in a directory, at any depth; None if there is no directory. Behind a link nothing is looked at."""
    return frozenset(_all_below(root)) if root.is_dir() else None


def _all_below(place: Path) -> Iterator[Path]:
    for each in entries_of(place):
        yield each
        if each.is_dir() and not each.is_symlink():
            yield from _all_below(each)


def entries_of(place: Path) -> list[Path]:
    """Return what is in a directory, by name; nothing where there is none, or none that may be read."""
    try:
        return sorted(place.iterdir())
    except OSError:  # none, no directory, or one that may not be read
        return []
