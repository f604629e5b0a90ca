"""The slides as PDF, typeset by Typst (a wheel without dependencies that brings its fonts). Texts are data, never markup."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typst

from trending.errors import LabError
from trending.report.slides import slides
from trending.report.wording import clean, day

if TYPE_CHECKING:
    from trending.report.blocks import Block
    from trending.report.data import Report

TEMPLATE = Path(__file__).parent / "templates" / "slides.typ"
STANDARD: Final = "ua-1"
"""PDF/UA-1: Typst refuses to write a PDF that a screen reader cannot follow, for example a picture without a description."""


def slides_pdf(report: Report, place: Path) -> bytes:
    """Return the slides as PDF, one page each; a photo is read from ``place``. Raises LabError where Typst refuses."""
    shown = [{"title": slide.title, "blocks": [_plain(block) for block in slide.blocks]} for slide in slides(report)]
    inputs = {"slides": json.dumps(shown), "stack": report.facts.stack, "day": day(report.made, report.zone)}
    compiler = typst.Compiler(root=place, ignore_system_fonts=True)
    try:
        made = compiler.compile(
            TEMPLATE.read_bytes(), format="pdf", sys_inputs=inputs, pdf_standards=STANDARD, timestamp=int(report.made)
        )
    except typst.TypstError as error:
        cause = "the slides could not be set as PDF"
        raise LabError(cause, error.message, "open diapositivas.html instead") from error
    assert isinstance(made, bytes)  # noqa: S101 - a PDF is one file
    return made


def _plain(block: Block) -> dict[str, object]:
    fields = {name: sorted(value) if isinstance(value, frozenset) else value for name, value in asdict(block).items()}
    return {"kind": block.kind, **{name: _clean(value) for name, value in fields.items()}}


def _clean(value: object) -> object:
    if isinstance(value, str):
        return clean(value)
    return [_clean(each) for each in value] if isinstance(value, list | tuple) else value
