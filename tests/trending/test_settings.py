from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest
from pydantic import ValidationError

from trending.settings import (
    LabSettings,
    PageSettings,
    ProducerSettings,
    ProfileName,
    Rule,
    RuntimeKind,
    Section,
    StackSettings,
    StreamSettings,
    WindowTime,
)

INFINITY = float("inf")
DIGEST = "@sha256:" + "0" * 64

BOUNDS: list[tuple[type[Section], str, list[Any], list[Any]]] = [
    (StackSettings, "port", [1024, 60000], [1023, 60001, "x"]),
    (StackSettings, "brokers", [1, 3], [0, 4]),
    (StackSettings, "heap_mb", [192, 8192], [191, 8193]),
    (StackSettings, "zookeeper_port", [1024, 65535], [1023, 65536]),
    (StackSettings, "partitions", [1, 64], [0, 65]),
    (StackSettings, "retention_hours", [1, 8760], [0, 8761]),
    (StackSettings, "retention_mb", [8, 1048576], [7, 1048577]),
    (StackSettings, "replication", [1], [0, 4]),
    (StackSettings, "name", ["a", "a" * 31, "lab-2"], ["", "a" * 32, "A", "2a", "-a", "a b", "a/b", "a\n"]),
    (StackSettings, "topic", ["t", "T.t_-9", "t" * 200], ["", "t" * 201, "a b", "ñ", "a/b", "t\n"]),
    (StackSettings, "runtime", ["auto", "embedded", "docker"], ["podman"]),
    (StackSettings, "profile", ["kraft", "zookeeper"], ["redpanda"]),
    (StackSettings, "kafka_image", [None, "apache/kafka:4.4.0", "localhost:5000/kafka:1", "apache/kafka" + DIGEST], []),
    (StackSettings, "kafka_image", [], ["apache/kafka", "apache/kafka:latest", "localhost:5000/kafka", "a b:1", "-v:1"]),
    (StackSettings, "zookeeper_image", ["confluentinc/cp-zookeeper:7.4.4"], ["confluentinc/cp-zookeeper:latest"]),
    (ProducerSettings, "rate", [0.001, 1_000_000], [0, -1, 1_000_001, INFINITY, float("nan")]),
    (ProducerSettings, "seed", [None, 0, 7], [-1, 0.5]),
    (StreamSettings, "window_time", ["arrival", "event"], ["now"]),
    (StreamSettings, "window_seconds", [5, 60, 3600], [4, 7, 61, 1801, 3601, 0, -60, 10.5, "a minute"]),
    (StreamSettings, "trigger_seconds", [0, 0.5, 60], [-0.1, 60.1, float("nan"), INFINITY]),
    (StreamSettings, "shuffle_partitions", [1, 200], [0, 201]),
    (StreamSettings, "ranking_days", [1, 3650], [0, 3651]),
    (StreamSettings, "ranking_hashtags", [100, 1_000_000], [99, 1_000_001]),
    (StreamSettings, "stage_records", [0, 1_000_000_000], [-1, 1_000_000_001]),
    (PageSettings, "page_port", [0, 1024, 65535], [-1, 1, 1023, 65536, "x"]),
    (StreamSettings, "driver_mb", [480, 16384], [479, 16385]),
    (StreamSettings, "time_zone", [None, "UTC", "Europe/Madrid"], ["Mars/Olympus", "../etc/passwd", "europe madrid"]),
]

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("section", "field", "value"), [(section, field, value) for section, field, good, _ in BOUNDS for value in good]
)
def test_a_value_within_its_bounds_is_taken_as_it_is(section: type[Section], field: str, value: object) -> None:
    assert getattr(section(**{field: value}), field) == value


@pytest.mark.parametrize(
    ("section", "field", "value"), [(section, field, value) for section, field, _, bad in BOUNDS for value in bad]
)
def test_a_value_out_of_its_bounds_is_refused_by_name(section: type[Section], field: str, value: object) -> None:
    with pytest.raises(ValidationError) as caught:
        section(**{field: value})
    assert [error["loc"] for error in caught.value.errors()] == [(field,)]


@pytest.mark.parametrize("section", [StackSettings, ProducerSettings, StreamSettings, PageSettings, LabSettings])
def test_unknown_names_are_refused(section: type[Section]) -> None:
    with pytest.raises(ValidationError, match="prot"):
        section.model_validate({"prot": 9092})


@pytest.mark.parametrize(
    ("settings", "field"),
    [(StackSettings(), "port"), (ProducerSettings(), "rate"), (StreamSettings(), "zone"), (LabSettings(), "stack")],
)
def test_settings_cannot_change_afterwards(settings: Section, field: str) -> None:
    before = getattr(settings, field)
    with pytest.raises(ValidationError):
        setattr(settings, field, 1)
    assert getattr(settings, field) == before


