"""Signals that end a command. The first one raises; during an undo the next is answered, and the one after it abandons the undo.

SIGINT, SIGTERM and SIGHUP (the terminal was closed) count alike. One that was ignored from the start, as under nohup, stays so.
When the command has done its work, none raises any more.

An exception of a handler is raised wherever the main thread happens to be. In a finalizer, or a callback of a weak reference, of
the garbage collector or of C code, Python cannot pass it on: it calls ``sys.unraisablehook`` and goes on (Python's reference,
``object.__del__``), and so would the command, as if nobody had asked it to end. Where a file or an HTTP answer is collected, or C
code puts an error of its own in the exception's place, not even that hook is called: what is left is that the exception is gone
before anybody has seen it. Such a signal is delivered again.
"""

from __future__ import annotations

import _thread
import os
import signal
import sys
import threading
import time
import weakref
from collections.abc import Iterator  # noqa: TC003 - the context manager's annotation is evaluated
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.console.impatience import see_soon, seen
from infra.console.reporting import say
from trending.errors import Interrupted, UndoAbandoned, endings_passed_on, unwrapped

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ECHO_SECONDS = 0.2
"""make passes a SIGTERM on that its group got too, and a closed terminal's shell a SIGHUP: both arrive within milliseconds."""
AGAIN_SECONDS = 0.05
"""How long after its exception was dropped a signal is delivered again. The finalizer is over by then, or drops it once more."""
ONCE_MORE = "what is being taken down or undone goes on to its end; once more abandons it\n"
LAST_LOGS = "this is at its end, and sends its last logs to Prefect; once more ends it without\n"


@dataclass
class Heard:
    """What this process has heard. ``undoing`` counts the undos under way, one within the other.

    ``watched`` is the exception of a signal that nobody has seen yet.
    """

    at: float = -ECHO_SECONDS
    undoing: int = 0
    raised: bool = False
    answered: bool = False
    abandoned: bool = False
    watched: weakref.ref[Interrupted] | None = None

    def echo(self) -> bool:
        """Whether this signal is the one before, passed on by somebody else."""
        now = time.monotonic()
        is_echo = now - self.at < ECHO_SECONDS
        self.at = now
        return is_echo


_heard = Heard()


def raise_on_signals() -> None:
    """From now on, raise Interrupted at a signal. Called once by each command."""
    _heard.raised = _heard.answered = _heard.abandoned = False
    _handle(_raise)
    deliver_dropped_signals()


@contextmanager
def heard_in_flow() -> Iterator[None]:
    """Have SIGTERM raise, in the body of a command's flow, what the other signals raise: Prefect's exception is not watched.

    In the run of a deployment, whose process is Prefect's, nothing changes.
    """
    prefects = signal.getsignal(signal.SIGTERM)
    of_a_command = signal.getsignal(signal.SIGINT) is _raise and prefects not in {signal.SIG_IGN, None}
    if not of_a_command or threading.current_thread() is not threading.main_thread():
        yield
        return
    signal.signal(signal.SIGTERM, _raise)
    try:
        yield
    except BaseException as error:
        _hurry(error)
        raise
    finally:
        if signal.getsignal(signal.SIGTERM) is _raise:  # an undo may have been abandoned
            signal.signal(signal.SIGTERM, prefects)


def signal_was_seen() -> None:
    """Note that the command knows of its signal, whose exception may now come to its end."""
    _heard.watched = None
    seen()


def deliver_dropped_signals() -> None:
    """From now on, deliver a signal again whose exception Python has dropped. Calling it again does nothing."""
    if getattr(sys.unraisablehook, "__func__", None) is not DroppedSignals.see:
        sys.unraisablehook = DroppedSignals(sys.unraisablehook).see


def answer_signals_at_exit() -> None:
    """From now on, answer the first signal with a line, and end at the second. Called once by each command, at its end.

    Prefect then sends its last logs, and an exception would be a traceback there. Who has abandoned an undo is not asked again.
    """
    if not _heard.abandoned:
        _heard.answered = False
        _handle(_leave)


