"""A secret in a Secret block of a real Prefect server, as a start-up from the UI reads it."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from postgres_cluster import PASSWORD
from prefect.blocks.system import Secret
from real.served import form

from infra.stack.kept_blocks import kept_block

if TYPE_CHECKING:
    from postgres_cluster import Cluster
    from prefect.client.schemas.objects import FlowRun
    from real.harness import RealStack
    from real.served import Served


def test_a_stores_password_in_a_block_is_read_by_the_run_and_shown_nowhere(
    served: Served, stack: RealStack, postgres: Cluster
) -> None:
    block = f"counts-of-{stack.name}"
    wanted = form(stack) | {"until": "topic", "serving": {"store_url": postgres.url, "store_secret": f"block:{block}"}}
    run: FlowRun = served.run("start-up/local", wanted)
    assert run.state_name == "Failed", served.story(run)
    assert f"Prefect has no Secret block {block}" in str(run.state and run.state.message)
    assert stack.running() == set()
    made = Secret(value=PASSWORD).save(block)
    try:
        up = served.run("start-up/local", wanted)
    finally:
        served.client.delete_block_document(made)
    assert up.state_name == "Completed", served.story(up)
    assert kept_block(stack.paths, block).get_secret_value() == PASSWORD
    assert stat.S_IMODE(stack.paths.blocks.stat().st_mode) == 0o600
    assert PASSWORD not in f"{up.parameters}{served.story(up)}"
    status = stack.command("status", f"--name={stack.name}", code=None)
    assert [line.split()[1] for line in status.splitlines() if line.split()[:1] == ["kafka"]] == ["running"], status
    stack.down(volumes=True)
    assert not stack.paths.blocks.exists()
