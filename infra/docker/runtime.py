"""The docker runtime: the same services as containers, found by label, hardened, reconciled."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from docker.errors import APIError, NotFound
from docker.types import LogConfig

from infra.docker.compose_stack import require_no_compose_stack
from infra.docker.containers import (
    PLACE,
    ensure_network,
    find_container,
    observe_container,
    our_container,
    put_files,
    remove_container,
    secret_mount,
)
from infra.docker.engine import (
    ACT_SECONDS,
    QUESTION_SECONDS,
    describe_engine,
    engine,
    pull,
    require_engine_of,
    taken_port,
    ways_to_engine,
)
from infra.docker.labels import HASH_LABEL, SERVICE_LABEL, labels_of
from infra.docker.listing import LOOK
from infra.docker.marks import remove_marked
from infra.docker.presence import ENGINE_REMEDY
from infra.docker.sabotage import ContainerSabotage
from infra.docker.stand_ins import image_at_hand
from infra.docker.volumes import (
    KAFKA_DATA,
    KAFKA_META,
    check_volumes,
    cluster_id_inside,
    cluster_label,
    ensure_volume,
    find_volume,
    meta_in,
)
from infra.host.paths import short_hash
from infra.host.processes import PortOwner, port_owner
from infra.kafka.broker_secrets import secret_files, secret_properties
from infra.kafka.cluster_id import check_cluster_id, require_one_cluster, ways_past
from infra.kafka.diagnosis import diagnose
from infra.kafka.properties import render_properties
from infra.kafka.versions import version_of_image
from infra.stack.declaration import Service, ServiceKind, Stack
from infra.stack.runtime import ENGINE, KeptData, Observation, Outcome, ServiceState, taken
from trending.errors import ConfigurationConflict, EngineUnavailable, ImageUnavailable, LabError, ServiceBroken
from trending.settings import RuntimeKind

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from docker import DockerClient
    from docker.models.containers import Container
    from docker.models.volumes import Volume

    from infra.host.paths import StackPaths

RESTARTS = 3
"""Docker's own restarts after a failure; a ``docker kill`` suppresses them."""
PIDS = 512
TMPFS = {"/tmp": "size=64m,mode=1777,exec"}  # noqa: S108 - the container's own
LOG_OPTIONS = {"max-size": "10m", "max-file": "3"}


