"""``make audit-dependencies``: docs/dependency-audit.md, dated: known holes of the parts, and what could not be asked."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from infra.console.crash_reports import run_reported
from infra.docker.stand_ins import STAND_INS
from infra.kafka.versions import HOLES, hole, version_of_image
from infra.stack.profiles import KAFKA_IMAGE, KRAFT_IMAGE
from supply_chain.documents import AUDIT, NOT_JUDGED
from supply_chain.locks import REQUIREMENTS, jars, locks_hash, requirements
from supply_chain.sbom import purl_of_jar
from supply_chain.vulnerability_services import PACKAGE_SERVICES, Answer, Hole, ask_osv, ask_pip_audit

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

MEANINGS: dict[str, str] = {}
"""By a name of the hole (CVE, GHSA, PYSEC): what it means for the lab. ``make check`` fails where a listed one is missing."""
_BROKER = (
    "Whoever reaches the broker's port can stop it. The port is on 127.0.0.1, so that takes a user of the machine. "
    "Start-up and health check say so. `PROFILE=kraft`, the default, has no such broker."
)


def page(answers: Sequence[Answer], brokers: Mapping[str, str], digest: str, day: str) -> str:
    """Return the audit; ``brokers`` maps what carries a Kafka to its version."""
    holes = sorted({each.part + each.names[0]: each for answer in answers for each in answer.holes}.values(), key=str)
    old = {name: version for name, version in brokers.items() if hole(version)}
    unheard = sum(1 for answer in answers if answer.asked < answer.parts)
    lines = [
        "# Dependency audit",
        "",
        f"Date: {day}, made by `make audit-dependencies`.",
        f"Locks: `{digest}`,",
        "of `requirements-dev.lock` and `infra/java/jars.lock`. `make check` fails when they are others.",
        "",
        "## Known holes",
        "",
    ]
    if holes or old:
        lines += ["| part | hole | without it | what it means for the lab |", "|---|---|---|---|"]
        lines += [f"| {name}: Kafka {version} | {HOLES} | 4.4.0, 4.2.2 | {_BROKER} |" for name, version in old.items()]
        lines += [
            f"| {each.part} | {_named(each)} | {', '.join(each.fixed_in) or 'none yet'} | {meaning(each)} |" for each in holes
        ]
    else:
        lines.append("None that a service below, or the lab itself, knows.")
    lines += ["", "Holes of brokers are those that the lab knows itself (`infra/kafka/versions.py`).", "", "## Who was asked", ""]
    if unheard:
        lines += [
            f"**{unheard} of {len(answers)} services did not tell of every part.** Where none did, an empty list says nothing:",
            "run it again where they can be reached.",
            "",
        ]
    lines += ["| service | parts that it told of | why not all |", "|---|---|---|"]
    lines += [f"| {each.service} | {each.asked} of {each.parts} | {_reason(each)} |" for each in answers]
    lines += [
        "",
        "Each service is first asked for a part whose holes everybody knows. One that knows none of those counts as not asked.",
        "",
        "Not asked about: the jars that pyspark ships, native libraries in wheels, public images, Debian's packages,",
        "and the peers of the benchmarks.",
    ]
    return "\n".join(lines) + "\n"


def meaning(found: Hole) -> str:
    """Return what a hole means for the lab."""
    return next((MEANINGS[name] for name in found.names if name in MEANINGS), NOT_JUDGED)


def _named(found: Hole) -> str:
    return f"{', '.join(found.names)}: {found.description}".replace("|", "/")


def _reason(answer: Answer) -> str:
    return (answer.silent or ("" if answer.asked == answer.parts else "it does not know the others")).replace("|", "/")


def brokers() -> dict[str, str]:
    """Return what carries a Kafka broker, with Kafka's version."""
    found = {f"image {image}": version_of_image(image) for image in (KRAFT_IMAGE, KAFKA_IMAGE)}
    found |= {f"stand-in {each.image}": each.version for each in STAND_INS if each.flavour != "zookeeper"}
    return found | {f"jars of set {jar.group}": jar.version for jar in jars() if jar.artifact == "kafka_2.13"}


def main() -> None:
    """Ask, and write the page."""
    packages = requirements()
    answers = [ask_pip_audit(service, REQUIREMENTS, len(packages)) for service in PACKAGE_SERVICES]
    answers.append(ask_osv([str(purl_of_jar(jar)) for jar in jars()]))
    AUDIT.write_text(page(answers, brokers(), locks_hash(), datetime.now(UTC).date().isoformat()), encoding="utf-8")
    for answer in answers:
        sys.stdout.write(f"{answer.service}: {answer.asked} of {answer.parts} parts, {len(answer.holes)} holes {answer.silent}\n")
    sys.stdout.write(f"[ok] {AUDIT.name}\n")


if __name__ == "__main__":
    run_reported(main)
