"""The password of the lab's own server, and what each Prefect process is told. Row 37."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest

from infra.prefect_services import credentials
from infra.prefect_services import server as prefect_server
from infra.prefect_services.credentials import (
    PrefectServer,
    client_environment,
    client_secrets,
    ensure_password,
    password_file,
    read_password,
    server_environment,
)
from infra.prefect_services.server import current_server, ensure_server
from infra.prefect_services.worker import ensure_worker
from trending.errors import NotReady

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.world import World

    from infra.stack.declaration import Program

URL = "http://127.0.0.1:4711/api"


@pytest.fixture
def world(world: World, monkeypatch: pytest.MonkeyPatch) -> World:
    """A supervisor of pretend, under which a server answers as soon as it is there."""
    monkeypatch.setattr(prefect_server, "answers", lambda _url: "prefect-server" in world.programs)
    monkeypatch.setattr(prefect_server, "free_port", lambda _preferred, _span: 4711)
    return world


@pytest.mark.row(37)
def test_the_password_is_random_private_and_stays(home: Path) -> None:
    assert read_password() is None
    made = ensure_password().get_secret_value()
    assert len(made) > 30
    assert stat.S_IMODE((home / "server" / "password").stat().st_mode) == 0o600
    assert ensure_password().get_secret_value() == made
    password_file().unlink()
    assert ensure_password().get_secret_value() != made


@pytest.mark.row(37)
def test_a_password_that_others_could_read_is_none() -> None:
    made = ensure_password().get_secret_value()
    password_file().chmod(0o644)
    assert read_password() is None
    assert ensure_password().get_secret_value() != made
    assert stat.S_IMODE(password_file().stat().st_mode) == 0o600


@pytest.mark.row(37)
def test_the_server_gets_its_password_where_nobody_looks_and_shuts_its_door(world: World) -> None:
    server = ensure_server()
    assert server.password is not None
    word = server.password.get_secret_value()
    program: Program = world.programs["prefect-server"]
    assert program.secrets["PREFECT_SERVER_API_AUTH_STRING"] == word
    assert not any(word in text for text in (*program.command, *program.environment.values(), repr(server)))
    assert program.environment["PREFECT_SERVER_CORS_ALLOWED_ORIGINS"] == "http://127.0.0.1:4711,http://localhost:4711"
    assert program.environment["PREFECT_SERVER_CSRF_PROTECTION_ENABLED"] == "true"
    again = current_server()
    assert again is not None
    assert again.password == server.password
    assert ensure_worker(server)
    assert world.programs["prefect-worker"].secrets["PREFECT_API_AUTH_STRING"] == word


@pytest.mark.row(37)
@pytest.mark.usefixtures("world")
def test_prefects_database_holds_the_alerts_address_beside_its_key_so_only_the_user_gets_to_it(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (home / "prefect").mkdir(mode=0o755)
    ensure_server()
    assert stat.S_IMODE((home / "prefect").stat().st_mode) == 0o700
    theirs = tmp_path / "theirs"
    theirs.mkdir(mode=0o755)
    monkeypatch.setenv("PREFECT_HOME", str(theirs))
    prefect_server.stop_server()
    ensure_server()
    assert stat.S_IMODE(theirs.stat().st_mode) == 0o755, "a home of the user's own is theirs to open"


@pytest.mark.row(37)
def test_a_server_of_ours_without_a_password_is_an_open_door_and_is_replaced(world: World) -> None:
    ensure_server()
    password_file().unlink()
    assert current_server() is None
    assert ensure_server().started
    assert world.changes.count("launch prefect-server") == 2


@pytest.mark.parametrize("given", [URL, URL + "/", "http://localhost:4711/api"])
def test_our_own_server_is_known_by_its_address_too(given: str, world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a shell that followed the documentation says it."""
    password = ensure_server().password
    monkeypatch.setenv("PREFECT_API_URL", given)
    assert (found := current_server()) is not None
    assert found.password == password is not None


@pytest.mark.row(36)
def test_a_server_of_the_users_own_is_asked_with_what_they_set_and_ours_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = {
        "PREFECT_CLIENT_CUSTOM_HEADERS": '{"X-Proxy": "word"}',
        "PREFECT_API_SSL_CERT_FILE": "/their.pem",
        "PREFECT_API_TLS_INSECURE_SKIP_VERIFY": "true",
        "PREFECT_API_KEY": "pnu_x",
    }
    for name, value in {**theirs, "PREFECT_API_URL": "https://prefect.campus/api", "PREFECT_LOGGING_LEVEL": "ERROR"}.items():
        monkeypatch.setenv(name, value)
    own = PrefectServer("https://prefect.campus/api", started=False)
    assert client_secrets(own) == {**client_secrets(own), **theirs}
    assert client_environment(own)["PREFECT_API_URL"] == own.url
    ours = client_environment(PrefectServer(URL, started=False, password=ensure_password()))
    assert not set(theirs) & set(ours)
    assert "PREFECT_LOGGING_LEVEL" not in ours


def test_the_server_calls_itself(home: Path) -> None:
    environment = server_environment(URL)
    assert environment["PREFECT_UI_API_URL"] == URL
    assert environment["PREFECT_HOME"] == str(home / "prefect")


def test_the_password_is_shown_to_who_asks_for_it(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(NotReady, match="make serve"):
        credentials.main()
    word = ensure_password().get_secret_value()
    credentials.main()
    assert capsys.readouterr().out == f"{word}\n"
