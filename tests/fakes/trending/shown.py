"""What a person or a screen reader gets of a page or a PDF: its words, and what a page would fetch."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field
from html.parser import HTMLParser

from pypdf import PdfReader

NUMBER = re.compile(r"\d+(?:[.,:]\d+)*")
"""A figure as it is written: with the signs that group and divide it."""
_FETCHING = {"src", "href", "srcset", "action", "data", "poster", "xlink:href", "formaction"}
_VOID = {"meta", "img", "br", "hr", "input", "link", "line", "rect", "polygon", "polyline", "circle", "path"}


@dataclass
class Page(HTMLParser):
    """An HTML file taken apart."""

    words: list[str] = field(default_factory=list)
    links: list[tuple[str, str]] = field(default_factory=list)
    tags: list[str] = field(default_factory=list)
    policy: str = ""
    attributes: list[str] = field(default_factory=list)
    _open: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        self.tags.append(tag)
        self.attributes += given
        self.links += [(name, value) for name, value in given.items() if name in _FETCHING]
        self.words += [given[name] for name in ("alt", "aria-label", "title") if name in given]
        if given.get("http-equiv") == "Content-Security-Policy":
            self.policy = given["content"]
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self._open, f"</{tag}> closes nothing"
        assert self._open.pop() == tag, f"</{tag}> closes another one"

    def handle_data(self, data: str) -> None:
        if not {"style", "script"} & set(self._open):
            self.words.append(data)

    def require_closed(self) -> None:
        assert self._open == []

    @property
    def text(self) -> str:
        return " \n ".join(self.words)


def take_apart(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    page.require_closed()
    return page


def pdf_pages(pdf: bytes) -> list[str]:
    return [page.extract_text() for page in PdfReader(io.BytesIO(pdf)).pages]
