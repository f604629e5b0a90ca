"""What people read: the front door is short, every link leads somewhere, every command and setting that a page names exists."""

from __future__ import annotations

import re
from itertools import groupby
from pathlib import Path

import pytest
import yaml
from kills.plan import SoakForm
from mutation.run import MutantsForm

from infra.commands.manual import all_errors
from infra.forms.every_form import ALL_FORMS, field_sections

CHECKOUT = Path(__file__).resolve().parents[2]
FRONT_DOORS = (CHECKOUT / "README.md", CHECKOUT / "README.es.md")
SOURCES = {"fuentes", "sources"}
"""Folders of a report's sources: Marp's slides in them are no pages."""
ROOMS = sorted(page for page in (CHECKOUT / "docs").rglob("*.md") if page.parent.name not in SOURCES)
SECURITY = CHECKOUT / "SECURITY.md"
PAGES = (*FRONT_DOORS, CHECKOUT / "CONTRIBUTING.md", CHECKOUT / "CHANGELOG.md", SECURITY, *ROOMS)
NOTEBOOKS = (CHECKOUT / "Notebook.ipynb", CHECKOUT / "Notebook.en.ipynb")
APART = ("decisions", "recorded")
"""Folders of docs/ whose pages are linked as a folder or one by one, as they are needed."""
MOST_LINES = 130
MOST_LINES_OF_SECURITY = 120
TEST = re.compile(r"`((?:[\w/]+/)?test_\w+\.py)`?\s*`?::(test_\w+)`")
"""A test by its file below tests/ and its name; a long one is split before the colons."""
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```[a-z]*\n(.*?)^```|`([^`\n]+)`", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"(?:^|[;&,] *)make ([a-z]+(?:-[a-z]+)*)\b([^\n;&#]*)", re.MULTILINE)


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


def prose(page: Path) -> str:
    """Return the page without its blocks of code, in which a bracket is no link."""
    return FENCE.sub("", read(page))


def links(page: Path) -> list[str]:
    """Return the targets of the page's links and pictures that lie in the checkout."""
    return [target for target in re.findall(r"\]\(([^)\s]+)\)", prose(page)) if "://" not in target]


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings have where it is shown."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> list[str]:
    found = []
    for link in links(page):
        path, _hash, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            found.append(link)
    return found


def commands(page: Path) -> list[tuple[str, str]]:
    """Return target and arguments of each call of make in the page's code."""
    code = "\n".join(block or inline for block, inline in CODE.findall(read(page)))
    return COMMAND.findall(code)


def targets() -> set[str]:
    makefile = read(CHECKOUT / "Makefile")
    return {target for line in re.findall(r"^([a-z][a-z -]*):", makefile, re.MULTILINE) for target in line.split()}


def settings() -> set[str]:
    return {name.upper() for form in (*ALL_FORMS, SoakForm, MutantsForm) for name in field_sections(form)} | {"PYTHON", "ARGS"}


def unknown_words(page: Path) -> list[str]:
    """Return the targets and variables of make that the page names and nothing has."""
    wrong = {target for target, _arguments in commands(page)} - targets()
    given = {name for _target, arguments in commands(page) for name in re.findall(r"\b([A-Z][A-Z_]+)=", arguments)}
    return sorted(wrong | (given - settings()))


def reachable(page: Path, found: set[Path]) -> set[Path]:
    """Return the pages to which links lead from this one, itself included."""
    if page not in found:
        found.add(page)
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists():
                reachable(target, found)
    return found


@pytest.mark.parametrize("page", FRONT_DOORS, ids=lambda page: page.name)
def test_the_front_door_is_one_that_is_read_to_its_end(page: Path) -> None:
    assert len(read(page).splitlines()) <= MOST_LINES


def test_every_test_that_the_threat_model_names_exists() -> None:
    text = read(SECURITY)
    assert len(text.splitlines()) <= MOST_LINES_OF_SECURITY
    named = TEST.findall(text)
    assert len(named) == text.count("::test_") > 15
    assert [each for each in named if f"def {each[1]}(" not in read(CHECKOUT / "tests" / each[0])] == []


@pytest.mark.parametrize("page", [*PAGES, *NOTEBOOKS], ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    assert broken_links(page) == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(CHECKOUT).as_posix())
def test_every_command_and_setting_that_a_page_names_exists(page: Path) -> None:
    assert unknown_words(page) == []


def test_every_room_is_reached_from_the_front_door() -> None:
    found: set[Path] = set()
    for door in FRONT_DOORS:
        reachable(door, found)
    rooms = {page for page in ROOMS if page.relative_to(CHECKOUT / "docs").parts[0] not in APART}
    assert rooms - found == set()


@pytest.mark.parametrize("page", ["docs/prefect.md", "docs/es/manual.md"])
def test_every_deployment_is_in_the_manual(page: str) -> None:
    described = yaml.safe_load(read(CHECKOUT / "prefect.yaml"))["deployments"]
    flows = {each["entrypoint"].rpartition(":")[2].replace("_", "-") for each in described}
    assert {flow for flow in flows if f"`{flow}/local`" not in read(CHECKOUT / page)} == set()


def test_every_exit_code_is_in_the_spanish_manual() -> None:
    told = read(CHECKOUT / "docs" / "es" / "manual.md").partition("### Códigos de salida")[2].partition("##")[0]
    named = {int(found) for found in re.findall(r"(?:^|· |\n)(\d+) ", told)}
    assert {error.exit_code for error in all_errors()} <= named


def test_every_page_that_the_program_sends_people_to_exists() -> None:
    named = {
        (path.relative_to(CHECKOUT).as_posix(), page)
        for floor in ("flows", "tasks", "infra", "src", "benchmarks")
        for path in (CHECKOUT / floor).rglob("*.py")
        for page in re.findall(r"\bdocs/[\w/-]+\.md|\bREADME(?:\.\w+)?\.md", read(path))
    }
    assert [each for each in named if not (CHECKOUT / each[1]).exists()] == []
    assert named


def test_the_headings_of_a_page_differ_so_that_a_link_reaches_the_one_it_means() -> None:
    for page in PAGES:
        headings = sorted(re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE))
        assert [name for name, same in groupby(headings) if len(list(same)) > 1] == [], page


def test_a_broken_link_an_unknown_command_and_an_unknown_setting_are_found(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    other = tmp_path / "other.md"
    other.write_text("# Two words, and `code`\n", encoding="utf-8")
    page.write_text(
        "# Here\n[a](other.md) [b](other.md#two-words-and-code) [c](#here) [d](https://example.org/x)\n"
        "[e](missing.md) [f](other.md#three) ![g](none.png) [h](#there)\n"
        "```\nmake down   # [i](no-link.md)\nmake nonsense\n```\n"
        "`make up RATE=5 HASTE=6`, `sudo apt-get install make git`, `cd x && make absurd-too`\n",
        encoding="utf-8",
    )
    assert broken_links(page) == ["missing.md", "other.md#three", "none.png", "#there"]
    assert unknown_words(page) == ["HASTE", "absurd-too", "nonsense"]
    assert reachable(page, set()) >= {page, other}
