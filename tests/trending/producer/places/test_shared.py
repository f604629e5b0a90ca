"""Ledgers that several producers keep in one schema: what a file says, one life a name, and nothing twice over a lost answer."""

from __future__ import annotations

from contextlib import closing, contextmanager
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING

import pytest
from fakes.trending.acknowledged import acknowledged_ids
from postgres_cluster import PASSWORD
from psycopg import sql
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from trending.errors import ConfigurationConflict, LabError, NotOurs, NotReady
from trending.kafka.log_start import LogStart
from trending.postgresql import schema
from trending.postgresql.place import OF_CLUSTER, PostgresLedger, PostgresPlace
from trending.producer.known import Known, KnownRun
from trending.producer.ledger import Ledger, read_ledger, read_ledgers
from trending.producer.ledger_writer import LedgerWriter
from trending.producer.places import shared
from trending.producer.places.shared import make_ledgers, producers_of
from trending.serving.store import Store

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from postgres_cluster import Cluster
    from sqlalchemy import Connection, Engine

    from trending.producer.places.opened import LedgerPlace

pytestmark = [pytest.mark.real, pytest.mark.journey, pytest.mark.row(19)]
MINUTE = 1765845060
_numbers = count()


@pytest.fixture
def place(postgres: Cluster) -> PostgresPlace:
    """The schema of a stack of the test's own, with tables for ledgers."""
    stack = f"many-{next(_numbers)}"
    made = PostgresPlace(url=postgres.url, stack=stack, owner="mine", given=SecretStr(PASSWORD))
    make_ledgers(made)
    return made


def ledger_of(place: PostgresPlace, producer: str = "") -> PostgresLedger:
    return PostgresLedger(place=place, producer=producer)


def grown(place: LedgerPlace, run: str = "run", offset: int = 0) -> None:
    """Write a little of everything that a ledger can have."""
    with closing(LedgerWriter(place, run, "topic-1")) as writer:
        writer.reserve(50)
        writer.reserve(100)
        for sequence in range(5):
            writer.acknowledge(sequence, 0, offset + sequence, MINUTE, "#\x00ñ\x01")
        writer.commit()
        writer.acknowledge(5, 0, offset + 5, MINUTE + 60, "#\x00ñ\x01")
        writer.acknowledge_run(range(10, 12), 1, 2**40)
        writer.count({"#a": 1, "#b": 1}, MINUTE, MINUTE + 60)
        writer.commit()
        writer.count({"#a": 2}, MINUTE, MINUTE + 60)
        writer.acknowledge_unplaced(range(20, 22), 1, 2**40 + 5, 2**40 + 9)
        writer.fail(30, "gone")


def without_names(ledger: Ledger) -> Ledger:
    return replace(ledger, producers={}, beats={})


def test_the_tables_say_what_a_file_says(place: PostgresPlace, tmp_path: Path) -> None:
    path, known = tmp_path / "ledger.sqlite", Known({0: 0}, {0: 20}, MINUTE + 60, {"run": KnownRun((range(3),), None)})
    start = LogStart({0: 6, 1: 2**40 + 2}, MINUTE + 3 * 3600)
    found = []
    for each in (path, ledger_of(place, "laptop")):
        grown(each)
        whole = read_ledger(each), read_ledger(each, [known])
        with closing(LedgerWriter(each, "next", "topic-1")) as writer:
            writer.reserve(1)
            pruned = writer.prune(start), writer.prune(start)
        found.append([without_names(ledger) for ledger in (*whole, read_ledger(each))])
        assert pruned == (8, 0)
    assert found[0] == found[1]
    assert found[1][0].counts["run", MINUTE, "#\x00ñ\x01"] == 5
    assert found[1][1].left_out == {"run": 6}, "what is known is not brought out"


