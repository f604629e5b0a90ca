"""What of a stack's directory may be deleted with its data, and its deletion."""

from __future__ import annotations

import os
import re
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded.runtime import BROKER_DIRECTORY
from infra.host.user import owned
from trending.errors import LabError, NotOurs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from infra.host.paths import StackPaths

_BESIDE = r"(-wal|-shm|-journal|\.aside-.*)?"
"""What SQLite keeps beside a file, and what a rebuild sets aside. In ``aside`` lies a damaged ledger."""
_IN_DATA = re.compile(
    rf"{BROKER_DIRECTORY.pattern}|checkpoints|aside|truth\.(json|new)|(ledger|serving)\.sqlite{_BESIDE}|lost\+found"
)
_IN_ROOT = re.compile(r"data|run|home|(state|health|start-up|game-day)\.(json|lock|fresh)|state\.json\.damaged")
"""With the state file that its error says to set aside."""
_IN_RUN = re.compile(
    r"locks|logs|programs|scratch|tls(\.fresh)?|job-checkpoint|naive\.sqlite(-wal|-shm|-journal)?|\..+"
    r"|.+\.(drift|properties|json|fresh|new|lock|conf|log|pid|sock)(\.\d+)?|[\w.-]+\.\d+"
)
"""A file that is replaced has the ending of its writer's pid for a moment, as supervisord's socket has."""
CHECKPOINT = re.compile(r"[0-9a-f]+(-[0-9]+)?(\.start\.(json|fresh))?(\.aside-.*)?")
"""A checkpoint, where it began, and what a rebuild has set aside of both."""
_IN_CHECKPOINT = re.compile(r"metadata|offsets|commits|sources|state|\..+")
_IN_ASIDE = re.compile(rf"(ledger|serving)\.sqlite{_BESIDE}")
_IN_BROKER = re.compile(
    r"\.lock|\.kafka_cleanshutdown|meta\.properties|bootstrap\.checkpoint|[a-z-]+-checkpoint|\S+\.tmp|lost\+found"
    r"|[\w.-]+-\d+(\.[0-9a-f]+-(delete|future|stray))?"
)
"""A broker's log directory: its own files, and a directory for each partition."""
_IN_PARTITION = re.compile(r"\d{20}(-\d+)?(\.\w+)+|leader-epoch-checkpoint|partition\.metadata|quorum-state|\S+\.tmp")
NAMED = 3
"""So many strange things are named, the rest is counted."""


def require_deletable(paths: StackPaths) -> None:
    """Raise NotOurs where data of the stack lies behind a link, or something lies beside it that the lab never makes.

    Raise LabError where part of it cannot be deleted, since the rest would be gone by then. Behind a link only the link would go,
    and what it leads to may be more. What somebody has put there would go for good.
    """
    for place in (paths.root.parent, paths.root, paths.data, *_entries(paths.data)):
        if os.path.islink(place):  # noqa: PTH114 - pathlib's raises where it may not look
            cause = f"data of the stack {paths.name} lies behind a link, which is not followed: nothing was touched"
            by_hand = f"delete what you want of {shlex.quote(str(place.resolve()))}, and rm {shlex.quote(str(place))}"
            ways = f"make down NAME={paths.name} keeps the data; then {by_hand}, and make down NAME={paths.name} VOLUMES=1"
            raise NotOurs(cause, f"{place} leads to {place.resolve()}", ways)
    if kept := _undeletable(paths.root):
        cause = f"part of the data of the stack {paths.name} cannot be deleted by this user: nothing was touched"
        root, once_more = shlex.quote(str(paths.root)), f"make down NAME={paths.name} VOLUMES=1"
        mine = all(owned(place) for place in kept)
        way = f"chmod -R u+rwX {root}" if mine else f"ls -ld {shlex.quote(str(kept[0]))} shows whose it is"
        raise LabError(cause, _named(kept), f"{way}, then {once_more}; make down NAME={paths.name} keeps everything")
    if strange := strange_in(paths):
        whose = f"the data of the stack {paths.name} has"
        raise strange_things(whose, paths.name, strange)


