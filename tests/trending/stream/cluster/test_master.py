from __future__ import annotations

import socket
from contextlib import closing
from typing import TYPE_CHECKING

import pytest

from trending.errors import ConfigurationConflict, NotReady
from trending.settings import StreamSettings
from trending.stream.cluster.master import require_master, require_reachable_driver

if TYPE_CHECKING:
    from pathlib import Path


def test_a_master_that_nobody_runs_is_one_error_at_once() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(NotReady, match=f"no Spark master answers at spark://127.0.0.1:{port}"):
        require_master(StreamSettings(spark_master=f"spark://127.0.0.1:{port}"))


def test_one_of_two_masters_is_enough() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as master:
        require_master(StreamSettings(spark_master=f"spark://127.0.0.1:1,127.0.0.1:{master.getsockname()[1]}"))


@pytest.mark.parametrize("text", [None, "spark.executor.cores 1", "# spark.authenticate true", "spark.authenticate false"])
def test_a_driver_that_anybody_could_call_is_refused(text: str | None, tmp_path: Path) -> None:
    path = tmp_path / "spark.properties"
    if text is not None:
        path.write_text(text, encoding="utf-8")
    given = StreamSettings(
        spark_master="local-cluster[1,1,512]", driver_host="192.0.2.7", spark_properties=None if text is None else str(path)
    )
    with pytest.raises(ConfigurationConflict, match="the driver would take calls from anybody at "):
        require_master(given)


@pytest.mark.parametrize("line", ["spark.authenticate true", "spark.authenticate=true", "  spark.authenticate : true "])
def test_with_a_secret_of_the_users_alone_it_may_listen_anywhere(line: str, tmp_path: Path) -> None:
    path = tmp_path / "spark.properties"
    path.write_text(f"{line}\nspark.authenticate.secret s3cret\n", encoding="utf-8")
    given = StreamSettings(spark_master="local-cluster[1,1,512]", driver_host="192.0.2.7", spark_properties=str(path))
    path.chmod(0o644)
    with pytest.raises(ConfigurationConflict, match="others can read") as found:
        require_master(given)
    assert "s3cret" not in str(found.value)
    path.chmod(0o600)
    require_master(given)


def test_properties_that_are_not_there_are_one_error(tmp_path: Path) -> None:
    given = StreamSettings(spark_master="local-cluster[1,1,512]", spark_properties=str(tmp_path / "none"))
    with pytest.raises(ConfigurationConflict, match="cannot be read"):
        require_master(given)


def driver(**given: str) -> StreamSettings:
    return StreamSettings.model_validate({"spark_master": "spark://127.0.0.1:7077", **given})


def test_an_address_that_this_machines_executors_could_not_call_is_refused() -> None:
    require_reachable_driver(driver())
    require_reachable_driver(driver(driver_host="127.0.0.2", driver_bind_address="0.0.0.0"))  # noqa: S104 - for a moment
    with pytest.raises(ConfigurationConflict, match=r"the cluster's executors cannot call the driver at 127\.0\.0\.2") as found:
        require_reachable_driver(driver(driver_host="127.0.0.2", driver_bind_address="127.0.0.1"))
    assert "refused" in found.value.evidence


def test_what_this_machine_reaches_says_nothing_of_executors_elsewhere() -> None:
    elsewhere = driver(spark_master="spark://master.example:7077", driver_host="192.0.2.7", driver_bind_address="127.0.0.1")
    require_reachable_driver(elsewhere)


def test_an_address_of_another_machine_is_none_that_the_driver_listens_at() -> None:
    with pytest.raises(ConfigurationConflict, match=r"the driver cannot listen at 192\.0\.2\.7") as found:
        require_reachable_driver(driver(driver_host="192.0.2.7"))
    assert "DRIVER_BIND_ADDRESS" in found.value.next_command
