"""Replay a file: tweets that were recorded elsewhere, at their own pace or faster, counted like all others."""

from __future__ import annotations

import tempfile
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.forms.producing import FileReplayForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from infra.operations.epochs import known_topic_id
from infra.producers.replaying import replay, require_room, require_times, span, tell_what_comes_beside
from trending.errors import InvalidInput
from trending.replay.files import RecordedFile
from trending.replay.items import Pace, Times, compressed, original
from trending.replay.posts import Columns, Post
from trending.replay.sorting import Sorted
from trending.replay.survey import Survey, survey
from trending.replay.times import MICROSECONDS, written
from trending.text import for_make, printable

if TYPE_CHECKING:
    from collections.abc import Iterator

EXAMPLE = "make replay FILE=tweets.jsonl SPEED=10"


def main(settings: FileReplayForm) -> None:
    """Look the file through, say what is in it, and send it; raises InvalidInput where it has nothing to send."""
    file = file_of(settings)
    lab = open_lab(settings.name)
    require_times(lab, settings.times, settings.file)
    topic_id = known_topic_id(lab)
    say(f"reading {settings.file}")
    found = survey(file.posts(), lambda posts: say(f"read {posts} posts"))
    for line in lines_of(found):
        say(line)
    if not found.posts:
        cause = f"{settings.file} has no post that could be replayed"
        evidence = line_of(found, 0) if found.bad else "it has no rows"
        raise InvalidInput(cause, evidence, f"make replay FILE={for_make(settings.file)} COLUMNS=time=…,text=…")
    pace = Pace(found.first, Fraction(str(settings.speed)))
    seconds = lab.settings.stream.window_seconds
    takes = pace.after(found.last)
    say(f"at {settings.speed:g} times its pace it takes {span(takes)}; {seconds} s hold {_held(pace, seconds)} of it")
    require_room(lab, found.posts - found.untagged)
    tell_what_comes_beside(lab)
    with tempfile.TemporaryDirectory(prefix="trending-sorting-") as directory:
        make = original if settings.times is Times.ORIGINAL else compressed
        rate = found.posts * MICROSECONDS / max(takes, MICROSECONDS)
        replay(lab, topic_id, make(_in_order(file, found, Path(directory)), pace), rate, found.posts)
    if found.fields:
        say(f"left out {_no_posts(sum(found.fields.values()))}: {_by_field(found)}")
    say("make audit proves the count")


def file_of(settings: FileReplayForm) -> RecordedFile:
    """Return the file that is asked for; raises InvalidInput where there is none."""
    if not settings.file:
        cause = "FILE is missing: which file is to be replayed?"
        raise InvalidInput(cause, "JSON lines, CSV or Parquet", EXAMPLE)
    path = Path(settings.file).expanduser()
    if not path.is_file():
        cause = f"there is no file {settings.file}"
        raise InvalidInput(cause, "it is a directory" if path.is_dir() else str(path.absolute()), EXAMPLE)
    return RecordedFile(path, Columns.parse(settings.columns))


def lines_of(found: Survey) -> list[str]:
    """Return what a file holds, as printed."""
    lines = [f"{line_of(found, place)}" for place in range(len(found.bad))]
    refused = sum(found.fields.values())
    if refused > len(found.bad):
        lines.append(f"and {refused - len(found.bad)} more rows that are no post")
    if found.posts:
        untagged = f", {found.untagged} of them without a hashtag, which is not ranked" if found.untagged else ""
        lines.append(f"{found.posts} posts from {written(found.first)} to {written(found.last)}{untagged}")
    if found.back:
        more = f" and {found.back - 1} more are" if found.back > 1 else " is"
        lines.append(f"row {found.back_at}{more} older than one before, by up to {span(found.step)}: sorted by time")
    return lines


def line_of(found: Survey, place: int) -> str:
    """Return what is wrong with a row."""
    bad = found.bad[place]
    return printable(f"row {bad.row}: {bad.field} {bad.why}" if bad.field else f"row {bad.row} {bad.why}")


def _no_posts(rows: int) -> str:
    return "1 row that is no post" if rows == 1 else f"{rows} rows that are no post"


def _by_field(found: Survey) -> str:
    return ", ".join(f"{printable(name) or 'the whole row'} {number}" for name, number in found.fields.most_common(10))


def _held(pace: Pace, seconds: int) -> str:
    return span(int(seconds * MICROSECONDS * pace.speed))


def _in_order(file: RecordedFile, found: Survey, directory: Path) -> Iterator[Post]:
    posts = (row for row in file.posts() if isinstance(row, Post))
    if not found.back:
        return posts
    in_order = Sorted(directory)
    in_order.take(posts)  # here and not in the producer's thread: a signal ends it at once
    return in_order.posts()


if __name__ == "__main__":
    run_command(FileReplayForm, main, ".venv/bin/python -m infra.producers.replay_file")
