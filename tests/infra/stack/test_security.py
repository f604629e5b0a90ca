from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from pydantic import ValidationError

from infra.host.paths import StackPaths
from infra.stack.profiles import declare
from trending.settings import AccessSettings, LabSettings, ProfileName, RuntimeKind, StackSettings

if TYPE_CHECKING:
    from infra.stack.declaration import Stack


def declared(runtime: RuntimeKind = RuntimeKind.EMBEDDED, access: str = "1234", **settings: Any) -> Stack:
    wanted = StackSettings(**{"secure": True, "port": 19092, **settings})
    return declare(wanted, runtime, StackPaths.of("trending"), "abc", access=access)


@pytest.mark.parametrize("runtime", [RuntimeKind.EMBEDDED, RuntimeKind.DOCKER])
@pytest.mark.parametrize("brokers", [1, 3])
def test_no_listener_of_a_secure_broker_speaks_in_the_clear(runtime: RuntimeKind, brokers: int) -> None:
    for service in declared(runtime, brokers=brokers).brokers:
        properties = service.properties
        protocols = dict(pair.split(":") for pair in properties["listener.security.protocol.map"].split(","))
        listeners = {each.split("://")[0] for each in properties["listeners"].split(",")}
        assert {name: protocols[name] for name in listeners} == {"CLIENTS": "SASL_SSL", "INTERNAL": "SSL", "CONTROLLER": "SSL"}
        assert properties["inter.broker.listener.name"] == "INTERNAL"
        for name in ("internal", "controller"):
            assert properties[f"listener.name.{name}.ssl.client.auth"] == "required"
        # The public image asks for settings of its own where the advertised listeners contain one of these.
        assert not re.search("SSL://|SASL_.*://", properties["advertised.listeners"])


def test_only_the_labs_user_and_the_brokers_may_do_what_no_rule_allows() -> None:
    properties = declared(brokers=3).brokers[2].properties
    assert properties["allow.everyone.if.no.acl.found"] == "false"
    assert properties["super.users"] == "User:lab;User:CN=kafka;User:CN=kafka-2;User:CN=kafka-3"
    assert properties["listener.name.clients.sasl.enabled.mechanisms"] == "PLAIN,SCRAM-SHA-512"


def test_a_secure_broker_has_a_listener_for_itself_and_takes_its_port() -> None:
    assert declared().ports == (19092, 19102, 19112)
    assert declared(RuntimeKind.DOCKER).ports == (19092,)
    assert declared(secure=False).ports == (19092, 19102)


def test_what_lets_clients_in_is_part_of_the_declaration_by_its_version_alone() -> None:
    first, again, renewed = (declared(access=version).brokers[0] for version in ("1234", "1234", "5678"))
    assert first.config_hash == again.config_hash != renewed.config_hash
    assert declared(secure=False).brokers[0].config_hash == declared(secure=False, access="5678").brokers[0].config_hash


def test_every_property_of_a_container_can_be_a_variable() -> None:
    for name in declared(RuntimeKind.DOCKER).brokers[0].environment:
        assert re.fullmatch(r"[A-Z0-9]+(_[A-Z0-9]+)*", name)


def test_secure_zookeeper_is_refused_with_the_profile_that_can() -> None:
    with pytest.raises(ValidationError, match="secure brokers need PROFILE=kraft, and profile is zookeeper"):
        StackSettings(secure=True, profile=ProfileName.ZOOKEEPER)


def test_secure_says_nothing_of_a_cluster_that_is_there_already() -> None:
    with pytest.raises(ValidationError, match="with runtime external, give security_protocol"):
        LabSettings(
            stack=StackSettings(secure=True, runtime=RuntimeKind.EXTERNAL), access=AccessSettings(bootstrap="localhost:9092")
        )
