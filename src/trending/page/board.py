"""What the page shows at one moment, as plain sections. The first paint and every later update use the same ones."""

from __future__ import annotations

import logging
import math
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError

from trending.opened_store import place_number
from trending.page.moving.lately import Lately
from trending.page.moving.pace import Pace, Tally, seed
from trending.page.moving.palette import Palette
from trending.page.moving.proof import ProofStrip
from trending.page.moving.ribbon import Moment, ribbon_section
from trending.page.moving.samples import Samples
from trending.page.moving.stages import Stages, Stored
from trending.page.sections import SPARK_WINDOWS, history_section, query_of, ranking_section, slide_section, trends_section
from trending.page.window import FINAL_AFTER, counted_until
from trending.programs.heartbeat import read_heartbeat
from trending.programs.refused import NAME as REFUSED
from trending.programs.refused import read_refused
from trending.serving.ranking_query import RankingQuery
from trending.serving.reader import GROWING_SECONDS, SHOWN_WINDOWS, TOP, StoreReader, StoreSnapshot
from trending.serving.trends import trends
from trending.settings import WindowTime

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from trending.programs.heartbeat import Heartbeat
    from trending.programs.specifications import PageSpec
    from trending.serving.ranking_query import Window
    from trending.serving.slide import Slide
    from trending.settings import Rule

logger = logging.getLogger("trending.page")

Sections = dict[str, Any]
LEADING = 8
_NOTHING = StoreSnapshot((), None, 0.0, 0)


