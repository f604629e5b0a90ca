"""Row 8: other ways to count the same topic in Python."""

from __future__ import annotations

import tempfile
from typing import TYPE_CHECKING

from benchmarks.peers.environment import peers_python
from benchmarks.throughput.scripts import run_script

if TYPE_CHECKING:
    from benchmarks.contest import Sample
    from benchmarks.sizes import Sizes
    from benchmarks.throughput.broker import Broker


class OtherStream:
    """Counts a topic that our producer has filled."""

    name = ""
    needs_peers = True

    def __init__(self, broker: Broker, sizes: Sizes) -> None:
        self.facts: dict[str, str] = {}
        self._broker = broker
        self._sizes = sizes
        self._topic = ""
        self._python = ""

    @property
    def tweets(self) -> int:
        """How many tweets the topic holds at least."""
        return self._sizes.tweets

    def prepare(self) -> None:
        """Have the topic filled, and the peers' environment."""
        if self.needs_peers:
            self._python = str(peers_python())
        self._topic = self._broker.topic(self.tweets)

    def measure(self) -> Sample:
        """Return counted tweets a second."""
        raise NotImplementedError

    def close(self) -> None:
        """End the broker, unless another one has."""
        self._broker.close()

    @property
    def _bootstrap(self) -> str:
        return self._broker.lab.stack.connection.bootstrap


class PlainConsumer(OtherStream):
    """A consumer and a Counter in one process."""

    name = "plain consumer with a Counter"
    needs_peers = False

    def measure(self) -> Sample:
        """Return counted tweets a second."""
        return run_script("plain_consumer", self._bootstrap, self._topic)


class QuixStreams(OtherStream):
    """Quix Streams: a window of a minute by hashtag, its state on disk as it comes."""

    name = "Quix Streams"

    def prepare(self) -> None:
        """Say how much less it counts, too."""
        super().prepare()
        self.facts = {"tweets": f"{self._sizes.few:,}"}

    def measure(self) -> Sample:
        """Return counted tweets a second, from the first one on."""
        with tempfile.TemporaryDirectory(dir=self._broker.lab.paths.run) as state:
            return run_script("quix_count", self._bootstrap, self._topic, self._sizes.few, state, python=self._python)


class Pathway(OtherStream):
    """Pathway: the same counts without windows, which costs it less."""

    name = "Pathway"

    @property
    def tweets(self) -> int:
        """A topic of its own, which it reads to its end."""
        return self._sizes.few

    def prepare(self) -> None:
        """Say how much less it counts, too."""
        super().prepare()
        self.facts = {"tweets": f"{self._sizes.few:,} and those that were under way", "windows": "none"}

    def measure(self) -> Sample:
        """Return counted tweets a second."""
        return run_script("pathway_count", self._bootstrap, self._topic, self.tweets, python=self._python)
