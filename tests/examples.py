"""How many examples a property is tried on: all of them in CI and in ``make test-all``, a fifth in the shorter runs."""

from __future__ import annotations

from hypothesis import HealthCheck, settings

THOROUGH, QUICK = "thorough", "quick"
_FEWEST = 5
_SHARE = 5

# How long an example takes says how busy the machine is, and not whether the code is right.
settings.register_profile(THOROUGH, deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile(QUICK, settings.get_profile(THOROUGH), max_examples=100 // _SHARE)


def examples(most: int) -> int:
    """Return the ``max_examples`` of a property that has a number of its own; ``--hypothesis-profile=quick`` asks for fewer."""
    return max(_FEWEST, most // _SHARE) if settings.get_current_profile_name() == QUICK else most
