"""Whether a job's tasks write large batches to the store themselves, and what is known of that before a session is built."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.errors import ConfigurationConflict, LabError
from trending.postgresql.place import PostgresPlace
from trending.store_url import is_on_this_machine
from trending.stream.cluster.master import is_encrypted

if TYPE_CHECKING:
    from trending.opened_store import StorePlace
    from trending.settings import StreamSettings

_WAY = (
    "STORE_URL must name a host that the executors reach, and pg_hba.conf let them in; or STAGE_RECORDS=0, and the driver writes "
    "every row itself; then make up"
)


def wants_staging(settings: StreamSettings, store: StorePlace) -> bool:
    """Whether tasks are to write large batches themselves, if they may."""
    return isinstance(store, PostgresPlace) and settings.stage_records > 0


def is_staged(settings: StreamSettings, store: StorePlace) -> bool:
    """Whether they do: executors elsewhere are sent no password that others could read."""
    return wants_staging(settings, store) and (not settings.elsewhere or is_encrypted(settings))


def require_reachable_store(settings: StreamSettings, store: StorePlace) -> None:
    """Raise ConfigurationConflict where executors elsewhere are to write to an address that is each machine's own."""
    if isinstance(store, PostgresPlace) and settings.elsewhere and is_on_this_machine(store.url) and is_staged(settings, store):
        raise ConfigurationConflict(_cause(store), "the host of its address is each machine's own", _WAY)


def unwritable(store: StorePlace, said: str) -> LabError:
    """Return the error for a store that the driver writes to and its tasks do not."""
    return LabError(_cause(store), said, _WAY)


def _cause(store: StorePlace) -> str:
    return f"Spark's tasks cannot write to the serving store {store}"
