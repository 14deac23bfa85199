"""Warnings that point at the user's line, however deep in this package they come from.

A number for `stacklevel` is wrong as soon as a function is called from one more place; and the stack of the event loop
or of a thread does not have the user's line at all. So the first frame outside of the package is searched, and
warnings from the loop and from threads are kept until the call ends.

What is true of a server or of its points, and not of one answer, is said once: such a warning has a topic, and whoever
reads from a server gives the set of the topics that were told of it (:func:`told_once`).
"""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeAlias

_PACKAGE = os.path.dirname(__file__) + os.sep
# Whose lines tell a user nothing, in a task or on a worker of Dask, where his own is not: this package is named then.
_NOBODY = ("asyncio", "concurrent", "dask", "distributed", "threading")

# By topic, or else by text, and by server: the message, its category and topic, and the topics told.
_Kept: TypeAlias = dict[tuple[object, ...], tuple[str, type[Warning], str, set[str] | None]]

_DEFERRED: ContextVar[_Kept | None] = ContextVar("hsframe_deferred_warnings", default=None)
_TOLD: ContextVar[set[str] | None] = ContextVar("hsframe_told_topics", default=None)
_CLEAN: ContextVar[Callable[[str], str]] = ContextVar("hsframe_cleaned_warnings", default=str)


def warn_caller(message: str, category: type[Warning], topic: str = "") -> None:
    """Warn at the line outside of this package that led here; of a topic once in a block of :func:`told_once`."""
    message, deferred, told = _CLEAN.get()(message), _DEFERRED.get(), _TOLD.get()
    if deferred is not None:
        deferred.setdefault((topic or message, id(told)), (message, category, topic, told))
        return
    if topic and told is not None and topic in told:
        return
    level, frame = 2, sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        level, frame = level + 1, frame.f_back
    if str(frame.f_globals.get("__name__")).partition(".")[0] in _NOBODY:
        level -= 1
    warnings.warn(message, category, stacklevel=level)
    if topic and told is not None:  # one that is raised as an error is so each time
        told.add(topic)


@contextmanager
def told_once(told: set[str] | None) -> Generator[None]:
    """A block whose warnings of a topic in `told` are not given; the topics of those that are given are added."""
    token = _TOLD.set(told)
    try:
        yield
    finally:
        _TOLD.reset(token)


@contextmanager
def cleaned(clean: Callable[[str], str]) -> Generator[None]:
    """A block whose warnings have what `clean` makes of their messages, which may hold words of a server."""
    token = _CLEAN.set(clean)
    try:
        yield
    finally:
        _CLEAN.reset(token)


@contextmanager
def unsaid() -> Generator[None]:
    """A block whose warnings are given to nobody: a server reads in it what a client has sent."""
    token = _DEFERRED.set({})
    try:
        yield
    finally:
        _DEFERRED.reset(token)


class DeferredWarnings:
    """A block whose warnings, those of its tasks and threads too, are given when it ends; none where it fails.

    Each is given once, and of a topic the first one.
    """

    # Not a generator with @contextmanager: its frames in contextlib would be taken for the user's line.
    def __enter__(self) -> None:
        self._warnings: _Kept = {}
        self._token = _DEFERRED.set(self._warnings)

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        _DEFERRED.reset(self._token)
        if kind is None:
            for message, category, topic, told in self._warnings.values():
                with told_once(told):
                    warn_caller(message, category, topic)
