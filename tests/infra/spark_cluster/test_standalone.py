from __future__ import annotations

import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import TYPE_CHECKING

import psutil
import pytest
from fakes.clock import FakeClock

from infra.spark_cluster import standalone
from infra.spark_cluster.standalone import (
    MASTER,
    WORKERS,
    cluster_directory,
    cluster_master,
    describe_cluster,
    living_workers,
    properties,
    start_cluster,
    stop_cluster,
)
from infra.supervision.supervisor import ProgramStatus
from trending.errors import LabError, NotReady

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from infra.stack.declaration import Program


class Daemons:
    """A supervisord whose programs run until it is shut down; the master's page counts its workers."""

    def __init__(self, directory: Path) -> None:
        self.output = directory
        self.programs: dict[str, Program] = {}
        self.state = "RUNNING"
        self.up = False

    def require_reachable(self) -> bool:
        return self.up

    def lives(self) -> bool:
        return self.up

    def start(self) -> bool:
        self.up = True
        return True

    def remove(self, name: str) -> None:
        self.programs.pop(name, None)

    def launch(self, program: Program) -> None:
        self.programs[program.name] = program

    def status(self, name: str) -> ProgramStatus | None:
        return ProgramStatus(name, self.state, 1, 0, "", 0.0) if name in self.programs else None

    def shutdown(self) -> None:
        self.programs.clear()
        self.up = False

    def workers(self, _page: str) -> int:
        if self.state != "RUNNING" or MASTER not in self.programs:
            raise NotReady("the Spark master does not answer", "refused", "make spark-cluster")
        return len(self.programs) - 1


@pytest.fixture
def daemons(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Daemons:
    monkeypatch.setenv("TRENDING_HOME", str(tmp_path))
    made = Daemons(tmp_path)
    monkeypatch.setattr(standalone, "cluster_supervisor", lambda: made)
    monkeypatch.setattr(standalone, "living_workers", made.workers)
    return made


def test_a_master_and_two_workers_on_loopback_that_share_a_secret_of_their_own(daemons: Daemons) -> None:
    master = start_cluster(FakeClock())
    assert cluster_master() == master
    assert master.startswith("spark://127.0.0.1:")
    assert set(daemons.programs) == {MASTER, *WORKERS}
    text = properties().read_text(encoding="utf-8")
    assert "spark.authenticate true" in text
    secret = next(line.split()[1] for line in text.splitlines() if line.startswith("spark.authenticate.secret"))
    assert len(secret) == 64
    assert properties().stat().st_mode & 0o077 == 0
    for program in daemons.programs.values():
        assert "127.0.0.1" in program.command
        assert program.environment["SPARK_LOCAL_IP"] == "127.0.0.1"
        assert secret not in " ".join(program.command) + str(program.environment), "whoever lists processes could read it"


def test_twice_is_once_and_it_goes_when_it_is_stopped(daemons: Daemons) -> None:
    start_cluster(FakeClock())
    first = dict(daemons.programs)
    start_cluster(FakeClock())
    assert daemons.programs == first
    assert "2 of 2 workers alive" in describe_cluster()
    assert stop_cluster()
    assert (cluster_master(), describe_cluster(), daemons.programs) == ("", "", {})
    assert not stop_cluster()


def test_stopping_a_cluster_that_does_not_end_is_an_error(daemons: Daemons, monkeypatch: pytest.MonkeyPatch) -> None:
    start_cluster(FakeClock())
    monkeypatch.setattr(standalone, "end_processes", lambda _found, _grace: [psutil.Process()])
    with pytest.raises(LabError, match="1 processes of the Spark cluster do not end"):
        stop_cluster()
    assert cluster_master(), "it is known as long as something of it is there"
    assert daemons.programs == {}


def test_a_master_that_does_not_start_tells_its_last_words(daemons: Daemons) -> None:
    daemons.state = "FATAL"
    (daemons.output / f"{MASTER}.err.log").write_text("Address already in use\n", encoding="utf-8")
    with pytest.raises(NotReady, match="the Spark cluster did not start") as found:
        start_cluster(FakeClock())
    assert "Address already in use" in found.value.evidence


def test_a_master_that_is_gone_is_told_in_the_status(daemons: Daemons) -> None:
    start_cluster(FakeClock())
    daemons.state = "FATAL"
    assert "the Spark master does not answer; make spark-cluster brings it back" in describe_cluster()
    assert cluster_directory().is_dir()


@contextmanager
def page(answer: bytes) -> Iterator[str]:
    """A master's page that answers so."""

    class Page(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name of the overridden one
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_workers_are_counted_from_the_masters_page() -> None:
    with page(json.dumps({"aliveworkers": 2}).encode()) as address:
        assert living_workers(address) == 2


@pytest.mark.parametrize("answer", [b"{}", b"<html>"])
def test_a_page_of_something_else_is_no_masters(answer: bytes) -> None:
    with page(answer) as address, pytest.raises(NotReady):
        living_workers(address)
