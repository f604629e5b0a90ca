"""Three drawings: the services and programs that ran, the path of one tweet, the live page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.drawing.svg import Drawing, short
from trending.report.wording import SPANISH

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trending.report.data import Audit, Component, Facts, Minute, TweetWay
    from trending.report.wording import Wording

WIDTH = 960
BOX = (168, 104)
GAP = 29
TOP = 88
LETTERS = 21
"""Letters that fit a box even in a wide font: HTML is shown in the reader's own font."""
ZOOKEEPER = "zookeeper"
PAGE_ROWS = 8
IMAGE = "imagen "


def way_of(component: Component, tell: Wording) -> str:
    """Return how a component ran; the data says it in Spanish."""
    way = component.way
    return f"image {way.removeprefix(IMAGE)}" if way.startswith(IMAGE) and tell.language == "en" else tell.word("ways", way)


def house(facts: Facts, tell: Wording = SPANISH) -> str:
    """Draw every service and program that ran, with kind and ports, in the order in which tweets pass through them."""
    ran = {component.name: component for component in facts.components}
    brokers = [each for each in facts.components if each.kind == "kafka"]
    below = [each for each in facts.components if each.kind == ZOOKEEPER]
    columns: list[list[Component | None]] = [
        [each for each in facts.components if _program_of(each) == "producer"],
        [*brokers, *below],
        [ran[name] for name in ("stream",) if name in ran],
        [None],
        [ran[name] for name in ("page",) if name in ran],
    ]
    used = [column for column in columns if column]
    tallest = max(len(column) for column in used)
    height = TOP + tallest * (BOX[1] + 26)
    drawing = Drawing(WIDTH, height, tell("house_title", names=", ".join(ran)))
    drawing.frame(2, 2, WIDTH - 4, 46)
    drawing.text(WIDTH / 2, 31, tell("house_above"), size=18, anchor="middle")
    left = (WIDTH - len(used) * BOX[0] - (len(used) - 1) * GAP) / 2
    for place, column in enumerate(used):
        x = left + place * (BOX[0] + GAP)
        if place:
            drawing.arrow((x - GAP + 4, TOP + BOX[1] / 2), (x - 4, TOP + BOX[1] / 2))
        for row, component in enumerate(column):
            y = TOP + row * (BOX[1] + 26)
            if component is not None and component.kind == ZOOKEEPER:
                drawing.arrow((x + BOX[0] / 2, y - 2), (x + BOX[0] / 2, y - 24))
            _box(drawing, x, y, _words(component, tell))
    return drawing.svg()


def _words(component: Component | None, tell: Wording) -> tuple[str, ...]:
    if component is None:
        return "serving.sqlite", tell("house_store")
    # Three ports of five digits just fit.
    ports = ", ".join(map(str, component.ports))
    ports = tell("house_port", port=ports) if len(component.ports) == 1 else ports
    known = _program_of(component)
    role = tell.word("roles", known or component.name)
    if role in {known, component.name}:
        role = tell.word("roles", component.kind) if component.kind != "program" else ""
    return tuple(filter(None, (component.name, role, ports or way_of(component, tell))))


def _program_of(component: Component) -> str:
    """Return which program a component is, whichever of several producers; empty for a service."""
    return component.name.partition("-")[0] if component.kind == "program" else ""


def _box(drawing: Drawing, x: float, y: float, lines: Sequence[str]) -> None:
    drawing.frame(x, y, *BOX)
    for row, words in enumerate(lines):
        look, size = ("ink", 19.0) if row == 0 else ("muted", 14.5)
        drawing.text(x + BOX[0] / 2, y + 34 + row * 26, short(words, LETTERS), look, size, "middle")


def way(tweet: TweetWay, window_seconds: int, tell: Wording = SPANISH) -> str:
    """Draw the stations of one tweet with what each recorded, and the time between the first and the last."""
    window = tell.span(tweet.window_start, window_seconds)
    stations = (
        (tell.clock(tweet.sent), "producer", tell("way_says", user=tweet.user, text=tweet.text), f"id {tweet.record_id}"),
        (
            tell.clock(tweet.appended),
            "kafka",
            tell("way_place", partition=tell.number(tweet.partition), offset=tell.number(tweet.offset)),
            tell("way_acknowledged"),
        ),
        (
            tell.clock(tweet.served),
            "stream",
            tell("way_window", window=window, batch=tell.number(tweet.batch)),
            tell("way_adds", hashtag=tweet.hashtag),
        ),
        (
            tell.clock(tweet.served),
            "serving.sqlite",
            tell("way_count", hashtag=tweet.hashtag, count=tell.number(tweet.count)),
            tell("way_after", seconds=tell.seconds(tweet.seconds)),
        ),
    )
    tall, step = 72, 100
    drawing = Drawing(WIDTH, step * len(stations) - 20, tell("way_title", id=tweet.record_id))
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


def page(facts: Facts, minute: Minute | None, audit: Audit, tell: Wording = SPANISH) -> str:
    """Draw the live page from the data: the stages that ran, the fullest window's ranking, the proof."""
    leaders = minute.leaders[:PAGE_ROWS] if minute else ()
    bottom = 210 + 40 * max(len(leaders), 1)
    drawing = Drawing(WIDTH, bottom + 78, tell("drawn_title"))
    drawing.frame(2, 2, WIDTH - 4, bottom + 74)
    drawing.text(28, 44, tell("drawn_title"), size=26)
    if minute is None:
        window = tell("drawn_none")
    else:
        window = tell(
            "drawn_window",
            window=tell.span(minute.start, facts.window_seconds),
            tweets=tell.number(minute.stream),
            hashtags=tell.number(minute.hashtags),
        )
    drawing.text(28, 74, window, "muted", 17)
    firsts: dict[str, Component] = {}
    for each in facts.components:
        firsts.setdefault(_program_of(each) or each.name, each)  # one box for all producers
    stages = [*firsts.values()][:5]
    wide = (WIDTH - 56 - 20 * (len(stages) - 1)) / max(len(stages), 1)
    for place, stage in enumerate(stages):
        x = 28 + place * (wide + 20)
        drawing.frame(x, 96, wide, 62)
        drawing.text(x + wide / 2, 122, short(stage.name, LETTERS), size=18, anchor="middle")
        role = tell.word("roles", stage.name if stage.kind == "program" else stage.kind)
        drawing.text(x + wide / 2, 146, short(role, LETTERS), "muted", 14.5, "middle")
    most = max((line.stream for line in leaders), default=0) or 1
    for row, line in enumerate(leaders):
        y = 182 + row * 40
        drawing.text(28, y + 24, short(line.hashtag, 26), size=19)
        length = max(line.stream, 0) / most * 480
        drawing.rect(310, y + 4, max(length, 1.0), 28)
        drawing.text(320 + length, y + 24, tell.number(line.stream), size=17)
    _proof(drawing, bottom, audit, tell)
    return drawing.svg()


def _proof(drawing: Drawing, y: float, audit: Audit, tell: Wording) -> None:
    drawing.rect(28, y, 12, 48, "bar" if audit.clean else "second")
    counts = tell("drawn_counts", acknowledged=tell.number(audit.acknowledged), counted=tell.number(audit.counted))
    proof = tell("drawn_proof", lost=tell.number(audit.lost), duplicated=tell.number(audit.duplicated))
    drawing.text(54, y + 20, tell("audit_clean" if audit.clean else "audit_wrong"), size=18)
    drawing.text(54, y + 42, f"{counts} · {proof}", "muted", 16)
