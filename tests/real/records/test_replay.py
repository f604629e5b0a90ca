"""Files of public shape at ten times their pace, a topic of strangers, and a file with its original times, into one stack, and
all of that into another: they end in their own rankings."""

from __future__ import annotations

import json
import os
import random
from collections import Counter
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic
from real.conftest import new_stack
from real.harness import heard, plain

from flows import audit
from infra.forms.producing import FileReplayForm, TopicReplayForm
from infra.forms.stacks import LastStep
from infra.producers import replay_file, replay_topic
from trending.export.parquet import export_final
from trending.kafka.log_reader import ends_of, log_ends, read_log
from trending.replay.items import Times
from trending.serving.store import Store

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from real.harness import RealStack

    from trending.audit.audit_report import AuditReport

BEGIN = datetime(2018, 10, 10, 20, 19, 24, tzinfo=UTC)
LENGTH, SPEED, WINDOW = 100, 10, 5
POSTS = 400
Truth = Counter[tuple[int, str]]
"""(Number of the file's window of 50 s, hashtag) → posts."""
Audited = tuple["AuditReport", Counter[tuple[str, int, str]]]
"""The audit of all that a stack has, and what its store has counted."""


def made(tags: str) -> tuple[list[tuple[datetime, str]], Truth]:
    """Return posts in order, from the file's first moment on, and their ranking."""
    drawn = random.Random(tags)
    seconds = sorted([0.0, *(round(drawn.uniform(0, LENGTH), 3) for _post in range(POSTS - 1))])
    posts = [(BEGIN + timedelta(seconds=each), f"#{tags}{drawn.choice('aaabbc')}") for each in seconds]
    truth = Counter((int((time - BEGIN).total_seconds()) // (SPEED * WINDOW), tag) for time, tag in posts)
    return posts, truth


def v1(path: Path) -> Truth:
    """Write lines of v1.1, the newest first as a search has them; the seconds are whole there."""
    posts, _truth = made("v1")
    whole = [(time.replace(microsecond=0), tag) for time, tag in posts]
    lines = [
        {
            "created_at": time.strftime("%a %b %d %H:%M:%S +0000 %Y"),
            "full_text": f"hola {tag}",
            "user": {"screen_name": "ana"},
            "entities": {"hashtags": [{"text": tag.removeprefix("#"), "indices": [5, 9]}]},
        }
        for time, tag in reversed(whole)
    ]
    path.write_text("".join(f"{json.dumps(line)}\n" for line in [*lines, {"delete": {}}]) + '{"created_at":', encoding="utf-8")
    return Counter((int((time - BEGIN).total_seconds()) // (SPEED * WINDOW), tag) for time, tag in whole)


def v2(path: Path) -> Truth:
    """Write pages of v2, their users beside them."""
    posts, truth = made("v2")
    data = [
        {
            "id": str(number),
            "author_id": "7",
            "text": f"hola {tag}",
            "created_at": time.isoformat().replace("+00:00", "Z"),
            "entities": {"hashtags": [{"start": 5, "end": 9, "tag": tag.removeprefix("#")}]},
        }
        for number, (time, tag) in enumerate(posts)
    ]
    users = {"users": [{"id": "7", "username": "luis"}]}
    pages = [{"data": data[first : first + 100], "includes": users} for first in range(0, POSTS, 100)]
    path.write_text("".join(f"{json.dumps(page)}\n" for page in pages), encoding="utf-8")
    return truth


def csv(path: Path) -> Truth:
    """Write a CSV as Excel in Spain does, with a post without a hashtag and a row without a time."""
    posts, truth = made("ñ")
    rows = [f"{number};{time:%Y-%m-%d %H:%M:%S.%f};¡qué {tag}!" for number, (time, tag) in enumerate(posts)]
    rows += [f"{POSTS};2018-10-10 20:21:00;nada", f"{POSTS + 1};;#lost"]
    path.write_bytes("\r\n".join(["id;created_at;text", *rows]).encode("latin-1"))
    return truth


def counted(counts: Mapping[tuple[str, int, str], int], tags: str) -> Truth:
    """Return what was counted of hashtags, by the number of their window."""
    own = {(window, tag): tweets for (_checkpoint, window, tag), tweets in counts.items() if tag.startswith(f"#{tags}")}
    first = min((window for window, _tag in own), default=0)
    return Counter({((window - first) // WINDOW, tag): tweets for (window, tag), tweets in own.items()})


def record_topic(stack: RealStack) -> None:
    """Make a topic of strangers on the stack's cluster, with keys of their own and a record that is no tweet."""
    client = stack.lab.stack.connection.client()
    # Of times long ago: retention would take the records at its next look.
    config = {"retention.ms": "-1", "message.timestamp.type": "CreateTime"}
    admin = AdminClient(client)  # kept: one that is gone takes its answers with it
    admin.create_topics([NewTopic("recorded", 2, config=config)])["recorded"].result(30)
    with Producer(client) as sender:
        for number in range(100):
            time = BEGIN.timestamp() + number
            value = json.dumps({"hashtag_principal": f"#topic{number % 3}", "timestamp": time}) if number % 10 else "{"
            sender.produce("recorded", value, b"orders:17", number % 2, timestamp=int(time * 1000))
        assert sender.flush(30) == 0


def by_original_times(stack: RealStack, path: Path) -> None:
    """Have the stack count by original times from here on, and replay a file with them."""
    stack.bring_up(LastStep.STREAM, scenario="quiet", window_time="original", window_seconds=str(WINDOW), partitions="2")
    replay_file.main(FileReplayForm(name=stack.name, file=str(path), speed=SPEED * 10, times=Times.ORIGINAL))


def in_own_windows(path: Path) -> Truth:
    """Return the ranking of lines of v1.1 in windows of their own times; the window is its start."""
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if "full_text" in line]
    times = [int(datetime.strptime(row["created_at"], "%a %b %d %H:%M:%S %z %Y").timestamp()) for row in rows]
    return Counter((time - time % WINDOW, row["full_text"].split()[-1]) for time, row in zip(times, rows, strict=True))


def audited(stack: RealStack) -> Audited:
    with plain():
        report = audit.recount(stack.name, resume=False)
    with closing(Store(stack.paths.store)) as store:
        return report, Counter(store.view().counts)


def of_hashtags(counts: Mapping[tuple[str, int, str], int]) -> Counter[str]:
    """Return what was counted of each hashtag in all windows."""
    found: Counter[str] = Counter()
    for (_checkpoint, _window, tag), tweets in counts.items():
        found[tag] += tweets
    return found


def require_own_windows_and_all_of_it_again(first: Audited, then: Audited, again: Audited, path: Path) -> None:
    """The file is ranked in windows of 2018, by an epoch of its own; the other stack has counted everything, by arrival."""
    (report, counts), (original, all_counts), (copied, copied_counts) = first, then, again
    told = "\n".join([*original.lines(None), *copied.lines(None)])
    of_epoch = {(window, tag): tweets for (_checkpoint, window, tag), tweets in (all_counts - counts).items()}
    assert of_epoch == in_own_windows(path), told
    assert original.acknowledged == report.acknowledged + POSTS, told
    assert of_hashtags(copied_counts) == of_hashtags(all_counts), told
    assert copied.acknowledged == original.acknowledged + 1, told
    assert (dict(copied.rejected), copied.untagged) == (dict(original.rejected), original.untagged + 1), told


def require_clean(report: AuditReport, told: str) -> None:
    assert report.clean, told
    assert report.complete, told
    assert (report.lost, report.duplicated, report.unknown_arrived, report.disordered) == (0, 0, 0, 0), told


def test_files_of_public_shape_and_a_topic_of_others_end_in_their_own_ranking_and_a_clean_audit(real_home: Path) -> None:
    os.environ["TRENDING_HOME"] = str(real_home)
    stack, second = new_stack(), new_stack()
    truths: dict[str, Truth] = {}
    said: list[str] = []
    try:
        stack.bring_up(LastStep.STREAM, scenario="quiet", window_time="event", window_seconds=str(WINDOW), partitions="2")
        for tags, write in (("v1", v1), ("v2", v2), ("ñ", csv)):
            path = real_home / f"{write.__name__}.data"
            truths[tags] = write(path)
            with heard() as lines:
                replay_file.main(FileReplayForm(name=stack.name, file=str(path), speed=SPEED))
            said += lines
        record_topic(stack)
        with heard() as lines:
            replay_topic.main(TopicReplayForm(name=stack.name, of_topic="recorded", speed=SPEED * 4))
        said += lines
        report, counts = audited(stack)
        connection, topic = stack.lab.stack.connection, stack.lab.settings.stack.topic
        records = list(read_log(connection, topic, {}, ends_of(log_ends(connection, topic))))
        with heard() as lines:
            by_original_times(stack, real_home / "v1.data")
        said += lines
        original = audited(stack)
        exported = export_final(stack.paths.store, real_home / "exported")
        second.bring_up(LastStep.STREAM, scenario="quiet", window_seconds=str(WINDOW))
        with heard() as lines:
            replay_topic.main(TopicReplayForm.model_validate({"name": second.name, "from": stack.name, "speed": 100}))
        said += lines
        again = audited(second)
    finally:
        os.environ["TRENDING_HOME"] = str(real_home)
        try:
            second.down()
        finally:
            stack.down()
    for each in (report, original[0], again[0]):
        require_clean(each, "\n".join([*each.lines(None), *said]))
    told = "\n".join([*report.lines(None), *said])
    assert report.acknowledged == report.in_log == 1 + 3 * POSTS + 1 + 100, told
    assert {tags: counted(counts, tags) for tags in truths} == truths
    assert sum(tweets for (_checkpoint, _window, tag), tweets in counts.items() if tag.startswith("#topic")) == 90
    assert (dict(report.rejected), report.untagged) == ({"not valid JSON": 10}, 2), told
    assert sum(record.key == b"orders:17" for record in records) == 100
    assert sum("origin.time" in record.headers for record in records) == 3 * POSTS + 1 + 90
    assert any(": sorted by time" in line for line in said), told
    assert "left out 1 row that is no post: the whole row 1" in said, told
    assert "left out 1 row that is no post: time 1" in said, told
    require_own_windows_and_all_of_it_again((report, counts), original, again, real_home / "v1.data")
    assert not [path for path, rows in exported.items() if "original" in path.name and rows], "none of them is final"
