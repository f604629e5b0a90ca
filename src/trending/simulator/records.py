"""The records of a scenario, by number: drawn a block at a time, the same whoever draws them and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from trending.simulator.clock import Clock
from trending.simulator.draws import BLOCK, uniform
from trending.simulator.live.changes import TrendChange
from trending.simulator.mischief import CORRUPTIONS, Fate, Spoiler, sources
from trending.simulator.popularity import Popularity
from trending.tweets.fates import UNTAGGED as UNTAGGED_LABEL
from trending.tweets.fates import label_of_reject
from trending.tweets.templates import Templates

if TYPE_CHECKING:
    from collections.abc import Iterable

    from trending.simulator.draws import Integers
    from trending.simulator.live.changes import Change
    from trending.simulator.scenario import Scenario, Trend

_PAIRED = 50_000
"""So many pairs of a user and a phrase are joined beforehand, which saves each tweet a concatenation."""
UNTAGGED = -1
"""The hashtag's number of a tweet that has none."""


@dataclass(frozen=True)
class Block:
    """The records of one block. A copy has what its tweet has, but for ``due``.

    ``due`` are milliseconds from the start at which a record is sent, ``stamps`` those of its timestamp, ``sources`` the places
    of the tweets themselves, ``copies`` the places of copies. ``hashtags`` are places in the scenario's names or UNTAGGED,
    ``corruptions`` places in CORRUPTIONS or -1. ``tags`` are numbers of hashtags, ``writers`` those of user and phrase.
    """

    number: int
    due: Integers
    stamps: Integers
    sources: Integers
    fates: Integers
    hashtags: Integers
    corruptions: Integers
    copies: Integers
    tags: Integers
    writers: Integers

    @property
    def first(self) -> int:
        """The number of its first record."""
        return self.number * BLOCK


class _Phase(NamedTuple):
    """What is in force from a record on."""

    first: int
    clock: Clock
    popularity: Popularity

    def changed(self, change: Change, scale: float) -> _Phase:
        """Return what is in force behind a change; ``scale`` seconds of the scenario pass in one of the clock."""
        asked = change.asked
        if isinstance(asked, TrendChange):
            return _Phase(change.first, self.clock, self.popularity.with_trend(asked.trend(change.at, scale)))
        rate = None if asked.rate is None else asked.rate / scale
        seconds = None if asked.for_ is None else asked.for_ * scale
        return _Phase(change.first, self.clock.changed(change.first, change.at, rate, seconds), self.popularity)


