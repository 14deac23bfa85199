"""The default session: the one that the verbs of the package speak to."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from hsframe.errors import MetadataError

if TYPE_CHECKING:
    from hsframe.session.base import SessionBase
    from hsframe.session.session import Session

__all__ = ["become_default", "default_kept", "default_session", "forget_default"]

_CONNECT_FIRST: Final = "there is no session: call hsframe.connect(...) first"

_default: Session | None = None


def default_session() -> Session:
    """The session of the last :func:`connect`.

    Raises
    ------
    MetadataError
        There is none, or it was closed.
    """
    if _default is None:
        raise MetadataError(_CONNECT_FIRST)
    return _default


def become_default(session: Session) -> None:
    """Make a session the default one, in place of any other."""
    global _default
    _default = session


def forget_default(session: SessionBase) -> None:
    """A session is the default one no longer; nothing happens where it is not."""
    global _default
    if _default is session:
        _default = None


@contextmanager
def default_kept() -> Iterator[None]:
    """What is connected inside the block does not become the default session."""
    global _default
    kept = _default
    try:
        yield
    finally:
        _default = kept
