"""The environment that is built: nothing that a user's shell exports for other work reaches a program or a probe. Row 36."""

from __future__ import annotations

import csv
import os
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from fakes.homes import make_java

from infra.host.environment import (
    LOOPBACK,
    built_environment,
    docker_variables,
    fetching_environment,
    keep_loopback_direct,
    proxies,
)
from infra.java.installation import ask_java
from infra.prefect_services.credentials import (
    PrefectServer,
    client_environment,
    ensure_password,
    server_environment,
    server_secrets,
)
from infra.prefect_services.worker import worker_environment
from infra.supervision.supervisor import clean_environment

if TYPE_CHECKING:
    from collections.abc import Mapping

with Path(__file__).with_name("environments.tsv").open(encoding="utf-8") as _file:
    BATTERY = list(csv.DictReader(_file, delimiter="\t"))
MORE = (
    "_JAVA_OPTIONS=-Xmx10M",
    "JDK_JAVA_OPTIONS=-XX:+UseG1GC",
    "JMX_PORT=9999",
    "KAFKA_JMX_OPTS=-Dx",
    "KAFKA_LOG4J_OPTS=-Dx",
    "LOG_DIR=/nowhere",
    "SPARK_REMOTE=sc://localhost",
    "SPARK_SUBMIT_OPTS=-Xmx10M",
    "SPARK_LOCAL_DIRS=/nowhere",
    "SPARK_DIST_CLASSPATH=/no.jar",
    "SPARK_TESTING=1",
    "PYSPARK_PYTHON=/no/python",
    "PYSPARK_DRIVER_PYTHON=jupyter",
    "HADOOP_HOME=/nowhere",
    "YARN_CONF_DIR=/nowhere",
    "PYTHONPATH=/nowhere",
    "PYTHONHOME=/nowhere",
    "PYTHONWARNINGS=error",
    "PYTHONOPTIMIZE=2",
    "LD_PRELOAD=/no.so",
    "ALL_PROXY=socks5://127.0.0.1:9",
    "all_proxy=http://127.0.0.1:9",
    "PREFECT_API_KEY=pnu_x",
    "PREFECT_SERVER_API_AUTH_STRING=x:y",
    "PREFECT_SERVER_DATABASE_CONNECTION_URL=sqlite:////nowhere",
    "SUPERVISOR_SERVER_URL=http://x",
    "SSL_CERT_FILE=/no.pem",
    "TRENDING_RATE=5",
    "MAKEFLAGS=ALERT_URL=https://secret",
)
"""Brothers of the battery's rows."""
CHOICES = frozenset({"TZ", "HOME", "TMPDIR"})
"""Rows that set what is the user's to choose: it passes, and works."""
OURS = PrefectServer("http://127.0.0.1:4711/api", started=False)


def rows() -> list[tuple[str, str, str]]:
    """Return variable, value and what is unset beside it."""
    table = [(*row["set"].partition("=")[::2], row["unset"] or "") for row in BATTERY if row["set"]]
    return table + [(*text.partition("=")[::2], "") for text in MORE]


def of_programs_and_probes() -> dict[str, Mapping[str, str]]:
    """Return each environment that the lab builds without a network in mind."""
    server = PrefectServer(OURS.url, started=False, password=ensure_password())
    return {
        "program": clean_environment("mark"),
        "probe": built_environment(),
        "server": server_environment(server.url),
        "worker": worker_environment(server),
        "prefect command": {name: value for name, value in client_environment(server).items() if name not in proxies()},
    }


