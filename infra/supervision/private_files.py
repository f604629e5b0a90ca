"""Starting a program with its environment from a file that only the user may read.

``python -m infra.supervision.private_files FILE COMMAND …`` becomes the command. This keeps credentials out of supervisord's
configuration, which an error message may quote, and allows values that the configuration cannot contain.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Mapping


def write_environment(path: Path, environment: Mapping[str, str]) -> None:
    """Write the variables for a program that is started through this module."""
    write_private(path, json.dumps(dict(environment)))


def main() -> None:
    """Take the variables from the file into the environment, then become the command."""
    os.environ.update(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    os.execvp(sys.argv[2], sys.argv[2:])  # noqa: S606 - the command is our own declaration


if __name__ == "__main__":
    main()
