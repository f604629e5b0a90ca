from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from fakes.stacks import make

from infra.commands.simulator import verify
from infra.forms.proving import VerifyForm
from trending.errors import AuditFailed, InvalidInput
from trending.kafka.log_reader import Record
from trending.settings import ProducerSettings
from trending.simulator.draws import BLOCK
from trending.simulator.loading import load_scenario
from trending.simulator.records import Encoder, Records
from trending.tweets.record_id import record_keys

if TYPE_CHECKING:
    from pathlib import Path

BEGIN = 1_765_845_060_000
RUN = "0123456789ab"
COUNT = 300
SCENARIO = f"version: 1\nseed: 5\nrate: {{base: 10}}\nhashtags: {{named: {{'#a': 1}}}}\nlimit: {{tweets: {COUNT}}}\n"


@pytest.fixture
def path(tmp_path: Path) -> str:
    path = tmp_path / "mine.yaml"
    path.write_text(SCENARIO, encoding="utf-8")
    return str(path)


@pytest.fixture
def log(path: str, monkeypatch: pytest.MonkeyPatch) -> list[Record]:
    """What the topic has: the scenario, until a test changes it."""
    records = Records(load_scenario(path))
    values = Encoder(records).values(records.block(0), 0, COUNT, np.full(COUNT, BEGIN))
    keys = record_keys(RUN, range(COUNT))
    assert COUNT < BLOCK
    found = [Record(0, place, BEGIN / 1000, values[place], {}, keys[place]) for place in range(COUNT)]

    def read(_connection: object, topic: str, start: dict[int, int], end: dict[int, int]) -> list[Record]:
        assert (topic, start, end) == ("tweets_topic", {0: 0}, {0: len(found)})
        return found

    monkeypatch.setattr(verify, "log_ends", lambda _connection, _topic: {0: (0, len(found))})
    monkeypatch.setattr(verify, "read_log", read)
    return found


@pytest.mark.usefixtures("world")
def test_a_topic_that_is_the_scenario_is_said_to_be(log: list[Record], path: str, said: list[str]) -> None:
    make(producer=ProducerSettings(scenario=path))
    log.append(Record(0, COUNT, 1.0, b"{}", {}, b"orders:17"))
    verify.main(VerifyForm(name="lab"))
    assert said[0].startswith(f"scenario {path}: seed 5, content ")
    assert said[1].startswith(f"run {RUN}: {COUNT} records, {COUNT} of them the scenario's, begun ")
    assert said[2:] == ["1 records without an id of ours", f"tweets_topic is the scenario {path}: run {RUN}"]


@pytest.mark.usefixtures("world")
def test_what_keeps_it_from_being_the_scenario_is_listed(log: list[Record], path: str, said: list[str]) -> None:
    make()
    del log[-3:], log[10]
    log[7] = Record(0, 7, 1.0, log[8].value, {}, log[7].key)
    log.append(log[0])
    with pytest.raises(AuditFailed, match="is not the scenario") as caught:
        verify.main(VerifyForm(name="lab", scenario=path))
    assert caught.value.evidence == "1 runs, none of them whole"
    assert said[2:] == [
        "  record 7 differs: partition 0, offset 7",
        "  1 records before the last one are not there",
        "  1 are there twice",
        f"  it ends with record {COUNT - 4}, and the scenario has {COUNT} records",
        "  if its rate or trends were changed while it was sent, only the ledger of the stack that did it knows how",
    ]


@pytest.mark.usefixtures("world")
def test_another_seed_is_another_scenario_and_can_be_given(log: list[Record], path: str, said: list[str]) -> None:
    make()
    assert len(log) == COUNT
    with pytest.raises(AuditFailed):
        verify.main(VerifyForm(name="lab", scenario=path, seed=6))
    assert f"  and {COUNT - 5 - int(said[1].split(', ')[1].split()[0])} more differ" in said


@pytest.mark.usefixtures("world", "log")
def test_without_a_scenario_or_records_it_says_what_is_missing(log: list[Record], path: str) -> None:
    make()
    with pytest.raises(InvalidInput, match="SCENARIO is missing"):
        verify.main(VerifyForm(name="lab"))
    log.clear()
    with pytest.raises(AuditFailed) as caught:
        verify.main(VerifyForm(name="lab", scenario=path))
    assert caught.value.evidence == "it has no record with an id of ours"
