from __future__ import annotations

import time
from pathlib import Path

import pytest
from fakes.trending.sources.scenarios import scenario

from trending.errors import InvalidInput
from trending.postgresql.place import PostgresLedger, PostgresPlace
from trending.producer.sources.choice import source_of
from trending.programs.specifications import ProducerSpec
from trending.settings import ProducerSettings

SHARED = PostgresLedger(place=PostgresPlace(url="postgresql+psycopg://u@localhost/d", stack="lab", owner="o"), producer="two")


@pytest.mark.parametrize(
    ("settings", "content"),
    [(ProducerSettings(scenario="classroom"), ""), (ProducerSettings(), scenario().model_dump_json(by_alias=True))],
    ids=["by its name", "by its content"],
)
def test_a_producer_that_shares_its_ledger_plays_no_scenario_and_says_so(settings: ProducerSettings, content: str) -> None:
    spec = ProducerSpec(
        bootstrap="localhost:9092",
        topic="tweets",
        heartbeat=Path("producer.json"),
        settings=settings,
        topic_id="topic-1",
        ledger=SHARED,
        scenario=content,
    )
    with pytest.raises(InvalidInput, match="a scenario is played by the stack's own producer"):
        source_of(spec, time.monotonic)
