"""The feed without a server: what each viewer is sent, whatever happens while it is sent."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any, cast

from hypothesis import given
from hypothesis import strategies as st

from trending.page.feed import Feed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from trending.page.board import Board

STATES = st.lists(st.fixed_dictionaries({"a": st.integers(0, 2), "b": st.integers(0, 2)}), min_size=1, max_size=8)


def feed() -> Feed:
    return Feed(cast("Board", None))


def parsed(event: bytes) -> tuple[str, dict[str, Any]]:
    fields = dict(line.split(": ", 1) for line in event.decode().splitlines() if line)
    return fields["id"], json.loads(fields["data"])


async def next_event(events: AsyncIterator[bytes]) -> bytes:
    while True:
        event = await anext(events)
        if event.startswith(b"id:"):
            return event


@given(STATES, st.data())
def test_a_viewer_ends_with_the_last_state_however_slow_it_reads_and_often_it_reconnects(
    states: list[dict[str, int]], data: st.DataObject
) -> None:
    async def view() -> None:
        made = feed()
        seen: dict[str, Any] = {}
        last_id: str | None = None
        events = made.events(None)
        for state in states:
            made.publish(state, 0)
            if data.draw(st.booleans()):
                last_id, changed = parsed(await asyncio.wait_for(next_event(events), 1))
                seen.update(changed)
                assert seen == state
            if data.draw(st.booleans()):
                events = made.events(last_id)
            # A state that is the same as the last one read is no event: wait for none.
            if seen == state:
                made.publish({"a": -1, "b": -1}, 0)
        made.publish({"a": 9, "b": 9}, 0)
        _id, changed = parsed(await asyncio.wait_for(next_event(events), 1))
        assert {**seen, **changed} == {"a": 9, "b": 9}

    asyncio.run(view())


def test_what_changes_while_an_event_is_on_its_way_comes_with_the_next_one() -> None:
    async def view() -> None:
        made = feed()
        made.publish({"a": 1, "b": 1}, 0)
        events = made.events(None)
        assert parsed(await next_event(events))[1] == {"a": 1, "b": 1}
        made.publish({"a": 2, "b": 1}, 0)  # the viewer has not come back for more yet
        assert parsed(await asyncio.wait_for(next_event(events), 1))[1] == {"a": 2}

    asyncio.run(view())


def test_only_sections_that_differ_are_sent_and_nothing_when_none_does() -> None:
    made = feed()
    made.publish({"a": 1, "b": [1, 2]}, 0)
    made.publish({"a": 1, "b": [1, 2]}, 0)
    assert made.version == 1
    made.publish({"a": 1, "b": [1, 3]}, 0)
    assert made.version == 2


def test_closing_ends_those_who_watch_and_they_are_counted_out() -> None:
    async def view() -> None:
        made = feed()
        made.publish({"a": 1}, 0)
        events = made.events(None)
        await next_event(events)
        assert made.viewers == 1
        waiting = asyncio.ensure_future(anext(events, None))
        await asyncio.sleep(0)
        made.close()
        assert await asyncio.wait_for(waiting, 1) is None
        assert made.viewers == 0

    asyncio.run(view())


def test_figures_that_drift_are_told_once_a_second_and_with_whatever_else_changes() -> None:
    made = feed()
    made.publish({"ranking": 1, "pipeline": 1}, 10.0)
    made.publish({"ranking": 1, "pipeline": 2}, 10.25)
    assert made.version == 1
    assert made.sections["pipeline"] == 2, "who comes now is shown the newest"
    made.publish({"ranking": 2, "pipeline": 3}, 10.5)
    assert made.version == 2
    made.publish({"ranking": 2, "pipeline": 4}, 11.25)
    assert made.version == 2
    made.publish({"ranking": 2, "pipeline": 4}, 11.5)
    assert made.version == 3, "what waited is not forgotten"


def test_viewers_who_have_seen_the_same_are_sent_the_same_bytes_and_others_what_they_lack() -> None:
    async def view() -> None:
        made = feed()
        made.publish({"a": 1, "b": 1}, 0)
        one, two = made.events(None), made.events(None)
        assert await next_event(one) is await next_event(two)
        made.publish({"a": 2, "b": 1}, 0)
        late = made.events(None)
        assert parsed(await next_event(one))[1] == {"a": 2}
        assert parsed(await next_event(late))[1] == {"a": 2, "b": 1}

    asyncio.run(view())
