"""FAULTS.md rows 15 and 17 on either runtime: data of another cluster, and a broker that advertises another address."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from infra.forms.stacks import LastStep
from infra.operations import services as infrastructure
from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from real.harness import RealStack

ANOTHER = "MkU3OEVBNTcwNTJENDM2Qg"


@pytest.mark.row(15, "D", "E")
def test_another_cluster_id_on_the_data_is_found_before_start(any_stack: RealStack) -> None:
    stack = any_stack
    stack.bring_up(LastStep.TOPIC)
    stack.down(volumes=False)
    state = json.loads(stack.paths.state.read_text())
    stack.paths.state.write_text(json.dumps({**state, "cluster_id": ANOTHER}))
    output = stack.up(code=12)
    assert "the data belongs to another cluster" in output
    assert ANOTHER in output
    stack.assert_nothing_left()


@pytest.mark.row(17, "D", "E")
def test_a_wrong_advertised_address_fails_with_exactly_that_diagnosis(
    any_stack: RealStack, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = any_stack
    stack.bring_up(LastStep.TOPIC)
    lab = stack.lab
    service = lab.stack.services[0]
    address = f"PLAINTEXT://elsewhere.invalid:{stack.port}"
    lab.runtime.remove(service)
    wrong = replace(
        service,
        environment={**service.environment, "KAFKA_ADVERTISED_LISTENERS": address},
        properties={**service.properties, "advertised.listeners": address},
    )
    lab.runtime.start(wrong)
    monkeypatch.setattr(infrastructure, "READY_SECONDS", 30.0)
    with pytest.raises(ConfigurationConflict, match="advertises another address") as caught:
        infrastructure.wait_for_service(stack.name, service.name)
    assert "elsewhere.invalid" in caught.value.evidence
    del caught  # and with it the frames of its error, which hold Kafka clients
    output = stack.command("status", f"--name={stack.name}", code=1)
    assert "advertises another address" in output
    assert "elsewhere.invalid" in output
    assert "kafka: recreated" in stack.up(until="producer")
    stack.require_kept()
