"""A broker's configuration as a file of Java properties."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


def render_properties(properties: Mapping[str, str]) -> str:
    """Return a Java properties file; its encoding is Latin-1, so everything else is escaped (java.util.Properties.load)."""
    return "".join(f"{key}={''.join(map(_escaped, value))}\n" for key, value in properties.items())


def _escaped(character: str) -> str:
    """Return a character as Java reads it: an escape has four digits, so what is beyond them takes two, as in UTF-16."""
    if " " <= character <= "~" and character != "\\":
        return character
    units = character.encode("utf-16-be").hex()
    return "".join(f"\\u{units[start : start + 4]}" for start in range(0, len(units), 4))
