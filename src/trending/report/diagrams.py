"""Two drawings of the architecture: the services and programs that ran, and the path of one tweet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.drawing.svg import Drawing, short
from trending.report.wording import clock, number, seconds, span

if TYPE_CHECKING:
    from collections.abc import Sequence
    from zoneinfo import ZoneInfo

    from trending.report.data import Component, Facts, TweetWay

WIDTH = 960
BOX = (168, 104)
GAP = 29
TOP = 88
LETTERS = 21
"""Letters that fit a box even in a wide font: HTML is shown in the reader's own font."""
ZOOKEEPER = "zookeeper"
ROLES = {
    "producer": "tuits de prueba",
    "kafka": "registro",
    ZOOKEEPER: "coordina a Kafka",
    "stream": "cuenta por ventanas",
    "page": "en directo",
}


def house(facts: Facts) -> str:
    """Draw every service and program that ran, with kind and ports, in the order in which tweets pass through them."""
    ran = {component.name: component for component in facts.components}
    brokers = [each for each in facts.components if each.kind == "kafka"]
    below = [each for each in facts.components if each.kind == ZOOKEEPER]
    columns: list[list[Component | None]] = [
        [ran[name] for name in ("producer",) if name in ran],
        [*brokers, *below],
        [ran[name] for name in ("stream",) if name in ran],
        [None],
        [ran[name] for name in ("page",) if name in ran],
    ]
    used = [column for column in columns if column]
    tallest = max(len(column) for column in used)
    height = TOP + tallest * (BOX[1] + 26)
    drawing = Drawing(WIDTH, height, f"Arquitectura: {', '.join(ran)} y el almacén serving.sqlite")
    drawing.frame(2, 2, WIDTH - 4, 46)
    drawing.text(
        WIDTH / 2, 31, "Prefect arranca, observa y detiene; supervisord mantiene vivo lo que corre", size=18, anchor="middle"
    )
    left = (WIDTH - len(used) * BOX[0] - (len(used) - 1) * GAP) / 2
    for place, column in enumerate(used):
        x = left + place * (BOX[0] + GAP)
        if place:
            drawing.arrow((x - GAP + 4, TOP + BOX[1] / 2), (x - 4, TOP + BOX[1] / 2))
        for row, component in enumerate(column):
            y = TOP + row * (BOX[1] + 26)
            if component is not None and component.kind == ZOOKEEPER:
                drawing.arrow((x + BOX[0] / 2, y - 2), (x + BOX[0] / 2, y - 24))
            _box(drawing, x, y, _words(component))
    return drawing.svg()


def _words(component: Component | None) -> tuple[str, ...]:
    if component is None:
        return "serving.sqlite", "ventanas y hashtags"
    # Three ports of five digits just fit.
    ports = ", ".join(map(str, component.ports))
    ports = f"puerto {ports}" if len(component.ports) == 1 else ports
    role = ROLES.get(component.name) or ROLES.get(component.kind, "")
    return tuple(filter(None, (component.name, role, ports or component.way)))


def _box(drawing: Drawing, x: float, y: float, lines: Sequence[str]) -> None:
    drawing.frame(x, y, *BOX)
    for row, words in enumerate(lines):
        look, size = ("ink", 19.0) if row == 0 else ("muted", 14.5)
        drawing.text(x + BOX[0] / 2, y + 34 + row * 26, short(words, LETTERS), look, size, "middle")


def way(tweet: TweetWay, window_seconds: int, zone: ZoneInfo | None) -> str:
    """Draw the stations of one tweet with what each recorded, and the time between the first and the last."""
    stations = (
        (clock(tweet.sent, zone), "producer", f"{tweet.user}: «{tweet.text}»", f"id {tweet.record_id}"),
        (
            clock(tweet.appended, zone),
            "kafka",
            f"partición {number(tweet.partition)}, posición {number(tweet.offset)}",
            "acuse de recibo al productor, que lo anota en su diario",
        ),
        (
            clock(tweet.served, zone),
            "stream",
            f"ventana {span(tweet.window_start, window_seconds, zone)}, lote {number(tweet.batch)}",
            f"suma uno a {tweet.hashtag}",
        ),
        (
            clock(tweet.served, zone),
            "serving.sqlite",
            f"{tweet.hashtag}: {number(tweet.count)} en esa ventana",
            f"{seconds(tweet.seconds)} después de escribirse el tuit",
        ),
    )
    tall, step = 72, 100
    drawing = Drawing(WIDTH, step * len(stations) - 20, f"El camino del tuit {tweet.record_id}")
    for row, (at, name, first, second) in enumerate(stations):
        y = row * step + 3
        if row:
            drawing.arrow((250, y - 26), (250, y - 3))
        drawing.text(152, y + 43, at, size=20, anchor="end")
        drawing.frame(164, y, WIDTH - 168, tall)
        drawing.text(178, y + 43, name, size=19)
        drawing.text(348, y + 31, short(first, 56), size=19)
        drawing.text(348, y + 57, short(second, 66), "muted", 16)
    return drawing.svg()
