"""A home of its own for every test, and one Prefect server of pretend for the session."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from fakes.homes import home, java17
from fakes.plain import artifacts, plain, world
from fakes.terminal import own_process, said
from prefect.settings import PREFECT_FLOWS_HEARTBEAT_FREQUENCY, temporary_settings

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["artifacts", "engine", "home", "java17", "own_process", "plain", "said", "world"]


@pytest.fixture(scope="session")
def engine() -> Iterator[None]:
    """Prefect's engine against a server and database of the session's own."""
    from prefect.testing.utilities import prefect_test_harness  # noqa: PLC0415 - 2 s, and most workers need no server

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DO_NOT_TRACK", "1")
        patch.setenv("PREFECT_SERVER_ANALYTICS_ENABLED", "false")
        with temporary_settings({PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None}), prefect_test_harness(server_startup_timeout=90):
            yield