@contextmanager
def finished_despite_signals() -> Iterator[None]:
    """Finish the block, an undo, at the first signal, and raise UndoAbandoned at the second one; then the next kills outright.

    Signals only reach the main thread, so in another one there is nothing to do. Prefect replaces the handler of SIGTERM when a
    flow starts: a flow that is an undo calls this again in its body.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    earlier = {number: signal.getsignal(number) for number in SIGNALS}
    _handle(_count)
    _heard.undoing += 1
    try:
        with endings_passed_on():
            yield
    finally:
        _heard.undoing -= 1
        if _heard.abandoned:  # only now: until here, nobody but Python may have known of it
            _handle(signal.SIG_DFL)
        else:
            for number, handler in earlier.items():
                if handler is not None:  # installed by a library, in C: it was not replaced either
                    signal.signal(number, handler)


def begun_despite_signals(undo: Callable[[], object], left: str = "") -> None:
    """Call an undo that finishes despite signals, and once more if one came before it had begun.

    ``left`` is said where it is abandoned, unless it says itself what is left then.
    A signal often comes twice within milliseconds, to the group and from make, and Prefect's handler raises at each. With other
    threads at work, some of that time lies between the ``except`` that calls the undo and the undo's own handlers.
    """
    try:
        _begin(undo)
    except UndoAbandoned:
        if left:
            say(left)
        raise
    _hurry(sys.exc_info()[1])


def _begin(undo: Callable[[], object]) -> None:
    signal_was_seen()
    try:
        undo()
    except BaseException as error:
        signal_was_seen()
        ending = unwrapped(error)
        if ending is not error and isinstance(ending, UndoAbandoned):
            raise ending from None
        if _number_of(error) is None or isinstance(error, UndoAbandoned):
            raise
        undo()


def _hurry(error: BaseException | None) -> None:
    """Have nobody wait for what Prefect does when everything was put right after a signal, which may take minutes."""
    if error is not None and of_a_signal(error) and signal.getsignal(signal.SIGINT) is _raise:
        see_soon(_raise)


def undo_under_way() -> bool:
    """Whether this process is undoing something, so that a signal is no reason to stop."""
    return _heard.undoing > 0


def hang_up() -> None:
    """Act as after SIGHUP, for a command that finds its terminal closed while it works; an undo just goes on.

    The kernel tells the session's leader alone. A shell passes it on, but make, which leads in `ssh -t host make up`, does not.
    """
    if signal.getsignal(signal.SIGHUP) is _raise and not _heard.raised:
        signal.raise_signal(signal.SIGHUP)


def undo_abandoned() -> bool:
    """Whether the user has abandoned an undo, so that no other one may begin."""
    return _heard.abandoned


def of_a_signal(error: BaseException) -> bool:
    """Whether a signal caused the error: between two tasks, Prefect fails on one with an error of its own."""
    behind: BaseException | None = error
    seen: list[BaseException] = []
    while behind is not None and behind not in seen:
        if _number_of(behind) is not None:
            return True
        seen.append(behind)
        behind = behind.__cause__ or behind.__context__
    return False


@dataclass(frozen=True)
class DroppedSignals:
    """Delivers again what a signal had raised and Python dropped. ``others`` is the hook for what else was dropped."""

    others: Callable[[sys.UnraisableHookArgs], object]

    def see(self, dropped: sys.UnraisableHookArgs) -> None:
        """Start a thread that sends the signal, or pass on what no signal has raised.

        What another signal raises in here, as make's own does that follows its group's, Python would drop as well.
        """
        try:
            self._see(dropped)
        except BaseException as error:
            number = _number_of(error)
            if number is None:
                raise
            _deliver_again(number)

    def _see(self, dropped: sys.UnraisableHookArgs) -> None:
        number = _number_of(dropped.exc_value)
        if number is None:
            self.others(dropped)
            return
        _deliver_again(number)


def _deliver_again(number: int) -> None:
    _heard.abandoned = False  # nobody knows of it: what is undone goes on, and is not the last
    _heard.at = -ECHO_SECONDS
    _heard.watched = None  # dropped and told, it is gone in a moment
    # Not threading.Thread, since the main thread may hold the locks of that module at this very place.
    _thread.start_new_thread(_send_soon, (number,))


def _number_of(error: BaseException | None) -> int | None:
    """Return the signal that made its handler raise the error, perhaps in C code; None for any other error."""
    error = None if error is None else unwrapped(error)
    if isinstance(error, Interrupted):
        return error.number
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT
    prefect = sys.modules.get("prefect.exceptions")  # not imported here, so that commands without Prefect answer sooner
    return int(error.signal) if prefect and isinstance(error, prefect.TerminationSignal) else None


def _send_soon(number: int) -> None:
    time.sleep(AGAIN_SECONDS)
    signal.pthread_kill(threading.main_thread().ident or 0, number)


def _handle(handler: Callable[[int, FrameType | None], None] | signal.Handlers) -> None:
    for number in SIGNALS:
        if signal.getsignal(number) not in {signal.SIG_IGN, None}:
            signal.signal(number, handler)


def _raise(number: int, _frame: FrameType | None) -> None:
    if not _heard.echo():
        _heard.raised = True
        raise _watched(Interrupted(number))


def _watched(error: Interrupted) -> Interrupted:
    """Have the signal delivered again if the exception is gone before it was seen. No variable of ours may keep it."""
    number = error.number
    _heard.watched = weakref.ref(error, lambda _gone: _deliver_again(number))
    return error


def _leave(_number: int, _frame: FrameType | None) -> None:
    if _heard.echo():
        return
    if _heard.answered:
        os._exit(Interrupted.exit_code)
    _heard.answered = True
    with suppress(OSError):  # as below
        os.write(2, LAST_LOGS.encode())


def _count(number: int, _frame: FrameType | None) -> None:
    if _heard.echo():
        return
    if _heard.abandoned:
        signal.signal(number, signal.SIG_DFL)
        signal.raise_signal(number)
        return
    if not _heard.answered:
        _heard.answered = True
        with suppress(OSError):  # the terminal is closed
            os.write(2, ONCE_MORE.encode())  # not print: the signal may have interrupted one, which cannot be entered twice
        return
    _heard.abandoned = True
    raise _watched(UndoAbandoned(number))
