"""The report, chapter by chapter."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.report import passages
from trending.report.blocks import Chapter, Code, Points, Table, Text
from trending.report.defence import proofs
from trending.report.defence.cover import cover_lines
from trending.report.wording import OUTCOMES, UNKNOWN, day, named, number, seconds

if TYPE_CHECKING:
    from trending.report.blocks import Block
    from trending.report.data import Report
    from trending.report.defence.evidence import Ages


def chapters(report: Report) -> tuple[Chapter, ...]:
    """Return the chapters of the report in their order."""
    tell = passages.told(report)
    return (
        Chapter("Resumen", summary(report)),
        Chapter(
            "Arquitectura",
            (
                Text(
                    "Cada servicio y programa de la figura se ejecutó de verdad; la figura sale de la declaración del entorno. "
                    "Ninguno es un proceso hijo de Prefect: si mueren su servidor o su ejecución, la cuenta sigue."
                ),
                passages.house_picture(report),
                _components(report),
            ),
        ),
        Chapter("El camino de un tuit", (passages.way_block(report),)),
        Chapter("Arranque", _start_up(report)),
        Chapter("Clasificaciones", _rankings(report)),
        Chapter("Streaming frente a lotes", _comparison(report)),
        Chapter("Nada se perdió", (passages.audit_words(report), passages.audit_code(report))),
        Chapter("La página en directo", passages.page_blocks(report)),
        Chapter("Averías y ejecuciones", (*proofs.game_day_blocks(report, tell), *proofs.runs_blocks(report, tell))),
        Chapter("Rendimiento", _performance(report)),
        Chapter("Máquina, versiones y ajustes", _surroundings(report)),
        Chapter("Si la demostración en directo falla", passages.plan(report)),
    )


def summary(report: Report) -> tuple[Block, ...]:
    """Return the run in a few sentences."""
    totals, stack = report.measured.totals, report.facts.stack
    whose = (
        f"Este informe levantó un entorno propio, {stack}, lo dejó en marcha y después lo quitó."
        if report.own_stack
        else f"Este informe es del entorno {stack}, que ya estaba en marcha y siguió después."
    )
    return (
        *map(Text, cover_lines(report, passages.told(report))),
        Text(f"{whose} Hecho el {day(report.made, report.zone)}. Toda cifra sale de esa ejecución y está en datos.json."),
        Points(
            (
                (
                    f"{number(totals.tweets)} tuits de {number(totals.hashtags)} hashtags en {number(totals.windows)} ventanas "
                    f"de {number(report.facts.window_seconds)} s, durante {seconds(totals.seconds)}: "
                    f"{number(totals.tweets_per_second, 2)} tuits por segundo."
                ),
                passages.audit_words(report).words,
                passages.same_count_words(report).words,
            )
        ),
    )


def _components(report: Report) -> Table:
    rows = tuple(
        (each.name, each.kind, each.way, ", ".join(map(str, each.ports)) or "ninguno") for each in report.facts.components
    )
    return Table("Servicios y programas del entorno", ("nombre", "clase", "cómo se ejecuta", "puertos"), rows)


def _start_up(report: Report) -> tuple[Block, ...]:
    words = Text(
        "Un puerto abierto no prueba nada: cada paso espera a lo que observa del anterior. Del broker, un mensaje escrito y "
        "leído de vuelta; del productor, un tuit confirmado; de Spark, un lote terminado."
    )
    known = report.facts.start_up
    if known is None:
        return (words, passages.start_up_block(report))
    rows = tuple((named(step.name), OUTCOMES.get(step.outcome, step.outcome), seconds(step.seconds)) for step in known.steps)
    table = Table(
        "Pasos del arranque", ("paso", "qué hizo", "tiempo"), (*rows, ("todo", "", seconds(known.seconds))), frozenset({2})
    )
    return (words, passages.start_up_block(report), table)


def _rankings(report: Report) -> tuple[Block, ...]:
    printed = [
        Code(f"Un bloque, tal como lo imprimió el trabajo de Spark: {block.splitlines()[1]}", block)
        for block in report.measured.blocks
    ]
    charts: list[Block] = [passages.ranking_picture(report, minute) for minute in report.measured.minutes]
    words = Text(
        "La clasificación es la ventana entera, leída del almacén: un lote en modo update solo trae lo que cambió, y clasificar "
        "un lote suelto pierde hashtags en silencio."
    )
    return (words, *(charts or [passages.ranking_block(report)]), *printed)


def _comparison(report: Report) -> tuple[Block, ...]:
    rows = tuple(
        (
            passages.window_of(report, each.start),
            number(each.hashtags),
            number(each.stream),
            number(each.batch),
            number(each.differing),
        )
        for each in report.measured.minutes
    )
    heads = ("ventana", "hashtags", "tuits, flujo", "tuits, lote", "cuentas que difieren")
    return (
        Text(
            "La misma cuenta hecha dos veces. El flujo: las cuentas por ventana que Spark escribió en el almacén mientras los "
            "tuits llegaban. El lote: el registro de Kafka leído de nuevo, de principio a fin, con el productor parado."
        ),
        Table("Las últimas ventanas, contadas de las dos maneras", heads, rows, frozenset({1, 2, 3, 4})),
        passages.same_count_table(report),
        passages.same_count_words(report),
        passages.ages_block(report),
        *proofs.minutely_blocks(report, passages.told(report)),
        passages.why_streaming(report),
    )


def _performance(report: Report) -> tuple[Block, ...]:
    stream, batch, totals = report.measured.stream, report.measured.batch, report.measured.totals
    rows = (
        ("tuits por segundo, de media", number(totals.tweets_per_second, 2)),
        ("lotes que ha terminado el trabajo de Spark", number(stream.batches)),
        ("tiempo medio de un lote", seconds(stream.mean_seconds)),
        ("tiempo del último lote", seconds(stream.last_seconds)),
        ("filas de estado", number(stream.state_rows)),
        ("mensajes leídos por el recuento", number(batch.records)),
        ("tiempo del recuento", seconds(batch.seconds)),
        ("mensajes por segundo del recuento", number(batch.records_per_second, 1)),
        *_ages("flujo", stream.ages),
        *_ages("lote", batch.ages),
    )
    return (
        Table("Cifras de rendimiento de esta ejecución", ("qué", "cuánto"), rows, frozenset({1})),
        Text(
            "La edad de un tuit al contarse va desde que el productor lo escribió hasta que el lote que lo contó empezó "
            "a escribir en el almacén; para el recuento, hasta que terminó de leer el registro."
        ),
    )


def _ages(who: str, ages: Ages | None) -> tuple[tuple[str, str], ...]:
    if ages is None:
        return ((f"{who}: edad de un tuit al contarse", UNKNOWN),)
    return (
        (f"{who}: tuits medidos", number(ages.tweets)),
        (f"{who}: edad mediana al contarse", seconds(ages.median)),
        (f"{who}: edad, percentil 95", seconds(ages.p95)),
        (f"{who}: edad máxima", seconds(ages.longest)),
    )


def _surroundings(report: Report) -> tuple[Block, ...]:
    facts = report.facts
    machine = (
        ("sistema", facts.machine.system),
        ("núcleos", number(facts.machine.cores)),
        ("memoria", f"{number(facts.machine.memory_gib, 1)} GiB"),
    )
    chosen = (
        ("tema", facts.topic),
        ("hora de las ventanas", facts.window_time),
        ("duración de las ventanas", seconds(facts.window_seconds)),
        ("zona horaria", facts.time_zone or "la de la máquina"),
    )
    return (
        Table("La máquina", ("qué", "cuál"), machine),
        Table("Versiones", ("componente", "versión"), tuple((each.name, each.version or UNKNOWN) for each in facts.versions)),
        Table("Lo que decide la cuenta", ("qué", "cuál"), chosen),
        Table("Ajustes del entorno", ("ajuste", "valor"), tuple((each.name, each.value) for each in facts.settings)),
    )
