"""A server that another Prefect was started for is stopped when nobody uses it: an upgrade has replaced its files."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.prefect_services import versions
from infra.prefect_services.server import stop_other_version, stop_server
from infra.prefect_services.supervision import note_serving, server_used
from infra.prefect_services.versions import note_version, other_version

if TYPE_CHECKING:
    from pathlib import Path

    import pytest
    from fakes.world import World


def started(world: World, home: Path) -> None:
    """Have a server that this Prefect was started for."""
    (home / "server").mkdir()
    (home / "server" / "url").write_text("http://127.0.0.1:1/api")
    note_version()
    world.supervised = True


def test_a_server_of_this_prefect_goes_on(world: World, home: Path) -> None:
    assert other_version() == "", "there is none"
    started(world, home)
    assert other_version() == ""
    stop_other_version()
    assert world.supervised


def test_a_server_of_another_prefect_is_stopped_once_nobody_uses_it(
    world: World, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    started(world, home)
    monkeypatch.setattr(versions, "version", lambda _package: "99.0")
    noted = other_version()
    assert noted not in {"", "99.0"}
    with server_used():
        stop_other_version()
        assert world.supervised
    stop_other_version()
    assert not world.supervised
    assert other_version() == ""


def test_a_server_that_the_first_release_started_has_no_note_and_goes_too(world: World, home: Path) -> None:
    started(world, home)
    (home / "server" / "version").unlink()
    assert other_version() == "unknown"
    stop_other_version()
    assert not world.supervised


def test_server_and_worker_of_make_serve_go_on_until_they_are_stopped(world: World, home: Path) -> None:
    started(world, home)
    (home / "server" / "version").unlink()
    note_serving()
    stop_other_version()
    assert world.supervised
    assert stop_server()
    assert not (home / "server" / "url").exists()
