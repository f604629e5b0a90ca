"""The machine of pretend, for the tests of this room that ask for it."""

from __future__ import annotations

import pytest
from fakes.world import World


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    made = World()
    made.put_in_place(monkeypatch)
    return made
