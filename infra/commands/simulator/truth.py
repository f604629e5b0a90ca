"""Say what a scenario means, from its seed alone: tweets by window and hashtag, and what is refused. Nothing is started."""

from __future__ import annotations

from collections import Counter

from infra.console.reporting import say
from infra.forms.proving import TruthForm
from infra.forms.terminal import run_command
from infra.operations.producer import require_late_ones_late
from trending.errors import InvalidInput
from trending.simulator.loading import load_scenario
from trending.text import for_make, printable


def main(settings: TruthForm) -> None:
    """Print the windows of the scenario, the first one with a tweet being 1.

    Raises InvalidInput where its truth has no end, ConfigurationConflict where the windows are too long for its late tweets.
    """
    if not settings.scenario:
        cause = "SCENARIO is missing: the truth about which one?"
        raise InvalidInput(cause, "", "make truth SCENARIO=lessons WINDOW_SECONDS=10")
    scenario = load_scenario(settings.scenario, settings.seed)
    if scenario.limit is None:
        cause = f"the scenario {settings.scenario} has no limit, so its truth has no end"
        raise InvalidInput(cause, "", "make truth SCENARIO=lessons WINDOW_SECONDS=10")
    if scenario.start != "window":
        cause = f"the scenario {settings.scenario} starts at once and not with a window, so its windows differ from run to run"
        raise InvalidInput(cause, "start: now", "make truth SCENARIO=lessons WINDOW_SECONDS=10")
    require_late_ones_late(
        settings.scenario, scenario, settings.window_seconds, f"make truth SCENARIO={for_make(settings.scenario)}"
    )
    import numpy as np  # noqa: PLC0415 - 0.2 s that an error need not wait for

    from trending.simulator.records import Records  # noqa: PLC0415
    from trending.simulator.truth import intended  # noqa: PLC0415

    records, length = Records(scenario), settings.window_seconds
    count = records.count or 0
    truth = intended(records, range(count), lambda numbers: np.zeros(len(numbers), np.int64), length, settings.hashtag_spelling)
    say(f"scenario {settings.scenario}: seed {scenario.seed}, {count} records, windows of {length} s")
    windows = sorted({start for start, _hashtag in truth.tweets})
    for window in windows:
        here = Counter({hashtag: number for (start, hashtag), number in truth.tweets.items() if start == window})
        say(f"window {(window - windows[0]) // length + 1}: {here.total()} tweets: {told(here)}")
    say(f"all windows: {truth.tweets.total()} tweets: {told(truth.hashtags())}")
    say(f"untagged {truth.untagged}, refused {truth.rejected.total()}" + (f": {told(truth.rejected)}" if truth.rejected else ""))
    if truth.borderline:
        say(f"late or not, by the moment at which they arrive: {truth.borderline.total()}")


def told(numbers: Counter[str]) -> str:
    """Name each with its number, the largest first."""
    return ", ".join(
        f"{printable(name)} {number}" for name, number in sorted(numbers.items(), key=lambda each: (-each[1], each[0]))
    )


if __name__ == "__main__":
    run_command(TruthForm, main, ".venv/bin/python -m infra.commands.simulator.truth")
