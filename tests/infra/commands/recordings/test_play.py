from __future__ import annotations

import hashlib
import json
import socket
import sqlite3
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING

import httpx
import pytest

from infra.commands.recordings import play
from infra.forms.showing import PlayForm
from infra.host.paths import CHECKOUT
from infra.host.processes import free_port
from trending.errors import InvalidInput, PortTaken
from trending.settings import PageSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORDED = CHECKOUT / "docs" / "recorded" / "ranking.sqlite"


@pytest.fixture
def address(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The page on the recording that is part of the checkout."""
    stop = threading.Event()
    monkeypatch.setattr(play, "stop_on_signals", lambda: stop)
    form = PlayForm(store=str(RECORDED), page=PageSettings(page_port=free_port(18700, 1)))
    thread = threading.Thread(target=play.main, args=(form,))
    thread.start()
    yield form.page.address
    stop.set()
    thread.join(10)
    assert not thread.is_alive()


def answered(address: str, language: str) -> str:
    """Return the page in the language, as soon as it answers."""
    deadline = time.monotonic() + 10
    while True:
        try:
            return httpx.get(address, headers={"Accept-Language": language}).text
        except httpx.ConnectError:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_a_recorded_store_is_shown_without_a_broker_and_stays_as_it_is(address: str) -> None:
    recording = RECORDED
    before = hashlib.sha256(recording.read_bytes()).hexdigest()
    page = answered(address, "es")
    assert '<bdi data-f="shown">#BigData</bdi>' in page
    assert "Un almacén grabado" in page
    assert hashlib.sha256(recording.read_bytes()).hexdigest() == before
    assert [path.name for path in recording.parent.iterdir() if path.name.startswith(recording.name)] == [recording.name]


def test_without_a_store_there_is_one_clear_error() -> None:
    with pytest.raises(InvalidInput, match="there is no recorded store /nowhere"):
        play.main(PlayForm(store="/nowhere"))


@pytest.mark.parametrize("tables", [None, ["intervals"]])
def test_a_file_that_is_no_store_is_one_clear_error(tmp_path: Path, tables: list[str] | None) -> None:
    path = tmp_path / "other.sqlite"
    if tables is None:
        path.write_bytes(b"no database, and longer than the header of one")
    else:
        with closing(sqlite3.connect(path)) as connection:
            for name in tables:
                connection.execute(f"CREATE TABLE {name} (number INTEGER)")
    with pytest.raises(InvalidInput, match=r"other\.sqlite is no recorded store") as caught:
        play.main(PlayForm(store=str(path)))
    assert ("file is not a database" if tables is None else "no table ranking") in caught.value.evidence


def test_the_command_for_another_port_quotes_the_store(tmp_path: Path) -> None:
    store = tmp_path / "my store.sqlite"
    store.write_bytes(RECORDED.read_bytes())
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        page = PageSettings(page_port=foreign.getsockname()[1])
        with pytest.raises(PortTaken) as caught:
            play.main(PlayForm(store=str(store), page=page))
    assert f"STORE='{store}' PAGE_PORT=" in caught.value.next_command


def test_a_taken_port_is_one_clear_error_with_the_command_that_works() -> None:
    with socket.socket() as foreign:
        foreign.bind(("127.0.0.1", 0))
        foreign.listen()
        port = foreign.getsockname()[1]
        with pytest.raises(PortTaken, match=f"the page's port is taken \\(port {port}: ") as caught:
            play.main(PlayForm(page=PageSettings(page_port=port)))
    assert caught.value.next_command.startswith("make replay-demo RECORDING=")
    assert " PAGE_PORT=" in caught.value.next_command


@pytest.mark.parametrize("chosen", [{"store": str(RECORDED)}, {}])
def test_the_page_answers_to_the_host_names_that_are_given(chosen: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    monkeypatch.setattr(play, "stop_on_signals", lambda: stop)
    form = PlayForm(page=PageSettings(page_port=free_port(18740, 1), hosts="*.app.github.dev"), **chosen)
    thread = threading.Thread(target=play.main, args=(form,))
    thread.start()
    try:
        answered(form.page.address, "en")
        hosts = ("mine-8501.app.github.dev", "mine.example.org")
        codes = [httpx.get(form.page.address, headers={"Host": host}).status_code for host in hosts]
    finally:
        stop.set()
        thread.join(10)
    assert codes == [200, 400]


def test_without_a_port_there_is_nothing_to_play_it_on() -> None:
    with pytest.raises(InvalidInput, match="PAGE_PORT=0") as caught:
        play.main(PlayForm(page=PageSettings(page_port=0)))
    assert caught.value.next_command == "make replay-demo PAGE_PORT=8501"


def test_the_shipped_recording_is_played_in_both_languages(monkeypatch: pytest.MonkeyPatch) -> None:
    stop = threading.Event()
    monkeypatch.setattr(play, "stop_on_signals", lambda: stop)
    form = PlayForm(page=PageSettings(page_port=free_port(18720, 1)))
    thread = threading.Thread(target=play.main, args=(form,))
    thread.start()
    try:
        assert "Una grabación de una ejecución real" in answered(form.page.address, "es")
        assert "A recording of a real run" in answered(form.page.address, "en")
        lines = [json.loads(line) for line in httpx.get(f"{form.page.address}recording").text.splitlines()]
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert lines[-1]["at"] - lines[0]["at"] > 200
    sections = [line["sections"] for line in lines]
    health = [each["pipeline"]["kafka"]["health"] for each in sections if "pipeline" in each]
    assert "troubled" in health, "the broker was killed"
    assert health[-1] == "well", "and came back"
    assert "#ÚltimaHora" in {each["ranking"]["rows"][0]["tag"] for each in sections if each.get("ranking", {}).get("rows")}
    assert "missing" not in {each["proof"]["state"] for each in sections if "proof" in each}


def test_a_recording_that_is_not_there_is_one_clear_error() -> None:
    with pytest.raises(InvalidInput, match="/nowhere is no recording of the page"):
        play.main(PlayForm(recording="/nowhere"))
