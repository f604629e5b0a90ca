"""Where a stack's checkpoints are: beside its data, or in a directory of its own elsewhere; looking there, and deleting them."""

from __future__ import annotations

import shlex
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.secret_references import read_secret
from infra.java.jars import ensure_jars
from infra.lab.deletion import delete_but, require_access, strange_things
from infra.stack.belongings import strange_in_checkpoints, strange_objects
from infra.stack.kept_blocks import kept_block
from infra.stack.state import read_state, write_state
from trending.errors import ConfigurationConflict, LabError, NotOurs
from trending.places.objects import SECRET_VARIABLE, USER_VARIABLE, ObjectPlace
from trending.places.probe import require_usable
from trending.places.settings import is_object_address

if TYPE_CHECKING:
    from infra.host.paths import StackPaths
    from infra.lab.assembly import Lab
    from trending.places.settings import ObjectStoreSettings
    from trending.programs.specifications import CheckpointPlace
    from trending.settings import LabSettings

S3A_JARS = "s3a"


def root_of(paths: StackPaths, settings: LabSettings) -> CheckpointPlace:
    """Return the directory of all checkpoints of a stack with these settings; InvalidInput where its secret cannot be had."""
    places = settings.places
    if is_object_address(places.checkpoint):
        return object_place(f"{places.checkpoint}/{paths.stack_id}", places, paths)
    return paths.checkpoints if places.directory is None else places.directory / paths.stack_id


def object_place(address: str, store: ObjectStoreSettings, paths: StackPaths) -> ObjectPlace:
    """Return a place in an object store for a stack; raises InvalidInput where the secret cannot be had."""
    secret = read_secret("S3_SECRET", store.s3_secret, partial(kept_block, paths))
    return ObjectPlace(
        uri=address.rstrip("/"), endpoint=store.s3_endpoint, region=store.s3_region, user=store.s3_user, given=secret
    )


def checkpoint_place(lab: Lab, checkpoint: str) -> CheckpointPlace:
    """Return where the checkpoint of that id is by today's settings."""
    return root_of(lab.paths, lab.settings) / checkpoint


def checkpoint_secrets(place: CheckpointPlace) -> dict[str, str]:
    """Return the variables that a program needs which uses the checkpoint, and that no file shows."""
    return {USER_VARIABLE: place.user, SECRET_VARIABLE: place.secret} if isinstance(place, ObjectPlace) else {}


def checkpoint_jars(place: CheckpointPlace) -> tuple[Path, ...]:
    """Return the jars that Spark needs for a checkpoint in an object store, fetched the first time."""
    return ensure_jars(S3A_JARS) if isinstance(place, ObjectPlace) else ()


def set_aside(place: CheckpointPlace, ending: str) -> None:
    """Give a place another name, in which the ending stands behind the old one."""
    if isinstance(place, ObjectPlace):
        place.move_to(place.model_copy(update={"uri": place.uri + ending}))
    else:
        place.rename(place.with_name(place.name + ending))


def check_checkpoint(paths: StackPaths, settings: LabSettings) -> str:
    """Return where the checkpoint is to be, empty for beside the data; raises LabError where it cannot be there.

    What is there already must be this stack's own.
    """
    base, root = settings.places.directory, root_of(paths, settings)
    if isinstance(root, ObjectPlace):
        require_usable(root)
        if str(root) not in _made(paths) and root.is_dir():
            raise _not_ours(root)
        return f"{root} at {root.endpoint or 'Amazon'}"
    if base is None:
        return ""
    if not base.is_dir():
        cause = f"the directory of CHECKPOINT is not there: {base}"
        raise ConfigurationConflict(cause, "nothing was started", f"mkdir -p {shlex.quote(str(base))}, or another CHECKPOINT")
    if root.is_symlink() or (_entries(root) and str(root) not in _made(paths)):
        raise _not_ours(root)
    probe = base / f".{paths.stack_id}.probe"
    try:
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        cause = f"the checkpoint cannot be written to {base}"
        raise ConfigurationConflict(cause, error.strerror or str(error), f"ls -ld {shlex.quote(str(base))}") from error
    return str(root)


