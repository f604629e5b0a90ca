"""Stacks on the machine of pretend, brought up by the tasks' own functions."""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

import msgspec
from fakes.plain import lab_stack

from infra.lab.assembly import record
from infra.operations import page, producer, stream, topic
from trending.programs.heartbeat import Heartbeat
from trending.settings import LabSettings

if TYPE_CHECKING:
    from infra.lab.assembly import Lab


def make(**sections: Any) -> Lab:
    """Return a stack whose broker runs and whose topic exists."""
    lab, _why = record(LabSettings(**{"stack": lab_stack(), **sections}))
    lab.supervisor.start()
    lab.runtime.start(lab.stack.services[0])
    topic.create_topic("lab")
    return lab


def make_whole(**sections: Any) -> Lab:
    """Return a stack that runs everything."""
    lab = make(**sections)
    producer.launch_producer("lab")
    stream.submit_stream("lab")
    page.launch_page("lab")
    return lab


def beat(lab: Lab, program: str, **changes: Any) -> None:
    """Write a heartbeat of this moment, but for ``changes``."""
    fields = {"at": time.time(), "pid": os.getpid(), "phase": "working", "figures": {}, "note": "", **changes}
    lab.paths.heartbeat(program).write_bytes(msgspec.json.encode(Heartbeat(**fields)))
