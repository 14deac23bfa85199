"""Warnings that point at the user's line, however deep in this package they come from.

A number for `stacklevel` is wrong as soon as a function is called from one more place; and the stack of the event loop
or of a thread does not have the user's line at all. So the first frame outside of the package is searched, and
warnings from the loop and from threads are kept until the call ends.
"""

from __future__ import annotations

import os
import sys
import warnings
from contextvars import ContextVar

__all__ = ["DeferredWarnings", "warn_caller"]

_PACKAGE = os.path.dirname(__file__) + os.sep
_DEFERRED: ContextVar[list[tuple[str, type[Warning]]] | None] = ContextVar("hsframe_deferred_warnings", default=None)


def warn_caller(message: str, category: type[Warning]) -> None:
    """Warn at the line outside of this package that led here."""
    deferred = _DEFERRED.get()
    if deferred is not None:
        if (message, category) not in deferred:
            deferred.append((message, category))
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    warnings.warn(message, category, stacklevel=level)


class DeferredWarnings:
    """A block whose warnings, those of its tasks and threads too, come once each when it ends; none where it fails."""

    # Not a generator with @contextmanager: its frames in contextlib would be taken for the user's line.
    def __enter__(self) -> None:
        self._warnings: list[tuple[str, type[Warning]]] = []
        self._token = _DEFERRED.set(self._warnings)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        _DEFERRED.reset(self._token)
        if kind is None:
            for message, category in self._warnings:
                warn_caller(message, category)
