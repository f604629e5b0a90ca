"""Fixtures that catch what the lab says, and that put back what a command changes in its process."""

from __future__ import annotations

import logging
import signal
from typing import TYPE_CHECKING

import pytest

from infra.console import interruptions

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["own_process", "said"]
SPEAKERS = ("trending",)


class _Ear(logging.Handler):
    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        if getattr(record, "lab", False):
            self.lines.append(record.getMessage())


@pytest.fixture
def said() -> Iterator[list[str]]:
    """The lines that the lab reports, in order."""
    ear = _Ear()
    loggers = [logging.getLogger(name) for name in SPEAKERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(ear)
        logger.setLevel(logging.INFO)
    yield ear.lines
    for logger, level in zip(loggers, levels, strict=True):
        logger.removeHandler(ear)
        logger.setLevel(level)


@pytest.fixture
def own_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put back signal handlers, log handlers and levels after a command has run in this process."""
    monkeypatch.setenv("PREFECT_LOGGING_HANDLERS_CONSOLE_LEVEL", "CRITICAL")
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in SPEAKERS)]
    before = [(logger, list(logger.handlers), logger.level, [handler.level for handler in logger.handlers]) for logger in loggers]
    handlers = {number: signal.getsignal(number) for number in interruptions.SIGNALS}
    heard = interruptions.Heard()
    monkeypatch.setattr(interruptions, "_heard", heard)
    # pytest.raises sees a signal's exception, and this process is not to hear of it again.
    monkeypatch.setattr(interruptions, "_watched", lambda error: error)
    # Nor is it to be sent a signal or ended, since it goes on for longer than a command may.
    monkeypatch.setattr(interruptions, "see_soon", lambda _handler: None)
    monkeypatch.setattr("infra.forms.terminal.leave_soon", lambda _exit_code: None)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    for logger, kept, level, levels in before:
        logger.handlers[:] = kept
        logger.setLevel(level)
        for handler, its_level in zip(kept, levels, strict=True):
            handler.setLevel(its_level)
