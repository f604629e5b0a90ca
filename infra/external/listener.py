"""What listens at an address, asked without Kafka's client: whether it is TLS there, and what is wrong with its certificate.

librdkafka says the same words for an unknown authority, an expired certificate and a wrong host, and nothing at all of a listener
that hangs up because it speaks another protocol (2.16.0).
"""

from __future__ import annotations

import socket
import ssl
from dataclasses import dataclass

DIAL_SECONDS = 1.0
EXPIRED, OTHER_HOST, OTHER_ADDRESS = 10, 62, 64
"""OpenSSL's X509_V_ERR_CERT_HAS_EXPIRED, _HOSTNAME_MISMATCH and _IP_ADDRESS_MISMATCH (openssl/x509_vfy.h)."""


@dataclass(frozen=True)
class Listener:
    """What was found at an address: why nobody listens, whether it speaks TLS, what its certificate is refused for."""

    unreached: str = ""
    encrypted: bool = False
    refused_for: int = 0
    words: str = ""


def look_at(address: str, authority: str | None) -> Listener:
    """Return what listens at ``host:port``; ``authority`` is the PEM file that its certificate is judged by."""
    host, _colon, port = address.rpartition(":")
    host = host.strip("[]")
    try:
        socket.create_connection((host, int(port)), timeout=DIAL_SECONDS).close()
    except OSError as error:
        return Listener(unreached=str(error))
    anybody = ssl.create_default_context()
    anybody.check_hostname, anybody.verify_mode = False, ssl.CERT_NONE
    try:
        _shake_hands(host, int(port), anybody)
    except OSError as error:
        return Listener(words=str(error))
    try:
        _shake_hands(host, int(port), ssl.create_default_context(cafile=authority))
    except ssl.SSLCertVerificationError as error:
        return Listener(encrypted=True, refused_for=error.verify_code, words=error.verify_message)
    except OSError as error:
        return Listener(encrypted=True, words=str(error))
    return Listener(encrypted=True)


def _shake_hands(host: str, port: int, context: ssl.SSLContext) -> None:
    with (
        socket.create_connection((host, port), timeout=DIAL_SECONDS) as connection,
        context.wrap_socket(connection, server_hostname=host),
    ):
        return
