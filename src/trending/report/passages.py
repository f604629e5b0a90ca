"""The passages that report and slides share: pictures, tables and sentences around the figures of the data."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from trending.drawing.bars import Bar, bars
from trending.report.blocks import Code, Photo, Picture, Points, Table, Text
from trending.report.diagrams import house, way
from trending.report.wording import OUTCOMES, UNKNOWN, named, number, seconds, span
from trending.text import for_make

if TYPE_CHECKING:
    from trending.report.blocks import Block
    from trending.report.data import Ages, Minute, Report


def house_picture(report: Report) -> Picture:
    """Return the components that ran."""
    facts = report.facts
    parts = "; ".join(f"{each.name} ({', '.join(filter(None, (each.way, *map(str, each.ports))))})" for each in facts.components)
    caption = (
        f"Lo que corrió en la pila {facts.stack}: entorno {facts.runtime}, perfil {facts.profile}, Kafka en {facts.bootstrap}"
    )
    return Picture(caption, house(facts), f"De izquierda a derecha, lo que atraviesa un tuit. Componentes y puertos: {parts}.")


def window_of(report: Report, start: int) -> str:
    """Return the window that starts at ``start`` as times of day."""
    return span(start, report.facts.window_seconds, report.zone)


def way_block(report: Report) -> Block:
    """Return one real tweet from its creation to its count, or the reason why there is none."""
    tweet = report.measured.tweet
    if tweet is None:
        return Text("En el tramo del registro que se pudo seguir no hay ningún tuit, así que no hay camino que dibujar.")
    caption = f"Un tuit de verdad de esta ejecución, {tweet.record_id}, estación por estación"
    alt = (
        f"{tweet.user} escribe «{tweet.text}»; Kafka lo guarda en la partición {number(tweet.partition)}, posición "
        f"{number(tweet.offset)}; el lote {number(tweet.batch)} lo cuenta en la ventana {window_of(report, tweet.window_start)}; "
        f"{seconds(tweet.seconds)} después de escribirse está en el almacén, donde {tweet.hashtag} suma {number(tweet.count)}."
    )
    return Picture(caption, way(tweet, report.facts.window_seconds, report.zone), alt)


def start_up_block(report: Report) -> Block:
    """Return the start-up as bars one after the other, or a note that its times were not kept."""
    known = report.facts.start_up
    if known is None:
        return Text("Los tiempos del arranque de esta pila no constan: la levantó una versión anterior, que no los guardaba.")
    rows, begun = [], 0.0
    for step in known.steps:
        outcome = OUTCOMES.get(step.outcome, step.outcome)
        rows.append(Bar(named(step.name), step.seconds, " · ".join(filter(None, (seconds(step.seconds), outcome))), begun))
        begun += max(step.seconds, 0.0)
    title = f"Arranque en orden estricto: {seconds(known.seconds)} en total"
    return Picture(title, bars(title, rows), "; ".join(f"{row.label}: {row.shown}" for row in rows) + ".")


def ranking_picture(report: Report, minute: Minute) -> Picture:
    """Return the first hashtags of a window as bars."""
    rows = [Bar(line.hashtag, line.stream, number(line.stream)) for line in minute.leaders]
    title = f"Clasificación de la ventana {window_of(report, minute.start)}: {number(minute.stream)} tuits"
    return Picture(title, bars(title, rows), "; ".join(f"{row.label}: {row.shown}" for row in rows) + ".")


def fullest(report: Report) -> Minute | None:
    """Return the window with the most tweets among the last ones; the earliest of them in a tie."""
    return max(report.measured.minutes, key=lambda minute: (minute.stream, -minute.start), default=None)


def ranking_block(report: Report) -> Picture | Text:
    """Return the ranking of the fullest window, or a note that there is none."""
    minute = fullest(report)
    if minute is None:
        return Text("Todavía no había ninguna ventana con tuits.")
    return ranking_picture(report, minute)


def same_count_table(report: Report) -> Block:
    """Return the fullest window counted both ways, hashtag by hashtag."""
    minute = fullest(report)
    if minute is None:
        return Text("Sin ventanas no hay nada que comparar.")
    rows = [(line.hashtag, number(line.stream), number(line.batch), _same(line.stream, line.batch)) for line in minute.leaders]
    rows.append(("toda la ventana", number(minute.stream), number(minute.batch), _same(minute.stream, minute.batch)))
    caption = f"La ventana {window_of(report, minute.start)} contada de las dos maneras"
    return Table(caption, ("hashtag", "flujo", "lote", "¿lo mismo?"), tuple(rows), frozenset({1, 2}))


def _same(stream: int, batch: int) -> str:
    return "sí" if stream == batch else "NO"


def same_count_words(report: Report) -> Text:
    """Return how many counts were compared and how many of them differ."""
    totals = report.measured.totals
    verdict = "ninguna difiere" if totals.differing == 0 else f"difieren {number(totals.differing)}"
    return Text(
        f"Se compararon {number(totals.pairs)} cuentas, una por ventana y hashtag, en {number(totals.windows)} "
        f"ventanas: {verdict}."
    )


def ages_block(report: Report) -> Block:
    """Return how old tweets were when stream and batch had counted them."""
    stream, batch = report.measured.stream.ages, report.measured.batch.ages
    if stream is None or batch is None:
        return Text("La edad de los tuits al contarse no consta: el trabajo de Spark ya no guarda los lotes en que se contaron.")
    rows = [
        Bar("flujo, mediana", stream.median, seconds(stream.median)),
        Bar("flujo, percentil 95", stream.p95, seconds(stream.p95)),
        Bar("flujo, el peor", stream.longest, seconds(stream.longest)),
        Bar("lote, mediana", batch.median, seconds(batch.median), look="second"),
        Bar("lote, percentil 95", batch.p95, seconds(batch.p95), look="second"),
        Bar("lote, el peor", batch.longest, seconds(batch.longest), look="second"),
    ]
    title = (
        f"Edad de cada tuit cuando su cuenta estuvo lista: los últimos {number(stream.tweets)} tuits, "
        "los que esperaron al arranque de Spark incluidos"
    )
    return Picture(title, bars(title, rows), "; ".join(f"{row.label}: {row.shown}" for row in rows) + ".")


def why_streaming(report: Report) -> Points:
    """Return the case for streaming, with the evidence of this run."""
    measured, facts = report.measured, report.facts
    stream, batch, totals = measured.stream, measured.batch, measured.totals
    return Points(
        (
            (
                f"El flujo actualiza la respuesta cada {seconds(facts.trigger_seconds)}; cada actualización le costó "
                f"{seconds(stream.mean_seconds)} de media, porque lee solo lo nuevo."
            ),
            (
                f"El lote leyó el registro entero, {number(batch.records)} mensajes en {seconds(batch.seconds)}, y respondió "
                f"una sola vez, después de {seconds(totals.seconds)} de tráfico: {_median(batch.ages)} tenía entonces el tuit "
                f"mediano, y {_median(stream.ages)} cuando lo contó el flujo."
            ),
            (
                f"A cambio, el flujo guarda estado ({number(stream.state_rows)} filas) y necesita decidir cuándo cerrar una "
                f"ventana: {number(facts.window_seconds)} s de ventana y {number(facts.watermark_seconds)} s de margen para "
                "los rezagados."
            ),
            (
                "El lote no guarda nada y puede repetirse: por eso aquí es el auditor. Lee el registro de nuevo, sin mirar "
                "lo que Spark dice de sí mismo, y demuestra que la respuesta rápida era también la exacta."
            ),
        )
    )


def _median(ages: Ages | None) -> str:
    return UNKNOWN if ages is None else seconds(ages.median)


def audit_code(report: Report) -> Code:
    """Return the audit's own lines."""
    return Code("La auditoría, tal como se imprimió", "\n".join(report.measured.audit.lines))


