"""The volumes of a stack, on an engine of pretend: whose they are, and which stack they were made for."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest
from docker.errors import NotFound

from infra.docker.labels import STACK_LABEL
from infra.docker.volumes import CLUSTER_LABEL, check_volumes, cluster_label, ensure_volume, find_volume
from infra.host.paths import StackPaths
from infra.stack.profiles import declare
from trending.errors import ConfigurationConflict, NotOurs
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from infra.stack.declaration import Stack


@dataclass
class FakeVolume:
    name: str
    labels: dict[str, str]

    @property
    def attrs(self) -> dict[str, Any]:
        return {"Labels": self.labels or None}


@dataclass
class FakeVolumes:
    """``client`` and ``client.volumes`` in one."""

    found: dict[str, FakeVolume] = field(default_factory=dict)

    @property
    def volumes(self) -> FakeVolumes:
        return self

    def get(self, name: str) -> FakeVolume:
        if name not in self.found:
            raise NotFound(name)
        return self.found[name]

    def list(self, filters: dict[str, str]) -> list[FakeVolume]:
        name, _equals, value = filters["label"].partition("=")
        return [each for each in self.found.values() if each.labels.get(name) == value]

    def create(self, name: str, labels: dict[str, str]) -> FakeVolume:
        self.found[name] = FakeVolume(name, labels)
        return self.found[name]


def stack(profile: ProfileName = ProfileName.KRAFT, brokers: int = 1, cluster: str = "the-cluster") -> Stack:
    settings = StackSettings(name="lab", profile=profile, brokers=brokers, runtime=RuntimeKind.DOCKER)
    return declare(settings, RuntimeKind.DOCKER, StackPaths.of("lab"), cluster)


def engine_with(made: Stack, *without: str) -> Any:
    client: Any = FakeVolumes()
    for service in made.services:
        for name in service.volumes:
            if name not in without:
                ensure_volume(client, made, name, {STACK_LABEL: made.stack_id})
    return client


def test_a_new_volume_carries_the_cluster_that_it_is_made_for_where_that_is_known() -> None:
    assert cluster_label(engine_with(stack()).get("lab_kafka-data")) == "the-cluster"
    chosen_later = engine_with(stack(ProfileName.ZOOKEEPER, cluster="")).get("lab_kafka-data")
    assert CLUSTER_LABEL not in chosen_later.labels
    assert cluster_label(chosen_later) == ""


def test_a_volume_that_is_there_is_taken_as_it_is() -> None:
    client = engine_with(stack())
    before = dict(client.found)
    assert ensure_volume(client, stack(cluster="another"), "kafka-data", {}) is before["lab_kafka-data"]
    assert client.found == before


@pytest.mark.parametrize("labels", [{}, {STACK_LABEL: "lab-of-another-home"}])
def test_a_volume_of_somebody_else_is_refused_wherever_it_is_met(labels: dict[str, str]) -> None:
    client: Any = FakeVolumes({"lab_kafka-data": FakeVolume("lab_kafka-data", labels)})
    for meet in (
        lambda: find_volume(client, stack(), "kafka-data"),
        lambda: ensure_volume(client, stack(), "kafka-data", {}),
        lambda: check_volumes(client, stack(), recorded=False),
    ):
        with pytest.raises(NotOurs, match="a volume named lab_kafka-data exists that this stack did not make"):
            meet()
    assert client.found["lab_kafka-data"].labels == labels


@pytest.mark.parametrize("recorded", [True, False])
@pytest.mark.parametrize(("profile", "brokers"), [(ProfileName.KRAFT, 1), (ProfileName.KRAFT, 3), (ProfileName.ZOOKEEPER, 1)])
def test_a_whole_set_of_volumes_or_none_is_fine(profile: ProfileName, brokers: int, recorded: bool) -> None:  # noqa: FBT001
    made = stack(profile, brokers)
    check_volumes(engine_with(made), made, recorded=recorded)
    nothing: Any = FakeVolumes()
    check_volumes(nothing, made, recorded=recorded)


@pytest.mark.parametrize(
    ("made", "asked", "settings"),
    [
        (stack(), stack(ProfileName.ZOOKEEPER), "PROFILE=kraft BROKERS=1"),
        (stack(), stack(brokers=3), "PROFILE=kraft BROKERS=1"),
        (stack(brokers=3), stack(), "PROFILE=kraft BROKERS=3"),
        (stack(ProfileName.ZOOKEEPER), stack(), "PROFILE=zookeeper BROKERS=1"),
    ],
)
def test_volumes_of_another_stack_name_the_settings_that_they_were_made_with(made: Stack, asked: Stack, settings: str) -> None:
    with pytest.raises(ConfigurationConflict, match=f"made with {settings}") as caught:
        check_volumes(engine_with(made), asked, recorded=False)
    assert caught.value.next_command.startswith(f"make up NAME=lab {settings}; or ")
    with pytest.raises(ConfigurationConflict) as caught:
        check_volumes(engine_with(made), asked, recorded=True)
    assert "made with PROFILE" not in caught.value.cause


@pytest.mark.parametrize("recorded", [True, False])
def test_a_lost_volume_is_named(recorded: bool) -> None:  # noqa: FBT001
    made = stack(ProfileName.ZOOKEEPER)
    with pytest.raises(ConfigurationConflict, match="one of its volumes is missing") as caught:
        check_volumes(engine_with(made, "zookeeper-log"), made, recorded=recorded)
    assert "missing ['lab_zookeeper-log']" in caught.value.evidence
