"""Where a stack's directory was made: one in a checkout that was copied is the original's and is never started."""

from __future__ import annotations

import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

from infra.host.paths import StackPaths
from infra.host.processes import stack_processes
from trending.errors import NotOurs
from trending.text import for_make

if TYPE_CHECKING:
    from collections.abc import Callable


def note_origin(paths: StackPaths) -> None:
    """Note in the stack's directory that it is this home's."""
    if _noted(paths) != str(paths.home):
        paths.origin.write_text(str(paths.home), encoding="utf-8")


def require_mounted(paths: StackPaths) -> None:
    """Raise NotOurs where the stack, its state or its data lies behind a link that leads nowhere: a disk that is not mounted.

    To a command it looks like a stack that does not exist, which would be made anew in place of the link.
    """
    for place in (paths.root.parent, paths.root, paths.state, paths.data):
        # pathlib's functions raise where they may not look. A link in a ring has an error of its own.
        if os.path.islink(place) and not os.path.lexists(os.path.realpath(place)):  # noqa: PTH114
            cause = f"{place} is a link that leads nowhere: what it led to of the stack {paths.name} is not there"
            back = f"mount or make {shlex.quote(os.readlink(place))}"  # noqa: PTH115 - as above
            raise NotOurs(cause, "nothing was touched", f"{back}; or, for a stack without it, rm {shlex.quote(str(place))}")


def require_own(paths: StackPaths) -> None:
    """Raise NotOurs if the stack's directory is a copy of another home's, or is that home's under another path.

    If the other home is gone, the checkout was moved, and its stacks with it; then what still runs of them must end first.
    """
    noted = _noted(paths)
    if noted in {"", str(paths.home)}:
        return
    original = StackPaths(Path(noted), paths.name)
    if not _there(original.root):
        _require_ended(paths, original)
        return
    if _asked(lambda: original.root.samefile(paths.root), in_doubt=False):
        cause = f"the stack {paths.name} is run from {original.home}, which is the same directory under another path"
        raise NotOurs(cause, str(paths.home), f"run the command there, or with TRENDING_HOME={shlex.quote(str(original.home))}")
    cause = f"the stack {paths.name} of this checkout is a copy of that of {original.home}: state and data are the original's"
    aside = f"mv {shlex.quote(str(paths.root))} {shlex.quote(str(paths.root.with_name(f'.{paths.name}.copied')))}"
    raise NotOurs(cause, str(paths.root), f"make up NAME=another PORT=19092 PAGE_PORT=8601, or {aside} and make up")


def require_same_name(paths: StackPaths, recorded: str) -> None:
    """Raise NotOurs if the state in the stack's directory is another stack's: the directory was copied or renamed.

    Its ids, ports and volumes are those of the recorded name, so a command would work on that stack instead.
    """
    if recorded == paths.name:
        return
    cause = f"the directory of the stack {paths.name} is a copy of that of {recorded}, or was renamed: its state is {recorded}'s"
    root = shlex.quote(str(paths.root))
    aside = shlex.quote(str(paths.root.with_name(f".{paths.name}.copied")))
    back = f"mv {root} {shlex.quote(str(paths.root.with_name(recorded)))}"
    ways = f"mv {root} {aside} sets it aside" if paths.root.with_name(recorded).exists() else f"{back} gives it its name back"
    raise NotOurs(cause, str(paths.state), ways)


def _require_ended(paths: StackPaths, original: StackPaths) -> None:
    running = stack_processes(original.stack_id)
    if running:
        cause = f"this checkout was moved, and the stack {paths.name} still runs from {original.home}"
        evidence = ", ".join(f"pid {process.pid}" for process in running)
        end = f"make down NAME={paths.name} LEFT_BY={for_make(str(original.home))}"
        raise NotOurs(cause, evidence, f"{end} ends it and keeps its data")


def _noted(paths: StackPaths) -> str:
    try:
        return paths.origin.read_text(encoding="utf-8").strip("\n")
    except (OSError, UnicodeDecodeError):  # none, as of an earlier version
        return ""


def _there(path: Path) -> bool:
    return _asked(path.exists, in_doubt=True)


def _asked(question: Callable[[], bool], *, in_doubt: bool) -> bool:
    try:
        return question()
    except PermissionError:  # another user's
        return in_doubt
    except OSError:
        return False
