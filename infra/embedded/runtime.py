"""The embedded runtime: the same real Kafka broker as a local Java process, for machines without Docker."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from infra.embedded.sabotage import ProcessSabotage
from infra.host.environment import built_environment
from infra.host.paths import short_hash
from infra.host.processes import is_frozen, stack_processes, thaw
from infra.java.class_archives import BROKER, archive_options
from infra.java.installation import find_java
from infra.java.jars import ensure_jars, jar_directory, locked
from infra.kafka.broker_secrets import require_certificates, secret_properties
from infra.kafka.cluster_id import META, check_cluster_id, cluster_id_in, require_one_cluster, ways_past
from infra.kafka.diagnosis import diagnose
from infra.kafka.properties import render_properties
from infra.stack.belongings import BROKER_DIRECTORY
from infra.stack.declaration import Program, Service, Stack
from infra.stack.runtime import SUPERVISOR, KeptData, Observation, Outcome, ServiceState
from infra.supervision.budget import RULE, Deaths, read_budget, reset_deaths, told
from infra.supervision.output_tail import tail
from trending.errors import ConfigurationConflict
from trending.private_file import write_private
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.host.paths import StackPaths
    from infra.supervision.supervisor import ProgramStatus, Supervisor

FORMAT_SECONDS = 60
LOGGING = Path(__file__).parents[1] / "kafka" / "log4j2.yaml"
JVM_OPTIONS = (
    "-XX:+ExitOnOutOfMemoryError",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-Djava.awt.headless=true",
    "-Dfile.encoding=UTF-8",
)


class EmbeddedRuntime:
    """Runs the services under the stack's supervisord; each has a directory below the stack's data."""

    def __init__(self, stack: Stack, paths: StackPaths, supervisor: Supervisor) -> None:
        self._stack = stack
        self._paths = paths
        self._supervisor = supervisor

    @property
    def kind(self) -> RuntimeKind:
        """Embedded."""
        return RuntimeKind.EMBEDDED

    @property
    def foundation(self) -> str:
        """The stack's supervisord."""
        return SUPERVISOR

    @property
    def sabotage(self) -> ProcessSabotage:
        """Signals to the brokers' processes."""
        return ProcessSabotage(self._supervisor)

    def checks(self) -> dict[str, Callable[[], str]]:
        """Return none: supervisord is there in every runtime."""
        return {}

    def require_no_namesake(self) -> None:
        """Require nothing: processes have no names."""

    def prepare(self) -> None:
        """Fetch or check the broker's jars; raises PrerequisiteMissing without Java, DamagedDownload for a wrong jar."""
        find_java()
        ensure_jars(BROKER)

    def start(self, service: Service) -> Outcome:
        """Reconcile one broker towards running; formats its storage the first time."""
        program = self._program(service)
        status = self._supervisor.status(service.name)
        if status is not None and status.alive and self._drift_hash(service.name) == program.drift_hash:
            if not is_frozen(status.pid):
                return Outcome.ADOPTED
            for process in stack_processes(self._paths.stack_id, service.name):
                thaw(process)
            return Outcome.STARTED
        self._format(service)
        reset_deaths(self._paths.budget, service.name)
        self._supervisor.launch(program)
        self._paths.drift(service.name).write_text(program.drift_hash, encoding="ascii")
        return Outcome.CREATED if status is None else Outcome.RECREATED

    def stop(self, service: Service) -> None:
        """Stop the broker, which then closes its log cleanly."""
        if self._supervisor.running():
            self._supervisor.stop(service.name)

    def remove(self, service: Service) -> None:
        """Stop the broker and forget its declaration, which may tell a password; its data stays."""
        if self._supervisor.running():
            self._supervisor.remove(service.name)
        self._paths.properties(service.name).unlink(missing_ok=True)

    def observe(self, service: Service) -> Observation:
        """Return what supervisord knows of the broker."""
        status = self._supervisor.status(service.name)
        if status is None:
            return Observation(service.name, ServiceState.ABSENT)
        deaths = read_budget(self._paths.budget).get(service.name, Deaths())
        spent = not status.alive and deaths.spent
        return Observation(
            service.name,
            ServiceState.GIVEN_UP if spent else _STATES.get(status.state, ServiceState.RUNNING),
            _detail(status),
            status.exit_code if status.state in {"EXITED", "FATAL", "BACKOFF"} else None,
            drifted=self._drift_hash(service.name) != self._program(service).drift_hash,
            started_at=status.started if status.alive else None,
            comes_back=status.comes_back and not spent,
            host_memory=deaths.of_memory,
            frozen=status.alive and is_frozen(status.pid),
            deaths=f"{RULE}; the last cause: {told(deaths)}" if spent else "",
        )

    def output(self, service: Service, lines: int) -> str:
        """Return the last lines of the broker's output."""
        return tail(self._paths.output_file(service.name), lines)

    def image(self, _service: Service) -> str:
        """Return none."""
        return ""

    def kafka_version(self) -> str:
        """Return the locked jar's."""
        return next(jar.version for jar in locked(BROKER) if jar.artifact == "kafka_2.13")

    def data_place(self, service: Service) -> str:
        """Return the broker's directory."""
        return str(self._paths.broker(service.name))

    def kept_data(self) -> KeptData:
        """Return the brokers' directories; raises ConfigurationConflict where they don't fit this stack or tell no cluster."""
        return kept_directories(self._stack, self._paths)

    def destroy(self, *, volumes: bool) -> None:  # noqa: ARG002 - a container's volumes are elsewhere
        """Delete the brokers' configuration, which may tell a password.

        Nothing else is left once supervisord is down. Their data is in the stack's directory: the caller knows what of it goes.
        """
        for service in self._stack.services:
            self._paths.properties(service.name).unlink(missing_ok=True)

    def _drift_hash(self, name: str) -> str:
        path = self._paths.drift(name)
        return path.read_text(encoding="ascii") if path.exists() else ""

    def _program(self, service: Service) -> Program:
        java = find_java()
        command = broker_command(service.heap_mb, self._paths.properties(service.name))
        drift = short_hash(service.config_hash + " ".join(command))
        mapped = (*command[:1], *archive_options(BROKER), *command[1:])
        return Program(service.name, mapped, {"JAVA_HOME": str(java.home)}, service.stop_seconds, drift)

    def _secrets(self, service: Service) -> dict[str, str]:
        if not service.secure:
            return {}
        connection = self._stack.connection
        return secret_properties(connection, service.name, require_certificates(connection, service.name))

    def _format(self, service: Service) -> None:
        directory = self._paths.broker(service.name)
        directory.mkdir(parents=True, exist_ok=True)
        self._paths.run.mkdir(parents=True, exist_ok=True)
        properties = self._paths.properties(service.name)
        write_private(properties, render_properties({**service.properties, **self._secrets(service), "log.dirs": str(directory)}))
        meta = directory / META
        if meta.exists():
            text = meta.read_text(encoding="utf-8")
            check_cluster_id(text, self._stack.cluster_id, str(meta), self._stack.name)
            return
        command = format_command(self._stack.cluster_id, properties)
        environment = built_environment()
        formatting = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=FORMAT_SECONDS, check=False)
        if formatting.returncode:
            output = (formatting.stderr + formatting.stdout).strip()
            diagnosis = diagnose(output)
            cause = f"the storage of {service.name} cannot be formatted" + (f": {diagnosis.cause}" if diagnosis else "")
            raise ConfigurationConflict(cause, f"{directory}: {output[-400:]}", diagnosis.remedy if diagnosis else "make status")


