from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from trending.page.moving.palette import HUES, NEUTRAL, Palette

TAGS = [f"#{number}" for number in range(12)]


def test_a_hashtag_keeps_its_colour_while_others_come_and_go() -> None:
    palette = Palette()
    palette.show(TAGS[:3], 1.0)
    first = palette.hue(TAGS[0])
    for now in range(2, 20):
        palette.show([TAGS[0], TAGS[now % 12], TAGS[(now + 1) % 12]], float(now))
        assert palette.hue(TAGS[0]) == first


def test_another_life_of_the_page_gives_the_same_colours() -> None:
    one, other = Palette(), Palette()
    for palette in (one, other):
        palette.show(TAGS[:8], 1.0)
    assert [one.hue(tag) for tag in TAGS] == [other.hue(tag) for tag in TAGS]
    assert one.hue(TAGS[11]) == NEUTRAL


@given(st.lists(st.lists(st.sampled_from(TAGS), max_size=12), max_size=12))
def test_of_those_that_lead_no_two_share_a_colour(shown: list[list[str]]) -> None:
    palette = Palette()
    for now, hashtags in enumerate(shown):
        palette.show(hashtags, float(now))
        leading = list(dict.fromkeys(hashtags))[:HUES]
        hues = [palette.hue(tag) for tag in leading]
        assert NEUTRAL not in hues
        assert len(set(hues)) == len(leading)
