"""Which runtime a stack has, and that runtime opened: the one place outside the runtimes that tells them apart."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.docker.marks import DockerMarks, docker_marks
from infra.docker.presence import ENGINE_REMEDY, engine_answers
from infra.embedded.runtime import EmbeddedRuntime, broker_directories
from infra.kafka.cluster_id import ways_past
from infra.lab.remains import DOCKER_KINDS, LOOK_SECONDS
from infra.stack.profiles import images_of
from trending.errors import ConfigurationConflict, EngineUnavailable
from trending.settings import ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.host.paths import StackPaths
    from infra.lab.remains import Remains, Remnant
    from infra.stack.declaration import Stack
    from infra.stack.runtime import Runtime
    from infra.stack.state import StackState
    from infra.supervision.supervisor import Supervisor


def open_runtime(
    state: StackState, stack: Stack, paths: StackPaths, supervisor: Supervisor, show: Callable[[str], None]
) -> Runtime:
    """Return the runtime of a stack in that state; nothing is asked of the machine yet."""
    kind = state.runtime
    if kind is RuntimeKind.EXTERNAL:
        from infra.external.runtime import ExternalRuntime  # noqa: PLC0415 - it imports X.509: 50 ms of status with the rest

        return ExternalRuntime(stack, paths, state.settings.access, state.topics_made)
    if kind is RuntimeKind.DOCKER:
        from infra.docker.runtime import DockerRuntime  # noqa: PLC0415 - it imports the SDK: 0.1 s that no other stack waits for

        return DockerRuntime(stack, paths, show, state.engine)
    return EmbeddedRuntime(stack, paths, supervisor)


def engine_in_use(kind: RuntimeKind) -> str:
    """Return the variable that leads to the Docker engine in which a stack is made; empty for a stack that needs none."""
    if kind is not RuntimeKind.DOCKER:
        return ""
    from infra.docker.engine import engine_variable  # noqa: PLC0415 - it imports the SDK

    return engine_variable()


def kinds_within_reach(silence: str) -> tuple[RuntimeKind, ...]:
    """Return the runtimes in which this machine may have something, of those that can be asked.

    ``silence`` tells why no Docker engine answers; empty where one does.
    """
    return (RuntimeKind.EMBEDDED,) if silence else (RuntimeKind.EMBEDDED, RuntimeKind.DOCKER)


def unseen_part(kind: RuntimeKind, remains: Remains) -> str:
    """Return why parts of a stack of that runtime may be there although none was seen; empty where all of them can be seen."""
    return remains.unseen if kind is RuntimeKind.DOCKER else ""


def strays(kind: RuntimeKind, remains: Remains) -> tuple[Remnant, ...]:
    """Return what carries the stack's mark and is of the other runtime, so that a stack of this one does not know of it."""
    return () if kind is RuntimeKind.DOCKER else tuple(thing for thing in remains.things if thing.kind in DOCKER_KINDS)


def other_kinds(kind: RuntimeKind, silence: str) -> tuple[RuntimeKind, ...]:
    """Return the other runtimes in which this machine may have something of a stack, of those that can be asked."""
    return tuple(each for each in kinds_within_reach(silence) if each is not kind)


def resolve_runtime(settings: StackSettings, paths: StackPaths, seen: DockerMarks | None) -> tuple[RuntimeKind, str]:
    """Return the runtime for a stack of which nothing is recorded, and why: that of its data, otherwise a chosen one.

    ``seen`` is what Docker was seen to have of the stack before this run began; where it told nothing, it is asked now. Raises
    ConfigurationConflict when asked for another runtime than the data's, EngineUnavailable where no engine answers, or only now.
    """
    marks = seen if seen is not None and not seen.silence else docker_marks(paths.stack_id, LOOK_SECONDS)
    kind, why = _runtime_of_data(settings, paths, marks.volumes) or choose_runtime(settings, marks.silence)
    if kind is RuntimeKind.DOCKER and seen is not None and seen.silence:
        # What the engine has could not be told from what this run makes, and its undo would end both.
        cause = "the Docker engine did not answer a moment ago, and does now"
        raise EngineUnavailable(cause, seen.silence, f"make up NAME={paths.name} once more")
    return kind, why


