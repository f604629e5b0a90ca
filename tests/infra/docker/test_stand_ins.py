from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

import pytest

from infra.docker.stand_ins import STAND_INS, readable, stand_in_for
from infra.stack.profiles import KAFKA_IMAGE, KRAFT_IMAGE, ZOOKEEPER_IMAGE

if TYPE_CHECKING:
    from pathlib import Path


def test_each_public_image_has_a_stand_in_that_never_carries_its_name() -> None:
    for image in (KRAFT_IMAGE, KAFKA_IMAGE, ZOOKEEPER_IMAGE):
        stand_in = stand_in_for(image)
        assert stand_in is not None
        assert stand_in.image.startswith("trending-lab/")
    assert len({each.image for each in STAND_INS}) == len(STAND_INS)


@pytest.mark.parametrize(
    "image", ["apache/kafka:4.2.2", "apache/kafka@sha256:abc", "confluentinc/cp-kafka:7.4.3", "bitnami/kafka:3.4", "kafka:4.4.0"]
)
def test_nothing_stands_in_for_an_image_that_was_asked_for(image: str) -> None:
    assert stand_in_for(image) is None


@pytest.mark.parametrize(("name", "mode"), [("jars/a.jar", 0o644), ("conf/log4j2.yaml", 0o644), ("entrypoint.sh", 0o755)])
def test_what_goes_into_an_image_can_be_read_by_its_user_whatever_the_umask_here(name: str, mode: int, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("x")
    file.chmod(0o600)
    archive = tmp_path / "context.tar"
    with tarfile.open(archive, "w") as tar:
        tar.add(file, name, filter=readable)
    with tarfile.open(archive) as tar:
        entry = tar.getmember(name)
    assert (entry.mode, entry.uid, entry.gid) == (mode, 0, 0)
