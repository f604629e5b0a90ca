"""Paths: everything of the lab lies in one directory, everything of a stack in a directory below it."""

from __future__ import annotations

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path

from trending.errors import InvalidInput

CHECKOUT = Path(__file__).resolve().parents[2]
PROC = Path("/proc")
BUDGET_FILE = "budget.json"
"""Where a supervisord's event listener keeps the deaths of programs, in the directory of that supervisord."""


def lab_home() -> Path:
    """Return the lab's directory: ``TRENDING_HOME``, or ``.trending`` in the checkout."""
    return Path(os.path.realpath(chosen_home()))  # Path's own raises for a link in a ring


def chosen_home() -> Path:
    """Return the same as it was chosen, which may be a link."""
    return Path(os.path.abspath(os.environ.get("TRENDING_HOME") or CHECKOUT / ".trending"))  # noqa: PTH100 - links stay


def lives_elsewhere(pid: int, home: str) -> bool:
    """Whether a process sees another directory than this one at ``home``: one in a container, say, with a checkout of its own.

    Its stack has the same id, which is made of that path.
    """
    try:
        theirs = PROC.joinpath(str(pid), "root", home.lstrip("/")).stat() if home else None
    except OSError:  # no such directory there, no Linux, or another user's
        return False
    try:
        return theirs is not None and not os.path.samestat(theirs, Path(home).stat())
    except OSError:
        return True


def require_usable_path(path: Path) -> str:
    """Return the path; raises InvalidInput for one with a line end, or that is no UTF-8: no configuration file can contain it."""
    if re.search("[\r\n\ud800-\udfff]", str(path)):
        cause = "the path of the checkout or of TRENDING_HOME contains a line end, or is no UTF-8"
        raise InvalidInput(cause, ascii(str(path)), "move the checkout, or set TRENDING_HOME to another directory")
    return str(path)


def check_home() -> str:
    """Return the lab's directory; raises InvalidInput for one in which a broker would write elsewhere, or find no class.

    Kafka takes a comma in ``log.dirs`` for the beginning of another directory, and Java a colon for that of another entry of its
    class path; neither can be escaped.
    """
    home = require_usable_path(lab_home())
    if found := re.search("[,:]", home):
        cause = f"the path of the checkout or of TRENDING_HOME contains '{found[0]}', which Kafka or Java splits paths at"
        raise InvalidInput(cause, home, "move the checkout, or set TRENDING_HOME to another directory")
    return home


def short_hash(text: str, digits: int = 10) -> str:
    """Return a short hash of ``text``: the first hexadecimal digits of its SHA-256."""
    return hashlib.sha256(text.encode()).hexdigest()[:digits]


