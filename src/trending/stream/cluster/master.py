"""Whether a master is there, and what is asked of a cluster before a session is built on it."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from trending.errors import ClusterFull, ConfigurationConflict, NotReady
from trending.private_file import OTHERS

if TYPE_CHECKING:
    from trending.spark_settings import SparkSettings

CONNECT_SECONDS = 3.0
WAITING = "waiting for executors"
"""The phase of a job that its cluster has no room for."""
GRANT_SECONDS = 4.0
"""How long a standalone master may take to give a job its first executor: with a free core it does so within milliseconds."""
_AUTHENTICATED = re.compile(r"^\s*spark\.authenticate(?:\s*[=:]\s*|\s+)true\s*$", re.MULTILINE)
_ENCRYPTED = re.compile(r"^\s*spark\.(?:network\.crypto|ssl\.rpc)\.enabled(?:\s*[=:]\s*|\s+)true\s*$", re.MULTILINE)


def require_master(settings: SparkSettings) -> None:
    """Raise NotReady unless one of the masters takes a connection, ConfigurationConflict for a driver that anybody could call.

    Spark itself tries for a minute and then says that all masters are unresponsive.
    """
    _require_authentication(settings)
    silent = []
    for host, port in settings.master_addresses:
        try:
            with closing(socket.create_connection((host, port), CONNECT_SECONDS)):
                return
        except OSError as error:
            silent.append(f"{host}:{port}: {error.strerror or error}")
    if silent:
        cause = f"no Spark master answers at {settings.spark_master}"
        raise NotReady(cause, "; ".join(silent), "start it (make spark-cluster starts one here), or give another SPARK_MASTER")


def require_reachable_driver(settings: SparkSettings) -> None:
    """Raise ConfigurationConflict where the driver cannot listen, or where executors on this machine could not call it.

    What this machine cannot reach, its own executors can't either; those of another one may, so that only they can tell.
    """
    family = socket.AF_INET6 if ":" in settings.bound_to else socket.AF_INET
    try:
        listener = socket.create_server((settings.bound_to, 0), family=family)
    except OSError as error:
        cause = f"the driver cannot listen at {settings.bound_to}"
        way = "give DRIVER_BIND_ADDRESS=an address of this machine, or DRIVER_HOST; then make up"
        raise ConfigurationConflict(cause, error.strerror or str(error), way) from error
    with closing(listener):
        if settings.elsewhere:
            return
        try:
            socket.create_connection((settings.driver_host, listener.getsockname()[1]), CONNECT_SECONDS).close()
        except OSError as error:
            cause = f"the cluster's executors cannot call the driver at {settings.driver_host}"
            evidence = f"from this machine, where they run: {error.strerror or error}"
            way = "give DRIVER_HOST=an address that they reach, or open the firewall; then make up"
            raise ConfigurationConflict(cause, evidence, way) from error


def no_room(settings: SparkSettings) -> ClusterFull:
    """Return the error for a job that its master gives no executor."""
    cause = f"the cluster at {settings.spark_master} has no room for the job"
    evidence = f"the master took it and gave it no executor for {GRANT_SECONDS:.0f} s: no worker has a free core and the memory"
    way = "end a job there (its page says which have cores; spark.cores.max limits one), or add a worker; then make up"
    return ClusterFull(cause, evidence, way)


def is_encrypted(settings: SparkSettings) -> bool:
    """Whether Spark's properties have what driver and executors send each other encrypted."""
    return _ENCRYPTED.search(_properties(settings)) is not None


def _properties(settings: SparkSettings) -> str:
    """Return the content of the file of Spark's properties; empty for none."""
    if not settings.spark_properties:
        return ""
    path = Path(settings.spark_properties)
    try:
        text = path.read_text(encoding="utf-8")
        mode = path.stat().st_mode
    except (OSError, UnicodeDecodeError) as error:
        cause = f"the file of Spark's properties {path} cannot be read"
        raise ConfigurationConflict(cause, str(error), "give another SPARK_PROPERTIES") from error
    if mode & OTHERS and "secret" in text:
        cause = f"others can read {path}, which has a secret in it"
        raise ConfigurationConflict(cause, f"mode {mode & 0o777:o}", f"chmod 600 '{path}'")
    return text


def _require_authentication(settings: SparkSettings) -> None:
    """Require that beyond loopback only those who know a secret may call the driver, which runs what it is sent."""
    text = _properties(settings)
    if settings.called_beyond_loopback and not _AUTHENTICATED.search(text):
        cause = f"the driver would take calls from anybody at {settings.bound_to}"
        way = "put spark.authenticate true, and the cluster's spark.authenticate.secret, into a file: SPARK_PROPERTIES=file"
        raise ConfigurationConflict(cause, "spark.authenticate is not on", way)
