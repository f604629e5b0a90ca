"""All combinations at once: their logs are filled while one JVM counts them, and each result is held against the truth."""

from __future__ import annotations

import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pairs import counter
from pairs.combination import RULE
from pairs.log import child, make_logs

from infra.java.jars import ensure_jars
from trending.programs.heartbeat import read_heartbeat
from trending.programs.specifications import StreamSpec
from trending.serving.epochs import Epoch
from trending.serving.ranking_query import RankingQuery
from trending.serving.store import Store
from trending.settings import StreamSettings, dead_letter_topic
from trending.simulator.truth import intended

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path

    from pairs.combination import Combination, Piece
    from pairs.log import Log

    from trending.producer.sources.booked import Booked

CHECKPOINT = "1"
START_SECONDS = 180.0
"""For the JVM and the jobs' queries, on a busy machine."""
CATCH_UP_SECONDS = 120.0
BATCH_SECONDS = 180

Ranking = tuple[tuple[int, tuple[tuple[str, int], ...]], ...]
"""Window by window, from the scenario's first one on: its index and its whole ranking, ties by name."""


@dataclass(frozen=True)
class Account:
    """What a log comes to: its ranking, and the records that are in none, by reason."""

    ranking: Ranking
    rejected: Counter[str]
    untagged: int

    def unlike(self, other: Account) -> Iterator[str]:
        """Yield what differs from another one, window by window."""
        mine, theirs = dict(self.ranking), dict(other.ranking)
        for index in sorted(mine.keys() | theirs.keys()):
            here, there = mine.get(index, ()), theirs.get(index, ())
            if here != there:
                place = next((place for place, pair in enumerate(zip(here, there, strict=False)) if pair[0] != pair[1]), None)
                shown = (len(here), len(there)) if place is None else (here[place], there[place])
                yield f"window {index}, place {place}: {shown[0]}, and not {shown[1]}"
        if self.rejected != other.rejected:
            yield f"rejected {dict(self.rejected)}, and not {dict(other.rejected)}"
        if self.untagged != other.untagged:
            yield f"untagged {self.untagged}, and not {other.untagged}"


@dataclass(frozen=True)
class Outcome:
    """What has become of one combination; ``batches`` are those of the stream in which the log's records came."""

    row: Combination
    played: Booked
    records: int
    truth: Account
    stream: Account
    batch: Account
    batches: int
    dropped: int

    @property
    def same_records(self) -> str:
        """What the rankings have in common that are alike: what was asked for while no life was there is taken later."""
        return str(self.played.changes)


def carry_out(bootstrap: str, rows: Sequence[Combination], piece: Piece, folder: Path, mark: str = "") -> list[Outcome]:
    """Play the piece in each of the combinations."""
    logs = make_logs(bootstrap, rows, piece, folder, time.time(), mark)
    specs = [stream_spec(log, log.folder) for log in logs]
    for log, spec in zip(logs, specs, strict=True):
        with closing(Store(log.store)) as store:
            key = f"key of {log.topic}"
            store.take_over(Epoch(CHECKPOINT, key, log.topic, log.topic_id, spec.start_offsets, rule=RULE))
    order = counter.Order(host=stream_spec(logs[0], folder / f"host{mark}"), jobs=specs, results=folder / f"batches{mark}.json")
    path = folder / f"counter{mark}.json"
    path.write_text(order.model_dump_json(), encoding="utf-8")
    said = folder / f"counter{mark}.log"
    jvm = child("pairs.counter", path, said)
    try:
        _wait(jvm, said, lambda: all(_runs(spec) for spec in specs), START_SECONDS, "all queries run")
        with ThreadPoolExecutor(len(logs)) as pool:
            played = list(pool.map(lambda log: log.fill(), logs))
        ends = [log.ends() for log in logs]
        _wait(jvm, said, lambda: [log.counted_to() for log in logs] == ends, CATCH_UP_SECONDS, "all logs are counted")
        jvm.communicate(timeout=BATCH_SECONDS)
        assert jvm.returncode == 0, _tail(said)
    finally:
        jvm.kill()
        jvm.communicate()
    batches = counter.Results.model_validate_json(order.results.read_bytes()).batches
    return [_outcome(*each) for each in zip(logs, played, ends, batches, strict=True)]


