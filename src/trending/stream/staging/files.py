"""The tasks' side where the driver has the same disk: many counts of a partition go to a file, and its name to the driver.

What the tasks hand to the driver passes through the heap of its JVM all at once, and hashtags may be long: 512,000 of 280
characters of four bytes ended a driver with 512 MiB, at every start anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import uuid4

import pyarrow as pa
import pyarrow.compute as pc

from trending.stream.staging.rows import ARROW, FILED, UNSTAGED, divided, told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

FEW_BYTES = 4 << 20
"""So much of a partition is handed on as it is: as a rule a batch has a row for each of some hundred hashtags."""
_SUFFIX = ".arrow"


def lay_down(directory: Path, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Yield what the driver gets of a partition: all but its tweets, and those too, or a row with the name of their file.

    An error of the disk is a row too: Spark would try the task again and make a page of text of it.
    """
    held: list[pa.RecordBatch] = []
    writer: pa.RecordBatchFileWriter | None = None
    path = directory / f"{uuid4().hex}{_SUFFIX}"
    size = rows = 0
    try:
        for given in batches:
            others, tweets = divided(given)
            if others.num_rows:
                yield others
            held.append(tweets)
            size += tweets.nbytes
            rows += tweets.num_rows
            if size > FEW_BYTES:
                writer = writer or pa.ipc.new_file(path, ARROW)
                while held:
                    writer.write_batch(held.pop(0))
        if writer is None:
            yield from held
            return
        writer.close()
    except OSError as error:
        yield told(UNSTAGED, str(error), {0: rows})
    else:
        yield told(FILED, path.name, {0: rows})


def take_up(directory: Path, table: pa.Table) -> pa.Table:
    """Return the driver's rows with those of the files that they name, which stay on the disk and are mapped into memory.

    The files are deleted at once: their space is free again as soon as nobody has the rows.
    """
    is_filed = pc.equal(table["kind"], FILED)
    if not pc.any(is_filed).as_py():
        return table
    tables = [table.filter(pc.invert(is_filed))]
    for name in table.filter(is_filed)["label"].to_pylist():
        with pa.memory_map(str(directory / name)) as file:
            tables.append(pa.ipc.open_file(file).read_all())
        (directory / name).unlink()
    return pa.concat_tables(tables)


def sweep(directory: Path) -> None:
    """Have an empty directory for the files of a batch: a batch that failed has left its own."""
    directory.mkdir(parents=True, exist_ok=True)
    for leftover in directory.glob(f"*{_SUFFIX}"):
        leftover.unlink()
