"""Row 18: what two workers and one are compared by, and that the benchmark's cluster is its own."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from benchmarks import rows
from benchmarks.clusters import own_cluster
from benchmarks.clusters.own_cluster import OwnCluster, cpu_seconds
from benchmarks.clusters.workers import DRIVER_CPU, EXECUTORS_CPU, ClusterWork
from benchmarks.contest import Contest, Row, Sample
from benchmarks.sizes import Sizes
from infra.host.paths import lab_home
from infra.spark_cluster.standalone import properties
from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BURN = "import time\nwhile time.process_time() < 0.3: pass\n"
WORKING = f"""
import os, sys, time
child = os.fork()
if not child:
    {BURN.strip().replace(chr(10), chr(10) + "    ")}
    os._exit(0)
if sys.argv[1] == "waits":
    os.waitpid(child, 0)
else:
    os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)
print("done", flush=True)
sys.stdin.read()
"""


class TwoClocks:
    """A driver whose work takes two seconds and one of CPU; its broker has a million records."""

    def __init__(self, workers: int = 2) -> None:
        self.broker = self
        self.workers = workers
        self.done = 0
        self.said: list[str] = []
        self.worked: list[str] = []

    def topic(self, tweets: int, partitions: int = 2, hashtags: int = 0) -> str:
        return f"{tweets}/{partitions}/{hashtags}"

    def records(self, _topic: str) -> int:
        return 1_000_000

    def work(self, _name: str, topic: str, *, memory: bool) -> Sample:
        assert not memory, "to look at it costs CPU time"
        self.worked.append(topic)
        self.done += 1
        return Sample(2.0)

    def cpu_seconds(self) -> float:
        return 100.0 + self.done

    def start(self) -> None:
        self.said.append("start")

    def require_executors(self) -> None:
        self.said.append("looked at")

    def close(self) -> None:
        self.said.append("close")


class Executors(TwoClocks):
    """A cluster that takes five seconds of CPU for each work of the driver's."""

    def __init__(self, driver: TwoClocks) -> None:
        super().__init__()
        self._driver = driver

    def require_executors(self) -> None:
        self.said.append(f"looked at after {self._driver.done}")

    def cpu_seconds(self) -> float:
        return 7.0 + 5.0 * self._driver.done


def test_a_work_on_a_cluster_tells_its_rate_and_the_cpu_time_of_a_tweet() -> None:
    driver: Any = TwoClocks()
    cluster: Any = Executors(driver)
    work = ClusterWork(driver, cluster, "two", "decoded", 900)
    work.prepare()
    assert cluster.said == ["start", "looked at after 2"], "warm first: an executor may come later than the first task"
    sample = work.measure()
    assert driver.worked[-2:] == ["10000/2/0", "900/2/0"], "Python runs again before it is looked at what is taken"
    assert sample.value == 500_000.0
    assert sample.parts == {"records": 1_000_000, "seconds": 2.0, EXECUTORS_CPU: 5.0, DRIVER_CPU: 1.0}
    work.close()
    assert cluster.said[-1] == "close"


@pytest.mark.parametrize("how", ["waits", "leaves a zombie"])
def test_what_a_child_has_taken_is_counted_once_whether_its_parent_has_waited_for_it_or_not(how: str) -> None:
    with subprocess.Popen([sys.executable, "-c", WORKING, how], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"done\n"
        root = psutil.Process(process.pid)
        taken = cpu_seconds([root, *root.children(recursive=True)])
        process.communicate()
    assert 0.25 < taken < 0.6, "0.3 s of the child and what Python's start takes"


def test_a_process_that_has_ended_counts_nothing() -> None:
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        ended = psutil.Process(process.pid)
    assert cpu_seconds([ended]) == 0.0


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The lab's home, with a cluster's secret in it that the benchmark has no business with."""
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    properties().parent.mkdir()
    write_private(properties(), "spark.authenticate.secret theirs\n")
    return tmp_path


def test_the_cluster_has_a_home_of_its_own_and_leaves_the_labs_alone(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    homes: list[Path] = []

    def start() -> str:
        homes.append(lab_home())
        properties().parent.mkdir(parents=True)
        write_private(properties(), "spark.authenticate.secret ours\n")
        return "spark://127.0.0.1:7099"

    monkeypatch.setattr(own_cluster, "start_cluster", start)
    monkeypatch.setattr(own_cluster, "stop_cluster", lambda: homes.append(lab_home()))
    cluster = OwnCluster(1)
    cluster.close()
    assert homes == [], "what was not started is not stopped"
    cluster.start()
    cluster.start()
    assert cluster.master == "spark://127.0.0.1:7099"
    assert cluster.properties.read_text(encoding="ascii") == "spark.authenticate.secret ours\nspark.cores.max 1\n"
    assert cluster.properties.stat().st_mode & 0o077 == 0
    assert lab_home() == home
    cluster.close()
    cluster.close()
    assert homes == [home / "bench" / "spark-cluster-1"] * 2
    assert not homes[0].exists()
    assert properties().read_text(encoding="ascii") == "spark.authenticate.secret theirs\n"


def contest(ratio: float, cpu: float, *, either: bool) -> list[dict[str, Any]]:
    """Row 18 between two that are so far apart in rate and CPU time."""

    class Fixed:
        def __init__(self, name: str, value: float, taken: float) -> None:
            self.name = name
            self.facts: dict[str, str] = {}
            self._sample = Sample(value, {EXECUTORS_CPU: taken})

        def prepare(self) -> None:
            """Nothing."""

        def measure(self) -> Sample:
            return self._sample

    lines = [
        Row(18, "rate", "two", "one", 1.6, at_most=False, either=either),
        Row(18, "CPU", "two", "one", 1.2, part=EXECUTORS_CPU, either=either),
    ]
    return Contest([Fixed("two", ratio, cpu), Fixed("one", 1.0, 1.0)], lines).run(1, lambda _line: None)


@pytest.mark.parametrize(
    ("ratio", "cpu", "met"),
    [(1.7, 1.3, [True, False]), (1.1, 1.1, [False, True]), (1.5, 1.3, [False, False]), (1.6, 1.2, [True, True])],
)
def test_either_of_both_lines_is_enough_where_the_machine_has_no_more_cores(ratio: float, cpu: float, met: list[bool]) -> None:
    results = contest(ratio, cpu, either=True)
    assert [result["met"] for result in results] == met
    assert [result["row_met"] for result in results] == [any(met)] * 2
    assert not any("row_met" in result for result in contest(ratio, cpu, either=False))


@pytest.mark.parametrize(("cores", "either"), [(1, True), (2, True), (4, False)])
def test_the_second_line_stands_for_the_row_only_where_cores_are_wanting(
    cores: int, *, either: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rows.os, "cpu_count", lambda: cores)
    lines: Sequence[Row] = [row for group in rows.groups(Sizes()) for row in group.rows if row.number == 18]
    assert [(row.goal, row.at_most) for row in lines] == [(1.6, False), (1.2, True)] * 2
    assert {row.either for row in lines} == {either}
