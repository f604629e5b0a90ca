"""Epochs of a stack: which checkpoint counts now, the hand-over to the next one, and where counting began."""

from __future__ import annotations

import json
from contextlib import closing, suppress
from datetime import UTC, datetime
from itertools import count
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.host.paths import short_hash
from infra.lab.assembly import open_lab
from infra.lab.checkpoints import checkpoint_place, root_of, set_aside
from infra.lab.store import store_exists, store_place
from trending.errors import REBUILD, ConfigurationConflict, DamagedFile, LabError, NotOurs, NotReady
from trending.kafka.log_reader import ends_of, log_ends, topic_id
from trending.places.objects import ObjectPlace
from trending.postgresql.place import PostgresPlace
from trending.settings import MINUTE_SECONDS, Spelling
from trending.stream.checkpoint import batch_ends, first_offsets
from trending.stream.soundness import damaged_by, numbered

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from infra.lab.assembly import Lab
    from trending.programs.specifications import CheckpointPlace
    from trending.serving.epochs import Epoch
    from trending.serving.store import Store

START_SUFFIX = ".start.json"
ASIDE = ".aside-"
"""Part of the names of checkpoints that `make rebuild` set aside."""
JOB_VERSION = "3"
"""Part of an epoch's key; increase it when the query changes, which Spark refuses on an old checkpoint, or when the rule does."""
_BEFORE_EPOCHS = "2"
"""The version of stores that know no epochs."""
_KEY_LENGTH = 12


def known_topic_id(lab: Lab) -> str:
    """Return the id of the stack's topic; raises NotReady where no broker answers, or none knows the topic yet."""
    topic = lab.settings.stack.topic
    found = topic_id(lab.stack.connection, topic)
    if found is None:
        cause = f"the topic {topic} is not known yet"
        raise NotReady(cause, f"the broker at {lab.stack.connection.bootstrap} has none of that name", "make up")
    return found


def key_of(lab: Lab, topic: str, version: str = JOB_VERSION) -> str:
    """Return everything that makes a checkpoint unusable for another job, in one string.

    That is the cluster and the id of the topic (one made anew starts at 0 again), the job's version, its window time and
    partitioning, the length of its windows, the hashtags' spelling, and where it lies. What is usual is not named: checkpoints
    older than these settings go on.
    """
    stream = lab.settings.stream
    parts = [lab.state.cluster_id, topic, version, stream.window_time.value, str(stream.shuffle_partitions)]
    if stream.window_seconds != MINUTE_SECONDS:
        parts.append(f"{stream.window_seconds}s")
    if stream.hashtag_spelling is not Spelling.EXACT:
        parts.append(stream.hashtag_spelling.value)
    if lab.settings.places.checkpoint:
        parts.append(f"at {lab.settings.places.checkpoint}")
    return "|".join(parts)


def open_epoch(lab: Lab) -> Epoch | None:
    """Return the epoch that counts now, or None where nothing was ever submitted."""
    if not store_exists(store_place(lab)):
        return None
    with closing(_store(lab)) as store:
        return _open(store)


def checkpoint_path(lab: Lab) -> CheckpointPlace:
    """Return the place of the checkpoint that counts now; raises ConfigurationConflict where there is none."""
    epoch = open_epoch(lab)
    if epoch is None:
        cause = "nothing was ever submitted on this stack"
        raise ConfigurationConflict(cause, str(store_place(lab)), "make up")
    return checkpoint_place(lab, epoch.checkpoint)


def resolve_offsets(stack: str) -> dict[int, int]:
    """Return where counting begins on the stack's topic (partition → offset): the log's current end, unless it has begun.

    ``latest`` is resolved here, once, before the producer starts, so that a driver that is killed early skips no record. A stack
    that counts another topic keeps doing so until the job is submitted. A store that is damaged, has another version's form or
    does not know its checkpoints keeps no producer from its work. The job is refused all the same, until a rebuild, for which
    the stack must be up.
    """
    lab = open_lab(stack)
    topic = known_topic_id(lab)  # first: without an answer no store is made
    try:
        with closing(_store(lab)) as store:
            return dict(_resolved(lab, store, topic).starts)
    except (DamagedFile, ConfigurationConflict) as error:
        if isinstance(error, ConfigurationConflict) and not error.ends_by_rebuild:
            raise
        say(f"{error.cause}: nothing is counted before make rebuild")
        return _begun(lab, topic)


