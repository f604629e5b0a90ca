"""The page's web application: first paint, events, exports, metrics."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from sqlalchemy.exc import OperationalError
from starlette.applications import Starlette
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Mount, Route

from trending.page.export import slide_to_csv, slide_to_json, to_csv, to_json
from trending.page.metrics import expose, metrics_registry
from trending.page.painting import Painter, guards, static_files
from trending.page.recorded.events import KEPT_SECONDS
from trending.page.window import rule_named, stage_of
from trending.page.wording.look import zone_name
from trending.serving.ranking_query import COMPARED, RankingQuery
from trending.serving.reader import StoreReader
from trending.serving.trends import trends

if TYPE_CHECKING:
    from starlette.requests import Request

    from trending.page.board import Board
    from trending.page.feed import Feed
    from trending.page.window import WindowStage
    from trending.programs.specifications import PageSpec
    from trending.serving.ranking_query import Window
    from trending.serving.slide import Slide
    from trending.serving.trends import Trend

MAX_WINDOW_DIGITS = 12


class Endpoints:
    """The endpoints of one stack's page."""

    def __init__(self, spec: PageSpec, board: Board, feed: Feed) -> None:
        self._spec, self._board, self._feed = spec, board, feed
        self._metrics = metrics_registry(spec, board, feed)
        self._zone = zone_name(spec.zone)
        self._painter = Painter(spec.name, self._zone)

    async def first_paint(self, request: Request) -> Response:
        """Return the complete page with the current data, so that it shows something before anything is fetched."""
        sections, past = dict(self._feed.sections), None
        chosen = request.query_params.get("window", "")
        start, _separator, name = chosen.partition("?rule=")  # as the section of the history has it
        if start.isdecimal() and len(start) <= MAX_WINDOW_DIGITS:
            past = await asyncio.to_thread(self._past, int(start), name)
            sections["ranking"] = past or sections["ranking"]
        choices = list(sections["history"])
        if past and chosen not in {str(each["start"]) for each in choices}:
            choices.append({"start": chosen, "label": f"{past['date']} {past['label'].partition(' ')[0].removesuffix(':00')}"})
        return self._painter.paint(request, sections, chosen if past else "", choices)

    async def events(self, request: Request) -> Response:
        """Stream server-sent events; a browser that reconnects sends the last event it has as Last-Event-ID."""
        stream = self._feed.events(request.headers.get("last-event-id"))
        return StreamingResponse(stream, media_type="text/event-stream", headers={"Cache-Control": "no-store"})

    async def recording(self, request: Request) -> Response:
        """Return what the page has shown in the last minutes, as a file that ``make replay-demo`` plays."""
        asked = request.query_params.get("seconds", "")
        seconds = float(asked) if asked.isdecimal() and len(asked) <= MAX_WINDOW_DIGITS else KEPT_SECONDS
        content = await asyncio.to_thread(self._feed.recorder.lines, self._spec.name, self._zone, seconds)
        return Response(content, media_type="application/gzip", headers={"Cache-Control": "no-store"})

    async def past(self, request: Request) -> Response:
        """Return the ranking section of an earlier window, for the page's own script."""
        section = await asyncio.to_thread(self._past, request.path_params["start"], request.query_params.get("rule", ""))
        return _absent() if section is None else JSONResponse(section)

    def _past(self, start: int, name: str) -> dict[str, Any] | None:
        """Return the ranking section of an earlier window by the rule of that name, or by the present one if it is empty."""
        rule = rule_named(name)
        return None if name and rule is None else self._board.past_ranking(start, time.time(), rule)

    async def csv(self, request: Request) -> Response:
        """Return a window as CSV."""
        return await self._export(request, "csv")

    async def json(self, request: Request) -> Response:
        """Return a window as JSON."""
        return await self._export(request, "json")

    async def slide_csv(self, _request: Request) -> Response:
        """Return the whole sliding view as CSV."""
        slide = await asyncio.to_thread(self._read_slide)
        return _absent() if slide is None else _file("last-windows", slide.start, "csv", slide_to_csv(slide))

    async def slide_json(self, _request: Request) -> Response:
        """Return the whole sliding view as JSON."""
        slide = await asyncio.to_thread(self._read_slide)
        return _absent() if slide is None else _file("last-windows", slide.start, "json", slide_to_json(slide))

    async def health(self, _request: Request) -> Response:
        """Return which stack this page belongs to and whether it can read its store."""
        answer = {"stack_id": self._spec.stack_id, "store": self._board.readable, "version": self._feed.version}
        return JSONResponse(answer, headers={"Cache-Control": "no-store"})

    async def metrics(self, request: Request) -> Response:
        """Return the stack's figures for Prometheus, in the format that the scraper accepts."""
        text, content_type = await asyncio.to_thread(expose, self._metrics, request.headers.get("accept", ""))
        return Response(text, headers={"Content-Type": content_type, "Cache-Control": "no-store"})

    async def _export(self, request: Request, kind: str) -> Response:
        start = request.path_params["start"]
        export = await asyncio.to_thread(self._read, start, request.query_params.get("rule", ""))
        if export is None:
            return _absent()
        return _file("ranking", start, kind, to_csv(*export) if kind == "csv" else to_json(*export))

    def _read(self, start: int, name: str) -> tuple[Window, WindowStage, dict[str, Trend]] | None:
        rule = rule_named(name)
        if not self._board.readable or (name and rule is None):
            return None
        reader = StoreReader(self._spec.store)
        try:
            found = reader.with_history(RankingQuery(start, rule=rule))
        except OperationalError:  # a server that went away since the last look
            return None
        finally:
            reader.close()
        if found is None:
            return None
        window, history = found
        first = replace(window, ranked=window.ranked[:COMPARED])
        moves = trends(first, history, self._board.counted_until(window))
        return window, stage_of(window, window.rule, self._board.read_until, time.time()), moves

    def _read_slide(self) -> Slide | None:
        if not self._board.readable:
            return None
        reader = StoreReader(self._spec.store)
        try:
            return reader.slide(time.time())
        except OperationalError:
            return None
        finally:
            reader.close()


def build(spec: PageSpec, board: Board, feed: Feed) -> Starlette:
    """Return the application; the feed must already hold its first sections, since the first paint shows them."""
    endpoints = Endpoints(spec, board, feed)

    routes = [
        Route("/", endpoints.first_paint),
        Route("/events", endpoints.events),
        Route("/recording", endpoints.recording),
        Route("/windows/{start:int}.csv", endpoints.csv),
        Route("/windows/{start:int}.json", endpoints.json),
        Route("/slide.csv", endpoints.slide_csv),
        Route("/slide.json", endpoints.slide_json),
        Route("/past/{start:int}", endpoints.past),
        Route("/health", endpoints.health),
        Route("/metrics", endpoints.metrics),
        Mount("/static", static_files()),
    ]
    return Starlette(routes=routes, middleware=guards(spec))


def _file(what: str, start: int, kind: str, content: str | bytes) -> Response:
    name = f"{what}-{time.strftime('%Y%m%dT%H%M%SZ', time.gmtime(start))}.{kind}"
    media_type = "text/csv" if kind == "csv" else "application/json"
    return Response(content, media_type=media_type, headers={"Content-Disposition": f'attachment; filename="{name}"'})


def _absent() -> Response:
    body: dict[str, Any] = {"error": "nothing was counted in this window"}
    return JSONResponse(body, status_code=404)
