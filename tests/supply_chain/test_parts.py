"""The list of parts is what the locks say, by CycloneDX's own schema; licences are those that packages and POMs declare."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from infra.java.jars import LOCK_FILE, S3A_LOCK, read_lock
from supply_chain import documents, licences, locks, sbom
from trending.errors import LabError

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.thorough
COMMITTED = documents.SBOM.read_text(encoding="utf-8")
BILL: dict[str, Any] = json.loads(COMMITTED)
PARTS = {part["purl"]: part for part in BILL["components"]}
POM = '<ivy-module version="2.0"><info organisation="o" module="m">{}</info></ivy-module>'


def test_the_committed_list_is_valid_by_the_schema() -> None:
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(COMMITTED) is None
    assert BILL["bomFormat"] == "CycloneDX"
    assert "timestamp" not in BILL["metadata"]


def test_it_has_every_package_and_jar_with_the_locked_sums_and_a_licence() -> None:
    assert len(PARTS) == len(locks.requirements()) + len(locks.jars())
    for package in locks.requirements():
        part = PARTS[f"pkg:pypi/{package.name}@{package.version}"]
        assert {each["content"] for each in part["hashes"]} == set(package.sha256)
    for jar in (jar for lock in (LOCK_FILE, S3A_LOCK) for jar in read_lock(lock.read_text(encoding="ascii"))):
        part = PARTS[f"pkg:maven/{jar.organisation}/{jar.artifact}@{jar.version}"]
        assert part["hashes"] == [{"alg": "SHA-256", "content": jar.sha256}]
        assert jar.group in {each["value"] for each in part["properties"]}
    assert all(documents.licences_of(part) for part in PARTS.values())


def test_what_only_development_needs_is_told_apart() -> None:
    scope = {part["name"]: part["scope"] for part in PARTS.values()}
    assert {scope[name] for name in ("pytest", "mypy", "cyclonedx-python-lib", "pip-audit")} == {"excluded"}
    assert {scope[name] for name in ("prefect", "pyspark", "starlette", "anyio", "kafka-clients")} == {"required"}


def test_the_same_locks_make_the_same_file_which_is_the_committed_one() -> None:
    declared = {purl: documents.licences_of(part) for purl, part in PARTS.items()}
    assert sbom.bill(locks.requirements(), locks.jars(), declared, locks.locks_hash()) == COMMITTED


def test_the_installed_packages_declare_the_licences_that_the_list_has() -> None:
    told = {package.name: licences.of_package(package.name) for package in locks.requirements()}
    listed = {part["name"]: documents.licences_of(part) for purl, part in PARTS.items() if purl.startswith("pkg:pypi/")}
    assert told == listed


def test_a_list_of_other_locks_and_a_page_changed_by_hand_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert documents.problems() == []
    documents.main()
    lock = tmp_path / "requirements.lock"
    lock.write_bytes(locks.REQUIREMENTS.read_bytes() + b"# one more line\n")
    monkeypatch.setattr(locks, "REQUIREMENTS", lock)
    assert "docs/sbom.cdx.json is of other locks: make sbom" in documents.problems()
    page = documents.CHECKOUT / "docs" / "settings.md"
    monkeypatch.setattr(documents, "LICENCES", page)
    assert "docs/settings.md is not made from the list of parts: make sbom" in documents.problems()
    with pytest.raises(LabError, match="changed since"):
        documents.main()


def test_a_lock_is_read_with_sums_and_parents() -> None:
    one, two = "1" * 64, "2" * 64
    text = (
        "# made by pip-compile\n"
        f"first==1.0 \\\n    --hash=sha256:{two} \\\n    --hash=sha256:{one}\n    # via trending-lab (pyproject.toml)\n"
        f"second==2.0.post1 \\\n    --hash=sha256:{one}\n    # via\n    #   first\n    #   trending-lab (pyproject.toml)\n"
    )
    first, second = locks.read_requirements(text)
    assert first == locks.Requirement("first", "1.0", (one, two), ("trending-lab (pyproject.toml)",))
    assert second == locks.Requirement("second", "2.0.post1", (one,), ("first", "trending-lab (pyproject.toml)"))


@pytest.mark.parametrize(
    ("declared", "licence"),
    [
        ([("The Apache Software License, Version 2.0", "")], "Apache-2.0"),
        ([("Eclipse Public License - v 1.0", ""), ("GNU Lesser General Public License", next(iter(licences._BY_ADDRESS)))],
         "EPL-1.0 OR LGPL-2.1-only"),
        ([("MIT License", "x"), ("The MIT License", "y")], "MIT"),
        ([("Somebody's", "")], "Somebody's"),
        ([], "unknown"),
    ],
)  # fmt: skip
def test_a_pom_with_several_licences_leaves_the_choice(declared: list[tuple[str, str]], licence: str) -> None:
    assert licences.of_pom(declared) == licence


def test_each_jar_has_the_licence_that_ivy_found(monkeypatch: pytest.MonkeyPatch) -> None:
    jars = list(locks.jars())
    asked: list[set[str]] = []

    def resolve(work: Path, chosen: list[Any]) -> None:
        asked.append({jar.group for jar in chosen})
        for jar in chosen:
            place = work / "cache" / jar.organisation / jar.artifact
            place.mkdir(parents=True, exist_ok=True)
            (place / f"ivy-{jar.version}.xml").write_text(POM.format(f'<license name="{jar.artifact}" url="u"/>'))

    monkeypatch.setattr(licences, "_resolve", resolve)
    assert licences.of_jars(jars) == {jar: jar.artifact for jar in jars}
    assert asked == [{"broker"}, {"s3a"}, {"spark"}, {"zookeeper"}]


def test_a_part_without_a_licence_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbom, "of_jars", lambda archives: dict.fromkeys(archives, licences.UNKNOWN))
    with pytest.raises(LabError, match=f"{len(locks.jars())} parts declare no licence"):
        sbom.declared_licences(locks.requirements(), locks.jars())


@pytest.mark.parametrize(
    ("expression", "copyleft"),
    [
        ("MPL-2.0", True),
        ("MPL-2.0 AND (Apache-2.0 OR MIT)", True),
        ("EPL-1.0 OR LGPL-2.1-only", True),
        ("Artistic-1.0-Perl OR GPL-2.0-or-later", False),
        ("MIT", False),
        ("BSD License", False),
    ],
)
def test_a_licence_is_copyleft_where_every_alternative_is(expression: str, copyleft: bool) -> None:  # noqa: FBT001 - a parameter
    assert licences.is_copyleft(expression) is copyleft
