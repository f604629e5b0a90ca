"""The readiness ladder: from "something runs" to "a record was written and read back", rung by rung, with monotonic deadlines.

An open port proves nothing: a published port accepts connections with no broker behind it.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING

from infra.kafka.client import BrokerClient, require_dialled
from infra.kafka.diagnosis import diagnose, diagnose_exit
from infra.stack.declaration import ServiceKind
from infra.stack.runtime import ServiceState
from trending.errors import BudgetSpent, ClusterFull, ConfigurationConflict, NotReady, ServiceBroken, ServiceDied

if TYPE_CHECKING:
    from collections.abc import Callable

    from infra.host.clock import Clock
    from infra.kafka.diagnosis import Diagnosis
    from infra.stack.declaration import Service, Stack
    from infra.stack.runtime import Runtime
    from trending.kafka.connection import KafkaConnection

FIRST_PAUSE, LONGEST_PAUSE, PAUSE_SHARE = 0.05, 0.25, 1 / 40
"""Seconds between two looks: a fortieth of what has been waited, so that readiness is seen 2.5 % late at most. Twenty looks a
second, all the while, took 6 % of a core from the programs that were waited for, half of it in supervisord."""
SHOW_SECONDS = 10.0
ANSWER_SECONDS = 2.0
OUTPUT_LINES = 15
SEARCHED_LINES = 200
"""Lines that are searched: a JVM prints the cause of its death above a long stack trace."""
CLUSTER_ID = "cluster id"
"""The rung whose evidence is the id of the cluster that answers."""


@dataclass(frozen=True)
class Rung:
    """One step of the ladder: a name and a check that returns evidence, or raises LabError."""

    name: str
    check: Callable[[], str]


def climb(rungs: list[Rung], timeout: float, clock: Clock, show: Callable[[str], None] | None = None) -> dict[str, str]:
    """Climb until every rung holds in one go and return the evidence of each; every 10 s ``show`` gets a line on what is missing.

    Raises NotReady with the rung that failed last after ``timeout`` seconds; errors that waiting cannot heal are raised at once.
    """
    started = shown_at = clock.monotonic()
    deadline = started + timeout
    while True:
        evidence: dict[str, str] = {}
        try:
            for rung in rungs:
                current = rung.name
                evidence[rung.name] = rung.check()
        except (ServiceDied, ServiceBroken, ClusterFull, BudgetSpent):
            raise
        except NotReady as error:
            if clock.monotonic() >= deadline:
                cause = f"not ready after {timeout:.0f} s at the rung '{current}': {error.cause}"
                diagnosis = diagnose(error.evidence)
                remedies = [diagnosis.remedy if diagnosis else "", error.next_command]
                remedy = remedies[0] if remedies[1] in remedies[0] else "; ".join(filter(None, remedies))
                raise NotReady(cause, error.evidence, remedy or error.next_command) from error
            if show is not None and clock.monotonic() - shown_at >= SHOW_SECONDS:
                shown_at = clock.monotonic()
                show(f"... waiting for {shown_at - started:.0f} s: {error.cause}")
            now = clock.monotonic()
            pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, (now - started) * PAUSE_SHARE))
            clock.sleep(max(0.0, min(pause, deadline - now)))
        else:
            return evidence


def service_ladder(runtime: Runtime, stack: Stack, service: Service) -> list[Rung]:
    """Return the rungs of one service."""
    lives: list[str] = []

    def runs() -> str:
        lives.append(require_running(runtime, service))
        if lives[-1] != lives[0]:
            require_healable(runtime, service)
        return lives[-1]

    running = Rung("running", runs)
    if service.kind is ServiceKind.ZOOKEEPER:
        return [running, Rung("serving", lambda: require_serving(service.ports[0]))]
    if service == stack.brokers[-1]:
        return [running, *cluster_ladder(stack)]
    return [running]


def cluster_ladder(stack: Stack) -> list[Rung]:
    """Return the rungs that the whole cluster must reach, as seen from this machine."""
    client = BrokerClient(stack.connection)
    metadata, whole, dialled = _watching(client, stack.connection, len(stack.brokers))
    return [
        metadata,
        whole,
        Rung(CLUSTER_ID, lambda: _same_cluster(client, stack)),
        *([] if stack.external else [dialled]),  # an external cluster may be dialled by any name that leads to it
        Rung("record written and read back", lambda: _round_trip(client, stack.probe_topic)),
    ]


def watching_ladder(connection: KafkaConnection, brokers: int) -> list[Rung]:
    """Return the rungs that a cluster reaches without being written to, as seen from this machine."""
    return _watching(BrokerClient(connection), connection, brokers)


def _watching(client: BrokerClient, connection: KafkaConnection, brokers: int) -> list[Rung]:
    return [
        Rung("metadata", lambda: f"cluster {client.cluster(ANSWER_SECONDS).cluster_id}"),
        Rung("brokers and controller", lambda: _whole(client, brokers)),
        Rung("advertised address", lambda: _dialled(client, connection.bootstrap)),
    ]


def topic_ladder(connection: KafkaConnection, topic: str) -> list[Rung]:
    """Return the rung that a topic must reach: every partition has a leader."""
    client = BrokerClient(connection)

    def leaders() -> str:
        view = client.topic(topic, ANSWER_SECONDS)
        if view is None or view.leaderless:
            cause = f"{topic} has partitions without leader"
            raise NotReady(cause, str(view), "make status")
        return f"partitions with a leader: {view.partitions}"

    return [Rung("partition leaders", leaders)]


def require_healable(runtime: Runtime, service: Service) -> None:
    """Raise ServiceBroken if the service, which has been restarted, died of something that no restart heals."""
    logs = runtime.output(service, SEARCHED_LINES)
    diagnosis = diagnose(logs)
    if diagnosis is not None and diagnosis.final:
        raise _broken(runtime, service, f"{service.name} died and was started again: {diagnosis.cause}", logs, diagnosis)


def require_running(runtime: Runtime, service: Service) -> str:
    """Return the detail of a running service; otherwise raise with its last output and the diagnosis.

    NotReady if Docker or supervisord restarts it, ServiceBroken if a restart cannot heal it, otherwise ServiceDied.
    """
    observed = runtime.observe(service)
    if observed.frozen:
        cause = f"{service.name} is paused"
        raise NotReady(cause, observed.detail, "make up lets it go on, and so does make health HEAL=1")
    if observed.state is ServiceState.RUNNING:
        return observed.detail
    logs = runtime.output(service, SEARCHED_LINES)
    diagnosis = diagnose_exit(observed.exit_code, logs, memory_killed=observed.memory_killed, host_memory=observed.host_memory)
    after = f" after {observed.deaths}" if observed.deaths else ""
    cause = f"{service.name} is {observed.state}{after}" + (f": {diagnosis.cause}" if diagnosis else "")
    if diagnosis is not None and diagnosis.final:
        raise _broken(runtime, service, cause, logs, diagnosis)
    if observed.comes_back:
        cause = f"{cause}; it is started again"
        raise NotReady(cause, _last_words(observed.detail, logs), f"make logs SERVICE={service.name}")
    remedy = diagnosis.remedy if diagnosis else f"make logs SERVICE={service.name}"
    back = "; make up gives it its budget back" if observed.deaths else ""
    raise ServiceDied(cause, _last_words(observed.detail, logs), remedy + back)


def _broken(runtime: Runtime, service: Service, cause: str, logs: str, diagnosis: Diagnosis) -> ServiceBroken:
    return ServiceBroken(cause, _last_words(f"its data is in {runtime.data_place(service)}", logs), diagnosis.remedy)


def _last_words(detail: str, logs: str) -> str:
    last = "\n".join(logs.splitlines()[-OUTPUT_LINES:])
    return f"{detail}; last lines:\n{last}"


def require_serving(port: int) -> str:
    """Return ZooKeeper's version once it serves. Only then does its ``srvr`` command answer (ZooKeeper administrator's guide)."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=ANSWER_SECONDS) as connection:
            connection.sendall(b"srvr")
            connection.settimeout(ANSWER_SECONDS)
            answer = connection.recv(4096).decode("utf-8", "replace")
    except OSError as error:
        cause = f"ZooKeeper does not answer on port {port}"
        raise NotReady(cause, str(error), "make status") from error
    if not answer.startswith("Zookeeper version"):
        cause = f"ZooKeeper does not serve on port {port} yet"
        raise NotReady(cause, answer.strip()[:200] or "no answer", "make status")
    return answer.splitlines()[0]


