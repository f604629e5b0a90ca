"""Three producers on one topic, two of them no programs of the stack; one is killed and comes back; one audit adds them up."""

from __future__ import annotations

import re
import signal
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from postgres_cluster import PASSWORD
from real.harness import plain, python

from flows import audit
from infra.forms.producing import ProduceForm
from infra.forms.proving import AuditForm
from infra.forms.stacks import LastStep
from infra.lab.store import ledger_places
from trending.producer.ledger import read_ledgers
from trending.settings import ProducerSettings

if TYPE_CHECKING:
    import subprocess
    from pathlib import Path

    from postgres_cluster import Cluster
    from real.harness import RealStack

RATE = 300
PRODUCER = """
import sys
from infra.console.interruptions import raise_on_signals
from infra.forms.producing import ProduceForm
from infra.host.secret_references import no_block
from infra.producers.elsewhere import produce_elsewhere
from trending.errors import LabError
from trending.producer.program import main
raise_on_signals()
form = ProduceForm.model_validate_json(sys.argv[1])
try:
    produce_elsewhere(form, no_block, main, lambda done, _share: print(done.line, flush=True))
except LabError as error:
    sys.exit(f"{error}")
"""


@pytest.mark.row(19)
def test_the_ledgers_of_three_producers_add_up_though_one_is_killed(stack: RealStack, postgres: Cluster, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    secret.chmod(0o600)
    own = {"store_url": postgres.url, "store_secret": f"file:{secret}"}
    stack.settings = {**own, "rate": "100"}
    stack.bring_up(LastStep.STREAM)
    # As on another machine: nothing is known of the stack but its name, and where its Kafka and its database are.
    far = ProduceForm.model_validate(
        {
            "name": stack.name,
            "producer_name": "laptop",
            "producer": ProducerSettings(rate=RATE),
            "access": {"bootstrap": f"localhost:{stack.port}"},
            "serving": own,
        }
    )
    near = ProduceForm(name=stack.name, producer_name="rack", producer=ProducerSettings(rate=RATE), produce_tweets=4 * RATE)
    with ExitStack() as running:
        laptop, rack = started(running, far), started(running, near)
        stack.wait_until(lambda: acknowledged(stack, "laptop") > RATE, 30, "the laptop sends")
        laptop.kill()
        laptop.wait()
        again = started(running, far)
        before = acknowledged(stack, "laptop")
        live = audited(stack)
        assert "acknowledged" in line_of(live, "laptop")
        stack.wait_until(lambda: acknowledged(stack, "laptop") > before + RATE, 40, "the laptop's next life sends")
        again.send_signal(signal.SIGTERM)
        said, _nothing = again.communicate(timeout=30)
        assert re.search(r"stopped: sent (\d+), acknowledged \1, failed 0$", said.strip()), said
        assert rack.wait(60) == 0
    whole = audited(stack, at_rest=True)
    figures = [int(re.findall(r"acknowledged (\d+)", line_of(whole, name))[0]) for name in ("own", "laptop", "rack")]
    assert figures[2] == 4 * RATE
    assert f"acknowledged {sum(figures)}, in log" in whole[-1]
    assert "did not end" not in "".join(whole)


def started(running: ExitStack, form: ProduceForm) -> subprocess.Popen[str]:
    process = running.enter_context(python(PRODUCER, form.model_dump_json()))
    running.callback(process.kill)
    return process


def acknowledged(stack: RealStack, producer: str) -> int:
    ledger = read_ledgers(ledger_places(stack.lab))
    return sum(len(each) for each in ledger.intervals if ledger.producers.get(each.run) == producer)


def audited(stack: RealStack, *, at_rest: bool = False) -> list[str]:
    """Return the lines of an audit, which must be clean; the last one is the headline."""
    with plain(), pytest.MonkeyPatch.context() as patch:
        patch.setattr(audit, "create_markdown_artifact", lambda *_page, **_named: None)
        report = audit.audit.fn(AuditForm(name=stack.name, at_rest=at_rest))
    lines = report.lines(stack.lab.settings.stream.zone)
    assert lines[-1].endswith("lost 0, duplicated 0"), lines
    return lines


def line_of(lines: list[str], producer: str) -> str:
    (found,) = [line for line in lines if f" {producer}" in line and "acknowledged" in line and "audit:   of" in line]
    return found
