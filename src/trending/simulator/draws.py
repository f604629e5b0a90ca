"""Random numbers by hash: those of a block depend on seed, block and part alone, and on no library's generator.

NumPy promises the bits of its generators for ever, and not the numbers that it makes of them. SHAKE-128 is a standard, takes
16 ns for a number, and gives any block's numbers without those before it.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

BLOCK = 4_096
"""Records that are drawn together. It belongs to what a seed means: another size is another scenario."""

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Bools = NDArray[np.bool_]


def uniform(seed: int, block: int, part: str) -> Floats:
    """Return a number from 0 to 1 (exclusive), in steps of 2 ** -32, for each record of a block."""
    bits = hashlib.shake_128(f"{seed}:{block}:{part}".encode()).digest(4 * BLOCK)
    return np.frombuffer(bits, "<u4") * 2.0**-32
