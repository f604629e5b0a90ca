"""Where a secret is, as a setting points at it: a variable, a file of its user's own, a block of Prefect's."""

from __future__ import annotations

import os
import shlex
import stat
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import SecretStr

from trending.errors import InvalidInput
from trending.private_file import OTHERS

if TYPE_CHECKING:
    from collections.abc import Callable


BLOCK = "block:"
"""How a reference to a Secret block of Prefect's begins."""


def no_block(name: str) -> SecretStr:
    """Raise InvalidInput: a Prefect block is read by a flow, and this is none."""
    cause = f"the secret is in the Prefect block {name}, which only a flow reads"
    raise InvalidInput(cause, "nothing was changed", "make up UNTIL=topic reads it, then the same command")


def read_secret(setting: str, reference: str, load_block: Callable[[str], SecretStr] = no_block) -> SecretStr | None:
    """Return the secret that ``reference`` points at: ``env:VARIABLE``, ``file:PATH`` or ``block:NAME``; None for an empty one.

    ``setting`` is the name under which it is given, and ``load_block`` returns the value of a Prefect Secret block. Raises
    InvalidInput where nothing is there, or where others may read the file.
    """
    kind, _colon, place = reference.partition(":")
    if kind == "env":
        return SecretStr(_of_environment(setting, place))
    if kind == "file":
        text = private_text(setting, Path(os.path.expanduser(place))).removesuffix("\n").removesuffix("\r")  # noqa: PTH111 - Path's fails without a home
        if not text:
            cause = f"the file of {setting} is empty: {place}"
            raise InvalidInput(cause, "a secret was expected", f"write it there, or leave {setting} out")
        return SecretStr(text)
    return load_block(place) if kind == "block" else None


def _of_environment(setting: str, name: str) -> str:
    value = os.environ.get(name, "")
    if not value:
        cause = f"{setting} names the variable {name}, and it is not set here"
        raise InvalidInput(cause, "a worker of Prefect's has none of your shell's variables", f"{setting}=file:/path")
    return value


def private_text(setting: str, path: Path) -> str:
    """Return the text of a file that only its user may read; raises InvalidInput for any other."""
    try:
        mode = path.stat().st_mode
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        cause = f"the file of {setting} cannot be read: {path}"
        words = getattr(error, "strerror", "") or "it is no UTF-8"
        raise InvalidInput(cause, words, f"ls -l {shlex.quote(str(path))}") from None
    if mode & OTHERS:
        cause = f"others may read the file of {setting}: {path}"
        raise InvalidInput(cause, f"its mode is {stat.S_IMODE(mode):04o}", f"chmod 600 {shlex.quote(str(path))}")
    return text
