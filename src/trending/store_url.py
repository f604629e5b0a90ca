"""What a store's address may be: that of a file of one's own, or of a PostgreSQL database, without a password."""

from __future__ import annotations

import ipaddress
from urllib.parse import parse_qsl, urlsplit

FILE = "sqlite"
"""The store is a file beside the stack's data."""
SCHEME = "postgresql+psycopg"
FORM = f"{FILE}, or {SCHEME}://user@host:port/database"
PARAMETERS = frozenset(
    {"channel_binding", "gssencmode", "host", "sslcert", "sslcrl", "sslkey", "sslmode", "sslrootcert", "target_session_attrs"}
)
"""libpq's parameters that an address may carry. Others are the lab's own business, such as the schema and the time to connect."""
SECRET_WAYS = "put it into a file of mode 0600 and give STORE_SECRET=file:/path, or give STORE_SECRET=env:NAME"  # noqa: S105 - how to hand one over


def require_store_url(url: str) -> str:
    """Return the address; raises ValueError, which quotes no part of it that may be a password."""
    if url == FILE:
        return url
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:  # its text may quote what stands before the host
        msg = f"it is {FORM}"
        raise ValueError(msg) from None
    parameters = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.password is not None or "password" in parameters:
        msg = f"a password in the address would be shown by logs and lists of processes: {SECRET_WAYS}"
        raise ValueError(msg)
    if parts.scheme != SCHEME or not parts.username or len(parts.path) < 2 or "/" in parts.path[1:] or parts.fragment:  # noqa: PLR2004
        msg = f"it is {FORM}"
        raise ValueError(msg)
    if strange := sorted(parameters.keys() - PARAMETERS):
        msg = f"it may carry {', '.join(sorted(PARAMETERS))}, and not {', '.join(strange)}"
        raise ValueError(msg)
    host = parameters.get("host") or parts.hostname or ""
    if not host or port == 0:
        msg = f"it names no host: {SCHEME}://user@host:port/database"
        raise ValueError(msg)
    if not _is_here(host) and "sslmode" not in parameters:
        msg = "another machine's database is reached by TLS: add ?sslmode=verify-full, or ?sslmode=disable if you want none"
        raise ValueError(msg)
    return url


def is_on_this_machine(url: str) -> bool:
    """Whether the host of a database's address is the machine itself that looks at it."""
    parts = urlsplit(url)
    return _is_here(dict(parse_qsl(parts.query)).get("host") or parts.hostname or "")


def _is_here(host: str) -> bool:
    """Whether a host is this machine: localhost, a loopback address, or the directory of a socket."""
    if host == "localhost" or host.startswith("/"):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
