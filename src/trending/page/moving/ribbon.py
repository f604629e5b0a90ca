"""The time ribbon: the last windows on an axis, now, the watermark behind it, and what was refused."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from trending.page.moving.clock import clock
from trending.page.window import FINAL_AFTER, WindowStage, stage_at
from trending.settings import WindowTime
from trending.text import local_time, printable
from trending.tweets.rule import Reason

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from zoneinfo import ZoneInfo

    from trending.programs.refused import Refused
    from trending.serving.ranking_query import Window
    from trending.settings import Rule

Section = dict[str, Any]
FINAL_WINDOWS = 2
"""Windows that are shown behind those that can still grow."""
MOST_LABELS = 7
SHOWN_REFUSED = 5
_CODES = {reason.value: f"reason_{reason.name.lower()}" for reason in Reason}


class Moment(NamedTuple):
    """Where the stream is: up to when it has read every partition, and its watermark; 0 where that is not known."""

    now: float
    read_until: float
    watermark: float


def ribbon_section(
    windows: Mapping[int, Window],
    rule: Rule,
    moment: Moment,
    refused: Sequence[Refused],
    reasons: Mapping[str, int],
    zone: ZoneInfo | None,
) -> Section:
    """Return the windows by a rule up to the present one, with places in percent of the axis.

    By original times it is the windows up to the latest that has tweets, years ago mostly: then now has no place there.
    """
    seconds = rule.window_seconds
    newest = max(windows, default=None) if rule.window_time is WindowTime.ORIGINAL else None
    end = (math.floor(moment.now / seconds) * seconds if newest is None else newest) + seconds
    begin = end - (FINAL_WINDOWS + 1 + math.ceil(FINAL_AFTER / seconds)) * seconds
    starts = range(begin, end, seconds)
    present = starts[-1] if newest is None else None
    each = math.ceil(len(starts) / MOST_LABELS)
    shown = 16 if seconds % 60 == 0 else 19

    def place(at: float) -> float | None:
        return round(100 * (at - begin) / (end - begin), 2) if begin <= at <= end else None

    return {
        "windows": [
            {
                "start": start,
                "x": place(start),
                "width": round(100 / len(starts), 2),
                "label": local_time(start, zone)[11:shown] if number % each == 0 else "",
                "from": local_time(start, zone)[11:shown],
                "stage": WindowStage.OPEN if start == present else stage_at(start + seconds, rule, moment.read_until, moment.now),
                "tweets": windows[start].tweets if start in windows else 0,
            }
            for number, start in enumerate(starts)
        ],
        "now": place(moment.now),
        "now_at": local_time(moment.now, zone)[11:],
        "watermark": place(moment.watermark),
        "watermark_at": clock(moment.watermark, moment.now, zone),
        "refused": [_shown(one, place, seconds, moment.now, zone) for one in list(reversed(refused))[:SHOWN_REFUSED]],
        "reasons": _reasons(reasons.items()),
    }


def code_of(reason: str) -> str:
    """Return the name of the page's words for a reason; empty for one that it does not know, which is shown as it is."""
    return _CODES.get(reason, "")


def _reasons(reasons: Iterable[tuple[str, int]]) -> list[Section]:
    ordered = sorted(reasons, key=lambda item: (-item[1], item[0]))
    return [{"code": code_of(reason), "reason": printable(reason), "records": records} for reason, records in ordered]


def _shown(one: Refused, place: Any, seconds: int, now: float, zone: ZoneInfo | None) -> Section:  # noqa: ANN401 - a function
    late = one.reason == Reason.LATE and one.timestamp is not None
    start = math.floor((one.timestamp or 0.0) / seconds) * seconds if late else None
    return {
        "id": f"{one.partition}-{one.offset}",
        "code": code_of(one.reason),
        "reason": printable(one.reason),
        "shown": printable(one.hashtag),
        "user": printable(one.user),
        "partition": one.partition,
        "offset": one.offset,
        "said": clock(one.timestamp, now, zone) if one.timestamp and 0 < one.timestamp < 2 * now else "",
        "appended": clock(one.append_time, now, zone),
        "x": None if start is None else place(start + seconds / 2),
    }
