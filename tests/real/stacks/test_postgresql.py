"""A stack whose counts are in a PostgreSQL server: refused before anything starts, restarted mid-stream, deleted row by row.

Its tasks write every batch themselves, as they do those of very many hashtags.
"""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import psutil
import pytest
from postgres_cluster import PASSWORD

from infra.forms.stacks import LastStep
from infra.host.processes import stack_processes
from infra.lab.store import store_place
from trending.postgresql import schema
from trending.postgresql.place import PASSWORD_VARIABLE, PostgresPlace
from trending.serving.reader import StoreReader

if TYPE_CHECKING:
    from pathlib import Path

    from postgres_cluster import Cluster
    from real.harness import RealStack

ERROR_SECONDS = 15


@pytest.mark.row(29, "E")
@pytest.mark.row(32, "E")
def test_a_stack_counts_into_a_server_that_is_restarted_mid_stream(stack: RealStack, postgres: Cluster, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("wrong\n", encoding="utf-8")
    secret.chmod(0o600)
    stack.settings = {"store_url": postgres.url, "store_secret": f"file:{secret}", "rate": "200", "stage_records": "1"}
    refused_before_anything_starts(stack)
    secret.write_text(f"{PASSWORD}\n", encoding="utf-8")
    stack.bring_up(LastStep.STREAM)
    place = store_place(stack.lab)
    assert isinstance(place, PostgresPlace)
    shown_nowhere(stack)
    restarted(stack, postgres)
    postgres.require_staged(place.schema_name)
    kept_and_deleted(stack, place)


def refused_before_anything_starts(stack: RealStack) -> None:
    began = time.monotonic()
    output = stack.up(until="stream", code=1)
    assert time.monotonic() - began < ERROR_SECONDS + 5, "an interpreter, and Prefect's, come before it"
    assert "password authentication failed" in output
    assert "STORE_SECRET" in output
    assert "Traceback" not in output
    assert not stack.paths.state.exists()
    assert stack_processes(stack.paths.stack_id) == []


def shown_nowhere(stack: RealStack) -> None:
    """The password is in the environment of the job alone, and in the file that gives it to it."""
    for process in stack_processes(stack.paths.stack_id):
        assert PASSWORD not in " ".join(process.cmdline())
    files = [path for path in stack.paths.root.rglob("*") if path.is_file() and stack.paths.data not in path.parents]
    having = {path.name for path in files if PASSWORD.encode() in path.read_bytes()}
    escaped = {path.name for path in files if PASSWORD_VARIABLE.encode() in path.read_bytes()}
    assert (having, escaped) == (set(), {"stream.environment"}), "JSON writes it with escapes"
    assert psutil.Process(stack.program_pid("stream")).environ()[PASSWORD_VARIABLE] == PASSWORD
    assert PASSWORD_VARIABLE not in psutil.Process(stack.program_pid("producer")).environ()


def restarted(stack: RealStack, postgres: Cluster) -> None:
    stack.wait_progress()
    driver = stack.program_pid("stream")
    postgres.restart(6.0)
    stack.wait_progress()
    assert stack.program_pid("stream") == driver, "it waited, and did not die"
    assert not stack.paths.store.exists()
    stack.audit(resume=False)


def kept_and_deleted(stack: RealStack, place: PostgresPlace) -> None:
    with closing(StoreReader(place)) as reader:
        window = reader.ranking()
    assert window is not None
    stack.down(volumes=False)
    assert schema.has_store(place)
    said = stack.down(volumes=True)
    assert f"deleted the counts of {stack.name}" in said
    assert not schema.has_store(place)
