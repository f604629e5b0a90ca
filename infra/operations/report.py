"""The report's operations: facts about the stack, a photo of its page, counts while nothing is produced, the files."""

from __future__ import annotations

import platform
import re
import sqlite3
import time
from contextlib import closing
from functools import partial
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import psutil

from infra.console.reporting import say
from infra.host.browser import NAMES, find_browser, take_picture
from infra.java.installation import find_java
from infra.lab.assembly import Lab, open_lab
from infra.lab.store import check_store, store_place
from infra.operations.audit import Examined, examine_log
from infra.operations.epochs import checkpoint_path
from infra.operations.page import save_recording
from infra.operations.undo import running
from infra.stack.start_up_summary import kept_summary
from infra.supervision.output_tail import tail
from infra.supervision.programs import PAGE, STREAM, programs_there
from trending.errors import NotReady
from trending.export.snapshot import copy_store
from trending.kafka.log_reader import read_log
from trending.page.recorded.events import KEPT_SECONDS
from trending.programs.heartbeat import read_heartbeat
from trending.report import comparison
from trending.report.data import (
    Audit,
    Batch,
    Component,
    Facts,
    Machine,
    Measured,
    Report,
    Setting,
    StartUp,
    StepTime,
    Stream,
    Version,
)
from trending.report.defence import minutely
from trending.report.writing import PHOTO, RECORDING, STORE, write_files
from trending.serving.store import Store
from trending.settings import WATERMARK_SECONDS
from trending.stream.checkpoint import batch_ends

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.stack.declaration import Service
    from trending.audit.audit_report import AuditReport
    from trending.programs.specifications import CheckpointPlace

FOLLOWED_RECORDS = 100_000
"""How many of each partition's last records are followed from their creation to their count."""
BLOCK_LINES = 400
SHOWN_BLOCKS = 2
_BLOCK = re.compile(r"^=====\nBatch .*?^=====$", re.MULTILINE | re.DOTALL)


def gather_facts(stack: str) -> Facts:
    """Return the facts about the stack that need no counting: components, versions, machine, settings, start-up."""
    lab = open_lab(stack)
    settings = lab.settings
    window_time = settings.stream.window_time
    return Facts(
        stack=stack,
        runtime=lab.runtime.kind,
        profile=settings.stack.profile,
        bootstrap=lab.stack.connection.bootstrap,
        topic=settings.stack.topic,
        time_zone=settings.stream.time_zone,
        window_time=window_time,
        window_seconds=settings.stream.window_seconds,
        watermark_seconds=WATERMARK_SECONDS[window_time],
        trigger_seconds=settings.stream.trigger_seconds,
        machine=_machine(),
        versions=_versions(lab),
        components=components_of(lab),
        settings=_settings(lab),
        start_up=_start_up(lab),
    )


def _machine() -> Machine:
    memory = round(psutil.virtual_memory().total / 2**30, 1)
    return Machine(
        system=f"{platform.system()} {platform.release()}, {platform.machine()}", cores=psutil.cpu_count() or 1, memory_gib=memory
    )


def _versions(lab: Lab) -> tuple[Version, ...]:
    return (
        Version(name="Kafka", version=lab.runtime.kafka_version()),
        Version(name="Spark", version=metadata.version("pyspark")),
        Version(name="Prefect", version=metadata.version("prefect")),
        Version(name="Python", version=platform.python_version()),
        Version(name="Java", version=str(find_java().major)),
        Version(name="SQLite", version=sqlite3.sqlite_version),
        *_server(lab),
    )


def _server(lab: Lab) -> tuple[Version, ...]:
    found = check_store(lab.paths, lab.settings, lab.state.cluster_id)
    return (Version(name="PostgreSQL", version=found.split()[1].rstrip(",")),) if found else ()


def components_of(lab: Lab) -> tuple[Component, ...]:
    """Return the services and programs that run, in the order of their start."""
    names = running(lab)
    services = [_service(lab, service) for service in lab.stack.services if service.name in names]
    port = lab.settings.page.page_port
    programs = [
        Component(
            name=name,
            kind="program",
            ports=(port,) if name == PAGE and port else (),
            way="Python y una JVM" if name == STREAM else "proceso Python",
        )
        for name in programs_there(lab.paths)
        if name in names
    ]
    return (*services, *programs)


def _service(lab: Lab, service: Service) -> Component:
    image = lab.runtime.image(service)
    way = f"imagen {image}" if image else "proceso Java"
    return Component(name=service.name, kind=service.kind, ports=service.ports, way=way)


def _settings(lab: Lab) -> tuple[Setting, ...]:
    sections: Mapping[str, Mapping[str, object]] = lab.settings.model_dump(mode="json")
    return tuple(
        Setting(name=f"{section}.{field}", value="" if value is None else str(value))
        for section, fields in sections.items()
        for field, value in fields.items()
    )


