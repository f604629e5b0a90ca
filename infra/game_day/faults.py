"""The faults of a game day: what is broken, how, and what brings it back. Rows are those of tests/faults.md."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from infra.game_day import injections as breaking
from infra.game_day.aims import Aim
from infra.game_day.fault_names import FaultName
from infra.health.examination import TOPIC
from infra.host.processes import freeze, thaw
from infra.kafka.client import BrokerClient
from infra.operations.producer import wanted_producers
from infra.operations.topic import TOPIC_SETTINGS
from infra.stack.runtime import SUPERVISOR
from infra.supervision.programs import STREAM
from trending.errors import ConfigurationConflict, LabError

if TYPE_CHECKING:
    from collections.abc import Callable

    import psutil

    from infra.lab.assembly import Lab
    from infra.stack.declaration import Service

QUORUM = 3


@dataclass(frozen=True)
class Fault:
    """One fault. ``inject`` breaks the component; ``end`` removes the fault after it was held for a while.

    ``restarts``: the component comes back as another process. ``healed``: only the healer restarts it. ``visible``: the component
    is down meanwhile. ``revives``: ``end`` starts something, which is allowed only while the stack is wanted up.
    ``one_of_several``: other components have a fault of this name too.
    """

    name: FaultName
    row: int
    component: str
    inject: Callable[[], object]
    end: Callable[[], object] | None = None
    restarts: bool = False
    healed: bool = False
    visible: bool = True
    revives: bool = False
    back_by: str = "itself"
    one_of_several: bool = False

    @property
    def aim(self) -> Aim:
        """The fault's name, with that of the component where others have the fault too."""
        return Aim(self.name, self.component if self.one_of_several else "")


def faults_of(lab: Lab) -> list[Fault]:
    """Return the faults that this stack's runtime and size have; those of a producer once for each that shares the scenario."""
    return [
        *(() if lab.stack.external else _of_brokers(lab)),
        *_of_producers(lab),
        _killed(lab, FaultName.DRIVER_KILLED, 20, STREAM),
        Fault(
            FaultName.JVM_KILLED,
            20,
            STREAM,
            lambda: breaking.jvm_of(breaking.program_process(lab, STREAM)).kill(),
            restarts=True,
            back_by="supervisord",
        ),
        Fault(
            FaultName.SUPERVISOR_KILLED,
            25,
            SUPERVISOR,
            lambda: breaking.supervisord_process(lab).kill(),
            restarts=True,
            healed=True,
            back_by="healer",
        ),
    ]


def _of_producers(lab: Lab) -> list[Fault]:
    names = wanted_producers(lab)
    killed = [_killed(lab, FaultName.PRODUCER_KILLED, 19, name) for name in names]
    frozen = [_frozen(lab, FaultName.PRODUCER_FROZEN, 19, name) for name in names]
    return [replace(fault, one_of_several=len(names) > 1) for fault in (*killed, *frozen)]


def _of_brokers(lab: Lab) -> list[Fault]:
    """Return the faults of the stack's own brokers; those of somebody else are never broken."""
    broker = lab.stack.brokers[0]
    sabotage = lab.runtime.sabotage
    return [
        *(_by_hand(lab, broker) if sabotage.contained else ()),
        Fault(
            FaultName.BROKER_HEAP_EXHAUSTED,
            10,
            broker.name,
            partial(breaking.exhaust_heap, lab, broker),
            partial(lab.runtime.start, broker),
            revives=True,
            back_by="its declared heap",
        ),
        Fault(
            FaultName.BROKER_KILLED,
            11,
            broker.name,
            partial(_kill_service, lab, broker),
            restarts=True,
            back_by=sabotage.keeper,
        ),
        Fault(
            FaultName.BROKER_FROZEN,
            12,
            broker.name,
            partial(sabotage.pause, broker),
            partial(sabotage.resume, broker),
            back_by="thaw",
        ),
        *(_of_three(lab, sabotage.keeper) if len(lab.stack.brokers) >= QUORUM else ()),
        Fault(FaultName.TOPIC_ASKED_FOR_OTHERWISE, 18, TOPIC, partial(_refused, lab), visible=False, back_by="refusal"),
    ]


def _by_hand(lab: Lab, broker: Service) -> tuple[Fault, ...]:
    return (
        Fault(
            FaultName.BROKER_KILLED_BY_HAND,
            10,
            broker.name,
            partial(lab.runtime.sabotage.kill, broker),
            restarts=True,
            healed=True,
            back_by="healer",
        ),
        Fault(
            FaultName.BROKER_MEMORY_KILLED,
            10,
            broker.name,
            partial(breaking.exceed_memory, lab, broker),
            partial(lab.runtime.start, broker),
            revives=True,
            back_by="its declared limit",
        ),
    )


def _of_three(lab: Lab, owner: str) -> tuple[Fault, ...]:
    last = lab.stack.brokers[-1]
    kill = partial(_kill_service, lab, last)
    return (Fault(FaultName.ONE_BROKER_OF_THREE_KILLED, 13, last.name, kill, restarts=True, back_by=owner),)


def _kill_service(lab: Lab, service: Service) -> None:
    lab.runtime.sabotage.process(service).kill()


def _killed(lab: Lab, name: FaultName, row: int, program: str) -> Fault:
    kill = partial(_kill_program, lab, program)
    return Fault(name, row, program, kill, restarts=True, back_by="supervisord")


def _kill_program(lab: Lab, program: str) -> None:
    breaking.program_process(lab, program).kill()


def _frozen(lab: Lab, name: FaultName, row: int, program: str) -> Fault:
    """Return the fault of a process that stands still; only the one that was frozen is thawed, whoever has its name by then."""
    held: list[psutil.Process] = []

    def inject() -> None:
        process = breaking.program_process(lab, program)
        held.append(process)
        freeze(process)

    def end() -> None:
        for process in held:
            thaw(process)

    return Fault(name, row, program, inject, end, back_by="thaw")


def _refused(lab: Lab) -> None:
    """Require the topic with other settings; raises LabError unless that is refused."""
    wanted = lab.settings.stack
    try:
        client = BrokerClient(lab.stack.connection)
        client.require_topic(wanted.topic, wanted.partitions + 1, wanted.replication, TOPIC_SETTINGS)
    except ConfigurationConflict:
        return
    cause = f"{wanted.topic} was taken for one with {wanted.partitions + 1} partitions"
    raise LabError(cause, "", "make status")
