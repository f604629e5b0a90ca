"""Write a stack's final windows as Parquet."""

from __future__ import annotations

import os
from pathlib import Path

from infra.console.reporting import say
from infra.forms.parameters import ExportForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from infra.lab.store import store_exists, store_place
from trending.errors import ConfigurationConflict, InvalidInput, LabError


def main(settings: ExportForm) -> None:
    """Write the files and say what is in them."""
    if not settings.to:
        cause = "TO is missing: where are the files to go?"
        raise InvalidInput(cause, "nothing was written", "make export TO=directory")
    place = store_place(open_lab(settings.name))
    if not store_exists(place):
        cause = "nothing was counted yet"
        raise ConfigurationConflict(cause, str(place), "make up")
    from trending.export.parquet import export_final  # noqa: PLC0415 - pyarrow, 0.3 s that an error need not wait for

    directory = Path(os.path.expanduser(settings.to)).absolute()  # noqa: PTH111 - Path's fails without a home
    try:
        written = export_final(place, directory)
    except OSError as error:
        cause = f"the files cannot be written to {directory}"
        raise LabError(cause, str(error), "make export TO=another directory") from error
    for path, rows in written.items():
        say(f"{path}: {rows} rows")


if __name__ == "__main__":
    run_command(ExportForm, main, ".venv/bin/python -m infra.commands.export")
