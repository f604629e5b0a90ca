"""The cluster id: generated once for a stack, stored in its data, and read back from there.

The ``meta.properties`` in a broker's data directory has the id that it was formatted for; the broker refuses any other.
"""

from __future__ import annotations

import base64
import uuid

from trending.errors import ConfigurationConflict

META = "meta.properties"


def new_cluster_id() -> str:
    """Return a new cluster id: 16 random bytes in URL-safe base64 without padding, as Kafka's ``Uuid.randomUuid`` has it.

    Like Kafka's, it never begins with a hyphen, because kafka-storage would take it for an option.
    """
    ids = iter(lambda: base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode("ascii"), "")
    return next(each for each in ids if not each.startswith("-"))


def cluster_id_in(meta: str) -> str:
    """Return the cluster id in a ``meta.properties``; empty if there is none."""
    pairs = dict(line.split("=", 1) for line in meta.splitlines() if "=" in line and not line.startswith("#"))
    return pairs.get("cluster.id", "").strip()


def check_cluster_id(meta: str, expected: str, where: str, stack: str) -> None:
    """Raise ConfigurationConflict unless the ``meta.properties`` in ``meta`` names the cluster ``expected``.

    An empty ``expected`` accepts any: in the zookeeper profile the cluster chooses its own id at its first start.
    """
    found = cluster_id_in(meta)
    if expected and found != expected:
        cause = "the data belongs to another cluster" if found else "the data does not tell to which cluster it belongs"
        evidence = f"{where}: cluster.id {found or 'unknown'}, the stack's is {expected}"
        raise ConfigurationConflict(cause, evidence, f"put the right data back, or {ways_past(stack)}")


def require_one_cluster(found: dict[str, str], stack: str) -> str:
    """Return the single cluster id of a stack's kept data (place → id); empty if there is no data.

    Raises ConfigurationConflict if a place has no id, or two places have different ones.
    """
    if not found:
        return ""
    if "" in found.values():
        cause = f"stack {stack} has data and its cluster id cannot be read"
        raise ConfigurationConflict(cause, ", ".join(place for place, each in found.items() if not each), ways_past(stack))
    if len(set(found.values())) > 1:
        cause = f"stack {stack} has data of several clusters"
        raise ConfigurationConflict(cause, ", ".join(f"{place}: {each}" for place, each in found.items()), ways_past(stack))
    return next(iter(found.values()))


def ways_past(stack: str) -> str:
    """Return the two ways out if a stack's data cannot be used: a command that leaves it and one that deletes it."""
    return f"make up NAME=another PORT=19092 PAGE_PORT=8601 leaves it, make down NAME={stack} VOLUMES=1 deletes it"
