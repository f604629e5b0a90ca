"""The committed Compose files are the declaration, and their variables default to it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from ruamel.yaml import YAML

from infra.docker import compose
from infra.docker.runtime import LOG_OPTIONS, PIDS, RESTARTS
from infra.host.paths import StackPaths
from infra.stack.profiles import declare
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from infra.stack.declaration import Service

VARIABLE = re.compile(r"\$\{(\w+):-([^}]*)\}")


def declared(profile: ProfileName) -> tuple[Service, ...]:
    settings = StackSettings(profile=profile)
    return declare(settings, RuntimeKind.DOCKER, StackPaths.of("trending"), compose.CLUSTER_ID).services


def read(profile: ProfileName, **variables: str) -> dict[str, Any]:
    """Return the file as Compose reads it: YAML, then the variables in its texts."""

    def replaced(node: Any) -> Any:
        if isinstance(node, dict):
            return {key: replaced(each) for key, each in node.items()}
        if isinstance(node, list):
            return [replaced(each) for each in node]
        if isinstance(node, str):
            return VARIABLE.sub(lambda match: variables.get(match.group(1), match.group(2)), node)
        return node

    model: dict[str, Any] = replaced(YAML(typ="safe").load(compose.FILES[profile].read_text(encoding="utf-8")))
    return model


@pytest.mark.parametrize("profile", list(ProfileName))
def test_the_committed_file_is_what_the_declaration_makes(profile: ProfileName) -> None:
    assert compose.FILES[profile].read_text(encoding="utf-8") == compose.render(profile), "make compose"


@pytest.mark.parametrize("profile", list(ProfileName))
def test_every_service_runs_as_the_docker_runtime_would_run_it(profile: ProfileName) -> None:
    services = read(profile)["services"]
    assert list(services) == [service.name for service in declared(profile)]
    for service in declared(profile):
        seen = services[service.name]
        assert seen["image"] == service.image
        assert seen["container_name"] == seen["hostname"] == service.name
        assert seen["environment"] == service.environment
        assert seen["ports"] == [f"127.0.0.1:{port}:{port}" for port in service.ports]
        assert [each.split(":")[1] for each in seen["volumes"]] == list(service.volumes.values())
        assert seen["mem_limit"] == seen["memswap_limit"] == f"{service.memory_mb}m"
        assert seen["pids_limit"] == PIDS
        assert seen["cap_drop"] == ["ALL"]
        assert seen["security_opt"] == ["no-new-privileges"]
        assert seen["ipc"] == "private"
        assert seen["init"] is True
        assert seen["restart"] == f"on-failure:{RESTARTS}"
        assert seen["stop_grace_period"] == f"{service.stop_seconds}s"
        assert seen["logging"]["options"] == LOG_OPTIONS
        assert list(seen.get("depends_on", {})) == list(service.depends_on)
        assert all(each == {"condition": "service_healthy"} for each in seen.get("depends_on", {}).values())


@pytest.mark.parametrize("profile", list(ProfileName))
def test_no_volume_has_the_name_of_one_of_ours_since_compose_deletes_by_name(profile: ProfileName) -> None:
    ours = {name for service in declared(profile) for name in service.volumes}
    assert not ours & set(read(profile)["volumes"])


@pytest.mark.parametrize("profile", list(ProfileName))
def test_the_health_check_starts_no_java_and_holds_no_variable_of_compose(profile: ProfileName) -> None:
    for service in read(profile)["services"].values():
        check = service["healthcheck"]["test"]
        assert check[:3] == ["CMD", "bash", "-c"]
        assert "kafka-" not in check[3]
        assert "java" not in check[3]
        assert "$" not in check[3]


def test_the_project_has_the_name_that_status_looks_for() -> None:
    beside = compose.FILES[ProfileName.KRAFT].with_name(".env").read_text(encoding="utf-8")
    assert f"COMPOSE_PROJECT_NAME={StackSettings().name}\n" in beside


def test_another_port_is_followed_everywhere() -> None:
    text = str(read(ProfileName.ZOOKEEPER, TRENDING_PORT="19092", TRENDING_ZOOKEEPER_PORT="12181"))
    assert "PLAINTEXT://localhost:19092" in text
    assert "zookeeper:12181" in text
    assert not re.search(r"\b(9092|2181)\b", text)


def test_another_image_is_followed() -> None:
    assert read(ProfileName.KRAFT, TRENDING_KAFKA_IMAGE="mine:1")["services"]["kafka"]["image"] == "mine:1"


def test_the_command_prints_a_profile(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr("sys.argv", ["compose", "--profile", "zookeeper"])
    compose.main()
    assert capsys.readouterr().out == compose.render(ProfileName.ZOOKEEPER)


def test_the_command_writes_both_files(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    places = {profile: tmp_path / path.name for profile, path in compose.FILES.items()}
    monkeypatch.setattr(compose, "FILES", places)
    monkeypatch.setattr("sys.argv", ["compose", "--write"])
    compose.main()
    assert capsys.readouterr().out.count("[ok]") == 2
    assert all(path.read_text() == compose.render(profile) for profile, path in places.items())
