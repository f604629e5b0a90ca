"""Files that only the user may read, and starting a program with its environment from one.

``python -m infra.supervision.private_files FILE COMMAND …`` becomes the command. This keeps credentials out of supervisord's
configuration, which an error message may quote, and allows values that the configuration cannot contain.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_private(path: Path, text: str) -> None:
    """Write a file that nobody else may read, not even for a moment."""
    fresh = path.with_name(f"{path.name}.fresh")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """Write the variables for a program that is started through this module."""
    write_private(path, json.dumps(dict(environment)))


def main() -> None:
    """Take the variables from the file into the environment, then become the command."""
    os.environ.update(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command is our own declaration


if __name__ == "__main__":
    main()
