"""docs/scenarios.md and its Spanish twin: every ready scenario with the picture of a real run, and what the picture is of."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from trending.drawing.scenario_figures import ScenarioFigures
from trending.drawing.scenario_picture import picture
from trending.simulator.loading import load_scenario, ready_scenarios
from trending.text import number

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TITLES = {
    "breaking-news": "Una clasificación tranquila y una noticia que lo adelanta todo en medio minuto",
    "classroom": "Los usuarios, frases y hashtags de siempre, un tuit por segundo",
    "evaluation": "Un minuto para un trabajo que se evalúa, con un hashtag que lidera al principio de cada diez segundos",
    "late-data": "Tiempo de evento, con tuits que llegan tarde, desordenados o del futuro",
    "lessons": "El medio minuto del curso: un hashtag que lidera al principio de cada ventana de diez segundos, y tuits tardíos",
    "noisy": "Mensajes inservibles, copias y tuits sin hashtag entre los demás",
    "quiet": "Un tuit sin hashtag y nada más, junto a una reproducción o a un productor propio",
    "soak": "Días y días, con una ola diaria y muchos hashtags",
    "world-cup": "Dos equipos en un partido de diez minutos, con un gol cada uno y el pitido final",
}
"""The scenarios' own titles are in English."""
TOLD_REASONS = 3
"""With more of them a caption tells just their number."""
_HEADS = {
    "en": (
        "# The ready scenarios",
        "",
        "`make up SCENARIO=breaking-news` plays one; [Operations](operations.md#a-scenario) says how to write your own.",
        "Each picture is drawn from the store of a real run on an embedded stack, after an audit that found nothing lost",
        "and nothing duplicated. Bars are all records of a window by what became of them, lines the tweets of the hashtags",
        "that lead, and the strip below them says who led each window (grey: a hashtag without a line). A refused record",
        "stands where its batch was written. Long scenarios were played faster, which their captions say; a rate is always",
        "one by the scenario's own clock.",
    ),
    "es": (
        "# Los escenarios preparados",
        "",
        "`make up SCENARIO=breaking-news` reproduce uno. Cómo se escribe uno propio está en",
        "[Operations](../operations.md#a-scenario) (en inglés). Cada imagen se dibujó con el almacén de una ejecución real",
        "en un entorno *embedded*, tras una auditoría sin pérdidas ni repetidos. Las barras son todos los mensajes de una",
        "ventana, según su destino. Las líneas son los tuits de los hashtags que van en cabeza, y la tira de debajo dice",
        "cuál ganó cada ventana (gris: un hashtag sin línea). Un mensaje rechazado está en la ventana en que se escribió su",
        "lote. Los escenarios largos se reprodujeron más deprisa, como dice su pie; el ritmo es siempre el del reloj del",
        "escenario.",
    ),
}
_SAID = {
    "en": {
        "run": "Real run of {day}, seed {seed}: {played}, counted by {time} time in windows of {window} s{wide}. "
        "{records}{refused}.",
        "scaled": "{seconds} s of the scenario in {clock} s, a time scale of {scale}",
        "plain": "{seconds} s at its own pace",
        "share": ", at {share} % of its rate",
        "wide": ", which are {span} s of the scenario",
        "one": "1 record",
        "many": "{number} records",
        "refused": ", {refused} of them refused ({reasons})",
        "reasons": "for {number} reasons",
        "arrival": "arrival",
        "event": "event",
    },
    "es": {
        "run": "Ejecución real del {day}, semilla {seed}: {played}, por tiempo de {time} en ventanas de {window} s{wide}. "
        "{records}{refused}.",
        "scaled": "{seconds} s del escenario en {clock} s, con `time_scale` {scale}",
        "plain": "{seconds} s a su propio ritmo",
        "share": ", al {share} % de su ritmo",
        "wide": ", que son {span} s del escenario",
        "one": "1 mensaje",
        "many": "{number} mensajes",
        "refused": ", {refused} de ellos rechazados ({reasons})",
        "reasons": "por {number} razones",
        "arrival": "llegada",
        "event": "evento",
    },
}


def figures_in(place: Path, name: str) -> ScenarioFigures:
    """Return the figures of a ready scenario that are kept in ``place``."""
    return ScenarioFigures.model_validate_json((place / f"{name}.json").read_text(encoding="utf-8"))


def picture_name(name: str, language: str) -> str:
    """Return the file's name of a scenario's picture in a language."""
    return f"{name}.svg" if language == "en" else f"{name}.{language}.svg"


def caption(figures: ScenarioFigures, language: str) -> str:
    """Return what a picture is of: day, seed, how fast and how much was played, and how many records came of it."""
    said, manner = _SAID[language], figures.manner

    def told(value: float) -> str:
        return number(value, language, 0 if float(value).is_integer() else 1)

    seconds = figures.played_seconds
    scaled = manner.time_scale != 1
    pace = said["scaled" if scaled else "plain"].format(
        seconds=told(seconds), clock=told(seconds / manner.time_scale), scale=told(manner.time_scale)
    )
    refused = sum(figures.refused.values())
    reasons = ", ".join(f"{told(many)} *{reason.partition(':')[0]}*" for reason, many in figures.refused.items())
    if len(figures.refused) > TOLD_REASONS:
        reasons = said["reasons"].format(number=len(figures.refused))
    return said["run"].format(
        day=figures.day,
        seed=figures.seed,
        played=pace + (said["share"].format(share=told(100 * manner.share)) if manner.share != 1 else ""),
        time=said[figures.window_time],
        window=figures.window_seconds,
        wide=said["wide"].format(span=told(figures.span)) if scaled else "",
        records=said["one" if figures.records == 1 else "many"].format(number=told(figures.records)),
        refused=said["refused"].format(refused=told(refused), reasons=reasons) if refused else "",
    )


def page(place: Path, language: str) -> str:
    """Return the page of all ready scenarios, from the figures in ``place``."""
    return "\n".join(_lines(place, language)) + "\n"


def _lines(place: Path, language: str) -> Iterator[str]:
    yield from _HEADS[language]
    folder = "scenarios" if language == "en" else "../scenarios"
    for name in ready_scenarios():
        title = load_scenario(name).title if language == "en" else TITLES[name]
        yield from ("", f"## {name}", "", f"{title}.", "")
        yield from (f"![{name}]({folder}/{picture_name(name, language)})", "", caption(figures_in(place, name), language))


def scenario_documents(docs: Path) -> dict[Path, Callable[[], str]]:
    """Return where the pages and pictures lie below ``docs``, and what makes each from the figures beside the pictures."""
    place = docs / "scenarios"
    pictures = {
        place / picture_name(name, language): partial(_drawn, place, name, language)
        for name in ready_scenarios()
        for language in _HEADS
    }
    return {
        docs / "scenarios.md": partial(page, place, "en"),
        docs / "es" / "escenarios.md": partial(page, place, "es"),
        **pictures,
    }


def _drawn(place: Path, name: str, language: str) -> str:
    return picture(figures_in(place, name), language) + "\n"