def test_the_ledgers_of_three_producers_are_one_sum(place: PostgresPlace, tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    grown(path, "own")
    for producer, runs in (("laptop", ["a1", "a2"]), ("rack", ["b1"])):
        for run in runs:
            grown(ledger_of(place, producer), run)
    whole = read_ledgers([path, ledger_of(place)])
    assert whole.acknowledged == 4 * read_ledger(path).acknowledged == 40
    assert len(acknowledged_ids(whole, {})) == 40
    assert whole.producers == {"a1": "laptop", "a2": "laptop", "b1": "rack"}
    assert producers_of(place) == ["laptop", "rack"]
    assert all(beat.ended for beat in whole.beats.values())
    assert (whole.failed, whole.reserved) == (4, dict.fromkeys(("own", "a1", "a2", "b1"), 100))


def test_a_stack_that_is_taken_down_with_its_data_ends_its_producers_with_one_error(place: PostgresPlace) -> None:
    writer = LedgerWriter(ledger_of(place, "laptop"), "run", "topic-1")
    writer.reserve(50)
    schema.delete_schema(place)
    with pytest.raises(ConfigurationConflict, match="were deleted while they were in use") as caught:
        writer.reserve(100)
    assert caught.value.cause.startswith(f"the ledgers in {place} ")
    assert caught.value.next_command == shared._MAKE
    with pytest.raises(ConfigurationConflict, match="the ledgers in "):
        writer.close()


def test_a_producer_prunes_its_own_runs_alone(place: PostgresPlace) -> None:
    for producer in ("laptop", "rack"):
        grown(ledger_of(place, producer), producer)
    with closing(LedgerWriter(ledger_of(place, "laptop"), "next", "topic-1")) as writer:
        assert writer.prune(LogStart({0: 6, 1: 2**41}, MINUTE + 3600)) == 10
    ledger = read_ledger(ledger_of(place))
    assert {run for run, _partition in ledger.expired} == {"laptop"}
    assert {each.run for each in ledger.intervals} == {"rack"}


def test_a_name_has_one_life_at_a_time_and_a_silent_one_may_write_no_more(
    place: PostgresPlace, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "CLAIM_SECONDS", 0.1)
    ledger = ledger_of(place, "laptop")
    first = LedgerWriter(ledger, "first", "topic-1")
    first.reserve(10)
    with pytest.raises(ConfigurationConflict, match="producer laptop is at work already") as caught:
        LedgerWriter(ledger, "second", "topic-1")
    assert "life first on " in caught.value.evidence
    assert not read_ledger(ledger).beats["laptop"].ended
    assert shared.at_work(place) == ["laptop"]
    with postgres.admin("counts") as admin:
        passed = sql.SQL("UPDATE {}.producers SET seen_at = seen_at - 11").format(sql.Identifier(place.schema_name))
        admin.execute(passed)
    assert shared.at_work(place) == []
    second = LedgerWriter(ledger, "second", "topic-1")
    second.reserve(10)
    first.acknowledge(0, 0, 0, MINUTE, "#a")
    with pytest.raises(ConfigurationConflict, match="another life of producer laptop has begun"):
        first.commit()
    assert first.acknowledged == 0
    first._ledger.close()
    second.acknowledge(0, 0, 1, MINUTE, "#a")
    second.close()
    assert acknowledged_ids(read_ledger(ledger), {}) == {("second", 0)}
    with closing(LedgerWriter(ledger, "third", "topic-1")) as third:
        third.reserve(1)


def test_a_life_that_has_nothing_to_write_is_heard_of(place: PostgresPlace, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "TOUCH_SECONDS", 0.0)
    ledger = ledger_of(place, "laptop")
    with closing(LedgerWriter(ledger, "run", "topic-1")) as writer:
        before = read_ledger(ledger).beats["laptop"].seen_at
        writer.commit()
        assert read_ledger(ledger).beats["laptop"].seen_at > before


class Losing:
    """An engine of which the answer to one commit is lost: it was ``done``, or was not."""

    def __init__(self, engine: Engine, *, done: bool) -> None:
        self._engine, self._done = engine, done
        self.lost = 0

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        loses, self.lost = not self.lost, 1
        gone = OperationalError("COMMIT", None, Exception("the connection is lost"))
        with self._engine.begin() as connection:
            yield connection
            if loses and not self._done:
                raise gone
        if loses:
            raise gone

    def dispose(self) -> None:
        self._engine.dispose()


@pytest.mark.parametrize("done", [False, True])
def test_a_commit_whose_answer_is_lost_is_written_once(
    place: PostgresPlace, monkeypatch: pytest.MonkeyPatch, *, done: bool
) -> None:
    monkeypatch.setattr(shared, "RETRY_SECONDS", 0.01)
    ledger = ledger_of(place, "laptop")
    with closing(LedgerWriter(ledger, "run", "topic-1")) as writer:
        writer.reserve(10)
        writer.acknowledge(0, 0, 0, MINUTE, "#a")
        losing = Losing(writer._ledger.engine, done=done)
        monkeypatch.setattr(writer._ledger, "engine", losing)
        writer.commit()
        assert (losing.lost, writer.acknowledged) == (1, 1)
        assert read_ledger(ledger).counts == {("run", MINUTE, "#a"): 1}


def test_a_server_that_is_restarted_costs_a_producer_nothing(place: PostgresPlace, postgres: Cluster) -> None:
    ledger = ledger_of(place, "laptop")
    with closing(LedgerWriter(ledger, "run", "topic-1")) as writer:
        writer.reserve(100)
        for sequence in range(3):
            writer.acknowledge(sequence, 0, sequence, MINUTE, "#a")
            writer.commit()
            postgres.restart()
        writer.acknowledge(3, 0, 3, MINUTE, "#a")
    assert read_ledger(ledger).counts == {("run", MINUTE, "#a"): 4}


def test_a_server_that_stays_away_is_named_when_the_patience_ends(
    place: PostgresPlace, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared, "AWAY_SECONDS", 0.5)
    writer = LedgerWriter(ledger_of(place, "laptop"), "run", "topic-1")
    writer.acknowledge(0, 0, 0, MINUTE, "#a")
    postgres.stop("immediate")
    try:
        with pytest.raises(LabError, match="cannot be used") as caught:
            writer.commit()
        assert "pg_isready" in caught.value.next_command
        assert writer.acknowledged == 0
        with pytest.raises(LabError, match="cannot be used"):
            read_ledger(ledger_of(place))
    finally:
        postgres.start()
        writer._ledger.close()


def test_ledgers_outlive_a_rebuild_and_go_with_the_data(place: PostgresPlace) -> None:
    Store(place).close()
    grown(ledger_of(place, "laptop"))
    assert "ranking" in schema.delete_tables(place)
    assert read_ledger(ledger_of(place)).acknowledged == 10
    Store(place).close()
    assert schema.delete_schema(place)
    assert read_ledger(ledger_of(place)) == Ledger((), {}, {}, 0)
    with pytest.raises(NotReady, match="there are no ledgers"):
        LedgerWriter(ledger_of(place, "laptop"), "run", "topic-1")
    make_ledgers(place)
    assert schema.delete_schema(place), "without a store too"


def test_another_stacks_ledgers_are_neither_used_nor_deleted(place: PostgresPlace) -> None:
    theirs = place.model_copy(update={"owner": f"theirs{OF_CLUSTER}x"})
    for work in (make_ledgers, schema.delete_schema, schema.require_deletable):
        with pytest.raises(NotOurs):
            work(theirs)
    known = place.model_copy(update={"owner": f"mine{OF_CLUSTER}one"})
    make_ledgers(known)
    with pytest.raises(NotOurs):
        make_ledgers(place.model_copy(update={"owner": f"mine{OF_CLUSTER}two"}))


def test_ledgers_of_another_form_are_refused(place: PostgresPlace, postgres: Cluster) -> None:
    with postgres.admin("counts") as admin:
        admin.execute(sql.SQL("UPDATE {}.ledger SET form = 0").format(sql.Identifier(place.schema_name)))
    for work in (
        lambda: read_ledger(ledger_of(place)),
        lambda: make_ledgers(place),
        lambda: LedgerWriter(ledger_of(place, "a"), "r", "t"),
    ):
        with pytest.raises(ConfigurationConflict, match="another version"):
            work()


def test_a_producer_needs_no_more_rights_than_the_manual_says(place: PostgresPlace, postgres: Cluster) -> None:
    with postgres.admin("counts") as admin:
        admin.execute("DROP ROLE IF EXISTS tweeter")
        admin.execute(sql.SQL("CREATE ROLE tweeter LOGIN PASSWORD {}").format(sql.Literal(PASSWORD)))
        grants = "GRANT USAGE ON SCHEMA {0} TO tweeter; GRANT SELECT, INSERT, UPDATE, DELETE ON {1} TO tweeter"
        tables = sql.SQL(", ").join(sql.Identifier(place.schema_name, name) for name in shared.SHARED.tables)
        mark = sql.Identifier(place.schema_name, "ledger")
        own = place.model_copy(update={"url": place.url.replace("lab@", "tweeter@")})
        with pytest.raises(LabError, match="tweeter has not the rights"):
            shared.require_usable(ledger_of(own, "laptop"), "")
        admin.execute(sql.SQL(grants).format(sql.Identifier(place.schema_name), tables))
        with pytest.raises(LabError, match="tweeter has not the rights") as caught:
            shared.require_usable(ledger_of(own, "laptop"), "")
        assert f"GRANT SELECT ON {place.schema_name}.ledger" in caught.value.next_command
        admin.execute(sql.SQL("GRANT SELECT ON {} TO tweeter").format(mark))
        assert "PostgreSQL" in shared.require_usable(ledger_of(own, "laptop"), "")
        grown(ledger_of(own, "laptop"))
        assert read_ledger(ledger_of(place)).acknowledged == 10
        admin.execute("DROP OWNED BY tweeter; DROP ROLE tweeter")
    make_ledgers(place.model_copy(update={"owner": f"mine{OF_CLUSTER}one"}))
    with pytest.raises(NotOurs, match="another cluster"):
        shared.require_usable(ledger_of(place, "laptop"), "two")
