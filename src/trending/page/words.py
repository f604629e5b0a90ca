"""Every word of the page in English and Spanish, and the choice between them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from trending.settings import MINUTE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Mapping

LANGUAGES: Final = ("es", "en")
DEFAULT: Final = "en"

_EN: Final = {
    "title": "Trending now",
    "skip": "Skip to the ranking",
    "language": "Language",
    "ranking": "Ranking of the minute",
    "other_ranking": "Ranking of the window",
    "rank": "Rank",
    "change": "Change",
    "hashtag": "Hashtag",
    "tweets": "Tweets",
    "velocity": "Per second",
    "trend": "Trend",
    "trend_hint": "Trend: standard deviations above the rate of the ten windows before; from 3 on seldom chance.",
    "gain_hint": "Beside it, tweets a second more than in the window before.",
    "slide": "The last five minutes",
    "other_slide": "The last windows together",
    "single_slide": "The last window alone",
    "slide_hint": "The sum of the exact windows; it moves on with each.",
    "single_slide_hint": "One window covers five minutes; the view moves on with the next.",
    "slide_since": "Counted this way only since {time}.",
    "slide_pruned": "In {n} of the windows only the leading hashtags are kept by name. "
    "What the others had there is not kept, which is not 0.",
    "not_kept": "not kept in {n} of the windows",
    "not_kept_head": "Not kept",
    "spark": "Pace",
    "hashtags": "hashtags",
    "window": "Window",
    "live": "Live",
    "newest": "Last one recorded",
    "show": "Show",
    "pause": "Pause",
    "resume": "Resume",
    "paused": "Paused: the ranking stands still, counting goes on.",
    "download": "Download this window",
    "waiting": "No window has tweets yet. The first ranking comes with the first batch.",
    "open": "open",
    "closing": "closing",
    "final": "final",
    "open_hint": "Its minute is still running.",
    "other_open_hint": "Its {n} s are still running.",
    "closing_hint": "Its minute is over; latecomers still count.",
    "other_closing_hint": "Its {n} s are over; latecomers still count.",
    "final_hint": "Nothing can change it any more.",
    "new": "new",
    "up": "up {n}",
    "down": "down {n}",
    "same": "unchanged",
    "stale": "Stale since {time}: the stream does not report, so these figures are old.",
    "lost": "No connection to the page's server since {time}. Trying again.",
    "recorded": "A recorded store: nothing here is live.",
    "leader": "{tag} leads with {n} tweets",
    "trends": "The last hour, a minute at a time",
    "other_trends": "The last windows, {n} s at a time",
    "trends_empty": "The first line comes when a minute is over.",
    "other_trends_empty": "The first line comes when a window is over.",
    "most": "Most in a minute",
    "other_most": "Most in a window",
    "total": "In the hour",
    "other_total": "In all of them",
    "last": "Last minute",
    "other_last": "Last window",
    "trends_table": "The same as a table",
    "pipeline": "Pipeline",
    "producer": "Producer",
    "kafka": "Kafka",
    "spark_job": "Spark",
    "store": "Store",
    "page": "This page",
    "rate": "tweets/s",
    "acknowledged": "acknowledged since its start",
    "queued": "queued",
    "behind": "records behind",
    "topic": "topic",
    "counted": "counted/s",
    "batch": "batch",
    "batch_seconds": "s a batch",
    "written": "last write",
    "rejects": "rejected",
    "viewers": "viewers",
    "well": "well",
    "starting": "starting",
    "troubled": "in trouble",
    "stale_part": "silent",
    "absent": "absent",
    "unknown": "not known",
    "unrecorded": "not recorded",
    "noscript": "Without JavaScript this page does not move: load it again to see what is new.",
}
_ES: Final = {
    "title": "Tendencias ahora",
    "skip": "Ir a la clasificación",
    "language": "Idioma",
    "ranking": "Clasificación del minuto",
    "other_ranking": "Clasificación de la ventana",
    "rank": "Puesto",
    "change": "Cambio",
    "hashtag": "Hashtag",
    "tweets": "Tuits",
    "velocity": "Por segundo",
    "trend": "Tendencia",
    "trend_hint": "Tendencia: desviaciones típicas sobre el ritmo de las diez ventanas anteriores; desde 3 rara vez es azar.",
    "gain_hint": "Al lado, tuits por segundo más que en la ventana anterior.",
    "slide": "Los últimos cinco minutos",
    "other_slide": "Las últimas ventanas juntas",
    "single_slide": "La última ventana sola",
    "slide_hint": "La suma de las ventanas exactas; avanza con cada una.",
    "single_slide_hint": "Una ventana abarca cinco minutos; la vista avanza con la siguiente.",
    "slide_since": "Contado así solo desde las {time}.",
    "slide_pruned": "En {n} de las ventanas solo se conservan por nombre los primeros hashtags. "
    "Lo que tuvieron allí los demás no se conserva, y no es 0.",
    "not_kept": "sin conservar en {n} de las ventanas",
    "not_kept_head": "Sin conservar",
    "spark": "Ritmo",
    "hashtags": "hashtags",
    "window": "Ventana",
    "live": "En directo",
    "newest": "La última grabada",
    "show": "Mostrar",
    "pause": "Pausar",
    "resume": "Continuar",
    "paused": "En pausa: la clasificación no se mueve, el recuento sigue.",
    "download": "Descargar esta ventana",
    "waiting": "Ninguna ventana tiene tuits todavía. La primera clasificación llega con el primer lote.",
    "open": "abierta",
    "closing": "cerrándose",
    "final": "definitiva",
    "open_hint": "Su minuto aún corre.",
    "other_open_hint": "Sus {n} s aún corren.",
    "closing_hint": "Su minuto terminó; los rezagados aún cuentan.",
    "other_closing_hint": "Sus {n} s terminaron; los rezagados aún cuentan.",
    "final_hint": "Ya nada puede cambiarla.",
    "new": "nuevo",
    "up": "sube {n}",
    "down": "baja {n}",
    "same": "igual",
    "stale": "Sin datos nuevos desde las {time}: el flujo no informa, así que estas cifras son viejas.",
    "lost": "Sin conexión con el servidor de la página desde las {time}. Reintentando.",
    "recorded": "Un almacén grabado: aquí nada es en directo.",
    "leader": "{tag} va primero con {n} tuits",
    "trends": "La última hora, minuto a minuto",
    "other_trends": "Las últimas ventanas, cada {n} s",
    "trends_empty": "La primera línea llega cuando termina un minuto.",
    "other_trends_empty": "La primera línea llega cuando termina una ventana.",
    "most": "Máximo en un minuto",
    "other_most": "Máximo en una ventana",
    "total": "En la hora",
    "other_total": "En todas ellas",
    "last": "Último minuto",
    "other_last": "Última ventana",
    "trends_table": "Lo mismo en una tabla",
    "pipeline": "Recorrido",
    "producer": "Productor",
    "kafka": "Kafka",
    "spark_job": "Spark",
    "store": "Almacén",
    "page": "Esta página",
    "rate": "tuits/s",
    "acknowledged": "confirmados desde su arranque",
    "queued": "en cola",
    "behind": "registros por leer",
    "topic": "tema",
    "counted": "contados/s",
    "batch": "lote",
    "batch_seconds": "s por lote",
    "written": "última escritura",
    "rejects": "rechazados",
    "viewers": "espectadores",
    "well": "bien",
    "starting": "arrancando",
    "troubled": "con problemas",
    "stale_part": "en silencio",
    "absent": "ausente",
    "unknown": "no se sabe",
    "unrecorded": "sin grabar",
    "noscript": "Sin JavaScript esta página no se mueve: cárguela otra vez para ver lo nuevo.",
}
WORDS: Final = {"en": _EN, "es": _ES}
_OTHER: Final = "other_"
"""Begins the names of the words for windows that are not a minute long."""


def of_length(words: Mapping[str, str], name: str, seconds: int) -> str:
    """Return a word as it reads for windows of that many seconds; most are the same for any length. The script does so too."""
    chosen = words[name] if seconds == MINUTE_SECONDS else words.get(_OTHER + name, words[name])
    return chosen.replace("{n}", str(seconds))


def choose_language(requested: str | None, kept: str | None, accepted: str) -> str:
    """Return the language: the one asked for, else the one kept in the cookie, else the browser's first choice that exists."""
    for choice in (requested, kept):
        if choice in LANGUAGES:
            return choice
    weighted = [_weight(part) for part in accepted.split(",")]
    for _quality, language in sorted((each for each in weighted if each[0] > 0), key=lambda each: -each[0]):
        if language in LANGUAGES:
            return language
    return DEFAULT


def _weight(part: str) -> tuple[float, str]:
    tag, _separator, parameter = part.strip().partition(";")
    name, _equals, quality = parameter.strip().partition("=")
    try:
        weight = float(quality) if name == "q" else 1.0
    except ValueError:
        weight = 0.0
    return weight, tag.strip().split("-")[0].lower()
