"""The lab's own output: lines sent to the standard logger ``trending``, marked to distinguish them from a library's."""

from __future__ import annotations

import logging

LOGGER = "trending"
MARK = "lab"
"""Attribute of the log records that are the lab's own lines."""


def say(line: str) -> None:
    """Report one line. A terminal prints it; in a flow run, it also goes to Prefect's log."""
    logging.getLogger(LOGGER).info(line, extra={MARK: True})
