"""The one loop that reads the board and sends viewers the sections that changed, in as few events as possible."""

from __future__ import annotations

import asyncio
import secrets
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec

from trending.page.recorded.events import Recorder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trending.page.board import Board, Sections

LOOK_SECONDS = 0.25
"""Time between two looks, and so at least between two updates."""
UNHURRIED = frozenset({"pipeline", "proof", "ribbon", "lately"})
"""Sections whose figures change at every look: they are sent once a second, or along with any other section that changes."""
UNHURRIED_SECONDS = 1.0
KEEP_ALIVE_SECONDS = 2.0
"""An idle stream sends a keep-alive this often, so that the browser knows that the connection lives."""
RETRY_MILLISECONDS = 1000


class Feed:
    """The current sections, each with a version. A viewer gets whatever is newer than what it has, so none can fall behind."""

    def __init__(self, board: Board) -> None:
        self._board = board
        # Part of every event's id: an id from before a restart says nothing about the versions of this process.
        self._life = secrets.token_hex(4)
        self._encoded: dict[str, bytes] = {}
        self._versions: dict[str, int] = {}
        self._version = 0
        self._published = -UNHURRIED_SECONDS
        self._events: dict[int, bytes] = {}
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self.recorder = Recorder()
        self.sections: Sections = {}
        self.viewers = 0

    @property
    def version(self) -> int:
        """Number of updates so far."""
        return self._version

    async def follow(self) -> None:
        """Look again and again until closed."""
        while not self._closed.is_set():
            started = time.monotonic()
            await self.look()
            with suppress(TimeoutError):
                await asyncio.wait_for(self._closed.wait(), LOOK_SECONDS - (time.monotonic() - started))

    async def look(self) -> None:
        """Look once."""
        self.publish(await asyncio.to_thread(self._board.look, time.time(), self.viewers), time.monotonic())

    def publish(self, sections: Sections, now: float) -> None:
        """Take the sections read at ``now`` (monotonic seconds) and wake the waiting viewers if something urgent changed."""
        encoded = {name: msgspec.json.encode(section) for name, section in sections.items()}
        different = [name for name, text in encoded.items() if self._encoded.get(name) != text]
        self.sections = sections
        if not different or (UNHURRIED.issuperset(different) and now - self._published < UNHURRIED_SECONDS):
            return
        self._published = now
        self._version += 1
        self._events.clear()
        self._encoded = encoded
        self._versions.update(dict.fromkeys(different, self._version))
        self.recorder.add(time.time(), {name: encoded[name] for name in different})
        self._wake()

    async def events(self, last_id: str | None) -> AsyncIterator[bytes]:
        """Yield server-sent events: first what is newer than ``last_id`` (everything for a new viewer), then each change."""
        last_version = self._version_of(last_id)
        self.viewers += 1
        try:
            yield f"retry: {RETRY_MILLISECONDS}\n\n".encode()
            while not self._closed.is_set():
                changed = self._changed
                if self._version > last_version:
                    # Set both at once: the next version may arrive while the event is being sent.
                    event, last_version = self._event(last_version), self._version
                    yield event
                    continue
                try:
                    await asyncio.wait_for(changed.wait(), KEEP_ALIVE_SECONDS)
                except TimeoutError:
                    yield b"event: beat\ndata: {}\n\n"
        finally:
            self.viewers -= 1

    def close(self) -> None:
        """End every viewer's stream and the loop."""
        self._closed.set()
        self._wake()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    def _version_of(self, last_id: str | None) -> int:
        life, _separator, number = (last_id or "").partition("-")
        return int(number) if life == self._life and number.isdecimal() and len(number) < 16 else 0  # noqa: PLR2004

    def _event(self, last_version: int) -> bytes:
        if last_version in self._events:
            return self._events[last_version]
        newer = {name: msgspec.Raw(self._encoded[name]) for name, version in self._versions.items() if version > last_version}
        event = b"id: %b-%d\nevent: update\ndata: %b\n\n" % (self._life.encode(), self._version, msgspec.json.encode(newer))
        self._events[last_version] = event
        return event
