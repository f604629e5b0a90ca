"""The environment of a command, as the Makefile makes it: for ``lab``, which starts the same modules without ``make``.

Uses only the standard library. tests/flows/commands/test_lab.py compares the two.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from infra.host.paths import CHECKOUT

if TYPE_CHECKING:
    from collections.abc import Mapping

FOREIGN = frozenset(
    {
        "PYTHONPATH",
        "PYTHONHOME",
        "PYTHONSTARTUP",
        "PYTHONWARNINGS",
        "PYTHONOPTIMIZE",
        "PYTHONINSPECT",
        "PYTHONDEBUG",
        "PYTHONVERBOSE",
        "PYTHONUTF8",
    }
)
"""What a shell exports for other Pythons."""
KEPT = ("PREFECT_HOME", "PREFECT_API_", "PREFECT_CLIENT_", "PREFECT_CLOUD_")
"""Beginnings of Prefect's variables that stay: where its home is, and how to ask a server of one's own."""
FILES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Prefect's import dies of one that names nothing."""


def command_environment(given: Mapping[str, str]) -> dict[str, str]:
    """Return the environment for a command that a shell with ``given`` starts."""
    kept = {name: value for name, value in given.items() if not _foreign(name, value)}
    home = given.get("TRENDING_HOME") or f"{CHECKOUT}/.trending"
    return {
        **kept,
        "PATH": os.pathsep.join([f"{CHECKOUT}/.venv/bin", given.get("PATH", os.defpath)]),
        "PYTHONUNBUFFERED": "1",
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_HOME": given.get("PREFECT_HOME", f"{home}/prefect"),
    }


def _foreign(name: str, value: str) -> bool:
    if name in FOREIGN or (name in FILES and not os.path.exists(value)):  # noqa: PTH110 - it may be empty, which is no Path
        return True
    return name.startswith("PREFECT_") and not name.startswith(KEPT)