def _runtime_of_data(settings: StackSettings, paths: StackPaths, volumes: tuple[str, ...]) -> tuple[RuntimeKind, str] | None:
    """Return the runtime that the stack's kept data belongs to, and why; None where no broker has data."""
    embedded = [str(place) for place in broker_directories(paths).values()]
    docker = [f"volume {name}" for name in volumes]
    places = ", ".join(embedded + docker)
    if embedded and docker:
        cause = f"stack {paths.name} has data in both runtimes and no state file says which is in use"
        raise ConfigurationConflict(cause, places, ways_past(paths.name))
    if not places:
        return None
    kind = RuntimeKind.EMBEDDED if embedded else RuntimeKind.DOCKER
    if not settings.takes(kind):
        cause = f"stack {paths.name} has data of the {kind} runtime"
        ways = f"make up NAME={paths.name} RUNTIME={kind}; or {ways_past(paths.name)}"
        raise ConfigurationConflict(cause, f"{places}; {settings.asked_for}", ways)
    return kind, f"its data is there ({places})"


def choose_runtime(settings: StackSettings, silence: str = "") -> tuple[RuntimeKind, str]:
    """Return the runtime for a stack that does not exist yet, and why.

    ``silence`` is what the engine was just found not to say; a frozen one is not waited for again. An image that was asked for
    runs in a container or not at all: the embedded broker is of another version.
    """
    wanted = settings.chosen_image
    if settings.runtime is RuntimeKind.EXTERNAL:
        return settings.runtime, "as asked for"
    if settings.runtime is RuntimeKind.EMBEDDED:
        if wanted:
            cause = f"the image {wanted} was asked for, and the embedded runtime runs none"
            raise ConfigurationConflict(cause, "RUNTIME=embedded", "leave out RUNTIME=embedded, or the image")
        return settings.runtime, "as asked for"
    if settings.runtime is RuntimeKind.DOCKER:
        _require_engine(silence)
        return settings.runtime, "as asked for"
    silence = silence or engine_answers() or ""
    if silence:
        needed = "the zookeeper profile" if settings.profile is ProfileName.ZOOKEEPER else f"the image {wanted}" if wanted else ""
        if needed:
            raise EngineUnavailable(silence, f"{needed} runs in containers only", ENGINE_REMEDY)
        return RuntimeKind.EMBEDDED, silence
    image = missing_image(settings)
    if image is not None and settings.profile is ProfileName.KRAFT and not wanted:
        return RuntimeKind.EMBEDDED, f"a Docker engine answers, but {image} is not here (make images, or RUNTIME=docker)"
    return RuntimeKind.DOCKER, "a Docker engine answers"


def require_runtime(settings: StackSettings) -> None:
    """Raise EngineUnavailable where containers are asked for and no engine answers."""
    if settings.runtime is RuntimeKind.DOCKER:
        _require_engine("")


def _require_engine(silence: str) -> None:
    """Raise EngineUnavailable before anything is recorded: a stack whose engine never answered does not exist."""
    if silence:
        raise EngineUnavailable(silence, "", ENGINE_REMEDY)
    from infra.docker.engine import engine  # noqa: PLC0415 - it imports the SDK

    with engine():
        return


def missing_image(settings: StackSettings) -> str | None:
    """Return the first image of the stack that is neither on this machine nor stands in for one, or None."""
    from infra.docker.engine import engine  # noqa: PLC0415 - it imports the SDK
    from infra.docker.stand_ins import image_at_hand  # noqa: PLC0415 - the same

    with engine() as client:
        return next((image for image in images_of(settings) if image_at_hand(client, image) is None), None)
