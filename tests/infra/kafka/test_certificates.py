from __future__ import annotations

import ssl
import stat
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest

from infra.kafka.certificates import RENEWED_BEFORE, VALID, ends, make_certificates, serves
from infra.stack.security import AUTHORITY, hosts_of, key_store

if TYPE_CHECKING:
    from pathlib import Path

BROKERS = {name: hosts_of(name, f"lab-{name}") for name in ("kafka", "kafka-2")}


@pytest.fixture
def made(tmp_path: Path) -> Path:
    directory = tmp_path / "tls" / "first"
    make_certificates(directory, BROKERS)
    return directory


def shake_hands(theirs: Path, trusted: Path, host: str, *, own: Path | None = None) -> None:
    """Have a client that trusts an authority greet a broker under ``host``; the broker asks for a certificate."""
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(theirs)
    server.load_verify_locations(theirs.with_name(AUTHORITY))
    server.verify_mode = ssl.CERT_REQUIRED
    server.maximum_version = ssl.TLSVersion.TLSv1_2  # in 1.3 the client's certificate is judged when its handshake is over
    client = ssl.create_default_context(cafile=str(trusted))
    if own:
        client.load_cert_chain(own)
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends_ = [
        client.wrap_bio(to_client, to_server, server_hostname=host),
        server.wrap_bio(to_server, to_client, server_side=True),
    ]
    for _turn in range(4):
        for end in ends_:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert ends_[0].version() == ends_[1].version() == "TLSv1.2"


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1", "kafka", "lab-kafka"])
def test_a_broker_is_known_under_each_of_its_hosts_and_to_the_other_brokers(made: Path, host: str) -> None:
    shake_hands(made / "kafka.pem", made / AUTHORITY, host, own=made / "kafka-2.pem")


def test_a_broker_is_not_known_under_another_name(made: Path) -> None:
    with pytest.raises(ssl.SSLCertVerificationError, match="not valid for 'elsewhere'"):
        shake_hands(made / "kafka.pem", made / AUTHORITY, "elsewhere", own=made / "kafka-2.pem")


def test_a_broker_of_another_set_is_a_stranger(made: Path) -> None:
    other = made.with_name("second")
    make_certificates(other, BROKERS)
    with pytest.raises(ssl.SSLCertVerificationError, match="verify failed"):
        shake_hands(made / "kafka.pem", other / AUTHORITY, "localhost", own=other / "kafka.pem")
    with pytest.raises(ssl.SSLError, match=r"(?i)verify failed|unknown ca"):
        shake_hands(made / "kafka.pem", made / AUTHORITY, "localhost", own=other / "kafka.pem")


def test_keys_are_their_users_only_and_the_authoritys_key_is_nowhere(made: Path) -> None:
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in made.iterdir()}
    assert modes == {AUTHORITY: 0o644, "kafka.pem": 0o600, "kafka-2.pem": 0o600}
    assert stat.S_IMODE(made.stat().st_mode) == 0o700
    texts = {path.name: path.read_text() for path in made.iterdir()}
    keys = {name: text.count("BEGIN PRIVATE KEY") for name, text in texts.items()}
    assert keys == {AUTHORITY: 0, "kafka.pem": 1, "kafka-2.pem": 1}
    assert texts["kafka.pem"].startswith("-----BEGIN PRIVATE KEY-----")  # PKCS#8, the one form that Kafka reads
    assert sorted(path.name for path in made.parent.iterdir()) == ["first"]


def test_a_set_holds_for_a_year_and_serves_until_a_month_before_its_end(made: Path) -> None:
    now = datetime.now(UTC)
    assert timedelta(0) <= now + VALID - ends(made) < timedelta(minutes=1)
    assert serves(made, BROKERS, now)
    assert serves(made, BROKERS, ends(made) - RENEWED_BEFORE - timedelta(seconds=1))
    assert not serves(made, BROKERS, ends(made) - RENEWED_BEFORE)


def test_a_set_serves_no_broker_that_it_does_not_know_and_no_other_hosts(made: Path) -> None:
    assert serves(made, {"kafka": BROKERS["kafka"]})
    assert not serves(made, {**BROKERS, "kafka-3": hosts_of("kafka-3", "lab-kafka-3")})
    assert not serves(made, {**BROKERS, "kafka": hosts_of("kafka", "renamed-kafka")})


@pytest.mark.parametrize("name", [AUTHORITY, key_store("kafka-2")])
def test_a_damaged_set_serves_nobody(made: Path, name: str) -> None:
    (made / name).write_text("-----BEGIN CERTIFICATE-----\nnone\n")
    assert not serves(made, BROKERS)
    (made / name).unlink()
    assert not serves(made, BROKERS)


def test_what_an_interrupted_making_has_left_is_in_nobodys_way(tmp_path: Path) -> None:
    left = tmp_path / "first.fresh"
    left.mkdir()
    (left / AUTHORITY).write_text("half of it")
    make_certificates(tmp_path / "first", BROKERS)
    assert not left.exists()
    assert serves(tmp_path / "first", BROKERS)