@pytest.mark.row(36)
@pytest.mark.parametrize(("name", "value", "unset"), rows(), ids=lambda part: part.partition(" ")[0][:40])
def test_each_variable_alone_is_absent_or_replaced(name: str, value: str, unset: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for each in unset.split():
        monkeypatch.delenv(each, raising=False)
    monkeypatch.setenv(name, value)
    for which, environment in of_programs_and_probes().items():
        if name not in CHOICES:
            assert environment.get(name) != value, which
        assert environment.get("LC_ALL", "C.UTF-8") == "C.UTF-8"
        assert "PYTHONIOENCODING" not in environment


@pytest.mark.row(36)
def test_a_probe_of_java_says_the_version_whatever_is_exported_for_jvms(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A JVM with these options writes other versions, or dies of a taken JMX port, before it says its own."""
    java = tmp_path / "bin" / "java"
    make_java(java.parent, "17.0.15")
    script = java.read_text(encoding="utf-8").replace("#!/bin/sh\n", '#!/bin/sh\n[ -z "$JAVA_TOOL_OPTIONS" ] || exit 1\n')
    java.write_text(script, encoding="utf-8")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dcom.sun.management.jmxremote.port=9999")
    assert subprocess.run([java, "-version"], check=False, capture_output=True).returncode == 1
    assert ask_java(java)[0] == 17


@pytest.mark.row(36)
def test_no_home_no_problem(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("HOME")
    assert "HOME" not in built_environment()


@pytest.mark.row(36)
def test_what_leads_to_a_docker_engine_reaches_the_worker_and_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOCKER_HOST", "ssh://somewhere")
    monkeypatch.setenv("SSH_AUTH_SOCK", "/run/agent")
    assert docker_variables() == {**docker_variables(), "DOCKER_HOST": "ssh://somewhere", "SSH_AUTH_SOCK": "/run/agent"}
    assert worker_environment(OURS)["DOCKER_HOST"] == "ssh://somewhere"
    assert not {"DOCKER_HOST", "SSH_AUTH_SOCK"} & set(clean_environment("mark"))


@pytest.mark.row(36)
def test_what_fetches_from_elsewhere_goes_by_the_proxy_and_java_is_told_how(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("no_proxy", "NO_PROXY", "HTTP_PROXY", "http_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("https_proxy", "http://user:word@proxy.campus:3128")
    monkeypatch.setenv("NO_PROXY", ".campus")
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Djavax.net.ssl.trustStore='/the store/cacerts' -XX:+UseG1GC")
    environment = fetching_environment()
    assert environment["https_proxy"] == "http://user:word@proxy.campus:3128"
    assert environment["no_proxy"] == ".campus,127.0.0.1,localhost,::1"
    options = environment["JDK_JAVA_OPTIONS"]
    assert "-Dhttps.proxyHost=proxy.campus -Dhttps.proxyPort=3128" in options
    assert "-Dhttp.nonProxyHosts=*.campus|127.0.0.1|localhost|::1" in options
    assert '"-Djavax.net.ssl.trustStore=/the store/cacerts"' in options
    assert "G1GC" not in options
    assert "word" not in options
    assert "JAVA_TOOL_OPTIONS" not in environment


@pytest.mark.row(36)
def test_without_a_proxy_nothing_is_said_about_one(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("JAVA_TOOL_OPTIONS", "-Dx='")  # an open quote
    assert proxies() == {}
    assert "JDK_JAVA_OPTIONS" not in fetching_environment()


@pytest.mark.row(36)
def test_the_server_sends_its_alerts_by_the_proxy_and_asks_loopback_directly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.campus:3128")
    given = server_secrets(ensure_password())
    assert given["HTTPS_PROXY"] == "http://proxy.campus:3128"
    assert set(LOOPBACK) <= set(given["NO_PROXY"].split(","))
    assert given["NO_PROXY"] == given["no_proxy"]


@pytest.mark.row(36)
@pytest.mark.parametrize(
    ("name", "value"), [("ALL_PROXY", "socks5://127.0.0.1:9"), ("http_proxy", "http://x:no"), ("https_proxy", "")]
)
def test_a_proxy_that_no_client_of_ours_can_use_is_left_out(name: str, value: str) -> None:
    environment = {name: value, "SSL_CERT_FILE": "/no.pem", "NO_PROXY": "*"}
    keep_loopback_direct(environment)
    assert environment == {"NO_PROXY": "*", "no_proxy": "*"}
