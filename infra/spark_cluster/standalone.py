"""A standalone Spark cluster on this machine: a master and two workers, on loopback, under a supervisord of their own.

It belongs to the lab's home and to no stack, as Prefect's server does: stacks come and go, and use it side by side. Whoever calls
it must know its secret, since a worker runs what it is sent and other users of this machine reach loopback too.
"""

from __future__ import annotations

import json
import os
import secrets
import sys
import urllib.error
import urllib.request
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from filelock import FileLock

from infra.console.crash_reports import run_reported
from infra.host.clock import Clock, SystemClock
from infra.host.paths import lab_home, short_hash
from infra.host.processes import end_processes, free_port, require_ended, stack_processes
from infra.java.installation import find_java
from infra.stack.declaration import Program
from infra.supervision.output_tail import tail
from infra.supervision.supervisor import Supervisor
from trending.errors import NotReady, PrerequisiteMissing
from trending.private_file import write_private

if TYPE_CHECKING:
    from collections.abc import Iterable

MASTER = "spark-master"
WORKERS = ("spark-worker-1", "spark-worker-2")
WORKER_CORES = 1
WORKER_MEMORY = "1G"
DAEMON_MEMORY = "256m"
DEFAULT_PORT = 7077
START_SECONDS = 90.0
HELD_SECONDS = 240.0
END_SECONDS = 5.0
STOP_SECONDS = 20
POLL_SECONDS = 0.2


def cluster_directory() -> Path:
    """Return where the cluster's configuration, output and working directories lie."""
    return lab_home() / "spark-cluster"


def cluster_identity() -> str:
    """Return the mark of the cluster's processes in this home; no stack can have this name."""
    return f"spark_cluster-{short_hash(str(lab_home()), 8)}"


def cluster_supervisor() -> Supervisor:
    """Return the supervisord of master and workers."""
    return Supervisor(cluster_directory(), cluster_identity(), "make spark-cluster-stop")


def properties() -> Path:
    """Return the file of Spark's properties that master, workers and jobs share; readable for its user only."""
    return cluster_directory() / "spark.properties"


def cluster_master() -> str:
    """Return the master of the cluster that was started here, as ``SPARK_MASTER`` takes it; empty where there is none."""
    return _recorded()[0]


def _recorded() -> tuple[str, str]:
    """Return the recorded master and its page; empty where no cluster was started."""
    try:
        master, page = (cluster_directory() / "master").read_text(encoding="ascii").split()
    except (FileNotFoundError, ValueError):
        return "", ""
    return master, page


