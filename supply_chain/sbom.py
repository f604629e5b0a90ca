"""``make sbom``: docs/sbom.cdx.json, the list of parts in CycloneDX's format, and docs/licences.md, which is made from it.

Without time and random number: the same locks give the same file.
"""

from __future__ import annotations

import json
import sys
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.dependency import Dependency
from cyclonedx.output.json import JsonV1Dot6
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator
from packageurl import PackageURL

from infra.console.crash_reports import run_reported
from supply_chain.documents import LICENCES, LOCKS, NEEDED_BY, SBOM, licences_page
from supply_chain.licences import UNKNOWN, of_jars, of_package
from supply_chain.locks import Requirement, jars, locks_hash, needed_to_run, requirements
from trending.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from infra.java.jars import Jar

_LICENCES = LicenseFactory()


def bill(packages: list[Requirement], archives: Mapping[Jar, tuple[str, ...]], licences: Mapping[str, str], digest: str) -> str:
    """Return the bill of materials as JSON, a part a line; ``licences`` by purl. Raises LabError where the schema forbids it."""
    root = Component(name="trending-lab", type=ComponentType.APPLICATION, bom_ref="trending-lab")
    needed = needed_to_run(packages)
    parts = {package.name: _package(package, licences, required=package.name in needed) for package in packages}
    libraries = [_jar(jar, sets, licences) for jar, sets in archives.items()]
    bom = Bom(components=[*parts.values(), *libraries], serial_number=uuid.uuid5(uuid.NAMESPACE_OID, digest))
    bom.metadata.component = root
    bom.metadata.properties.add(Property(name=LOCKS, value=digest))
    children: dict[str, list[Component]] = {package.name: [] for package in packages}
    direct = list(libraries)
    for package in packages:
        for parent in package.parents:
            children.get(parent, direct).append(parts[package.name])
    graph = {root: direct} | {parts[name]: below for name, below in children.items()}
    bom.dependencies.update(
        Dependency(part.bom_ref, [Dependency(each.bom_ref) for each in below]) for part, below in graph.items()
    )
    text = _a_part_a_line(json.loads(JsonV1Dot6(bom).output_as_string()))
    if error := JsonStrictValidator(SchemaVersion.V1_6).validate_str(text):
        cause = "the list of parts is not what CycloneDX's schema wants"
        raise LabError(cause, str(error)[:400], "")
    return text


def _a_part_a_line(model: dict[str, Any]) -> str:
    # By hand, the file would be one line or 26,000; a line for each part makes a readable difference of versions.
    del model["metadata"]["timestamp"]
    lists = {
        name: "[\n" + ",\n".join("  " + json.dumps(each, sort_keys=True) for each in model[name]) + "\n ]"
        for name in ("components", "dependencies")
    }
    rows = [f" {json.dumps(name)}: {lists.get(name) or json.dumps(value, sort_keys=True)}" for name, value in model.items()]
    return "{\n" + ",\n".join(rows) + "\n}\n"


def purl_of_package(package: Requirement) -> PackageURL:
    """Return the address of a package that says nothing of an index."""
    return PackageURL("pypi", None, package.name, package.version)


def purl_of_jar(jar: Jar) -> PackageURL:
    """Return the address of a jar that says nothing of a repository."""
    return PackageURL("maven", jar.organisation, jar.artifact, jar.version)


def _package(package: Requirement, licences: Mapping[str, str], *, required: bool) -> Component:
    purl = purl_of_package(package)
    return Component(
        name=package.name,
        version=package.version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.REQUIRED if required else ComponentScope.EXCLUDED,
        bom_ref=str(purl),
        purl=purl,
        # One of them: the lock has the sums of the archives for every system and Python.
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256) for sha256 in package.sha256],
        licenses=[_LICENCES.make_from_string(licences[str(purl)])],
        properties=[Property(name=NEEDED_BY, value="run" if required else "development")],
    )


def _jar(jar: Jar, sets: tuple[str, ...], licences: Mapping[str, str]) -> Component:
    purl = purl_of_jar(jar)
    return Component(
        name=jar.artifact,
        group=jar.organisation,
        version=jar.version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.REQUIRED,
        bom_ref=str(purl),
        purl=purl,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=jar.sha256)],
        licenses=[_LICENCES.make_from_string(licences[str(purl)])],
        properties=[Property(name=NEEDED_BY, value=name) for name in sets],
    )


def declared_licences(packages: list[Requirement], archives: Mapping[Jar, tuple[str, ...]]) -> dict[str, str]:
    """Return the licence of each part by its purl; raises LabError where a part declares none."""
    found = {str(purl_of_package(package)): of_package(package.name) for package in packages}
    found |= {str(purl_of_jar(jar)): licence for jar, licence in of_jars(archives).items()}
    if silent := [purl for purl, licence in found.items() if licence == UNKNOWN]:
        cause = f"{len(silent)} parts declare no licence"
        raise LabError(cause, ", ".join(silent[:5]), "read it in their LICENSE, and add it to supply_chain/licences.py")
    return found


def main() -> None:
    """Write both files."""
    packages, archives = requirements(), jars()
    text = bill(packages, archives, declared_licences(packages, archives), locks_hash())
    SBOM.write_text(text, encoding="utf-8")
    LICENCES.write_text(licences_page(json.loads(text)), encoding="utf-8")
    for path in (SBOM, LICENCES):
        sys.stdout.write(f"[ok] {path.relative_to(Path.cwd())}\n")


if __name__ == "__main__":
    run_reported(main)
