"""The memoria: the chapters that a report of this kind has, its prose from a file for each language, its figures from the run."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from trending.report import passages
from trending.report.blocks import Table
from trending.report.defence import proofs, prose
from trending.report.diagrams import way_of
from trending.report.wording import WORDS
from trending.settings import WindowTime

if TYPE_CHECKING:
    from trending.report.blocks import Chapter
    from trending.report.data import Report
    from trending.report.defence.prose import Named
    from trending.report.wording import Wording


def memoria(report: Report, tell: Wording) -> tuple[Chapter, ...]:
    """Return the memoria's chapters in the language."""
    tell = passages.told(report, tell)
    measured = report.measured
    values = {
        "n": tell.number,
        "s": tell.seconds,
        "day": tell.day,
        "report": report,
        "facts": report.facts,
        "totals": measured.totals,
        "audit": measured.audit,
        "stream": measured.stream,
        "batch": measured.batch,
        "minutely": measured.minutely,
        "audit_words": passages.audit_words(report, tell).words,
        "same_words": passages.same_count_words(report, tell).words,
    }
    text = (WORDS / f"memoria.{tell.language}.md").read_text(encoding="utf-8")
    return prose.chapters(text, values, named_blocks(report, tell))


def named_blocks(report: Report, tell: Wording) -> Named:
    """Return the tables and pictures that the prose may ask for by name."""
    return {
        "house": lambda: (passages.house_picture(report, tell),),
        "components": lambda: (_components(report, tell),),
        "start_up": lambda: (passages.start_up_block(report, tell),),
        "runs": partial(proofs.runs_blocks, report, tell),
        "way": lambda: (passages.way_block(report, tell),),
        "deciding": lambda: (_deciding(report, tell),),
        "ranking": lambda: (passages.ranking_block(report, tell),),
        "page": partial(passages.page_blocks, report, tell),
        "audit": lambda: (passages.audit_code(report, tell),),
        "same": lambda: (passages.same_count_table(report, tell),),
        "ages": lambda: (passages.ages_block(report, tell),),
        "minutely": partial(proofs.minutely_blocks, report, tell),
        "why": lambda: (passages.why_streaming(report, tell),),
        "game_day": partial(proofs.game_day_blocks, report, tell),
        "versions": lambda: (_versions(report, tell),),
    }


def _components(report: Report, tell: Wording) -> Table:
    rows = tuple(
        (each.name, each.kind, way_of(each, tell), ", ".join(map(str, each.ports)) or tell("none"))
        for each in report.facts.components
    )
    return Table(tell("components_caption"), tell.words("components_heads"), rows)


def _versions(report: Report, tell: Wording) -> Table:
    rows = tuple((each.name, each.version or tell.unknown) for each in report.facts.versions)
    return Table(tell("versions_caption"), tell.words("versions_heads"), rows)


def _deciding(report: Report, tell: Wording) -> Table:
    facts = report.facts
    original = facts.window_time == WindowTime.ORIGINAL
    margin = tell("deciding_no_margin") if original else tell.seconds(facts.watermark_seconds)
    rows = (
        (tell("deciding_topic"), facts.topic),
        (tell("deciding_time"), facts.window_time),
        (tell("deciding_length"), tell.seconds(facts.window_seconds)),
        (tell("deciding_margin"), margin),
        (tell("deciding_trigger"), tell.seconds(facts.trigger_seconds)),
    )
    return Table(tell("deciding_caption"), tell.words("deciding_heads"), rows)
