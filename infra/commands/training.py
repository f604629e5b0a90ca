"""Make the class archives that speed up the start of Kafka and Spark: bring up a small stack once and take it down again.

``make setup`` runs it, without a Prefect server. A failure only costs speed, so it is reported and ignored.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from infra.console.crash_reports import run_reported
from infra.host.paths import StackPaths
from infra.host.processes import free_port, stack_processes, wait_for_end
from infra.java.class_archives import BROKER, SPARK, archive, archive_directory, keep_archive, making_archives
from infra.lab.assembly import open_lab
from infra.operations.epochs import resolve_offsets
from infra.operations.producer import launch_producer, wait_for_producer
from infra.operations.services import prepare_stack, start_service, start_supervisor, wait_for_service
from infra.operations.stream import stop_stream, submit_stream, wait_for_stream
from infra.operations.take_down import take_down
from infra.operations.topic import create_topic
from infra.stack.state import stack_held
from infra.supervision.programs import STREAM
from trending.errors import LabError
from trending.settings import LabSettings, PageSettings, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from pathlib import Path

NAME = "training"
PORT = 39292
WRITING_SECONDS = 120.0


def train() -> list[Path]:
    """Make the archives that are missing for this Java and these jars; return all of them. Raises what a start-up raises."""
    archives = [archive(BROKER), archive(SPARK)]
    if not all(path.exists() for path in archives):
        archive_directory().mkdir(parents=True, exist_ok=True)
        try:
            with making_archives(), stack_held(StackPaths.of(NAME)):
                bring_up()
                stop_stream(NAME)
                # The driver's JVM writes its archive when it exits, which is after its Python process.
                wait_for_end(stack_processes(StackPaths.of(NAME).stack_id, STREAM), WRITING_SECONDS)
        finally:
            take_down(NAME, volumes=True)
        keep_archive(BROKER)
        keep_archive(SPARK)
    return archives


def bring_up() -> None:
    """Bring the stack up as start-up does, until its first ranking."""
    stack = StackSettings(name=NAME, runtime=RuntimeKind.EMBEDDED, port=free_port(PORT, 11))
    prepare_stack(LabSettings(stack=stack, page=PageSettings(page_port=0)))
    start_supervisor(NAME)
    for service in open_lab(NAME).stack.services:
        start_service(NAME, service.name)
        wait_for_service(NAME, service.name)
    create_topic(NAME)
    resolve_offsets(NAME)
    launch_producer(NAME)
    wait_for_producer(NAME)
    submit_stream(NAME)
    wait_for_stream(NAME)


def main() -> None:
    """Make the missing archives; a failure is reported and ignored."""
    try:
        for path in train():
            sys.stdout.write(f"[ok] class archive {path.name}, {path.stat().st_size >> 20} MiB\n")
    except (LabError, OSError) as error:
        sys.stderr.write(f"[--] no class archives, so starts take longer: {error}\n")


if __name__ == "__main__":
    run_reported(main, own_home=True)
