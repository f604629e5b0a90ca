"""The report of a run: typed figures in, HTML, slides and PDF out. Knows no Prefect, no broker and no Docker."""
