"""Installs the observability files in one directory of the lab's home, with the stacks that Prometheus should scrape."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from infra.host.paths import StackPaths, lab_home
from infra.stack.state import Wanted, existing_stacks, read_state
from trending.errors import ConfigurationConflict, NotOurs

SOURCE = Path(__file__).parent
FILES = (
    "prometheus.yml",
    "rules.yml",
    "grafana/dashboards/trending.json",
    "grafana/provisioning/dashboards/trending.yml",
    "grafana/provisioning/datasources/prometheus.yml",
)
TARGETS = "targets.json"


def observability_home() -> Path:
    """Return the directory that Prometheus and Grafana read."""
    return lab_home() / "observability"


def stacks_to_scrape() -> dict[str, str]:
    """Return stack → address of its page, for every stack that is wanted up and has one."""
    found: dict[str, str] = {}
    for name in existing_stacks():
        try:
            state = read_state(StackPaths.of(name))
        except (ConfigurationConflict, NotOurs):  # status says what is wrong with that one
            continue
        if state is not None and state.wanted is Wanted.UP and state.settings.page.page_port:
            found[name] = f"127.0.0.1:{state.settings.page.page_port}"
    return found


def place_files(place: Path, stacks: dict[str, str]) -> None:
    """Copy configuration, rules and dashboard to ``place`` and write the targets; a running Prometheus rereads them."""
    for name in FILES:
        target = place / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(SOURCE / name, target)
    targets = [{"targets": [address], "labels": {"stack": name}} for name, address in sorted(stacks.items())]
    fresh = place / f".{TARGETS}"
    fresh.write_text(json.dumps(targets, indent=1) + "\n", encoding="utf-8")
    # Replaced atomically, because Prometheus watches the file.
    fresh.replace(place / TARGETS)
