"""The data of a run that never was, for whoever renders it."""

from __future__ import annotations

from datetime import date
from typing import Any

from trending.report.data import (
    Audit,
    Batch,
    Component,
    Counted,
    Facts,
    Machine,
    Measured,
    Minute,
    Report,
    Setting,
    StartUp,
    StepTime,
    Stream,
    Totals,
    TweetWay,
    Version,
)
from trending.report.defence.evidence import Ages, Fault, FlowRun, GameDay, Minutely
from trending.report.defence.identity import Author, Identity

MIDNIGHT = 1765843200
"""2025-12-16 00:00:00 UTC."""
IDENTITY = Identity(
    title="Hashtags contados mientras llegan",
    title_en="Hashtags counted as they arrive",
    subject="Datos masivos",
    subject_en="Big data",
    institution="Universidad de Ejemplo",
    date=date(2025, 12, 16),
    authors=(
        Author(name="Ada Lovelace", role="productor", role_en="producer"),
        Author(name="Alan Turing", role="consumidor", role_en="consumer"),
    ),
    tribunal=("Dra. Hopper", "Dr. Codd"),
)
BLOCK = """=====
Batch 12 - Snapshot en 2025-12-16 00:31:20
Ventana del minuto [2025-12-16 00:31:00 , 2025-12-16 00:32:00]
Top hashtags en este minuto:
+------------------------------------------+-----------------+---------------+
|window                                    |hashtag_principal|num_ocurrencias|
+------------------------------------------+-----------------+---------------+
|{2025-12-16 00:31:00, 2025-12-16 00:32:00}|#BigData         |42             |
+------------------------------------------+-----------------+---------------+
====="""
STEPS = (("preparation", "", 0.25), ("kafka", "created", 4.18), ("producer", "created", 1.13), ("stream", "adopted", 15.9))


def facts(**changes: Any) -> Facts:
    fields: dict[str, Any] = {
        "stack": "lab",
        "runtime": "embedded",
        "profile": "kraft",
        "bootstrap": "localhost:29092",
        "topic": "tweets_topic",
        "time_zone": "Europe/Madrid",
        "window_time": "arrival",
        "window_seconds": 60,
        "watermark_seconds": 65,
        "trigger_seconds": 7.5,
        "machine": Machine(system="Linux 6.1", cores=14, memory_gib=23.4),
        "versions": (Version(name="Kafka", version="4.4.0"), Version(name="Spark", version="4.2.0")),
        "components": (
            Component(name="kafka", kind="kafka", ports=(29092, 29102), way="proceso Java"),
            Component(name="producer", kind="program", ports=(), way="proceso Python"),
            Component(name="stream", kind="program", ports=(), way="proceso Python con su JVM"),
            Component(name="page", kind="program", ports=(28501,), way="proceso Python"),
        ),
        "settings": (Setting(name="stack.heap_mb", value="512"), Setting(name="producer.rate", value="21.5")),
        "start_up": StartUp(
            steps=tuple(StepTime(name=name, outcome=outcome, seconds=seconds) for name, outcome, seconds in STEPS), seconds=21.46
        ),
    }
    return Facts(**{**fields, **changes})


def measured(**changes: Any) -> Measured:
    leaders = (Counted(hashtag="#BigData", stream=412, batch=413), Counted(hashtag="#Spark", stream=301, batch=302))
    fields: dict[str, Any] = {
        "totals": Totals(windows=2, tweets=1290, hashtags=4, pairs=8, differing=3, seconds=75.25, tweets_per_second=17.14),
        "minutes": (
            Minute(start=MIDNIGHT, stream=577, batch=578, hashtags=5, differing=1, leaders=()),
            Minute(start=MIDNIGHT + 60, stream=713, batch=715, hashtags=6, differing=2, leaders=leaders),
        ),
        "stream": Stream(
            batches=19,
            mean_seconds=0.87,
            last_seconds=0.55,
            state_rows=24,
            ages=Ages(tweets=1111, median=4.21, p95=9.02, longest=11.73),
        ),
        "batch": Batch(
            records=1299, seconds=0.37, records_per_second=3510.8, ages=Ages(tweets=1112, median=39.9, p95=71.28, longest=76.31)
        ),
        "tweet": TweetWay(
            record_id="0a1b2c:904",
            user="@DataFan",
            text="increíble la velocidad de #BigData",
            hashtag="#BigData",
            sent=MIDNIGHT + 61.118,
            partition=3,
            offset=907,
            appended=MIDNIGHT + 61.131,
            window_start=MIDNIGHT + 60,
            batch=17,
            served=MIDNIGHT + 67.672,
            seconds=6.554,
            count=414,
        ),
        "audit": Audit(
            clean=True,
            acknowledged=1291,
            in_log=1292,
            counted=1293,
            lost=0,
            duplicated=0,
            lines=("audit: foreign records: 8", "audit: acknowledged 1291, in log 1292, counted 1293, lost 0, duplicated 0"),
        ),
        "blocks": (BLOCK,),
        "minutely": Minutely(
            interval=45,
            batches=6,
            records=1187,
            mean_seconds=0.41,
            longest_seconds=0.83,
            busy=0.52,
            stream_busy=6.96,
            ages=Ages(tweets=1113, median=31.4, p95=58.6, longest=60.9),
        ),
    }
    return Measured(**{**fields, **changes})


def report(**changes: Any) -> Report:
    fields: dict[str, Any] = {
        "made": MIDNIGHT + 1843.0,
        "own_stack": False,
        "store": "reports/lab-20251216/serving.sqlite",
        "slides": "reports/lab-20251216/diapositivas.pdf",
        "page": "http://localhost:28501/",
        "photo": "",
        "photo_note": "no hay ningún navegador",
        "facts": facts(),
        "measured": measured(),
        "identity": IDENTITY,
        "game_day": GameDay(
            at=MIDNIGHT + 904,
            chosen=24,
            survived=23,
            faults=(
                Fault(
                    name="kill-broker",
                    noticed=1.7,
                    recovered=14.6,
                    back_by="supervisord",
                    acknowledged=1194,
                    lost=1,
                    duplicated=2,
                ),
            ),
            broken="freeze-broker: not finished",
        ),
        "runs": (FlowRun(name="start-up lab", flow="start-up", state="Completed", started=MIDNIGHT + 2, seconds=22.37),),
    }
    return Report(**{**fields, **changes})