def _start_up(lab: Lab) -> StartUp | None:
    kept = kept_summary(lab.paths)
    if kept is None:
        return None
    steps = tuple(StepTime(name=each.name, outcome=each.outcome, seconds=each.seconds) for each in kept.steps)
    return StartUp(steps=steps, seconds=kept.seconds)


def photograph_page(stack: str, place: str) -> str:
    """Put a picture of the live page into ``place``; returns an empty string, or the reason why there is none, in Spanish."""
    address = open_lab(stack).settings.page.address
    if not address:
        return "el entorno no tiene página (PAGE_PORT=0)"
    browser = find_browser()
    if browser is None:
        return f"no hay ningún navegador en la máquina ({', '.join(NAMES)})"
    return take_picture(browser, f"{address}?lang=es", Path(place) / PHOTO)


def survey_log(stack: str, ends: dict[int, int], place: str) -> tuple[Measured, AuditReport]:
    """Audit up to ``ends`` while nothing is being produced, copy the store into ``place`` and compare stream with batch."""
    lab = open_lab(stack)
    examined = examine_log(lab)
    answered = time.time()
    copy = Path(place) / STORE
    recording = Path(place) / RECORDING
    for left in (copy, recording):  # by a failed attempt
        left.unlink(missing_ok=True)
    copy_store(store_place(lab), copy)
    try:
        save_recording(lab, recording, KEPT_SECONDS)
    except NotReady as error:
        say(f"the page is not recorded: {error.cause}")
    checkpoint = checkpoint_path(lab)
    with closing(Store(store_place(lab))) as store:
        written = store.written(checkpoint.name)
    counts = examined.counts()
    followed = _follow(lab, examined, ends, checkpoint, written)
    recounted, audit = examined.recounted, examined.report
    by_batch = examined.recounts()
    apart = recounted.untagged.total() + recounted.foreign + sum(map(len, recounted.rejects.values()))
    records = sum(each.total() for each in by_batch.values()) + apart
    rule = recounted.epochs[-1].rule
    streamed = _stream(lab, [each.served - each.tweet.timestamp for each in followed])
    read = partial(read_log, lab.stack.connection, lab.settings.stack.topic)
    measured = Measured(
        totals=comparison.totals(counts, by_batch, examined.recounted.span),
        minutes=comparison.minutes(counts[rule], by_batch[rule]),
        stream=streamed,
        batch=Batch(
            records=records,
            seconds=round(examined.seconds, 3),
            records_per_second=round(records / max(examined.seconds, 1e-6), 1),
            ages=comparison.ages(answered - each.tweet.timestamp for each in followed),
        ),
        tweet=comparison.tweet_way(followed, counts[rule]),
        audit=Audit(
            clean=audit.clean,
            acknowledged=audit.acknowledged,
            in_log=audit.in_log,
            counted=audit.counted,
            lost=audit.lost,
            duplicated=audit.duplicated,
            lines=tuple(audit.lines(lab.settings.stream.zone)),
        ),
        blocks=_blocks(lab),
        minutely=minutely.measure(followed, read, lab.settings.stream, streamed.mean_seconds),
    )
    return measured, audit


def _follow(
    lab: Lab, examined: Examined, ends: dict[int, int], checkpoint: CheckpointPlace, written: Mapping[int, float]
) -> list[comparison.Followed]:
    """Read the end of the log again: the records of the batches that Spark and the store still have."""
    settings = lab.settings
    kept = {number: ends_ for number, ends_ in batch_ends(checkpoint, settings.stack.topic).items() if number in written}
    if not kept:
        return []
    # The oldest batch only shows where the next one begins, unless it is the very first.
    oldest = {} if min(kept) == 0 else kept[min(kept)]
    start = {part: max(examined.start.get(part, 0), oldest.get(part, 0), end - FOLLOWED_RECORDS) for part, end in ends.items()}
    batches = [comparison.Written(number, kept[number], at) for number, at in written.items() if number in kept]
    records = read_log(lab.stack.connection, settings.stack.topic, start, ends)
    return comparison.follow(records, batches, settings.stream.rule)


def _stream(lab: Lab, seconds: list[float]) -> Stream:
    beat = read_heartbeat(lab.paths.heartbeat(STREAM))
    figures = beat.figures if beat else {}
    batches = figures.get("batches")
    spent = figures.get("seconds_total")
    last, rows = figures.get("batch_seconds"), figures.get("state_rows")
    return Stream(
        batches=None if batches is None else round(batches),
        mean_seconds=round(spent / batches, 3) if spent is not None and batches else None,
        last_seconds=None if last is None else round(last, 3),
        state_rows=None if rows is None else round(rows),
        ages=comparison.ages(seconds),
    )


def _blocks(lab: Lab) -> tuple[str, ...]:
    printed = tail(lab.paths.output_file(STREAM), BLOCK_LINES)
    return tuple(_BLOCK.findall(printed)[-SHOWN_BLOCKS:])


def write_report(report: Report, place: str) -> None:
    """Write data, report and slides into ``place``."""
    write_files(report, Path(place))
