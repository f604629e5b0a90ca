"""Whether a checkpoint is whole, looked at before Spark opens it: Spark tells of damage in a dozen ways, some hours into a start.

A loss of power empties or cuts the newest files. Hadoop keeps a checksum beside each file, ``.name.crc``, which finds more.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trending.errors import REBUILD, ConfigurationConflict
from trending.places.listed import Listed
from trending.places.objects import ObjectPlace

if TYPE_CHECKING:
    from collections.abc import Iterator

    from trending.programs.specifications import CheckpointPlace

Looked = Path | Listed
"""A checkpoint's files, or its objects as one listing told of them."""
DAMAGED = "the checkpoint is damaged"
_CRC_MAGIC = b"crc\0"
_SPARK_SAYS = re.compile(
    r"STREAMING_CHECKPOINT_\w+|CANNOT_LOAD_STATE_STORE|STATE_STORE_(?!KEY_SCHEMA|VALUE_SCHEMA)\w*|"
    r"ChecksumException|Checksum error|Incomplete log file|[Mm]alformed log file|"
    r"Error reading (?:delta|snapshot|streaming state) file|"
    r"(?:snapshot|delta) file .* does not exist|Failed to read checkpoint"
)
_PROVIDER = "spark.sql.streaming.stateStore.providerClass"
_STATE_FILES = {False: ("snapshot", "delta"), True: ("zip", "changelog")}
"""What a version of the state is called, and a change to it: of a state on the heap, and of one that RocksDB has on disk. A
checkpoint stays with what it began with. Whether the tables that a zip file lists are there, RocksDB tells itself."""
_LINE = 300
"""Characters of what Spark said; a stack trace tells nobody more."""
_NEWEST = 2
"""Spark reads the offsets of the last two batches."""


def require_sound(checkpoint: CheckpointPlace, topic: str) -> None:
    """Raise ConfigurationConflict for a checkpoint that Spark could not go on from; one that is new or empty is sound."""
    faults = _faults(Listed.of(checkpoint) if isinstance(checkpoint, ObjectPlace) else checkpoint, topic)
    for path, fault in faults:
        raise damaged_by(path, fault)


def damaged_by(path: CheckpointPlace | Listed, fault: object) -> ConfigurationConflict:
    """Return the error for a checkpoint damaged there; its exit code keeps supervisord from starting the job again."""
    return ConfigurationConflict(DAMAGED, f"{path}: {fault}", REBUILD)


def tells_of_damage(text: str) -> str:
    """Return the line in which an exception of Spark's says that the checkpoint cannot be read; empty where none does."""
    line = next((each for each in text.splitlines() if _SPARK_SAYS.search(each)), "")
    return line.strip()[:_LINE]


def _faults(checkpoint: Looked, topic: str) -> Iterator[tuple[Looked, str]]:
    offsets, commits = numbered(checkpoint / "offsets"), numbered(checkpoint / "commits")
    metadata = checkpoint / "metadata"
    if not offsets and not commits and not metadata.exists():
        return
    yield from _text_fault(metadata, 0)
    for source in _inside(checkpoint / "sources"):
        for number in numbered(source):
            yield from _text_fault(source / str(number), 1)
    for number in offsets[-_NEWEST:]:
        yield from _text_fault(checkpoint / "offsets" / str(number), 2, topic)
    if not commits:
        return
    committed = commits[-1]
    if not offsets or not committed <= offsets[-1] <= committed + 1 or committed not in offsets:
        yield checkpoint / "offsets", f"batches {offsets[-3:]} were begun, {commits[-3:]} were finished"
    yield from _text_fault(checkpoint / "commits" / str(committed), 1)
    yield from _state_faults(checkpoint, committed)


def numbered(directory: CheckpointPlace | Listed) -> list[int]:
    """Return the batches that have a file in the directory, in order."""
    return sorted(int(path.name) for path in _inside(directory) if path.name.isdecimal())


