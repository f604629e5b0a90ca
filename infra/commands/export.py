"""Write a stack's final windows as Parquet, into a directory or an object store."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.forms.showing import ExportForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from infra.lab.checkpoints import object_place
from infra.lab.store import store_exists, store_place
from trending.errors import ConfigurationConflict, InvalidInput, LabError
from trending.places.objects import ObjectPlace
from trending.places.probe import require_usable
from trending.places.settings import OBJECTS, S3A, is_object_address
from trending.settings import WATERMARK_SECONDS, WindowTime

if TYPE_CHECKING:
    from infra.lab.assembly import Lab


def main(settings: ExportForm) -> None:
    """Write the files and say what is in them."""
    if not settings.to:
        cause = "TO is missing: where are the files to go?"
        raise InvalidInput(cause, "nothing was written", "make export TO=directory")
    lab = open_lab(settings.name)
    target, place = _target(settings, lab), store_place(lab)
    if not store_exists(place):
        cause = "nothing was counted yet"
        raise ConfigurationConflict(cause, str(place), "make up")
    from trending.export.parquet import export_final  # noqa: PLC0415 - pyarrow, 0.3 s that an error need not wait for

    try:
        if isinstance(target, ObjectPlace):
            # Made here first: an object whose writer fails would stand there, cut short.
            with tempfile.TemporaryDirectory(prefix="trending-export-") as made:
                rows = {path.name: rows for path, rows in export_final(place, Path(made)).items()}
                for name in rows:
                    (target / name).write_bytes((Path(made) / name).read_bytes())
        else:
            rows = {path.name: rows for path, rows in export_final(place, target).items()}
    except OSError as error:
        cause = f"the files cannot be written to {target}"
        raise LabError(cause, str(error), "make export TO=another directory") from error
    for name, number in rows.items():
        say(f"{target / name}: {number} rows")
    if not any(rows.values()):
        stream = lab.settings.stream
        if stream.window_time is WindowTime.ORIGINAL:
            say("by original times no window is final while they are counted: make up WINDOW_TIME=event ends that")
            return
        wait = WATERMARK_SECONDS[stream.window_time] + stream.allowed_skew_seconds
        say(f"no window is final yet: one is {wait} s after its end, at the next batch")


def _target(settings: ExportForm, lab: Lab) -> Path | ObjectPlace:
    """Return where the files go; the object store is the one that is given, or else the stack's own."""
    if "://" in settings.to and not settings.to.startswith(S3A):
        # As a path it would make a directory of the name hdfs: here.
        cause = f"TO is the path of a directory, or {OBJECTS}"
        raise InvalidInput(cause, "nothing was written", "make export TO=directory")
    if not settings.to.startswith(S3A):
        return Path(os.path.expanduser(settings.to)).absolute()  # noqa: PTH111 - Path's fails without a home
    if not is_object_address(settings.to):
        cause = "TO is no address in an object store"
        raise InvalidInput(cause, "nothing was written", f"make export TO={OBJECTS}")
    store = settings.objects if settings.objects.s3_user else lab.settings.places
    if not (store.s3_user and store.s3_secret):
        cause = f"to write to {settings.to}, S3_USER and S3_SECRET are missing"
        raise InvalidInput(cause, "nothing was written", f"make export TO={settings.to} S3_USER=key S3_SECRET=file:/path")
    target = object_place(settings.to, store, lab.paths)
    require_usable(target)
    return target


if __name__ == "__main__":
    run_command(ExportForm, main, ".venv/bin/python -m infra.commands.export")
