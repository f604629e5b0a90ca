"""What the lab says, line by line: to the standard logger ``trending``, with a mark that tells its lines from a library's."""

from __future__ import annotations

import logging

LOGGER = "trending"
MARK = "lab"
"""Attribute of a log record that one of the lab's own lines has."""


def say(line: str) -> None:
    """Report one line. A terminal prints it; in a flow run, Prefect's log has it too."""
    logging.getLogger(LOGGER).info(line, extra={MARK: True})
