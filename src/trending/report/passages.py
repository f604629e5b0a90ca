"""The passages that report and slides share: pictures, tables and sentences around the figures of the data."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from trending.drawing.bars import Bar, bars
from trending.report.blocks import Code, Photo, Picture, Points, Table, Text
from trending.report.diagrams import house, page, way, way_of
from trending.report.wording import SPANISH, Wording
from trending.settings import WindowTime
from trending.text import for_make

if TYPE_CHECKING:
    from trending.report.blocks import Block
    from trending.report.data import Minute, Report
    from trending.report.defence.evidence import Ages


def told(report: Report, tell: Wording = SPANISH) -> Wording:
    """Return the wording with the report's time zone."""
    return Wording(tell.language, report.zone)


def house_picture(report: Report, tell: Wording = SPANISH) -> Picture:
    """Return the components that ran."""
    facts = report.facts
    parts = "; ".join(
        f"{each.name} ({', '.join(filter(None, (way_of(each, tell), *map(str, each.ports))))})" for each in facts.components
    )
    caption = tell("house_caption", stack=facts.stack, runtime=facts.runtime, profile=facts.profile, bootstrap=facts.bootstrap)
    return Picture(caption, house(facts, tell), tell("house_alt", parts=parts))


def window_of(report: Report, start: int) -> str:
    """Return the window that starts at ``start`` as times of day."""
    return told(report).span(start, report.facts.window_seconds)


def way_block(report: Report, tell: Wording = SPANISH) -> Block:
    """Return one real tweet from its creation to its count, or the reason why there is none."""
    tweet = report.measured.tweet
    if tweet is None:
        return Text(tell("way_none"))
    alt = tell(
        "way_alt",
        user=tweet.user,
        text=tweet.text,
        partition=tell.number(tweet.partition),
        offset=tell.number(tweet.offset),
        batch=tell.number(tweet.batch),
        window=window_of(report, tweet.window_start),
        seconds=tell.seconds(tweet.seconds),
        hashtag=tweet.hashtag,
        count=tell.number(tweet.count),
    )
    drawn = way(tweet, report.facts.window_seconds, told(report, tell))
    return Picture(tell("way_caption", id=tweet.record_id), drawn, alt)


def start_up_block(report: Report, tell: Wording = SPANISH) -> Block:
    """Return the start-up as bars one after the other, or a note that its times were not kept."""
    known = report.facts.start_up
    if known is None:
        return Text(tell("start_none"))
    rows, begun = [], 0.0
    for step in known.steps:
        shown = " · ".join(filter(None, (tell.seconds(step.seconds), tell.word("outcomes", step.outcome))))
        rows.append(Bar(tell.word("names", step.name), step.seconds, shown, begun))
        begun += max(step.seconds, 0.0)
    return _bars(tell("start_title", seconds=tell.seconds(known.seconds)), rows)


def _bars(title: str, rows: list[Bar]) -> Picture:
    return Picture(title, bars(title, rows), "; ".join(f"{row.label}: {row.shown}" for row in rows) + ".")


def ranking_picture(report: Report, minute: Minute, tell: Wording = SPANISH) -> Picture:
    """Return the first hashtags of a window as bars."""
    rows = [Bar(line.hashtag, line.stream, tell.number(line.stream)) for line in minute.leaders]
    return _bars(tell("ranking_title", window=window_of(report, minute.start), tweets=tell.number(minute.stream)), rows)


def fullest(report: Report) -> Minute | None:
    """Return the window with the most tweets among the last ones; the earliest of them in a tie."""
    return max(report.measured.minutes, key=lambda minute: (minute.stream, -minute.start), default=None)


def ranking_block(report: Report, tell: Wording = SPANISH) -> Picture | Text:
    """Return the ranking of the fullest window, or a note that there is none."""
    minute = fullest(report)
    return Text(tell("ranking_none")) if minute is None else ranking_picture(report, minute, tell)


def same_count_table(report: Report, tell: Wording = SPANISH) -> Block:
    """Return the fullest window counted both ways, hashtag by hashtag."""
    minute = fullest(report)
    if minute is None:
        return Text(tell("same_none"))
    pairs = [*((line.hashtag, line.stream, line.batch) for line in minute.leaders)]
    pairs.append((tell("same_whole"), minute.stream, minute.batch))
    rows = tuple(
        (name, tell.number(stream), tell.number(batch), tell("same_yes" if stream == batch else "same_no"))
        for name, stream, batch in pairs
    )
    caption = tell("same_caption", window=window_of(report, minute.start))
    return Table(caption, tell.words("same_heads"), rows, frozenset({1, 2}))


