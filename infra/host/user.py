"""The user who runs the lab: has a name, and owns what lies in the lab's directory. Standard library only."""

from __future__ import annotations

import os
import pwd
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from infra.host.paths import chosen_home, lab_home
from trending.errors import InvalidInput, LabError, NotOurs, PrerequisiteMissing

if TYPE_CHECKING:
    from collections.abc import Iterator


def user_name(number: int) -> str:
    """Return the name of a user id; the number itself where it has none, as in a container that was given a bare id."""
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def check_user() -> str:
    """Return who runs this; raises PrerequisiteMissing for a user id without a name, for which Spark's JVM ends at its start."""
    number = os.geteuid()
    name = user_name(number)
    if name == str(number):
        cause = f"the user id {number} has no name on this machine, and Spark needs one"
        remedy = f"as root: echo 'lab:x:{number}:{os.getegid()}::/tmp:/bin/sh' >> /etc/passwd, or run it as a user with a name"
        raise PrerequisiteMissing(cause, "getpwuid knows no such user", remedy)
    return f"user {name}"


def require_own_home() -> None:
    """Raise NotOurs where something in the lab's directory belongs to another user, as after one ``sudo make up``.

    That user's processes cannot be seen, and files of both would block each other; neither can be told from a fault.
    It is refused too where it can be no directory, or is a link that leads nowhere, as to a disk that is not mounted.
    """
    number, home = os.geteuid(), lab_home()
    _require_directory(home)
    for path in _places(home):
        try:
            owner = path.lstat().st_uid
        except FileNotFoundError:  # it went meanwhile, or there is no home yet
            continue
        if owner != number:
            theirs, mine = user_name(owner), user_name(number)
            cause = f"the lab's directory is used by {theirs} too, and this is {mine}"
            ways = f"run it as {theirs}, or set TRENDING_HOME to a directory that is {mine}'s alone"
            raise NotOurs(cause, f"{path} belongs to {theirs}", ways)


def _require_directory(home: Path) -> None:
    chosen = chosen_home()
    last = next(each for each in (home, *home.parents) if os.path.lexists(each))
    if not os.path.isdir(last):  # noqa: PTH112 - Path's raises where it may not look
        cause = "the lab's directory can be none"
        raise InvalidInput(cause, f"{last} is no directory", "set TRENDING_HOME to a directory")
    if os.path.islink(chosen) and last != home:  # noqa: PTH114 - as above
        cause = f"the lab's directory {chosen} is a link that leads nowhere: what it led to is not there"
        where, link = shlex.quote(str(home)), shlex.quote(str(chosen))
        raise NotOurs(cause, "nothing was touched", f"mount or make {where}; or, for a lab without it, rm {link}")


def owned(path: Path) -> bool:
    """Whether the path is there, can be seen, and belongs to this user."""
    try:
        return path.lstat().st_uid == os.geteuid()
    except OSError:
        return False


def refusal_of(error: PermissionError) -> LabError | None:
    """Return the error, with the way out, for something in the lab's directory that this user may not use; None for another.

    Where a directory on the way may not be used, it is the one that is named.
    """
    home = lab_home()
    place = Path(os.fsdecode(error.filename)) if isinstance(error.filename, str | bytes) else None
    if place is None or not place.is_relative_to(home):
        return None
    way = [each for each in reversed((place, *place.parents)) if each.is_relative_to(home)]
    shut = next((each for each in way if not os.access(each, os.R_OK | os.W_OK)), place)
    name = shlex.quote(str(shut))
    remedy = f"chmod u+rwX {name}, then once more" if owned(shut) else f"ls -ld {name} shows whose it is"
    return LabError(f"{shut} may not be used by this user", str(error), remedy)


def _places(home: Path) -> Iterator[Path]:
    """Yield the directory, what lies in it, and what lies in its directories."""
    yield home
    for directory in (home, *_entries(home)):
        yield from _entries(directory)


def _entries(directory: Path) -> list[Path]:
    try:
        return [] if directory.is_symlink() else sorted(directory.iterdir())
    except OSError:  # no directory, or one that may not be read: its own owner tells
        return []