def living_workers(page: str) -> int:
    """Return how many workers the master of that page has; raises NotReady where it does not answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{page}/json/", timeout=2.0) as reply:
            return int(json.load(reply)["aliveworkers"])
    except (OSError, urllib.error.URLError, ValueError, KeyError) as error:
        cause = "the Spark master does not answer"
        raise NotReady(cause, f"{page}: {error}", "make spark-cluster") from error


def describe_cluster() -> str:
    """Return a line on the cluster of this home; empty where there is none."""
    master, page = _recorded()
    if not master:
        return ""
    try:
        state = f"{living_workers(page)} of {len(WORKERS)} workers alive"
    except NotReady as error:
        state = f"{error.cause}; {error.next_command} brings it back"
    return f"spark cluster {master}: {state}; page {page}; make spark-cluster-stop ends it"


def start_cluster(clock: Clock | None = None) -> str:
    """Start master and workers unless they run; returns the master. Raises NotReady if not all are there in time."""
    clock = clock or SystemClock()
    cluster_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(cluster_directory() / "lock", timeout=HELD_SECONDS):
        master, page = _recorded()
        if master and _complete(page):
            return master
        supervisor = cluster_supervisor()
        if not supervisor.require_reachable():
            _end_leftovers()
        supervisor.start()
        for name in (*WORKERS, MASTER):
            supervisor.remove(name)
        master, page = _launch(supervisor)
        write_private(cluster_directory() / "master", f"{master} {page}")
        deadline = clock.monotonic() + START_SECONDS
        while not _complete(page):
            dead = [name for name in (MASTER, *WORKERS) if (status := supervisor.status(name)) is None or status.state == "FATAL"]
            if dead or clock.monotonic() > deadline:
                name = dead[0] if dead else MASTER
                cause = "the Spark cluster did not start"
                raise NotReady(cause, f"{name}: {tail(supervisor.output / f'{name}.err.log', 3)}", "make spark-cluster-stop")
            clock.sleep(POLL_SECONDS)
    return master


def _complete(page: str) -> bool:
    try:
        return living_workers(page) == len(WORKERS)
    except NotReady:
        return False


def _launch(supervisor: Supervisor) -> tuple[str, str]:
    if not properties().exists():
        lines = [
            "spark.authenticate true",
            f"spark.authenticate.secret {secrets.token_hex(32)}",
            "spark.ui.killEnabled false",
            "spark.worker.cleanup.enabled true",
        ]
        write_private(properties(), "\n".join(lines) + "\n")
    port = free_port(DEFAULT_PORT, 1)
    page_port = free_port(port + 1, 1)
    master, page = f"spark://127.0.0.1:{port}", f"http://127.0.0.1:{page_port}"
    where = ("--host", "127.0.0.1", "--properties-file", str(properties()))
    supervisor.launch(_program(MASTER, ("master.Master", *where, "--port", str(port), "--webui-port", str(page_port))))
    for name in WORKERS:
        size = ("-c", str(WORKER_CORES), "-m", WORKER_MEMORY, "--work-dir", str(cluster_directory() / name))
        supervisor.launch(_program(name, ("worker.Worker", *where, "--webui-port", "0", *size, master)))
    return master, page


def _program(name: str, words: Iterable[str]) -> Program:
    """Return the declaration of a daemon; the launcher ends the executors that a killed worker has left."""
    home = spark_home()
    main, *arguments = words
    command = (str(home / "bin" / "spark-class"), f"org.apache.spark.deploy.{main}", *arguments)
    environment = {
        "JAVA_HOME": str(find_java().home),
        "SPARK_HOME": str(home),
        "SPARK_CONF_DIR": str(cluster_directory()),  # none of another Spark's
        "SPARK_LOCAL_IP": "127.0.0.1",  # the daemons' pages listen there
        "SPARK_LOCAL_DIRS": str(cluster_directory() / "local"),
        "SPARK_DAEMON_MEMORY": DAEMON_MEMORY,
        # At the end: the driver's own Python, for a machine that has that version nowhere else.
        "PATH": os.pathsep.join([*filter(None, [os.environ.get("PATH")]), str(Path(sys.executable).resolve().parent)]),
    }
    launched = (sys.executable, "-m", "infra.supervision.launcher", *command)
    return Program(name, launched, environment, STOP_SECONDS, short_hash(" ".join(launched)))


def spark_home() -> Path:
    """Return the Spark that pyspark brings; raises PrerequisiteMissing without it."""
    found = find_spec("pyspark")
    if found is None or not found.origin:
        cause = "pyspark is not installed"
        raise PrerequisiteMissing(cause, sys.executable, "make setup")
    return Path(found.origin).parent


def stop_cluster() -> bool:
    """Stop master and workers; returns whether there were any. The secret stays."""
    cluster_directory().mkdir(parents=True, exist_ok=True)
    with FileLock(cluster_directory() / "lock", timeout=HELD_SECONDS):
        supervisor = cluster_supervisor()
        running = supervisor.lives()
        supervisor.shutdown()
        _end_leftovers()
        (cluster_directory() / "master").unlink(missing_ok=True)
    return running


def _end_leftovers() -> None:
    """End what carries the cluster's mark and no supervisord owns; raises LabError for what does not end."""
    survivors = end_processes(stack_processes(cluster_identity()), END_SECONDS)
    require_ended(survivors, "the Spark cluster", "make spark-cluster-stop once more")


def main() -> None:
    """``python -m infra.spark_cluster.standalone [stop]`` starts the cluster, or stops it."""
    if sys.argv[1:] not in ([], ["stop"]):
        sys.exit("usage: python -m infra.spark_cluster.standalone [stop]")
    if sys.argv[1:]:
        sys.stdout.write("stopped\n" if stop_cluster() else "none was running\n")
        return
    sys.stdout.write("a master and two workers, within a minute\n")
    sys.stdout.flush()
    master = start_cluster()
    sys.stdout.write(f"[ok] {describe_cluster()}\n  next: make up SPARK_MASTER={master}\n")


if __name__ == "__main__":
    run_reported(main, own_home=True)
