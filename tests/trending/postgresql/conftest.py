"""A place in the session's PostgreSQL server."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

import pytest
from postgres_cluster import PASSWORD
from pydantic import SecretStr

from trending.postgresql.place import PostgresPlace

if TYPE_CHECKING:
    from postgres_cluster import Cluster

_numbers = count()


@pytest.fixture
def place(postgres: Cluster) -> PostgresPlace:
    """The place of a stack of the test's own."""
    return PostgresPlace(url=postgres.url, stack=f"own-{next(_numbers)}", owner="mine", given=SecretStr(PASSWORD))
