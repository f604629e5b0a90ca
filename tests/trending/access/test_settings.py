"""The settings of a cluster that is there already: what fits together, and that a secret is only pointed at."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from trending.access.settings import AccessSettings
from trending.settings import LabSettings, RuntimeKind, StackSettings

SASL: dict[str, Any] = {
    "bootstrap": "kafka.example:9093",
    "security_protocol": "SASL_SSL",
    "sasl_mechanism": "SCRAM-SHA-512",
    "kafka_user": "lab",
    "kafka_secret": "env:PASSWORD",
}


def refusal(**settings: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        AccessSettings(**settings)
    return caught.value.errors()[0]["msg"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"sasl_mechanism": None}, "SASL_SSL needs sasl_mechanism"),
        ({"kafka_user": ""}, "needs kafka_user and kafka_secret"),
        ({"kafka_secret": ""}, "needs kafka_user and kafka_secret"),
        ({"security_protocol": "SSL"}, "sasl_mechanism needs security_protocol SASL_SSL"),
        ({"sasl_mechanism": "OAUTHBEARER"}, "needs token_url"),
        ({"sasl_mechanism": "OAUTHBEARER", "token_url": "http://id.example/"}, "needs token_url, https://"),
        ({"token_scope": "kafka"}, "need sasl_mechanism OAUTHBEARER"),
        ({"security_protocol": "SASL_PLAINTEXT"}, "would show everything to the network on the way to kafka.example"),
        ({"security_protocol": "PLAINTEXT", "sasl_mechanism": None, "kafka_secret": ""}, "kafka_user needs security_protocol"),
        ({"bootstrap": "kafka.example"}, "pattern"),
    ],
)
def test_what_does_not_fit_together_is_named(change: dict[str, Any], words: str) -> None:
    assert AccessSettings(**SASL).given == list(SASL)
    assert words in refusal(**{**SASL, **change})


@pytest.mark.parametrize("bootstrap", ["localhost:9092", "127.0.0.1:9092,127.8.0.1:9092", "[::1]:9092"])
def test_in_the_clear_goes_on_this_machine_only_unless_asked_for(bootstrap: str) -> None:
    assert AccessSettings(bootstrap=bootstrap).far == []
    assert "10.0.0.7" in refusal(bootstrap=f"{bootstrap},10.0.0.7:9092")
    assert AccessSettings(bootstrap=f"{bootstrap},10.0.0.7:9092", allow_plaintext=True).far == ["10.0.0.7"]


def test_files_of_a_certificate_need_an_encrypted_protocol() -> None:
    assert "ca_file and client_pem need" in refusal(bootstrap="localhost:9092", ca_file="/ca.pem")
    both = AccessSettings(bootstrap="kafka.example:9093", security_protocol="SSL", ca_file="ca.pem", client_pem="~/me.pem")
    assert both.ca_file is not None
    assert both.ca_file.startswith("/")
    assert "~" not in str(both.client_pem)


@pytest.mark.parametrize("secret", ["hunter2", "block:UPPER", "env:with space", "vault:x", "env"])
def test_a_password_in_the_place_of_its_reference_is_refused_without_being_shown(secret: str) -> None:
    with pytest.raises(ValidationError) as caught:
        AccessSettings(**{**SASL, "kafka_secret": secret})
    message = caught.value.errors()[0]["msg"]
    assert "env:VARIABLE, file:PATH or block:NAME" in message
    assert f"'{secret}'" not in str(caught.value)


def test_external_and_bootstrap_go_together() -> None:
    external = StackSettings(runtime=RuntimeKind.EXTERNAL)
    with pytest.raises(ValidationError, match="runtime external needs bootstrap"):
        LabSettings(stack=external)
    with pytest.raises(ValidationError, match="bootstrap is about a cluster that is there already, and needs runtime external"):
        LabSettings(access=AccessSettings(bootstrap="localhost:9092"))
    image = external.model_copy(update={"kafka_image": "apache/kafka:4.2.2"})
    with pytest.raises(ValidationError, match="runs no images"):
        LabSettings(stack=image, access=AccessSettings(bootstrap="localhost:9092"))
    both = LabSettings(stack=external, access=AccessSettings(bootstrap="kafka.example:9093", allow_plaintext=True))
    assert both.bootstrap == "kafka.example:9093"
    assert LabSettings().bootstrap == "localhost:9092"


@pytest.mark.parametrize("topic", ["tweets", "tweets.dlq"])
def test_the_probe_writes_to_no_topic_of_records(topic: str) -> None:
    stack = StackSettings(runtime=RuntimeKind.EXTERNAL, topic="tweets")
    with pytest.raises(ValidationError, match="the readiness probe needs another"):
        LabSettings(stack=stack, access=AccessSettings(bootstrap="localhost:9092", probe_topic=topic))


def test_an_external_cluster_has_as_many_brokers_as_it_has() -> None:
    assert StackSettings(runtime=RuntimeKind.EXTERNAL, replication=3).replication == 3
    with pytest.raises(ValidationError, match="replication 3 needs as many brokers"):
        StackSettings(replication=3)


def test_an_external_stack_is_never_meant_by_auto() -> None:
    assert not StackSettings().takes(RuntimeKind.EXTERNAL)
    assert StackSettings(runtime=RuntimeKind.EXTERNAL).takes(RuntimeKind.EXTERNAL)
    assert not StackSettings(runtime=RuntimeKind.EXTERNAL).takes(RuntimeKind.DOCKER)
