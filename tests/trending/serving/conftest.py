"""A store of the test's own, in each place where there may be one."""

from __future__ import annotations

import inspect
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import pytest
from postgres_cluster import PASSWORD
from pydantic import SecretStr

from trending.postgresql.place import PostgresPlace
from trending.serving.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from trending.opened_store import StorePlace

_numbers = count()
IN_POSTGRESQL = pytest.param(
    "postgresql",
    marks=[pytest.mark.real, pytest.mark.journey],
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test in both places, unless it looks into the file itself."""
    asked_for = inspect.signature(metafunc.function).parameters
    if "store" in asked_for and "path" not in asked_for:
        metafunc.parametrize("where", ["sqlite", IN_POSTGRESQL])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The store's file, in a directory that is not there yet."""
    return tmp_path / "data" / "serving.sqlite"


@pytest.fixture
def where() -> str:
    """The place of a test that looks into the file."""
    return "sqlite"


@pytest.fixture
def store(where: str, path: Path, request: pytest.FixtureRequest) -> Iterator[Store]:
    place: StorePlace = path
    if where == "postgresql":
        url = request.getfixturevalue("postgres").url
        place = PostgresPlace(url=url, stack=f"test-{next(_numbers)}", owner="this test", given=SecretStr(PASSWORD))
    with closing(Store(place)) as made:
        yield made
