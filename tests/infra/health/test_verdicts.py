"""What may be repaired: the decision, the budget, the memory between checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from infra.health.verdicts import (
    PERIOD_SECONDS,
    REPAIRS,
    Finding,
    HealthRecord,
    Repair,
    Verdict,
    block,
    decide,
    note_findings,
    note_repair,
    overall,
    read_record,
)
from infra.host.json_files import write_model

if TYPE_CHECKING:
    from pathlib import Path

NOW = 1_000_000.0


def finding(component: str, verdict: Verdict = Verdict.UNHEALTHY, repair: Repair = Repair.START) -> Finding:
    return Finding(component, verdict, f"{component} is {verdict}", "make status", repair)


def test_one_component_that_is_down_is_repaired() -> None:
    decision = decide([finding("kafka"), finding("disk", Verdict.WARNING)], HealthRecord(), NOW)
    assert decision.repair is not None
    assert decision.repair.component == "kafka"
    assert decision.held_back == ""


def test_nothing_is_down_nothing_is_repaired() -> None:
    assert decide([finding("kafka", Verdict.HEALTHY), finding("disk", Verdict.WARNING)], HealthRecord(), NOW).repair is None


def test_several_down_at_once_are_not_touched() -> None:
    decision = decide([finding("kafka"), finding("producer")], HealthRecord(), NOW)
    assert decision.repair is None
    assert decision.held_back == "2 components are down at once (kafka, producer): nothing is touched"


def test_what_a_start_does_not_cure_is_not_started() -> None:
    decision = decide([finding("topic", repair=Repair.NONE)], HealthRecord(), NOW)
    assert decision.repair is None
    assert "can't be repaired" in decision.held_back
    assert decision.given_up == ()


@pytest.mark.row(27)
def test_the_budget_stops_a_repair_and_comes_back_with_time() -> None:
    record = HealthRecord(repairs={"kafka": [NOW - 10 * each for each in range(REPAIRS)]})
    spent = decide([finding("kafka")], record, NOW)
    assert spent.repair is None
    assert spent.given_up == ("kafka",)
    assert decide([finding("producer")], record, NOW).repair is not None
    assert decide([finding("kafka")], record, NOW + PERIOD_SECONDS).repair is not None
    assert decide([finding("kafka")], record, NOW - PERIOD_SECONDS).repair is not None, "the clock was set back"


@given(st.dictionaries(st.sampled_from("abcdef"), st.sampled_from(list(Verdict)), max_size=6), st.sampled_from(list(Repair)))
def test_a_repair_is_only_ever_of_the_single_unhealthy_component(verdicts: dict[str, Verdict], repair: Repair) -> None:
    findings = [finding(component, verdict, repair) for component, verdict in verdicts.items()]
    down = [each for each in findings if each.verdict is Verdict.UNHEALTHY]
    decision = decide(findings, HealthRecord(), NOW)
    if decision.repair is not None:
        assert down == [decision.repair]
        assert repair
    assert bool(down) == bool(decision.repair or decision.held_back)
    assert (overall(findings) is Verdict.HEALTHY) == all(each is Verdict.HEALTHY for each in verdicts.values())


def test_what_waits_for_another_is_blocked_through_several_steps() -> None:
    needs = {"topic": ("cluster",), "cluster": ("kafka",), "freshness": ("stream", "topic")}
    found = block([finding("kafka"), finding("cluster"), finding("topic"), finding("freshness"), finding("producer")], needs)
    assert [each.verdict for each in found] == [
        Verdict.UNHEALTHY,
        Verdict.BLOCKED,
        Verdict.BLOCKED,
        Verdict.BLOCKED,
        Verdict.UNHEALTHY,
    ]
    assert found[3].evidence.startswith("waits for cluster, kafka, topic; ")
    assert not found[1].repair
    assert overall(found) is Verdict.UNHEALTHY


def test_a_healthy_component_stays_healthy_whatever_it_needs() -> None:
    assert block([finding("kafka"), finding("producer", Verdict.HEALTHY)], {"producer": ("kafka",)})[1].verdict is Verdict.HEALTHY


def test_a_check_tells_only_what_changed_and_each_spent_budget_once(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    well = [finding("kafka", Verdict.HEALTHY), finding("disk", Verdict.WARNING)]
    assert note_findings(path, well, (), NOW) == ({"disk": (Verdict.HEALTHY, Verdict.WARNING)}, [])
    assert note_findings(path, well, (), NOW + 300) == ({}, [])
    ill = [finding("kafka"), finding("disk", Verdict.WARNING)]
    assert note_findings(path, ill, (), NOW + 600) == ({"kafka": (Verdict.HEALTHY, Verdict.UNHEALTHY)}, [])
    assert note_findings(path, ill, ("kafka",), NOW + 900) == ({}, ["kafka"])
    assert note_findings(path, ill, ("kafka",), NOW + 1200) == ({}, [])
    assert read_record(path).since == {"kafka": NOW + 600, "disk": NOW}
    note_findings(path, well, (), NOW + 1500)
    assert note_findings(path, ill, ("kafka",), NOW + 1800)[1] == ["kafka"], "well in between: told again"


def test_repairs_are_kept_through_checks_and_old_ones_forgotten(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    note_repair(path, "kafka", NOW)
    note_findings(path, [finding("kafka")], (), NOW + 1)
    note_repair(path, "kafka", NOW + 2)
    note_repair(path, "producer", NOW + 3)
    assert read_record(path).repairs == {"kafka": [NOW, NOW + 2], "producer": [NOW + 3]}
    note_repair(path, "kafka", NOW + PERIOD_SECONDS + 1)
    assert read_record(path).repairs["kafka"] == [NOW + 2, NOW + PERIOD_SECONDS + 1]
    note_findings(path, [finding("kafka")], (), NOW + PERIOD_SECONDS + 2)
    assert read_record(path).repaired == {"kafka": 3, "producer": 1}, "the sum forgets none"


def test_a_check_leaves_when_it_was_and_which_broker_it_found(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    note_repair(path, "kafka", NOW)
    assert (read_record(path).at, read_record(path).kafka) == (0.0, ""), "a repair is no check"
    note_findings(path, [Finding("versions", Verdict.HEALTHY, "Kafka 4.4.0", version="4.4.0")], (), NOW + 1)
    assert (read_record(path).at, read_record(path).kafka) == (NOW + 1, "4.4.0")
    note_findings(path, [finding("versions")], (), NOW + 2)
    assert (read_record(path).at, read_record(path).kafka) == (NOW + 2, "4.4.0"), "what can't be told now was told before"


@pytest.mark.parametrize("text", ["", "{", '{"repairs": 7}', '{"verdicts": {"kafka": "splendid"}}'])
def test_a_damaged_record_is_a_fresh_one(tmp_path: Path, text: str) -> None:
    path = tmp_path / "health.json"
    path.write_text(text, encoding="utf-8")
    assert read_record(path) == HealthRecord()


def test_a_record_survives_its_file(tmp_path: Path) -> None:
    path = tmp_path / "health.json"
    record = HealthRecord(verdicts={"kafka": Verdict.BLOCKED}, since={"kafka": 1.5}, repairs={"kafka": [1.0]}, alerted=["kafka"])
    write_model(path, record)
    assert read_record(path) == record
