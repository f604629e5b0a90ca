"""Kafka's Java client, configured from the settings of librdkafka, whose names differ where files and passwords are concerned.

Sources: librdkafka's CONFIGURATION.md; Kafka's documentation, *Security*, and KIP-651 for PEM files.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

JAAS = "sasl.jaas.config"
_SECURITY = "org.apache.kafka.common.security"
MODULES = {
    "PLAIN": f"{_SECURITY}.plain.PlainLoginModule",
    "SCRAM-SHA-256": f"{_SECURITY}.scram.ScramLoginModule",
    "SCRAM-SHA-512": f"{_SECURITY}.scram.ScramLoginModule",
    "OAUTHBEARER": f"{_SECURITY}.oauthbearer.OAuthBearerLoginModule",
}
_TOKEN_HANDLER = f"{_SECURITY}.oauthbearer.OAuthBearerLoginCallbackHandler"
_JAAS_NAMES = {
    "sasl.username": "username",
    "sasl.password": "password",
    "sasl.oauthbearer.client.id": "clientId",
    "sasl.oauthbearer.client.secret": "clientSecret",
    "sasl.oauthbearer.scope": "scope",
}
_OWN = frozenset({*_JAAS_NAMES, "sasl.oauthbearer.method", "ssl.ca.location", "ssl.certificate.location", "ssl.key.location"})
"""Settings that only librdkafka has."""


def java_settings(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the Java client's settings that mean what librdkafka's ``settings`` mean.

    Key and certificate lie in one PEM file, which is how the Java client reads them.
    """
    java = {name: value for name, value in settings.items() if name not in _OWN}
    mechanism = settings.get("sasl.mechanism")
    if mechanism is not None:
        options = {theirs: settings[ours] for ours, theirs in _JAAS_NAMES.items() if ours in settings}
        java[JAAS] = jaas_line(MODULES[mechanism], options)
    if mechanism == "OAUTHBEARER":
        java["sasl.login.callback.handler.class"] = _TOKEN_HANDLER
    if authority := settings.get("ssl.ca.location"):
        java |= {"ssl.truststore.type": "PEM", "ssl.truststore.location": authority}
    if pem := settings.get("ssl.key.location"):
        java |= {"ssl.keystore.type": "PEM", "ssl.keystore.location": pem}
    return java


def jaas_line(module: str, options: Mapping[str, str]) -> str:
    """Return a JAAS entry for a client or a listener; its values are quoted as Java's ``StreamTokenizer`` reads them."""
    quoted = "".join(f' {name}="{_escaped(value)}"' for name, value in options.items())
    return f"{module} required{quoted};"


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n").replace("\r", "\\r").replace("\t", "\\t")
