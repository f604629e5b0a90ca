"""Which Kafka versions have a known hole."""

from __future__ import annotations

from infra.kafka.versions import hole, version_of_image


def test_older_ones_have_a_hole_but_for_the_maintained_line() -> None:
    assert hole("4.4.0") == ""
    assert "CVE-2026-111115" in hole("4.3.1")
    assert hole("4.2.1")
    assert hole("3.9.2")
    assert hole("4.2.2") == ""
    assert hole("4.10.0") == ""
    assert hole("") == ""


def test_the_version_is_read_from_a_tag() -> None:
    assert version_of_image("apache/kafka:4.4.0") == "4.4.0"
    assert version_of_image("confluentinc/cp-kafka:7.4.4") == "3.4.4"
    assert version_of_image("localhost:5000/kafka:4.2.2-rc1@sha256:abc") == "4.2.2"
    assert version_of_image("apache/kafka@sha256:abc") == ""
    assert version_of_image("somebody/kafka:blue") == ""
