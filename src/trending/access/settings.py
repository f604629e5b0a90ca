"""How to get into a Kafka cluster that is there already: the names are Kafka's own, and a secret is only pointed at."""

from __future__ import annotations

import re
from enum import StrEnum
from ipaddress import ip_address
from typing import Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from trending.sections import LocalPath, Section

HOST = r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):[0-9]{1,5}"
"""A broker's address, ``host:port``; an IPv6 address stands in brackets."""
ADDRESSES = rf"^{HOST}(,{HOST})*$"
SECRET = re.compile(r"(env:[A-Za-z_][A-Za-z0-9_]*|file:.+|block:[a-z0-9][a-z0-9-]*)")
PROBE_TOPIC = "trending_probe"
"""Carries the readiness probe's nonces, so that the tweets' topic stays clean."""


class SecurityProtocol(StrEnum):
    """How a connection is encrypted and who is asked for, by Kafka's names."""

    PLAINTEXT = "PLAINTEXT"
    SSL = "SSL"
    SASL_PLAINTEXT = "SASL_PLAINTEXT"
    SASL_SSL = "SASL_SSL"

    @property
    def encrypted(self) -> bool:
        """Whether nobody on the way can read along."""
        return self in {SecurityProtocol.SSL, SecurityProtocol.SASL_SSL}

    @property
    def sasl(self) -> bool:
        """Whether a client says who it is with SASL."""
        return self in {SecurityProtocol.SASL_PLAINTEXT, SecurityProtocol.SASL_SSL}


class SaslMechanism(StrEnum):
    """How a client proves who it is, by Kafka's names."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


class AccessSettings(Section):
    """A Kafka cluster that is there already."""

    model_config = ConfigDict(hide_input_in_errors=True)  # one of them may be a password in the wrong place

    bootstrap: str = Field(
        "",
        max_length=1000,
        pattern=rf"^$|{ADDRESSES}",
        description="host:port, or several with commas between, of a cluster that is there already; needs runtime external.",
    )
    security_protocol: SecurityProtocol = Field(
        SecurityProtocol.PLAINTEXT, description="PLAINTEXT, SSL, SASL_SSL or SASL_PLAINTEXT, as the cluster's listener has it."
    )
    sasl_mechanism: SaslMechanism | None = Field(
        None, description="PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER; needs SASL_SSL."
    )
    kafka_user: str = Field("", max_length=200, description="User name for SASL; the client id for OAUTHBEARER.")
    kafka_secret: str = Field(
        "",
        description="Where the password is, never the password itself: env:VARIABLE, file:PATH (mode 0600) or block:NAME (a "
        "Prefect Secret block). With SSL, the password of the key in client_pem.",
    )
    ca_file: LocalPath = Field(
        None, description="Path of the PEM file with the authority that signed the brokers; empty means this machine's own list."
    )
    client_pem: LocalPath = Field(
        None, description="Path of the PEM file (mode 0600) with our key and certificate, for mutual TLS."
    )
    token_url: str = Field("", max_length=1000, description="Address at which OAUTHBEARER gets its tokens, https://…")
    token_scope: str = Field("", max_length=1000, description="Scope that is asked for with OAUTHBEARER; empty means none.")
    allow_plaintext: bool = Field(
        default=False, description="Accept that records and passwords cross the network where anybody can read them."
    )
    probe_topic: str = Field(
        PROBE_TOPIC, pattern=r"^[a-zA-Z0-9._-]{1,200}$", description="Topic that the readiness probe writes to and reads from."
    )

    @field_validator("kafka_secret")
    @classmethod
    def _points_at_a_secret(cls, value: str) -> str:
        if value and not SECRET.fullmatch(value):
            # Without the value: it is most likely the password itself.
            msg = "it says where the secret is: env:VARIABLE, file:PATH or block:NAME"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        for msg in self._contradictions():
            raise ValueError(msg)
        return self

    def _contradictions(self) -> list[str]:
        protocol, sasl, token = (
            self.security_protocol,
            self.security_protocol.sasl,
            self.sasl_mechanism is SaslMechanism.OAUTHBEARER,
        )
        found = {
            f"security_protocol {protocol} needs sasl_mechanism": sasl and self.sasl_mechanism is None,
            f"security_protocol {protocol} needs kafka_user and kafka_secret": sasl
            and not (self.kafka_user and self.kafka_secret),
            "sasl_mechanism needs security_protocol SASL_SSL": not sasl and self.sasl_mechanism is not None,
            "kafka_user needs security_protocol SASL_SSL": not sasl and bool(self.kafka_user),
            "kafka_secret needs security_protocol SASL_SSL, or SSL with client_pem": bool(self.kafka_secret)
            and not (sasl or self.client_pem),
            "ca_file and client_pem need security_protocol SSL or SASL_SSL": not protocol.encrypted
            and bool(self.ca_file or self.client_pem),
            "sasl_mechanism OAUTHBEARER needs token_url, https://…": token and not self.token_url.startswith("https://"),
            "token_url and token_scope need sasl_mechanism OAUTHBEARER": not token and bool(self.token_url or self.token_scope),
            f"security_protocol {protocol} would show everything to the network on the way to {', '.join(self.far)}: "
            "SASL_SSL or SSL, or allow_plaintext": bool(self.far) and not protocol.encrypted and not self.allow_plaintext,
        }
        return [msg for msg, holds in found.items() if holds]

    @property
    def far(self) -> list[str]:
        """The hosts of ``bootstrap`` that are not this machine."""
        hosts = [each.rpartition(":")[0].strip("[]") for each in self.bootstrap.split(",") if each]
        return [host for host in hosts if not is_loopback(host)]

    @property
    def given(self) -> list[str]:
        """The names of the settings that say something about an external cluster."""
        return [name for name, field in type(self).model_fields.items() if getattr(self, name) != field.default]


def is_loopback(host: str) -> bool:
    """Whether the host is this machine itself, which no other reaches by that name."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
