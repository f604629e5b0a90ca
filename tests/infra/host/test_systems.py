from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from infra.host.paths import CHECKOUT
from infra.host.systems import MACOS, SYSTEMS, java_remedy, this_system

if TYPE_CHECKING:
    from pathlib import Path


def release(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ('ID=debian\nVERSION_ID="12"\n', "Debian 12"),
        ('VERSION_ID="13"\nID=debian\n', "Debian 13"),
        ('ID=ubuntu\nVERSION_ID="24.04"\n', "Ubuntu 24.04"),
        ("ID=fedora\nVERSION_ID=43\n", "Fedora"),
        ("# rolling\nID=arch\n", "Arch Linux"),
        ("ID='debian'\nVERSION_ID='12'\n", "Debian 12"),
        ('ID=debian\nVERSION_ID="11"\n', None),
        ("ID=gentoo\n", None),
        ("", None),
        ("no equals sign\n=\n", None),
    ],
)
def test_a_system_is_known_by_its_release(text: str, name: str | None, tmp_path: Path) -> None:
    found = this_system(release(tmp_path / "os-release", text), "Linux")
    assert (found.name if found else None) == name


def test_no_release_file_or_another_kernel_is_no_system_of_the_table(tmp_path: Path) -> None:
    assert this_system(tmp_path / "none", "Linux") is None
    assert this_system(release(tmp_path / "os-release", "ID=arch\n"), "Darwin") is None


def test_the_way_to_a_java_is_that_of_the_system(tmp_path: Path) -> None:
    debian = release(tmp_path / "13", 'ID=debian\nVERSION_ID="13"\n')
    assert java_remedy(debian, "Linux") == (
        "sudo apt-get install -y openjdk-21-jre-headless, or set JAVA_HOME to a Java 17 or 21"
    )
    assert java_remedy(tmp_path / "none", "Linux") == "install a Java 17 or 21, or set JAVA_HOME to a Java 17 or 21"
    assert java_remedy(tmp_path / "none", "Darwin") == MACOS


@pytest.mark.parametrize("manual", ["README.md", "README.es.md"])
def test_the_manual_has_the_table_of_the_code(manual: str) -> None:
    text = (CHECKOUT / manual).read_text(encoding="utf-8")
    rows = {
        system.name: next((line for line in text.splitlines() if line.startswith(f"| {system.name} |")), "") for system in SYSTEMS
    }
    assert [name for name, row in rows.items() if f"`{next(s for s in SYSTEMS if s.name == name).everything}`" not in row] == []
    untried = [row for name, row in rows.items() if not next(s for s in SYSTEMS if s.name == name).tried]
    assert all(row.endswith("| no |") for row in untried)
    assert all(not row.endswith("| no |") for row in rows.values() if row not in untried)


def test_the_dev_container_is_the_way_on_a_mac() -> None:
    assert ".devcontainer" in MACOS
    assert (CHECKOUT / ".devcontainer" / "devcontainer.json").is_file()
    assert "\n" not in MACOS
