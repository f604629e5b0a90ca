from __future__ import annotations

import json
import re
import threading
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from confluent_kafka import KafkaError
from fakes.stacks import beat, make
from fakes.trending.kafka import MIDNIGHT

from infra.forms.producing import FileReplayForm
from infra.host.paths import CHECKOUT
from infra.producers import replay_file, replaying
from infra.stack.state import Wanted, write_state
from trending.errors import (
    ConfigurationConflict,
    InvalidInput,
    LabError,
    NotReady,
    PrerequisiteMissing,
    StackAbsent,
    StackBusy,
)
from trending.producer.ledger import read_ledger
from trending.programs.heartbeat import FINISHED
from trending.replay.posts import Post
from trending.replay.survey import survey
from trending.settings import StreamSettings, WindowTime
from trending.tweets.wire_format import decode

if TYPE_CHECKING:
    from pathlib import Path

    from fakes.trending.kafka import FakeKafka

    from infra.lab.assembly import Lab

ROWS = """created_at,text,user
2018-10-10 20:00:00,hola #Spark,ana
2018-10-10 20:10:00,sin etiqueta,luis
2018-10-10 20:19:59,#IA,eva
"""
RIGHT = "1539202764 (s, ms or us), 2018-10-10T20:19:24Z, Wed Oct 10 20:19:24 +0000 2018"


@pytest.fixture
def lab(kafka: FakeKafka, monkeypatch: pytest.MonkeyPatch) -> Lab:
    assert kafka
    monkeypatch.setattr(replay_file, "known_topic_id", lambda _lab: "topic-1")
    return make(stream=StreamSettings(time_zone="Etc/UTC", window_time=WindowTime.EVENT))


def form(path: Path, **more: object) -> FileReplayForm:
    return FileReplayForm.model_validate({"name": "lab", "file": str(path), **more})


def test_a_file_is_read_told_sent_and_booked(lab: Lab, kafka: FakeKafka, tmp_path: Path, said: list[str]) -> None:
    path = tmp_path / "a.csv"
    path.write_text(ROWS + "x,y,z\n", encoding="utf-8")
    replay_file.main(form(path, speed=10))
    tweets = [decode(record.value() or b"") for record in kafka.records("tweets_topic")]
    assert [(each.usuario, each.hashtag_principal) for each in tweets] == [("ana", "#Spark"), ("luis", ""), ("eva", "#IA")]
    assert [each.timestamp - MIDNIGHT - 1020 for each in tweets] == [0, 60, pytest.approx(119.9)]
    ledger = read_ledger(lab.paths.ledger)
    assert ledger.acknowledged == 3
    (run,) = ledger.reserved
    when = (
        said.index("the first one comes at 2025-12-16 00:17:00") if "the first one comes at 2025-12-16 00:17:00" in said else None
    )
    told = [line for place, line in enumerate(said) if place != when]
    assert told == [
        f"reading {path}",
        f"row 5: time 'x' is no time: it would be one of {RIGHT}",
        "3 posts from 2018-10-10T20:00:00Z to 2018-10-10T20:19:59Z, 1 of them without a hashtag, which is not ranked",
        "at 10 times its pace it takes 0:02:00; 60 s hold 0:10:00 of it",
        f"sent 3 records under ids of the run {run}, acknowledged 3",
        "left out 1 row that is no post: time 1",
        "make audit proves the count",
    ]


def test_the_examples_csv_is_read_as_the_page_says() -> None:
    page = (CHECKOUT / "docs" / "your-own.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^make replay (FILE=examples/.*)$", page, re.MULTILINE)
    given = {name.lower(): value for name, value in (each.split("=", 1) for each in command.split())}
    file = replay_file.file_of(FileReplayForm.model_validate({**given, "file": str(CHECKOUT / given["file"])}))
    posts = [*file.posts()]
    for line in replay_file.lines_of(survey(posts, lambda _posts: None)):
        assert f"\n{line}\n" in page
    tags = Counter(each.hashtag for each in posts if isinstance(each, Post) and each.hashtag)
    assert ", ".join(f"`{hashtag}` {many}" for hashtag, many in tags.most_common()) in page


def test_a_file_that_is_not_in_order_is_sorted_and_that_is_said(
    lab: Lab, kafka: FakeKafka, tmp_path: Path, said: list[str]
) -> None:
    assert lab
    path = tmp_path / "a.jsonl"
    rows = [{"created_at": 1539202764 + seconds, "text": f"#t{seconds}"} for seconds in (20, 10, 0)]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    replay_file.main(form(path))
    tweets = [decode(record.value() or b"") for record in kafka.records("tweets_topic")]
    assert [each.hashtag_principal for each in tweets] == ["#t0", "#t10", "#t20"]
    assert "row 2 and 1 more are older than one before, by up to 0:00:20: sorted by time" in said


