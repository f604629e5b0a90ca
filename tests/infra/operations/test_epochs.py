"""Which checkpoint counts, on a machine of pretend: its beginning, the hand-over, and counting anew."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.clock import FakeClock
from fakes.stacks import make
from fakes.trending import counting

from infra.commands import rebuild
from infra.forms.proving import RebuildForm
from infra.lab.assembly import open_lab, want
from infra.operations import epochs, stream
from infra.operations.epochs import (
    ASIDE,
    checkpoint_path,
    counting_epoch,
    earlier_records,
    key_of,
    known_topic_id,
    open_epoch,
    resolve_offsets,
    start_file,
)
from infra.stack.state import Wanted, write_state
from trending.errors import ConfigurationConflict, DamagedFile, NotReady
from trending.places.settings import PlaceSettings
from trending.serving.counts import Batch
from trending.serving.store import Store
from trending.settings import Rule, WindowTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from fakes.world import World

    from infra.lab.assembly import Lab
    from trending.serving.epochs import Epoch


@pytest.fixture
def lab(world: World) -> Lab:
    """A stack whose stream counts from offset 7 and has finished batch 0 at offset 9."""
    assert world.topics == {}
    lab = make()
    stream.submit_stream("lab")
    count(lab, {0: 9})
    world.forget_history()
    return lab


def opened(lab: Lab) -> Epoch:
    epoch = open_epoch(lab)
    assert epoch is not None
    return epoch


def count(lab: Lab, ends: dict[int, int], tweets: int = 2) -> None:
    """Write the stream's next batch into the store, and Spark's record of it into the checkpoint."""
    epoch = opened(lab)
    number = 0 if epoch.last_batch is None else epoch.last_batch + 1
    with closing(Store(lab.paths.store)) as store:
        store.write(epoch.checkpoint, Batch(number, 60.0, {(60, "#a"): tweets}, {}), ends)
    for folder in ("offsets", "commits"):
        path = lab.paths.checkpoint(epoch.checkpoint) / folder
        path.mkdir(parents=True, exist_ok=True)
        ended = {str(part): end for part, end in ends.items()}
        (path / str(number)).write_text(f'v1\n{{}}\n{{"tweets_topic":{ended}}}'.replace("'", '"'), encoding="utf-8")


def with_stream(lab: Lab, **settings: Any) -> Lab:
    """Record other settings of the stream."""
    stream_settings = lab.settings.stream.model_copy(update=settings)
    changed = lab.settings.model_copy(update={"stream": stream_settings})
    write_state(lab.paths, lab.state.model_copy(update={"settings": changed}))
    return open_lab("lab")


def grown(monkeypatch: pytest.MonkeyPatch, *ends: int) -> None:
    for module in ("epochs", "stream"):
        monkeypatch.setattr(f"infra.operations.{module}.log_ends", lambda *_: {part: (0, end) for part, end in enumerate(ends)})


def test_the_start_is_resolved_once_and_kept(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = make()
    assert resolve_offsets("lab") == {0: 7}
    grown(monkeypatch, 99)
    assert resolve_offsets("lab") == {0: 7}
    assert counting_epoch(lab, known_topic_id(lab)).starts == {0: 7}
    world.topics["tweets_topic"] = replace(world.topics["tweets_topic"], topic_id="made anew")
    assert resolve_offsets("lab") == {0: 99}, "a topic made anew has a range of its own"
    grown(monkeypatch, 120)
    assert counting_epoch(lab, known_topic_id(lab)).starts == {0: 99}, "which began when it was resolved"


@pytest.mark.usefixtures("world")
def test_nothing_counts_before_something_was_submitted() -> None:
    lab = make()
    assert open_epoch(lab) is None
    assert not lab.paths.store.exists(), "asking makes no store"
    with pytest.raises(ConfigurationConflict, match="nothing was ever submitted"):
        checkpoint_path(lab)


def test_a_topic_that_nobody_knows_yet_is_no_part_of_a_key(world: World) -> None:
    lab = make()
    del world.topics["tweets_topic"]
    with pytest.raises(NotReady, match="tweets_topic is not known yet"):
        stream.submit_stream("lab")
    assert not lab.paths.store.exists()


@pytest.mark.row(21)
def test_settings_that_need_another_checkpoint_hand_over_where_the_store_stands(
    lab: Lab, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A batch that is in the store and not committed by Spark is counted, so the next epoch begins behind it."""
    before = checkpoint_path(lab)
    (before / "commits" / "0").unlink()
    grown(monkeypatch, 99)
    lab = with_stream(lab, shuffle_partitions=7)
    stream.submit_stream("lab")
    epoch = opened(lab)
    assert (epoch.starts, epoch.checkpoint != before.name) == ({0: 9}, True)
    assert world.changes == ["end stream", "launch stream"], "the job that counts in the old epoch is stopped first"
    with closing(Store(lab.paths.store)) as store, pytest.raises(ConfigurationConflict, match="another checkpoint counts on"):
        store.write(before.name, Batch(1, 60.0, {(60, "#a"): 9}, {}), {0: 12})


