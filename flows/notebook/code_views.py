"""The project's own code, shown in a notebook as it is in its file."""

from __future__ import annotations

import ast

from IPython.display import Code

from infra.host.paths import CHECKOUT
from trending.errors import LabError


def function(path: str, *names: str) -> Code:
    """Return functions or methods of a file, as they are written there."""
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    found = {node.name: node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.FunctionDef)}
    lines = text.splitlines()
    parts = []
    for name in names:
        if name not in found:
            cause = f"{path} has no function {name}"
            raise LabError(cause, ", ".join(found), "look for it in the file")
        node = found[name]
        parts.append("\n".join(line[node.col_offset :] for line in lines[node.lineno - 1 : node.end_lineno]))
    return Code("\n\n\n".join(parts), language="python")


def file_part(path: str, first: str, behind: str) -> Code:
    """Return a file from the line that begins with ``first`` up to the text ``behind``, which is left out."""
    text = (CHECKOUT / path).read_text(encoding="utf-8")
    begin = text.find(f"\n{first}")
    end = text.find(behind, begin + 1)
    if begin < 0 or end < 0:
        cause = f"{path} has no part from {first!r} to {behind!r}"
        raise LabError(cause, "the file has changed", "look for it in the file")
    return Code(text[begin + 1 : end].rstrip(), language=path.rpartition(".")[2])