def same_count_words(report: Report, tell: Wording = SPANISH) -> Text:
    """Return how many counts were compared and how many of them differ."""
    totals = report.measured.totals
    verdict = tell("same_differ", differing=tell.number(totals.differing)) if totals.differing else tell("same_clean")
    return Text(tell("same_words", pairs=tell.number(totals.pairs), windows=tell.number(totals.windows), verdict=verdict))


def ages_block(report: Report, tell: Wording = SPANISH) -> Block:
    """Return how old tweets were when stream and batch had counted them."""
    stream, batch = report.measured.stream.ages, report.measured.batch.ages
    if stream is None or batch is None:
        return Text(tell("ages_none"))
    rows = [
        Bar(tell(f"{name}_{which}"), figure, tell.seconds(figure), look=look)
        for name, ages, look in (("stream", stream, "bar"), ("batch", batch, "second"))
        for which, figure in (("median", ages.median), ("p95", ages.p95), ("longest", ages.longest))
    ]
    return _bars(tell("ages_title", tweets=tell.number(stream.tweets)), rows)


def why_streaming(report: Report, tell: Wording = SPANISH) -> Points:
    """Return the case for streaming, with the evidence of this run."""
    measured, facts = report.measured, report.facts
    stream, batch = measured.stream, measured.batch
    return Points(
        (
            tell("why_trigger", trigger=tell.seconds(facts.trigger_seconds), mean=tell.seconds(stream.mean_seconds)),
            tell(
                "why_batch",
                records=tell.number(batch.records),
                seconds=tell.seconds(batch.seconds),
                traffic=tell.seconds(measured.totals.seconds),
                batch=_median(batch.ages, tell),
                stream=_median(stream.ages, tell),
            ),
            tell(
                "why_state" if facts.window_time != WindowTime.ORIGINAL else "why_state_grows",
                rows=tell.number(stream.state_rows),
                window=tell.number(facts.window_seconds),
                watermark=tell.number(facts.watermark_seconds),
            ),
            tell("why_auditor"),
        )
    )


def _median(ages: Ages | None, tell: Wording) -> str:
    return tell.unknown if ages is None else tell.seconds(ages.median)


def audit_code(report: Report, tell: Wording = SPANISH) -> Code:
    """Return the audit's own lines."""
    return Code(tell("audit_caption"), "\n".join(report.measured.audit.lines))


def audit_words(report: Report, tell: Wording = SPANISH) -> Text:
    """Return the audit in a sentence."""
    audit = report.measured.audit
    return Text(
        tell(
            "audit_words",
            verdict=tell("audit_clean" if audit.clean else "audit_wrong"),
            **{name: tell.number(getattr(audit, name)) for name in ("acknowledged", "in_log", "counted", "lost", "duplicated")},
        )
    )


def page_blocks(report: Report, tell: Wording = SPANISH) -> tuple[Block, ...]:
    """Return the photo of the live page during this run, or the page drawn from the data, with the reason."""
    if report.photo:
        return (Photo(tell("photo_caption", page=report.page), report.photo, tell("photo_alt")),)
    return (Text(tell("photo_none", note=report.photo_note)), page_drawing(report, tell))


def page_drawing(report: Report, tell: Wording = SPANISH) -> Picture:
    """Return the page as a drawing: stages, ranking, proof."""
    minute = fullest(report)
    leaders = minute.leaders if minute else ()
    alt = tell(
        "drawn_alt",
        window=window_of(report, minute.start) if minute else tell("drawn_none"),
        tweets=tell.number(minute.stream if minute else None),
        leaders="; ".join(f"{line.hashtag}: {tell.number(line.stream)}" for line in leaders),
        audit=audit_words(report, tell).words,
    )
    drawn = page(report.facts, minute, report.measured.audit, told(report, tell))
    return Picture(tell("drawn_caption"), drawn, alt)


def plan(report: Report, tell: Wording = SPANISH) -> tuple[Block, ...]:
    """Return what to do if the live demo fails: replay the recorded store, without a broker."""
    orders = (
        f"make replay-demo STORE={for_make(report.store)}",
        f"xdg-open {shlex.quote(report.slides)}",
        f"make status NAME={report.facts.stack}",
        f"make health HEAL=true NAME={report.facts.stack}",
    )
    steps = tuple(tell(f"plan_{name}") for name in ("calm", "replay", "pdf", "later"))
    return (Points(steps, numbered=True), Code(tell("plan_caption"), "\n".join(orders)))
