"""The Java client's configuration, made from librdkafka's."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trending.access.java_client import jaas_line, java_settings

PLAIN = {"security.protocol": "SASL_SSL", "sasl.mechanism": "PLAIN", "sasl.username": "lab", "sasl.password": 'a"b\\c'}


def test_user_and_password_become_a_jaas_line() -> None:
    assert java_settings(PLAIN) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "PLAIN",
        "sasl.jaas.config": "org.apache.kafka.common.security.plain.PlainLoginModule required "
        'username="lab" password="a\\"b\\\\c";',
    }


@pytest.mark.parametrize("mechanism", ["SCRAM-SHA-256", "SCRAM-SHA-512"])
def test_scram_has_a_module_of_its_own(mechanism: str) -> None:
    line = java_settings({**PLAIN, "sasl.mechanism": mechanism})["sasl.jaas.config"]
    assert line.startswith("org.apache.kafka.common.security.scram.ScramLoginModule required ")


def test_tokens_are_fetched_by_kafkas_own_handler() -> None:
    java = java_settings(
        {
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "OAUTHBEARER",
            "sasl.oauthbearer.method": "oidc",
            "sasl.oauthbearer.client.id": "lab",
            "sasl.oauthbearer.client.secret": "secret",
            "sasl.oauthbearer.scope": "kafka",
            "sasl.oauthbearer.token.endpoint.url": "https://id.example/token",
        }
    )
    assert java == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.token.endpoint.url": "https://id.example/token",
        "sasl.login.callback.handler.class": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginCallbackHandler",
        "sasl.jaas.config": "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule required "
        'clientId="lab" clientSecret="secret" scope="kafka";',
    }


def test_certificates_are_read_from_the_same_files() -> None:
    settings = {
        "security.protocol": "SSL",
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/me.pem",
        "ssl.key.location": "/me.pem",
        "ssl.key.password": "k",
    }
    assert java_settings(settings) == {
        "security.protocol": "SSL",
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": "/ca.pem",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": "/me.pem",
        "ssl.key.password": "k",
    }


def test_a_cluster_that_asks_nobody_needs_nothing() -> None:
    assert java_settings({}) == {}


@given(st.text())
def test_every_password_comes_out_of_the_line_as_it_went_in(password: str) -> None:
    """Read as ``java.io.StreamTokenizer`` reads a quoted word: a backslash takes the next character as it is, save n, r and t."""
    line = jaas_line("Module", {"password": password})
    quoted = line.removeprefix('Module required password="').removesuffix(";")
    read, place = "", 0
    while quoted[place] != '"':
        if quoted[place] == "\\":
            place += 1
            read += {"n": "\n", "r": "\r", "t": "\t"}.get(quoted[place], quoted[place])
        else:
            assert quoted[place] not in "\r\n"
            read += quoted[place]
        place += 1
    assert read == password
    assert quoted[place:] == '"'
