"""The declaration as Docker Compose files: ``python -m infra.docker.compose --write``.

Compose runs only the services; topic, producer and stream need the lab's own commands. Every number and image comes
from ``infra.stack.profiles``; a test keeps the committed files equal to it.
"""

from __future__ import annotations

import argparse
import io
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML

from infra.console.crash_reports import run_reported
from infra.docker.runtime import LOG_OPTIONS, PIDS, RESTARTS, TMPFS
from infra.host.paths import StackPaths
from infra.stack.declaration import DEFAULT_NAME, Service, ServiceKind, Stack
from infra.stack.profiles import declare
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Mapping

FILES = {
    ProfileName.KRAFT: Path(__file__).parents[1] / "compose.yaml",
    ProfileName.ZOOKEEPER: Path(__file__).parents[1] / "compose.zookeeper.yaml",
}
CLUSTER_ID = "dHJlbmRpbmctY29tcG9zZQ"
"""Cluster id of every cluster that the file makes, because a file cannot generate one."""
VOLUME_PREFIX = "compose-"
"""``docker compose down -v`` deletes volumes by name, so these names differ from those of ``make up``."""

_HEADER = """\
# Made from the declaration in infra/stack/profiles.py by `python -m infra.docker.compose --profile {profile}`.
# Change it there, then: make compose
#
#   docker compose -f infra/{file} up -d      the services; `make status` shows them and changes nothing
#   docker compose -f infra/{file} down       add -v to delete the data
#
# The project's name comes from infra/.env. Variables that it follows:
# {variables},
# LAB_READ_ONLY=true where the image writes nothing but its data and /tmp, LAB_PREFIX for the containers' names.
"""
_VARIABLES = {ServiceKind.KAFKA: "TRENDING_KAFKA_IMAGE", ServiceKind.ZOOKEEPER: "TRENDING_ZOOKEEPER_IMAGE"}
# The shell, which every image has, asks the broker in its own protocol: an open port proves nothing
# (the kernel opens it for a frozen process too), and a JVM tool inside the memory limit brings the OOM killer.
_API_VERSIONS = r"\0\0\0\012\0\022\0\0\0\0\0\1\377\377"
_QUESTIONS = {
    ServiceKind.KAFKA: r"printf '" + _API_VERSIONS + "' >&3 && timeout 3 head -c 4 <&3 | wc -c | grep -qw 4",
    ServiceKind.ZOOKEEPER: "printf srvr >&3 && timeout 3 cat <&3 | grep -q 'Zookeeper version'",
}


def compose(profile: ProfileName) -> dict[str, Any]:
    """Return the Compose model of a profile with default settings."""
    stack, variables = _declared(profile)
    volumes: dict[str, dict[str, str]] = {VOLUME_PREFIX + name: {} for service in stack.services for name in service.volumes}
    services = {service.name: _service(service) for service in stack.services}
    model: dict[str, Any] = _substituted({"services": services, "volumes": volumes}, variables)
    return model


def render(profile: ProfileName) -> str:
    """Return the text of the profile's file."""
    _stack, variables = _declared(profile)
    names = re.findall(r"\$\{(\w+)", " ".join(variables.values()))
    yaml = YAML()
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    text = io.StringIO()
    yaml.dump(compose(profile), text)
    header = _HEADER.format(profile=profile, file=FILES[profile].name, variables=", ".join(names))
    return header + text.getvalue()


def _declared(profile: ProfileName) -> tuple[Stack, dict[str, str]]:
    """Return the stack and a mapping of declared value → the variable that replaces it; the first match wins."""
    settings = StackSettings(name=DEFAULT_NAME, profile=profile, runtime=RuntimeKind.DOCKER)
    stack = declare(settings, RuntimeKind.DOCKER, StackPaths.of(settings.name), CLUSTER_ID)
    ports = {settings.port: "TRENDING_PORT"}
    if settings.profile is ProfileName.ZOOKEEPER:
        ports[settings.zookeeper_port] = "TRENDING_ZOOKEEPER_PORT"
    images = {service.image: f"${{{_VARIABLES[service.kind]}:-{service.image}}}" for service in stack.services}
    return stack, images | {str(port): f"${{{name}:-{port}}}" for port, name in ports.items()}


def _substituted(value: Any, variables: Mapping[str, str]) -> Any:  # noqa: ANN401 - a tree of YAML
    if isinstance(value, dict):
        return {key: _substituted(each, variables) for key, each in value.items()}
    if isinstance(value, list):
        return [_substituted(each, variables) for each in value]
    if isinstance(value, str):
        words = "|".join(re.escape(word) for word in variables)
        return re.sub(rf"(?<![\w.])(?:{words})(?!\w)", lambda match: variables[match.group()], value)
    return value


def _service(service: Service) -> dict[str, Any]:
    """Return one service as ``DockerRuntime`` would run it."""
    port = service.ports[0]
    question = f"exec 3<>/dev/tcp/127.0.0.1/{port} && {_QUESTIONS[service.kind]}"
    depends = {"depends_on": {name: {"condition": "service_healthy"} for name in service.depends_on}}
    return {
        "image": service.image,
        "container_name": f"${{LAB_PREFIX:-}}{service.name}",
        "hostname": service.name,
        "environment": dict(service.environment),
        "ports": [f"127.0.0.1:{each}:{each}" for each in service.ports],
        "volumes": [f"{VOLUME_PREFIX}{name}:{place}" for name, place in service.volumes.items()],
        **(depends if service.depends_on else {}),
        "healthcheck": {
            "test": ["CMD", "bash", "-c", question],
            "interval": "5s",
            "timeout": "5s",
            "retries": 6,
            "start_period": "30s",
        },
        "read_only": "${LAB_READ_ONLY:-false}",
        "tmpfs": [f"{place}:{options}" for place, options in TMPFS.items()],
        "mem_limit": f"{service.memory_mb}m",
        "memswap_limit": f"{service.memory_mb}m",
        "pids_limit": PIDS,
        "cap_drop": ["ALL"],
        "security_opt": ["no-new-privileges"],
        "ipc": "private",
        "init": True,
        "restart": f"on-failure:{RESTARTS}",
        "stop_grace_period": f"{service.stop_seconds}s",
        "logging": {"driver": "json-file", "options": dict(LOG_OPTIONS)},
    }


def main() -> None:
    """Print the file of one profile, or write the files of both."""
    parser = argparse.ArgumentParser(prog="python -m infra.docker.compose", description=__doc__)
    parser.add_argument("--profile", type=ProfileName, choices=list(ProfileName), default=ProfileName.KRAFT)
    parser.add_argument("--write", action="store_true", help="write the files of both profiles instead of printing one")
    options = parser.parse_args()
    if not options.write:
        sys.stdout.write(render(options.profile))
        return
    for profile, path in FILES.items():
        path.write_text(render(profile), encoding="utf-8")
        sys.stdout.write(f"[ok] {path}\n")


if __name__ == "__main__":
    run_reported(main)
