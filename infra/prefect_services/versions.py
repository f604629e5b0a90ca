"""Which Prefect the lab's server was started with: after an upgrade, what runs is the old one."""

from __future__ import annotations

from importlib.metadata import version

from infra.prefect_services.credentials import services_directory
from trending.private_file import write_private

VERSION_NOTE = "version"
"""Its name, in the directory of server and worker."""


def note_version() -> None:
    """Note that this Prefect's server is about to run."""
    write_private(services_directory() / VERSION_NOTE, version("prefect"))


def other_version() -> str:
    """Return the version of the server that was started with another Prefect than this one; empty where there is none.

    A server that was started by 0.1.0 has no note.
    """
    if not (services_directory() / "url").exists():
        return ""
    try:
        noted = (services_directory() / VERSION_NOTE).read_text(encoding="ascii").strip()
    except FileNotFoundError:
        noted = "unknown"
    return "" if noted == version("prefect") else noted
