"""The driver's side: which batches the tasks write themselves, and whether they can."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

import pyarrow.compute as pc

from trending.errors import LabError
from trending.postgresql.place import PostgresPlace
from trending.stream.checkpoint import ends_of_batch
from trending.stream.cluster.executors import run_task
from trending.stream.cluster.staging import is_staged, unwritable, wants_staging
from trending.stream.staging.files import lay_down, sweep, take_up
from trending.stream.staging.rows import SCHEMA, UNSTAGED

if TYPE_CHECKING:
    import threading

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from trending.programs.specifications import StreamSpec

logger = logging.getLogger("trending.stream")

LOOKING = "asking an executor for the store"
FILED_RECORDS = 50_000
"""Records of a batch from which on the tasks may lay its counts down in files. That is another step in Python for each partition,
0.07 s a batch; the rows of a smaller one take 60 MB in the heap at most."""


class Collection:
    """Collects the rows of a batch in the driver: all, or what is left once the tasks have staged or filed the counts."""

    def __init__(self, spec: StreamSpec) -> None:
        self._spec = spec
        self._stages = is_staged(spec.settings, spec.store)
        if wants_staging(spec.settings, spec.store) and not self._stages:
            way = "spark.network.crypto.enabled true in SPARK_PROPERTIES lets them"
            logger.warning("executors elsewhere do not write to the store, the driver writes every row itself: %s", way)

    def collect(self, frame: DataFrame, number: int) -> pa.Table:
        """Return the rows of batch ``number``, by one action: a second one would run the aggregation, and its state, again.

        A batch has no more rows than records, so a small one is collected as it is. Raises LabError where a task could not write:
        with a server the driver's own error, if that does not answer here either.
        """
        spec = self._spec
        if self._stages and records_of(spec, number) >= spec.settings.stage_records:
            return self._staged(frame, number)
        if not spec.settings.on_cluster and records_of(spec, number) >= FILED_RECORDS:
            return self._filed(frame)
        return frame.toArrow()

    def _staged(self, frame: DataFrame, number: int) -> pa.Table:
        from trending.postgresql.staging import login  # noqa: PLC0415 - libpq, which a store in a file need not load
        from trending.stream.staging.tasks import stage  # noqa: PLC0415 - as above

        spec = self._spec
        few = max(1, spec.settings.stage_records // spec.settings.shuffle_partitions)
        task = partial(stage, login(_place(spec)), spec.checkpoint_id, number, few)
        table = frame.mapInArrow(task, SCHEMA).toArrow()
        if (said := _why_not(table)) is not None:
            require_server(_place(spec))
            raise unwritable(spec.store, said)
        return table

    def _filed(self, frame: DataFrame) -> pa.Table:
        directory = self._spec.scratch / "counts"
        sweep(directory)
        table = frame.mapInArrow(partial(lay_down, directory), SCHEMA).toArrow()
        if (said := _why_not(table)) is not None:
            cause = f"the counts of a batch cannot be written to {directory}"
            raise LabError(cause, said, "df -h: make room, then make up")
        return take_up(directory, table)


def _why_not(table: pa.Table) -> str | None:
    """Return what a task that could not write its rows was told; None where all could."""
    failed = table.filter(pc.equal(table["kind"], UNSTAGED))
    said: str | None = failed["label"][0].as_py() if failed.num_rows else None
    return said


def records_of(spec: StreamSpec, number: int) -> int:
    """Return how many records a batch has at most: its offsets, of which a transaction's markers take some."""
    before = ends_of_batch(spec.checkpoint, spec.topic, number - 1) if number else spec.start_offsets
    ends = ends_of_batch(spec.checkpoint, spec.topic, number)
    return sum(end - before.get(partition, 0) for partition, end in ends.items())


def require_store(session: SparkSession, spec: StreamSpec, stop: threading.Event) -> None:
    """Raise LabError unless an executor reaches the store and may write there: better than at the first large batch."""
    if not is_staged(spec.settings, spec.store):
        return
    from trending.postgresql.staging import login  # noqa: PLC0415 - as above
    from trending.stream.staging.tasks import WRITABLE, look_at_store  # noqa: PLC0415 - as above

    said = run_task(session, spec, LOOKING, partial(look_at_store, login(_place(spec))), stop)
    if said and said != WRITABLE:
        raise unwritable(spec.store, said)


def require_server(place: PostgresPlace) -> None:
    """Raise LabError unless the server lets the driver in."""
    from trending.postgresql.schema import connected  # noqa: PLC0415 - as above

    with connected(place):
        pass


def _place(spec: StreamSpec) -> PostgresPlace:
    assert isinstance(spec.store, PostgresPlace)  # noqa: S101 - for the type alone
    return spec.store
