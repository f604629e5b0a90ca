"""What Spark's tasks stage in a real server, and what the driver makes of it."""

from __future__ import annotations

import uuid
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import psycopg
import pytest
from fakes.trending import counting
from fakes.trending.aggregation import table_of
from fakes.trending.counting import epoch, write
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from postgres_cluster import PASSWORD
from pydantic import SecretStr

from trending.errors import ConfigurationConflict, LabError
from trending.postgresql import schema
from trending.postgresql.place import PostgresPlace
from trending.postgresql.staging import LATE, login
from trending.serving.counts import Batch
from trending.serving.others import Others
from trending.serving.store import FORMAT, Store
from trending.stream.sink import to_batch
from trending.stream.staging import tasks
from trending.stream.staging.rows import UNSTAGED
from trending.stream.staging.tasks import WRITABLE, look_at_store, stage

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa
    from fakes.trending.aggregation import Row
    from postgres_cluster import Cluster

pytestmark = [
    pytest.mark.real,
    pytest.mark.journey,
]
MINUTE = 1765845060
Counts = dict[tuple[int, str], int]
_numbers = count()


@pytest.fixture
def store(place: PostgresPlace) -> Iterator[Store]:
    with closing(Store(place, 20)) as made:
        made.take_over(epoch("c"))
        made.hold("c")
        yield made


def staged(place: PostgresPlace, number: int, *partitions: Mapping[tuple[int, str], int], checkpoint: str = "c") -> Batch:
    """Have a task stage each partition; returns the batch as the driver is told of it."""
    told: list[Row] = []
    for partition in partitions:
        rows = [("tweet", window, hashtag, -1, b"", tweets) for (window, hashtag), tweets in partition.items()]
        given = table_of([*rows, ("untagged", MINUTE, "", -1, b"", 2)])
        told += rows_of(stage(login(place), checkpoint, number, 1, iter(given.to_batches())))
    return to_batch(number, MINUTE + 5.0, table_of(told))


def rows_of(batches: Iterable[pa.RecordBatch]) -> list[Row]:
    return [row for each in batches for row in zip(*(column.to_pylist() for column in each.columns), strict=True)]


def left(postgres: Cluster, place: PostgresPlace) -> int:
    """Return the number of rows that are still staged."""
    with postgres.admin("counts") as admin:
        found = admin.execute(f"SELECT count(*) FROM {place.schema_name}.staged".encode()).fetchone()  # noqa: S608 - our own name
    assert found is not None
    return int(found[0])


def write_staged(store: Store, batch: Batch) -> None:
    store.write("c", batch, {0: batch.number})


def test_the_tasks_rows_are_counted_with_the_batch_and_nothing_stays_staged(
    place: PostgresPlace, store: Store, postgres: Cluster
) -> None:
    write_staged(store, staged(place, 0, {(MINUTE, "#a"): 5, (MINUTE, "#\x00\x01\\\t"): 2}, {(MINUTE, "#b"): 1}))
    assert left(postgres, place) == 0
    write_staged(store, staged(place, 1, {(MINUTE, "#a"): 6, (MINUTE + 60, "#a"): 1}))
    assert counting.counts(store) == {
        (MINUTE, "#a"): 6,
        (MINUTE, "#\x00\x01\\\t"): 2,
        (MINUTE, "#b"): 1,
        (MINUTE + 60, "#a"): 1,
    }
    assert (counting.untagged(store), left(postgres, place)) == ({MINUTE: 2}, 0)
    assert store.known_epochs()[0].counted_to() == {0: 1}


