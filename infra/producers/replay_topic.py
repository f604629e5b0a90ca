"""Replay what a topic holds already: into another stack, under new ids, at its own pace or faster."""

from __future__ import annotations

import time
from fractions import Fraction
from itertools import chain
from typing import TYPE_CHECKING

from infra.console.reporting import say
from infra.forms.producing import TopicReplayForm
from infra.forms.terminal import run_command
from infra.lab.assembly import open_lab
from infra.operations.epochs import known_topic_id
from infra.producers.replaying import replay, require_room, require_times, tell_what_comes_beside
from trending.errors import InvalidInput
from trending.kafka.log_reader import topic_id
from trending.replay.items import Pace
from trending.replay.times import MICROSECONDS
from trending.replay.topic import TopicItems, records_of
from trending.text import local_time

if TYPE_CHECKING:
    from infra.lab.assembly import Lab

EXAMPLE = "make replay-topic FROM=trending NAME=another SPEED=10"


def main(settings: TopicReplayForm) -> None:
    """Send all that the topic holds now; raises InvalidInput where there is none, or where it is the stack's own."""
    source, topic = _source(settings)
    lab = open_lab(settings.name)
    require_times(lab, settings.times, topic)
    target = known_topic_id(lab)
    found = topic_id(source.stack.connection, topic)
    if found is None:
        cause = f"there is no topic {topic} at {source.stack.connection.bootstrap}"
        raise InvalidInput(cause, f"the cluster of the stack {source.paths.name}", EXAMPLE)
    if found == target and source.state.cluster_id == lab.state.cluster_id:
        cause = f"{topic} is the stack's own topic: everything would be counted twice"
        raise InvalidInput(cause, "make rebuild counts a stack's own topic anew", EXAMPLE)
    with records_of(source.stack.connection, topic) as (total, records):
        first = next(records, None)
        if first is None:
            cause = f"{topic} holds no record"
            raise InvalidInput(cause, f"the cluster of the stack {source.paths.name}", EXAMPLE)
        zone = lab.settings.stream.zone
        began = local_time(first.append_time, zone)
        say(f"{topic} of the stack {source.paths.name} has up to {total} records; the first came at {began}")
        require_room(lab, total)
        tell_what_comes_beside(lab)
        made = TopicItems(topic, settings.times)
        pace = Pace(round(first.append_time * MICROSECONDS), Fraction(str(settings.speed)))
        # At least as many a second: when the last one came, nobody knows before it is read.
        rate = total * settings.speed / max(1.0, time.time() - first.append_time)
        replay(lab, target, made.items(chain([first], records), pace), rate, total)
    for reason, number in sorted(made.rejected.items()):
        say(f"{number} were no tweets there either and were sent as they are: {reason}")
    if made.left_out:
        say(f"left out {made.left_out} record{'' if made.left_out == 1 else 's'} of tests/tester.py")
    say("make audit proves the count")


def _source(settings: TopicReplayForm) -> tuple[Lab, str]:
    """Return the stack whose cluster has the topic, and the topic; raises InvalidInput, StackAbsent without."""
    name = settings.source or (settings.name if settings.of_topic else "")
    if not name:
        cause = "FROM is missing: which stack's topic is to be replayed?"
        raise InvalidInput(cause, "OF_TOPIC alone means another topic of the stack's own cluster", EXAMPLE)
    source = open_lab(name)
    return source, settings.of_topic or source.settings.stack.topic


if __name__ == "__main__":
    run_command(TopicReplayForm, main, ".venv/bin/python -m infra.producers.replay_topic")