def _whole(client: BrokerClient, brokers: int) -> str:
    view = client.cluster(ANSWER_SECONDS)
    if len(view.brokers) < brokers or view.controller < 0:
        cause = f"{len(view.brokers)} of {brokers} brokers are there"
        raise NotReady(cause, f"controller {view.controller}, brokers {view.brokers}", "make status")
    return f"brokers: {len(view.brokers)}, controller: {view.controller}"


def _same_cluster(client: BrokerClient, stack: Stack) -> str:
    found = client.cluster(ANSWER_SECONDS).cluster_id
    if stack.cluster_id and found != stack.cluster_id:
        cause = "another cluster answers at our address"
        evidence = f"cluster id {found}, the stack's is {stack.cluster_id}"
        raise ConfigurationConflict(cause, evidence, "make status")
    return found


def _dialled(client: BrokerClient, bootstrap: str) -> str:
    advertised = set(client.cluster(ANSWER_SECONDS).brokers)
    dialled = set(bootstrap.split(","))
    if dialled > advertised:
        cause = f"{len(dialled - advertised)} of {len(dialled)} brokers are missing"
        raise NotReady(cause, f"missing {sorted(dialled - advertised)}", "make status")
    require_dialled(bootstrap, advertised)
    return ", ".join(sorted(advertised))


def _round_trip(client: BrokerClient, topic: str) -> str:
    client.round_trip(ANSWER_SECONDS, topic)
    return "a nonce came back"
