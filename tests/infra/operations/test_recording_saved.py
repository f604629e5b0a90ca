from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import pytest
from fakes.stacks import make

from infra.operations.page import save_recording
from trending.errors import InvalidInput, NotReady
from trending.settings import PageSettings

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fakes.world import World

    from infra.lab.assembly import Lab


class RecordingPage(BaseHTTPRequestHandler):
    """Answers what it is asked for with a status and a word."""

    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.end_headers()
        self.wfile.write(self.path.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def lab(world: World) -> Iterator[Lab]:
    assert world
    with HTTPServer(("127.0.0.1", 0), RecordingPage) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield make(page=PageSettings(page_port=server.server_port))
        server.shutdown()
        thread.join()


def test_what_the_page_gives_is_the_file(lab: Lab, tmp_path: Path) -> None:
    assert save_recording(lab, tmp_path / "recording", 59.2) == len("/recording?seconds=60")
    assert (tmp_path / "recording").read_text() == "/recording?seconds=60"


def test_the_answer_of_a_page_that_keeps_no_recording_is_none(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(RecordingPage, "status", 404)
    with pytest.raises(NotReady, match="gave no recording") as caught:
        save_recording(lab, tmp_path / "recording", 60)
    assert caught.value.evidence == "status 404"
    assert not (tmp_path / "recording").exists()


@pytest.mark.row(35)
@pytest.mark.parametrize("leads_to", ["a file", "nothing"])
def test_what_is_there_stays(lab: Lab, tmp_path: Path, leads_to: str) -> None:
    theirs = tmp_path / "thesis.txt"
    if leads_to == "a file":
        theirs.write_text("mine", encoding="utf-8")
    else:
        theirs.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InvalidInput, match=f"{theirs} is there already"):
        save_recording(lab, theirs, 60)
    if leads_to == "a file":
        assert theirs.read_text(encoding="utf-8") == "mine"
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.row(35)
def test_so_does_what_was_made_while_the_page_was_asked(lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    theirs = tmp_path / "thesis.txt"
    theirs.write_text("mine", encoding="utf-8")
    monkeypatch.setattr("os.path.lexists", lambda _path: False)
    with pytest.raises(InvalidInput, match="is there already"):
        save_recording(lab, theirs, 60)
    assert theirs.read_text(encoding="utf-8") == "mine"
