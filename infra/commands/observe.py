"""Put the files for Prometheus and Grafana in place for every stack that is up, and print the commands that start the two."""

from __future__ import annotations

import sys

from infra.forms.showing import ObserveForm
from infra.forms.terminal import run_command
from infra.observability.placing import observability_home, place_files, stacks_to_scrape
from trending.errors import StackAbsent

LINES = """
Prometheus (apt-get install --no-install-recommends prometheus), at http://127.0.0.1:9090/:
  prometheus --config.file={place}/prometheus.yml --storage.tsdb.path={place}/data --web.listen-address=127.0.0.1:9090

Grafana 10.4 or newer, at http://127.0.0.1:3000/d/trending-lab:
  LAB_OBSERVABILITY={place} GF_PATHS_PROVISIONING={place}/grafana/provisioning GF_SERVER_HTTP_ADDR=127.0.0.1 \\
  GF_PATHS_DATA={place}/grafana/data grafana server --homepath /usr/share/grafana
"""


def main(_settings: ObserveForm) -> None:
    """Write the files and print what to run; raises StackAbsent if there is nothing to scrape."""
    stacks, place = stacks_to_scrape(), observability_home()
    place_files(place, stacks)
    if not stacks:
        cause = "no stack with a live page is wanted up: there is nothing to scrape"
        raise StackAbsent(cause, f"{place}/targets.json names none now", "make up, then make observe")
    for name, address in stacks.items():
        sys.stdout.write(f"[ok] {name}: http://{address}/metrics\n")
    sys.stdout.write(LINES.format(place=place))


if __name__ == "__main__":
    run_command(ObserveForm, main, ".venv/bin/python -m infra.commands.observe")
