"""Getting into a cluster that is there already: what keeps us out is told as one cause, with what to do about it."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING

from confluent_kafka import KafkaError, KafkaException
from confluent_kafka.admin import AdminClient

from infra.external.listener import EXPIRED, OTHER_ADDRESS, OTHER_HOST, Listener, look_at
from infra.kafka.client import ADMIN_SETTINGS, ClusterView, advertised, reason
from trending.errors import AccessRefused, ConfigurationConflict, InvalidInput, LabError, NotReady, endings_passed_on

if TYPE_CHECKING:
    from trending.kafka.connection import KafkaConnection

ENTRY_SECONDS = 6.0
"""How long a cluster may take to answer the first question; with everything that follows, a refusal is told within 15 s."""
SETTLED_SECONDS = 1.0
"""A refusal of one broker stands when no other has let us in so much later."""
_AUTHENTICATION, _RESOLVE, _SSL = KafkaError._AUTHENTICATION, KafkaError._RESOLVE, KafkaError._SSL  # noqa: SLF001 - librdkafka's
_ALERT = re.compile(r"alert|certificate required", re.IGNORECASE)
"""What OpenSSL says where the other side ended the handshake because of our certificate, or for want of one."""


class Entry:
    """A client of a cluster, with the errors that it reported while it tried to get in."""

    def __init__(self, connection: KafkaConnection) -> None:
        self._connection = connection
        self._errors: list[KafkaError] = []
        try:
            self.admin = AdminClient(connection.client({**ADMIN_SETTINGS, "error_cb": self._errors.append}))
        except KafkaException as error:
            cause = "the settings of the connection cannot be used"
            raise InvalidInput(cause, reason(error), "check CA_FILE, CLIENT_PEM and KAFKA_SECRET") from None

    @endings_passed_on()
    def view(self) -> ClusterView:
        """Return what the cluster says of itself once it has let us in; raises what ``explain`` returns."""
        deadline, refused_at = time.monotonic() + ENTRY_SECONDS, 0.0
        while True:
            try:
                view = self.admin.list_topics(timeout=SETTLED_SECONDS)
            except KafkaException as error:
                error.__traceback__ = None  # confluent-kafka's frames are in it, and would keep the client
                last = error
            else:
                brokers = tuple(f"{node.host}:{node.port}" for node in view.brokers.values())
                return ClusterView(str(view.cluster_id), view.controller_id, brokers)
            self.admin.poll(0)
            now = time.monotonic()
            refused_at = refused_at or (now if any(map(_stays, self._errors)) else 0.0)
            if now >= deadline or (refused_at and now - refused_at >= SETTLED_SECONDS):
                raise self.explain(last)

    def explain(self, last: KafkaException | TimeoutError) -> LabError:
        """Return why a question was not answered.

        AccessRefused where the cluster does not let us in, ConfigurationConflict where it sends us to addresses that this machine
        does not reach, NotReady where nobody answers.
        """
        bootstrap = self._connection.bootstrap
        dialled = {address: self._look(address) for address in bootstrap.split(",")}
        learned = {address: self._look(address) for address in advertised(self._connection) - set(dialled)}
        if learned and all(each.unreached for each in learned.values()):
            cause = "the cluster sends its clients to addresses that this machine does not reach"
            evidence = "; ".join(f"{address}: {each.unreached}" for address, each in sorted(learned.items()))
            return ConfigurationConflict(
                cause, evidence, "BOOTSTRAP of a listener whose advertised addresses are reached from here"
            )
        reached = {address: each for address, each in dialled.items() if not each.unreached}
        for error in self._errors:
            if (refused := _reported(error)) is not None:
                return refused
        for address, listener in reached.items():
            if (refused := self._judged(address, listener)) is not None:
                return refused
        cause = f"no broker answers at {bootstrap}"
        unreached = "; ".join(f"{address}: {each.unreached}" for address, each in dialled.items() if each.unreached)
        return NotReady(cause, unreached or reason(last), "check BOOTSTRAP and SECURITY_PROTOCOL, and that the cluster runs")

    def _look(self, address: str) -> Listener:
        return look_at(address, self._connection.settings.get("ssl.ca.location"))

    def _judged(self, address: str, listener: Listener) -> AccessRefused | None:
        """Return why a listener that is there did not serve us; None where that cannot be told."""
        protocol = self._connection.settings.get("security.protocol", "PLAINTEXT")
        if listener.encrypted is not protocol.endswith("SSL"):
            cause = f"the listener at {address} speaks another protocol than {protocol}"
            spoken = "it speaks TLS" if listener.encrypted else f"it does not speak TLS: {listener.words}"
            ways = "SECURITY_PROTOCOL=SASL_SSL or SSL" if listener.encrypted else "SECURITY_PROTOCOL=PLAINTEXT, or another port"
            return AccessRefused(cause, spoken, ways)
        if listener.refused_for == EXPIRED:
            return AccessRefused(
                f"the certificate of {address} has expired", listener.words, "whoever runs the cluster renews it"
            )
        if listener.refused_for in {OTHER_HOST, OTHER_ADDRESS}:
            cause = f"the certificate of {address} is for another host"
            return AccessRefused(cause, listener.words, "BOOTSTRAP with a name that is in the certificate")
        if listener.refused_for:
            cause = f"the certificate of {address} is signed by nobody whom this machine trusts"
            return AccessRefused(cause, listener.words, "CA_FILE=path of the PEM file of the cluster's authority")
        if protocol == "SSL":
            cause = f"the listener at {address} hangs up on a client that does not say who it is"
            return AccessRefused(cause, "its certificate is fine", "SECURITY_PROTOCOL=SASL_SSL with KAFKA_USER, or CLIENT_PEM")
        return None


def _stays(error: KafkaError) -> bool:
    """Whether waiting does not help against a reported error."""
    return error.code() in {_AUTHENTICATION, _RESOLVE, _SSL} or _ALERT.search(_words(error)) is not None


def _reported(error: KafkaError) -> AccessRefused | None:
    """Return what a reported error means by itself; None where the listener has to be looked at."""
    if error.code() == _AUTHENTICATION:
        cause = "the cluster refuses the user name or the password"
        if "mechanism" in error.str() and "Unsupported" in error.str():
            cause = "the cluster has another SASL_MECHANISM"
        return AccessRefused(cause, _words(error), "check SASL_MECHANISM, KAFKA_USER and what KAFKA_SECRET points at")
    if error.code() == _RESOLVE:
        cause = "a host of the cluster has no address"
        return AccessRefused(cause, _words(error), "check BOOTSTRAP, and the name server of this machine")
    if _ALERT.search(_words(error)):
        cause = "the cluster refuses our certificate, or asks for one"
        ways = "CLIENT_PEM=path of a PEM file with key and certificate, signed by an authority that the cluster knows"
        return AccessRefused(cause, _words(error), ways)
    return None


def _words(error: KafkaError) -> str:
    """Return librdkafka's words without the protocol before them, and the state of its connection behind them."""
    return re.sub(r"^\w+://| \(after \d+ms in state .*$", "", error.str())
