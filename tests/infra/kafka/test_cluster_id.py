from __future__ import annotations

import base64

import pytest

from infra.kafka.cluster_id import check_cluster_id, new_cluster_id
from trending.errors import ConfigurationConflict


@pytest.mark.row(15)
def test_data_of_another_cluster_is_refused_with_both_ids() -> None:
    meta = "#comment\nversion=1\ncluster.id=theirs\n"
    check_cluster_id(meta, "theirs", "/data/meta.properties", "lab")
    check_cluster_id(meta, "", "/data/meta.properties", "lab")
    with pytest.raises(ConfigurationConflict, match="the data belongs to another cluster") as caught:
        check_cluster_id(meta, "ours", "/data/meta.properties", "lab")
    assert "cluster.id theirs, the stack's is ours" in caught.value.evidence
    assert "/data/meta.properties" in caught.value.evidence
    assert "make down NAME=lab VOLUMES=1" in caught.value.next_command
    with pytest.raises(ConfigurationConflict, match="does not tell to which cluster"):
        check_cluster_id("", "ours", "/data/meta.properties", "lab")


def test_a_cluster_id_is_sixteen_bytes_as_kafka_writes_them() -> None:
    ids = {new_cluster_id() for _ in range(1000)}
    assert not [each for each in ids if each.startswith("-")], "kafka-storage takes it for an option"
    assert len(ids) == 1000
    assert all(len(each) == 22 and len(base64.urlsafe_b64decode(each + "==")) == 16 for each in ids)