def test_settings_that_fit_the_checkpoint_change_nothing(lab: Lab, world: World) -> None:
    before = open_epoch(lab)
    lab = with_stream(lab, trigger_seconds=1.0)
    stream.submit_stream("lab")
    assert open_epoch(lab) == before
    assert "end stream" not in world.changes[:-1]


def test_settings_that_come_back_begin_a_new_epoch_and_not_the_closed_one(lab: Lab) -> None:
    first = checkpoint_path(lab).name
    partitions = lab.settings.stream.shuffle_partitions
    for value in (7, partitions, 7):
        lab = with_stream(lab, shuffle_partitions=value)
        stream.submit_stream("lab")
    with closing(Store(lab.paths.store)) as store:
        known = store.known_epochs()
    assert [each.checkpoint.partition("-")[0] == first for each in known] == [True, False, True, False]
    assert len({each.checkpoint for each in known}) == 4
    assert [each.closed for each in known] == [True, True, True, False]


def test_another_window_time_is_another_rule(lab: Lab) -> None:
    lab = with_stream(lab, window_time=WindowTime.EVENT)
    stream.submit_stream("lab")
    with closing(Store(lab.paths.store)) as store:
        assert [each.rule for each in store.known_epochs()] == [Rule(WindowTime.ARRIVAL), Rule(WindowTime.EVENT)]


def test_windows_of_another_length_are_another_rule_and_begin_where_the_others_ended(lab: Lab, world: World) -> None:
    lab = with_stream(lab, window_seconds=10)
    stream.submit_stream("lab")
    assert world.changes == ["end stream", "launch stream"], "the job that counts minutes is stopped first"
    with closing(Store(lab.paths.store)) as store:
        minutes, tens = store.known_epochs()
    assert (minutes.rule, tens.rule) == (Rule(), Rule(window_seconds=10))
    assert (minutes.closed, tens.closed, tens.starts) == (True, False, {0: 9})


def test_a_checkpoint_of_minutes_keeps_the_key_that_it_had_before_there_were_other_windows(lab: Lab) -> None:
    topic = known_topic_id(lab)
    assert key_of(lab, topic) == f"{lab.state.cluster_id}|{topic}|3|arrival|{lab.settings.stream.shuffle_partitions}"
    assert key_of(with_stream(lab, window_seconds=10), topic) == f"{key_of(lab, topic)}|10s"


