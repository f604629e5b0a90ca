"""Getting into a cluster: listeners are real sockets with real certificates, librdkafka's client is pretended."""

from __future__ import annotations

import socket
import ssl
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from confluent_kafka import KafkaError, KafkaException
from fakes.clock import FakeClock
from fakes.clusters.certificates import Authority

from infra.external import entry
from infra.external.entry import Entry
from infra.external.listener import look_at
from trending.errors import AccessRefused, ConfigurationConflict, InvalidInput, LabError, NotReady
from trending.kafka.connection import KafkaConnection

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@contextmanager
def listening(pem: Path | None) -> Iterator[str]:
    """Yield the address of a listener that shakes hands with the certificate, or hangs up on everybody if there is none."""
    server = socket.create_server(("127.0.0.1", 0))
    ended = threading.Event()

    def serve() -> None:
        while not ended.is_set():
            connection, _ = server.accept()
            with connection:
                if pem is not None and not ended.is_set():
                    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                    context.load_cert_chain(pem)
                    try:
                        context.wrap_socket(connection, server_side=True).close()
                    except OSError:
                        continue

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"localhost:{server.getsockname()[1]}"
    finally:
        ended.set()
        socket.create_connection(server.getsockname()).close()
        thread.join()
        server.close()


class Silence:
    """A client of librdkafka's that nobody answers, and that reports ``errors``."""

    errors: tuple[KafkaError, ...] = ()

    def __init__(self, configuration: dict[str, Any]) -> None:
        self._report = configuration["error_cb"]
        self._reported = False

    def list_topics(self, **_: object) -> None:
        raise KafkaException(KafkaError(KafkaError._TRANSPORT))

    def poll(self, _timeout: float) -> None:
        if not self._reported:
            self._reported = True
            for each in self.errors:
                self._report(each)


@pytest.fixture(autouse=True)
def nobody_answers(monkeypatch: pytest.MonkeyPatch) -> type[Silence]:
    clock = FakeClock()

    class Ours(Silence):
        def list_topics(self, **_: object) -> None:
            clock.sleep(1.0)
            super().list_topics()

    monkeypatch.setattr(entry, "AdminClient", Ours)
    monkeypatch.setattr(entry, "advertised", lambda _connection: set())
    monkeypatch.setattr(entry.time, "monotonic", clock.monotonic)
    return Ours


def told(address: str, protocol: str, authority: Path | None = None) -> LabError:
    settings = {"security.protocol": protocol, **({"ssl.ca.location": str(authority)} if authority else {})}
    began = entry.time.monotonic()
    with pytest.raises(LabError) as caught:
        Entry(KafkaConnection(address, settings)).view()
    assert entry.time.monotonic() - began <= entry.ENTRY_SECONDS + entry.SETTLED_SECONDS
    return caught.value


@pytest.mark.parametrize(
    ("host", "days", "known", "cause"),
    [
        ("localhost", -1, True, "has expired"),
        ("elsewhere.example", 30, True, "is for another host"),
        ("localhost", 30, False, "is signed by nobody whom this machine trusts"),
    ],
)
def test_what_is_wrong_with_a_certificate_is_named(tmp_path: Path, host: str, days: int, known: bool, cause: str) -> None:  # noqa: FBT001
    authority = Authority(tmp_path)
    with listening(authority.sign("broker", host, days)) as address:
        error = told(address, "SASL_SSL", authority.pem if known else Authority(tmp_path, "another").pem)
    assert isinstance(error, AccessRefused)
    assert error.cause == f"the certificate of {address} {cause}"


def test_a_listener_of_another_protocol_is_told(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with listening(authority.sign("broker")) as address:
        error = told(address, "PLAINTEXT")
        assert error.cause == f"the listener at {address} speaks another protocol than PLAINTEXT"
        assert error.next_command == "SECURITY_PROTOCOL=SASL_SSL or SSL"
        assert "that does not say who it is" in told(address, "SSL", authority.pem).cause
        assert isinstance(told(address, "SASL_SSL", authority.pem), NotReady)  # nothing is wrong that could be seen
    with listening(None) as address:
        error = told(address, "SASL_SSL", authority.pem)
        assert error.cause == f"the listener at {address} speaks another protocol than SASL_SSL"
        assert error.evidence.startswith("it does not speak TLS")


def test_a_good_listener_is_seen_as_one(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    with listening(authority.sign("broker")) as address:
        seen = look_at(address, str(authority.pem))
    assert (seen.unreached, seen.encrypted, seen.refused_for, seen.words) == ("", True, 0, "")


@pytest.mark.parametrize(
    ("code", "words", "cause"),
    [
        (
            KafkaError._AUTHENTICATION,
            "sasl_ssl://h:1/bootstrap: Wrong (after 3ms in state AUTH_REQ)",
            "password",
        ),
        (KafkaError._AUTHENTICATION, "SASL SCRAM-SHA-256 mechanism handshake failed: Unsupported", "another SASL_MECHANISM"),
        (KafkaError._RESOLVE, "Failed to resolve 'h:1'", "has no address"),
        (KafkaError._TRANSPORT, "ssl://h:1: ssl/tls alert bad certificate: SSL alert number 42", "refuses our certificate"),
    ],
)
def test_what_librdkafka_reports_is_one_cause(nobody_answers: type[Silence], code: int, words: str, cause: str) -> None:
    nobody_answers.errors = (KafkaError(KafkaError._ALL_BROKERS_DOWN), KafkaError(code, words))
    error = told("localhost:1", "SASL_SSL")
    assert isinstance(error, AccessRefused)
    assert cause in error.cause
    assert "://" not in error.evidence
    assert "in state" not in error.evidence


def test_nobody_is_there() -> None:
    error = told("localhost:1", "PLAINTEXT")
    assert isinstance(error, NotReady)
    assert error.cause == "no broker answers at localhost:1"
    assert "refused" in error.evidence


def test_a_cluster_that_sends_its_clients_elsewhere_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entry, "advertised", lambda _connection: {"localhost:2", "localhost:1"})
    error = told("localhost:1", "PLAINTEXT")
    assert isinstance(error, ConfigurationConflict)
    assert error.evidence.startswith("localhost:2: ")


def test_settings_that_librdkafka_refuses_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_configuration: object) -> None:
        raise KafkaException(KafkaError(KafkaError._INVALID_ARG, "ssl.ca.location failed: No such file"))

    monkeypatch.setattr(entry, "AdminClient", refuse)
    with pytest.raises(InvalidInput) as caught:
        Entry(KafkaConnection("localhost:1"))
    assert "No such file" in caught.value.evidence
