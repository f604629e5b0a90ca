from __future__ import annotations

from infra.docker.stand_ins import STAND_INS, stand_in_for


def test_each_public_image_has_a_stand_in_that_never_carries_its_name() -> None:
    for image in ("apache/kafka:4.4.0", "confluentinc/cp-kafka:7.4.4", "confluentinc/cp-zookeeper@sha256:abc"):
        stand_in = stand_in_for(image)
        assert stand_in is not None
        assert stand_in.image.startswith("trending-lab/")
    assert stand_in_for("bitnami/kafka:3.4") is None
    assert len({each.image for each in STAND_INS}) == len(STAND_INS)
