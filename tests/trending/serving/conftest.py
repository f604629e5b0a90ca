"""A store of the test's own."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from trending.serving.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The store's file, in a directory that is not there yet."""
    return tmp_path / "data" / "serving.sqlite"


@pytest.fixture
def store(path: Path) -> Iterator[Store]:
    with closing(Store(path)) as store:
        yield store
