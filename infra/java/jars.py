"""The locked jars: fetched from Maven Central with pyspark's Ivy, checked against SHA-256 sums, then used offline."""

from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from xml.sax.saxutils import quoteattr

from filelock import FileLock

from infra.console.crash_reports import run_reported
from infra.host.environment import fetching_environment
from infra.host.paths import lab_home
from infra.java.installation import find_java
from trending.errors import DamagedDownload, PrerequisiteMissing

LOCK_FILE = Path(__file__).with_name("jars.lock")
S3A_LOCK = Path(__file__).with_name("s3a.lock")
"""Of the set ``s3a``, which is fetched only where a checkpoint lies in an object store."""
FETCH_SECONDS = 600


@dataclass(frozen=True)
class Jar:
    """One line of the lock: the set it belongs to, its Maven coordinates and its SHA-256."""

    group: str
    organisation: str
    artifact: str
    version: str
    sha256: str

    @property
    def file_name(self) -> str:
        """The file's name in Maven."""
        return f"{self.artifact}-{self.version}.jar"


def read_lock(text: str) -> list[Jar]:
    """Parse the lock: ``set organisation:artifact:version sha256`` a line, ``#`` for comments."""
    jars = []
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        group, coordinates, sha256 = line.split()
        organisation, artifact, version = coordinates.split(":")
        jars.append(Jar(group, organisation, artifact, version, sha256))
    return jars


def locked(group: str) -> list[Jar]:
    """Return the locked jars of a set, in the order of the lock."""
    jars = (jar for lock in (LOCK_FILE, S3A_LOCK) for jar in read_lock(lock.read_text(encoding="ascii")))
    return [jar for jar in jars if jar.group == group]


def jar_directory(group: str) -> Path:
    """Return where the jars of a set lie."""
    return (lab_home() / "jars").resolve() / group


def ensure_jars(group: str) -> tuple[Path, ...]:
    """Return the checked jars of a set, fetching those that are missing.

    Raises DamagedDownload for a jar, fetched or cached, whose sum differs from the lock.
    """
    directory = jar_directory(group)
    directory.mkdir(parents=True, exist_ok=True)
    wanted = locked(group)
    with FileLock(lab_home() / "jars" / f".{group}.lock", timeout=FETCH_SECONDS):
        missing = [jar for jar in wanted if not (directory / jar.file_name).exists()]
        if missing:
            _fetch(missing, directory)
        for jar in wanted:
            check_jar(jar, directory / jar.file_name)
    return tuple(directory / jar.file_name for jar in wanted)


def check_jar(jar: Jar, path: Path) -> None:
    """Raise DamagedDownload unless the file's SHA-256 is the locked one."""
    with path.open("rb") as file:
        found = hashlib.file_digest(file, "sha256").hexdigest()
    if found != jar.sha256:
        cause = f"{path.name} is not the jar that the lock names"
        evidence = f"{path}: sha256 {found}, locked {jar.sha256}"
        raise DamagedDownload(cause, evidence, f"rm '{path}' && make jars")


_UNTRUSTED = "CertPathBuilderException"
TRUST_REMEDY = (
    "this network shows a certificate of its own, which Java does not know: "
    "export JDK_JAVA_OPTIONS=-Djavax.net.ssl.trustStore=/path/to/store, then make jars"
)
"""Java has a list of certificates of its own: pip may get through where Java does not."""
_FULL = os.strerror(errno.ENOSPC)
FULL_REMEDY = "free some space, or set TRENDING_HOME to a larger disk, then make jars"
_SILENCED = re.compile(r"kB|^NOTE: Picked up")
"""Ivy's progress, and Java's quotation of its options, which may name a trust store's password."""


def _fetch(jars: list[Jar], directory: Path) -> None:
    with tempfile.TemporaryDirectory(dir=directory, prefix=".fetch-") as scratch:
        work = Path(scratch)
        (work / "settings.xml").write_text(ivy_settings(lab_home() / "ivy"), encoding="utf-8")
        (work / "ivy.xml").write_text(ivy_module(jars), encoding="utf-8")
        command = [
            str(find_java().executable),
            "-jar",
            str(ivy_jar()),
            "-settings",
            "settings.xml",
            "-ivy",
            "ivy.xml",
            "-warn",
            "-retrieve",
            "[artifact]-[revision].[ext]",
        ]
        try:
            resolution = subprocess.run(
                command,
                cwd=work,
                env=fetching_environment(),
                capture_output=True,
                text=True,
                timeout=FETCH_SECONDS,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            cause = "fetching the jars took too long"
            raise DamagedDownload(cause, f"{FETCH_SECONDS} s", "check the network, then make jars") from error
        lost = [jar.file_name for jar in jars if not (work / jar.file_name).exists()]
        if resolution.returncode or lost:
            cause = f"{len(lost)} of {len(jars)} jars could not be fetched"
            messages = [
                line.strip() for line in (resolution.stdout + resolution.stderr).splitlines() if not _SILENCED.search(line)
            ]
            said = " ".join(messages)
            full = f"; {_FULL}" if _FULL in said else ""  # Ivy's traceback behind it may be longer than what is kept
            evidence = f"{', '.join(lost[:3])}{full}; {said[-400:]}"
            remedy = TRUST_REMEDY if _UNTRUSTED in said else "check the network, then make jars"
            raise DamagedDownload(cause, evidence, FULL_REMEDY if full else remedy)
        for jar in jars:
            check_jar(jar, work / jar.file_name)
            (work / jar.file_name).replace(directory / jar.file_name)


def ivy_jar() -> Path:
    """Return the Ivy that pyspark ships; raises PrerequisiteMissing without pyspark."""
    spec = find_spec("pyspark")
    found = sorted(Path(spec.origin).parent.glob("jars/ivy-*.jar")) if spec and spec.origin else []
    if not found:
        cause = "pyspark and its Ivy are not installed"
        raise PrerequisiteMissing(cause, sys.executable, "make setup")
    return found[0]


def ivy_settings(cache: Path, *, poms: bool = False) -> str:
    """Return Ivy's settings. No POMs for jars, because the lock already names every one. The resolver's root is Ivy's default."""
    return (
        '<ivysettings><settings defaultResolver="central"/>'
        f"<caches defaultCacheDir={quoteattr(str(cache))}/>"
        f'<resolvers><ibiblio name="central" m2compatible="true" usepoms="{str(poms).lower()}"/></resolvers></ivysettings>'
    )


def ivy_module(jars: list[Jar]) -> str:
    """Return Ivy's list of the jars, without what they need themselves."""
    rows = "".join(
        f"<dependency org={quoteattr(jar.organisation)} name={quoteattr(jar.artifact)} rev={quoteattr(jar.version)} "
        'transitive="false" conf="default->default"/>'
        for jar in jars
    )
    return (
        '<ivy-module version="2.0"><info organisation="trending" module="jars"/>'
        f'<configurations><conf name="default"/></configurations><dependencies>{rows}</dependencies></ivy-module>'
    )


def main() -> None:
    """Fetch and check the sets that are named, the usual ones if none is; a damaged cached jar is fetched again."""
    for group in sys.argv[1:] or ("broker", "spark"):
        for jar in locked(group):
            path = jar_directory(group) / jar.file_name
            try:
                if path.exists():
                    check_jar(jar, path)
            except DamagedDownload:
                path.unlink()
        sys.stdout.write(f"[ok] {len(ensure_jars(group))} jars for {group}\n")


if __name__ == "__main__":
    run_reported(main, own_home=True)
