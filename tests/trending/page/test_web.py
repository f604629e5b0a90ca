"""The page over HTTP, served as the program serves it."""

from __future__ import annotations

import csv
import io
import json
import socket
import threading
import time
from html.parser import HTMLParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fakes.trending import counting
from fakes.trending.page import HOSTILE, PageHome, served, visitor
from pydantic import ValidationError

from trending.errors import LabError, PortTaken
from trending.page import program
from trending.programs.heartbeat import read_heartbeat
from trending.serving.counts import Batch
from trending.settings import PageSettings, Rule, WindowTime

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

SECTIONS = {"ranking", "slide", "trends", "proof", "ribbon", "pipeline", "lately", "history"}
STATIC = Path(program.__file__).parent / "static"


@pytest.fixture
def web(home: PageHome, minute: int) -> Iterator[httpx.Client]:
    """A client of a page with two windows: an earlier one that is final, and the present one."""
    home.write(minute - 180, {"#old": 7, "#b": 1})
    home.write(minute, {"#a": 5, **dict.fromkeys(HOSTILE, 3)})
    home.beat("producer", acknowledged=1)
    home.beat("stream", batch=1, read_until=time.time())
    with served(home.spec()) as address, visitor(address) as client:
        yield client


class Elements(HTMLParser):
    """The tags and texts of a page, as a browser's parser would find them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        if data.strip():
            self.texts.append(data.strip())


def events(client: httpx.Client, count: int, last_id: str | None = None) -> Iterator[dict[str, str]]:
    """Yield server-sent events as dictionaries of their fields."""
    headers = {"Last-Event-ID": last_id} if last_id else {}
    with client.stream("GET", "/events", headers=headers) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        fields: dict[str, str] = {}
        for line in answer.iter_lines():
            if line:
                name, _separator, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                yield fields
                count -= 1
                if count == 0:
                    return
                fields = {}
            else:
                fields = {}


def test_the_first_paint_has_the_ranking_in_it(web: httpx.Client) -> None:
    page = Elements(web.get("/").text)
    assert "#a" in page.texts
    assert page.texts.index("#a") < page.texts.index(HOSTILE[0])
    assert any("open" in text for text in page.texts)


@pytest.mark.row(22)
def test_by_original_times_the_first_paint_has_the_files_windows_none_final_and_no_line_of_now(home: PageHome) -> None:
    home.store.take_over(counting.epoch("file", rule=Rule(WindowTime.ORIGINAL)))
    counting.write(home.store, "file", Batch(0, time.time(), {(1_539_202_740, "#de2018"): 5}, {}))
    home.beat("stream", batch=0, read_until=time.time())
    with served(home.spec()) as address, visitor(address) as client:
        found = Elements(client.get("/").text)
    assert "#de2018" in found.texts
    lines = {tag[1]["id"]: tag[1] for tag in found.tags if tag[1].get("id") in {"now-line", "watermark-line"}}
    assert {name: line["visibility"] for name, line in lines.items()} == {"now-line": "hidden", "watermark-line": "hidden"}
    assert {tag[1]["data-stage"] for tag in found.tags if tag[0] == "g" and "data-stage" in tag[1]} == {"closing"}


def test_hostile_hashtags_make_no_element_in_any_language(web: httpx.Client) -> None:
    for language in ("en", "es"):
        page = Elements(web.get("/", params={"lang": language}).text)
        assert [tag for tag, _attributes in page.tags if tag == "img"] == []
        assert [attributes.get("src") for tag, attributes in page.tags if tag == "script"] == ["/static/page.js"]
        assert "49" not in page.texts
        assert HOSTILE[0] in page.texts
        assert "#\\u202eevil" in page.texts
        assert not any("\u202e" in text for text in page.texts)


def test_nothing_in_the_page_needs_another_host_or_an_inline_script_or_style(web: httpx.Client) -> None:
    page = Elements(web.get("/").text)
    for tag, attributes in page.tags:
        assert "style" not in attributes, tag
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "action"):
            assert (attributes.get(name) or "/").startswith(("/", "?", "#")), attributes
    assert "style" not in [tag for tag, _attributes in page.tags]
    for name in sorted(each.name for each in STATIC.iterdir()):
        content = web.get(f"/static/{name}").text.replace("http://www.w3.org/2000/svg", "")
        assert "http:" not in content
        assert "https:" not in content


@pytest.mark.parametrize("path", ["/", "/static/page.js", "/health", "/nothing", "/windows/60.csv", "/past/60"])
def test_every_answer_forbids_what_the_page_does_not_need(path: str, web: httpx.Client) -> None:
    headers = web.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "unsafe" not in policy
    assert "*" not in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


@pytest.mark.row(37)
def test_a_foreign_host_name_gets_nothing(web: httpx.Client) -> None:
    answer = web.get("/", headers={"Host": "evil.example"})
    assert answer.status_code == 400
    assert "#a" not in answer.text
    assert web.get("/", headers={"Host": "127.0.0.1:8501"}).status_code == 200


@pytest.mark.row(37)
def test_only_the_forwarders_host_that_was_named_is_answered_too(home: PageHome) -> None:
    settings = PageSettings(page_port=0, hosts="*.app.github.dev,lab.example.org")
    with served(home.spec(settings=settings)) as address, visitor(address) as client:
        for host, status in {
            "name-8501.app.github.dev": 200,
            "lab.example.org": 200,
            "app.github.dev": 400,
            "evil.example": 400,
            "app.github.dev.evil.example": 400,
        }.items():
            assert client.get("/", headers={"Host": host}).status_code == status, host


@pytest.mark.parametrize("hosts", ["*", "*.", "https://a.b", "a.b,", "a b.c", "localhost:80"])
def test_no_host_name_at_all_is_no_setting(hosts: str) -> None:
    with pytest.raises(ValidationError):
        PageSettings(hosts=hosts)


def test_the_language_is_the_browsers_until_somebody_chooses(web: httpx.Client) -> None:
    spanish = web.get("/", headers={"Accept-Language": "es-ES,es;q=0.9"})
    assert '<html lang="es"' in spanish.text
    assert "Tendencias ahora" in spanish.text
    assert spanish.headers["content-language"] == "es"
    assert "lang" not in web.cookies
    english = web.get("/", params={"lang": "en"}, headers={"Accept-Language": "es"})
    assert '<html lang="en"' in english.text
    assert '<html lang="en"' in web.get("/", headers={"Accept-Language": "es"}).text, "the choice is kept"
    assert '<html lang="en"' in web.get("/", params={"lang": "<script>"}).text


def test_an_earlier_window_can_be_asked_for_by_address(web: httpx.Client, home: PageHome, minute: int) -> None:
    page = Elements(web.get("/", params={"window": str(minute - 180)}).text)
    assert "#old" in page.texts
    assert "final" in page.texts
    assert ("option", {"value": str(minute - 180), "selected": None}) in page.tags
    home.write(minute - 7200, {"#hours ago": 1})
    older = Elements(web.get("/", params={"window": str(minute - 7200)}).text)
    assert "#hours ago" in older.texts
    assert ("option", {"value": str(minute - 7200), "selected": None}) in older.tags, "a link to it goes on working"
    for nonsense in ("1", "x", "-60", "9" * 30, "²"):
        assert "#a" in Elements(web.get("/", params={"window": nonsense}).text).texts


def test_a_window_is_exported_as_csv_that_no_spreadsheet_runs(web: httpx.Client, minute: int) -> None:
    answer = web.get(f"/windows/{minute}.csv")
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"].startswith('attachment; filename="ranking-')
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["rank"] for row in rows] == [str(number) for number in range(1, len(HOSTILE) + 2)]
    assert rows[0]["hashtag"] == "#a"
    assert rows[0]["status"] == "open"
    assert "'=1+1" in {row["hashtag"] for row in rows}
    assert HOSTILE[0] in {row["hashtag"] for row in rows}


def test_a_window_is_exported_as_json_exactly_as_it_was_counted(web: httpx.Client, minute: int) -> None:
    exported = web.get(f"/windows/{minute}.json").json()
    assert {line["hashtag"]: line["tweets"] for line in exported["ranking"]} == {"#a": 5, **dict.fromkeys(HOSTILE, 3)}
    assert exported["tweets"] == 5 + 3 * len(HOSTILE)
    assert web.get(f"/windows/{minute - 180}.json").json()["status"] == "final"


@pytest.fixture
def steady(home: PageHome, minute: int) -> Iterator[httpx.Client]:
    """A client of a page whose latest window is a whole one, behind five others of the same rate but for one hashtag."""
    for ago in range(6, 1, -1):
        home.write(minute - 60 * ago, {"#a": 120, "#b": 60, "=1+1": 1}, at=minute - 60.0)
    home.write(minute - 60, {"#b": 120, "#a": 120, "#c": 3}, at=float(minute))
    home.beat("stream", batch=5, read_until=time.time())
    with served(home.spec()) as address, visitor(address) as client:
        yield client


def test_an_export_has_what_is_known_of_each_trend(steady: httpx.Client, minute: int) -> None:
    figures = ("rank_change", "new", "velocity", "velocity_change", "trend_score")
    exported = steady.get(f"/windows/{minute - 60}.json").json()["ranking"]
    found = {line["hashtag"]: [line[figure] for figure in figures] for line in exported}
    score = 60 / 60**0.5
    assert found == {
        "#a": [0, False, 2.0, 0.0, 0.0],
        "#b": [0, False, 2.0, 1.0, pytest.approx(score)],
        "#c": [None, True, 0.05, 0.05, 3.0],
    }
    rows = {row["hashtag"]: row for row in csv.DictReader(io.StringIO(steady.get(f"/windows/{minute - 60}.csv").text))}
    assert [rows["#c"][figure] for figure in figures] == ["", "True", "0.05", "0.05", "3.0"]
    first = steady.get(f"/windows/{minute - 360}.json").json()["ranking"]
    assert [first[0][figure] for figure in figures] == [None, False, None, None, None], "not known is not 0"


def test_the_sliding_view_is_exported_whole(steady: httpx.Client, minute: int) -> None:
    answer = steady.get("/slide.json")
    exported = answer.json()
    assert answer.headers["content-disposition"].startswith('attachment; filename="last-windows-')
    assert (exported["tweets"], exported["windows_pruned"]) == (967, 0)
    sums = {"#a": 600, "#b": 360, "=1+1": 4, "#c": 3}
    assert {line["hashtag"]: line["tweets"] for line in exported["ranking"]} == sums
    rows = list(csv.DictReader(io.StringIO(steady.get("/slide.csv").text)))
    assert [(row["rank"], row["hashtag"], row["tweets"]) for row in rows] == [
        ("1", "#a", "600"),
        ("2", "#b", "360"),
        ("3", "'=1+1", "4"),
        ("4", "#c", "3"),
    ]
    assert rows[0]["start"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(minute - 300))
    assert rows[0]["end"] == time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(minute))


def test_the_first_paint_has_trends_and_the_sliding_view_in_both_languages(steady: httpx.Client) -> None:
    english = Elements(steady.get("/", params={"lang": "en"}).text).texts
    assert {"Trend", "+7.7", "+1.00 a second", "0.0", "The last five minutes", "967"} <= set(english)
    spanish = Elements(steady.get("/", params={"lang": "es"}).text).texts
    assert {"Tendencia", "+7,7", "+1,00 por segundo", "Los últimos cinco minutos"} <= set(spanish)


def test_without_counts_there_is_no_sliding_view_to_export(home: PageHome) -> None:
    with served(home.spec()) as address, visitor(address) as client:
        assert [client.get(f"/slide.{kind}").status_code for kind in ("csv", "json")] == [404, 404]


@pytest.mark.parametrize("path", ["/windows/60.csv", "/windows/60.json", "/past/60", "/windows/999999999999999999999.csv"])
def test_a_window_that_nobody_counted_is_not_found(path: str, web: httpx.Client) -> None:
    assert web.get(path).status_code == 404


def test_before_there_is_a_store_the_page_says_what_it_waits_for(home: PageHome) -> None:
    with served(home.spec()) as address, visitor(address) as client:
        page = Elements(client.get("/").text)
        assert "No window has tweets yet. The first ranking comes with the first batch." in page.texts
        assert client.get("/windows/60.json").status_code == 404
        assert client.get("/health").json() == {"stack_id": "lab-1234", "store": False, "version": 1}


def test_a_new_viewer_gets_everything_and_then_only_what_changed(web: httpx.Client, home: PageHome, minute: int) -> None:
    stream = events(web, 20)
    first = json.loads(next(stream)["data"])
    assert first.keys() == SECTIONS
    home.write(minute, {"#a": 50})
    for event in stream:
        changed: dict[str, Any] = json.loads(event["data"])
        assert changed.keys() < first.keys(), "sections that stayed the same are not sent again"
        if "ranking" in changed and changed["ranking"]["rows"][0]["tweets"] == 50:
            return
    pytest.fail("the change never came")


def test_a_viewer_who_comes_back_gets_what_it_missed(web: httpx.Client, home: PageHome, minute: int) -> None:
    seen = next(events(web, 1))["id"]
    home.write(minute, {"#a": 70})
    deadline = time.monotonic() + 5
    missed: dict[str, Any] = {}
    while time.monotonic() < deadline and "ranking" not in missed:
        event = next(events(web, 1, last_id=seen))
        missed = json.loads(event["data"])
    assert missed["ranking"]["rows"][0]["tweets"] == 70
    assert "trends" not in missed or missed["trends"]["lines"], "sections are whole"
    assert "history" not in missed


@pytest.mark.parametrize("last_id", ["deadbeef-3", "nonsense", "-", "x" * 5000])
def test_an_id_of_another_life_gets_everything(last_id: str, web: httpx.Client) -> None:
    assert json.loads(next(events(web, 1, last_id=last_id))["data"]).keys() == SECTIONS


def test_a_silent_store_still_gives_signs_of_life(home: PageHome) -> None:
    with served(home.spec(producer=None, stream=None)) as address, visitor(address) as client:
        # The first viewer is news to itself: the count of viewers changes.
        kinds = [event["event"] for event in events(client, 3)]
    assert kinds[-1] == "beat"


def test_updates_come_at_most_four_times_a_second_however_often_the_store_changes(
    web: httpx.Client, home: PageHome, minute: int
) -> None:
    stop = threading.Event()

    def write() -> None:
        number = 100
        while not stop.wait(0.02):
            number += 1
            home.write(minute, {"#a": number})

    writer = threading.Thread(target=write)
    writer.start()
    try:
        started = time.monotonic()
        received = sum(1 for event in events(web, 9) if event["event"] == "update")
        seconds = time.monotonic() - started
    finally:
        stop.set()
        writer.join(5)
    assert received == 9
    assert seconds >= (received - 2) * 0.25 - 0.1


def test_viewers_are_counted_and_forgotten_when_they_leave(web: httpx.Client, home: PageHome) -> None:
    def viewers() -> float:
        beat = read_heartbeat(home.root / "page.json")
        return beat.figures["viewers"] if beat and beat.figures else 0.0

    def wait_for(number: int) -> None:
        deadline = time.monotonic() + 8
        while viewers() != number and time.monotonic() < deadline:
            home.beat("producer", acknowledged=time.time())  # something to send, by which a broken connection is noticed
            time.sleep(0.1)
        assert viewers() == number

    stream = events(web, 1000)
    next(stream)
    wait_for(1)
    stream.close()  # type: ignore[attr-defined]
    wait_for(0)


def test_the_page_beats_and_says_when_it_has_stopped_though_somebody_still_watches(home: PageHome) -> None:
    with served(home.spec()) as address, visitor(address) as client:
        stream = events(client, 1000)
        next(stream)
        deadline = time.monotonic() + 5
        while (beat := read_heartbeat(home.root / "page.json")) is None and time.monotonic() < deadline:
            time.sleep(0.05)
        assert beat is not None
        assert beat.phase == "serving"
        assert beat.figures["updates"] >= 1
        leaving = time.monotonic()
    assert time.monotonic() - leaving < 2.5, "a viewer must not hold the page up"
    last = read_heartbeat(home.root / "page.json")
    assert last is not None
    assert last.phase == "stopped"


def test_a_look_that_fails_ends_the_page_instead_of_showing_old_figures(home: PageHome, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([True])
    failed = threading.Event()

    def look(*_arguments: object) -> dict[str, Any]:
        if next(looks, False):
            return {}
        failed.set()
        raise ZeroDivisionError

    monkeypatch.setattr("trending.page.board.Board.look", look)
    with pytest.raises(ZeroDivisionError), served(home.spec()):
        assert failed.wait(5)


def test_a_taken_port_is_named_before_anything_is_served(home: PageHome) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        spec = home.spec(settings=PageSettings(page_port=taken.getsockname()[1]))
        with pytest.raises(PortTaken, match=f"port {taken.getsockname()[1]} is taken") as caught:
            program.main(spec, threading.Event())
    assert isinstance(caught.value, LabError)
    assert "PAGE_PORT" in caught.value.next_command


def test_the_program_ends_when_it_is_told_to(home: PageHome) -> None:
    stop = threading.Event()
    stop.set()
    program.main(home.spec(), stop)
    beat = read_heartbeat(home.root / "page.json")
    assert beat is not None
    assert beat.phase == "stopped"
