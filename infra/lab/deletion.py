"""What of a stack's directory may be deleted with its data, and its deletion."""

from __future__ import annotations

import re
import shlex
import shutil
from typing import TYPE_CHECKING

from trending.errors import LabError, NotOurs

if TYPE_CHECKING:
    from pathlib import Path

    from infra.host.paths import StackPaths

_BESIDE = r"(-wal|-shm|-journal|\.aside-.*)?"
"""What SQLite keeps beside a file, and what a rebuild sets aside. In ``aside`` lies a damaged ledger."""
_IN_DATA = re.compile(rf"kafka(-[0-9]+)?|checkpoints|aside|(ledger|serving)\.sqlite{_BESIDE}|lost\+found")
_IN_ROOT = re.compile(r"data|run|home|(state|health|start-up)\.(json|lock|fresh)|state\.json\.damaged")
"""With the state file that its error says to set aside."""
NAMED = 3
"""So many strange things are named, the rest is counted."""


def require_deletable(paths: StackPaths) -> None:
    """Raise NotOurs where data of the stack lies behind a link, or something lies beside it that the lab never makes.

    Behind a link only the link would go, and what it leads to may be more. What somebody has put there would go for good.
    """
    for place in (paths.root.parent, paths.root, paths.data, *_entries(paths.data)):
        if place.is_symlink():
            cause = f"data of the stack {paths.name} lies behind a link, which is not followed: nothing was touched"
            by_hand = f"delete what you want of {shlex.quote(str(place.resolve()))}, and rm {shlex.quote(str(place))}"
            ways = f"make down NAME={paths.name} keeps the data; then {by_hand}, and make down NAME={paths.name} VOLUMES=1"
            raise NotOurs(cause, f"{place} leads to {place.resolve()}", ways)
    strange = [place for place in _entries(paths.root) if not _IN_ROOT.fullmatch(place.name)]
    strange += [place for place in _entries(paths.data) if not _IN_DATA.fullmatch(place.name)]
    if strange:
        cause = f"the data of the stack {paths.name} has something beside it that the lab did not make: nothing was touched"
        words = ", ".join(map(str, strange[:NAMED])) + (f" and {len(strange) - NAMED} more" if len(strange) > NAMED else "")
        move = f"mv {shlex.quote(str(strange[0]))} ~/"
        ways = f"{move} keeps it, then make down NAME={paths.name} VOLUMES=1; make down NAME={paths.name} keeps everything"
        raise NotOurs(cause, words, ways)


def _entries(place: Path) -> list[Path]:
    return sorted(place.iterdir()) if place.is_dir() else []


def delete_directory(paths: StackPaths) -> None:
    """Delete the stack's directory with everything in it; raises LabError if something of it is left, as of another user."""
    errors: list[str] = []
    shutil.rmtree(paths.root, onerror=lambda _function, path, error: errors.append(f"{path}: {error[1]}"))
    if paths.root.is_symlink() or paths.root.exists():
        cause = f"the stack {paths.name} is down, and its data could not be deleted"
        left = shlex.quote(str(paths.root))
        raise LabError(cause, "; ".join(errors[:3]), f"ls -lR {left} shows what is left and whose it is")
