"""How much work the rows do; ``make bench`` takes each as an option, so that a short run is possible, and every line tells it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    import argparse


@dataclass(frozen=True)
class Sizes:
    """The work of the rows that have a size."""

    tweets: int = 3_000_000
    """Rows 3 to 8, and row 13 by partitions and hashtags."""
    slow_share: int = 20
    """A peer that is slower by far does this part of the tweets: rates are compared."""
    audited: int = 10_000_000
    """Row 17; the smaller log that its memory is compared with has a tenth."""
    grown: int = 10_000_000
    """Row 13: the most tweets; the fewest are a thousandth."""
    hashtags: int = 1_000_000
    """Row 13: the most distinct hashtags."""
    seconds: int = 60
    """Rows 9 and 10: how long is looked."""

    @property
    def few(self) -> int:
        """The tweets of a slow peer."""
        return max(1, self.tweets // self.slow_share)

    @classmethod
    def add_options(cls, parser: argparse.ArgumentParser) -> None:
        """Add an option for each size."""
        for each in fields(cls):
            parser.add_argument(
                f"--{each.name.replace('_', '-')}", type=int, default=each.default, help=f"default {each.default:,}"
            )

    @classmethod
    def of(cls, options: argparse.Namespace) -> Self:
        """Return the sizes asked for; raises ValueError for one below 1."""
        given = {each.name: int(getattr(options, each.name)) for each in fields(cls)}
        small = [name for name, value in given.items() if value < 1]
        if small:
            message = f"{', '.join(small)} must be at least 1"
            raise ValueError(message)
        return cls(**given)
