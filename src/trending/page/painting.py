"""The page's first paint, and what guards every answer: host names and headers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.middleware import Middleware
from starlette.middleware.trustedhost import TrustedHostMiddleware
from starlette.responses import HTMLResponse
from starlette.staticfiles import StaticFiles

from trending.page.wording.look import Look
from trending.page.words import WORDS, choose_language, counted, of_length
from trending.text import number, signed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from starlette.requests import Request
    from starlette.responses import Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from trending.programs.specifications import PageSpec

HOSTS = ["localhost", "127.0.0.1"]
"""Host names that the page answers to, with those of the setting. Any other one is another site's attempt to read it."""
HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-cache",
}


class SecurityHeaders:
    """Adds the same headers to every response, including errors and static files."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Handle a request, adding the headers to its response."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                present = {name.lower() for name, _value in message["headers"]}
                more = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *(each for each in more if each[0] not in present)]
            await send(message)

        await self._app(scope, receive, send_with_headers)


class Painter:
    """Makes the whole page from its sections, so that it shows something before anything is fetched."""

    def __init__(self, stack: str, zone: str, *, played: bool = False) -> None:
        """``played`` is the page of a recording: its script plays it, and no server is heard."""
        self._stack, self._zone, self._played = stack, zone, played
        self._templates = Environment(
            loader=PackageLoader("trending.page"),
            autoescape=True,
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
        )

    def paint(
        self, request: Request, sections: Mapping[str, Any], chosen: str = "", choices: Sequence[Mapping[str, Any]] = ()
    ) -> Response:
        """Return the page in the language and look of the request; ``chosen`` is the earlier window that is looked at."""
        kept, accepted = request.cookies.get("lang"), request.headers.get("accept-language", "")
        language, look = choose_language(request.query_params.get("lang"), kept, accepted), Look.of(request)
        html = self._templates.get_template("page.html").render(
            words=WORDS[language],
            language=language,
            stack=self._stack,
            zone=self._zone,
            played=self._played,
            chosen=chosen,
            choices=choices,
            choices_of_look=look.links(WORDS[language], language, chosen),
            theme=look.theme,
            size=look.size,
            view=look.view,
            number=lambda value, digits=0: number(value, language, digits),
            counted=lambda name, value: counted(WORDS[language], name, value),
            of_length=lambda name, seconds: of_length(WORDS[language], name, seconds),
            signed=lambda value, digits: signed(value, language, digits),
            state={"language": language, "words": WORDS[language], "sections": sections},
            **sections,
        )
        response = HTMLResponse(html, headers={"Vary": "Accept-Language, Cookie", "Content-Language": language})
        for name, value in look.kept(request, language).items():
            response.set_cookie(name, value, max_age=31_536_000, httponly=True, samesite="strict")
        return response


def static_files() -> StaticFiles:
    """Return the page's script and style."""
    return StaticFiles(directory=Path(__file__).parent / "static")


def guards(spec: PageSpec) -> list[Middleware]:
    """Return what stands before every answer. Only the setting adds host names, since whoever has one sees the page."""
    hosts = [*HOSTS, *spec.settings.host_names]
    return [Middleware(SecurityHeaders), Middleware(TrustedHostMiddleware, allowed_hosts=hosts)]
