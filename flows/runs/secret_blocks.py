"""Secrets that lie in Prefect Secret blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from prefect.blocks.system import Secret
from pydantic import SecretStr

from trending.errors import InvalidInput

if TYPE_CHECKING:
    from typing import Any


def secret_block(name: str) -> SecretStr:
    """Return the value of a Secret block; raises InvalidInput where the server has none of that name."""
    try:
        block: Any = Secret.load(name)
    except ValueError:
        cause = f"Prefect has no Secret block {name}"
        raise InvalidInput(
            cause, "it would hold the secret that a setting points at", "make one in Prefect's UI: Blocks, Secret"
        ) from None
    return SecretStr(str(block.get()))
