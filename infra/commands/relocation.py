"""Sets up the virtual environment again for a checkout that was copied or moved. It uses the standard library only.

A copy would run the original's code, because the path file names the original's directories, and a moved checkout none. Packages
need not be fetched again: only the path file and the scripts name the place.
"""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path

from infra.console.crash_reports import run_reported

PATH_FILE = "trending-lab.pth"


def relocate(venv: Path, checkout: Path) -> str:
    """Name this checkout in the environment's path file and scripts; returns where it was before, empty if there.

    Exits if the environment is another directory's, which is left alone.
    """
    if venv.is_symlink():
        sys.exit(
            f"error: {venv} is a link to {venv.resolve()}, which is left alone\n  next: rm {venv}, then the command once more"
        )
    path_files = sorted(venv.glob(f"lib/python3*/site-packages/{PATH_FILE}"))
    places = [file.read_text(encoding="utf-8").partition("\n")[0] for file in path_files]
    before = next((place for place in places if place != str(checkout)), "")
    if not before:
        return ""
    old, new = os.fsencode(os.path.join(before, venv.name)), os.fsencode(venv)  # noqa: PTH118 - as the scripts have it
    for script in [venv / "pyvenv.cfg", *sorted((venv / "bin").iterdir())]:
        if script.is_file() and not script.is_symlink() and old in (content := script.read_bytes()) and b"\0" not in content:
            _replace(script, content.replace(old, new))
    for file in path_files:  # last: until then, the next command begins again
        _replace(file, os.fsencode(f"{checkout}\n{checkout}/src\n"))
    return before


def unshare(venv: Path) -> int:
    """Give the environment files of its own where it has hard links, as after ``cp -al``; returns their number.

    What is written in place afterwards does not reach another checkout's environment then. What runs from the files goes on.
    """
    shared = 0
    for place, _directories, names in os.walk(venv):
        for file in (Path(place, name) for name in names):
            found = file.lstat()
            if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
                _replace(file, file.read_bytes())
                shared += 1
    return shared


def _replace(file: Path, content: bytes) -> None:
    """Write the file anew: a copy made with hard links must not change the original's."""
    fresh = file.with_name(f".{file.name}.fresh")
    fresh.write_bytes(content)
    fresh.chmod(stat.S_IMODE(file.stat().st_mode))
    fresh.replace(file)


def main() -> None:
    """``python -m infra.commands.relocation VENV [own]``, in the checkout: set up again; with ``own``, end hard links."""
    checkout = Path.cwd()
    if sys.argv[2:] == ["own"]:
        if shared := unshare(checkout / sys.argv[1]):
            sys.stderr.write(
                f"{shared} files of {sys.argv[1]} were another checkout's too, by hard links: this one has copies now\n"
            )
        return
    before = relocate(checkout / sys.argv[1], checkout)
    if before:
        how = "copied from" if Path(before).is_dir() else "moved from"
        sys.stderr.write(f"this checkout was {how} {before}: {sys.argv[1]} is set up again for this place\n")


if __name__ == "__main__":
    run_reported(main)