def _begun(lab: Lab, topic: str) -> dict[int, int]:
    """Return where the checkpoint of today's settings begins by the record beside it, which is made now where there is none."""
    path = lab.paths.checkpoint(_name(key_of(lab, topic), 0))
    if not start_file(path).exists():
        record_start(path, ends_of(log_ends(lab.stack.connection, lab.settings.stack.topic)))
    return _recorded(start_file(path))


def _resolved(lab: Lab, store: Store, topic: str) -> Epoch:
    """Return the epoch that counts the topic, or is to count it as soon as the job is submitted."""
    counting = _open(store) or _adopted(lab, store, topic)
    if counting is not None and counting.topic_id == topic:
        return counting
    fresh = _fresh(lab, store, topic)
    path = lab.paths.checkpoint(fresh.checkpoint)
    if counting is None:
        store.take_over(fresh)
    if not start_file(path).exists():
        record_start(path, fresh.starts)
    return fresh


def counting_epoch(lab: Lab, topic: str) -> Epoch:
    """Return the epoch that the job is to count in, on the topic of that id; a job that counts in another one was stopped."""
    with closing(_store(lab)) as store:
        _resolved(lab, store, topic)
        counting = _open(store)
        if counting is not None and counting.key == key_of(lab, topic):
            return counting
        begun = store.take_over(_fresh(lab, store, topic))
    record_start(lab.paths.checkpoint(begun.checkpoint), begun.starts)
    say(f"another checkpoint counts on: {begun.checkpoint}, from {dict(sorted(begun.starts.items()))}")
    return begun


def _store(lab: Lab) -> Store:
    from trending.serving.store import Store  # noqa: PLC0415 - SQLAlchemy, 0.2 s that every status would wait for

    return Store(store_place(lab))


def _open(store: Store) -> Epoch | None:
    return next((epoch for epoch in store.known_epochs() if not epoch.closed), None)


def _fresh(lab: Lab, store: Store, topic: str) -> Epoch:
    """Return the next epoch, which begins where that is recorded already, or at the log's end; nothing is written."""
    key = key_of(lab, topic)
    used = {epoch.checkpoint for epoch in store.known_epochs()}
    names = (_name(key, number) for number in count())
    # A rebuild sees the checkpoints where they are kept now. In another place an old one may lie under a name that is free again.
    checkpoint = next(name for name in names if name not in used and not checkpoint_place(lab, name).is_dir())
    recorded = start_file(lab.paths.checkpoint(checkpoint))
    log = None if recorded.exists() else log_ends(lab.stack.connection, lab.settings.stack.topic)
    return _epoch(lab, checkpoint, key, topic, _recorded(recorded) if log is None else ends_of(log), {})


def _epoch(lab: Lab, checkpoint: str, key: str, topic: str, starts: Mapping[int, int], ends: Mapping[int, int]) -> Epoch:
    from trending.serving.epochs import Epoch  # noqa: PLC0415 - as above

    return Epoch(checkpoint, key, lab.settings.stack.topic, topic, starts, ends, lab.settings.stream.rule)


def _name(key: str, number: int) -> str:
    """Return the name of a key's checkpoint: settings that come back begin a new epoch, never one that was closed."""
    return short_hash(key, _KEY_LENGTH) + (f"-{number}" if number else "")


def _adopted(lab: Lab, store: Store, topic: str) -> Epoch | None:
    """Open the epoch of a store made before there were epochs, and return it; None where nothing was ever counted.

    It ends where Spark's checkpoint says that the last batch in the store ended. Raises DamagedFile where there are checkpoints
    and the store does not know them: it was deleted, or is an older copy.
    """
    key = key_of(lab, topic, _BEFORE_EPOCHS)
    name = _name(key, 0)
    path = lab.paths.checkpoint(name)
    begun = {each.name for each in _known(lab) if numbered(each / "commits")}
    if not begun and not start_file(path).exists():
        return None
    last = max(store.written(name), default=None)
    ends = batch_ends(path, lab.settings.stack.topic).get(last, {}) if last is not None else {}
    if begun - {name} or (begun and not ends):
        cause = "the serving store does not know how far its checkpoints have counted: it is another one, or an older copy"
        place = store_place(lab)
        # A start that is refused leaves the settings of before: the other place must be recorded first.
        way = f"make up UNTIL=producer with this STORE_URL, then {REBUILD}" if isinstance(place, PostgresPlace) else REBUILD
        raise DamagedFile(cause, f"{place}, checkpoints {sorted(begun)}", way)
    return store.take_over(_epoch(lab, name, key, topic, _recorded(start_file(path)), ends))


