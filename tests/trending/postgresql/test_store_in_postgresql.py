"""What only a server has: rights, other people's schemas, restarts, notices, and locks on rows."""

from __future__ import annotations

import gc
import socket
import sqlite3
import threading
import time
from contextlib import closing
from itertools import count
from typing import TYPE_CHECKING

import psycopg
import pytest
from fakes.trending import counting
from fakes.trending.counting import epoch, write
from postgres_cluster import PASSWORD
from pydantic import SecretStr
from sqlalchemy.exc import OperationalError

from trending.errors import REBUILD, ConfigurationConflict, LabError, NotOurs
from trending.export.snapshot import copy_store
from trending.kafka.rejects import Rejects
from trending.page.application import Endpoints
from trending.page.board import Board
from trending.page.feed import Feed
from trending.postgresql import schema
from trending.serving import store as store_module
from trending.serving.counts import Batch
from trending.serving.reader import StoreReader
from trending.serving.seals import StoredSeal, closed_window
from trending.serving.store import FORMAT, Store
from trending.settings import Rule, Spelling, WindowTime

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fakes.trending.page import PageHome
    from postgres_cluster import Cluster

    from trending.postgresql.place import PostgresPlace

pytestmark = [
    pytest.mark.real,
    pytest.mark.journey,
]
MINUTE = 1765845060
ERROR_SECONDS = 15
_numbers = count()


@pytest.fixture
def store(place: PostgresPlace) -> Iterator[Store]:
    with closing(Store(place, 20)) as made:
        yield made


def batch(number: int, tweets: int) -> Batch:
    return Batch(number, MINUTE + number, {(MINUTE, "#a"): tweets, (MINUTE, "#\x00"): 1}, {}, (), {MINUTE: number})


def refusal(work: Callable[[], object], kind: type[LabError] = LabError) -> LabError:
    """Return the error that a start would end with; it must come in time, and name no password."""
    began = time.monotonic()
    with pytest.raises(kind) as caught:
        work()
    assert time.monotonic() - began < ERROR_SECONDS
    assert all((caught.value.cause, caught.value.evidence, caught.value.next_command)), caught.value
    assert PASSWORD not in str(caught.value)
    return caught.value


def test_a_wrong_password_is_one_error_with_the_servers_words(place: PostgresPlace, capfd: pytest.CaptureFixture[str]) -> None:
    for given in (SecretStr("wrong"), None):
        wrong = place.model_copy(update={"given": given})
        error = refusal(lambda wrong=wrong: schema.require_usable(wrong, FORMAT))  # type: ignore[misc]
        assert "password" in error.evidence
        assert "STORE_SECRET" in error.next_command
        assert "password" in refusal(lambda wrong=wrong: Store(wrong)).evidence  # type: ignore[misc]
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("127.0.0.1", "127.0.0.2", "refused"),
        ("/counts", "/nothing", "does not exist"),
        ("lab@", "nobody@", "password"),
        ("/counts", "/counts?sslmode=require", "SSL"),
    ],
)
def test_a_wrong_address_is_one_error_with_the_servers_words(place: PostgresPlace, old: str, new: str, said: str) -> None:
    wrong = place.model_copy(update={"url": place.url.replace(old, new)})
    assert said in refusal(lambda: schema.require_usable(wrong, FORMAT)).evidence


def test_a_host_that_stays_silent_is_an_error_in_time(place: PostgresPlace) -> None:
    with closing(socket_that_stays_silent()) as silent:
        port = silent.getsockname()[1]
        wrong = place.model_copy(update={"url": f"postgresql+psycopg://lab@localhost:{port}/counts"})
        assert "timeout" in refusal(lambda: schema.require_usable(wrong, FORMAT)).evidence
    gc.collect()  # the error has kept the connection


def socket_that_stays_silent() -> socket.socket:
    made = socket.create_server(("127.0.0.1", 0))
    made.listen()
    return made


