"""Secrets of Prefect's blocks, as a start-up has read them: kept for the commands that know no Prefect."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pydantic import SecretStr

from infra.host.secret_references import BLOCK, no_block
from trending.errors import InvalidInput
from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from infra.host.paths import StackPaths
    from trending.settings import LabSettings


def read_blocks(settings: LabSettings, load_block: Callable[[str], SecretStr]) -> dict[str, SecretStr]:
    """Return block → secret for what store and object store need; raises InvalidInput where there is no such block."""
    return {name: load_block(name) for name in _blocks_of(settings)}


def keep_blocks(paths: StackPaths, blocks: Mapping[str, SecretStr], earlier: LabSettings | None) -> None:
    """Write the secrets for their user alone; those of the settings before stay, since a failed start-up goes back to them."""
    known = _kept(paths)
    before = {name: known[name] for name in (_blocks_of(earlier) if earlier else ()) if name in known}
    wanted = before | {name: secret.get_secret_value() for name, secret in blocks.items()}
    if not wanted:
        forget_blocks(paths)
        return
    paths.run.mkdir(parents=True, exist_ok=True)
    write_private(paths.blocks, json.dumps(wanted))


def kept_block(paths: StackPaths, name: str) -> SecretStr:
    """Return the secret of a block as the last start-up has read it; raises InvalidInput where none has."""
    value = _kept(paths).get(name)
    return no_block(name) if value is None else SecretStr(value)


def forget_blocks(paths: StackPaths) -> None:
    """Delete the secrets."""
    paths.blocks.unlink(missing_ok=True)


def in_blocks(settings: LabSettings) -> bool:
    """Whether a secret of store or object store is in a block, so that only a flow can look at what it opens."""
    return bool(_blocks_of(settings))


def _blocks_of(settings: LabSettings) -> list[str]:
    references = (settings.serving.store_secret, settings.places.s3_secret)
    return [each.removeprefix(BLOCK) for each in references if each.startswith(BLOCK)]


def _kept(paths: StackPaths) -> dict[str, str]:
    try:
        kept: dict[str, str] = json.loads(paths.blocks.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except ValueError as error:
        cause = f"the file of secrets cannot be read: {paths.blocks}"
        raise InvalidInput(cause, str(error), f"make up NAME={paths.name} UNTIL=topic writes it anew") from None
    return kept
