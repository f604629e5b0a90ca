"""Where a stack's checkpoints are: beside its data, or in a directory of its own elsewhere; looking there, and deleting them."""

from __future__ import annotations

import shlex
import shutil
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.stack.state import read_state, write_state
from trending.errors import ConfigurationConflict, LabError, NotOurs

if TYPE_CHECKING:
    from infra.host.paths import StackPaths
    from infra.lab.assembly import Lab
    from trending.settings import LabSettings


def root_of(paths: StackPaths, settings: LabSettings) -> Path:
    """Return the directory of all checkpoints of a stack with these settings."""
    elsewhere = settings.places.directory
    return paths.checkpoints if elsewhere is None else elsewhere / paths.stack_id


def checkpoint_place(lab: Lab, checkpoint: str) -> Path:
    """Return where the checkpoint of that id is by today's settings."""
    return root_of(lab.paths, lab.settings) / checkpoint


def check_checkpoint(paths: StackPaths, settings: LabSettings) -> str:
    """Return where the checkpoint is to be, empty for beside the data; raises LabError where it cannot be there.

    What is there already must be this stack's own.
    """
    base, root = settings.places.directory, root_of(paths, settings)
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
    """Raise NotOurs where a directory of checkpoints elsewhere is a link by now: nothing was touched then."""
    for root in _directories(lab):
        if root.is_symlink():
            raise _not_ours(root)


def delete_checkpoints(lab: Lab) -> None:
    """Delete the checkpoints that this stack has made elsewhere; those beside its data go with its directory."""
    for root in _directories(lab):
        try:
            with suppress(FileNotFoundError):
                shutil.rmtree(root)
                say(f"deleted the checkpoints of {lab.paths.name} in {root}")
        except OSError as error:
            cause = f"the checkpoints of {lab.paths.name} could not be deleted"
            raise LabError(cause, str(error), f"ls -lR {shlex.quote(str(root))} shows what is left and whose it is") from error


def _directories(lab: Lab) -> list[Path]:
    return [Path(each) for each in lab.state.checkpoints_made]


def _made(paths: StackPaths) -> tuple[str, ...]:
    state = read_state(paths)
    return state.checkpoints_made if state else ()


def _entries(root: Path) -> list[Path]:
    return sorted(root.iterdir()) if root.is_dir() else []


def _not_ours(root: Path) -> NotOurs:
    cause = f"there is something at {root} that this stack has not made: nothing was touched"
    return NotOurs(cause, "its checkpoints would lie there", "give another CHECKPOINT, or move it away")
