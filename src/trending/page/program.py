"""The page program: a web server on loopback that reads the store and writes a heartbeat like the other programs."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import uvicorn

from trending.errors import LabError, PortTaken
from trending.page.application import build
from trending.page.board import Board
from trending.page.feed import Feed
from trending.page.recorded.playing import build_player
from trending.programs.heartbeat import write_heartbeat

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from starlette.applications import Starlette

    from trending.programs.specifications import PageSpec

logger = logging.getLogger("trending.page")

BEAT_SECONDS = 0.5
WATCH_SECONDS = 0.1
SHUTDOWN_SECONDS = 3
BACKLOG = 128


class _Server(uvicorn.Server):
    """uvicorn without signal handlers: the program handles SIGTERM itself and ends the viewers' streams first."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def listen(port: int) -> socket.socket:
    """Return a listening socket on loopback; raises PortTaken where another process has it."""
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        cause = f"the page's port {port} is taken"
        raise PortTaken(cause, str(error), "make up PAGE_PORT=…, or end the process that has it") from error
    return listening


async def serve(spec: PageSpec, listening: socket.socket, stop: threading.Event) -> None:
    """Serve until ``stop`` is set; raises LabError when server or feed ends by itself. The caller closes ``listening``."""
    board = Board(spec)
    feed = Feed(board)
    await feed.look()
    server = _Server(_config(build(spec, board, feed)))
    following = asyncio.create_task(feed.follow())
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await _beat_until(spec, server, feed, lambda: stop.is_set() or serving.done() or following.done())
    feed.close()
    server.should_exit = True
    await asyncio.gather(serving, following)
    board.close()
    if not stop.is_set():
        cause = "the page's server ended by itself"
        raise LabError(cause, f"port {spec.settings.page_port}", "make logs SERVICE=page")
    write_heartbeat(spec.heartbeat, "stopped")


def _config(application: Starlette) -> uvicorn.Config:
    return uvicorn.Config(
        application,
        log_config=None,
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=SHUTDOWN_SECONDS,
        lifespan="off",
        ws="none",
    )


async def _beat_until(spec: PageSpec, server: uvicorn.Server, feed: Feed, over: Callable[[], bool]) -> None:
    beaten = 0.0
    while not over():
        if server.started and time.monotonic() - beaten >= BEAT_SECONDS:
            beaten = time.monotonic()
            write_heartbeat(spec.heartbeat, "serving", {"updates": feed.version, "viewers": feed.viewers})
        await asyncio.sleep(WATCH_SECONDS)


def play(spec: PageSpec, recording: Path, stop: threading.Event) -> None:
    """Serve a recording until told to stop; raises InvalidInput where the file is none."""
    application = build_player(spec, recording)
    with listen(spec.settings.page_port) as listening:
        asyncio.run(_serve_played(application, listening, stop))


async def _serve_played(application: Starlette, listening: socket.socket, stop: threading.Event) -> None:
    server = _Server(_config(application))
    serving = asyncio.create_task(server.serve(sockets=[listening]))
    await asyncio.to_thread(stop.wait)
    server.should_exit = True
    await serving


def main(spec: PageSpec, stop: threading.Event) -> None:
    """Serve the page until told to stop."""
    with listen(spec.settings.page_port) as listening:  # uvicorn closes the socket, but not when it ends during its start
        logger.info("the page of %s is at %s", spec.name, spec.settings.address)
        asyncio.run(serve(spec, listening, stop))
