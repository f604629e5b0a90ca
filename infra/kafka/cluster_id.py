"""The cluster's id: made once for a stack, carried by its data, and read back from there.

A broker's data directory has a ``meta.properties`` with the id that it was formatted with; a broker refuses any other.
"""

from __future__ import annotations

import base64
import uuid

from trending.errors import ConfigurationConflict

META = "meta.properties"


def new_cluster_id() -> str:
    """Return a new cluster id: 16 random bytes in URL-safe base64 without padding, as Kafka's ``Uuid.randomUuid`` has it.

    Like Kafka's, it never begins with a hyphen: kafka-storage takes such an id for an option.
    """
    ids = iter(lambda: base64.urlsafe_b64encode(uuid.uuid4().bytes).rstrip(b"=").decode("ascii"), "")
    return next(each for each in ids if not each.startswith("-"))


def cluster_id_in(meta: str) -> str:
    """Return the cluster id that a ``meta.properties`` names; empty where it names none."""
    pairs = dict(line.split("=", 1) for line in meta.splitlines() if "=" in line and not line.startswith("#"))
    return pairs.get("cluster.id", "").strip()


def check_cluster_id(meta: str, expected: str, where: str, stack: str) -> None:
    """Raise ConfigurationConflict unless the ``meta.properties`` in ``meta`` names the cluster ``expected``.

    An empty expectation holds for any: in the zookeeper profile the cluster chooses its own id at its first start.
    """
    found = cluster_id_in(meta)
    if expected and found != expected:
        cause = "the data belongs to another cluster"
        evidence = f"{where}: cluster.id {found or 'unknown'}, the stack's is {expected}"
        raise ConfigurationConflict(cause, evidence, f"put the right data back, or {ways_past(stack)}")


def require_one_cluster(found: dict[str, str], stack: str) -> str:
    """Return the one cluster id of a stack's kept data (place → id); empty where there is no data.

    Raises ConfigurationConflict where a place does not tell its id, or two places tell different ones.
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
    """Return the two commands that go on where a stack's data can't be used: one leaves it, the other deletes it."""
    return f"make up NAME=another PORT=19092 PAGE_PORT=8601 leaves it, make down NAME={stack} VOLUMES=1 deletes it"
