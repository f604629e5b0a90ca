"""Scenarios made in a test, by what differs from a short plain one."""

from __future__ import annotations

import json

from trending.simulator.scenario import Scenario


def scenario(**parts: object) -> Scenario:
    """Return a scenario with these fields; ten tweets a second of three hashtags where nothing else is said."""
    plain = {"version": 1, "rate": {"base": 10}, "hashtags": {"named": {"#a": 3, "#b": 2, "#c": 1}}}
    return Scenario.model_validate_json(json.dumps(plain | parts))