def audit_words(report: Report) -> Text:
    """Return the audit in a sentence."""
    audit = report.measured.audit
    verdict = "La cuenta cuadra" if audit.clean else "LA CUENTA NO CUADRA"
    return Text(
        f"{verdict}: confirmados {number(audit.acknowledged)}, en el registro {number(audit.in_log)}, contados "
        f"{number(audit.counted)}, perdidos {number(audit.lost)}, duplicados {number(audit.duplicated)}. Tres testigos "
        "independientes: el diario del productor, una lectura nueva del registro y el almacén."
    )


def photo_block(report: Report) -> Block:
    """Return the photo of the live page during this run, or a chart in its place with the reason."""
    if report.photo:
        caption = f"La página en directo, fotografiada durante esta ejecución en {report.page}"
        return Photo(caption, report.photo, "Captura de la página: la clasificación de la ventana y cada etapa del recorrido.")
    return Text(f"Sin captura de la página en directo: {report.photo_note}. En su lugar, la clasificación dibujada.")


def plan(report: Report) -> tuple[Block, ...]:
    """Return what to do if the live demo fails: replay the recorded store, without a broker."""
    return (
        Points(
            (
                "No arregle nada delante del tribunal: lo que sigue no necesita Kafka, ni Spark, ni red.",
                (
                    "Abra la página en directo sobre el almacén grabado de esta ejecución, con la primera orden, y enseñe las "
                    "mismas ventanas que hay en este informe. Se cierra con Ctrl-C."
                ),
                "Si tampoco hay Python, abra las diapositivas en PDF, o en HTML con cualquier navegador.",
                "Después, con calma, las dos últimas órdenes dicen qué falló y lo reparan.",
            ),
            numbered=True,
        ),
        Code(
            "Las órdenes, desde el directorio del proyecto",
            "\n".join(
                (
                    f"make replay-demo STORE={for_make(report.store)}",
                    f"xdg-open {shlex.quote(report.slides)}",
                    f"make status NAME={report.facts.stack}",
                    f"make health HEAL=true NAME={report.facts.stack}",
                )
            ),
        ),
    )
