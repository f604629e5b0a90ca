"""Licences by their SPDX names: of packages from their installed metadata, of jars from their POMs."""

from __future__ import annotations

import re
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from importlib.metadata import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from infra.host.environment import fetching_environment
from infra.java.installation import find_java
from infra.java.jars import FETCH_SECONDS, Jar, ivy_jar, ivy_module, ivy_settings
from trending.errors import DamagedDownload

if TYPE_CHECKING:
    from collections.abc import Iterable

LONGEST_NAME = 60
"""A longer declaration is a licence's whole text."""
UNKNOWN = "unknown"
_NAMES = {
    "Apache 2.0": "Apache-2.0",
    "Apache 2.0 License": "Apache-2.0",
    "Apache License": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "The Apache License, Version 2.0": "Apache-2.0",
    "The Apache Software License, Version 2.0": "Apache-2.0",
    "BSD 2-Clause License": "BSD-2-Clause",
    "BSD 3-Clause License": "BSD-3-Clause",
    "Eclipse Public License - v 1.0": "EPL-1.0",
    "Go License": "BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "ISC license": "ISC",
    "MIT Licence": "MIT",
    "MIT License": "MIT",
    "MIT license": "MIT",
    "The MIT License": "MIT",
    "The MIT License (MIT)": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Public Domain, per Creative Commons CC0": "CC0-1.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""What people write, and what SPDX calls it. "Go License" is Go's own, which has the three clauses of BSD."""
_BY_ADDRESS = {"http://www.gnu.org/licenses/old-licenses/lgpl-2.1.html": "LGPL-2.1-only"}
_OF_PACKAGE = {
    "axe-playwright-python": "MIT",
    "defusedxml": "PSF-2.0",
    "libcst": "MIT AND PSF-2.0 AND Apache-2.0",
    "python-dateutil": "Apache-2.0 OR BSD-3-Clause",
    "supervisor": "BSD-derived (Repoze)",
    "text-unidecode": "Artistic-1.0-Perl OR GPL-2.0-or-later",
}
"""Packages whose metadata tell too little; read in the LICENSE of each."""
COPYLEFT = ("AGPL", "CDDL", "EPL", "GPL", "LGPL", "MPL")


def of_package(name: str) -> str:
    """Return the licence that an installed package declares: an SPDX expression, or the name that it has there."""
    if name in _OF_PACKAGE:
        return _OF_PACKAGE[name]
    declared = metadata(name)
    fields = [*declared.get_all("License-Expression", []), *declared.get_all("License", []), ""]
    named = fields[0].strip().partition("\n")[0].strip()
    classified = [each.rpartition(" :: ")[2] for each in declared.get_all("Classifier", []) if each.startswith("License :: OSI")]
    if classified and (named in {"", "UNKNOWN", "BSD", "BSD License"} or len(named) > LONGEST_NAME):
        named = classified[0]
    return _NAMES.get(named, named) or UNKNOWN


def of_pom(licences: Iterable[tuple[str, str]]) -> str:
    """Return what a POM declares; of several licences one may choose, says Maven's reference."""
    names = [_BY_ADDRESS.get(address) or _NAMES.get(name, name) for name, address in licences]
    return " OR ".join(dict.fromkeys(names)) or UNKNOWN


def of_jars(jars: Iterable[Jar]) -> dict[Jar, str]:
    """Return what each jar's POM, or its parent's, declares. Ivy fetches them set by set: in one, it keeps one version."""
    wanted = list(jars)
    found: dict[Jar, str] = {}
    for group in sorted({jar.group for jar in wanted}):
        chosen = [jar for jar in wanted if jar.group == group]
        with tempfile.TemporaryDirectory(prefix="trending-poms-") as place:
            _resolve(Path(place), chosen)
            for jar in chosen:
                described = Path(place) / "cache" / jar.organisation / jar.artifact / f"ivy-{jar.version}.xml"
                nodes = ET.parse(described).iter("license")  # noqa: S314 - Ivy's own file, of POMs behind its own parser
                found[jar] = of_pom((node.get("name", ""), node.get("url", "")) for node in nodes)
    return found


def _resolve(work: Path, jars: list[Jar]) -> None:
    (work / "settings.xml").write_text(ivy_settings(work / "cache", poms=True), encoding="utf-8")
    (work / "ivy.xml").write_text(ivy_module(jars), encoding="utf-8")
    command = [str(find_java().executable), "-jar", str(ivy_jar()), "-settings", "settings.xml", "-ivy", "ivy.xml", "-warn"]
    done = subprocess.run(
        command, cwd=work, env=fetching_environment(), capture_output=True, text=True, timeout=FETCH_SECONDS, check=False
    )
    if done.returncode:
        cause = "the POMs could not be fetched"
        raise DamagedDownload(cause, (done.stdout + done.stderr)[-400:], "check the network, then make sbom")


def is_copyleft(expression: str) -> bool:
    """Whether every alternative of a licence asks for the same licence of what is changed in it."""
    alternatives = re.split(r"\s+OR\s+(?![^(]*\))", expression)
    return all(re.search(rf"\b(?:{'|'.join(COPYLEFT)})-", each) for each in alternatives)
