"""Changes told by LISTEN and NOTIFY: a reader learns of a commit without asking the tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from sqlalchemy import Connection, Engine


def tell_change(connection: Connection, channel: str) -> None:
    """Tell those that listen, once this transaction has committed."""
    connection.execute(select(func.pg_notify(channel, "")))


class Listener:
    """Counts the notices on a channel. Its connection is kept; where it is lost, OperationalError is raised."""

    def __init__(self, engine: Engine, channel: str) -> None:
        # Without a transaction: a notice is not handed to a connection that is in one.
        self._connection = engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        self._connection.exec_driver_sql(f'LISTEN "{channel}"')
        self._seen = 0

    def seen(self) -> int:
        """Return the number of notices so far; it does not wait for one."""
        driver = self._connection.connection.driver_connection
        assert isinstance(driver, psycopg.Connection)  # noqa: S101 - for the type alone
        try:
            self._seen += sum(1 for _notice in driver.notifies(timeout=0))
        except psycopg.OperationalError as error:
            statement = "LISTEN"
            raise OperationalError(statement, None, error) from error
        return self._seen

    def close(self) -> None:
        """Give the connection up; it is not used again, because it would go on listening."""
        self._connection.invalidate()
        self._connection.close()
