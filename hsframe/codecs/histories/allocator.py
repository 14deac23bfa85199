"""What the C library does with the memory of temporary arrays."""

from __future__ import annotations

from typing import Final

import numpy as np

__all__ = ["settle_allocator"]

_KEPT_BYTES: Final = 16 << 20


def settle_allocator() -> None:
    """Have the C library keep the memory of temporary arrays from one operation to the next.

    The kernels make many arrays of a few hundred kilobytes that live for one operation. glibc gives such memory back
    to the system at once, which clears it again, until it has seen a larger block come and go; then it keeps twice as
    much. The array here is never touched, so it costs one system call; elsewhere it does nothing.
    """
    np.empty(_KEPT_BYTES, np.uint8)
