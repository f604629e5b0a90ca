"""Where the streaming job's tasks run: the master by Spark's own notation, and what a cluster needs to know of the driver."""

from __future__ import annotations

import os
import re
from typing import Self

from pydantic import Field, field_validator, model_validator

from trending.access.settings import HOST, is_loopback
from trending.sections import LocalPath, Section

LOCAL = re.compile(r"local\[(\*|[1-9][0-9]{0,2})\]")
LOCAL_CLUSTER = re.compile(r"local-cluster\[([1-9][0-9]?),([1-9][0-9]?),([1-9][0-9]{2,5})\]")
STANDALONE = re.compile(rf"spark://({HOST}(,{HOST})*)")
KUBERNETES = re.compile(rf"k8s://(https?://)?({HOST})")
YARN = re.compile("yarn")
EVERY_CORE = "local[*]"


class SparkSettings(Section):
    """The master of the streaming job, and how its executors find the driver and a Python."""

    spark_master: str = Field(
        EVERY_CORE,
        max_length=1000,
        description="Where Spark's tasks run: local[*] or local[N] (in the driver), local-cluster[executors,cores,MiB], "
        "spark://host:port, k8s://https://host:port or yarn.",
    )
    driver_host: str = Field(
        "127.0.0.1",
        pattern=r"^[A-Za-z0-9._:-]{1,253}$",
        description="Address at which executors call the driver; a master elsewhere needs one that it can reach.",
    )
    driver_bind_address: str = Field(
        "",
        pattern=r"^[A-Za-z0-9._:-]{0,253}$",
        description="Address on which the driver listens, where that is another one than driver_host; empty means the same.",
    )
    executor_python: str = Field(
        "",
        pattern=r"^[A-Za-z0-9_./+-]{0,500}$",
        description="Python of the executors, of the driver's minor version: a name on their path, or an absolute path. Empty "
        "means python3.N for the driver's N.",
    )
    spark_properties: LocalPath = Field(
        None,
        description="Path of a file of Spark's properties for a cluster (mode 0600): spark.authenticate.secret, images, a "
        "namespace. What the job itself sets is not taken from there.",
    )

    @field_validator("spark_master")
    @classmethod
    def _known_master(cls, value: str) -> str:
        if not any(pattern.fullmatch(value) for pattern in (LOCAL, LOCAL_CLUSTER, STANDALONE, KUBERNETES, YARN)):
            msg = f"{value!r} is no master: local[N], local-cluster[executors,cores,MiB], spark://host:port, k8s://… or yarn"
            raise ValueError(msg)
        return value

    @model_validator(mode="after")
    def _driver_within_reach(self) -> Self:
        if self.elsewhere and is_loopback(self.driver_host):
            msg = f"spark_master {self.spark_master} is not on this machine and cannot call the driver at {self.driver_host}: "
            msg += "driver_host must be an address of this machine that its executors reach"
            raise ValueError(msg)
        return self

    @property
    def on_cluster(self) -> bool:
        """Whether tasks run in executors of their own, which need the job's package."""
        return LOCAL.fullmatch(self.spark_master) is None

    @property
    def in_driver_process(self) -> str:
        """The master as Spark gets it, where tasks run in the driver: never more threads than cores by a default."""
        return f"local[{os.cpu_count() or 2}]" if self.spark_master == EVERY_CORE else self.spark_master

    @property
    def imitated(self) -> bool:
        """Whether Spark itself starts the cluster, on this machine, for this job alone."""
        return LOCAL_CLUSTER.fullmatch(self.spark_master) is not None

    @property
    def standalone(self) -> bool:
        """Whether the master is one of Spark's own, which gives a job its executors as soon as it has registered."""
        return STANDALONE.fullmatch(self.spark_master) is not None

    @property
    def elsewhere(self) -> bool:
        """Whether executors may run on other machines than the driver."""
        if not self.on_cluster or self.imitated:
            return False
        return not self.standalone or not all(is_loopback(host) for host, _port in self.master_addresses)

    @property
    def master_addresses(self) -> list[tuple[str, int]]:
        """Host and port of each master, or of the API server; empty where none is told."""
        standalone, kubernetes = STANDALONE.fullmatch(self.spark_master), KUBERNETES.fullmatch(self.spark_master)
        told = standalone[1] if standalone else kubernetes[2] if kubernetes else ""
        pairs = [each.rpartition(":") for each in told.split(",") if each]
        return [(host.strip("[]"), int(port)) for host, _colon, port in pairs]

    @property
    def called_beyond_loopback(self) -> bool:
        """Whether the driver listens where other machines can call it."""
        return self.on_cluster and not (is_loopback(self.driver_host) and is_loopback(self.bound_to))

    @property
    def bound_to(self) -> str:
        """The address on which the driver listens."""
        return self.driver_bind_address or self.driver_host
