"""The schema of one stack: whether it can be used, making it, and deleting it with everything that the lab has made in it."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from sqlalchemy import Column, Integer, MetaData, String, Table, func, inspect, select, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateSchema, DropSchema

from trending import ranking_view
from trending.errors import REBUILD, ConfigurationConflict, NotOurs
from trending.postgresql.engine import open_postgresql, right_missing, unreachable
from trending.postgresql.place import OF_CLUSTER
from trending.postgresql.staging import LATE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Connection, Engine, Row

    from trending.postgresql.place import PostgresPlace

LEAST_VERSION = 13
"""The oldest PostgreSQL that is still looked after."""


def _mark(name: str) -> Table:
    columns = (Column("form", Integer, nullable=False), Column("owner", String, nullable=False))
    return Table(name, MetaData(), *columns, Column("tables", String, nullable=False))


LEDGER_MARK = "ledger"
_MARK, _LEDGER = _mark("store"), _mark(LEDGER_MARK)
"""A row each: the number of the tables' form, the stack that they belong to, and their names, with spaces between.

The store's tables go with a rebuild, and the ledger's with the stack's data.
"""


@contextmanager
def connected(place: PostgresPlace) -> Iterator[Connection]:
    """Yield a connection in a transaction; raises LabError where the server cannot be used."""
    engine = open_postgresql(place)
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise unreachable(place, error) from error
    finally:
        engine.dispose()


def require_usable(place: PostgresPlace, form: int | None) -> str:
    """Return what was found; raises LabError with the remedy for what would keep a store from being made and used there.

    A schema that is there must be this stack's, and its tables of the form, if one is given. Nothing is written.
    """
    with connected(place) as connection:
        version = _require_server(connection, place)
        user = connection.execute(select(func.current_user())).scalar_one()
        database = connection.execute(select(func.current_database())).scalar_one()
        if not _has_schema(connection, place):
            if not connection.execute(select(func.has_database_privilege(func.current_database(), "CREATE"))).scalar_one():
                grant = f'as its owner: CREATE SCHEMA {place.schema_name} AUTHORIZATION "{user}"'
                evidence = f"there is no schema {place.schema_name}, and {user} may make none in {database}"
                raise right_missing(place, evidence, grant)
            return f"PostgreSQL {version}, a new schema {place.schema_name}"
        for right in ("USAGE", "CREATE"):
            if not connection.execute(select(func.has_schema_privilege(place.schema_name, right))).scalar_one():
                raise right_missing(place, f"{user} lacks {right} on the schema")
        require_mark(connection, place, form)
        _require_owned(connection, place, user)
        return f"PostgreSQL {version}, schema {place.schema_name}"


def _require_server(connection: Connection, place: PostgresPlace) -> str:
    version: str = connection.execute(text("SHOW server_version")).scalar_one()
    encoding = connection.execute(text("SHOW server_encoding")).scalar_one()
    follows = connection.execute(select(func.pg_is_in_recovery())).scalar_one()
    if int(version.partition(".")[0].partition("b")[0]) < LEAST_VERSION:
        reason = f"it is PostgreSQL {version}, and {LEAST_VERSION} is the oldest one that will do"
    elif encoding != "UTF8":
        reason = f"its encoding is {encoding}, and hashtags need UTF8"
    elif follows:
        reason = "it is a standby, where nothing can be written"
    else:
        return version
    cause = f"the serving store {place} cannot be kept in this database"
    raise ConfigurationConflict(
        cause, reason, "give another one by STORE_URL; CREATE DATABASE … ENCODING 'UTF8' TEMPLATE template0"
    )


def _require_owned(connection: Connection, place: PostgresPlace, user: str) -> None:
    query = text(
        "SELECT tablename FROM pg_tables WHERE schemaname = :schema AND NOT pg_has_role(tableowner, 'USAGE') ORDER BY tablename"
    )
    if theirs := connection.execute(query, {"schema": place.schema_name}).scalars().all():
        grant = f'as its owner: ALTER TABLE {place.schema_name}.{theirs[0]} OWNER TO "{user}", and so on for each'
        raise right_missing(place, f"tables of another role: {', '.join(theirs)}", grant)


def _has_schema(connection: Connection, place: PostgresPlace) -> bool:
    query = text("SELECT count(*) FROM pg_namespace WHERE nspname = :schema")
    return bool(connection.execute(query, {"schema": place.schema_name}).scalar_one())


def require_mark(connection: Connection, place: PostgresPlace, form: int | None) -> bool:
    """Return whether the schema has a store; raises NotOurs for another stack's, ConfigurationConflict for another form's."""
    mark = _read_mark(connection, place, _MARK)
    if mark is None:
        return False
    _require_ours(place, mark.owner)
    if form is not None and mark.form != form:
        cause = f"the serving store {place} was made by another version of the lab"
        raise ConfigurationConflict(cause, f"its tables are of form {mark.form}, this lab's of form {form}", REBUILD)
    return True


def _read_mark(connection: Connection, place: PostgresPlace, mark: Table) -> Row[Any] | None:
    there = inspect(connection).has_table(mark.name, schema=place.schema_name)
    return connection.execute(select(mark)).first() if there else None


def ledger_owner(connection: Connection, place: PostgresPlace, form: int) -> str:
    """Return whose ledgers the schema has, empty for none; raises ConfigurationConflict where they are of another form."""
    mark = _read_mark(connection, place, _LEDGER)
    if mark is None:
        return ""
    if mark.form != form:
        cause = f"the ledgers in {place} were made by another version of the lab"
        ways = "producers and stack of one version; or make down VOLUMES=1, which deletes the stack's data"
        raise ConfigurationConflict(cause, f"their tables are of form {mark.form}, this lab's of form {form}", ways)
    return str(mark.owner)


def ensure_ledger(engine: Engine, place: PostgresPlace, form: int, tables: MetaData) -> None:
    """Make schema and tables of the stack's ledgers where they are missing; raises LabError where they are another's."""
    with engine.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(place.schema_name))))
        if owner := ledger_owner(connection, place, form):
            _require_ours(place, owner)
            _complete_mark(connection, place, _LEDGER)
            return
        if not _has_schema(connection, place):
            connection.execute(CreateSchema(place.schema_name))
        tables.create_all(connection)
        _LEDGER.create(connection, checkfirst=True)
        connection.execute(_LEDGER.insert().values(form=form, owner=place.owner, tables=" ".join(tables.tables)))


def _complete_mark(connection: Connection, place: PostgresPlace, mark: Table) -> None:
    """Add the cluster's id to a mark that was made before it was known."""
    ours, of_cluster, _cluster = place.owner.partition(OF_CLUSTER)
    if of_cluster:
        connection.execute(mark.update().where(mark.c.owner == ours).values(owner=place.owner))


