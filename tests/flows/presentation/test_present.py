from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from flows.commands import present
from infra.forms.showing import PresentForm
from trending.errors import InvalidInput, NotReady, PortTaken

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.forms.stacks import StartUpForm


@pytest.fixture(autouse=True)
def begun(monkeypatch: pytest.MonkeyPatch) -> list[StartUpForm]:
    """The start-ups that a presentation begins."""
    forms: list[StartUpForm] = []

    def run(flow: Callable[[], Any]) -> None:
        flow()

    monkeypatch.setattr(present, "check_start", lambda _form: None)
    monkeypatch.setattr(present, "with_server", run)
    monkeypatch.setattr(present, "start_up", forms.append)
    for name in ("DISPLAY", "WAYLAND_DISPLAY", "WSL_DISTRO_NAME", "LC_ALL", "LC_MESSAGES"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LANG", "C.UTF-8")
    return forms


def test_it_starts_at_a_rate_that_is_worth_watching_and_says_what_to_show(
    begun: list[StartUpForm], capsys: pytest.CaptureFixture[str]
) -> None:
    present.main(PresentForm())
    assert [(form.producer.rate, form.stream.trigger_seconds) for form in begun] == [(20.0, 2.0)]
    lines = capsys.readouterr().out.splitlines()
    assert "open the page: http://localhost:8501/?view=projector" in lines
    assert lines[-3:] == list(present.IN_ENGLISH[1:])


@pytest.mark.parametrize(("variable", "language"), [("LANG", "es_ES.UTF-8"), ("LC_ALL", "es_MX.UTF-8")])
def test_a_spanish_terminal_is_told_in_spanish(
    variable: str, language: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(variable, language)
    present.main(PresentForm())
    assert capsys.readouterr().out.splitlines()[-4:] == list(present.IN_SPANISH)


def test_where_there_is_a_screen_the_page_is_opened(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    opened: list[str] = []
    monkeypatch.setenv("DISPLAY", ":0")
    monkeypatch.setattr(present.webbrowser, "open", lambda address: bool(opened.append(address)) or True)
    present.main(PresentForm())
    assert opened == ["http://localhost:8501/?view=projector"]
    assert "the page is open: http://localhost:8501/?view=projector" in capsys.readouterr().out


def test_without_a_page_nothing_is_started(begun: list[StartUpForm]) -> None:
    with pytest.raises(InvalidInput, match="an audience sees the page, and PAGE_PORT is 0") as caught:
        present.main(PresentForm(page={"page_port": 0}))
    assert caught.value.next_command == "make present PAGE_PORT=8501"
    assert begun == []


@pytest.mark.parametrize("where", ["check_start", "start_up"])
def test_a_start_that_fails_offers_the_recording_and_fails(
    where: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(_form: StartUpForm) -> None:
        cause = "the port is taken"
        raise PortTaken(cause, "by another", "make up PORT=1")

    monkeypatch.setattr(present, where, fail)
    with pytest.raises(PortTaken):
        present.main(PresentForm())
    assert capsys.readouterr().out == f"the start failed; {present.OFFER}\n"


def test_a_start_that_takes_long_offers_the_recording_once_and_goes_on(capsys: pytest.CaptureFixture[str]) -> None:
    with present.offering_the_recording(seconds=0.01):
        time.sleep(0.2)
    assert capsys.readouterr().out.count(present.OFFER) == 1


def test_a_start_in_time_offers_nothing_later(capsys: pytest.CaptureFixture[str]) -> None:
    with present.offering_the_recording(seconds=0.2):
        pass
    time.sleep(0.3)
    assert capsys.readouterr().out == ""


def test_an_error_ends_the_wait_for_the_offer(capsys: pytest.CaptureFixture[str]) -> None:
    cause = "no broker"
    with pytest.raises(NotReady), present.offering_the_recording(seconds=0.2):
        raise NotReady(cause, "", "")
    time.sleep(0.3)
    assert capsys.readouterr().out.count(present.OFFER) == 1
