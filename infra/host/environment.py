"""The environment that the lab builds for its programs and probes: what is not on a list here does not reach them.

A user's shell exports things that are right for other work: another Spark, a proxy, options for every JVM. Each broke something
(record 80). So every child process gets one of the environments below, and none inherits ours as it is.
"""

from __future__ import annotations

import os
import shlex
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, MutableMapping

PASSED = frozenset(
    {
        "HOME",
        "PATH",
        "USER",
        "LOGNAME",
        "SHELL",
        "LANG",
        "LANGUAGE",
        "TZ",
        "TZDIR",
        "TMPDIR",
        "JAVA_HOME",
        "LD_LIBRARY_PATH",  # a Python or Java from a cluster's module system, or Colab's, does not start without it
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "REQUESTS_CA_BUNDLE",
        "WSL_DISTRO_NAME",
        "WSL_INTEROP",
        "XDG_CONFIG_HOME",
        "XDG_DATA_HOME",
        "XDG_RUNTIME_DIR",
    }
)
"""What every program and probe gets, if it is set."""
PASSED_PREFIXES = ("LC_", "ASDF_", "JENV_", "MISE_", "SDKMAN_")
"""The locale, and what a version manager's ``java`` needs to find the real one."""
PATHS = frozenset({"TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE"})
"""Of these, what is not there does not pass: a client with a certificate file that is missing dies at its first request."""
PROXIES = ("http_proxy", "https_proxy", "ftp_proxy", "all_proxy", "no_proxy")
LOOPBACK = ("127.0.0.1", "localhost", "::1")
DOCKER_PREFIXES = ("DOCKER_", "SSH_AUTH_")
"""What leads to the user's Docker engine, also over ssh."""
_FETCHING = ("-Dhttp.proxy", "-Dhttps.proxy", "-Dhttp.nonProxyHosts", "-DsocksProxy", "-Djava.net.", "-Djavax.net.ssl.")
"""Options in the user's JVM variables that say how a network is reached, and nothing else."""
_JVM_VARIABLES = ("JAVA_TOOL_OPTIONS", "JDK_JAVA_OPTIONS", "_JAVA_OPTIONS")


def built_environment() -> dict[str, str]:
    """Return the environment of a program or probe: what is on the list, in UTF-8, and no proxy."""
    passed = {
        name: value
        for name, value in os.environ.items()
        if (name in PASSED or name.startswith(PASSED_PREFIXES)) and not _leads_nowhere(name, value)
    }
    return {**passed, "LC_ALL": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def proxies() -> dict[str, str]:
    """Return the user's proxies, with loopback excepted; empty if there are none. Their addresses may contain a password."""
    given = {name: value for name, value in os.environ.items() if name.lower() in PROXIES and _usable(name, value)}
    if not any(name.lower() != "no_proxy" for name in given):
        return {}
    direct = _except_loopback(given)
    return {**given, "no_proxy": direct, "NO_PROXY": direct}


def docker_variables() -> dict[str, str]:
    """Return what leads to the user's Docker engine."""
    return {name: value for name, value in os.environ.items() if name.startswith(DOCKER_PREFIXES)}


def fetching_environment() -> dict[str, str]:
    """Return the environment of a JVM or a program that fetches files from elsewhere: with proxies, and their options for Java.

    Java does not read the proxies' variables. They travel in a variable of its own, since an address may contain a password.
    """
    given = proxies()
    options = [*_java_proxies(given), *_users_network_options()]
    java = {"JDK_JAVA_OPTIONS": " ".join(map(_quoted, options))} if options else {}
    return {**built_environment(), **given, **java}


def keep_loopback_direct(environment: MutableMapping[str, str] | None = None) -> None:
    """Except loopback from the proxies of this very process, whose HTTP clients read the environment.

    What such a client would die of before it asks anything goes: a SOCKS proxy, for which none of ours has the package, and
    certificates that are not there.
    """
    environment = os.environ if environment is None else environment
    for name, value in list(environment.items()):
        if (name.lower() in PROXIES and not _usable(name, value)) or _leads_nowhere(name, value):
            del environment[name]
    direct = _except_loopback(environment)
    environment.update(no_proxy=direct, NO_PROXY=direct)


def _leads_nowhere(name: str, value: str) -> bool:
    """Whether the variable should be the path of something that exists, and is not."""
    return name in PATHS and not os.path.exists(value)  # noqa: PTH110 - it may be empty, which is no Path


def _usable(name: str, value: str) -> bool:
    if name.lower() == "no_proxy":
        return True
    return _proxy(value) is not None


def _proxy(address: str) -> tuple[str, int] | None:
    """Return a proxy's host and port, or None if the address is not that of an HTTP proxy."""
    try:
        parts = urlsplit(address if "://" in address else f"http://{address}")
        port = parts.port or (443 if parts.scheme == "https" else 80)
    except ValueError:
        return None
    return (parts.hostname, port) if parts.hostname and parts.scheme in {"http", "https"} else None


def _except_loopback(environment: Mapping[str, str]) -> str:
    """Return NO_PROXY with loopback in it; both spellings count, since clients differ in which one they read."""
    words = [word.strip() for name in ("no_proxy", "NO_PROXY") for word in environment.get(name, "").split(",")]
    if "*" in words:
        return "*"
    return ",".join(dict.fromkeys([*filter(None, words), *LOOPBACK]))


def _java_proxies(given: Mapping[str, str]) -> Iterable[str]:
    by_name = {name.lower(): value for name, value in given.items()}
    for scheme in ("http", "https"):
        if proxy := _proxy(by_name.get(f"{scheme}_proxy") or by_name.get("all_proxy") or ""):
            host, port = proxy
            yield from (f"-D{scheme}.proxyHost={host}", f"-D{scheme}.proxyPort={port}")
    direct = [word for word in by_name.get("no_proxy", "").split(",") if word]
    if direct:
        yield "-Dhttp.nonProxyHosts=" + "|".join(f"*{word}" if word.startswith(".") else word for word in direct)


def _users_network_options() -> Iterable[str]:
    for name in _JVM_VARIABLES:
        try:
            words = shlex.split(os.environ.get(name, ""))
        except ValueError:  # an open quote; Java itself would refuse it
            continue
        yield from (word for word in words if word.startswith(_FETCHING))


def _quoted(option: str) -> str:
    """Return the option as JDK_JAVA_OPTIONS reads it: within quotes where it contains a space."""
    return f'"{option}"' if any(character.isspace() for character in option) else option
