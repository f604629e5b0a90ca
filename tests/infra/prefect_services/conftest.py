"""A supervisor of pretend for Prefect's services."""

from __future__ import annotations

import pytest
from fakes.supervisor import FakeSupervisor
from fakes.world import World

from infra.host.paths import StackPaths, lab_home
from infra.prefect_services import server as prefect_server


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    """A supervisor of pretend in place of the server's own."""
    made = World()
    paths = StackPaths(lab_home(), "prefect-server")
    monkeypatch.setattr("infra.prefect_services.supervision.Supervisor", lambda *_: FakeSupervisor(made, paths))
    monkeypatch.setattr(prefect_server, "is_ours", lambda _url: True)
    return made
