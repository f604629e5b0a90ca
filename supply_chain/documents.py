"""The committed files, and whether they belong to the locks: ``python -m supply_chain.documents``, a part of ``make check``."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from infra.console.crash_reports import run_reported
from infra.host.paths import CHECKOUT
from supply_chain.licences import is_copyleft
from supply_chain.locks import locks_hash
from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

SBOM = CHECKOUT / "docs" / "sbom.cdx.json"
LICENCES = CHECKOUT / "docs" / "licences.md"
AUDIT = CHECKOUT / "docs" / "dependency-audit.md"
LOCKS = "trending:locks:sha256"
"""Name of the property with the hash of both locks."""
NEEDED_BY = "trending:needed-by"
AUDITED = re.compile(r"^Locks: `([0-9a-f]{64})`", re.MULTILINE)
NOT_JUDGED = "not judged yet"
_HEAD = """\
# Licences

Made by `make sbom` from what the installed packages' metadata and the jars' POMs declare.
[The list of parts](sbom.cdx.json) says it part by part. The lab's own code is under the [Apache License 2.0](../LICENSE).

The repository contains none of these parts: `make setup` fetches them from their registries. If you only use the lab, there is
nothing to do. If you redistribute an environment or an image made from it, you redistribute these parts, and their terms apply.

Not listed are parts inside of parts: the jars that pyspark ships, librdkafka in confluent-kafka, Debian's packages in stand-in
images. The peers of the benchmarks have a lock and an environment of their own.
"""
_COPYLEFT = """
## Copyleft

| licence | parts | what follows |
|---|---|---|
"""
_FOLLOWS = {
    "MPL": "If you change one of its files and redistribute it, publish that file's source. The lab changes none.",
    "EPL": "If you redistribute a changed version, publish its source. The lab changes none.",
    "LGPL": "If you redistribute a changed version, publish its source, and let users replace the library. The lab changes none.",
    "GPL": "If you redistribute a work that contains it, publish that work's source under the GPL.",
}


def licences_of(component: Mapping[str, Any]) -> str:
    """Return the licence of a component of the bill."""
    (entry,) = component["licenses"]
    return str(entry.get("expression") or entry["license"].get("id") or entry["license"]["name"])


def licences_page(bill: Mapping[str, Any]) -> str:
    """Return docs/licences.md."""
    by_licence: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for component in bill["components"]:
        by_licence[licences_of(component)].append(component)
    lines = [_HEAD, _COPYLEFT.lstrip("\n").rstrip("\n")]
    for licence, parts in sorted(by_licence.items()):
        if is_copyleft(licence):
            follows = " ".join(text for name, text in _FOLLOWS.items() if re.search(rf"\b{name}-", licence))
            lines.append(f"| {licence} | {', '.join(_shown(part) for part in parts)} | {follows} |")
    lines += [
        "",
        "Where a part offers a choice of licences and one of them is not copyleft, the lab uses it under that one.",
        "",
        "## All parts",
        "",
        "*Italic* is what only development needs.",
        "",
        "| licence | number | parts |",
        "|---|---|---|",
    ]
    lines += [
        f"| {licence} | {len(parts)} | {', '.join(_shown(part) for part in parts)} |"
        for licence, parts in sorted(by_licence.items())
    ]
    return "\n".join(lines) + "\n"


def _shown(component: Mapping[str, Any]) -> str:
    name = f"{component['name']} {component['version']}"
    return f"*{name}*" if component["scope"] == "excluded" else name


def problems() -> list[str]:
    """Return what is out of date, with the command that mends it."""
    now, found = locks_hash(), []
    bill = json.loads(SBOM.read_text(encoding="utf-8"))
    if {"name": LOCKS, "value": now} not in bill["metadata"]["properties"]:
        found.append(f"{SBOM.relative_to(CHECKOUT)} is of other locks: make sbom")
    if LICENCES.read_text(encoding="utf-8") != licences_page(bill):
        found.append(f"{LICENCES.relative_to(CHECKOUT)} is not made from the list of parts: make sbom")
    audit = AUDIT.read_text(encoding="utf-8")
    if AUDITED.findall(audit) != [now]:
        found.append(f"{AUDIT.relative_to(CHECKOUT)} is of other locks: make audit-dependencies")
    if NOT_JUDGED in audit:
        found.append(f"{AUDIT.relative_to(CHECKOUT)} has a hole of which supply_chain/audit.py does not say what it means here")
    return found


def main() -> None:
    """Raise LabError where something is out of date."""
    if found := problems():
        cause = "the locks have changed since their parts were listed or audited"
        raise LabError(cause, "; ".join(found), "make sbom audit-dependencies")


if __name__ == "__main__":
    run_reported(main)
