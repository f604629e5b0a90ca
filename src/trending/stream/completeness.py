"""Whether the store has everything that the job has read: looked at before a query starts, and while one runs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from trending.errors import REBUILD, ConfigurationConflict
from trending.stream.soundness import numbered

if TYPE_CHECKING:
    from trending.programs.specifications import StreamSpec
    from trending.serving.store import Store


def require_counted(spec: StreamSpec, store: Store) -> None:
    """Raise ConfigurationConflict where the store misses a batch that Spark has finished, or groups that Spark has dropped."""
    committed = max(numbered(spec.checkpoint / "commits"), default=None)
    last = max(store.written(spec.checkpoint_id), default=None)
    if committed is not None and (last is None or last < committed):
        cause = f"the serving store {spec.store} is not the one that was counted into, or an older copy"
        raise ConfigurationConflict(cause, f"its last batch is {last}, the checkpoint's is {committed}", REBUILD)
    require_nothing_dropped(spec, store.dropped(spec.checkpoint_id))


def require_nothing_dropped(spec: StreamSpec, groups: int) -> None:
    """Raise ConfigurationConflict once Spark has dropped ``groups`` behind its watermark: only counting anew brings them back.

    Its exit code keeps supervisord from starting the job again, which would count on with the gap.
    """
    if groups:
        cause = f"Spark dropped {groups} groups behind its watermark, and the counts miss their tweets"
        allowed = spec.settings.allowed_skew_seconds
        evidence = f"times in the log go back by more than ALLOWED_SKEW_SECONDS={allowed}; `make up` takes a larger one"
        raise ConfigurationConflict(cause, evidence, REBUILD)
