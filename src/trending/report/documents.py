"""Report and slides as HTML: each a single file that loads nothing, with a content security policy that forbids the rest."""

from __future__ import annotations

import base64
import hashlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from trending.report.chapters import chapters
from trending.report.slides import slides
from trending.report.wording import clean, day

if TYPE_CHECKING:
    from trending.report.data import Report

STATIC = Path(__file__).parent / "static"


def report_html(report: Report, place: Path) -> str:
    """Return the report as HTML; a photo is read from ``place``."""
    return _render("informe.html", report, place, chapters=chapters(report), style=_static("look.css") + _static("report.css"))


def slides_html(report: Report, place: Path) -> str:
    """Return the slides as HTML; without JavaScript they appear one below the other. A photo is read from ``place``."""
    style, script = _static("look.css") + _static("slides.css"), _static("slides.js")
    return _render("diapositivas.html", report, place, slides=slides(report), style=style, script=script)


def _render(template: str, report: Report, place: Path, style: str, script: str = "", **parts: object) -> str:
    return (
        _environment()
        .get_template(template)
        .render(
            report=report,
            day=day(report.made, report.zone),
            style=style,
            script=script,
            policy=policy(style, script),
            inlined=lambda name: _inlined(place / name),
            **parts,
        )
    )


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=PackageLoader("trending.report"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: clean(value) if type(value) is str else value,
    )
    # Styles, scripts and drawings are trusted: the XML writer that made the drawings has escaped their text.
    environment.filters["ours"] = Markup
    return environment


def policy(style: str, script: str) -> str:
    """Return the content security policy: it allows this style, this script and embedded pictures, and nothing else."""
    scripts = f"script-src '{_digest(script)}'; " if script else ""
    return f"default-src 'none'; {scripts}style-src '{_digest(style)}'; img-src data:; base-uri 'none'; form-action 'none'"


def _digest(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode("ascii")


def _inlined(picture: Path) -> str:
    return "data:image/png;base64," + base64.b64encode(picture.read_bytes()).decode("ascii")


def _static(name: str) -> str:
    return (STATIC / name).read_text(encoding="utf-8")
