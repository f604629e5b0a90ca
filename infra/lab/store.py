"""Where a stack's counts are: its own file, or its schema in a database; the password that leads there, and deleting it."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.secret_references import read_secret
from infra.stack.kept_blocks import kept_block
from trending.errors import REBUILD, ConfigurationConflict, LabError, NotOurs
from trending.postgresql.place import OF_CLUSTER, PASSWORD_VARIABLE, PostgresLedger, PostgresPlace

if TYPE_CHECKING:
    from infra.host.paths import StackPaths
    from infra.lab.assembly import Lab
    from infra.stack.state import StackState
    from trending.opened_store import StorePlace
    from trending.producer.places.opened import LedgerPlace
    from trending.settings import LabSettings


def store_place(lab: Lab) -> StorePlace:
    """Return where the stack's counts are; raises InvalidInput where the password cannot be had."""
    return place_of(lab.paths, lab.settings, lab.state.cluster_id)


def place_of(paths: StackPaths, settings: LabSettings, cluster_id: str) -> StorePlace:
    """Return where the counts of a stack with these settings are; ``cluster_id`` is empty where it is not known yet."""
    serving = settings.serving
    if not serving.has_server:
        return paths.store
    owner = f"{paths.stack_id}{OF_CLUSTER}{cluster_id}" if cluster_id else paths.stack_id
    given = read_secret("STORE_SECRET", serving.store_secret, partial(kept_block, paths))
    return PostgresPlace(url=serving.store_url, stack=paths.name, owner=owner, given=given)


def ledger_places(lab: Lab) -> list[LedgerPlace]:
    """Return where the ledgers of the stack's producers are: its own one's, and those of others in the stack's schema."""
    place = store_place(lab)
    return [lab.paths.ledger, *([PostgresLedger(place=place, producer="")] if isinstance(place, PostgresPlace) else [])]


def make_shared_ledgers(lab: Lab) -> None:
    """Make the tables for the ledgers of producers elsewhere, where the stack has a schema."""
    place = store_place(lab)
    if isinstance(place, PostgresPlace):
        from trending.producer.places.shared import make_ledgers  # noqa: PLC0415 - libpq

        make_ledgers(place)


def other_producers(lab: Lab) -> list[str]:
    """Return the names of the producers elsewhere that send to the stack's topic at this moment."""
    place = store_place(lab)
    if not isinstance(place, PostgresPlace):
        return []
    from trending.producer.places.shared import at_work  # noqa: PLC0415 - libpq

    return at_work(place)


def store_secrets(lab: Lab) -> dict[str, str]:
    """Return the variables that a program which opens the store needs, and that no file shows."""
    place = store_place(lab)
    return {PASSWORD_VARIABLE: place.password} if isinstance(place, PostgresPlace) and place.given else {}


def check_store(paths: StackPaths, settings: LabSettings, cluster_id: str = "") -> str:
    """Return what was found of a database that the counts are to be in; raises LabError where they cannot.

    Nothing is written. A file is made where it is needed, and is not looked at. Tables of another form are no obstacle to a start
    without the job, after which a rebuild makes them anew.
    """
    place = place_of(paths, settings, cluster_id)
    if not isinstance(place, PostgresPlace):
        return ""
    from trending.postgresql.schema import require_usable  # noqa: PLC0415 - SQLAlchemy, 0.2 s that every start would wait for
    from trending.serving.store import FORMAT  # noqa: PLC0415 - as above

    try:
        return require_usable(place, FORMAT if settings.starts_job else None)
    except ConfigurationConflict as error:
        if not error.ends_by_rebuild:
            raise
        anew = f"make up NAME={paths.name} UNTIL=producer, then {REBUILD} NAME={paths.name}, counts it anew from the log"
        raise ConfigurationConflict(error.cause, error.evidence, anew) from None


def require_ledgers_kept(paths: StackPaths, earlier: StackState, settings: LabSettings) -> None:
    """Raise ConfigurationConflict where a stack would leave a database in which producers elsewhere have ledgers.

    An audit would take what they have sent for records that nobody has announced. Ledgers that were copied to the new database
    are found there. Where the old one does not answer, that is said, and the stack may go on without it.
    """
    before, after = (place_of(paths, each, earlier.cluster_id) for each in (earlier.settings, settings))
    if not isinstance(before, PostgresPlace) or (isinstance(after, PostgresPlace) and after.url == before.url):
        return
    from trending.producer.places.shared import producers_of  # noqa: PLC0415 - libpq

    try:
        names = producers_of(before)
    except LabError as error:
        say(f"whether other producers have ledgers in {before} could not be seen: {error.cause}")
        return
    if left := sorted(set(names).difference(producers_of(after) if isinstance(after, PostgresPlace) and names else ())):
        cause = f"the ledgers of {', '.join(left)} would stay in {before}, and no audit would be clean without them"
        move = f"pg_dump --schema={before.schema_name} copies them to the new database first"
        raise ConfigurationConflict(cause, "nothing was started", f"make up STORE_URL={before.url} keeps them; {move}")


def store_exists(place: StorePlace) -> bool:
    """Whether anything was ever written to a store."""
    if not isinstance(place, PostgresPlace):
        return place.exists()
    from trending.postgresql.schema import has_store  # noqa: PLC0415 - as above

    return has_store(place)


def counted_before(paths: StackPaths, settings: LabSettings) -> bool:
    """Whether a database has counts or ledgers of a stack with these settings; also where it could not be asked."""
    try:
        place = place_of(paths, settings, "")
        if not isinstance(place, PostgresPlace):
            return False
        from trending.postgresql.schema import has_any  # noqa: PLC0415 - as above

        return has_any(place)
    except LabError:
        return True


def check_deletable(lab: Lab) -> None:
    """Raise LabError where the stack's rows in a database could not be deleted now: nothing was touched then."""
    place = store_place(lab)
    if not isinstance(place, PostgresPlace):
        return
    from trending.postgresql.schema import require_deletable  # noqa: PLC0415 - as above

    try:
        require_deletable(place)
    except LabError as error:
        keeps = f"make down NAME={lab.paths.name} keeps them"
        cause = f"the rows of {lab.paths.name} in {place} cannot be deleted: nothing was touched"
        raise type(error)(cause, f"{error.cause}; {error.evidence}", f"{error.next_command}; {keeps}") from error


def delete_store(lab: Lab) -> None:
    """Delete the stack's tables in a database, and its schema; a file goes with the stack's directory."""
    place = store_place(lab)
    if not isinstance(place, PostgresPlace):
        return
    from trending.postgresql.schema import delete_schema  # noqa: PLC0415 - as above

    if delete_schema(place):
        say(f"deleted the counts of {lab.paths.name} in {place}")


def delete_new_store(lab: Lab) -> None:
    """Delete what a start-up that failed has made in a database; another stack's is the reason why it failed."""
    try:
        delete_store(lab)
    except NotOurs:
        return
