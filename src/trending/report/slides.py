"""The slides: one list, shown by HTML and PDF alike."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.report import passages
from trending.report.blocks import Chapter, Points, Text
from trending.report.wording import day, number, seconds
from trending.settings import MINUTE_SECONDS

if TYPE_CHECKING:
    from trending.report.data import Report


def slides(report: Report) -> tuple[Chapter, ...]:
    """Return the slides in their order."""
    shown = passages.photo_block(report)
    named = "un minuto" if report.facts.window_seconds == MINUTE_SECONDS else "una ventana"
    return (
        Chapter("Tendencias en directo con Kafka y Spark", _cover(report)),
        Chapter("La pregunta", _question(report)),
        Chapter("Arquitectura: lo que corrió", (passages.house_picture(report),)),
        Chapter("El camino de un tuit", (passages.way_block(report),)),
        Chapter("Arranque: cada paso espera al anterior", (passages.start_up_block(report),)),
        Chapter(f"La clasificación de {named}", (passages.ranking_block(report),)),
        Chapter("La página en directo", (shown,) if report.photo else (shown, passages.ranking_block(report))),
        Chapter("Streaming y lotes: la misma cuenta", (passages.same_count_table(report), passages.same_count_words(report))),
        Chapter("Streaming y lotes: no a la misma hora", (passages.ages_block(report),)),
        Chapter("Por qué streaming", (passages.why_streaming(report),)),
        Chapter("Si la demostración en directo falla", passages.plan(report)),
        Chapter("Nada se perdió", (passages.audit_words(report), passages.audit_code(report))),
    )


def _cover(report: Report) -> tuple[Text, ...]:
    facts = report.facts
    versions = ", ".join(f"{each.name} {each.version}" for each in facts.versions if each.version)
    memory = number(facts.machine.memory_gib, 1)
    return (
        Text(f"Ejecución de la pila {facts.stack}, {day(report.made, report.zone)}"),
        Text(versions),
        Text(f"{facts.machine.system}: {number(facts.machine.cores)} núcleos, {memory} GiB de memoria"),
        Text("Toda cifra de estas diapositivas sale de esa ejecución."),
    )


def _question(report: Report) -> tuple[Points]:
    totals, facts = report.measured.totals, report.facts
    now = "este minuto" if facts.window_seconds == MINUTE_SECONDS else f"esta ventana de {number(facts.window_seconds)} s"
    return (
        Points(
            (
                f"¿De qué se habla ahora mismo? No ayer: en {now}, mientras aún corre.",
                (
                    f"Entran {number(totals.tweets_per_second, 2)} tuits por segundo: {number(totals.tweets)} en "
                    f"{seconds(totals.seconds)}, de {number(totals.hashtags)} hashtags."
                ),
                (
                    f"Sale una clasificación por ventana de {number(facts.window_seconds)} s, actualizada cada "
                    f"{seconds(facts.trigger_seconds)}: {number(totals.windows)} ventanas en esta ejecución."
                ),
                "Y una condición: que al final se pueda demostrar que no se perdió ni se contó dos veces ningún tuit.",
            )
        ),
    )