@dataclass(frozen=True)
class StackPaths:
    """The paths of one stack. ``data`` is deleted together with Kafka's volume; ``run`` belongs to the running stack."""

    home: Path
    name: str

    @classmethod
    def of(cls, name: str) -> StackPaths:
        """Return the paths of the stack ``name`` below the lab's directory."""
        return cls(lab_home(), name)

    @classmethod
    def all(cls, home: Path | None = None) -> list[StackPaths]:
        """Return the places of every stack that has a directory in ``home``, the lab's by default; by name."""
        home = lab_home() if home is None else home
        return sorted((cls(home, root.name) for root in (home / "stacks").glob("[!.]*")), key=lambda paths: paths.name)

    @property
    def stack_id(self) -> str:
        """The stack's id, made of name and home: two checkouts may each have a stack of the same name."""
        return f"{self.name}-{short_hash(str(self.home), 8)}"

    @property
    def root(self) -> Path:
        """Directory of the stack."""
        return self.home / "stacks" / self.name

    @property
    def data(self) -> Path:
        """Broker's log directories, ledger, store, checkpoints."""
        return self.root / "data"

    @property
    def store(self) -> Path:
        """The serving store: rankings and counts, dead letters, the batches written."""
        return self.data / "serving.sqlite"

    @property
    def ledger(self) -> Path:
        """What the broker acknowledged to the producer."""
        return self.data / "ledger.sqlite"

    @property
    def truth(self) -> Path:
        """What the seed of the scenario means, which the last audit has written."""
        return self.data / "truth.json"

    @property
    def checkpoints(self) -> Path:
        """Spark's checkpoints, each beside the record of where it began."""
        return self.data / "checkpoints"

    @property
    def aside(self) -> Path:
        """Where the remedy for a damaged ledger has it put."""
        return self.data / "aside"

    def checkpoint(self, key: str) -> Path:
        """Return the directory of the checkpoint with that key."""
        return self.checkpoints / key

    def broker(self, service: str) -> Path:
        """Return the log directory of a broker that runs as a process."""
        return self.data / service

    @property
    def run(self) -> Path:
        """Configuration, output and heartbeats of the running programs."""
        return self.root / "run"

    @property
    def budget(self) -> Path:
        """Deaths of programs, and which of them have spent their restarts."""
        return self.run / BUDGET_FILE

    @property
    def output(self) -> Path:
        """Output of the programs."""
        return self.run / "logs"

    @property
    def origin(self) -> Path:
        """The note of the home that the stack's directory was made in."""
        return self.root / "home"

    @property
    def state(self) -> Path:
        """The state file, which says what is wanted of the stack."""
        return self.root / "state.json"

    @property
    def lock(self) -> Path:
        """The lock of up, down, stop and heal. It lies beside the stack's directory, so that it outlives it."""
        return self.home / "stacks" / f".{self.name}.lock"

    @property
    def down_request(self) -> Path:
        """Locked while a take-down waits for the stack's lock or holds it."""
        return self.home / "stacks" / f".{self.name}.down"

    @property
    def claim(self) -> Path:
        """Locked while a demo or a report has the stack's name for itself."""
        return self.home / "stacks" / f".{self.name}.claim"

    @property
    def replay(self) -> Path:
        """Locked while a replay into the stack is at work."""
        return self.home / "stacks" / f".{self.name}.replay"

    @property
    def health(self) -> Path:
        """The health check's record: the last findings and the repairs so far."""
        return self.root / "health.json"

    @property
    def start_up_summary(self) -> Path:
        """The summary of the last start-up that changed something."""
        return self.root / "start-up.json"

    @property
    def game_day(self) -> Path:
        """What the last game day showed."""
        return self.root / "game-day.json"

    def output_file(self, component: str, stream: str = "out") -> Path:
        """Return where the output goes of a program or of a service that runs as a process; ``stream`` is ``out`` or ``err``."""
        return self.output / f"{component}.{stream}.log"

    def drift(self, component: str) -> Path:
        """Return where the hash is kept of the declaration that a program or process was started with."""
        return self.run / f"{component}.drift"

    def properties(self, service: str) -> Path:
        """Return where the configuration lies of a broker that runs as a process."""
        return self.run / f"{service}.properties"

    @property
    def access(self) -> Path:
        """What lets the stack's clients into a cluster that asks who they are: for its user only, and gone after ``down``."""
        return self.run / "access.json"

    @property
    def blocks(self) -> Path:
        """Secrets of Prefect's blocks, for store and object store: for its user only, and gone after ``down``."""
        return self.run / "blocks.json"

    @property
    def certificates(self) -> Path:
        """Sets of certificates of a stack with secure brokers; gone after ``down``."""
        return self.run / "tls"

    @property
    def java_client(self) -> Path:
        """What ``make client`` writes for Kafka's own tools; for its user only, and gone after ``down``."""
        return self.run / "client.properties"

    @property
    def kcat(self) -> Path:
        """The same for kcat."""
        return self.run / "kcat.conf"

    @property
    def naive_results(self) -> Path:
        """What the tutorial's job has last counted of the stack's topic."""
        return self.run / "naive.sqlite"

    @property
    def job_checkpoint(self) -> Path:
        """Where a job that is evaluated may have its checkpoint."""
        return self.run / "job-checkpoint"

    def heartbeat(self, program: str) -> Path:
        """Return the heartbeat file of a program."""
        return self.run / f"{program}.heartbeat.json"

    def specification(self, program: str) -> Path:
        """Return the specification file of a program."""
        return self.run / f"{program}.json"