def test_another_topic_is_counted_from_when_it_was_asked_for_and_the_old_one_to_its_end(
    lab: Lab, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    stack = lab.settings.stack.model_copy(update={"topic": "other"})
    write_state(lab.paths, lab.state.model_copy(update={"settings": lab.settings.model_copy(update={"stack": stack})}))
    world.topics["other"] = replace(world.topics["tweets_topic"], name="other", topic_id="another")
    clock = FakeClock()
    monkeypatch.setattr(stream, "SystemClock", lambda: clock)
    monkeypatch.setattr(stream, "CATCH_UP_SECONDS", 5.0)  # each look opens the store
    grown(monkeypatch, 12)
    assert resolve_offsets("lab") == {0: 12}
    assert opened(lab).topic == "tweets_topic", "until the job is submitted the old one is counted"
    with pytest.raises(ConfigurationConflict, match="tweets_topic is not counted to its end") as caught:
        stream.submit_stream("lab")
    assert "make up TOPIC=tweets_topic" in caught.value.next_command
    assert world.changes == []
    count(lab, {0: 12}, 5)
    grown(monkeypatch, 12, 30)
    monkeypatch.setattr(stream, "log_ends", lambda *_: {0: (0, 12)})
    stream.submit_stream("lab")
    epoch = opened(lab)
    assert (epoch.topic, epoch.starts) == ("other", {0: 12})


@pytest.mark.row(21)
@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (Path.unlink, "does not know how far its checkpoints have counted"),
        (lambda store: store.write_bytes(b"no database" * 300), "is damaged"),
    ],
)
def test_a_store_that_is_of_no_use_is_refused_until_it_is_rebuilt_and_keeps_no_producer_from_its_work(
    lab: Lab, spoil: Callable[[Path], object], words: str, said: list[str]
) -> None:
    spoil(lab.paths.store)
    assert resolve_offsets("lab") == {0: 7}, "else no stack could be brought up for the rebuild"
    assert words in said[-1]
    assert "make rebuild" in said[-1]
    with pytest.raises(DamagedFile, match=words) as caught:
        counting_epoch(lab, known_topic_id(lab))
    assert caught.value.next_command == "make rebuild"
    assert stream.rebuild_stream("lab") == {0: 7}
    assert opened(lab).starts == {0: 7}


@pytest.mark.row(21)
def test_a_store_that_is_none_is_set_aside_by_a_rebuild(lab: Lab) -> None:
    lab.paths.store.write_bytes(b"no database, but longer than the hundred bytes of a header " * 3)
    assert stream.rebuild_stream("lab") == {0: 7}
    assert [path for path in lab.paths.data.iterdir() if path.name.startswith(lab.paths.store.name + ASIDE)]
    assert opened(lab).last_batch is None


