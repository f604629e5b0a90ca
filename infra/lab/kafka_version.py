"""Which Kafka a stack runs, and whether it has a known hole."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from docker.errors import NotFound

from infra.docker.engine import engine
from infra.java.jars import locked
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from infra.stack.declaration import Stack

SOUND = (4, 4, 0)
SOUND_MAINTENANCE = frozenset({(4, 2, 2)})
HOLES = "CVE-2026-111115 and CVE-2026-111108: denial of service before authentication"
"""Kafka 4.3.1 and older, 4.2.2 excepted (DESIGN, "Facts that bite")."""
CONFLUENT_SHIFT = 4
"""Confluent Platform 7.x carries Apache Kafka 3.(x)."""


def kafka_version(stack: Stack, runtime: RuntimeKind) -> str:
    """Return the version of the broker that the stack runs, or an empty string where it can't be told.

    Embedded it is the locked jar's; of a container it is the stand-in's when that is what runs, otherwise the image's tag, which
    for Confluent Platform 7.x means Apache Kafka 3.x.
    """
    if runtime is RuntimeKind.EMBEDDED:
        return next(jar.version for jar in locked("broker") if jar.artifact == "kafka_2.13")
    return _version_of_image(_running_image(stack))


def _running_image(stack: Stack) -> str:
    broker = stack.brokers[0]
    with engine() as client:
        try:
            return str(client.containers.get(stack.qualified(broker.name)).attrs["Config"]["Image"])
        except NotFound:
            return broker.image


def _version_of_image(image: str) -> str:
    name, _colon, tag = image.partition("@")[0].rpartition(":")
    found = re.match(r"(\d+)\.(\d+)\.(\d+)", tag)
    if found is None:
        return ""
    major, minor, patch = found.groups()
    if name.startswith("confluentinc/"):
        # https://docs.confluent.io/platform/current/installation/versions-interoperability.html
        return f"{int(major) - CONFLUENT_SHIFT}.{minor}.{patch}"
    return f"{major}.{minor}.{patch}"


def hole(version: str) -> str:
    """Return the known holes of a Kafka version, or an empty string."""
    numbers = tuple(int(number) for number in version.split(".")[:3]) if version else SOUND
    return HOLES if numbers < SOUND and numbers not in SOUND_MAINTENANCE else ""