def broker_directories(paths: StackPaths) -> dict[str, Path]:
    """Return broker → its directory, of those below the stack's data that hold anything."""
    found = (place for place in sorted(paths.data.glob("kafka*")) if BROKER_DIRECTORY.fullmatch(place.name))
    return {place.name: place for place in found if place.is_dir() and any(place.iterdir())}


def kept_directories(stack: Stack, paths: StackPaths) -> KeptData:
    """Return the brokers' directories with their cluster, read from ``meta.properties``; raises ConfigurationConflict."""
    kept = broker_directories(paths)
    if kept and kept.keys() != {service.name for service in stack.services}:
        cause = f"stack {stack.name} has data of {len(kept)} brokers, and {len(stack.services)} were asked for"
        remedy = f"make up NAME={stack.name} BROKERS={len(kept)}; or {ways_past(stack.name)}"
        raise ConfigurationConflict(cause, ", ".join(map(str, kept.values())), remedy)
    clusters = {str(place): _formatted_for(place) for place in kept.values()}
    return KeptData(tuple(clusters), require_one_cluster(clusters, stack.name))


def _formatted_for(directory: Path) -> str:
    try:
        return cluster_id_in((directory / META).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError):
        return ""


def broker_command(heap_mb: int, properties: Path) -> tuple[str, ...]:
    """Return the command of a broker; a class archive goes without saying in it, since it changes nothing that runs."""
    return (
        str(find_java().executable),
        f"-Xmx{heap_mb}M",
        f"-Xms{heap_mb}M",
        *JVM_OPTIONS,
        f"-Dlog4j2.configurationFile={LOGGING.as_uri()}",
        "-cp",
        f"{jar_directory(BROKER)}/*",
        "kafka.Kafka",
        str(properties),
    )


def format_command(cluster_id: str, properties: Path) -> tuple[str, ...]:
    """Return the command that formats a broker's storage."""
    return (
        str(find_java().executable),
        *archive_options(BROKER),
        "-XX:TieredStopAtLevel=1",
        "-XX:+UseSerialGC",
        "-cp",
        f"{jar_directory(BROKER)}/*",
        "kafka.tools.StorageTool",
        "format",
        "--cluster-id",
        cluster_id,
        "--config",
        str(properties),
    )


_STATES = {
    "RUNNING": ServiceState.RUNNING,
    "STARTING": ServiceState.RUNNING,
    "STOPPED": ServiceState.STOPPED,
    "STOPPING": ServiceState.STOPPED,
    "BACKOFF": ServiceState.EXITED,
    "EXITED": ServiceState.EXITED,
    "FATAL": ServiceState.GIVEN_UP,
}


def _detail(status: ProgramStatus) -> str:
    return f"pid {status.pid}" if status.alive else status.error or f"exit code {status.exit_code}"