class Records:
    """Makes the records of a scenario."""

    def __init__(self, scenario: Scenario, changes: Iterable[Change] = ()) -> None:
        """Make those of a scenario, with what has changed it in the order of the records that it applies to."""
        self.scenario = scenario
        self._phases = [_Phase(0, Clock(scenario), Popularity(scenario))]
        for change in changes:
            self._phases.append(self._phases[-1].changed(change, scenario.time_scale))
        self._spoiler = Spoiler(scenario.mischief)
        numbers = sorted(scenario.tweets.hashtags)
        self._numbers = np.array(numbers)
        self._number_sums = np.cumsum([scenario.tweets.hashtags[each] for each in numbers])
        self._number_sums[-1] = 1.0
        self._users, self._phrases = len(scenario.tweets.users), len(scenario.tweets.phrases)

    @property
    def clock(self) -> Clock:
        """The clock of the last change."""
        return self._phases[-1].clock

    @property
    def names(self) -> list[str]:
        """The hashtags; a block's numbers are places here."""
        return self._phases[-1].popularity.names

    @property
    def trends(self) -> list[Trend]:
        """All trends, also those that are over."""
        return self._phases[-1].popularity.trends

    @cached_property
    def count(self) -> int | None:
        """How many records the scenario has, or None where it never ends."""
        limit = self.scenario.limit
        if limit is None:
            return None
        by_time = self.clock.number_at(limit.seconds) if limit.seconds else limit.tweets
        return min(each for each in (limit.tweets, by_time) if each is not None)

    def block(self, number: int) -> Block:
        """Draw a block."""
        seed = self.scenario.seed
        phases = self._phases_of(number)
        times = np.concatenate([phase.clock.times(number)[part] for phase, part in phases])
        offsets = self.clock.offsets(times)
        due = np.round(offsets * 1000).astype(np.int64)
        own = np.arange(BLOCK)
        fates, behind, corruptions = np.zeros(BLOCK, np.int64), np.zeros(BLOCK), np.full(BLOCK, -1)
        if self._spoiler.spoils:
            detail = uniform(seed, number, "mischief in detail")
            fates, behind = self._spoiler.fates(uniform(seed, number, "mischief"), detail)
            own = sources(fates, detail, offsets)
            corrupt = fates == Fate.CORRUPT
            corruptions[corrupt] = (detail[corrupt] * len(CORRUPTIONS)).astype(np.int64)
        stamps = due - np.round(behind * 1000).astype(np.int64)
        tags = self._tags(seed, number)
        drawn = uniform(seed, number, "hashtags")
        hashtags = np.concatenate([phase.popularity.first(times[part], drawn[part]) for phase, part in phases])
        hashtags[tags == 0] = UNTAGGED
        writers = (uniform(seed, number, "texts") * (self._users * self._phrases)).astype(np.int64)
        columns = (stamps, fates, hashtags, corruptions, tags, writers)
        copies = np.flatnonzero(own != np.arange(BLOCK))
        if len(copies):
            stamps, fates, hashtags, corruptions, tags, writers = (each[own] for each in columns)
        return Block(number, due, stamps, own, fates, hashtags, corruptions, copies, tags, writers)

    def others(self, block: Block) -> list[Integers]:
        """Return the second hashtag of each of a block's records, the third and so on; one may come twice.

        Those beyond the number that a record has mean nothing.
        """
        seed, most = self.scenario.seed, int(self._numbers[-1])
        drawn = (uniform(seed, block.number, f"hashtag {each}") for each in range(2, most + 1))
        return [self._phases[0].popularity.everyday(each)[block.sources] for each in drawn]

    def time(self, number: int) -> float:
        """Return when a record is due, in seconds of the scenario."""
        phase = next(each for each in reversed(self._phases) if each.first <= number)
        return float(phase.clock.times(number // BLOCK)[number % BLOCK])

    def _phases_of(self, number: int) -> list[tuple[_Phase, slice]]:
        """Return what is in force within a block, with the places where it is."""
        if len(self._phases) == 1:
            return [(self._phases[0], slice(0, BLOCK))]
        first = number * BLOCK
        starts = [min(max(each.first - first, 0), BLOCK) for each in self._phases]
        return [
            (phase, slice(start, stop))
            for phase, start, stop in zip(self._phases, starts, [*starts[1:], BLOCK], strict=True)
            if start < stop
        ]

    def _tags(self, seed: int, number: int) -> Integers:
        if len(self._numbers) == 1:
            return np.full(BLOCK, self._numbers[0])
        drawn = np.searchsorted(self._number_sums, uniform(seed, number, "number of hashtags"), side="right")
        return self._numbers[np.minimum(drawn, len(self._numbers) - 1)]


class Encoder:
    """Puts a block's records on the wire."""

    def __init__(self, records: Records) -> None:
        self._records = records
        tweets = records.scenario.tweets
        self._templates = Templates(tweets.users, tweets.phrases, records.names)
        self._phrases = len(tweets.phrases)
        self._users = _objects([user.encode() for user in tweets.users])
        pieces = self._templates
        pairs = len(pieces.users) * len(pieces.phrases)
        self._pairs = (
            _objects([user + phrase for user in pieces.users for phrase in pieces.phrases]) if pairs <= _PAIRED else None
        )
        # A number of -1 is the last place.
        self._hashtags = _objects([*pieces.hashtags.values(), pieces.untagged])
        self._labels = _objects([*records.names, UNTAGGED_LABEL])
        self._drawn: tuple[int, list[Integers]] | None = None

    def values(self, block: Block, start: int, stop: int, begins: Integers) -> list[bytes | None]:
        """Return the values of a block's records from place ``start`` to ``stop`` (exclusive).

        ``begins`` are the scenario's starts for each of these, in milliseconds since the epoch: shifts are in them.
        """
        return self.values_at(block, np.arange(start, stop), begins)

    def values_at(self, block: Block, part: Integers, begins: Integers) -> list[bytes | None]:
        """Return the values of a block's records at some places, in the same way."""
        hashtags: list[bytes] = self._hashtags[block.hashtags[part]].tolist()
        several = np.flatnonzero(block.tags[part] > 1)
        if len(several):
            self._add_others(block, part, several, hashtags)
        stamps, places = np.unique(begins + block.stamps[part], return_inverse=True)
        ends: list[bytes] = _objects(self._templates.timestamps(stamps.tolist()))[places].tolist()
        values: list[bytes | None] = [
            head + hashtag + end for head, hashtag, end in zip(self._heads(block.writers[part]), hashtags, ends, strict=True)
        ]
        for place in np.flatnonzero(block.corruptions[part] >= 0).tolist():
            value = values[place]
            assert value is not None  # noqa: S101 - each place comes once
            values[place] = CORRUPTIONS[block.corruptions[part[place]]].spoil(value)
        return values

    def labels(self, block: Block, start: int, stop: int) -> list[str]:
        """Return what the ledger books each of these records as: its hashtag, or the fate of one that is none."""
        part = slice(start, stop)
        labels: list[str] = self._labels[block.hashtags[part]].tolist()
        for place in np.flatnonzero(block.corruptions[part] >= 0).tolist():
            labels[place] = label_of_reject(CORRUPTIONS[block.corruptions[start + place]].reason)
        return labels

    def keys(self, block: Block, start: int, stop: int) -> list[bytes | None]:
        """Return the keys of these records: the users who write them."""
        found: list[bytes | None] = self._users[block.writers[start:stop] // self._phrases].tolist()
        return found

    def _heads(self, writers: Integers) -> list[bytes]:
        if self._pairs is not None:
            heads: list[bytes] = self._pairs[writers].tolist()
            return heads
        users, phrases = self._templates.users, self._templates.phrases
        return [users[each // self._phrases] + phrases[each % self._phrases] for each in writers.tolist()]

    def _add_others(self, block: Block, part: Integers, several: Integers, hashtags: list[bytes]) -> None:
        """Replace the pieces of tweets with several hashtags."""
        names, here = self._records.names, part[several]
        columns = [each[here].tolist() for each in self._others_of(block)]
        wanted = zip(several.tolist(), block.hashtags[here].tolist(), block.tags[here].tolist(), *columns, strict=True)
        for place, first, tags, *others in wanted:
            hashtags[place] = self._templates.tagged(names[first], [names[each] for each in others[: tags - 1]])

    def _others_of(self, block: Block) -> list[Integers]:
        if self._drawn is None or self._drawn[0] != block.number:
            self._drawn = block.number, self._records.others(block)
        return self._drawn[1]


def _objects(pieces: list[bytes] | list[str]) -> np.ndarray:
    found = np.empty(len(pieces), object)
    found[:] = pieces
    return found
