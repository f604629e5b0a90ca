"""What lies below a place in an object store as of one listing: to look at a thousand objects is one question then."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from trending.places.objects import ObjectPlace


@dataclass(frozen=True)
class Listed:
    """A directory or an object below the place that was listed; ``sizes`` has the objects by their names from there."""

    top: ObjectPlace
    sizes: Mapping[str, int]
    path: str = ""

    @classmethod
    def of(cls, top: ObjectPlace) -> Listed:
        """List everything below a place."""
        return cls(top, top.sizes())

    def __str__(self) -> str:
        return f"{self.top}/{self.path}"

    def __truediv__(self, name: str) -> Listed:
        return Listed(self.top, self.sizes, f"{self.path}/{name}".lstrip("/"))

    @property
    def name(self) -> str:
        """The last part of the address."""
        return self.path.rpartition("/")[2]

    @property
    def size(self) -> int:
        """Bytes of the object, 0 where it is not there."""
        return self.sizes.get(self.path, 0)

    def exists(self) -> bool:
        """Whether the object is there."""
        return self.path in self.sizes

    def iterdir(self) -> Iterator[Listed]:
        """Yield what lies in the directory."""
        start = f"{self.path}/".lstrip("/")
        for name in sorted({each[len(start) :].partition("/")[0] for each in self.sizes if each.startswith(start)}):
            yield self / name

    def is_dir(self) -> bool:
        """Whether anything lies below."""
        return any(each.startswith(f"{self.path}/".lstrip("/")) for each in self.sizes)

    def read_text(self, encoding: str = "utf-8") -> str:
        """Return the object's text, read now."""
        return (self.top / self.path).read_text(encoding)
