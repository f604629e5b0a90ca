"""A store and two heartbeats for the page to read, and the page served on a port of its own in a thread."""

from __future__ import annotations

import asyncio
import ssl
import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any
from unittest.mock import patch

import httpx
import msgspec
from fakes.trending import counting

from trending.page.program import listen, serve
from trending.programs.heartbeat import Heartbeat
from trending.programs.specifications import PageSpec
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import PageSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from trending.kafka.rejects import Rejects

HOSTILE = (
    "<img src=x onerror=document.title='owned'>",
    "#\u202eevil",
    '"><script>alert(1)</script>',
    "=1+1",
    "#مرحبا",
    "{{ 7 * 7 }}",
)
"""Hashtags that would be markup, reordered text, a formula or a template, if anybody let them."""
_NO_CERTIFICATES = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
"""httpx reads the machine's certificates for each client, 0.1 s, and nobody here speaks TLS."""


class PageHome:
    """What a page reads. Windows are given by their start, counts are absolute."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "serving.sqlite"
        self._store: Store | None = None
        self._batch = -1

    @property
    def store(self) -> Store:
        if self._store is None:
            self._store = Store(self.path)
        return self._store

    def write(self, window: int, counts: Mapping[str, int], at: float | None = None, rejects: tuple[Rejects, ...] = ()) -> None:
        self._batch += 1
        rows = {(window, hashtag): tweets for hashtag, tweets in counts.items()}
        counting.write(self.store, "checkpoint", Batch(self._batch, time.time() if at is None else at, rows, {}, rejects))

    def beat(
        self,
        program: str,
        phase: str = "running",
        at: float | None = None,
        pid: int = 1,
        started: float = 0.0,
        **figures: float,
    ) -> None:
        beat = Heartbeat(time.time() if at is None else at, pid, phase, figures, started=started)
        fresh = self.root / f"{program}.fresh"
        fresh.write_bytes(msgspec.json.encode(beat))
        fresh.replace(self.root / f"{program}.json")

    def spec(self, **changes: Any) -> PageSpec:
        fields: dict[str, Any] = {
            "bootstrap": "localhost:9092",
            "topic": "tweets_topic",
            "heartbeat": self.root / "page.json",
            "settings": PageSettings(page_port=0),
            "stack_id": "lab-1234",
            "name": "lab",
            "store": self.path,
            "time_zone": "UTC",
            "producer": self.root / "producer.json",
            "stream": self.root / "stream.json",
        }
        return PageSpec(**{**fields, **changes})

    def close(self) -> None:
        if self._store is not None:
            self._store.close()


class _Impatient:
    """Stands in for asyncio in uvicorn's server, which looks ten times a second whether it is to end."""

    def __getattr__(self, name: str) -> Any:
        return getattr(asyncio, name)

    async def sleep(self, _seconds: float) -> None:
        await asyncio.sleep(0.01)


def visitor(address: str) -> httpx.Client:
    """Return a client of a page at ``address``, to be used in a ``with`` statement."""
    return httpx.Client(base_url=address, timeout=5, verify=_NO_CERTIFICATES)


@contextmanager
def served(spec: PageSpec) -> Iterator[str]:
    """Serve the page and give its address; whatever it raised is raised at the end."""
    stop = threading.Event()
    raised: list[BaseException] = []
    listening = listen(0)
    address = f"http://localhost:{listening.getsockname()[1]}"

    def run() -> None:
        try:
            asyncio.run(serve(spec, listening, stop))
        except BaseException as error:  # noqa: BLE001 - handed over to the test
            raised.append(error)

    thread = threading.Thread(target=run)
    with listening, patch("trending.page.program.WATCH_SECONDS", 0.01), patch("uvicorn.server.asyncio", _Impatient()):
        thread.start()
        try:
            yield address
        finally:
            stop.set()
            thread.join(10)
    assert not thread.is_alive(), "the page did not end"
    if raised:
        raise raised[0]