def record_start(checkpoint: Path, offsets: Mapping[int, int]) -> None:
    """Record where a checkpoint's range begins, beside it: a store that is lost can be counted anew from there."""
    recorded = start_file(checkpoint)
    recorded.parent.mkdir(parents=True, exist_ok=True)
    fresh = recorded.with_suffix(".fresh")
    fresh.write_text(json.dumps(dict(offsets)), encoding="ascii")
    fresh.replace(recorded)


def begin_anew(lab: Lab) -> dict[int, int]:
    """Set every checkpoint aside, forget every count, and return where counting begins anew (partition → offset).

    That is where it began at first, or where the log begins now if retention has deleted that. The new record is written first:
    whenever this is cut short, it can be done once more.
    """
    topic = lab.settings.stack.topic
    identity = known_topic_id(lab)
    checkpoint = lab.paths.checkpoint(_name(key_of(lab, identity), 0))
    known = _known(lab)
    starts = [start for path in known if (start := _begun_at(path, topic))]
    log = log_ends(lab.stack.connection, topic)
    begin = {
        part: max(first, min((start[part] for start in starts if part in start), default=0)) for part, (first, _) in log.items()
    }
    record_start(checkpoint, begin)
    stamp = f"{ASIDE}{datetime.now(UTC):%Y%m%dT%H%M%S}"
    for path in known:
        if path.is_dir() or (path.name.endswith(START_SUFFIX) and path != start_file(checkpoint)):
            set_aside(path, stamp)
    with closing(_emptied(lab, stamp)) as store:
        store.take_over(_fresh(lab, store, identity))
    return begin


def _known(lab: Lab) -> list[CheckpointPlace]:
    """Return everything that lies beside the checkpoints, and all of them that are elsewhere, without what was set aside."""
    elsewhere = root_of(lab.paths, lab.settings)
    places = [lab.paths.checkpoints, *([elsewhere] if elsewhere != lab.paths.checkpoints else [])]
    found = [path for place in places if place.is_dir() for path in place.iterdir()]
    return [path for path in found if ASIDE not in path.name]


def _emptied(lab: Lab, stamp: str) -> Store:
    """Return the store without counts; a file that cannot be read is set aside, tables of another form are made anew."""
    try:
        store = _store(lab)
        store.forget()
    except NotOurs:
        raise
    except LabError as error:
        place = store_place(lab)
        if isinstance(place, PostgresPlace):
            from trending.postgresql.schema import delete_tables  # noqa: PLC0415 - as above

            delete_tables(place)
            say(f"the store is made anew: {error.cause}")
            return _store(lab)
        say(f"the store is set aside: {error.cause}")
        for path in lab.paths.data.glob(f"{lab.paths.store.name}*"):
            if ASIDE not in path.name:
                path.rename(path.with_name(path.name + stamp))
        return _store(lab)
    return store


def _begun_at(path: CheckpointPlace, topic: str) -> dict[int, int]:
    """Return where a range began, from its record or from the checkpoint itself; empty where neither can be read."""
    if path.is_dir():
        return first_offsets(path, topic)
    if isinstance(path, ObjectPlace) or not path.name.endswith(START_SUFFIX):
        return {}
    with suppress(ValueError):
        return read_start(path)
    return {}


def start_file(checkpoint: Path) -> Path:
    """Return where the start of a checkpoint's range is recorded."""
    return checkpoint.with_name(checkpoint.name + START_SUFFIX)


def read_start(path: Path) -> dict[int, int]:
    """Return partition → offset from a start file."""
    offsets = json.loads(path.read_text(encoding="ascii"))
    if not isinstance(offsets, dict):
        msg = f"{path} holds no offsets"
        raise ValueError(msg)  # noqa: TRY004 - as for what is no JSON at all
    return {int(partition): int(offset) for partition, offset in offsets.items()}


def _recorded(path: Path) -> dict[int, int]:
    try:
        return read_start(path)
    except (OSError, ValueError) as error:
        raise damaged_by(path, error) from error


def earlier_records(lab: Lab) -> dict[int, int]:
    """Return partition → start offset, for partitions with records from before this stack began to count."""
    starts = [_recorded(path) for path in lab.paths.checkpoints.glob(f"*{START_SUFFIX}")]
    first = {part: min(start.get(part, 0) for start in starts) for part in set().union(*starts)}
    return {part: offset for part, offset in first.items() if offset}
