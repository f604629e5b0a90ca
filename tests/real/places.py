"""Where a secret can be read in the lab's home."""

from __future__ import annotations

import os
import stat
from pathlib import Path


def places_of(secret: bytes, home: Path) -> dict[str, int]:
    """Return the files below the lab's home that contain ``secret``, with their modes."""
    found: dict[str, int] = {}
    for directory, _directories, names in os.walk(home):
        for name in names:
            path = Path(directory, name)
            if path.is_file() and not path.is_symlink() and secret in path.read_bytes():
                found[name] = stat.S_IMODE(path.stat().st_mode)
    return found
