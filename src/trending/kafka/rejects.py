"""Records that cannot be used, as a batch has them: by partition and reason, their offsets packed."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from trending.kafka.packed_offsets import pack, unpack

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

OFFSET = "q"
"""The type code of an array of offsets: eight bytes each, where a Python number takes 32."""


@dataclass(frozen=True, slots=True)
class Rejects:
    """Records of one partition that were rejected for the same reason."""

    partition: int
    reason: str
    packed: bytes

    @classmethod
    def of(cls, partition: int, reason: str, offsets: Iterable[int]) -> Self:
        """Return the rejects at these offsets."""
        return cls(partition, reason, pack(offsets))

    def offsets(self) -> Iterator[int]:
        """Yield their offsets in order."""
        return unpack(self.packed)

    def __len__(self) -> int:
        return sum(1 for _offset in self.offsets())


def by_partition(rejects: Iterable[Rejects]) -> Mapping[int, list[Rejects]]:
    """Return partition → its rejects."""
    found: defaultdict[int, list[Rejects]] = defaultdict(list)
    for each in rejects:
        found[each.partition].append(each)
    return found
