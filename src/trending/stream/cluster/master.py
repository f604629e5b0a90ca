"""Whether a master is there, and what is asked of a cluster before a session is built on it."""

from __future__ import annotations

import re
import socket
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from trending.errors import ConfigurationConflict, NotReady
from trending.private_file import OTHERS

if TYPE_CHECKING:
    from trending.spark_settings import SparkSettings

CONNECT_SECONDS = 3.0
_AUTHENTICATED = re.compile(r"^\s*spark\.authenticate(?:\s*[=:]\s*|\s+)true\s*$", re.MULTILINE)


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


def _require_authentication(settings: SparkSettings) -> None:
    """Require that beyond loopback only those who know a secret may call the driver, which runs what it is sent."""
    text = ""
    if settings.spark_properties:
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
    if settings.called_beyond_loopback and not _AUTHENTICATED.search(text):
        cause = f"the driver would take calls from anybody at {settings.bound_to}"
        way = "put spark.authenticate true, and the cluster's spark.authenticate.secret, into a file: SPARK_PROPERTIES=file"
        raise ConfigurationConflict(cause, "spark.authenticate is not on", way)