@pytest.mark.usefixtures("lab")
@pytest.mark.parametrize(
    ("name", "content", "cause"),
    [
        ("", None, "FILE is missing"),
        ("none.csv", None, "there is no file"),
        ("a.csv", "created_at,text\nx,y\n", "has no post that could be replayed"),
        ("a.csv", "created_at,text\n", "has no post that could be replayed"),
        ("a.csv", "a,b\n1,2\n", "which column is the time"),
    ],
)
def test_what_cannot_be_replayed_is_one_message_and_nothing_is_sent(
    name: str, content: str | None, cause: str, tmp_path: Path, kafka: FakeKafka
) -> None:
    path = tmp_path / name
    if content is not None:
        path.write_text(content, encoding="utf-8")
    with pytest.raises(InvalidInput, match=cause):
        replay_file.main(FileReplayForm(name="lab", file=str(path) if name else ""))
    assert kafka.producers == []


@pytest.mark.usefixtures("world")
def test_without_a_stack_it_says_so(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(ROWS, encoding="utf-8")
    with pytest.raises(StackAbsent):
        replay_file.main(form(path))


def test_one_replay_at_a_time(lab: Lab, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(ROWS, encoding="utf-8")
    with replaying.alone(lab.paths), pytest.raises(StackBusy, match="another replay into the stack lab"):
        replay_file.main(form(path))


def test_what_ends_the_producer_ends_the_command(lab: Lab, kafka: FakeKafka, tmp_path: Path) -> None:
    assert lab
    path = tmp_path / "a.csv"
    path.write_text(ROWS, encoding="utf-8")
    kafka.refuse = lambda _topic, _value: KafkaError(KafkaError._FATAL)
    with pytest.raises(LabError, match="librdkafka gave up"):
        replay_file.main(form(path, speed=1000))


def want(lab: Lab, wanted: Wanted) -> None:
    write_state(lab.paths, lab.state.model_copy(update={"wanted": wanted}))


def test_into_a_stack_that_does_not_run_nothing_is_sent(lab: Lab, kafka: FakeKafka, tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(ROWS, encoding="utf-8")
    want(lab, Wanted.STOPPED)
    with pytest.raises(NotReady, match="the stack lab does not run") as caught:
        replay_file.main(form(path))
    assert caught.value.next_command.startswith("make up NAME=lab")
    assert kafka.producers == []


@pytest.mark.parametrize("deleted", [False, True])
def test_a_take_down_ends_a_replay_in_order_and_that_is_said(
    lab: Lab, kafka: FakeKafka, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, deleted: bool
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(ROWS, encoding="utf-8")
    monkeypatch.setattr(replaying, "LOOK_SECONDS", 0.01)
    said, ended = threading.Event(), threading.Event()

    def take_down() -> None:
        if not said.is_set():
            said.set()
            want(lab, Wanted.DOWN)
            if deleted:
                lab.paths.state.unlink()
            ended.wait(0.5)  # of the machine's time, in which the command looks

    kafka.clock.at(kafka.clock.now + 50, take_down)
    with pytest.raises(NotReady, match="the stack lab was stopped while the replay was at work") as caught:
        replay_file.main(form(path, speed=10))
    assert "sent 1, acknowledged 1" in caught.value.evidence
    assert len(kafka.records("tweets_topic")) == 1
    with replaying.alone(lab.paths):
        pass


def test_with_its_original_times_a_file_keeps_them_on_a_stack_that_counts_by_them(
    lab: Lab, kafka: FakeKafka, tmp_path: Path
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(ROWS, encoding="utf-8")
    with pytest.raises(ConfigurationConflict, match="would be late") as caught:
        replay_file.main(form(path, times="original"))
    assert caught.value.next_command == "make up WINDOW_TIME=original SCENARIO=quiet"
    make(stream=StreamSettings(window_time=WindowTime.ORIGINAL))
    replay_file.main(form(path, times="original", speed=100))
    times = [decode(record.value() or b"").timestamp for record in kafka.records("tweets_topic")]
    assert times == [1539201600.0, 1539202200.0, 1539202799.0]
    assert lab


def test_what_would_stay_in_state_and_store_for_good_must_have_room(
    lab: Lab, kafka: FakeKafka, tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(ROWS, encoding="utf-8")
    replaying.require_room(lab, 10**15)
    assert not said, "where windows are over, it does not stay"
    make(stream=StreamSettings(window_time=WindowTime.ORIGINAL))
    with monkeypatch.context() as patched:
        patched.setattr(replaying, "GROUP_BYTES", 2**50)
        with pytest.raises(PrerequisiteMissing, match="MiB of disk are needed"):
            replay_file.main(form(path, times="original", speed=100))
    assert not kafka.records("tweets_topic"), "before anything was sent"
    replay_file.main(form(path, times="original", speed=100))
    assert any(
        line.startswith("by original times no window is ever over: up to 1 MiB stay in state and store; ") for line in said
    )


def test_what_is_counted_beside_it_is_said(lab: Lab, said: list[str]) -> None:
    beat(lab, "producer", phase="running")
    replaying.tell_what_comes_beside(lab)
    assert said == ["the stack's own producer sends tweets too; make up SCENARIO=quiet has it send none that is ranked"]
    beat(lab, "producer", phase=FINISHED)
    replaying.tell_what_comes_beside(lab)
    assert len(said) == 1
    by_arrival = make(stream=StreamSettings())
    replaying.tell_what_comes_beside(by_arrival)
    assert said[1:] == [
        "the stack counts by arrival: at a window's edge a tweet may fall into the next; WINDOW_TIME=event keeps them apart"
    ]
