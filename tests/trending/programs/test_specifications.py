from __future__ import annotations

import json
from pathlib import Path

import pytest
from pydantic import ValidationError

from trending.errors import InvalidInput
from trending.programs.specifications import ProducerSpec, ProgramSpec, StreamSpec
from trending.settings import ProducerSettings, StreamSettings, WindowTime

PRODUCER = ProducerSpec(
    bootstrap="localhost:9092",
    topic="tweets",
    heartbeat=Path("/data/año nuevo/producer.json"),
    settings=ProducerSettings(rate=2.5, seed=7),
    topic_id="topic-1",
    ledger=Path("/data/ledger.sqlite"),
)
STREAM = StreamSpec(
    bootstrap="localhost:9092,localhost:9093",
    topic="tweets",
    heartbeat=Path("/data/stream.json"),
    settings=StreamSettings(window_time=WindowTime.EVENT, shuffle_partitions=3),
    store=Path("/data/serving.sqlite"),
    checkpoint=Path("/data/checkpoints/1"),
    checkpoint_id="1",
    topic_id="Zm9v",
    start_offsets={0: 7, 11: 0},
    jars=(Path("/jars/a.jar"), Path("/jars/b.jar")),
    dead_letters="tweets.dlq",
    group="trending-stream",
)


@pytest.mark.parametrize("spec", [PRODUCER, STREAM], ids=["producer", "stream"])
def test_a_program_reads_what_start_up_wrote(tmp_path: Path, spec: ProgramSpec) -> None:
    path = tmp_path / "program.json"
    path.write_text(spec.model_dump_json(), encoding="utf-8")
    assert type(spec).load(path) == spec


def test_the_start_offsets_are_numbers_by_partition_number(tmp_path: Path) -> None:
    path = tmp_path / "stream.json"
    path.write_text(STREAM.model_dump_json(), encoding="utf-8")
    assert StreamSpec.load(path).start_offsets == {0: 7, 11: 0}


def broken(**changes: object) -> str:
    fields = json.loads(PRODUCER.model_dump_json()) | changes
    return json.dumps({name: value for name, value in fields.items() if value is not None})


@pytest.mark.parametrize(
    "content",
    [
        "",
        "{",
        "[]",
        broken(topic=None),
        broken(topic=1),
        broken(unknown=1),
        broken(settings={"rate": 0}),
        broken(settings={"rat": 1}),
    ],
)
def test_a_specification_that_cannot_be_used_is_refused_with_its_path(tmp_path: Path, content: str) -> None:
    path = tmp_path / "program.json"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput) as caught:
        ProducerSpec.load(path)
    assert str(path) in caught.value.cause
    assert caught.value.next_command == "make up"


def test_a_specification_that_is_not_there_is_refused_with_its_path(tmp_path: Path) -> None:
    for path in (tmp_path / "none.json", tmp_path):
        with pytest.raises(InvalidInput, match=str(path)):
            StreamSpec.load(path)


def test_a_specification_cannot_change_afterwards() -> None:
    with pytest.raises(ValidationError):
        PRODUCER.topic = "other"
    assert PRODUCER.topic == "tweets"