def strange_in(paths: StackPaths) -> list[Path]:
    """Return what lies in the stack's directory though the lab, its brokers and its job never make it.

    Of a directory that is strange its content is not named. Behind a link nothing is looked at.
    """
    brokers = [place for place in _below(paths.data) if BROKER_DIRECTORY.fullmatch(place.name)]
    levels = [
        (_IN_ROOT, [paths.root]),
        (_IN_DATA, [paths.data]),
        (_IN_RUN, [paths.run]),
        (_IN_ASIDE, [paths.data / "aside"]),
        (CHECKPOINT, [paths.checkpoints]),
        (_IN_CHECKPOINT, [place for place in _below(paths.checkpoints) if CHECKPOINT.fullmatch(place.name)]),
        (_IN_BROKER, brokers),
        (_IN_PARTITION, [place for broker in brokers for place in _below(broker) if _IN_BROKER.fullmatch(place.name)]),
    ]
    return [
        each
        for names, places in levels
        for place in places
        if not os.path.islink(place)  # noqa: PTH114 - as above
        for each in _entries(place)
        if not names.fullmatch(each.name)
    ]


def _below(place: Path) -> list[Path]:
    return [each for each in _entries(place) if each.is_dir() and not each.is_symlink()]


def everything_in(root: Path) -> frozenset[Path] | None:
    """Return what is in a directory, at any depth; None if there is no directory. Behind a link nothing is looked at."""
    return frozenset(_all_below(root)) if root.is_dir() else None


def _all_below(place: Path) -> Iterator[Path]:
    for each in _entries(place):
        yield each
        if each.is_dir() and not each.is_symlink():
            yield from _all_below(each)


def delete_new(paths: StackPaths, before: frozenset[Path] | None) -> None:
    """Delete what has come into the stack's directory since ``before``, but for what the lab never makes.

    The directory itself goes too, if it was not there and nothing is left in it. Raises OSError for what could not be deleted,
    when all else is gone.
    """
    kept = (before or frozenset()) | frozenset(strange_in(paths))
    errors: list[OSError] = []
    _delete_but(paths.root, kept, errors)
    if before is None:
        with suppress(OSError):  # not empty
            paths.root.rmdir()
    if errors:
        raise errors[0]


def _delete_but(place: Path, kept: frozenset[Path], errors: list[OSError]) -> None:
    for each in _entries(place):
        try:
            if not each.is_dir() or each.is_symlink():
                if each not in kept:
                    each.unlink(missing_ok=True)
                continue
            _delete_but(each, kept, errors)
            if each not in kept and not _entries(each):
                each.rmdir()
        except OSError as error:
            errors.append(error)


def strange_things(whose: str, stack: str, strange: list[Path]) -> NotOurs:
    """Return the error for things that lie where all would be deleted, and that the lab did not make."""
    cause = f"{whose} something beside it that the lab did not make: nothing was touched"
    move = f"mv {shlex.quote(str(strange[0]))} ~/"
    ways = f"{move} keeps it, then make down NAME={stack} VOLUMES=1; make down NAME={stack} keeps everything"
    return NotOurs(cause, _named(strange), ways)


def _named(places: list[Path]) -> str:
    more = f" and {len(places) - NAMED} more" if len(places) > NAMED else ""
    return ", ".join(map(str, places[:NAMED])) + more


def _undeletable(root: Path) -> list[Path]:
    """Return the directories below ``root``, itself included, whose entries this user may not list and delete."""
    kept, waiting = [], [root, root.parent] if root.is_dir() else []
    while waiting:
        place = waiting.pop(0)
        if not os.access(place, os.R_OK | os.W_OK | os.X_OK):
            kept.append(place)
        elif place != root.parent:
            with os.scandir(place) as entries:
                waiting += sorted(Path(each.path) for each in entries if each.is_dir(follow_symlinks=False))
    return kept


def _entries(place: Path) -> list[Path]:
    try:
        return sorted(place.iterdir())
    except OSError:  # none, no directory, or one that may not be read
        return []


def delete_directory(paths: StackPaths) -> None:
    """Delete the stack's directory with everything in it; raises LabError if something of it is left, as of another user."""
    errors: list[str] = []
    shutil.rmtree(paths.root, onerror=lambda _function, path, error: errors.append(f"{path}: {error[1]}"))
    if paths.root.is_symlink() or paths.root.exists():
        cause = f"the stack {paths.name} is down, and its data could not be deleted"
        left = shlex.quote(str(paths.root))
        raise LabError(cause, "; ".join(errors[:3]), f"ls -lR {left} shows what is left and whose it is")


def forget_access(paths: StackPaths) -> None:
    """Delete what let the stack's programs into Kafka."""
    for secret in (paths.access, paths.java_client, paths.kcat):
        secret.unlink(missing_ok=True)
    shutil.rmtree(paths.certificates, ignore_errors=True)
