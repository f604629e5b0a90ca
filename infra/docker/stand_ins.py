"""Local stand-in images, for machines where no image registry answers: Debian's Java by debootstrap, and the locked jars.

They honour the public images' environment variables, are labelled as stand-ins, and have names of their own.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sys
import tarfile
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docker.errors import DockerException

from infra.console.crash_reports import run_reported
from infra.docker.engine import CREDENTIALS_REMEDY, engine, has_image, of_credentials
from infra.host.environment import fetching_environment
from infra.host.paths import short_hash
from infra.java.jars import ensure_jars
from infra.stack.profiles import KAFKA_IMAGE, KRAFT_IMAGE, ZOOKEEPER_IMAGE
from trending.errors import ImageUnavailable, LabError

if TYPE_CHECKING:
    from docker import DockerClient

SUITE = "bookworm"
BASE = "trending-lab/java:17-bookworm"
SOURCES = Path(__file__).with_name("images")
BUILD_SECONDS = 900
UMASK = 0o022
"""Of the base image: the user of a container is not the one who builds it."""


@dataclass(frozen=True)
class StandIn:
    """A stand-in: the public image it replaces, tag included, its own name, main class, jars and logging configuration."""

    stands_for: str
    image: str
    flavour: str
    version: str
    jars: str
    logging: Path


STAND_INS = (
    StandIn(
        KRAFT_IMAGE,
        "trending-lab/kafka:4.4.0",
        "kraft",
        "4.4.0",
        "broker",
        Path(__file__).parents[1] / "kafka" / "log4j2.yaml",
    ),
    StandIn(KAFKA_IMAGE, "trending-lab/cp-kafka:3.9.2", "kafka", "3.9.2", "zookeeper", SOURCES / "logback.xml"),
    StandIn(
        ZOOKEEPER_IMAGE,
        "trending-lab/cp-zookeeper:3.8.6",
        "zookeeper",
        "3.8.6",
        "zookeeper",
        SOURCES / "logback.xml",
    ),
)


def stand_in_for(image: str) -> StandIn | None:
    """Return the stand-in for a profile's own image. Another version or digest was asked for and is not stood in for."""
    return next((each for each in STAND_INS if each.stands_for == image), None)


def image_at_hand(client: DockerClient, image: str) -> str | None:
    """Return the local image to use for ``image``: itself or its stand-in, or None if neither exists."""
    stand_in = stand_in_for(image)
    return next((each for each in (image, stand_in.image if stand_in else "") if each and has_image(client, each)), None)


def build_all() -> list[str]:
    """Build the base and every stand-in that is missing or out of date; returns the names of the images."""
    with engine(BUILD_SECONDS) as client:
        try:
            if not has_image(client, BASE):
                _import_base(client)
            return [_build(client, stand_in) for stand_in in STAND_INS]
        except (DockerException, RuntimeError) as error:
            if not of_credentials(str(error)):
                raise
            cause = "the images cannot be built: Docker's credential helper fails"
            raise ImageUnavailable(cause, str(error)[:400], CREDENTIALS_REMEDY) from error


def _import_base(client: DockerClient) -> None:
    if shutil.which("debootstrap") is None:
        cause = "debootstrap is needed to build the local images"
        raise ImageUnavailable(cause, "not on the path", "apt-get install debootstrap (as root), then make images")
    with tempfile.TemporaryDirectory(prefix="trending-base-") as scratch:
        root = Path(scratch) / "root"
        command = ["debootstrap", "--variant=minbase", "--include=openjdk-17-jre-headless", SUITE, str(root)]
        environment = fetching_environment()
        done = subprocess.run(
            command, env=environment, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False, umask=UMASK
        )
        if done.returncode:
            cause = "debootstrap failed"
            raise LabError(cause, (done.stdout + done.stderr).strip()[-400:], "run make images as root, with a network")
        for rubbish in ("var/cache/apt", "var/lib/apt/lists", "usr/share/doc", "usr/share/man"):
            shutil.rmtree(root / rubbish, ignore_errors=True)
        archive = Path(scratch) / "root.tar"
        with tarfile.open(archive, "w") as tar:
            tar.add(root, arcname=".")
        client.api.import_image(src=str(archive), repository=BASE.split(":", maxsplit=1)[0], tag=BASE.split(":")[1])


def readable(file: tarfile.TarInfo) -> tarfile.TarInfo:
    """Return a file that the image's own user can read, whatever umask it was written with here."""
    file.mode = 0o755 if file.name.endswith(".sh") else 0o644
    file.uid = file.gid = 0
    file.uname = file.gname = "root"
    return file


def _build(client: DockerClient, stand_in: StandIn) -> str:
    jars = ensure_jars(stand_in.jars)
    recipe = "".join(path.read_text(encoding="utf-8") for path in sorted(SOURCES.iterdir()))
    mark = short_hash(recipe + "".join(path.name for path in jars) + stand_in.flavour)
    if has_image(client, stand_in.image) and client.images.get(stand_in.image).labels.get("trending.recipe") == mark:
        return stand_in.image
    context = io.BytesIO()
    with tarfile.open(fileobj=context, mode="w") as tar:
        for place, file in {
            "Dockerfile": SOURCES / "Dockerfile",
            "entrypoint.sh": SOURCES / "entrypoint.sh",
            f"conf/{stand_in.logging.name}": stand_in.logging,
            **{f"jars/{jar.name}": jar for jar in jars},
        }.items():
            tar.add(file, place, filter=readable)
    context.seek(0)
    arguments = {"BASE": BASE, "FLAVOUR": stand_in.flavour, "VERSION": stand_in.version}
    events = client.api.build(
        fileobj=context,
        custom_context=True,
        tag=stand_in.image,
        buildargs=arguments,
        labels={"trending.recipe": mark},
        decode=True,
        rm=True,
        forcerm=True,
    )
    for event in events:
        if "error" in event:
            cause = f"{stand_in.image} could not be built"
            raise LabError(cause, str(event["error"])[-400:], "make images once more")
    return stand_in.image


def main() -> None:
    """Build the missing images and print the names of all."""
    for image in build_all():
        sys.stdout.write(f"[ok] {image} (a local stand-in, not a published image)\n")


if __name__ == "__main__":
    run_reported(main)