@pytest.mark.row(20)
def test_a_batch_that_comes_again_leaves_the_same_rows(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    counts = {(MINUTE, "#a"): 5, (MINUTE, "#b"): 1}
    first = staged(place, 0, counts)
    write_staged(store, first)
    write_staged(store, first)  # its commit stayed unanswered: what it had staged went with it
    write_staged(store, staged(place, 0, counts))  # by the next job, whose tasks ran again
    assert (counting.counts(store), left(postgres, place)) == (counts, 0)


@pytest.mark.row(20)
def test_what_a_failed_attempt_has_staged_counts_for_nothing(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    staged(place, 0, {(MINUTE, "#a"): 999, (MINUTE, "#failed"): 1})
    staged(place, 0, {(MINUTE, "#a"): 998}, checkpoint="another")
    write_staged(store, staged(place, 0, {(MINUTE, "#a"): 5}))
    assert (counting.counts(store), left(postgres, place)) == ({(MINUTE, "#a"): 5}, 0)


def test_rows_that_are_not_there_are_an_error_and_nothing_of_the_batch_is_written(
    place: PostgresPlace, store: Store, postgres: Cluster
) -> None:
    batch = staged(place, 0, {(MINUTE, "#a"): 5, (MINUTE, "#b"): 5})
    with postgres.admin("counts") as admin:
        admin.execute(f"DELETE FROM {place.schema_name}.staged WHERE hashtag = '#a'".encode())  # noqa: S608 - our own name
    with pytest.raises(LabError, match="have staged are not all there") as caught:
        write_staged(store, batch)
    assert caught.value.evidence.startswith("2 rows of 1 attempts were reported, 1 are in staged")
    assert (counting.counts(store), counting.untagged(store), store.written("c")) == ({}, {}, {})
    write_staged(store, staged(place, 0, {(MINUTE, "#a"): 5, (MINUTE, "#b"): 5}))
    assert counting.counts(store) == {(MINUTE, "#a"): 5, (MINUTE, "#b"): 5}


def test_an_attempt_that_is_unknown_to_the_server_is_an_error(place: PostgresPlace, store: Store) -> None:
    write_staged(store, staged(place, 0, {(MINUTE, "#a"): 5}))
    with pytest.raises(LabError, match="batch 1 have staged are not all there"):
        write_staged(store, Batch(1, MINUTE, {}, {}, staged={(uuid.uuid4().hex, MINUTE): 3}))


@pytest.mark.row(20)
def test_a_driver_that_wakes_up_late_is_refused_and_its_rows_go(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    late = staged(place, 0, {(MINUTE, "#late"): 9})
    with closing(Store(place, 20)) as next_job:
        next_job.hold("c")
        assert left(postgres, place) == 0, "a job begins with an empty table"
        late = staged(place, 0, {(MINUTE, "#late"): 9})
        with pytest.raises(ConfigurationConflict, match="another job has taken the checkpoint"):
            write_staged(store, late)
        assert left(postgres, place) == 1, "it has no say in what is staged either"
        write_staged(next_job, Batch(0, MINUTE, {(MINUTE, "#a"): 1}, {}))
        assert (counting.counts(next_job), left(postgres, place)) == ({(MINUTE, "#a"): 1}, 0)


def test_whoever_looks_at_the_table_is_not_waited_for(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    batch = staged(place, 0, {(MINUTE, "#a"): 5})
    with psycopg.connect(host="127.0.0.1", port=postgres.port, user="postgres", dbname="counts") as dump:
        dump.execute(f"LOCK TABLE {place.schema_name}.staged IN ACCESS SHARE MODE".encode())
        write_staged(store, batch)
        assert counting.counts(store) == {(MINUTE, "#a"): 5}
        assert left(postgres, place) == 0


@pytest.mark.row(29)
def test_what_is_staged_outlives_a_crash_of_the_server(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    batch = staged(place, 0, {(MINUTE, "#a"): 5})
    postgres.restart(1.0)
    write_staged(store, batch)
    assert (counting.counts(store), left(postgres, place)) == ({(MINUTE, "#a"): 5}, 0)


def test_a_window_of_which_the_tasks_write_is_looked_at_as_any_other(place: PostgresPlace, store: Store) -> None:
    write_staged(store, staged(place, 0, {(MINUTE, f"#{name}"): name + 1 for name in range(8)}))
    store.trim("c", MINUTE, 5)
    assert store.view().others["c", MINUTE] == Others(6, 3, 5)
    with pytest.raises(ConfigurationConflict, match="only the leading hashtags were kept"):
        write_staged(store, staged(place, 1, {(MINUTE, "#0"): 9}))
    store.prune("c", MINUTE + 60, {})
    write_staged(store, Batch(1, MINUTE, {}, {}))
    store.prune("c", MINUTE + 60, {})
    with pytest.raises(ConfigurationConflict, match="summarised"):
        write_staged(store, staged(place, 2, {(MINUTE, "#0"): 9}))


def test_a_schema_of_an_earlier_version_gets_the_table_and_loses_it_with_the_others(
    place: PostgresPlace, store: Store, postgres: Cluster
) -> None:
    write(store, "c", Batch(0, MINUTE, {(MINUTE, "#a"): 3}, {}))
    with postgres.admin("counts") as admin:
        for statement in (
            f"DROP TABLE {place.schema_name}.staged",
            f"UPDATE {place.schema_name}.store SET tables = replace(tables, ' staged', '')",  # noqa: S608 - our own name
        ):
            admin.execute(statement.encode())
    schema.require_usable(place, FORMAT)
    for _again in range(2):
        with closing(Store(place)) as upgraded:
            upgraded.hold("c")
            assert counting.counts(upgraded) == {(MINUTE, "#a"): 3}, "nothing has to be counted anew"
    with closing(Store(place)) as upgraded:
        write_staged(upgraded, staged(place, 1, {(MINUTE, "#a"): 4}))
        assert counting.counts(upgraded) == {(MINUTE, "#a"): 4}
    assert set(LATE.tables) <= set(schema.delete_tables(place))
    assert not schema.has_store(place)


def test_a_task_that_may_not_write_says_so_in_the_servers_words(
    place: PostgresPlace, store: Store, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tasks, "PATIENCE_SECONDS", -1.0)
    assert list(look_at_store(login(place), [0])) == [WRITABLE]
    wrong = place.model_copy(update={"given": SecretStr("wrong")})
    nowhere = place.model_copy(update={"url": place.url.replace("127.0.0.1", "127.0.0.2")})
    for other, expected in ((wrong, "password authentication failed"), (nowhere, "refused")):
        (said,) = look_at_store(login(other), [0])
        assert expected in said
        assert PASSWORD not in said
        one = table_of([("tweet", MINUTE, "#a", -1, b"", 1)]).to_batches()
        ((kind, _window, said, *_rest),) = rows_of(stage(login(other), "c", 0, 1, iter(one)))
        assert (kind, expected in said) == (UNSTAGED, True)
    with postgres.admin("counts") as admin:
        admin.execute(f"ALTER TABLE {place.schema_name}.staged OWNER TO postgres".encode())
    (said,) = look_at_store(login(place), [0])
    assert "INSERT on staged is not granted" in said


HASHTAGS = st.sampled_from(["#a", "#b", "#\x00", "#\n", "#\\.", "\\N", "#\x01\x02", "ñ", ""])
PARTITIONS = st.lists(st.dictionaries(st.tuples(st.sampled_from([MINUTE, MINUTE + 60]), HASHTAGS), st.integers(1, 3)), max_size=3)


@pytest.mark.row(23)
@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.tuples(PARTITIONS, st.booleans(), st.integers(1, 2)), max_size=5))
def test_a_store_whose_rows_are_staged_agrees_with_a_plain_counter(
    postgres: Cluster, history: list[tuple[list[Counts], bool, int]]
) -> None:
    """Each batch's groups grow; some tasks run twice, some batches come again."""
    place = PostgresPlace(url=postgres.url, stack=f"staging-{next(_numbers)}", owner="mine", given=SecretStr(PASSWORD))
    seen: Counts = {}
    with closing(Store(place)) as store:
        store.take_over(epoch("c"))
        for number, (partitions, twice, times) in enumerate(history):
            grown: Counts = {}
            for partition in partitions:
                grown.update({key: seen.get(key, 0) + more for key, more in partition.items()})
            seen.update(grown)
            shares: list[Counts] = [{}, {}]
            for turn, (key, tweets) in enumerate(grown.items()):
                shares[turn % 2][key] = tweets
            for _again in range(times):
                if twice:
                    staged(place, number, *shares)
                write_staged(store, staged(place, number, *shares))
        assert counting.counts(store) == seen
        assert left(postgres, place) == 0
