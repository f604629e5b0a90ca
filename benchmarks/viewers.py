"""Row 16: what the page's viewers cost the job. The mean time of a batch, with 50 viewers of the event stream and with none."""

from __future__ import annotations

import argparse
import asyncio
import sys
import time

import psutil

from benchmarks.children import Child, wait_until
from benchmarks.contest import Sample
from benchmarks.kafka_tools import bench_directory
from benchmarks.prefect_costs import run_command
from infra.host.paths import StackPaths
from infra.host.processes import free_port
from infra.operations.take_down import take_down
from infra.prefect_services.server import ensure_server, stop_server
from trending.programs.heartbeat import Heartbeat, read_heartbeat

STACK = "bench-viewers"
PORT = 29492
VIEWERS = 50
BATCHES = 20
TRIGGER_SECONDS = 1
RATE = 200
"""Tweets a second: every batch changes the ranking, so every viewer is sent every batch."""
SETTLING_SECONDS = 3.0
TIMEOUT = 120.0


class Following:
    """A participant that measures batches of a stack with a page, shared by those with and without viewers."""

    name = ""
    viewers = 0
    _users = 0
    _page_port = 0
    _server_is_ours = False

    def __init__(self) -> None:
        self.facts = {
            "stack": f"{RATE} tweets a second, a batch a second, mean of {BATCHES} batches; viewers on the same machine"
        }

    def prepare(self) -> None:
        """Bring the stack up, unless the other one has, and have the job's code compiled."""
        if not Following._users:
            Following._server_is_ours = ensure_server().started
            _take_away()
            Following._page_port = free_port(PORT + 50, 1)
            chosen = {
                "name": STACK,
                "port": free_port(PORT, 11),
                "runtime": "embedded",
                "page_port": Following._page_port,
                "rate": RATE,
                "trigger_seconds": TRIGGER_SECONDS,
            }
            run_command([sys.executable, "-m", "flows.start_up", *(f"--{name}={value}" for name, value in chosen.items())])
        Following._users += 1
        self.measure()

    def measure(self) -> Sample:
        """Return the mean seconds of the batches that finish from now on, and what the page takes meanwhile."""
        if not self.viewers:
            return self._batches()
        command = [sys.executable, "-m", "benchmarks.viewers", str(Following._page_port), str(self.viewers)]
        child = Child("viewers", command, bench_directory())
        try:
            wait_until(lambda: self._followed(child), TIMEOUT, f"{self.viewers} viewers")
            sample = self._batches()
            child.require_alive()
            if _figures("page").figures["viewers"] != self.viewers:
                message = "not all viewers stayed"
                raise RuntimeError(message)
        finally:
            child.end()
            wait_until(lambda: _figures("page").figures["viewers"] == 0, TIMEOUT, "the viewers are gone")
        return sample

    def _followed(self, child: Child) -> bool:
        child.require_alive()
        return _figures("page").figures["viewers"] == self.viewers

    def _batches(self) -> Sample:
        time.sleep(SETTLING_SECONDS)
        page = psutil.Process(_figures("page").pid)
        before, spent, began = _figures("stream"), sum(page.cpu_times()[:2]), time.monotonic()
        wait_until(lambda: _figures("stream").figures["batches"] >= before.figures["batches"] + BATCHES, TIMEOUT, "the batches")
        after = _figures("stream")
        percent = 100 * (sum(page.cpu_times()[:2]) - spent) / (time.monotonic() - began)
        if after.pid != before.pid:
            message = "the job started anew"
            raise RuntimeError(message)
        batches = after.figures["batches"] - before.figures["batches"]
        seconds = (after.figures["seconds_total"] - before.figures["seconds_total"]) / batches
        return Sample(seconds, {"batches": batches, "page, % of a core": percent})

    def close(self) -> None:
        """Take the stack down with the last of those who used it."""
        Following._users -= Following._users > 0
        if not Following._users:
            _take_away()
            if Following._server_is_ours:
                stop_server()


class Watched(Following):
    """Ours: everybody looks."""

    name = f"a batch, {VIEWERS} viewers"
    viewers = VIEWERS


class Unwatched(Following):
    """The peer: nobody looks."""

    name = "a batch, no viewer"


def _figures(program: str) -> Heartbeat:
    beat = read_heartbeat(StackPaths.of(STACK).heartbeat(program))
    if beat is None:
        message = f"{program} has not beaten"
        raise RuntimeError(message)
    return beat


def _take_away() -> None:
    take_down(STACK, volumes=True)


async def _follow(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /events HTTP/1.1\r\nHost: localhost:{port}\r\nAccept: text/event-stream\r\n\r\n".encode())
    while await reader.read(65_536):
        pass


async def _follow_all(port: int, viewers: int) -> None:
    await asyncio.gather(*(_follow(port) for _viewer in range(viewers)))


def main() -> None:
    """Follow the page as so many viewers until it ends the streams, or this is ended."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.viewers", description=__doc__)
    parser.add_argument("port", type=int)
    parser.add_argument("viewers", type=int)
    options = parser.parse_args()
    asyncio.run(_follow_all(options.port, options.viewers))


if __name__ == "__main__":
    main()