def test_every_field_name_is_unique_over_all_sections() -> None:
    names = Counter(
        name for section in (StackSettings, ProducerSettings, StreamSettings, PageSettings) for name in section.model_fields
    )
    assert {name for name, times in names.items() if times > 1} == set()


def test_every_field_says_what_it_means() -> None:
    sections = (StackSettings, ProducerSettings, StreamSettings, PageSettings)
    assert [name for section in sections for name, field in section.model_fields.items() if not field.description] == []


def test_the_defaults_are_those_of_the_contract() -> None:
    settings = LabSettings()
    assert (settings.stack.topic, settings.stack.partitions, settings.stack.replication) == ("tweets_topic", 1, 1)
    assert (settings.stack.bootstrap, settings.stack.heap_mb) == ("localhost:9092", 512)
    assert (settings.stack.runtime, settings.stack.profile) == (RuntimeKind.AUTO, ProfileName.KRAFT)
    assert (settings.producer.rate, settings.stream.trigger_seconds) == (1.0, 10.0)
    assert settings.stream.rule == Rule(WindowTime.ARRIVAL, 60)


@pytest.mark.parametrize(("seconds", "nearest"), [(7, "6 and 8 s"), (59, "50 and 60 s"), (1801, "1800 and 3600 s")])
def test_a_window_that_does_not_divide_the_hour_is_refused_with_the_nearest_that_do(seconds: int, nearest: str) -> None:
    with pytest.raises(ValidationError, match=f"windows of {seconds} s do not divide the hour: .* are {nearest}"):
        StreamSettings(window_seconds=seconds)


@pytest.mark.parametrize(
    ("topic", "reason"),
    [
        (".", "Kafka takes no topic of that name"),
        ("..", "Kafka takes no topic of that name"),
        ("__consumer_offsets", "names that begin with __ are those of Kafka's own topics"),
        ("__mine", "names that begin with __ are those of Kafka's own topics"),
        ("trending_probe", "the readiness probe writes its records there"),
    ],
)
def test_a_topic_that_is_not_ours_to_use_is_refused_with_the_reason(topic: str, reason: str) -> None:
    with pytest.raises(ValidationError, match=reason):
        StackSettings(topic=topic)


@pytest.mark.parametrize("topic", ["...", "_mine", ".tweets", "a__b"])
def test_any_other_name_of_a_topic_will_do(topic: str) -> None:
    assert StackSettings(topic=topic).topic == topic


def test_more_replicas_than_brokers_are_refused() -> None:
    assert StackSettings(brokers=3, replication=3).replication == 3
    with pytest.raises(ValidationError, match="replication 2 needs as many brokers"):
        StackSettings(brokers=1, replication=2)


def test_every_broker_is_in_the_bootstrap_list_on_a_port_of_its_own() -> None:
    assert StackSettings(port=19092, brokers=3).bootstrap == "localhost:19092,localhost:19093,localhost:19094"


def test_the_time_zone_is_the_named_one_or_the_machines_own() -> None:
    assert StreamSettings(time_zone="Europe/Madrid").zone == ZoneInfo("Europe/Madrid")
    assert StreamSettings(time_zone="").zone is None
    assert StreamSettings().zone is None
    zone = StreamSettings(time_zone="Asia/Kolkata").zone
    assert datetime(2025, 12, 16, tzinfo=UTC).astimezone(zone).hour == 5


def test_settings_survive_being_written_as_json() -> None:
    settings = LabSettings(
        stack=StackSettings(port=19092, runtime=RuntimeKind.EMBEDDED),
        producer=ProducerSettings(rate=2.5, seed=3),
        stream=StreamSettings(window_time=WindowTime.EVENT, time_zone="Europe/Madrid"),
    )
    assert LabSettings.model_validate_json(settings.model_dump_json()) == settings


def test_a_relative_catalogue_is_meant_from_where_it_was_given(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", "/home/somebody")
    given = ProducerSettings(catalogue="mine/catalogue.json")
    assert given.catalogue == str(tmp_path / "mine" / "catalogue.json")
    monkeypatch.chdir("/")
    assert ProducerSettings.model_validate(given.model_dump()).catalogue == given.catalogue
    assert ProducerSettings(catalogue="~/catalogue.json").catalogue == "/home/somebody/catalogue.json"
    assert ProducerSettings(catalogue="").catalogue is None


def test_a_scenario_is_a_ready_one_by_its_name_or_a_path_that_is_made_absolute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert ProducerSettings(scenario="world-cup").scenario == "world-cup"
    assert ProducerSettings(scenario="mine.yaml").scenario == str(tmp_path / "mine.yaml")
    assert ProducerSettings(scenario="").scenario is None


def test_a_scenario_and_a_catalogue_exclude_each_other() -> None:
    with pytest.raises(ValidationError, match="scenario noisy brings its own hashtags: leave out catalogue"):
        ProducerSettings(scenario="noisy", catalogue="/mine.json")
