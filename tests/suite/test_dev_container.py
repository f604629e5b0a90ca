from __future__ import annotations

import json
import re

from infra.host.paths import CHECKOUT
from infra.host.systems import SYSTEMS
from trending.settings import PageSettings

PLACE = CHECKOUT / ".devcontainer"


def test_it_installs_what_the_manual_installs_on_debian_12() -> None:
    debian = next(system for system in SYSTEMS if system.name == "Debian 12")
    recipe = (PLACE / "Dockerfile").read_text(encoding="utf-8")
    assert "FROM debian:bookworm\n" in recipe
    assert {*debian.base.split(), debian.java[0]} <= set(re.findall(r"[\w.+-]+", recipe))


def test_it_forwards_the_pages_and_runs_brokers_as_processes() -> None:
    lines = (PLACE / "devcontainer.json").read_text(encoding="utf-8").splitlines()
    described = json.loads("\n".join(line for line in lines if not line.lstrip().startswith("//")))
    assert described["forwardPorts"] == [PageSettings().page_port, 4200]
    assert described["containerEnv"] == {"TRENDING_RUNTIME": "embedded", "TRENDING_HOSTS": "*.app.github.dev"}
    assert PageSettings(hosts=described["containerEnv"]["TRENDING_HOSTS"]).host_names == ["*.app.github.dev"]
    assert described["remoteUser"] in (PLACE / "Dockerfile").read_text(encoding="utf-8")
