"""Where a secret is, as the settings point at it: a variable, a file of its user's own, a block of Prefect's."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from trending.errors import InvalidInput

if TYPE_CHECKING:
    from collections.abc import Callable

OTHERS = stat.S_IRWXG | stat.S_IRWXO
"""The bits of a file's mode that let anybody else at it."""


def read_secret(reference: str, load_block: Callable[[str], SecretStr]) -> SecretStr | None:
    """Return the secret that ``reference`` points at: ``env:VARIABLE``, ``file:PATH`` or ``block:NAME``; None for an empty one.

    ``load_block`` returns the value of a Prefect Secret block. Raises InvalidInput where nothing is there, or others may read it.
    """
    kind, _colon, place = reference.partition(":")
    if kind == "env":
        return SecretStr(_of_environment(place))
    if kind == "file":
        return SecretStr(private_text(Path(place).expanduser(), "kafka_secret").rstrip("\r\n"))
    if kind == "block":
        return load_block(place)
    return None


def _of_environment(name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        cause = f"kafka_secret points at the variable {name}, which is not set"
        raise InvalidInput(cause, "nothing was started", f"read -rs {name} && export {name}, then the same command")
    return value


def private_text(path: Path, setting: str) -> str:
    """Return the text of a file that only its user may read; raises InvalidInput for any other."""
    try:
        mode = path.stat().st_mode
        if mode & OTHERS:
            cause = f"{setting}: others than its user may read {path}"
            raise InvalidInput(cause, f"its mode is {stat.S_IMODE(mode):04o}", f"chmod 600 {path}")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = f"{setting}: {path} cannot be read"
        words = error.strerror if isinstance(error, OSError) else "it is no text"
        raise InvalidInput(cause, words or type(error).__name__, f"ls -l {path} shows what is there") from None