def note_checkpoint(lab: Lab) -> None:
    """Record where this stack keeps checkpoints, if that is not beside its data, so that it may delete them."""
    root = root_of(lab.paths, lab.settings)
    state = read_state(lab.paths) or lab.state
    if root != lab.paths.checkpoints and str(root) not in state.checkpoints_made:
        write_state(lab.paths, state.model_copy(update={"checkpoints_made": (*state.checkpoints_made, str(root))}))


def require_deletable_checkpoints(lab: Lab) -> None:
    """Raise LabError where checkpoints elsewhere could not be deleted now, lie behind a link, or beside what is not ours.

    Nothing was touched then.
    """
    stack = lab.paths.name
    for made in lab.state.checkpoints_made:
        if is_object_address(made):
            try:
                _require_ours_only(object_place(made, lab.settings.places, lab.paths), stack)
            except NotOurs:
                raise
            except LabError as error:
                cause = f"the checkpoints of {stack} in {made} cannot be deleted: nothing was touched"
                keeps = f"make down NAME={stack} keeps them"
                raise type(error)(cause, f"{error.cause}; {error.evidence}", f"{error.next_command}; {keeps}") from error
        elif Path(made).is_symlink():
            raise _not_ours(Path(made))
        else:
            require_access(Path(made), f"checkpoints of {stack} in {made}", stack)
            if strange := strange_in_checkpoints(Path(made)):
                whose = f"the checkpoints of {stack} in {made} have"
                raise strange_things(whose, stack, strange)


def _require_ours_only(place: ObjectPlace, stack: str) -> None:
    if strange := strange_objects(place.sizes()):
        cause = f"the checkpoints of {stack} in {place} have something beside them that the lab did not make"
        evidence = f"{strange[0]}{f' and {len(strange) - 1} more' if strange[1:] else ''}; nothing was touched"
        raise NotOurs(cause, evidence, f"move it away, then make down NAME={stack} VOLUMES=1")


def delete_checkpoints(lab: Lab) -> None:
    """Delete the checkpoints that this stack has made elsewhere; those beside its data go with its directory.

    What somebody has put beside them stays, also in an undo, which nobody could refuse.
    """
    for root in _places(lab):
        if isinstance(root, ObjectPlace):
            _require_ours_only(root, lab.paths.name)
            if root.delete():
                say(f"deleted the checkpoints of {lab.paths.name} in {root}")
            continue
        if root.is_symlink():
            raise _not_ours(root)
        if not root.is_dir():
            continue
        try:
            delete_but(root, None, frozenset(strange_in_checkpoints(root)))
        except OSError as error:
            cause = f"the checkpoints of {lab.paths.name} could not be deleted"
            raise LabError(cause, str(error), f"ls -lR {shlex.quote(str(root))} shows what is left and whose it is") from error
        left = strange_in_checkpoints(root)
        but = f"; this came meanwhile from somebody else and stays: {', '.join(map(str, left))}" if left else ""
        say(f"deleted the checkpoints of {lab.paths.name} in {root}{but}")


def _places(lab: Lab) -> list[CheckpointPlace]:
    made = lab.state.checkpoints_made
    return [object_place(each, lab.settings.places, lab.paths) if is_object_address(each) else Path(each) for each in made]


def _made(paths: StackPaths) -> tuple[str, ...]:
    state = read_state(paths)
    return state.checkpoints_made if state else ()


def _entries(root: Path) -> list[Path]:
    return sorted(root.iterdir()) if root.is_dir() else []


def _not_ours(root: CheckpointPlace) -> NotOurs:
    cause = f"there is something at {root} that this stack has not made: nothing was touched"
    return NotOurs(cause, "its checkpoints would lie there", "give another CHECKPOINT, or move it away")
