"""What to install, by operating system. Uses only the standard library, so that it can run before the set-up.

README and README.es repeat this table, and tests/infra/host/test_systems.py compares them.
"""

from __future__ import annotations

import platform
from dataclasses import dataclass
from pathlib import Path

OS_RELEASE = Path("/etc/os-release")
MACOS = (
    "macOS is not supported: open the project in its dev container (.devcontainer), with Codespaces or with VS Code and Docker"
)
"""What is said on a Mac, in one line."""


@dataclass(frozen=True)
class System:
    """An operating system: how its packages are installed, which ones the lab needs, and whether that was tried.

    ``ids`` are ``ID``, or ``ID`` and ``VERSION_ID`` with a blank between, of os-release. The first of ``java`` is recommended.
    """

    name: str
    ids: tuple[str, ...]
    manager: str
    base: str
    java: tuple[str, ...]
    tried: bool = False

    @property
    def everything(self) -> str:
        """The command that installs all prerequisites."""
        return f"{self.manager} {self.base} {self.java[0]}"

    @property
    def java_only(self) -> str:
        """The command that installs Java."""
        return f"{self.manager} {self.java[0]}"


_APT, _BASE = "sudo apt-get install -y", "git make python3 python3-venv"
SYSTEMS = (
    System("Debian 12", ("debian 12",), _APT, _BASE, ("openjdk-17-jre-headless",), tried=True),
    System("Debian 13", ("debian 13",), _APT, _BASE, ("openjdk-21-jre-headless",), tried=True),
    System("Ubuntu 24.04", ("ubuntu 24.04",), _APT, _BASE, ("openjdk-21-jre-headless", "openjdk-17-jre-headless")),
    System("Fedora", ("fedora",), "sudo dnf install -y", "git make python3.13", ("java-21-openjdk-headless",)),
    System(
        "Arch Linux",
        ("arch",),
        "sudo pacman -S --needed",
        "git make python",
        ("jre21-openjdk-headless", "jre17-openjdk-headless"),
    ),
)
"""Every system that the manual names."""


def this_system(release: Path = OS_RELEASE, kind: str | None = None) -> System | None:
    """Return the row of the machine that this runs on; None where the table does not have it."""
    if (kind or platform.system()) != "Linux" or not release.is_file():
        return None
    lines = release.read_text(encoding="utf-8", errors="replace").splitlines()
    values = {name: value.strip("\"'") for name, _, value in (line.partition("=") for line in lines)}
    identity = values.get("ID", "")
    found = {identity, f"{identity} {values.get('VERSION_ID', '')}"}
    return next((system for system in SYSTEMS if found & set(system.ids)), None)


def java_remedy(release: Path = OS_RELEASE, kind: str | None = None) -> str:
    """Return how to get a Java on this system."""
    if (kind or platform.system()) == "Darwin":
        return MACOS
    system = this_system(release, kind)
    return f"{system.java_only if system else 'install a Java 17 or 21'}, or set JAVA_HOME to a Java 17 or 21"
