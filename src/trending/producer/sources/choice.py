"""Which source a producer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.errors import InvalidInput
from trending.postgresql.place import PostgresLedger
from trending.producer.sources.random_tweets import RandomTweets

if TYPE_CHECKING:
    from collections.abc import Callable

    from trending.producer.sources.source import Source
    from trending.programs.specifications import ProducerSpec


def require_no_scenario(producer: str, scenario: str | None) -> None:
    """Raise InvalidInput for a scenario of a producer whose ledger others share."""
    if scenario:
        cause = "a scenario is played by the stack's own producer, and this one's ledger is one of several"
        raise InvalidInput(cause, f"producer {producer}", "leave out scenario here, and make up SCENARIO=... there")


def source_of(spec: ProducerSpec, monotonic: Callable[[], float]) -> tuple[Source, int]:
    """Return where the records come from, and up to which number they are reserved already.

    Raises InvalidInput for a scenario of a producer whose ledger others share.
    """
    if isinstance(spec.ledger, PostgresLedger):
        require_no_scenario(spec.ledger.producer, spec.scenario or spec.settings.scenario)
    if not spec.scenario:
        return RandomTweets(spec, monotonic), 0
    # NumPy takes 0.2 s to import, and only scenarios need it.
    from trending.producer.sources.play import Play  # noqa: PLC0415

    play = Play(spec, monotonic)
    return play, play.reserved