def _require_ours(place: PostgresPlace, owner: str) -> None:
    (theirs, _of, their_cluster), (ours, _of, our_cluster) = owner.partition(OF_CLUSTER), place.owner.partition(OF_CLUSTER)
    if theirs != ours or (their_cluster and our_cluster and their_cluster != our_cluster):
        cause = f"the serving store {place} is another stack's"
        moved = f"if it is this one, moved: UPDATE {place.schema_name}.store SET owner = '{place.owner}'"  # noqa: S608 - to be read
        gone = f"if that stack is gone: DROP SCHEMA {place.schema_name} CASCADE"
        ways = f"give this stack another NAME or STORE_URL; {moved}; {gone}"
        raise NotOurs(cause, f"it belongs to {owner}, this stack is {place.owner}", ways)


def ensure_tables(engine: Engine, place: PostgresPlace, form: int, tables: MetaData) -> None:
    """Make schema and tables where they are missing; raises LabError where what is there cannot be used."""
    with engine.begin() as connection:
        if require_mark(connection, place, form):
            _complete_mark(connection, place, _MARK)
            if _has_late_tables(connection, place):
                return
    with engine.begin() as connection:
        # Two programs may come at once. The lock is the transaction's.
        connection.execute(select(func.pg_advisory_xact_lock(func.hashtext(place.schema_name))))
        if not require_mark(connection, place, form):
            if not _has_schema(connection, place):
                connection.execute(CreateSchema(place.schema_name))
            tables.create_all(connection)
            _MARK.create(connection, checkfirst=True)
            connection.exec_driver_sql(ranking_view.of_schema(place.stack))
            connection.execute(_MARK.insert().values(form=form, owner=place.owner, tables=" ".join(tables.tables)))
        if not _has_late_tables(connection, place):
            LATE.create_all(connection)
            connection.execute(_MARK.update().values(tables=_MARK.c.tables + "".join(f" {name}" for name in LATE.tables)))


