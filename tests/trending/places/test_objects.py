"""A place in an object store, and what its answers mean; the store itself is asked by a real test."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import pytest
from fakes.trending.checkpoint import BATCHES, make
from pydantic import SecretStr

from trending.errors import AccessRefused, ConfigurationConflict, LabError, NotReady
from trending.places.answers import failure, told_as_error, told_by_hadoop
from trending.places.listed import Listed
from trending.places.objects import SECRET_VARIABLE, ObjectPlace
from trending.places.probe import require_usable
from trending.stream.soundness import _faults

if TYPE_CHECKING:
    from pathlib import Path

NOBODY = "http://127.0.0.1:1"
PLACE = ObjectPlace(uri="s3a://lab/ours/1", endpoint=NOBODY, region="us-east-1", user="key", given=SecretStr("word"))


@pytest.fixture(scope="module")
def _arrow_started() -> None:
    """Arrow's S3 client keeps its event loop to the end of the process."""
    with suppress(NotReady):
        PLACE.read_bytes()


def test_a_place_is_known_by_its_address() -> None:
    assert (PLACE.bucket, PLACE.key, PLACE.name) == ("lab", "lab/ours/1", "1")
    assert (PLACE / "offsets" / "0").uri == "s3a://lab/ours/1/offsets/0"


def test_the_secret_is_in_nothing_that_is_written_and_a_program_has_its_environments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert not any("word" in text for text in (repr(PLACE), str(PLACE), PLACE.model_dump_json()))
    read = ObjectPlace.model_validate_json(PLACE.model_dump_json())
    assert read.secret == ""
    monkeypatch.setenv(SECRET_VARIABLE, "of the environment")
    assert (read.secret, (read / "x").secret, (PLACE / "x").secret) == ("of the environment", "of the environment", "word")


@pytest.mark.parametrize(
    ("answer", "kind", "said"),
    [
        ("AWS Error SIGNATURE_DOES_NOT_MATCH during ListObjectsV2 operation", AccessRefused, "does not let key in"),
        ("AWS Error INVALID_ACCESS_KEY_ID during ListObjectsV2 operation", AccessRefused, "does not let key in"),
        (
            "AWS Error ACCESS_DENIED during PutObject operation: Access Denied",
            AccessRefused,
            "key lacks a right at s3a://lab/ours/1",
        ),
        ("AWS Error NO_SUCH_BUCKET during ListObjectsV2 operation", ConfigurationConflict, "there is no bucket lab"),
        ("AWS Error NETWORK_CONNECTION during ListObjectsV2 operation: curlCode: 7", NotReady, "no object store answers at http"),
        ("AWS Error UNKNOWN (HTTP status 411) during UploadPart operation", ConfigurationConflict, "cannot be used"),
    ],
)
def test_what_a_store_answers_is_one_error(answer: str, kind: type[LabError], said: str) -> None:
    error = failure(PLACE, OSError(answer))
    assert type(error) is kind
    assert said in error.cause
    assert answer in error.evidence


@pytest.mark.row(21)
def test_a_store_that_is_away_is_no_damage_and_an_object_that_is_not_there_is_none_of_its_errors() -> None:
    with pytest.raises(NotReady), told_as_error(PLACE):
        raise OSError("AWS Error NETWORK_CONNECTION during GetObject operation")
    with pytest.raises(FileNotFoundError), told_as_error(PLACE):
        raise FileNotFoundError
    assert told_by_hadoop("x\n\tat org.apache.hadoop.fs.s3a.AWSClientIOException: no route\n") != ""
    assert told_by_hadoop("[CANNOT_LOAD_STATE_STORE.UNCATEGORIZED] An error") == ""


@pytest.mark.usefixtures("_arrow_started")
def test_nobody_at_the_address_is_one_error() -> None:
    with pytest.raises(NotReady, match="no object store answers at"):
        require_usable(PLACE)
    with pytest.raises(NotReady):
        (PLACE / "offsets" / "0").read_bytes()


class InMemory:
    """Stands in for the place that was listed: what is read comes from a directory."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __str__(self) -> str:
        return "s3a://lab/ours/1"

    def __truediv__(self, name: str) -> InMemory:
        return InMemory(self.path / name)

    def read_text(self, encoding: str) -> str:
        return self.path.read_text(encoding)


def listed(path: Path) -> Listed:
    sizes = {each.relative_to(path).as_posix(): each.stat().st_size for each in path.rglob("*") if each.is_file()}
    return Listed(InMemory(path), sizes)  # type: ignore[arg-type]


@pytest.mark.row(21)
@pytest.mark.parametrize("state", ["on the heap", "in RocksDB"])
def test_a_checkpoint_of_objects_is_looked_at_by_one_listing(tmp_path: Path, state: str) -> None:
    whole = make(tmp_path / "1", summed=False, state=state, snapshot=2)
    assert list(_faults(listed(whole), "tweets")) == []
    assert list(_faults(Listed(InMemory(tmp_path), {}), "tweets")) == [], "a new one is sound"  # type: ignore[arg-type]


@pytest.mark.row(21)
@pytest.mark.parametrize("name", ["metadata", f"offsets/{BATCHES - 1}", f"commits/{BATCHES - 1}", f"state/0/1/{BATCHES}.delta"])
@pytest.mark.parametrize("emptied", [True, False])
def test_an_object_that_is_empty_or_missing_is_damage(tmp_path: Path, name: str, *, emptied: bool) -> None:
    checkpoint = make(tmp_path / "1", summed=False)
    if emptied:
        (checkpoint / name).write_bytes(b"")
    else:
        (checkpoint / name).unlink()
    assert list(_faults(listed(checkpoint), "tweets")) != [] or name.startswith("commits"), "an unfinished batch runs again"
