"""The page that plays a recording. The script plays it: each viewer pauses, seeks and hurries alone, and nothing is asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Mount, Route

from trending.page.painting import Painter, guards, static_files
from trending.page.recorded.events import read_first

if TYPE_CHECKING:
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response

    from trending.programs.specifications import PageSpec


def build_player(spec: PageSpec, recording: Path) -> Starlette:
    """Return the application that shows a recording; raises InvalidInput where the file is none."""
    line, sections = read_first(recording)
    painter = Painter(line.stack, line.zone, played=True)

    async def first_paint(request: Request) -> Response:
        return painter.paint(request, sections)

    async def events(_request: Request) -> Response:
        headers = {"Content-Encoding": "gzip", "Cache-Control": "no-store"}
        return FileResponse(recording, media_type="application/x-ndjson", headers=headers)

    async def health(_request: Request) -> Response:
        return JSONResponse({"stack_id": spec.stack_id, "store": True, "version": 0}, headers={"Cache-Control": "no-store"})

    routes = [
        Route("/", first_paint),
        Route("/recording", events),
        Route("/health", health),
        Mount("/static", static_files()),
    ]
    return Starlette(routes=routes, middleware=guards(spec))
