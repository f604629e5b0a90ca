"""Colours, size, view and time zone of the page, over HTTP."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from fakes.trending.page import PageHome, served, visitor

from trending.page.wording.look import zone_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx


@pytest.fixture
def web(home: PageHome) -> Iterator[httpx.Client]:
    home.write(int(time.time()) // 60 * 60, {"#a": 1})
    with served(home.spec(time_zone="Europe/Madrid")) as address, visitor(address) as client:
        yield client


def root(client: httpx.Client, **query: str) -> str:
    text = client.get("/", params=query).text
    return text[text.index("<html") : text.index(">", text.index("<html"))]


def test_colours_and_size_are_kept_and_a_view_is_only_asked_for(web: httpx.Client) -> None:
    assert 'data-theme="auto" data-size="usual" data-view="full"' in root(web)
    assert 'data-theme="dark" data-size="large" data-view="projector"' in root(web, theme="dark", size="large", view="projector")
    assert {"theme": "dark", "size": "large"}.items() <= dict(web.cookies).items()
    assert 'data-theme="dark" data-size="large" data-view="full"' in root(web)


@pytest.mark.parametrize("value", ["neon", '"><script>', ""])
def test_a_look_that_we_do_not_know_is_the_usual_one(value: str, web: httpx.Client) -> None:
    assert 'data-theme="auto" data-size="usual" data-view="full"' in root(web, theme=value, size=value, view=value)
    assert not web.cookies


def test_every_choice_is_a_link_that_keeps_the_view_and_the_zone_is_named(web: httpx.Client) -> None:
    text = web.get("/", params={"view": "projector", "lang": "en"}).text
    for query in ("lang=es&amp;view=projector", "theme=dark&amp;view=projector", "size=large&amp;view=projector", "view=full"):
        assert f'href="?{query}"' in text, query
    assert "Time zone: Europe/Madrid" in text


def test_a_machines_own_zone_is_named_with_its_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", "XST-5:30")
    time.tzset()
    try:
        assert zone_name(None) == "XST (UTC+05:30)"
    finally:
        monkeypatch.undo()
        time.tzset()
