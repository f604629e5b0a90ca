"""Every word of the page in English and Spanish, and the choice between them."""

from __future__ import annotations

from typing import Final

LANGUAGES: Final = ("es", "en")
DEFAULT: Final = "en"

_EN: Final = {
    "title": "Trending now",
    "skip": "Skip to the ranking",
    "language": "Language",
    "ranking": "Ranking of the minute",
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
    "slide_hint": "The sum of the exact windows; it moves on with each.",
    "slide_since": "There are no counts from before {time}.",
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
    "closing_hint": "Its minute is over; latecomers still count.",
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
    "trends_empty": "The first line comes when a minute is over.",
    "most": "Most in a minute",
    "total": "In the hour",
    "last": "Last minute",
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
    "slide_hint": "La suma de las ventanas exactas; avanza con cada una.",
    "slide_since": "No hay recuentos anteriores a las {time}.",
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
    "closing_hint": "Su minuto terminó; los rezagados aún cuentan.",
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
    "trends_empty": "La primera línea llega cuando termina un minuto.",
    "most": "Máximo en un minuto",
    "total": "En la hora",
    "last": "Último minuto",
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
