"""Tweets on their way: a few of the producer's by their hashtag, and those that somebody has typed by hand, whole."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from trending.page.moving.clock import clock
from trending.page.moving.ribbon import code_of
from trending.text import printable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from zoneinfo import ZoneInfo

    from trending.page.moving.ledger_totals import ByHand, Ledgers
    from trending.page.moving.store_totals import Totals

Section = dict[str, Any]
MOST = 6
EACH_SECONDS = 1.0
SHOWN_SECONDS = 3.0
"""A tweet that is counted stays so long at the end of its way."""
BY_HAND_SECONDS = 600.0
SHOWN_TEXT = 140


class _Sample(msgspec.Struct):
    number: int
    hashtag: str
    seen_at: float
    ends: Mapping[int, int]
    counted_at: float | None = None


class Samples:
    """Follows tweets from the ledger to the store by their offsets.

    The ledger tells which hashtags were acknowledged since the last look, and how far the partitions have come by then. Such a
    tweet lies before those offsets, so it is counted once the store has come to them.
    """

    def __init__(self) -> None:
        self._before: Mapping[str, int] | None = None
        self._samples: list[_Sample] = []
        self._number = 0
        self._sampled_at = 0.0
        self._refused: dict[str, str] = {}

    def look(self, ledgers: Ledgers | None, totals: Totals | None, now: float) -> list[Section]:
        """Return the sampled tweets, the oldest first."""
        if ledgers is not None and totals is not None:
            self._take(ledgers, now)
            for each in self._samples:
                if each.counted_at is None and all(totals.ends.get(part, 0) >= end for part, end in each.ends.items()):
                    each.counted_at = now
        self._samples = [each for each in self._samples if each.counted_at is None or now - each.counted_at < SHOWN_SECONDS]
        return [
            {
                "id": each.number,
                "tag": each.hashtag,
                "shown": printable(each.hashtag),
                "stage": "kafka" if each.counted_at is None else "store",
            }
            for each in self._samples
        ]

    def _take(self, ledgers: Ledgers, now: float) -> None:
        if not 0 <= now - self._sampled_at < EACH_SECONDS:
            grown = [tag for tag, tweets in ledgers.latest.items() if tweets > (self._before or {}).get(tag, 0)]
            if grown and self._before is not None and len(self._samples) < MOST:
                self._number += 1
                tag = grown[self._number % len(grown)]
                self._samples.append(_Sample(self._number, tag, now, ledgers.ends))
            self._before, self._sampled_at = ledgers.latest, now

    def by_hand(
        self,
        ledgers: Ledgers | None,
        totals: Totals | None,
        reason_of: Callable[[int, int], str],
        now: float,
        zone: ZoneInfo | None,
    ) -> list[Section]:
        """Return the tweets typed by hand of the last minutes; ``reason_of`` tells why a record was refused, or nothing."""
        found = ledgers.by_hand if ledgers else ()
        return [self._typed(one, totals, reason_of, now, zone) for one in found if 0 <= now - one.sent_at < BY_HAND_SECONDS]

    def _typed(
        self, one: ByHand, totals: Totals | None, reason_of: Callable[[int, int], str], now: float, zone: ZoneInfo | None
    ) -> Section:
        stage, reason = "sent", ""
        if one.partition is not None and one.offset is not None:
            stage = "kafka"
            if totals is not None and totals.ends.get(one.partition, 0) > one.offset:
                if one.run not in self._refused:
                    self._refused[one.run] = reason_of(one.partition, one.offset)
                reason = self._refused[one.run]
                stage = "refused" if reason else "store"
        return {
            "id": one.run,
            "text": printable(one.text[:SHOWN_TEXT]),
            "tag": one.hashtag,
            "shown": printable(one.hashtag),
            "sent": clock(one.sent_at, now, zone),
            "partition": one.partition,
            "offset": one.offset,
            "stage": stage,
            "code": code_of(reason),
            "reason": printable(reason),
        }
