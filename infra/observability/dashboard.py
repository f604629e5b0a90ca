"""The Grafana dashboard as code: ``panels.py`` laid out and written as the JSON that Grafana's file provider reads.

``python -m infra.observability.dashboard`` writes it; a test keeps the file equal to what this makes.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.console.crash_reports import run_reported
from infra.observability.panels import PANELS, Kind, Panel

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

FILE = Path(__file__).parent / "grafana" / "dashboards" / "trending.json"
DATASOURCE = {"type": "prometheus", "uid": "trending-prometheus"}
"""The uid of the provisioned data source."""
COLUMNS = 24
SCHEMA_VERSION = 39
"""Schema of Grafana 10.4; newer versions migrate it when they load the dashboard."""
_UP_COLOURS = {
    "mappings": [{"type": "value", "options": {"0": {"text": "down", "color": "red"}, "1": {"text": "up", "color": "green"}}}],
    "thresholds": {"mode": "absolute", "steps": [{"color": "red", "value": None}, {"color": "green", "value": 1}]},
}
_CHOICES: dict[Kind, dict[str, Any]] = {
    Kind.TIME_SERIES: {"legend": {"displayMode": "list", "placement": "bottom"}, "tooltip": {"mode": "multi", "sort": "desc"}},
    Kind.STAT: {"colorMode": "value", "graphMode": "none", "textMode": "auto", "reduceOptions": {"calcs": ["lastNotNull"]}},
    Kind.BARS: {"orientation": "horizontal", "displayMode": "basic", "reduceOptions": {"calcs": ["lastNotNull"]}},
    Kind.TABLE: {"showHeader": True},
}


def dashboard(panels: Sequence[Panel] = PANELS) -> dict[str, Any]:
    """Return the dashboard as Grafana's JSON model."""
    stack = {
        "name": "stack",
        "label": "Stack",
        "type": "query",
        "datasource": DATASOURCE,
        "query": {"query": 'label_values(up{job="trending"}, stack)', "refId": "stack"},
        "refresh": 2,
        "sort": 1,
    }
    return {
        "uid": "trending-lab",
        "title": "Trending lab",
        "description": "Made by infra/observability/dashboard.py: change panels.py and write it anew.",
        "tags": ["trending"],
        "schemaVersion": SCHEMA_VERSION,
        "editable": False,
        "refresh": "5s",
        "time": {"from": "now-30m", "to": "now"},
        "timezone": "browser",
        "templating": {"list": [stack]},
        "panels": [_panel(number, panel, x, y) for number, (panel, x, y) in enumerate(_placed(panels), 1)],
    }


def render() -> str:
    """Return the file's text."""
    return json.dumps(dashboard(), indent=1, ensure_ascii=False) + "\n"


def _placed(panels: Sequence[Panel]) -> Iterator[tuple[Panel, int, int]]:
    """Yield each panel with its column and line, from left to right; a row is as high as its highest panel."""
    column, line, height = 0, 0, 0
    for panel in panels:
        if column + panel.width > COLUMNS:
            column, line, height = 0, line + height, 0
        yield panel, column, line
        column, height = column + panel.width, max(height, panel.height)


def _panel(number: int, panel: Panel, column: int, line: int) -> dict[str, Any]:
    table = panel.kind is Kind.TABLE
    return {
        "id": number,
        "type": panel.kind.value,
        "title": panel.title,
        "description": panel.description,
        "datasource": DATASOURCE,
        "gridPos": {"x": column, "y": line, "w": panel.width, "h": panel.height},
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0, **(_UP_COLOURS if panel.up else {})}, "overrides": []},
        "options": _CHOICES[panel.kind],
        "targets": [
            {
                "refId": chr(ord("A") + place),
                "datasource": DATASOURCE,
                "expr": query.expression,
                "legendFormat": query.legend or panel.title,
                # A bar or a table cell shows only the current value.
                "instant": panel.kind in {Kind.BARS, Kind.TABLE},
                "format": "table" if table else "time_series",
            }
            for place, query in enumerate(panel.queries)
        ],
    }


def main() -> None:
    """Write the dashboard to its file."""
    FILE.write_text(render(), encoding="utf-8")
    sys.stdout.write(f"[ok] {FILE}\n")


if __name__ == "__main__":
    run_reported(main)