def faults_of(outcomes: Iterable[Outcome]) -> list[str]:
    """Return where stream or batch differ from the truth, or two rankings of the same records from each other."""
    faults: list[str] = []
    first: dict[str, Outcome] = {}
    for each in outcomes:
        told = str(each.row)
        faults += [f"the stream, {told}: {line}" for line in each.stream.unlike(each.truth)]
        faults += [f"the batch, {told}: {line}" for line in each.batch.unlike(each.truth)]
        if each.dropped:
            faults.append(f"the stream, {told}: {each.dropped} groups were dropped")
        if each.records != each.played.records().count:
            faults.append(f"{told}: {each.records} records are in the log, of {each.played.records().count}")
        if each.played.shifts:
            faults.append(f"{told}: a life was away for too long, so the windows are others")
        other = first.setdefault(each.same_records, each)
        faults += [f"{told}, beside {other.row}: {line}" for line in each.truth.unlike(other.truth)]
    return faults


def stream_spec(log: Log, folder: Path) -> StreamSpec:
    settings = StreamSettings(
        window_time=RULE.window_time,
        window_seconds=RULE.window_seconds,
        trigger_seconds=log.row.trigger,
        shuffle_partitions=log.row.shuffle,
    )
    return StreamSpec(
        bootstrap=log.bootstrap,
        topic=log.topic,
        topic_id=log.topic_id,
        heartbeat=folder / "stream.json",
        settings=settings,
        store=log.store,
        checkpoint=folder / "checkpoints" / CHECKPOINT,
        checkpoint_id=CHECKPOINT,
        start_offsets=dict.fromkeys(range(log.row.partitions), 0),
        jars=ensure_jars("spark"),
        dead_letters=dead_letter_topic(log.topic),
        group=f"{log.topic}-stream",
    )


def _runs(spec: StreamSpec) -> bool:
    beat = read_heartbeat(spec.heartbeat)
    return beat is not None and beat.phase == "running"


def _wait(jvm: subprocess.Popen[bytes], said: Path, done: Callable[[], bool], seconds: float, what: str) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert jvm.poll() is None, _tail(said)
        assert time.monotonic() < deadline, f"{what}: not within {seconds:g} s\n{_tail(said)}"
        time.sleep(0.2)


def _tail(said: Path) -> str:
    return said.read_text(encoding="utf-8", errors="replace")[-6_000:]


def _outcome(log: Log, played: Booked, ends: dict[int, int], batch: counter.Counted) -> Outcome:
    begin = played.begin // 1000
    with closing(Store(log.store)) as store:
        view = store.view()
        windows = sorted({window for _checkpoint, window, _hashtag in view.counts})
        found = [store.ranking(RankingQuery(start=window)) for window in windows]
        batches = len(store.written(CHECKPOINT))
    rejected = Counter({reason: 0 for _checkpoint, _partition, reason in view.rejects})
    for (_checkpoint, _partition, reason), offsets in view.rejects.items():
        rejected[reason] += len(offsets)
    stream = Account(
        tuple((_index(each.start, begin), each.ranked) for each in found if each), rejected, sum(view.untagged.values())
    )
    in_a_batch = defaultdict[int, list[tuple[str, int]]](list)
    for window, hashtag, tweets in batch.ranked:
        in_a_batch[_index(window, begin)].append((hashtag, tweets))
    counted = Account(tuple((index, tuple(each)) for index, each in in_a_batch.items()), Counter(batch.rejected), batch.untagged)
    return Outcome(log.row, played, sum(ends.values()), _truth(played, begin), stream, counted, batches, view.dropped)


def _truth(played: Booked, begin: int) -> Account:
    records = played.records()
    assert records.count is not None
    truth = intended(records, range(records.count), played.begins, RULE.window_seconds)
    assert not truth.borderline
    ranked = defaultdict[int, list[tuple[str, int]]](list)
    for (window, hashtag), tweets in truth.tweets.items():
        ranked[_index(window, begin)].append((hashtag, tweets))
    ranking = ((index, tuple(sorted(each, key=lambda pair: (-pair[1], pair[0])))) for index, each in sorted(ranked.items()))
    return Account(tuple(ranking), truth.rejected, truth.untagged)


def _index(window: int, begin: int) -> int:
    return (window - begin) // RULE.window_seconds
