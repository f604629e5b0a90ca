"""A checkpoint as Spark leaves it, and the specification of its job."""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING

from trending.programs.specifications import StreamSpec
from trending.settings import StreamSettings

if TYPE_CHECKING:
    from pathlib import Path

BATCHES = 4
PARTITIONS = 2


def stream_spec(folder: Path, topic_id: str, start_offsets: dict[int, int]) -> StreamSpec:
    """Return the specification of a job on the topic ``tweets``, with its checkpoint and store in the folder."""
    return StreamSpec(
        bootstrap="localhost:9092",
        topic="tweets",
        heartbeat=folder / "stream.json",
        settings=StreamSettings(),
        store=folder / "serving.sqlite",
        checkpoint=folder / "checkpoints" / "1",
        checkpoint_id="1",
        topic_id=topic_id,
        start_offsets=start_offsets,
        jars=(),
        dead_letters="tweets.dlq",
        group="lab-stream",
    )


def put(path: Path, content: bytes, *, summed: bool = True) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    if summed:
        pieces = [content[start : start + 512] for start in range(0, len(content), 512)]
        sums = b"".join(struct.pack(">I", zlib.crc32(piece)) for piece in pieces)
        path.with_name(f".{path.name}.crc").write_bytes(b"crc\0" + struct.pack(">i", 512) + sums)


STATES = {
    "on the heap": ("snapshot", "delta", "HDFSBackedStateStoreProvider"),
    "in RocksDB": ("zip", "changelog", "RocksDBStateStoreProvider"),
}


def make(path: Path, *, committed: int = BATCHES - 1, summed: bool = True, snapshot: int = 0, state: str = "on the heap") -> Path:
    """Write a checkpoint of four batches, the last of them finished or only begun."""
    whole, change, provider = STATES[state]
    package = "org.apache.spark.sql.execution.streaming.state"
    settings = {
        "spark.sql.shuffle.partitions": str(PARTITIONS),
        "spark.sql.streaming.stateStore.providerClass": f"{package}.{provider}",
    }
    conf = json.dumps({"batchWatermarkMs": 0, "conf": settings})
    put(path / "metadata", b'{"id":"d8033de6"}', summed=summed)
    put(path / "sources" / "0" / "0", b'\0v1\n{"tweets":{"0":7}}', summed=summed)
    for number in range(BATCHES):
        offsets = json.dumps({"tweets": {"0": 7 + number}})
        put(path / "offsets" / str(number), f"v1\n{conf}\n{offsets}".encode(), summed=summed)
        if number <= committed:
            put(path / "commits" / str(number), b'v1\n{"nextBatchWatermarkMs":0}', summed=summed)
        for partition in range(PARTITIONS):
            put(path / "state" / "0" / str(partition) / f"{number + 1}.{change}", b"LZ4Block" * 100, summed=summed)
    put(path / "state" / "0" / "_metadata" / "metadata", b'v1\n{"operatorInfo":{}}', summed=summed)
    if snapshot:
        put(path / "state" / "0" / "1" / f"{snapshot}.{whole}", b"LZ4Block" * 50, summed=summed)
    return path
