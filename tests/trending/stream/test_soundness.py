"""A checkpoint as Spark leaves it, and every way in which a loss of power or a hand may damage it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from examples import examples
from fakes.trending.checkpoint import BATCHES, STATES, make
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from trending.errors import REBUILD, ConfigurationConflict
from trending.stream.checkpoint import committed_offsets, first_offsets
from trending.stream.soundness import DAMAGED, require_sound, tells_of_damage

if TYPE_CHECKING:
    from pathlib import Path

DAMAGES = {
    "emptied": lambda content: b"",  # noqa: ARG005 - whatever was in it
    "cut": lambda content: content[: len(content) // 2],
    "garbled": lambda content: bytes(byte ^ 0x5A for byte in content),
    "zeroed": lambda content: bytes(len(content)),
}


def files(path: Path) -> list[Path]:
    return sorted(each for each in path.rglob("*") if each.is_file() and not each.name.startswith("."))


def refused(path: Path) -> str:
    with pytest.raises(ConfigurationConflict) as caught:
        require_sound(path, "tweets")
    assert (caught.value.cause, caught.value.next_command) == (DAMAGED, REBUILD)
    return caught.value.evidence


def test_a_new_a_running_and_an_old_checkpoint_are_sound(tmp_path: Path) -> None:
    require_sound(tmp_path / "none", "tweets")
    (tmp_path / "empty" / "offsets").mkdir(parents=True)
    require_sound(tmp_path / "empty", "tweets")
    require_sound(make(tmp_path / "finished"), "tweets")
    require_sound(make(tmp_path / "begun", committed=BATCHES - 2), "tweets")
    require_sound(make(tmp_path / "unsummed", summed=False), "tweets")
    first = make(tmp_path / "first", committed=-1)
    for number in range(1, BATCHES):
        (first / "offsets" / str(number)).unlink()
    require_sound(first, "tweets")
    assert committed_offsets(first, "tweets") == {}


@pytest.mark.row(21)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize(
    "name",
    [
        "metadata",
        "sources/0/0",
        f"offsets/{BATCHES - 1}",
        f"offsets/{BATCHES - 2}",
        f"commits/{BATCHES - 1}",
        "state/0/0/1.delta",
        f"state/0/1/{BATCHES}.delta",
        "state/0/_metadata/metadata",
    ],
)
def test_a_damaged_file_is_named_with_the_repair(tmp_path: Path, name: str, damage: str) -> None:
    path = make(tmp_path / "checkpoint") / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert str(path) in refused(tmp_path / "checkpoint")


@pytest.mark.row(21)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", ["metadata", "sources/0/0", f"offsets/{BATCHES - 1}", f"commits/{BATCHES - 1}"])
def test_a_text_is_read_also_where_its_checksum_is_gone(tmp_path: Path, name: str, damage: str) -> None:
    path = make(tmp_path / "checkpoint") / name
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    path.with_name(f".{path.name}.crc").write_bytes(b"")
    assert str(path) in refused(tmp_path / "checkpoint")


@pytest.mark.row(21)
@pytest.mark.parametrize("name", ["metadata", f"offsets/{BATCHES - 1}", "state/0/0/1.delta", f"commits/{BATCHES - 2}"])
def test_a_file_that_is_gone_is_missed(tmp_path: Path, name: str) -> None:
    checkpoint = make(tmp_path / "checkpoint")
    (checkpoint / name).unlink()
    if name == f"commits/{BATCHES - 2}":
        (checkpoint / "commits" / str(BATCHES - 1)).unlink()
    assert refused(checkpoint)


@pytest.mark.row(21)
def test_a_state_partition_that_is_gone_is_missed(tmp_path: Path) -> None:
    checkpoint = make(tmp_path / "checkpoint")
    for path in (checkpoint / "state" / "0" / "1").iterdir():
        path.unlink()
    (checkpoint / "state" / "0" / "1").rmdir()
    assert "1 partitions, 2 are needed" in refused(checkpoint)


@pytest.mark.parametrize("state", STATES)
def test_what_spark_reads_no_more_or_writes_anew_may_be_damaged(tmp_path: Path, state: str) -> None:
    whole, change, _provider = STATES[state]
    checkpoint = make(tmp_path / "checkpoint", committed=BATCHES - 2, snapshot=2, state=state)
    for name in ("offsets/0", "commits/0", f"state/0/0/{BATCHES}.{change}", f"state/0/1/1.{change}"):
        (checkpoint / name).write_bytes(b"")
    require_sound(checkpoint, "tweets")
    (checkpoint / "state" / "0" / "1" / f"2.{whole}").write_bytes(b"LZ4")
    assert f"2.{whole}" in refused(checkpoint)


@pytest.mark.row(21)
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("state", STATES)
def test_a_damaged_change_of_the_state_is_named_wherever_the_state_lies(tmp_path: Path, state: str, damage: str) -> None:
    path = make(tmp_path / "checkpoint", state=state) / "state" / "0" / "1" / f"{BATCHES}.{STATES[state][1]}"
    path.write_bytes(DAMAGES[damage](path.read_bytes()))
    assert str(path) in refused(tmp_path / "checkpoint")
    path.unlink()
    assert str(path) in refused(tmp_path / "checkpoint")


@pytest.mark.row(21)
@settings(max_examples=examples(150), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_whatever_is_cut_or_garbled_ends_in_a_verdict(tmp_path: Path, data: st.DataObject) -> None:
    checkpoint = make(tmp_path / "checkpoint")
    path = data.draw(st.sampled_from(files(checkpoint)))
    path.write_bytes(data.draw(st.binary(max_size=200)))
    if data.draw(st.booleans()):
        path.with_name(f".{path.name}.crc").unlink(missing_ok=True)
    try:
        require_sound(checkpoint, "tweets")
    except ConfigurationConflict:
        return
    assert committed_offsets(checkpoint, "tweets")[0] >= 7


def test_where_a_checkpoint_began_is_read_from_it_or_not_known(tmp_path: Path) -> None:
    checkpoint = make(tmp_path / "checkpoint")
    assert first_offsets(checkpoint, "tweets") == {0: 7}
    assert first_offsets(checkpoint, "other") == first_offsets(tmp_path, "tweets") == {}
    (checkpoint / "sources" / "0" / "0").write_bytes(b"\0v1\n[]")
    assert first_offsets(checkpoint, "tweets") == {}


@pytest.mark.parametrize(
    ("text", "damage"),
    [
        ("[CANNOT_LOAD_STATE_STORE.UNCATEGORIZED] An error occurred during loading state.", True),
        ("org.apache.hadoop.fs.ChecksumException: Checksum error: file:/x/state/0/0/3.delta at 0", True),
        ("java.lang.IllegalStateException: Incomplete log file in /x/offsets/4", True),
        ("[STREAMING_CHECKPOINT_MISSING_METADATA_FILE] Checkpoint location /x", True),
        ("[STATE_STORE_KEY_SCHEMA_NOT_COMPATIBLE] Provided key schema does not match", False),
        ("TimeoutException: Timeout of 10000ms expired before the position", False),
        ("PythonException: LabError: 1 dead letters were not acknowledged", False),
    ],
)
def test_sparks_own_words_for_damage_are_known(text: str, *, damage: bool) -> None:
    told = tells_of_damage(f"Job aborted.\n{text * 3}\n\tat org.apache.spark.X(X.scala:1)\n")
    assert bool(told) is damage
    assert "\n" not in told
    assert len(told) <= 300
