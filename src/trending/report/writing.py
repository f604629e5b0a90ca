"""Writing a report's files into its directory, and deleting them again.

``python -m trending.report.writing DIRECTORY`` writes them anew from the data that is there, after a change of the words.
"""

from __future__ import annotations

import sys
from contextlib import suppress
from pathlib import Path
from typing import Final

from trending.report.data import Report
from trending.report.documents import report_html, slides_html
from trending.report.pdf import LIBRARIES, SETS, memoria_pdf, notes_pdf, slides_pdf
from trending.report.wording import LANGUAGES, Wording

DATA = "datos.json"
REPORT = "informe.html"
SLIDES = "diapositivas.html"
PDF = "diapositivas.pdf"
MEMORIA = "memoria.pdf"
NOTES = "notas.pdf"
STORE = "serving.sqlite"
RECORDING = "page.jsonl.gz"
"""What the page has shown in the last minutes before the report; missing where it has no page."""
PHOTO = "pagina.png"
FILES: Final = (DATA, REPORT, SLIDES, PDF, MEMORIA, NOTES)


def write_files(report: Report, place: Path) -> None:
    """Write data, report, memoria, slides and notes into ``place``, where the recorded store and the photo already are."""
    (place / DATA).write_text(report.model_dump_json(indent=1) + "\n", encoding="utf-8")
    (place / REPORT).write_text(report_html(report, place), encoding="utf-8")
    (place / SLIDES).write_text(slides_html(report, place), encoding="utf-8")
    for language in LANGUAGES:
        names, tell = SETS[language], Wording(language)
        folder = place / names.folder
        folder.mkdir(exist_ok=True)
        for name, make in ((names.memoria, memoria_pdf), (names.slides, slides_pdf), (names.notes, notes_pdf)):
            (folder / f"{name}.pdf").write_bytes(make(report, place, tell))


def delete_files(place: Path) -> None:
    """Delete what ``write_files`` writes; what somebody else has put there meanwhile stays."""
    for name in FILES:
        (place / name).unlink(missing_ok=True)
    for names in SETS.values():
        documents = (names.memoria, names.slides, names.notes)
        sources = place / names.sources
        ours = [place / names.folder / f"{name}.pdf" for name in documents]
        ours += [sources / name for name in (*LIBRARIES, f"{names.slides}.md", *(f"{name}.typ" for name in documents))]
        ours += [drawing for name in documents for drawing in sources.glob(f"{name}-*.svg")]
        for path in ours:
            path.unlink(missing_ok=True)
        for folder in (sources, place / names.folder):
            if folder != place:
                with suppress(OSError):  # not there, or somebody else's things are in it
                    folder.rmdir()


def main(arguments: list[str]) -> None:
    """Write the files of each directory anew from its data."""
    for each in arguments:
        place = Path(each)
        write_files(Report.model_validate_json((place / DATA).read_bytes()), place)
        sys.stdout.write(f"[ok] {each}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
