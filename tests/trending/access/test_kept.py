"""What lets clients into a cluster: made from settings and a secret, kept where only its user can read it."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from pydantic import SecretStr

from trending.access.kept import client_settings, keep_access, kept_access
from trending.access.settings import AccessSettings, SaslMechanism, SecurityProtocol
from trending.errors import ConfigurationConflict

if TYPE_CHECKING:
    from pathlib import Path

PASSWORD = SecretStr("canary-7")
REFERENCE = "env:PASSWORD"


def sasl(mechanism: SaslMechanism, token_url: str = "") -> AccessSettings:
    return AccessSettings(
        bootstrap="kafka.example:9093",
        security_protocol=SecurityProtocol.SASL_SSL,
        sasl_mechanism=mechanism,
        kafka_user="lab",
        kafka_secret=REFERENCE,
        token_url=token_url,
    )


def test_a_user_and_a_password() -> None:
    assert client_settings(sasl(SaslMechanism.SCRAM_SHA_256), PASSWORD) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-256",
        "sasl.username": "lab",
        "sasl.password": "canary-7",
    }


def test_tokens() -> None:
    access = sasl(SaslMechanism.OAUTHBEARER, "https://id.example/token").model_copy(update={"token_scope": "kafka"})
    assert client_settings(access, PASSWORD) == {
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "OAUTHBEARER",
        "sasl.oauthbearer.method": "oidc",
        "sasl.oauthbearer.client.id": "lab",
        "sasl.oauthbearer.client.secret": "canary-7",
        "sasl.oauthbearer.token.endpoint.url": "https://id.example/token",
        "sasl.oauthbearer.scope": "kafka",
    }


def test_a_certificate_whose_key_has_a_password() -> None:
    access = AccessSettings(
        bootstrap="kafka.example:9093",
        security_protocol=SecurityProtocol.SSL,
        ca_file="/ca.pem",
        client_pem="/me.pem",
        kafka_secret=REFERENCE,
    )
    assert client_settings(access, PASSWORD) == {
        "security.protocol": "SSL",
        "ssl.key.password": "canary-7",
        "ssl.ca.location": "/ca.pem",
        "ssl.certificate.location": "/me.pem",
        "ssl.key.location": "/me.pem",
    }


def test_a_cluster_that_asks_nobody() -> None:
    assert client_settings(AccessSettings(bootstrap="localhost:9092"), None) == {"security.protocol": "PLAINTEXT"}


def test_it_is_kept_for_its_user_only_and_shown_to_nobody(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    assert kept_access(path) is None
    before = os.umask(0)
    try:
        kept = keep_access(path, {"sasl.password": "canary-7"})
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert "canary-7" not in repr(kept)
    again = kept_access(path)
    assert again is not None
    assert again.revealed == {"sasl.password": "canary-7"}
    assert again.version == kept.version
    assert [each.name for each in tmp_path.iterdir()] == ["access.json"]


def test_its_version_changes_with_it_and_tells_nothing_of_it(tmp_path: Path) -> None:
    path = tmp_path / "access.json"
    first = keep_access(path, {"sasl.password": "one"}).version
    assert keep_access(path, {"sasl.password": "one"}).version == first
    second = keep_access(path, {"sasl.password": "two"}).version
    assert second != first
    assert keep_access(path, {"sasl.password": "one"}).version not in {first, second}  # no hash of the secret


@pytest.mark.parametrize("text", ["", "{", '{"version": "1"}'])
def test_a_damaged_file_is_told_without_its_content(tmp_path: Path, text: str) -> None:
    path = tmp_path / "access.json"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationConflict, match="cannot be read") as caught:
        kept_access(path)
    assert "make up" in caught.value.next_command
