"""The commands with which whoever runs a cluster gives somebody rights: Kafka's own tools, ready to paste."""

from __future__ import annotations

import shlex


def as_admin(bootstrap: str) -> str:
    """Return the options with which Kafka's own tools are used by whoever runs the cluster."""
    return f"--bootstrap-server {bootstrap} --command-config admin.properties"


def grant_command(bootstrap: str, principal: str, operations: list[str], on: str) -> str:
    """Return the command that allows ``principal`` the operations ``on`` a resource, such as ``topic tweets``."""
    allowed = " ".join(f"--operation {each}" for each in operations)
    return f"kafka-acls {as_admin(bootstrap)} --add --allow-principal {shlex.quote(principal)} {allowed} --{on}"
