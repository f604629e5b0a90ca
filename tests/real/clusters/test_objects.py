"""A checkpoint in an object store: refused before anything starts, stopped and killed mid-stream, rebuilt, deleted."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

import psutil
import pyarrow.parquet as pq
import pytest
from pydantic import SecretStr
from real.clusters.object_store import missing, object_store
from real.conftest import FIRST_PORT, REQUIRED, skip_or_fail

from infra.forms.stacks import LastStep
from infra.game_day.injections import jvm_of
from infra.host.processes import stack_processes
from infra.java.jars import ensure_jars
from infra.lab.checkpoints import S3A_JARS
from infra.operations.epochs import ASIDE, checkpoint_path
from infra.operations.stream import rebuild_stream, stop_stream, submit_stream
from trending.errors import AccessRefused, NotReady
from trending.places.objects import SECRET_VARIABLE, ObjectPlace
from trending.places.probe import require_usable
from trending.stream.checkpoint import committed_offsets

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from real.clusters.object_store import ObjectStore
    from real.harness import RealStack

ERROR_SECONDS = 15
STORE_PORT = FIRST_PORT + 3590


@pytest.fixture
def objects(real_home: Path) -> Iterator[ObjectStore]:
    """An object store; where TRENDING_REQUIRE names s3, what it needs is fetched, and else it must be there already."""
    if "s3" in REQUIRED:
        ensure_jars(S3A_JARS)
    else:
        skip_or_fail("s3", missing())
    with object_store(STORE_PORT) as store:
        yield store


@pytest.fixture(scope="module", autouse=True)
def _arrow_started() -> None:
    """Arrow's S3 client keeps its event loop to the end of the process."""
    nobody = ObjectPlace(uri="s3a://lab/x", endpoint="http://127.0.0.1:1", region="us-east-1", user="x", given=SecretStr("x"))
    with suppress(NotReady):
        nobody.read_bytes()


@pytest.mark.row(20, "E")
def test_a_stack_counts_with_its_checkpoint_in_an_object_store(stack: RealStack, objects: ObjectStore, tmp_path: Path) -> None:
    settings = objects.settings(tmp_path / "secret")
    stack.settings = {**settings, "checkpoint": "s3a://lab/checkpoints", "rate": "200"}
    stack.settings |= {"window_seconds": "5", "allowed_skew_seconds": "0"}  # so that windows are final within two minutes
    refused_before_anything_starts(stack, objects, tmp_path / "secret")
    stack.bring_up(LastStep.STREAM)
    place = objects.place(f"s3a://lab/checkpoints/{stack.paths.stack_id}")
    shown_nowhere(stack, objects.keys["lab"][1])
    stack.wait_progress()
    assert committed_offsets(checkpoint_path(stack.lab), "tweets_topic")
    stop_stream(stack.name)
    submit_stream(stack.name)
    stack.wait_progress()
    psutil.Process(stack.program_pid("stream")).kill()
    stack.wait_progress()
    jvm = jvm_of(psutil.Process(stack.program_pid("stream")))
    jvm.kill()
    stack.wait_progress()
    stack.audit(resume=True)
    assert [path.name for path in stack.paths.checkpoints.iterdir() if path.is_dir()] == [], "nothing of Spark's lies here"
    rebuild_stream(stack.name)
    stack.wait_progress()
    assert [ASIDE in each.name for each in place.iterdir()].count(True) == 1
    stack.audit(resume=False)
    exported(stack, objects, tmp_path / "here")
    stack.down(volumes=False)
    assert place.is_dir()
    theirs = objects.place("s3a://lab/checkpoints/theirs")
    (theirs / "note").write_bytes(b"not ours")
    said = stack.down(volumes=True)
    assert f"deleted the checkpoints of {stack.name}" in said
    assert list(objects.place("s3a://lab/checkpoints").iterdir()) == [theirs]


def exported(stack: RealStack, objects: ObjectStore, here: Path) -> None:
    """What is read back from the object store is what a directory gets."""
    said = stack.command("export", f"--name={stack.name}", "--to=s3a://lab/export")
    assert "s3a://lab/export/ranking-arrival-5s.parquet: " in said
    stack.command("export", f"--name={stack.name}", f"--to={here}")
    files = objects.place("s3a://lab/export").files
    for name in ("ranking-arrival-5s.parquet", "windows-arrival-5s.parquet"):
        back = pq.read_table(f"lab/export/{name}", filesystem=files)
        assert back.num_rows > 0
        assert back.equals(pq.read_table(here / name))


def refused_before_anything_starts(stack: RealStack, objects: ObjectStore, secret: Path) -> None:
    key = objects.keys["reader"]
    right = secret.read_text(encoding="utf-8")
    for wrong, said in (
        ({"s3_endpoint": f"http://127.0.0.1:{STORE_PORT + 1}"}, "no object store answers"),
        ({"checkpoint": "s3a://other/checkpoints"}, "there is no bucket other"),
        ({"s3_user": key[0]}, "does not let"),
    ):
        began = time.monotonic()
        output = stack.up(until="stream", code=20 if "let" in said else None, **wrong)  # type: ignore[arg-type]
        assert time.monotonic() - began < ERROR_SECONDS + 5, "an interpreter, and Prefect's, come before it"
        assert said in output
        assert "Traceback" not in output
        assert right.strip() not in output
        assert not stack.paths.state.exists()
        assert stack_processes(stack.paths.stack_id) == []


def shown_nowhere(stack: RealStack, secret: str) -> None:
    """The secret is in the environment of the job alone, and in the file that gives it to it."""
    for process in stack_processes(stack.paths.stack_id):
        assert secret not in " ".join(process.cmdline())
    having = {path.name for path in stack.paths.root.rglob("*") if path.is_file() and secret.encode() in path.read_bytes()}
    assert having == {"stream.environment"}
    assert psutil.Process(stack.program_pid("stream")).environ()[SECRET_VARIABLE] == secret
    assert SECRET_VARIABLE not in psutil.Process(stack.program_pid("producer")).environ()


def test_every_right_that_is_missing_is_told(objects: ObjectStore) -> None:
    place = objects.place("s3a://lab/elsewhere")
    require_usable(place)
    assert list(place.iterdir()) == [], "nothing of the look stays"
    began = time.monotonic()
    with pytest.raises(AccessRefused, match="lacks rights at s3a://lab/elsewhere: s3:PutObject"):
        require_usable(objects.place("s3a://lab/elsewhere", "reader"))
    assert time.monotonic() - began < ERROR_SECONDS


def test_a_place_in_an_object_store_is_read_as_a_directory_is(objects: ObjectStore) -> None:
    place = objects.place("s3a://lab/place")
    assert (place.is_dir(), list(place.iterdir()), place.sizes(), place.delete()) == (False, [], {}, False)
    (place / "offsets" / "0").write_bytes(b"v1")
    (place / "offsets" / "10").write_bytes(b"")
    assert [each.name for each in (place / "offsets").iterdir()] == ["0", "10"]
    assert (place / "offsets" / "0").read_text() == "v1"
    with pytest.raises(FileNotFoundError):
        (place / "offsets" / "1").read_bytes()
    assert place.sizes() == {"offsets/0": 2, "offsets/10": 0}
    other = ObjectPlace(**{**place.model_dump(), "uri": "s3a://lab/place.aside"}, given=place.given)
    place.move_to(other)
    assert (place.is_dir(), other.sizes()) == (False, {"offsets/0": 2, "offsets/10": 0})
    assert other.delete()
    assert not other.is_dir()
