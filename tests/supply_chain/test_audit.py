"""The audit asks who knows, believes no service that knows nothing, and says what could not be asked."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest

from supply_chain import audit, documents, locks
from supply_chain.vulnerability_services import KNOWN_JAR, Answer, Hole, ask_osv, ask_pip_audit

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.thorough
DIGEST = "a" * 64
BAD = {
    "id": "GHSA-bad",
    "aliases": ["CVE-2026-1"],
    "summary": "reads | writes\nanything",
    "affected": [
        {
            "package": {"name": "jinja2", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "3.0"}]}],
        }
    ],
}
GONE = {**BAD, "id": "GHSA-gone", "withdrawn": "2026-01-01T00:00:00Z"}


class Knowing:
    """A service that speaks OSV's protocol; ``holes`` by what it is asked for."""

    def __init__(self) -> None:
        self.holes: dict[str, list[dict[str, Any]]] = {}
        self.asked: list[str] = []
        knowing = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                question = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                key = question["package"].get("purl") or f"{question['package']['name']}=={question['version']}"
                knowing.asked.append(key)
                holes = knowing.holes.get(key)
                body = json.dumps({"vulns": holes} if holes else {}).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_arguments: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = False
        self.address = f"http://127.0.0.1:{self._server.server_port}/v1/query"
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def knowing(monkeypatch: pytest.MonkeyPatch) -> Iterator[Knowing]:
    service = Knowing()
    monkeypatch.setenv("PIP_AUDIT_OSV_URL", service.address)
    yield service
    service.close()


def test_a_service_that_knows_no_famous_hole_is_not_believed_and_asked_nothing_else(knowing: Knowing, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("certifi==2026.1.1\n")
    packages = ask_pip_audit("osv", lock, 1)
    jars = ask_osv(["pkg:maven/o/a@1"], knowing.address)
    assert knowing.asked == ["jinja2==2.4.1", KNOWN_JAR]
    assert (packages.asked, jars.asked) == (0, 0)
    assert packages.silent == "it knows no hole of jinja2==2.4.1: no hole"
    assert jars.silent == f"it knows no hole of {KNOWN_JAR}"


def test_pip_audit_tells_the_holes_of_a_lock(knowing: Knowing, tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_text("jinja2==2.5 --hash=sha256:" + "0" * 64 + "\ncertifi==2026.1.1 --hash=sha256:" + "1" * 64 + "\n")
    knowing.holes = {"jinja2==2.4.1": [BAD], "jinja2==2.5": [BAD]}
    answer = ask_pip_audit("osv", lock, 2)
    assert sorted(knowing.asked[1:]) == ["certifi==2026.1.1", "jinja2==2.5"]
    assert (answer.asked, answer.silent) == (2, "")
    (hole,) = answer.holes
    assert (hole.part, hole.fixed_in) == ("jinja2 2.5", ("3.0",))
    assert set(hole.names) == {"GHSA-bad", "CVE-2026-1"}


def test_osv_tells_the_holes_of_jars_but_for_withdrawn_ones(knowing: Knowing) -> None:
    knowing.holes = {KNOWN_JAR: [BAD], "pkg:maven/o/a@1": [BAD, GONE]}
    answer = ask_osv(["pkg:maven/o/a@1", "pkg:maven/o/b@2"], knowing.address)
    assert answer == Answer("OSV", 2, 2, (Hole("o/a 1", ("GHSA-bad", "CVE-2026-1"), ("3.0",), "reads | writes anything"),))


def test_a_service_that_is_not_there_is_named_with_its_reason(knowing: Knowing) -> None:
    knowing.close()
    answer = ask_osv(["pkg:maven/o/a@1"], knowing.address)
    assert answer.asked == 0
    assert answer.silent.startswith("ConnectError: ")


def test_the_page_says_what_is_known_what_it_means_and_what_could_not_be_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    hole = Hole("o/a 1", ("GHSA-bad", "CVE-2026-1"), (), "reads | writes")
    answers = [Answer("one", 5, 5, (hole, hole)), Answer("two", 4, 5, (hole,)), Answer("three", 0, 5, silent="away")]
    text = audit.page(answers, {"image x": "3.4.4", "image y": "4.4.0"}, DIGEST, "2026-11-29")
    assert documents.AUDITED.findall(text) == [DIGEST]
    assert "Date: 2026-11-29" in text
    assert text.count("| o/a 1 | GHSA-bad, CVE-2026-1: reads / writes | none yet | not judged yet |") == 1
    assert "| image x: Kafka 3.4.4 | CVE-2026-111115" in text
    assert "image y" not in text
    assert "**2 of 3 services did not tell of every part.**" in text
    assert "| one | 5 of 5 |  |" in text
    assert "| two | 4 of 5 | it does not know the others |" in text
    assert "| three | 0 of 5 | away |" in text
    monkeypatch.setitem(audit.MEANINGS, "CVE-2026-1", "nothing here calls it")
    assert "| nothing here calls it |" in audit.page(answers, {}, DIGEST, "2026-11-29")


def test_without_a_hole_and_with_all_asked_the_page_says_so() -> None:
    text = audit.page([Answer("one", 5, 5)], {"image y": "4.4.0"}, DIGEST, "2026-11-29")
    assert "None that a service below, or the lab itself, knows." in text
    assert "did not tell" not in text


def test_an_old_audit_and_a_hole_that_nobody_judged_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "CHECKOUT", tmp_path)
    monkeypatch.setattr(documents, "AUDIT", tmp_path / "audit.md")
    hole = Hole("o/a 1", ("GHSA-bad",), (), "x")
    (tmp_path / "audit.md").write_text(audit.page([Answer("one", 1, 1, (hole,))], {}, DIGEST, "2026-11-29"))
    told = documents.problems()
    assert "audit.md is of other locks: make audit-dependencies" in told
    assert "audit.md has a hole of which supply_chain/audit.py does not say what it means here" in told
    (tmp_path / "audit.md").write_text(audit.page([Answer("one", 1, 1)], {}, locks.locks_hash(), "2026-11-29"))
    assert documents.problems() == []


def test_every_broker_that_the_lab_may_run_is_looked_at() -> None:
    assert audit.brokers() == {
        "image apache/kafka:4.4.0": "4.4.0",
        "image confluentinc/cp-kafka:7.4.4": "3.4.4",
        "stand-in trending-lab/kafka:4.4.0": "4.4.0",
        "stand-in trending-lab/cp-kafka:3.9.2": "3.9.2",
        "jars of set broker": "4.4.0",
        "jars of set zookeeper": "3.9.2",
    }
