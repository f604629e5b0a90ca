"""Versions of Kafka: which one an image has, and which ones have a known hole."""

from __future__ import annotations

import re

SOUND = (4, 4, 0)
SOUND_MAINTENANCE = frozenset({(4, 2, 2)})
HOLES = "CVE-2026-111115 and CVE-2026-111108: denial of service before authentication"
"""Kafka 4.3.1 and older, 4.2.2 excepted (DESIGN, "Facts that bite")."""
CONFLUENT_SHIFT = 4
"""Confluent Platform 7.x carries Apache Kafka 3.(x)."""


def version_of_image(image: str) -> str:
    """Return the version of Kafka that an image's tag tells of, or an empty string where it tells none.

    For Confluent Platform 7.x that is Apache Kafka 3.x.
    """
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


def warning(version: str) -> str:
    """Return what to say of a broker of this version, or an empty string where nothing is known against it."""
    holes = hole(version)
    return f"Kafka {version} has {holes}; its ports are on 127.0.0.1 only" if holes else ""
