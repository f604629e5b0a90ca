"""Certificates of a stack's own: an authority that signs one certificate for each broker and is forgotten at once.

A *set* is one directory with the authority's certificate and, for each broker, its private key and certificate in one PEM file,
which is how Kafka reads them (KIP-651). The authority's key is never written, so nobody can sign another certificate with it; a
set that lacks a broker or runs out is replaced as a whole.
"""

from __future__ import annotations

import os
import shutil
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from infra.stack.security import AUTHORITY, key_store

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

VALID = timedelta(days=365)
RENEWED_BEFORE = timedelta(days=30)
"""A start-up renews certificates that end sooner than this."""
_SLOW_CLOCK = timedelta(hours=1)
"""A certificate holds from so long ago, for a container or a virtual machine whose clock is behind."""


def make_certificates(directory: Path, brokers: Mapping[str, Sequence[str]], now: datetime | None = None) -> None:
    """Fill ``directory``, which must not exist yet, with a set; ``brokers`` is name → hosts under which it is reached.

    A broker's certificate has its name as common name, which is who it is for the others.
    """
    now = now or datetime.now(UTC)
    fresh = directory.with_name(f"{directory.name}.fresh")
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(mode=0o700, parents=True)
    key = ec.generate_private_key(ec.SECP256R1())
    authority = _authority(key, f"trending {directory.name}", now)
    _write(fresh / AUTHORITY, authority.public_bytes(Encoding.PEM), 0o644)
    for name, hosts in brokers.items():
        own = ec.generate_private_key(ec.SECP256R1())
        certificate = _certificate(own, name, hosts, authority, key, now)
        text = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + certificate.public_bytes(Encoding.PEM)
        _write(fresh / key_store(name), text, 0o600)
    fresh.rename(directory)


def serves(directory: Path, brokers: Mapping[str, Sequence[str]], now: datetime | None = None) -> bool:
    """Whether the set is whole, has a certificate for each of ``brokers`` and its hosts, and does not end within 30 days."""
    now = now or datetime.now(UTC)
    try:
        return ends(directory) - now > RENEWED_BEFORE and all(
            {str(host) for host in _hosts(_read(directory / key_store(name)))} == set(hosts) for name, hosts in brokers.items()
        )
    except (OSError, ValueError, x509.ExtensionNotFound):  # gone, or damaged: whatever it is, another set heals it
        return False


def ends(directory: Path) -> datetime:
    """Return when the first certificate of a set runs out; raises OSError or ValueError where it can't be read."""
    return min(_read(path).not_valid_after_utc for path in (directory / AUTHORITY, *directory.glob("*.pem")))


def _read(path: Path) -> x509.Certificate:
    return x509.load_pem_x509_certificate(path.read_bytes())


def _hosts(certificate: x509.Certificate) -> list[object]:
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    return [*names.get_values_for_type(x509.DNSName), *names.get_values_for_type(x509.IPAddress)]


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _begun(subject: str, issuer: x509.Name, key: ec.EllipticCurvePrivateKey, now: datetime) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(_named(subject))
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SLOW_CLOCK)
        .not_valid_after(now + VALID)
    )


def _authority(key: ec.EllipticCurvePrivateKey, name: str, now: datetime) -> x509.Certificate:
    return (
        _begun(name, _named(name), key, now)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_usage(signs_certificates=True), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _certificate(
    own: ec.EllipticCurvePrivateKey,
    name: str,
    hosts: Sequence[str],
    authority: x509.Certificate,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
) -> x509.Certificate:
    purposes = [ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH]  # brokers are each other's clients
    return (
        _begun(name, authority.subject, own, now)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs_certificates=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(purposes), critical=False)
        .add_extension(x509.SubjectAlternativeName([_general_name(host) for host in hosts]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )


def _usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _write(path: Path, content: bytes, mode: int) -> None:
    with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
