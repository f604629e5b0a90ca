"""Every error of the lab.

LabError                      exit code 1
├── InvalidInput              2    a setting is out of bounds or unknown
├── PrerequisiteMissing       3    Python, Java, memory, disk
├── PortTaken                 4    another process listens there
├── NotOurs                   5    the thing exists and belongs to somebody else
├── NotReady                  6    a rung of the readiness ladder was not reached in time
│   ├── ServiceDied           6    the process or container exited while we waited
│   ├── ServiceBroken         6    it cannot run here, and no restart heals it: a full or read-only disk
│   ├── ClusterFull           6    a Spark cluster has no room for the job now
│   ├── SupervisorUnreachable 6    supervisord runs and can't be asked; its programs may be well
│   └── BudgetSpent           6    it died again and again and is not restarted any more
├── AuditFailed               7    something was lost or counted twice, or could not be recounted
│   └── AuditIncomplete       18   nothing was found wrong, and not everything can be verified any more
├── ProbeFailed               8    the five messages did not come back
├── DamagedDownload           9    a jar does not match its lock, or could not be fetched
├── StackBusy                 10   another command holds the stack's lock
├── StackAbsent               11   there is no such stack
├── ConfigurationConflict     12   what exists contradicts what was asked for
├── EngineUnavailable         13   no Docker engine answers, or it refuses
├── ImageUnavailable          14   an image is neither here nor to be had
├── Unhealthy                 15   a health check found a part that is not what is wanted of it
├── Superseded                16   a take-down was asked for meanwhile, and wins
├── NotSurvived               17   a game day found a fault that the stack did not come back from
├── DamagedFile               19   a ledger or a store is damaged, or not the one that belongs here
└── AccessRefused             20   a cluster refuses access: password, certificate, or a right that is missing
Interrupted                   130  a signal; what the command has made is undone
└── UndoAbandoned             130  one signal more, twice, during the undo; what is left was listed

The numbers are the exit codes of every command.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator  # noqa: TC003 - the context manager's annotation is evaluated
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Callable

REBUILD = "make rebuild"
"""The next command where only counting anew from the log helps, under a new checkpoint."""


class LabError(Exception):
    """A failure with its cause, the evidence for it and the command to run next.

    The three texts are positional so that the error survives pickling: Prefect pickles the result of a failed run.
    """

    exit_code: ClassVar[int] = 1
    retriable: ClassVar[bool] = False

    def __init__(self, cause: str, evidence: str = "", next_command: str = "") -> None:
        super().__init__(cause, evidence, next_command)
        self.cause = cause
        self.evidence = evidence
        self.next_command = next_command

    def __str__(self) -> str:
        lines = [self.cause]
        if self.evidence:
            lines.append(f"  evidence: {self.evidence}")
        if self.next_command:
            lines.append(f"  next: {self.next_command}")
        return "\n".join(lines)

    def rewrite(self, text: Callable[[str], str]) -> None:
        """Replace each of the three texts by what ``text`` makes of it."""
        self.cause, self.evidence, self.next_command = map(text, (self.cause, self.evidence, self.next_command))
        self.args = (self.cause, self.evidence, self.next_command)


class InvalidInput(LabError):
    """A setting is unknown or out of its bounds."""

    exit_code = 2


class PrerequisiteMissing(LabError):
    """The machine lacks something that the lab cannot bring along."""

    exit_code = 3


class PortTaken(LabError):
    """Another process listens on a port that the stack needs."""

    exit_code = 4


class NotOurs(LabError):
    """A thing with our name exists that we did not make; it is never touched."""

    exit_code = 5


class NotReady(LabError):
    """A rung of the readiness ladder was not reached before the deadline."""

    exit_code = 6
    retriable = True


class ServiceDied(NotReady):
    """The process or container exited while somebody waited for it."""


class ServiceBroken(NotReady):
    """The service cannot run here and no restart heals it, such as on a full or read-only disk."""

    retriable = False


class ClusterFull(NotReady):
    """A Spark cluster has taken the job and has no free core, or not the memory, for an executor now."""

    retriable = False


class SupervisorUnreachable(NotReady):
    """The supervisord of the stack runs and can't be asked: frozen, or its socket's file is gone. Nothing of it is ended."""

    retriable = False


class BudgetSpent(NotReady):
    """The thing died more often than its restart budget allows."""

    retriable = False


class AuditFailed(LabError):
    """The recount of the log contradicts the ledger or the store, or could not be done; a job's results are not the truth."""

    exit_code = 7


class AuditIncomplete(AuditFailed):
    """An audit found nothing wrong, but part of what was counted is not in the log any more."""

    exit_code = 18


class ProbeFailed(LabError):
    """The five messages of the smoke test did not all come back in time."""

    exit_code = 8


class DamagedDownload(LabError):
    """A jar or a package could not be fetched, or its SHA-256 is not the one in the lock."""

    exit_code = 9


class StackBusy(LabError):
    """Another command holds the lock of this stack."""

    exit_code = 10


class StackAbsent(LabError):
    """No stack of that name exists on this machine."""

    exit_code = 11


class ConfigurationConflict(LabError):
    """What exists contradicts what was asked for, and the lab does not change it by itself."""

    exit_code = 12

    @property
    def ends_by_rebuild(self) -> bool:
        """Whether counting anew from the log is the way out, as for a store of another version's form."""
        return self.next_command == REBUILD


class DamagedFile(LabError):
    """A ledger or a store is damaged, or not the one that belongs here: it was deleted, or another is in its place."""

    exit_code = 19


class AccessRefused(LabError):
    """A cluster that is there already refuses access, or a part of it: password, certificate, a right that is missing."""

    exit_code = 20


class EngineUnavailable(LabError):
    """No Docker engine answers, or it refuses to talk to us."""

    exit_code = 13


class ImageUnavailable(LabError):
    """An image is neither on this machine nor to be had."""

    exit_code = 14


class Unhealthy(LabError):
    """A health check found that a part of the stack is not what is wanted of it."""

    exit_code = 15


class Superseded(LabError):
    """Somebody asked for the stack to be taken down while a repair was under way; the repair gives way."""

    exit_code = 16


class NotSurvived(LabError):
    """A fault of a game day was not recovered from, or cost messages."""

    exit_code = 17


class Interrupted(BaseException):
    """SIGINT, SIGTERM or SIGHUP ended a command."""

    # A BaseException, so that no ``except Exception`` swallows it.
    exit_code: ClassVar[int] = 130

    def __init__(self, number: int = signal.SIGINT) -> None:
        super().__init__()
        self.number = number


class UndoAbandoned(Interrupted):
    """The user has abandoned an undo with another signal, so things are left."""


def unwrapped(error: BaseException) -> BaseException:
    """Return the exception that ends a command where C code has made a SystemError of it; any other error as it is.

    confluent-kafka's calls may return a result although a signal's handler has just raised, and Python tells of both: of 5443
    signals during ``describe_topics``, 1376 came out as a SystemError whose cause is the handler's exception.
    """
    behind = error
    while isinstance(behind, SystemError) and behind.__cause__ is not None:
        behind = behind.__cause__
    return error if isinstance(behind, Exception) else behind


@contextmanager
def endings_passed_on() -> Iterator[None]:
    """Raise, out of the block, what ``unwrapped`` finds: nobody then takes a signal, or a timeout's alarm, for an error."""
    try:
        yield
    except SystemError as error:
        ending = unwrapped(error)
        if ending is error:
            raise
        error.__cause__ = error.__context__ = None  # it becomes the ending's context, and the chain would be a circle
        raise ending from None
