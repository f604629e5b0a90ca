from __future__ import annotations

import os

import pytest
from pydantic import ValidationError

from trending.access.settings import AccessSettings
from trending.settings import LabSettings, RuntimeKind, StackSettings, StreamSettings

CLUSTERS = ["local-cluster[2,1,1024]", "spark://127.0.0.1:7077", "spark://[::1]:7077,localhost:7078"]
ELSEWHERE = ["spark://one:7077,two:7077", "spark://127.0.0.1:7077,two:7077", "k8s://https://127.0.0.1:6443", "yarn"]


def test_without_a_master_tasks_run_in_the_driver_on_every_core_as_ever() -> None:
    stream = StreamSettings()
    assert (stream.on_cluster, stream.in_driver_process) == (False, f"local[{os.cpu_count() or 2}]")
    assert (stream.driver_host, stream.bound_to) == ("127.0.0.1", "127.0.0.1")


def test_so_many_threads_as_are_asked_for() -> None:
    stream = StreamSettings(spark_master="local[3]")
    assert (stream.on_cluster, stream.in_driver_process) == (False, "local[3]")


@pytest.mark.parametrize("master", CLUSTERS)
def test_a_cluster_of_this_machine_needs_no_address_of_the_driver(master: str) -> None:
    stream = StreamSettings(spark_master=master)
    assert (stream.on_cluster, stream.elsewhere, stream.called_beyond_loopback) == (True, False, False)


@pytest.mark.parametrize("master", ELSEWHERE)
def test_a_master_elsewhere_is_refused_without_an_address_at_which_it_finds_the_driver(master: str) -> None:
    with pytest.raises(ValidationError, match="driver_host must be an address of this machine that its executors reach"):
        StreamSettings(spark_master=master)
    stream = StreamSettings(spark_master=master, driver_host="192.0.2.7")
    assert (stream.elsewhere, stream.called_beyond_loopback, stream.bound_to) == (True, True, "192.0.2.7")


@pytest.mark.parametrize(
    "master", ["", "local", "local[0]", "local-cluster[2,1]", "spark://one", "mesos://one:5050", "k8s://one"]
)
def test_what_is_no_master_is_refused(master: str) -> None:
    with pytest.raises(ValidationError, match="is no master"):
        StreamSettings(spark_master=master)


def test_addresses_of_a_master_are_its_hosts_and_ports() -> None:
    stream = StreamSettings(spark_master="spark://[::1]:7077,one:7078", driver_host="192.0.2.7")
    assert stream.master_addresses == [("::1", 7077), ("one", 7078)]
    kubernetes = StreamSettings(spark_master="k8s://https://one:6443", driver_host="192.0.2.7")
    assert kubernetes.master_addresses == [("one", 6443)]


def test_executors_elsewhere_do_not_reach_the_brokers_of_this_machine() -> None:
    stream = StreamSettings(spark_master="spark://one:7077", driver_host="192.0.2.7")
    with pytest.raises(ValidationError, match="it needs runtime external"):
        LabSettings(stream=stream)
    stack = StackSettings(runtime=RuntimeKind.EXTERNAL)
    access = AccessSettings(bootstrap="broker:9092", allow_plaintext=True)
    assert LabSettings(stack=stack, stream=stream, access=access).stream.elsewhere