def _has_late_tables(connection: Connection, place: PostgresPlace) -> bool:
    """Whether the schema has the tables that came without a new form; a schema of an earlier version gets them beside its own."""
    return all(inspect(connection).has_table(name, schema=place.schema_name) for name in LATE.tables)


def has_store(place: PostgresPlace) -> bool:
    """Whether anything was ever written there; raises LabError where the server cannot be used."""
    with connected(place) as connection:
        return inspect(connection).has_table(_MARK.name, schema=place.schema_name)


def has_any(place: PostgresPlace) -> bool:
    """Whether counts or producers' ledgers are there, of whichever stack; raises LabError where the server cannot be used."""
    with connected(place) as connection:
        return any(inspect(connection).has_table(mark.name, schema=place.schema_name) for mark in (_MARK, _LEDGER))


def delete_tables(place: PostgresPlace) -> list[str]:
    """Delete the tables of this stack's store, whatever their form; returns their names. The schema itself stays.

    Raises NotOurs for another stack's, LabError where somebody else's view depends on one of them: nothing is deleted then.
    """
    with connected(place) as connection:
        return _delete_tables(connection, place, _MARK)


def _delete_tables(connection: Connection, place: PostgresPlace, kept: Table) -> list[str]:
    look = inspect(connection)
    there = set(look.get_table_names(schema=place.schema_name))
    if kept.name not in there:
        return []
    mark = connection.execute(select(kept)).first()
    _require_ours(place, mark.owner if mark else place.owner)
    names = [*sorted(there.intersection(mark.tables.split() if mark else ())), kept.name]
    quote = connection.dialect.identifier_preparer.quote
    listed = ", ".join(f"{place.schema_name}.{quote(name)}" for name in names)
    if kept is _MARK:
        connection.exec_driver_sql(f"DROP VIEW IF EXISTS {place.schema_name}.{ranking_view.NAME}")
    connection.exec_driver_sql(f"DROP TABLE {listed}")
    return names


def require_deletable(place: PostgresPlace) -> None:
    """Raise LabError where ``delete_schema`` would fail: another stack's, another role's, or a server that is away."""
    with connected(place) as connection:
        marks = [mark for mark in (_MARK, _LEDGER) if inspect(connection).has_table(mark.name, schema=place.schema_name)]
        for kept in marks:
            mark = connection.execute(select(kept)).first()
            _require_ours(place, mark.owner if mark else place.owner)
        if marks:
            _require_owned(connection, place, connection.execute(select(func.current_user())).scalar_one())


def delete_schema(place: PostgresPlace) -> bool:
    """Delete the stack's tables, and its schema if that is empty then and the user's; returns whether there were any."""
    with connected(place) as connection:
        gone = [*_delete_tables(connection, place, _MARK), *_delete_tables(connection, place, _LEDGER)]
        if not gone:
            return False
        query = text("SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = :schema")
        if connection.execute(query, {"schema": place.schema_name}).scalar_one() and _is_empty(connection, place):
            connection.execute(DropSchema(place.schema_name))
        return True


def _is_empty(connection: Connection, place: PostgresPlace) -> bool:
    query = text(
        "SELECT (SELECT count(*) FROM pg_class WHERE relnamespace = n.oid) + (SELECT count(*) FROM pg_proc WHERE pronamespace = "
        "n.oid) + (SELECT count(*) FROM pg_type WHERE typnamespace = n.oid) FROM pg_namespace n WHERE nspname = :schema"
    )
    return not connection.execute(query, {"schema": place.schema_name}).scalar_one()


def size_of(connection: Connection, place: PostgresPlace) -> int:
    """Return how many bytes the schema's tables take, with their indexes."""
    query = text(
        "SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0)::bigint FROM pg_class c JOIN pg_namespace n "
        "ON n.oid = c.relnamespace WHERE n.nspname = :schema AND c.relkind = 'r'"
    )
    return int(connection.execute(query, {"schema": place.schema_name}).scalar_one())
