"""A standalone Spark cluster for the tests that go there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.spark_cluster.standalone import start_cluster, stop_cluster

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def master(real_home: Path) -> Iterator[str]:
    """A master with two workers, stopped afterwards."""
    yield start_cluster()
    stop_cluster()
