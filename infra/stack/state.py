"""What is *wanted* of a stack, in one small file under a kernel lock. What *exists* is read from the machine, never from here."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import time
from collections.abc import Iterator  # noqa: TC003 - the context manager's annotation is evaluated
from contextlib import contextmanager, suppress
from enum import StrEnum
from typing import TYPE_CHECKING

from filelock import FileLock, Timeout
from pydantic import BaseModel, ConfigDict

from infra.host.json_files import write_model
from infra.host.paths import StackPaths
from infra.host.user import owned
from infra.stack.holder import acquire, words_of_holder
from infra.stack.origin import note_origin, require_mounted, require_own, require_same_name
from trending.errors import ConfigurationConflict, StackBusy
from trending.settings import LabSettings, RuntimeKind

if TYPE_CHECKING:
    from typing import BinaryIO


class NewerState(ConfigurationConflict):
    """A newer version of the lab wrote the state file: this one does not know what all it records, so it deletes nothing."""


class Wanted(StrEnum):
    """What the user last asked for."""

    UP = "up"
    STOPPED = "stopped"
    DOWN = "down"


VERSION = 4
"""Version of the state file's format. Version 1 had no such field and no ``adopted``, version 2 no ``engine``, version 3 no
``topics_made`` and no settings for an external Kafka, or for a store or a checkpoint elsewhere."""


class StackState(BaseModel):
    """The content of the state file, in its current format even if it was read from an older one.

    ``cluster_id`` is the id of the stack's data; ``resting`` are programs that are stopped on purpose; ``adopted`` means that the
    data existed before this file; ``engine`` is the variable that leads to the Docker engine in which the stack was made, empty
    where there is none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    version: int = VERSION
    wanted: Wanted
    runtime: RuntimeKind
    cluster_id: str
    settings: LabSettings
    resting: frozenset[str] = frozenset()
    adopted: bool = False
    engine: str = ""
    topics_made: dict[str, str] = {}
    """Topic → id, of those that this stack has made in a cluster that is not its own."""
    checkpoints_made: tuple[str, ...] = ()
    """Directories elsewhere that this stack has made for its checkpoints."""


def read_state(paths: StackPaths) -> StackState | None:
    """Return what is wanted of the stack, or None for a stack that does not exist.

    Raises ConfigurationConflict if the file is damaged, may not be read, or a newer version of the lab wrote it. The data is fine
    in all these cases, so none of the remedies deletes it. Raises NotOurs for a copy of another's, or a dead link.
    """
    require_mounted(paths)
    require_own(paths)
    try:
        known = json.loads(paths.state.read_bytes())
        version = known.get("version", 1)
        if version <= VERSION:
            state = StackState.model_validate_json(json.dumps({**known, "version": VERSION}))
            require_same_name(paths, state.settings.stack.name)
            return state
    except FileNotFoundError:
        return None
    except PermissionError as error:
        cause = f"the state file {paths.state} may not be read by this user"
        place = shlex.quote(str(paths.state))
        mine = owned(paths.state)
        way = f"chmod u+rw {place}, then once more" if mine else f"ls -l {place} shows whose stack it is"
        raise ConfigurationConflict(cause, str(error), way) from error
    except (OSError, ValueError, AttributeError, TypeError, RecursionError) as error:  # no file, not JSON, another format
        cause = f"the state file {paths.state} is damaged"
        aside = f"mv {shlex.quote(str(paths.state))} {shlex.quote(f'{paths.state}.damaged')}"
        ways = f"make up NAME={paths.name} adopts the data that is there, make down NAME={paths.name} ends what runs and keeps it"
        raise ConfigurationConflict(cause, str(error), f"{aside}; after that {ways}") from error
    cause = f"the state file {paths.state} was written by a newer version of the lab"
    evidence = f"its form is version {version}, this lab knows up to {VERSION}"
    raise NewerState(cause, evidence, "use the version of the lab that brought the stack up")


def still_wanted(paths: StackPaths) -> bool:
    """Whether the stack is wanted up and no take-down waits. Only then may it be checked, repaired or broken on purpose."""
    state = read_state(paths)
    return not take_down_waits(paths) and state is not None and state.wanted is Wanted.UP


def write_state(paths: StackPaths, state: StackState) -> None:
    """Replace the state file atomically."""
    paths.state.parent.mkdir(parents=True, exist_ok=True)
    note_origin(paths)
    write_model(paths.state, state)


def existing_stacks() -> list[str]:
    """Return the names of the stacks that have a state file."""
    return [paths.name for paths in StackPaths.all() if paths.state.exists()]


@contextmanager
def stack_held(paths: StackPaths, timeout: float = 300.0) -> Iterator[None]:
    """Hold the stack's lock; the kernel frees it when the holder dies. Raises StackBusy after ``timeout`` seconds.

    Who has to wait is told for whom.
    """
    paths.lock.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(paths.lock)
    started = time.monotonic()
    try:
        acquire(lock, f"the stack {paths.name}", timeout)
    except Timeout as error:
        cause = f"another command has held the stack {paths.name} for {time.monotonic() - started:.0f} s"
        raise StackBusy(cause, f"{paths.lock}: {words_of_holder(paths.lock)}", f"make status NAME={paths.name}") from error
    try:
        yield
    finally:
        # Delete first, then release: otherwise the file might already be the next holder's, and a third would create another.
        paths.lock.unlink(missing_ok=True)
        lock.release()


def is_held(paths: StackPaths) -> bool:
    """Whether a command holds the stack's lock now."""
    try:
        with stack_held(paths, timeout=0.0):
            return False
    except StackBusy:
        return True


def replay_at_work(paths: StackPaths) -> bool:
    """Whether a replay into the stack is at work; one that was killed has left its file, and holds it no more."""
    try:
        with paths.replay.open("rb") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except BlockingIOError:
        return True
    return False


@contextmanager
def down_asked_for(paths: StackPaths) -> Iterator[None]:
    """Signal that a take-down waits for the stack's lock, so that healers give way; it ends with this process at the latest."""
    paths.down_request.parent.mkdir(parents=True, exist_ok=True)
    file = _request_held(paths)
    try:
        yield
    finally:
        with file, suppress(BlockingIOError):  # unless another take-down waits: then its request stays
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            paths.down_request.unlink(missing_ok=True)


def _request_held(paths: StackPaths) -> BinaryIO:
    while True:
        file = paths.down_request.open("ab")
        fcntl.flock(file, fcntl.LOCK_SH)
        with suppress(FileNotFoundError):
            if paths.down_request.stat().st_ino == os.fstat(file.fileno()).st_ino:
                return file
        file.close()  # deleted between opening and locking, so nobody would see the request


def take_down_waits(paths: StackPaths) -> bool:
    """Whether a take-down waits for the stack or works on it. The lock of a killed one is gone."""
    try:
        file = paths.down_request.open("rb")
    except FileNotFoundError:
        return False
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pass
        else:
            return False
        try:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return False  # another process is making the same check
        return True


def busy(paths: StackPaths) -> bool:
    """Whether another command holds the stack's lock at this moment."""
    try:
        with stack_held(paths, timeout=0):
            return False
    except StackBusy:
        return True
