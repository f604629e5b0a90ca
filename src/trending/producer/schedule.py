"""When the next tweets are due: a steady rate, bursts where it is high, and a debt where it cannot be kept."""

from __future__ import annotations

MAX_BURST = 2_000
"""Tweets sent between two looks at the clock."""
BURST_SECONDS = 0.01
"""Tweets of so long go out in one burst. From 100 a second on that is more than one; slower ones go out one by one."""
MAX_CATCH_UP_SECONDS = 1.0
"""A producer that was held up longer than this goes on at its rate instead of making up for the time lost."""
MAX_WAIT_SECONDS = 0.2


class Schedule:
    """A rate in tweets a second from ``now`` on, behind so many that are sent; every ``now`` is of the same monotonic clock."""

    def __init__(self, rate: float, now: float, sent: int = 0) -> None:
        self.rate = rate
        self._begun = self._started = now
        self._base = self._first = sent
        self.burst = max(1, min(MAX_BURST, int(rate * BURST_SECONDS)))

    def due(self, now: float, sent: int) -> int:
        """Return how many tweets to send now: none, or a whole burst of those that are due; ``sent`` counts from the start."""
        due = self._behind(now, sent)
        if due > max(1.0, MAX_CATCH_UP_SECONDS * self.rate):
            self._started, self._base = now, sent
            due = max(1, int(self.rate * MAX_CATCH_UP_SECONDS))
        return min(due, MAX_BURST) if due >= self.burst else 0

    def wait(self, now: float, sent: int) -> float:
        """Return the seconds until the next burst is due, at most 0.2."""
        due_at = self._started + (sent - self._base + self.burst - 1) / self.rate
        return min(MAX_WAIT_SECONDS, max(0.0, due_at - now))

    def debt(self, now: float, sent: int) -> int:
        """Return by how many tweets the producer is behind its rate since its start; a burst that gathers is no debt."""
        return max(0, int((now - self._begun) * self.rate) + 1 - (sent - self._first) - self.burst)

    def overdue(self, now: float, number: int) -> float:
        """Return by how many seconds a tweet is overdue; 0 of one that is still to come."""
        return max(0.0, now - self._started - max(0, number - self._base) / self.rate)

    def _behind(self, now: float, sent: int) -> int:
        return int((now - self._started) * self.rate) + 1 - (sent - self._base)
