"""Paths: everything of the lab lies in one directory, everything of a stack in a directory below it."""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parents[2]


def lab_home() -> Path:
    """Return the lab's directory: ``TRENDING_HOME``, or ``.trending`` in the checkout."""
    return Path(os.environ.get("TRENDING_HOME") or CHECKOUT / ".trending").resolve()


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
    def run(self) -> Path:
        """Configuration, output and heartbeats of the running programs."""
        return self.root / "run"

    @property
    def output(self) -> Path:
        """Output of the programs."""
        return self.run / "logs"

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
    def health(self) -> Path:
        """The health check's record: the last findings and the repairs so far."""
        return self.root / "health.json"

    @property
    def start_up_summary(self) -> Path:
        """The summary of the last start-up that changed something."""
        return self.root / "start-up.json"

    def heartbeat(self, program: str) -> Path:
        """Heartbeat file of a program."""
        return self.run / f"{program}.heartbeat.json"

    def specification(self, program: str) -> Path:
        """Specification file of a program."""
        return self.run / f"{program}.json"
