"""Something that looks every so often, in a thread of its own, while it is open."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from typing import ClassVar, Self


class Watch(ABC):
    """Looks every ``every_seconds`` from entering to leaving."""

    every_seconds: ClassVar[float]

    def __init__(self) -> None:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=type(self).__name__)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.every_seconds):
            self.look()

    @abstractmethod
    def look(self) -> None:
        """Look once."""
