"""The slides: one list, shown by HTML, PDF and the sources that one can edit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.report import passages
from trending.report.blocks import Chapter, Text
from trending.report.blocks import Points as Lines
from trending.report.defence import proofs
from trending.report.defence.cover import cover_lines, title_of
from trending.report.wording import SPANISH
from trending.settings import MINUTE_SECONDS

if TYPE_CHECKING:
    from trending.report.blocks import Block
    from trending.report.data import Report
    from trending.report.wording import Wording


def slides(report: Report, tell: Wording = SPANISH) -> tuple[Chapter, ...]:
    """Return the slides in their order, each with what to say and how many seconds it may take."""
    tell = passages.told(report, tell)
    minute = report.facts.window_seconds == MINUTE_SECONDS

    def slide(name: str, seconds: int, *blocks: Block, title: str = "") -> Chapter:
        return Chapter(tell.word("titles", title or name), blocks, tell.word("notes", name), seconds)

    return (
        Chapter(title_of(report, tell), tuple(map(Text, _cover(report, tell))), tell.word("notes", "cover"), 45),
        slide("question", 60, _question(report, tell)),
        slide("house", 75, passages.house_picture(report, tell)),
        slide("way", 75, passages.way_block(report, tell)),
        slide("start_up", 60, passages.start_up_block(report, tell)),
        slide("ranking", 45, passages.ranking_block(report, tell), title="ranking" if minute else "ranking_window"),
        slide("page", 60, *passages.page_blocks(report, tell)),
        slide("same", 60, passages.same_count_table(report, tell), passages.same_count_words(report, tell)),
        slide("ages", 60, passages.ages_block(report, tell)),
        slide("minutely", 75, *proofs.minutely_blocks(report, tell)),
        slide("why", 60, passages.why_streaming(report, tell)),
        slide("game_day", 75, *proofs.game_day_blocks(report, tell)),
        slide("runs", 45, *proofs.runs_blocks(report, tell)),
        slide("audit", 60, passages.audit_words(report, tell), passages.audit_code(report, tell)),
        slide("plan", 0, *passages.plan(report, tell)),
    )


def _cover(report: Report, tell: Wording) -> tuple[str, ...]:
    facts = report.facts
    versions = ", ".join(f"{each.name} {each.version}" for each in facts.versions if each.version)
    memory = tell.number(facts.machine.memory_gib, 1)
    return (
        *cover_lines(report, tell),
        f"{tell('cover_run', stack=facts.stack, day=tell.day(report.made))}. {tell('cover_every')}",
        versions,
        tell("cover_machine", system=facts.machine.system, cores=tell.number(facts.machine.cores), memory=memory),
    )


def _question(report: Report, tell: Wording) -> Lines:
    totals, facts = report.measured.totals, report.facts
    window = tell.number(facts.window_seconds)
    now = tell("now_minute") if facts.window_seconds == MINUTE_SECONDS else tell("now_window", seconds=window)
    return Lines(
        (
            tell("question_what", now=now),
            tell(
                "question_in",
                rate=tell.number(totals.tweets_per_second, 2),
                tweets=tell.number(totals.tweets),
                seconds=tell.seconds(totals.seconds),
                hashtags=tell.number(totals.hashtags),
            ),
            tell("question_out", window=window, trigger=tell.seconds(facts.trigger_seconds), windows=tell.number(totals.windows)),
            tell("question_condition"),
        )
    )
