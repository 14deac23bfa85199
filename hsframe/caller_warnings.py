"""Warnings that point at the user's line, however deep in this package they come from.

A number for `stacklevel` is wrong as soon as a function is called from one more place; and what runs on the event loop
has the user's line nowhere on its stack. So the first frame outside of the package is looked for, and a warning of the
event loop is held until the call is back in the user's thread.
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

__all__ = ["Held", "caution", "holding"]

Held = list[tuple[str, type[Warning]]]

_PACKAGE = os.path.dirname(__file__) + os.sep
_HELD: ContextVar[Held | None] = ContextVar("hsframe_held_warnings", default=None)


def caution(message: str, category: type[Warning]) -> None:
    """Warn at the line outside of this package that led here.

    Parameters
    ----------
    message : str
    category : type of Warning
    """
    held = _HELD.get()
    if held is not None:
        held.append((message, category))
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


@contextmanager
def holding(held: Held) -> Iterator[None]:
    """Put what would be warned of in the block into a list; its tasks take part."""
    token = _HELD.set(held)
    try:
        yield
    finally:
        _HELD.reset(token)
