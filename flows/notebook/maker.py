"""Both notebooks from one source: ``python -m flows.notebook.maker`` writes them, and a test checks that they are current."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any, Final

from infra.console.crash_reports import run_reported
from infra.console.reporting import write_line
from infra.host.paths import CHECKOUT

SOURCE: Final = Path(__file__).parent / "source"
NOTEBOOKS: Final = {"es": "Notebook.ipynb", "en": "Notebook.en.ipynb"}
_CELL = re.compile(r"^# %% (\[markdown\] )?(\S+)(?: (\S+))?\n", re.MULTILINE)
_BOTH = re.compile(r"⟦([^‖⟧]*)‖([^⟧]*)⟧")
_TEXT = re.compile(r"^<!-- (\S+) -->\n", re.MULTILINE)


def notebook(language: str) -> str:
    """Return a notebook without outputs as JSON, as Jupyter writes it."""
    texts = _texts(language)
    cells: list[dict[str, Any]] = []
    pieces = _CELL.split((SOURCE / "cells.txt").read_text(encoding="utf-8"))[1:]
    for markdown, name, tag, body in zip(pieces[::4], pieces[1::4], pieces[2::4], pieces[3::4], strict=True):
        metadata: dict[str, Any] = {"tags": [tag]} if tag else {}
        if markdown:
            cells.append({"cell_type": "markdown", "id": name, "metadata": metadata, "source": _lines(texts.pop(name))})
        else:
            code = _BOTH.sub(lambda both: both[1 if language == "es" else 2], body.strip())
            cells.append(
                {
                    "cell_type": "code",
                    "execution_count": None,
                    "id": name,
                    "metadata": metadata,
                    "outputs": [],
                    "source": _lines(code),
                }
            )
    if texts:
        cause = f"text.{language}.md has cells that cells.txt has not: {', '.join(texts)}"
        raise ValueError(cause)
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    about = {"kernelspec": kernel, "language_info": {"name": "python"}}
    made = {"cells": cells, "metadata": about, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(made, indent=1, ensure_ascii=False) + "\n"


def _texts(language: str) -> dict[str, str]:
    pieces = _TEXT.split((SOURCE / f"text.{language}.md").read_text(encoding="utf-8"))[1:]
    return {name: text.strip() for name, text in zip(pieces[::2], pieces[1::2], strict=True)}


def _lines(text: str) -> list[str]:
    return text.splitlines(keepends=True)


def main() -> None:
    """Write both notebooks."""
    for language, name in NOTEBOOKS.items():
        (CHECKOUT / name).write_text(notebook(language), encoding="utf-8")
        write_line(f"[ok] {name}")


if __name__ == "__main__":
    run_reported(main)
