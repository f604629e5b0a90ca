"""In which ways the same scenario is played and counted, and what all of them have to agree about."""

from __future__ import annotations

import json
from dataclasses import dataclass
from itertools import combinations, product
from typing import TYPE_CHECKING, Any

from trending.settings import Rule, WindowTime
from trending.simulator.live.changes import RateChange, TrendChange
from trending.simulator.scenario import Scenario

if TYPE_CHECKING:
    from collections.abc import Iterable
    from random import Random

RULE = Rule(WindowTime.EVENT)
LEVELS: dict[str, tuple[Any, ...]] = {
    "trigger": (0.0, 1.0, 5.0),
    "partitions": (1, 2, 4),
    "shuffle": (1, 3),
    "changed": (False, True),
    "killed": (False, True),
    "producers": (1, 3),
}
MOST = 8


@dataclass(frozen=True, slots=True)
class Combination:
    """A log, and how a stream and a batch count it.

    ``trigger`` is in seconds, ``shuffle`` the number of Spark's shuffle partitions. ``changed``: rate and trend, while it is
    played. ``killed``: a producer, whose next life goes on; the second of several, which share the partitions.
    """

    trigger: float
    partitions: int
    shuffle: int
    changed: bool
    killed: bool
    producers: int

    @property
    def possible(self) -> bool:
        """Whether each producer has a partition."""
        return self.producers <= self.partitions

    def __str__(self) -> str:
        played = " and ".join(name for name in ("changed", "killed") if getattr(self, name)) or "plain"
        by = f"{self.producers} producers" if self.producers > 1 else "one producer"
        return f"trigger {self.trigger:g} s, partitions {self.partitions}, shuffle {self.shuffle}, {by}, {played}"


TABLE = (
    Combination(trigger=0.0, partitions=1, shuffle=1, changed=False, killed=False, producers=1),
    Combination(trigger=0.0, partitions=4, shuffle=3, changed=True, killed=True, producers=3),
    Combination(trigger=1.0, partitions=2, shuffle=1, changed=True, killed=True, producers=1),
    Combination(trigger=1.0, partitions=4, shuffle=3, changed=False, killed=False, producers=3),
    Combination(trigger=5.0, partitions=1, shuffle=3, changed=True, killed=True, producers=1),
    Combination(trigger=5.0, partitions=2, shuffle=3, changed=False, killed=False, producers=1),
    Combination(trigger=5.0, partitions=4, shuffle=1, changed=False, killed=True, producers=3),
    Combination(trigger=5.0, partitions=4, shuffle=3, changed=True, killed=False, producers=1),
)
LEFT_OUT = {
    (("trigger", 0.0), ("partitions", 2)),
    (("trigger", 1.0), ("partitions", 1)),
}
"""Three triggers and three numbers of partitions make nine pairs; three producers take three of the eight rows for theirs."""

Pair = tuple[tuple[str, Any], tuple[str, Any]]


def pairs_of(rows: Iterable[Combination]) -> set[Pair]:
    """Return every pair of levels that is in a row."""
    return {each for row in rows for each in combinations(((name, getattr(row, name)) for name in LEVELS), 2)}


def every_pair() -> set[Pair]:
    """Return all pairs of levels that there can be."""
    every = (Combination(*levels) for levels in product(*LEVELS.values()))
    return pairs_of(each for each in every if each.possible)


@dataclass(frozen=True, slots=True)
class Piece:
    """What is played: a scenario, what is asked of the producer meanwhile, and before which record it is killed.

    ``asked`` are seconds from the scenario's start, with what is asked for then. ``killed_at`` is divided among the partitions.
    """

    scenario: Scenario
    asked: tuple[tuple[float, RateChange | TrendChange], ...]
    killed_at: int


def scenario(seed: int, seconds: int = 290, rate: float = 40, **more: Any) -> Scenario:
    """Return a scenario with mischief of every kind whose fate is certain."""
    given: dict[str, Any] = {
        "version": 1,
        "title": "The same, however it is sent and counted",
        "seed": seed,
        "window_time": "event",
        "limit": {"seconds": seconds},
        "rate": {"base": rate, "arrivals": "poisson", "bursts": [{"at": 130, "for": 20, "times": 3}]},
        "hashtags": {"zipf": {"count": 60}, "named": {"#Spark": 0.5, "#España": 0.4}},
        "trends": [{"hashtag": "#Gol", "at": 70, "rise": 10, "hold": 40, "fade": 60, "peak": 0.4}],
        "tweets": {"hashtags": {"0": 0.02, "1": 0.78, "2": 0.2}},
        "mischief": {
            "late": {"share": 0.02, "seconds": [130, 300]},
            "out_of_order": {"share": 0.1, "seconds": 20},
            "corrupt": 0.01,
            "duplicated": 0.01,
            "future": 0.005,
        },
    }
    return Scenario.model_validate_json(json.dumps(given | more))


PIECE = Piece(
    scenario(7),
    (
        (60.0, RateChange.model_validate({"rate": 90, "for": 30})),
        (100.0, TrendChange(hashtag="#Nuevo", rise=5, hold=40, peak=0.3)),
        (200.0, RateChange(rate=25)),
    ),
    4_321,
)


def drawn_piece(random: Random) -> Piece:
    """Return another scenario, with other changes and another death."""
    seconds, rate = random.randrange(130, 360), random.uniform(10, 80)
    shares = {name: random.choice((0.0, random.uniform(0, 0.1))) for name in ("corrupt", "duplicated", "future")}
    mischief: dict[str, Any] = {
        **shares,
        "late": {"share": random.uniform(0, 0.1), "seconds": [130, random.randrange(131, 600)]},
        "out_of_order": {"share": random.uniform(0, 0.3), "seconds": random.randrange(1, 51)},
    }
    played = scenario(
        random.randrange(2**32),
        seconds,
        rate,
        mischief=mischief,
        hashtags={"zipf": {"count": random.choice((1, 5, 60, 2_000)), "exponent": random.uniform(0, 2)}},
    )
    moments = sorted(random.sample(range(5, seconds - 5), random.randrange(1, 6)))
    asked = tuple((float(moment), _drawn_change(random, place)) for place, moment in enumerate(moments))
    return Piece(played, asked, random.randrange(1, int(seconds * rate * 0.6)))


def _drawn_change(random: Random, place: int) -> RateChange | TrendChange:
    seconds = random.randrange(1, 90)
    if random.random() < 0.5:  # trends of at most a tenth of the tweets each: together with #Gol there is room for five
        return TrendChange(hashtag=f"#Nuevo{place}", rise=random.randrange(10), hold=seconds, peak=random.uniform(0.01, 0.1))
    return RateChange.model_validate({"rate": random.uniform(5, 150), "for": random.choice((None, seconds))})


def drawn_rows(random: Random, number: int) -> list[Combination]:
    """Return so many combinations."""
    every = [each for levels in product(*LEVELS.values()) if (each := Combination(*levels)).possible]
    return random.choices(every, k=number)
