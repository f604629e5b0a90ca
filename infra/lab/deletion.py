"""What of a stack's directory may be deleted with its data, and its deletion."""

from __future__ import annotations

import os
import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from infra.host.user import owned
from infra.stack.belongings import entries_of, strange_in
from trending.errors import LabError, NotOurs

if TYPE_CHECKING:
    from infra.host.paths import StackPaths

NAMED = 3
"""So many strange things are named, the rest is counted."""


def require_deletable(paths: StackPaths) -> None:
    """Raise NotOurs where data of the stack lies behind a link, or something lies beside it that the lab never makes.

    Raise LabError where part of it cannot be deleted, since the rest would be gone by then. Behind a link only the link would go,
    and what it leads to may be more. What somebody has put there would go for good.
    """
    for place in (paths.root.parent, paths.root, paths.data, *entries_of(paths.data)):
        if os.path.islink(place):  # noqa: PTH114 - pathlib's raises where it may not look
            cause = f"data of the stack {paths.name} lies behind a link, which is not followed: nothing was touched"
            by_hand = f"delete what you want of {shlex.quote(str(place.resolve()))}, and rm {shlex.quote(str(place))}"
            ways = f"make down NAME={paths.name} keeps the data; then {by_hand}, and make down NAME={paths.name} VOLUMES=1"
            raise NotOurs(cause, f"{place} leads to {place.resolve()}", ways)
    require_access(paths.root, f"data of the stack {paths.name}", paths.name)
    if strange := strange_in(paths):
        whose = f"the data of the stack {paths.name} has"
        raise strange_things(whose, paths.name, strange)


def delete_new(paths: StackPaths, before: frozenset[Path] | None) -> None:
    """Delete what has come into the stack's directory since ``before``, but for what the lab never makes.

    The directory itself goes too, if it was not there and nothing is left in it. Raises OSError for what could not be deleted,
    when all else is gone.
    """
    delete_but(paths.root, before, frozenset(strange_in(paths)))


def delete_but(root: Path, before: frozenset[Path] | None, strange: frozenset[Path]) -> None:
    """Delete what has come into a directory since ``before``, but for what is strange with all that is in that.

    The directory itself goes too, if it was not there (None) and nothing is left in it. Raises OSError as ``delete_new`` does.
    """
    errors: list[OSError] = []
    _delete_but(root, before or frozenset(), strange, errors)
    if before is None:
        with suppress(OSError):  # not empty
            root.rmdir()
    if errors:
        raise errors[0]


def _delete_but(place: Path, kept: frozenset[Path], strange: frozenset[Path], errors: list[OSError]) -> None:
    for each in entries_of(place):
        if each in strange:
            continue
        try:
            if not each.is_dir() or each.is_symlink():
                if each not in kept:
                    each.unlink(missing_ok=True)
                continue
            _delete_but(each, kept, strange, errors)
            if each not in kept and not entries_of(each):
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


def require_access(root: Path, what: str, stack: str) -> None:
    """Raise LabError where part of a directory cannot be deleted by this user."""
    if kept := _undeletable(root):
        cause = f"part of the {what} cannot be deleted by this user: nothing was touched"
        mine = all(owned(place) for place in kept)
        way = f"chmod -R u+rwX {shlex.quote(str(root))}" if mine else f"ls -ld {shlex.quote(str(kept[0]))} shows whose it is"
        once_more = f"make down NAME={stack} VOLUMES=1; make down NAME={stack} keeps everything"
        raise LabError(cause, _named(kept), f"{way}, then {once_more}")


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
