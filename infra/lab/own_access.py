"""What lets a stack's programs into its own secure brokers: a password and certificates, kept while it is up."""

from __future__ import annotations

import secrets
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from infra.kafka.certificates import RENEWED_BEFORE, ends, make_certificates, serves
from infra.stack.security import AUTHORITY, PLAIN, USER, hosts_of
from trending.access.kept import keep_access, kept_access
from trending.access.settings import SecurityProtocol
from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.lab.assembly import Lab
    from infra.stack.state import StackState
    from trending.settings import StackSettings

_PASSWORD_BYTES = 24
_NAME_BYTES = 4


def keep_own_access(lab: Lab, show: Callable[[str], None], now: datetime | None = None) -> bool:
    """Have a password and certificates for secure brokers, kept from one start-up to the next; returns whether they are new.

    Certificates that do not serve any more are replaced: brokers and programs that were started with others are then of another
    declaration, and are started anew.
    """
    if not lab.settings.stack.secure:
        return False
    paths, brokers = lab.paths, {each.name: hosts_of(each.name, lab.stack.qualified(each.name)) for each in lab.stack.brokers}
    kept = kept_access(paths.access)
    earlier = kept.revealed if kept else {}
    current = Path(earlier["ssl.ca.location"]).parent if "ssl.ca.location" in earlier else None
    if current is None or not serves(current, brokers, now):
        current = paths.certificates / secrets.token_hex(_NAME_BYTES)
        make_certificates(current, brokers, now)
        until = f"valid until {ends(current):%Y-%m-%d}"
        then = ": brokers and programs that run with the earlier ones start anew" if earlier else ""
        show(f"certificates for {', '.join(brokers)}, {until}{then}")
    fresh = keep_access(
        paths.access,
        {
            "security.protocol": SecurityProtocol.SASL_SSL.value,
            "sasl.mechanism": PLAIN,
            "sasl.username": USER,
            "sasl.password": earlier.get("sasl.password") or secrets.token_urlsafe(_PASSWORD_BYTES),
            "ssl.ca.location": str(current / AUTHORITY),
        },
    )
    for other in paths.certificates.iterdir():
        if other != current:
            shutil.rmtree(other, ignore_errors=True)
    return kept is None or kept.version != fresh.version


def require_valid(lab: Lab) -> tuple[str, bool]:
    """Return until when the certificates of secure brokers hold, and whether a start-up would renew them.

    Raises ConfigurationConflict where what lets the programs in is gone, or where certificates have run out.
    """
    authority = lab.stack.connection.settings.get("ssl.ca.location", "")
    try:
        end = ends(Path(authority).parent)
    except (OSError, ValueError) as error:
        cause = f"the certificates of {lab.paths.name}, which its secure brokers are known by, are not there"
        raise ConfigurationConflict(cause, str(error), "make up makes others") from None
    left = end - datetime.now(UTC)
    if left <= timedelta(0):
        cause = f"the certificates of {lab.paths.name} have run out: no client comes in any more"
        raise ConfigurationConflict(cause, f"on {end:%Y-%m-%d}", "make up renews them")
    return f"valid until {end:%Y-%m-%d}", left <= RENEWED_BEFORE


def change_of_security(earlier: StackState | None, settings: StackSettings) -> str:
    """Return the line for brokers that become secure or open; empty where they stay as they are."""
    if earlier is None or earlier.settings.stack.secure == settings.secure:
        return ""
    become = "ask from now on who comes" if settings.secure else "ask nobody any more who comes"
    return f"the brokers of {settings.name} {become}: they and the programs are started anew"
