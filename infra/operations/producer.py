"""Operations on the producer program."""

from __future__ import annotations

from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.clock import SystemClock
from infra.kafka.readiness import climb
from infra.lab.assembly import Lab, open_lab
from infra.lab.store import make_shared_ledgers
from infra.operations.epochs import known_topic_id
from infra.operations.program_ladder import beating
from infra.supervision.programs import PRODUCER, launch_program
from trending.programs.specifications import ProducerSpec
from trending.simulator.generator import hash_of, load_catalogue

if TYPE_CHECKING:
    from infra.stack.runtime import Outcome

READY_SECONDS = 30.0


def producer_spec(lab: Lab) -> ProducerSpec:
    """Return the producer's specification; raises InvalidInput for an unusable catalogue before anything is started."""
    catalogue = load_catalogue(lab.settings.producer.catalogue)
    return ProducerSpec(
        bootstrap=lab.stack.connection.bootstrap,
        access=lab.access,
        topic=lab.settings.stack.topic,
        heartbeat=lab.paths.heartbeat(PRODUCER),
        settings=lab.settings.producer,
        ledger=lab.paths.ledger,
        topic_id=known_topic_id(lab),
        catalogue_hash=hash_of(catalogue),
    )


def launch_producer(stack: str) -> Outcome:
    """Start the producer under supervision; returns what had to be done.

    Where the stack has a schema, the tables for the ledgers of other producers are made there.
    """
    lab = open_lab(stack)
    make_shared_ledgers(lab)
    return launch_program(lab.supervisor, lab.paths, PRODUCER, producer_spec(lab).model_dump_json())


def wait_for_producer(stack: str) -> dict[str, str]:
    """Wait until the producer's heartbeat is fresh and the broker has acknowledged a tweet."""
    lab = open_lab(stack)
    return climb(beating(lab, PRODUCER, "acknowledged"), READY_SECONDS, SystemClock(), say)


def stop_producer(stack: str) -> None:
    """Stop the producer; it flushes its messages and closes its ledger first."""
    open_lab(stack).supervisor.remove(PRODUCER)