def test_a_store_of_before_there_were_epochs_is_adopted_and_hands_over_where_its_last_batch_ended(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(lab, {0: 11})
    before = lab.paths.checkpoint(epochs._name(epochs.key_of(lab, known_topic_id(lab), "2"), 0))
    checkpoint_path(lab).rename(before)
    start_file(checkpoint_path(lab)).rename(start_file(before))
    with closing(Store(lab.paths.store)) as store, store._opened.engine.begin() as connection:
        for table in ("epochs", "epoch_offsets"):
            connection.exec_driver_sql(f"DELETE FROM {table}")  # noqa: S608 - our own names
        connection.exec_driver_sql("UPDATE batches SET ends = NULL, checkpoint = ?", (before.name,))
    assert resolve_offsets("lab") == {0: 7}
    assert (opened(lab).checkpoint, opened(lab).counted_to(), opened(lab).last_batch) == (before.name, {0: 11}, 1)
    grown(monkeypatch, 99)
    stream.submit_stream("lab")
    assert (opened(lab).checkpoint != before.name, opened(lab).starts) == (True, {0: 11}), "today's job is another one"


@pytest.mark.row(21)
def test_a_rebuild_counts_from_the_first_start_under_a_new_checkpoint_and_keeps_the_old_one(
    lab: Lab, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    checkpoint = checkpoint_path(lab)
    (lab.paths.checkpoints / "other.start.json").write_text('{"0": 3}')
    (lab.paths.checkpoints / "lost.start.json").write_text("")
    for module in ("epochs", "stream"):
        monkeypatch.setattr(f"infra.operations.{module}.log_ends", lambda *_: {0: (2, 99), 1: (4, 9)})
    assert stream.rebuild_stream("lab") == {0: 3, 1: 4}
    with closing(Store(lab.paths.store)) as store:
        assert counting.counts(store) == {}
    assert resolve_offsets("lab") == {0: 3, 1: 4}
    assert not checkpoint.exists()
    kept = sorted(path.name.partition(ASIDE)[0] for path in lab.paths.checkpoints.iterdir() if ASIDE in path.name)
    assert kept == [checkpoint.name, "lost.start.json", "other.start.json"]
    assert world.changes[-2:] == ["end stream", "launch stream"]


@pytest.mark.row(21)
def test_a_rebuild_begins_at_the_logs_beginning_where_retention_has_passed_the_start(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("epochs", "stream"):
        monkeypatch.setattr(f"infra.operations.{module}.log_ends", lambda *_: {0: (50, 99)})
    assert stream.rebuild_stream("lab") == {0: 50}
    assert earlier_records(lab) == {0: 50}


@pytest.mark.row(21)
def test_a_rebuild_finds_a_lost_start_in_the_checkpoint(lab: Lab) -> None:
    first = checkpoint_path(lab) / "sources" / "0" / "0"
    first.parent.mkdir(parents=True)
    first.write_bytes(b'\0v1\n{"tweets_topic":{"0":5}}')
    start_file(checkpoint_path(lab)).write_text("")
    assert resolve_offsets("lab") == {0: 7}, "the store knows it too"
    assert stream.rebuild_stream("lab") == resolve_offsets("lab") == {0: 5}


@pytest.mark.row(21)
def test_a_rebuild_of_a_stack_that_is_not_up_is_refused_and_changes_nothing(lab: Lab, world: World, said: list[str]) -> None:
    before = open_epoch(lab)
    want(lab, Wanted.STOPPED)
    with pytest.raises(ConfigurationConflict, match="the stack lab is not up"):
        rebuild.main(RebuildForm(name="lab"))
    assert said == [], "that the stream stops is not said, since it does not"
    assert open_epoch(lab) == before
    assert "end stream" not in world.changes


def test_a_start_is_recorded_beside_its_checkpoint(lab: Lab) -> None:
    path: Path = checkpoint_path(lab)
    assert start_file(path).read_text() == '{"0": 7}'
    epochs.record_start(path, {0: 4})
    assert epochs.read_start(start_file(path)) == {0: 4}
    start_file(path).write_text("[]")
    with pytest.raises(ConfigurationConflict, match="the checkpoint is damaged"):
        earlier_records(lab)


def test_a_checkpoint_elsewhere_is_another_one_which_takes_over(lab: Lab, tmp_path: Path) -> None:
    base = tmp_path / "shared"
    base.mkdir()
    before = opened(lab)
    changed = lab.settings.model_copy(update={"places": PlaceSettings(checkpoint=f"file://{base}")})
    write_state(lab.paths, lab.state.model_copy(update={"settings": changed}))
    stream.submit_stream("lab")
    after = opened(open_lab("lab"))
    assert after.checkpoint != before.checkpoint
    assert after.starts == {0: 9}
    assert checkpoint_path(open_lab("lab")) == base / lab.paths.stack_id / after.checkpoint


def test_checkpoints_elsewhere_are_set_aside_too(lab: Lab, tmp_path: Path) -> None:
    base = tmp_path / "shared"
    base.mkdir()
    changed = lab.settings.model_copy(update={"places": PlaceSettings(checkpoint=f"file://{base}")})
    write_state(lab.paths, lab.state.model_copy(update={"settings": changed, "wanted": Wanted.UP}))
    stream.submit_stream("lab")
    place = checkpoint_path(open_lab("lab"))
    place.mkdir(parents=True)
    stream.rebuild_stream("lab")
    assert [ASIDE in path.name for path in place.parent.iterdir()] == [True]
    assert opened(open_lab("lab")).starts == {0: 7}


def test_a_checkpoint_that_a_rebuild_did_not_see_is_not_taken_for_a_new_one(lab: Lab, tmp_path: Path) -> None:
    def submit(checkpoint: str) -> None:
        state = open_lab("lab").state
        changed = state.settings.model_copy(update={"places": PlaceSettings(checkpoint=checkpoint)})
        write_state(lab.paths, state.model_copy(update={"settings": changed, "wanted": Wanted.UP}))
        stream.submit_stream("lab")

    elsewhere = f"file://{tmp_path}"
    submit(elsewhere)
    place = checkpoint_path(open_lab("lab"))
    place.mkdir(parents=True)
    submit("")
    stream.rebuild_stream("lab")
    assert place.exists()
    submit(elsewhere)
    again = checkpoint_path(open_lab("lab"))
    assert (again.parent, again.name) == (place.parent, f"{place.name}-1"), "Spark would go on from batches that are forgotten"