def _inside(directory: CheckpointPlace | Listed) -> list[Any]:
    """Return what lies in the directory, by name; one that is not there is empty."""
    try:
        return sorted(directory.iterdir(), key=lambda each: each.name)
    except (FileNotFoundError, NotADirectoryError):
        return []


def _text_fault(path: Looked, line: int, key: str | None = None) -> Iterator[tuple[Looked, str]]:
    """Yield the fault of a file whose ``line`` is an object of JSON, with ``key`` in it."""
    yield from _file_fault(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
        found = json.loads(lines[line])
        whole = isinstance(found, dict) and (key is None or isinstance(found[key], dict))
    except (OSError, ValueError, LookupError, TypeError) as error:
        yield path, f"{type(error).__name__}: {error}"
        return
    if not whole:
        yield path, "not what Spark writes there"


def _state_faults(checkpoint: Looked, committed: int) -> Iterator[tuple[Looked, str]]:
    """Yield what is wrong with the state after the last committed batch: batch n leaves version n + 1."""
    version = committed + 1
    conf = _conf(checkpoint, committed)
    whole, change = _STATE_FILES[conf.get(_PROVIDER, "").endswith(".RocksDBStateStoreProvider")]
    operators = [each for each in _inside(checkpoint / "state") if each.name[:1].isdecimal()]
    for operator in operators or [checkpoint / "state" / "0"]:
        partitions = [each for each in _inside(operator) if each.name[:1].isdecimal() and each.is_dir()]
        for place in (operator, *partitions):
            for path in _below(place / "_metadata"):
                yield from _file_fault(path)
        partitions_said = conf.get("spark.sql.shuffle.partitions", "1")
        expected = int(partitions_said) if partitions_said.isdecimal() else 1
        if len(partitions) < expected:
            yield operator, f"state of {len(partitions)} partitions, {expected} are needed"
        for partition in partitions:
            kept = (path.name.partition(".") for path in _inside(partition))
            versions = [int(number) for number, _dot, kind in kept if kind == whole and number.isdecimal()]
            snapshots = [number for number in versions if number <= version]
            base = max(snapshots, default=0)
            needed = [f"{base}.{whole}"] if snapshots else []
            for name in [*needed, *(f"{number}.{change}" for number in range(base + 1, version + 1))]:
                yield from _file_fault(partition / name)


def _conf(checkpoint: Looked, committed: int) -> dict[str, str]:
    """Return the settings that Spark has put down with a batch and takes from there, as far as they can be read."""
    try:
        line = (checkpoint / "offsets" / str(committed)).read_text(encoding="utf-8").splitlines()[1]
        return {name: str(value) for name, value in json.loads(line)["conf"].items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _below(place: Looked) -> Iterator[Any]:
    """Yield the files below a directory, without Hadoop's checksums."""
    for each in _inside(place):
        if each.is_dir():
            yield from _below(each)
        elif not each.name.startswith("."):
            yield each


def _file_fault(path: Looked) -> Iterator[tuple[Looked, str]]:
    """Yield the fault of a file that is missing, empty, or not what its checksum says. Object stores keep their own checksums."""
    if isinstance(path, Listed):
        if not path.size:
            yield path, "empty" if path.exists() else "No such object"
        return
    try:
        content = path.read_bytes()
    except OSError as error:
        yield path, error.strerror or "unreadable"
        return
    if not content:
        yield path, "empty"
    elif not _matches(content, path.with_name(f".{path.name}.crc")):
        yield path, "its content is not what its checksum says"


def _matches(content: bytes, sums: Path) -> bool:
    """Whether the checksums of Hadoop's local file system fit; without them nothing can be said."""
    try:
        stored = sums.read_bytes()
    except OSError:
        return True
    head = len(_CRC_MAGIC) + 4
    if not stored.startswith(_CRC_MAGIC) or len(stored) < head:
        return True  # Hadoop ignores such a file too
    (size,) = struct.unpack(">i", stored[len(_CRC_MAGIC) : head])
    pieces = [content[start : start + size] for start in range(0, len(content), size)] if size > 0 else []
    return stored[head:] == b"".join(struct.pack(">I", zlib.crc32(piece)) for piece in pieces)