class Board:
    """Reads store and heartbeats. Use it from one thread at a time; ``now`` is always in seconds since the epoch."""

    def __init__(self, spec: PageSpec) -> None:
        self._spec = spec
        self._reader: StoreReader | None = None
        self._inode = 0
        self._version = -1
        self._bytes = 0
        self._snapshot = _NOTHING
        self._windows: dict[int, Window] = {}
        self._earlier: tuple[Window, ...] = ()
        self._readable = False
        self._tally, self._pace = Tally(), Pace()
        self._stages = Stages(spec)
        self._proof = ProofStrip(spec)
        self._samples, self._lately, self._palette = Samples(), Lately(), Palette()
        self._read_until = 0.0
        self._stream: Heartbeat | None = None
        self._settled = 0.0
        """Windows that start before this were final when the store was last read."""

    @property
    def readable(self) -> bool:
        """Whether the last look could read the store."""
        return self._readable

    @property
    def snapshot(self) -> StoreSnapshot:
        """The store as of the last look; empty when it cannot be read."""
        return self._snapshot if self._readable else _NOTHING

    @property
    def store_bytes(self) -> int:
        """How many bytes the store took when it was last read."""
        return self._bytes

    @property
    def read_until(self) -> float:
        """When the stream last had every partition read to its end, seconds since the epoch; a recorded store was read whole."""
        return self._snapshot.at if self._spec.stream is None else self._read_until

    @property
    def acknowledged_to(self) -> Mapping[int, int]:
        """Partition → offset behind the last acknowledged record, by all ledgers; empty while they cannot be read."""
        found = self._proof.ledgers
        return found.acknowledged_to if found else {}

    def counted_until(self, window: Window) -> float | None:
        """Return the time before which everything in a window of the snapshot is counted, or None where that is not known."""
        return counted_until(window, self._snapshot, self._stream, self.read_until)

    def look(self, now: float, viewers: int = 0) -> Sections:
        """Return every section as it is now. A store that cannot be read is shown as such and tried again at the next look."""
        stream = self._stream = _beat(self._spec.stream)
        if stream is not None:  # a new life of the driver has read nothing yet, and a clock that was set back has been ahead
            self._read_until = min(now, max(self._read_until, stream.figures.get("read_until", 0.0)))
        version = self._version
        try:
            self._follow_store(now)
        except (OperationalError, FileNotFoundError) as error:
            if self._readable:
                logger.warning("the serving store cannot be read: %s", error)
            self.close()
        return self._sections(stream, now, viewers, changed=self._version != version)

    def _sections(self, stream: Heartbeat | None, now: float, viewers: int, *, changed: bool) -> Sections:
        zone, rule, windows = self._spec.zone, self._snapshot.rule, self._ordered()
        if changed:
            self._palette.show(_leading(windows, self._snapshot.slide), now)
        hue = self._palette.hue
        proof = self._proof.look(self._reader, now, changed=changed)
        found, totals = self._proof.ledgers, self._proof.totals
        in_flight = found.behind if found else None
        stored = Stored(
            self._readable,
            self._snapshot.at,
            self._snapshot.rejects,
            len(self._windows),
            round(self._pace.velocity("", now), 1),
            in_flight,
        )
        pipeline = self._stages.look(stream, stored, now, viewers)
        pipeline.update({"samples": [], "by_hand": []})
        lately = self._lately.section
        if self._spec.stream is not None:
            pipeline["samples"] = [{**each, "hue": hue(each["tag"])} for each in self._samples.look(found, totals, now)]
            by_hand = self._samples.by_hand(found, totals, self._reason_of, now, zone)
            pipeline["by_hand"] = [{**each, "hue": hue(each["tag"])} for each in by_hand]
            lately = self._lately.look(pipeline, in_flight or 0, now, zone)
            pipeline["kafka"]["backlog_high"] = max(self._lately.highest_lag, in_flight or 0)
        moment = Moment(now if self._spec.stream else self._snapshot.at, self.read_until, self._watermark(stream))
        refused = read_refused(self._spec.stream.with_name(REFUSED)) if self._spec.stream else []
        return {
            "ranking": self._live_ranking(now, windows),
            "slide": slide_section(self._snapshot.slide, rule, self.read_until, now, zone, hue),
            "trends": trends_section(windows, rule.window_seconds, now, zone, hue),
            "proof": proof,
            "ribbon": ribbon_section(self._windows, rule, moment, refused, self._snapshot.reasons, zone),
            "pipeline": pipeline,
            "lately": lately,
            "history": history_section(windows, zone, self._earlier),
        }

    def _reason_of(self, partition: int, offset: int) -> str:
        return self._reader.reason_of(partition, offset) if self._reader else ""

    def _watermark(self, stream: Heartbeat | None) -> float:
        return stream.figures.get("watermark", 0.0) if stream else 0.0

    def past_ranking(self, start: int, now: float, rule: Rule | None = None) -> Sections | None:
        """Return the ranking section of an earlier window, or None if nothing was counted in it. Safe in any thread.

        The window is one of the present rule unless another one is named.
        """
        reader = StoreReader(self._spec.store)
        try:
            found = reader.with_history(RankingQuery(start, limit=TOP, rule=rule))
            if found is None:
                return None
            window, history = found
            earlier = reader.windows(start - (SPARK_WINDOWS - 1) * window.seconds, start, window.rule)
        except OperationalError:
            return None
        finally:
            reader.close()
        moves = trends(window, history, self.counted_until(window))
        section = ranking_section(window, moves, self.read_until, now, self._spec, self._palette.hue, earlier)
        return section if rule is None else {**section, "query": query_of(window)}

    def close(self) -> None:
        """Close the store."""
        if self._reader is not None:
            self._reader.close()
        self._reader, self._readable, self._version = None, False, -1

    def _ordered(self) -> list[Window]:
        return [self._windows[start] for start in sorted(self._windows)]

    def _follow_store(self, now: float) -> None:
        inode = place_number(self._spec.store)
        if self._reader is None or inode != self._inode:
            self.close()
            self._reader, self._inode = StoreReader(self._spec.store), inode
        version = self._reader.version()
        if version == self._version:
            return
        if (self._reader.latest(now) or 0) < max(self._windows, default=0):
            self._version = -1  # `make rebuild` counts anew: what was read before is not there any more
        if self._version != -1:
            before, self._snapshot = self._snapshot.rule, self._reader.snapshot(self._unsettled(), now)
            if self._snapshot.rule != before:
                self._version = -1  # windows of another length, or by another clock
        if self._version == -1:
            self._windows.clear()
            self._tally, self._pace = Tally(), Pace()
            self._snapshot = self._reader.snapshot(as_of=now)
            self._earlier = self._reader.earlier(now)  # nobody counts by these rules any more
            seed(self._pace, self._tally, self._snapshot.windows, self._snapshot.at)
        else:
            self._pace.add(self._snapshot.at, self._tally.add(self._snapshot.windows))
        self._windows.update((window.start, window) for window in self._snapshot.windows)
        for start in sorted(self._windows)[:-SHOWN_WINDOWS]:
            del self._windows[start]
        self._version, self._readable, self._bytes = version, True, self._reader.size()
        self._settled = max(0.0, self._read_until - FINAL_AFTER - self._snapshot.rule.window_seconds)

    def _unsettled(self) -> int | None:
        """Return the first window that may have changed since it was read, or None for all of them."""
        newest = max(self._windows, default=None)
        if self._snapshot.rule.window_time is WindowTime.ORIGINAL:
            return None  # any of them may have grown
        if newest is None or (self._spec.stream is not None and not self._settled):
            return None
        seconds = self._snapshot.rule.window_seconds
        since = newest - math.ceil(GROWING_SECONDS / seconds) * seconds
        return since if self._spec.stream is None else min(since, math.floor(self._settled))

    def _live_ranking(self, now: float, windows: list[Window]) -> Sections:
        if not windows:
            nothing = ranking_section(None, {}, 0.0, now, self._spec, self._palette.hue)
            return {**nothing, "seconds": self._snapshot.rule.window_seconds}
        window = windows[-1]
        moves = trends(window, self._snapshot.history, self.counted_until(window))
        return ranking_section(window, moves, self.read_until, now, self._spec, self._palette.hue, windows, self._pace)


def _leading(windows: list[Window], slide: Slide | None) -> list[str]:
    """Return the hashtags that shall have a colour, the leading ones of the last windows and of the latest in turns."""
    latest = [tag for tag, _tweets in windows[-1].ranked[:LEADING]] if windows else []
    sums = [line.hashtag for line in slide.ranked[:LEADING]] if slide else []
    return [tag for pair in zip_longest(sums, latest) for tag in pair if tag is not None]


def _beat(path: Path | None) -> Heartbeat | None:
    return read_heartbeat(path) if path else None