@pytest.mark.row(36)
def test_nothing_that_the_shell_exports_for_other_clients_has_an_influence(
    place: PostgresPlace, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = {
        "PGHOST": "192.0.2.1",
        "PGHOSTADDR": "192.0.2.1",
        "PGPORT": "1",
        "PGUSER": "nobody",
        "PGPASSWORD": "wrong",
        "PGDATABASE": "nothing",
        "PGSSLMODE": "require",
        "PGOPTIONS": "-c default_transaction_read_only=on",
        "PGTARGETSESSIONATTRS": "standby",
        "PGCONNECT_TIMEOUT": "1",
        "PGCLIENTENCODING": "LATIN1",
        "PGTZ": "Asia/Tokyo",
    }
    for name, value in theirs.items():
        monkeypatch.setenv(name, value)
    with closing(Store(place)) as store:
        write(store, "c", batch(0, 3))
        assert counting.counts(store)[MINUTE, "#a"] == 3
    monkeypatch.setenv("PGPASSWORD", PASSWORD)
    assert "password" in refusal(lambda: schema.has_store(place.model_copy(update={"given": None}))).evidence


def test_rights_that_are_missing_are_named_with_the_statement_that_grants_them(postgres: Cluster, place: PostgresPlace) -> None:
    with postgres.admin() as admin:
        admin.execute("DROP DATABASE IF EXISTS theirs")
        admin.execute("CREATE DATABASE theirs")
    there = place.model_copy(update={"url": place.url.replace("/counts", "/theirs")})
    error = refusal(lambda: schema.require_usable(there, FORMAT), ConfigurationConflict)
    grant = error.next_command.removeprefix("as its owner: ").partition(";")[0]
    assert grant.startswith("CREATE SCHEMA")
    assert "rights" in refusal(lambda: Store(there), ConfigurationConflict).cause
    with postgres.admin("theirs") as admin:
        admin.execute(grant.encode())
    assert "schema" in schema.require_usable(there, FORMAT)
    with closing(Store(there)) as store:  # with the least rights: a schema of its own, and nothing else in the database
        write(store, "c", batch(0, 3))
        with postgres.admin("theirs") as admin:
            admin.execute(f"ALTER TABLE {there.schema_name}.ranking OWNER TO postgres".encode())
        error = refusal(lambda: schema.require_usable(there, FORMAT), ConfigurationConflict)
        assert "tables of another role: ranking" in error.evidence
        with pytest.raises(ConfigurationConflict, match="rights"):
            write(store, "c", batch(1, 4))


def test_a_database_that_cannot_hold_every_hashtag_is_refused(postgres: Cluster, place: PostgresPlace) -> None:
    with postgres.admin() as admin:
        admin.execute("DROP DATABASE IF EXISTS latin")
        admin.execute("CREATE DATABASE latin OWNER lab ENCODING 'LATIN1' TEMPLATE template0 LOCALE 'C'")
    there = place.model_copy(update={"url": place.url.replace("/counts", "/latin")})
    assert "LATIN1" in refusal(lambda: schema.require_usable(there, FORMAT), ConfigurationConflict).evidence


@pytest.mark.parametrize("other", ["mine, cluster two", "somebody's, cluster one", "somebody's"])
def test_another_stacks_schema_is_neither_used_nor_deleted(place: PostgresPlace, store: Store, other: str) -> None:
    Store(place.model_copy(update={"owner": "mine, cluster one"})).close()  # which was not known when the schema was made
    write(store, "c", batch(0, 3))
    theirs = place.model_copy(update={"owner": other})
    for work in (
        lambda: Store(theirs),
        lambda: schema.require_usable(theirs, FORMAT),
        lambda: schema.require_deletable(theirs),
        lambda: schema.delete_schema(theirs),
        lambda: schema.delete_tables(theirs),
    ):
        refusal(work, NotOurs)
    assert counting.counts(store)[MINUTE, "#a"] == 3
    schema.require_usable(place, FORMAT)


def test_tables_of_another_form_are_refused_until_a_rebuild(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    write(store, "c", batch(0, 3))
    with postgres.admin("counts") as admin:
        admin.execute(f"UPDATE {place.schema_name}.store SET form = 99".encode())  # noqa: S608 - our own name
    for work in (lambda: Store(place), lambda: schema.require_usable(place, FORMAT)):
        error = refusal(work, ConfigurationConflict)
        assert ("form 99" in error.evidence, error.next_command) == (True, REBUILD)
    assert "ranking" in schema.delete_tables(place)
    with closing(Store(place)) as anew:
        assert counting.counts(anew) == {}


def test_only_the_stacks_own_tables_are_deleted(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    write(store, "c", batch(0, 3))
    other = place.model_copy(update={"stack": f"other-{next(_numbers)}"})
    with closing(Store(other)) as beside:
        write(beside, "c", batch(0, 7))
        with postgres.admin("counts") as admin:
            admin.execute(f"CREATE VIEW public.theirs AS SELECT * FROM {place.schema_name}.ranking".encode())  # noqa: S608
        error = refusal(lambda: schema.delete_schema(place))
        assert "theirs" in error.evidence
        assert counting.counts(store)[MINUTE, "#a"] == 3, "nothing was deleted"
        with postgres.admin("counts") as admin:
            admin.execute("DROP VIEW public.theirs")
            admin.execute(f"CREATE TABLE {place.schema_name}.notes (words text)".encode())
            admin.execute(f"ALTER TABLE {place.schema_name}.notes OWNER TO lab".encode())
        assert schema.delete_schema(place)
        assert not schema.has_store(place)
        assert not schema.delete_schema(place), "twice is as good as once"
        assert counting.counts(beside)[MINUTE, "#a"] == 7
        with postgres.admin("counts") as admin:
            found = admin.execute(f"SELECT count(*) FROM {place.schema_name}.notes".encode()).fetchone()  # noqa: S608
        assert found == (0,), "somebody else's table stays, and so does the schema"


@pytest.mark.row(29)
def test_a_server_that_is_restarted_costs_a_writer_nothing(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    """It crashes again and again under a job that writes: each batch is there once, and none fails."""
    write(store, "c", batch(0, 1))
    done, written = threading.Event(), threading.Event()

    def crash() -> None:
        for _again in range(3):
            written.clear()
            written.wait(60)
            postgres.restart(1.0)
        done.set()

    crashing = threading.Thread(target=crash)
    crashing.start()
    number = 0
    while not done.is_set():
        number += 1
        store.require_open("c")
        store.write("c", batch(number, number + 1), {0: number})
        store.note_dead_letters("c", number)
        store.ranking()
        written.set()
    crashing.join()
    assert number >= 3, "one before each crash"
    assert counting.counts(store) == {(MINUTE, "#a"): number + 1, (MINUTE, "#\x00"): 1}
    assert store.known_epochs()[0].counted_to() == {0: number}
    assert max(store.written("c")) == number
    assert store.dead_letter_offset("c") == number


@pytest.mark.row(29)
def test_a_server_that_stays_away_is_named_when_the_patience_ends(
    place: PostgresPlace, store: Store, postgres: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(store, "c", batch(0, 1))
    monkeypatch.setattr(store_module, "WRITE_SECONDS", 1.0)
    postgres.stop()
    try:
        error = refusal(lambda: store.write("c", batch(1, 2), {0: 1}))
        assert "cannot be used for 1 s" in error.cause
        assert error.next_command.startswith("pg_isready -h 127.0.0.1 -p")
        assert store.prune("c", MINUTE + 600, {}) == 0, "left for the next time"
        assert store.trim("c", MINUTE, 100) == 0
        refusal(lambda: Store(place))
        refusal(lambda: schema.has_store(place))
    finally:
        postgres.start()
    store.write("c", batch(1, 2), {0: 1})


@pytest.mark.row(29)
def test_a_schema_that_was_deleted_under_the_job_is_noticed(place: PostgresPlace, store: Store) -> None:
    write(store, "c", batch(0, 1))
    schema.delete_schema(place)
    assert refusal(lambda: store.write("c", batch(1, 2), {0: 1}), ConfigurationConflict).next_command == REBUILD
    Store(place).close()
    with pytest.raises(ConfigurationConflict, match="not wanted any more"):
        store.write("c", batch(1, 2), {0: 1})


def test_a_job_that_is_writing_holds_its_epoch_open(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    """The hand-over waits for the commit, and the late job is refused behind it."""
    write(store, "first", batch(0, 1))
    with psycopg.connect(
        host="127.0.0.1", port=postgres.port, user="postgres", dbname="counts", options=f"-c search_path={place.schema_name}"
    ) as writing:
        writing.execute("UPDATE epochs SET closed = false WHERE checkpoint = 'first' AND NOT closed")
        waiting = threading.Thread(target=store.take_over, args=(epoch("second", starts={0: 99}),))
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive(), "the row is held"
        writing.execute("UPDATE epoch_offsets SET end_offset = 5 WHERE checkpoint = 'first'")
        writing.commit()
        waiting.join(10)
    first, second = store.known_epochs()
    assert (first.closed, second.starts) == (True, {0: 5}), "it takes over where the job had come to"
    with pytest.raises(ConfigurationConflict, match="another checkpoint counts on"):
        store.write("first", batch(1, 9), {0: 6})


def test_two_jobs_that_take_over_at_once_leave_one_epoch_open(place: PostgresPlace, store: Store) -> None:
    with closing(Store(place)) as other:
        both = [
            threading.Thread(target=each.take_over, args=(epoch(f"{name}{turn}"),))
            for turn in range(5)
            for each, name in ((store, "a"), (other, "b"))
        ]
        for each in both:
            each.start()
        for each in both:
            each.join(10)
    assert len(store.known_epochs()) == 10
    assert [each.closed for each in store.known_epochs()].count(False) == 1


def test_a_seal_and_a_trim_never_pass_each_other(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    """A seal waits for whoever is about to trim, and then sees what went."""
    write(store, "c", Batch(0, 1.0, {(MINUTE, f"#{number}"): number + 1 for number in range(8)}, {}))
    whole = [(f"#{number}", number + 1) for number in range(8)]
    sealed = StoredSeal(counting.TOPIC_ID, 1, 5.0, "{}", {("c", MINUTE): closed_window(whole, 0)})
    with psycopg.connect(
        host="127.0.0.1", port=postgres.port, user="postgres", dbname="counts", options=f"-c search_path={place.schema_name}"
    ) as trimming:
        trimming.execute("UPDATE epochs SET closed = false WHERE checkpoint = 'c' AND NOT closed")
        sealing = threading.Thread(target=store.seal, args=(sealed, {}))
        sealing.start()
        sealing.join(0.5)
        assert sealing.is_alive()
        trimming.execute("DELETE FROM ranking WHERE tweets < 5")
        trimming.execute("INSERT INTO others VALUES ('c', %s, 10, 4, 4)", (MINUTE,))
        trimming.commit()
        sealing.join(10)
    assert store.known_seals() == {}, "the window is not as the audit has seen it"


def test_a_reader_hears_of_commits_reads_as_of_one_moment_and_cannot_write(place: PostgresPlace, store: Store) -> None:
    with closing(StoreReader(place)) as reader:
        before = reader.version()
        assert reader.version() == before
        write(store, "c", batch(0, 3))
        until(lambda: reader.version() > before)
        with store_module.as_of_one_moment(reader._engine) as connection:
            read = "SELECT sum(tweets) FROM ranking"
            assert connection.exec_driver_sql(read).scalar_one() == 4
            write(store, "c", batch(1, 9))
            assert connection.exec_driver_sql(read).scalar_one() == 4
        with reader._engine.connect() as connection, pytest.raises(Exception, match="read-only"):
            connection.exec_driver_sql("DELETE FROM ranking")
        assert reader.size() > 0
    with closing(StoreReader(place.model_copy(update={"stack": "nobody"}))) as nothing, pytest.raises(OperationalError):
        nothing.snapshot()


def until(true: Callable[[], bool], seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_the_page_follows_the_store_over_a_restart(place: PostgresPlace, store: Store, postgres: Cluster, home: PageHome) -> None:
    board = Board(home.spec(store=place, producer=None, stream=None))

    def shown() -> dict[str, int]:
        return {row["shown"]: row["tweets"] for row in board.look(MINUTE + 30.0)["ranking"]["rows"]}

    try:
        write(store, "c", batch(0, 3))
        until(lambda: shown().get("#a") == 3)
        assert board.store_bytes > 0
        postgres.restart()
        write(store, "c", batch(1, 5))
        until(lambda: shown().get("#a") == 5)
        postgres.stop()
        until(lambda: (shown(), board.readable)[1] is False)
        postgres.start()
        write(store, "c", batch(2, 8))
        until(lambda: shown().get("#a") == 8)
        assert board.readable
        assert board.past_ranking(MINUTE, MINUTE + 30.0) is not None
    finally:
        board.close()


def test_a_copy_is_one_file_with_everything(place: PostgresPlace, store: Store, tmp_path: Path) -> None:
    write(store, "c", Batch(0, 1.0, {(MINUTE, "#\x00ñ"): 3}, {MINUTE: 2}, (Rejects.of(0, "late", [7, 9]),), {MINUTE: 4}))
    copy_store(place, tmp_path / "copy.sqlite")
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith("copy")] == ["copy.sqlite"]
    with closing(sqlite3.connect(f"file:{tmp_path}/copy.sqlite?mode=ro", uri=True)) as copy:
        assert copy.execute("SELECT hashtag, tweets FROM ranking").fetchall() == [("#\x00ñ", 3)]
    with closing(Store(tmp_path / "copy.sqlite")) as copied:
        assert copied.view() == store.view()


def test_the_view_has_each_ranking_and_says_which_are_final(place: PostgresPlace, store: Store, postgres: Cluster) -> None:
    tweets = {(MINUTE, "#b"): 5, (MINUTE, "#B"): 5, (MINUTE, "#ñ"): 7, (MINUTE + 60, "#a"): 1}
    write(store, "first", Batch(0, 1.0, tweets, {}))
    write(store, "second", Batch(0, 1.0, {(MINUTE, "#b"): 9}, {}))
    store.take_over(epoch("folded", rule=Rule(spelling=Spelling.FOLDED)))
    write(store, "folded", Batch(0, 1.0, {(MINUTE, "#b"): 19}, {}))
    store.take_over(epoch("third", rule=Rule(WindowTime.EVENT)))
    write(store, "third", Batch(0, 1.0, {(MINUTE, "#a"): 2}, {}))
    columns = "extract(epoch FROM window_start)::bigint, rank, hashtag, tweets, final"
    condition = "stack = %s AND window_time = %s AND spelling = %s ORDER BY window_start, rank"
    query = f"SELECT {columns} FROM {place.schema_name}.trending_ranking WHERE {condition}"  # noqa: S608 - our own names

    def seen(rule: str, spelling: str = "exact") -> list[tuple[object, ...]]:
        with postgres.admin("counts") as admin:
            return admin.execute(query.encode(), (place.stack, rule, spelling)).fetchall()

    ranked = [(MINUTE, 1, "#b", 14), (MINUTE, 2, "#ñ", 7), (MINUTE, 3, "#B", 5), (MINUTE + 60, 1, "#a", 1)]
    assert seen("arrival") == [(*row, False) for row in ranked]
    assert seen("arrival", "folded") == [(MINUTE, 1, "#b", 19, False)]
    assert seen("event") == [(MINUTE, 1, "#a", 2, False)]
    store.trim("third", MINUTE, 100)
    assert seen("event") == [(MINUTE, 1, "#a", 2, True)]
    assert seen("arrival") == [(*row, False) for row in ranked], "windows of another rule have their own end"


def test_the_page_answers_while_the_server_is_away(place: PostgresPlace, store: Store, postgres: Cluster, home: PageHome) -> None:
    """Between two looks nobody knows yet that it is: an export that is asked for then is not to be had, and no error."""
    write(store, "c", batch(0, 3))
    spec = home.spec(store=place, producer=None, stream=None)
    board = Board(spec)
    try:
        until(lambda: (board.look(MINUTE + 30.0), board.readable)[1])
        endpoints = Endpoints(spec, board, Feed(board))
        assert endpoints._read(MINUTE, "") is not None
        postgres.stop()
        try:
            assert endpoints._read(MINUTE, "") is None
            assert endpoints._read_slide() is None
            assert board.past_ranking(MINUTE, MINUTE + 30.0) is None
        finally:
            postgres.start()
    finally:
        board.close()