class DockerRuntime:
    """Runs the services as containers of one network; their data is in named volumes."""

    def __init__(self, stack: Stack, paths: StackPaths, show: Callable[[str], None], made_at: str = "") -> None:
        """``made_at`` is the variable that leads to the engine in which the stack was brought up; empty where it is not known."""
        self._stack = stack
        self._paths = paths
        self._show = show
        self._made_at = made_at

    @property
    def kind(self) -> RuntimeKind:
        """Docker."""
        return RuntimeKind.DOCKER

    @property
    def foundation(self) -> str:
        """The engine."""
        return ENGINE

    @property
    def sabotage(self) -> ContainerSabotage:
        """The engine's own commands, and signals to the process inside a container."""
        return ContainerSabotage(self._stack)

    def checks(self) -> dict[str, Callable[[], str]]:
        """Return the engine's."""
        return {ENGINE: self._answers}

    def _answers(self) -> str:
        with self._engine():
            return "answers"

    @contextmanager
    def _engine(self, seconds: int = QUESTION_SECONDS) -> Iterator[DockerClient]:
        """Yield a client of the stack's engine; raises EngineUnavailable where none answers, or another one does."""
        try:
            with engine(seconds) as client:
                require_engine_of(client, self._stack, self._made_at)
                yield client
        except EngineUnavailable as error:
            if not self._made_at or error.next_command != ENGINE_REMEDY:
                raise
            raise EngineUnavailable(error.cause, error.evidence, ways_to_engine(self._paths, self._made_at)) from error

    def require_no_namesake(self) -> None:
        """Raise NotOurs where Docker Compose has a stack of this name."""
        require_no_compose_stack(self._stack.name)

    def prepare(self) -> None:
        """Have every image at hand and no foreign thing in the way; raises EngineUnavailable, ImageUnavailable, NotOurs."""
        with self._engine(ACT_SECONDS) as client:
            self._show(describe_engine(client))
            for service in self._stack.services:
                find_container(client, self._stack, service)
                self._image(client, service, fetch=True)
            check_volumes(client, self._stack, recorded=True)

    def start(self, service: Service) -> Outcome:
        """Reconcile one container towards running: adopt, start again, recreate with its data kept, or refuse."""
        with self._engine(ACT_SECONDS) as client:
            image = self._image(client, service, fetch=False)
            wanted = self._config_hash(client, service, image)
            container = find_container(client, self._stack, service)
            if container is not None and container.labels.get(HASH_LABEL) == wanted and container.status != "created":
                if container.status == "running":
                    return Outcome.ADOPTED
                if container.status == "paused":  # it can't be started, and going on costs it nothing
                    container.unpause()
                    return Outcome.STARTED
                self._run(container, service, remove=False)
                return Outcome.STARTED
            if container is not None:
                remove_container(container, service.stop_seconds)
            ensure_network(client, self._stack)
            created = self._create(client, service, image, wanted)
            self._run(created, service, remove=True)
            return Outcome.CREATED if container is None else Outcome.RECREATED

    def stop(self, service: Service) -> None:
        """Stop the container and keep it."""
        with self._engine(ACT_SECONDS) as client:
            container = our_container(client, self._stack, service)
            if container is not None and container.status in {"running", "paused", "restarting"}:
                if container.status == "paused":
                    container.unpause()
                container.stop(timeout=service.stop_seconds)

    def remove(self, service: Service) -> None:
        """Remove the container, stopped cleanly first; its volume stays. A foreign one of that name is none of ours."""
        with self._engine(ACT_SECONDS) as client:
            container = our_container(client, self._stack, service)
            if container is not None:
                remove_container(container, service.stop_seconds)

    def observe(self, service: Service) -> Observation:
        """Return what the engine has of the service."""
        with self._engine() as client:
            container = find_container(client, self._stack, service)
            if container is None:
                return Observation(service.name, ServiceState.ABSENT)
            return observe_container(client, container, service.name, drifted=self._drifted(client, service, container))

    def output(self, service: Service, lines: int) -> str:
        """Return the last lines of the container's output."""
        with self._engine() as client:
            container = find_container(client, self._stack, service)
            return container.logs(tail=lines).decode("utf-8", "replace") if container is not None else ""

    def image(self, service: Service) -> str:
        """Return the image that the service's container was made from; the declared one where there is no container."""
        with self._engine() as client:
            try:
                return str(client.containers.get(self._stack.qualified(service.name)).attrs["Config"]["Image"])
            except NotFound:
                return service.image

    def kafka_version(self) -> str:
        """Return the version that the tag of the first broker's image tells of."""
        return version_of_image(self.image(self._stack.brokers[0]))

    def data_place(self, service: Service) -> str:
        """Return the volumes and where the container has them."""
        return ", ".join(f"volume {self._stack.name}_{name} at {place}" for name, place in service.volumes.items())

    def kept_data(self) -> KeptData:
        """Return the brokers' volumes; their cluster is read from their label, otherwise from the data itself."""
        places, clusters = [], {}
        with self._engine(ACT_SECONDS) as client:
            check_volumes(client, self._stack, recorded=False)
            for service in self._stack.brokers:
                for name in service.volumes:
                    volume = find_volume(client, self._stack, name)
                    if volume is None:
                        continue
                    place = f"volume {volume.name}"
                    places.append(place)
                    cluster_id = self._made_for(client, service, volume)
                    if cluster_id is not None:
                        clusters[place] = cluster_id
        return KeptData(tuple(places), require_one_cluster(clusters, self._stack.name))

    def _made_for(self, client: DockerClient, service: Service, volume: Volume) -> str | None:
        """Return the cluster id of a broker's volume, empty where it can't be read; None for a volume without data."""
        if cluster_id := cluster_label(volume):
            return cluster_id
        image = self._image(client, service, fetch=True)
        mounts = {volume.name: {"bind": KAFKA_DATA, "mode": "ro"}}
        try:
            container = self._make(client, service, image, labels=labels_of(self._stack, LOOK), volumes=mounts)
        except APIError as error:
            cause = f"volume {volume.name} cannot be looked into"
            raise ConfigurationConflict(cause, str(error.explanation or error)[:400], ways_past(self._stack.name)) from error
        try:
            return cluster_id_inside(container)
        finally:
            container.remove(v=True, force=True)

    def destroy(self, *, volumes: bool) -> None:
        """Remove every container and network that carries the stack's label; with ``volumes`` the volumes as well."""
        with self._engine(ACT_SECONDS) as client:
            remove_marked(client, self._stack.stack_id, volumes=volumes)

    def _drifted(self, client: DockerClient, service: Service, container: Container) -> bool:
        try:
            image = self._image(client, service, fetch=False)
        except ImageUnavailable:
            return True
        return bool(container.labels.get(HASH_LABEL) != self._config_hash(client, service, image))

    def _image(self, client: DockerClient, service: Service, *, fetch: bool) -> str:
        """Return the image to run: as declared when it is here, else its stand-in, else pulled."""
        found = image_at_hand(client, service.image)
        if found is not None:
            if fetch and found != service.image:
                self._show(f"{service.image} is not here: using the local stand-in {found}")
            return found
        if not fetch:
            cause = f"the image {service.image} is not here any more"
            raise ImageUnavailable(cause, "", f"docker pull {service.image}, or make images")
        pull(client, service.image, self._show)
        return service.image

    def _config_hash(self, client: DockerClient, service: Service, image: str) -> str:
        return short_hash(f"{service.config_hash} {client.images.get(image).id}")

    def _create(self, client: DockerClient, service: Service, image: str, wanted: str) -> Container:
        options: dict[str, Any] = {}
        if client.images.get(image).labels.get("trending.read-only") == "true":
            options["read_only"] = True
        if service.secure:
            options["mounts"] = [secret_mount()]
        labels = labels_of(
            self._stack,
            service.name,
            **{
                HASH_LABEL: wanted,
                SERVICE_LABEL: service.name,
                "com.docker.compose.container-number": "1",
                "com.docker.compose.oneoff": "False",
                "com.docker.compose.config-hash": wanted,
            },
        )
        container = self._make(
            client,
            service,
            image,
            name=self._stack.qualified(service.name),
            hostname=service.name,
            environment=dict(service.environment),
            labels=labels,
            ports={f"{port}/tcp": ("127.0.0.1", port) for port in service.ports},
            volumes=self._mounts(client, service),
            tmpfs=TMPFS,
            mem_limit=f"{service.memory_mb}m",
            memswap_limit=f"{service.memory_mb}m",
            pids_limit=PIDS,
            cap_drop=["ALL"],
            security_opt=["no-new-privileges"],
            ipc_mode="private",  # an engine's own default may be one that other containers can join
            init=True,
            restart_policy={"Name": "on-failure", "MaximumRetryCount": RESTARTS},
            log_config=LogConfig(type="json-file", config=LOG_OPTIONS),
            network=self._stack.network,
            networking_config={self._stack.network: client.api.create_endpoint_config(aliases=[service.name])},
            **options,
        )
        try:
            self._check_cluster(container, service)
            if service.secure:
                put_files(container, self._secret_files(service))
        except BaseException:
            container.remove(v=True, force=True)
            raise
        return container

    def _secret_files(self, service: Service) -> dict[str, bytes]:
        """Return the files of a secure broker: keys, and the part of its properties that the variables don't have."""
        connection = self._stack.connection
        properties = render_properties(secret_properties(connection, service.name, PLACE))
        return {**secret_files(connection, service.name), "server.properties": properties.encode("ascii")}

    def _mounts(self, client: DockerClient, service: Service) -> dict[str, dict[str, str]]:
        labels = labels_of(self._stack, "volume")
        volumes = {name: ensure_volume(client, self._stack, name, labels) for name in service.volumes}
        return {volume.name: {"bind": service.volumes[name]} for name, volume in volumes.items()}

    def _make(self, client: DockerClient, service: Service, image: str, **options: Any) -> Container:  # noqa: ANN401 - the SDK's own
        """Create the container; raises ServiceBroken where the engine cannot give it its volume."""
        try:
            return client.containers.create(image, **options)
        except APIError as error:
            message = str(error.explanation or error)
            diagnosis = diagnose(message)
            if diagnosis is None or not diagnosis.final:
                raise
            cause = f"{self._stack.qualified(service.name)} cannot be made: {diagnosis.cause}"
            raise ServiceBroken(cause, f"{self.data_place(service)}: {message[:400]}", diagnosis.remedy) from error

    def _check_cluster(self, container: Container, service: Service) -> None:
        """Read the volume's cluster id before the broker does: it would only say so in its log and die."""
        meta = meta_in(container) if service.kind is ServiceKind.KAFKA else None
        if meta is not None:
            where = f"volume of {container.name}:{KAFKA_META}"
            check_cluster_id(meta, self._stack.cluster_id, where, self._stack.name)

    def _run(self, container: Container, service: Service, *, remove: bool) -> None:
        try:
            container.start()
        except APIError as error:
            if remove:
                # A failed start leaves it in `created`, where the next attempt would meet its name.
                container.remove(v=True, force=True)
            port = taken_port(error)
            if port is not None:
                port = port or service.ports[0]
                raise taken(port_owner(port) or PortOwner(port, None, "another container"), self._stack.name) from error
            cause = f"{container.name} could not be started"
            raise LabError(cause, str(error.explanation or error)[:400], "make status") from error
