"""What the status says of a producer that a quota of the cluster slows down."""

from __future__ import annotations

import time

import pytest
from fakes.stacks import beat, make

from infra.commands import status
from infra.forms.stacks import NamedStack
from infra.lab.assembly import open_lab
from infra.operations import producer
from infra.operations.producer import quota_line


@pytest.fixture(autouse=True)
def _producers(world: object, monkeypatch: pytest.MonkeyPatch) -> None:
    assert world
    monkeypatch.setattr(producer, "producers_there", lambda _paths: ["producer"])


def test_the_status_names_the_cause_and_what_shows_it(capsys: pytest.CaptureFixture[str]) -> None:
    lab = make()
    beat(lab, "producer", figures={"throttled": 1.148})
    line = quota_line(lab)
    assert "a broker held its answer back for 1.148 s (producer_byte_rate or" in line
    assert f"kafka-configs --bootstrap-server {lab.stack.connection.bootstrap}" in line
    with pytest.raises(SystemExit):
        status.main(NamedStack(name="lab"))
    assert line in capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("figures", [{}, {"throttled": 0.0}])
def test_without_a_quota_nothing_is_said(figures: dict[str, float]) -> None:
    lab = make()
    assert quota_line(lab) == "", "nothing was started yet"
    beat(lab, "producer", figures=figures)
    assert quota_line(lab) == ""


def test_what_a_producer_said_before_it_died_is_past(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make()
    beat(lab, "producer", figures={"throttled": 1.0})
    now = time.time()
    monkeypatch.setattr("infra.operations.producer.time.time", lambda: now + 60)
    assert quota_line(open_lab("lab")) == ""
