"""Writing a report's files into its directory."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.report.documents import report_html, slides_html
from trending.report.pdf import slides_pdf

if TYPE_CHECKING:
    from pathlib import Path

    from trending.report.data import Report

DATA = "datos.json"
REPORT = "informe.html"
SLIDES = "diapositivas.html"
PDF = "diapositivas.pdf"
STORE = "serving.sqlite"
RECORDING = "page.jsonl.gz"
"""What the page has shown in the last minutes before the report; missing where it has no page."""
PHOTO = "pagina.png"


def write_files(report: Report, place: Path) -> None:
    """Write data, report and slides into ``place``, where the recorded store and the photo already are."""
    (place / DATA).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (place / REPORT).write_text(report_html(report, place), encoding="utf-8")
    (place / SLIDES).write_text(slides_html(report, place), encoding="utf-8")
    (place / PDF).write_bytes(slides_pdf(report, place))
