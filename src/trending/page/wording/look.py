"""How a reader wants the page to look: colours, size and view, kept in cookies and named by the address."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

from trending.page.words import LANGUAGES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from zoneinfo import ZoneInfo

    from starlette.requests import Request

THEMES = ("auto", "light", "dark")
SIZES = ("usual", "large")
VIEWS = ("full", "projector")
_NAMED = {"es": "Español", "en": "English"}


class Look(NamedTuple):
    """What a request asks for, or what was kept; a view is only ever asked for."""

    theme: str = THEMES[0]
    size: str = SIZES[0]
    view: str = VIEWS[0]

    @classmethod
    def of(cls, request: Request) -> Look:
        """Return the look of a request; what is none that we know is the usual one."""

        def chosen(name: str, values: tuple[str, ...], kept: str | None) -> str:
            return next((each for each in (request.query_params.get(name), kept) if each in values), values[0])

        return cls(
            chosen("theme", THEMES, request.cookies.get("theme")),
            chosen("size", SIZES, request.cookies.get("size")),
            chosen("view", VIEWS, None),
        )

    def kept(self, request: Request, language: str) -> dict[str, str]:
        """Return the cookies to set: of what the address names, and no other."""
        asked = request.query_params
        found = {"lang": (language, LANGUAGES), "theme": (self.theme, THEMES), "size": (self.size, SIZES)}
        return {name: value for name, (value, values) in found.items() if asked.get(name) in values}

    def links(self, words: Mapping[str, str], language: str, window: str) -> list[dict[str, Any]]:
        """Return the choices with their links; each keeps the view and the window that is looked at."""
        now = {"lang": language, "theme": self.theme, "size": self.size, "view": self.view}
        offered = {"lang": LANGUAGES, "theme": THEMES, "size": SIZES, "view": VIEWS}
        found = []
        for name, values in offered.items():
            links = []
            for value in values:
                view = value if name == "view" else self.view
                query = {name: value, **({"view": view} if view != VIEWS[0] else {}), **({"window": window} if window else {})}
                label = _NAMED[value] if name == "lang" else words[f"{name}_{value}"]
                links.append({"value": value, "label": label, "href": f"?{urlencode(query)}", "current": value == now[name]})
            found.append({"name": "language" if name == "lang" else name, "links": links})
        return found


def zone_name(zone: ZoneInfo | None) -> str:
    """Return the name of the zone in which times are shown; of this machine's own what it calls itself, with its offset."""
    if zone is not None:
        return str(zone)
    here = datetime.now(UTC).astimezone()
    name, offset = here.tzname() or "", here.strftime("%z")
    return name if name == "UTC" else f"{name} (UTC{offset[:3]}:{offset[3:]})"
