"""The verbs of the package, ``hsframe.read(...)`` and so on: the methods of the default session.

Each raises :class:`~hsframe.MetadataError` where there is no session: call ``hsframe.connect(...)`` first.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Concatenate, Literal, ParamSpec, TypeVar

from hsframe.errors import MetadataError
from hsframe.frame.his_grids import frame_to_his_grids as _frame_to_his_grids
from hsframe.protocol.secret import HiddenStr
from hsframe.session import Session, connect, default_kept, default_session

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.frame.points import Point
    from hsframe.grid import Grid
    from hsframe.kinds import Ref

__all__ = [
    "about", "call", "close", "defs", "doctor", "eval", "eval_all", "export", "filetypes", "formats",
    "frame_to_his_grids", "his_read", "his_write", "invoke_action", "latest", "libs", "nav", "ops", "point_write",
    "point_write_array", "read", "read_by_ids", "watch", "watch_close", "watch_poll", "watch_sub", "watch_unsub",
]  # fmt: skip

P = ParamSpec("P")
R = TypeVar("R")


def _verb(method: Callable[Concatenate[Session, P], R]) -> Callable[P, R]:
    """A method of :class:`Session` as a function on the default session, with its signature and documentation."""
    name = method.__name__

    @functools.wraps(method)
    def verb(*args: P.args, **kwargs: P.kwargs) -> R:
        return method(default_session(), *args, **kwargs)

    del verb.__wrapped__  # it would show the signature with self
    signature = inspect.signature(method)
    verb.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=list(signature.parameters.values())[1:]
    )
    verb.__module__, verb.__qualname__ = __name__, name
    return verb


about = _verb(Session.about)
ops = _verb(Session.ops)
formats = _verb(Session.formats)
defs = _verb(Session.defs)
libs = _verb(Session.libs)
filetypes = _verb(Session.filetypes)
read = _verb(Session.read)
read_by_ids = _verb(Session.read_by_ids)
nav = _verb(Session.nav)
his_write = _verb(Session.his_write)
latest = _verb(Session.latest)
export = _verb(Session.export)
point_write = _verb(Session.point_write)
point_write_array = _verb(Session.point_write_array)
watch = _verb(Session.watch)
watch_sub = _verb(Session.watch_sub)
watch_poll = _verb(Session.watch_poll)
watch_unsub = _verb(Session.watch_unsub)
watch_close = _verb(Session.watch_close)
invoke_action = _verb(Session.invoke_action)
eval = _verb(Session.eval)
eval_all = _verb(Session.eval_all)
call = _verb(Session.call)
if TYPE_CHECKING:
    # Its result depends on shape=: a ParamSpec knows no overloads, the method of an instance does.
    his_read = default_session().his_read
else:
    his_read = _verb(Session.his_read)


def doctor(
    uri: str | None = None,
    user: str | None = None,
    password: str | None = None,
    *,
    token: str | None = None,
    point: Ref | str | None = None,
    **settings: Any,
) -> pd.DataFrame:
    """What a server can do, asked question by question, with advice; nothing is written to the server.

    Parameters
    ----------
    uri, user, password, token
        As for :func:`hsframe.connect`. Without any of them the server of the default session is looked at; without a
        session too, that of the environment.
    point : Ref or str, optional
        The id of a point with a history to try things with; one is looked for otherwise.
    **settings
        The other settings of :func:`hsframe.connect`. The default session stays what it is.

    Returns
    -------
    DataFrame
        A row a question: ``question``, ``answer``, ``advice`` (empty where there is none). A server that cannot be
        reached, or refuses the login, is an answer too.

    Raises
    ------
    MetadataError
        There is no uri, or a setting is none of those that exist.

    Examples
    --------
    >>> from hsframe.server.database import Database
    >>> from hsframe.testing.server import running_server
    >>> with running_server(Database()) as server:
    ...     table = doctor(server.uri, server.user, server.password)
    >>> table.set_index("question")["answer"]["formats"]
    'Zinc: yes; JSON v4: yes; JSON v3: yes'
    """
    # What follows may raise, and a traceback can show local variables.
    password = None if password is None else HiddenStr(password)
    token = None if token is None else HiddenStr(token)
    session: Session | None = None
    if uri is None and user is None and password is None and token is None and not settings:
        with suppress(MetadataError):
            session = default_session()
    if session is not None:
        return session.doctor(point)
    with default_kept():
        session = connect(uri, user, password, token=token, **settings)
    with session:
        return session.doctor(point)


def close() -> None:
    """Close the default session, if there is one."""
    with suppress(MetadataError):
        default_session().close()


def frame_to_his_grids(
    df: pd.DataFrame | pd.Series[Any],
    points: Any = None,
    *,
    inf: Literal["refuse", "send"] = "refuse",
    convert: bool = False,
) -> list[Grid]:
    """The batch hisWrite grids of a frame, one a zone; nothing is asked of the server and nothing sent."""
    known: Iterable[Point] = ()
    with suppress(MetadataError):  # offline the frame itself, or points=, says what its columns are
        known = default_session().known_points
    return _frame_to_his_grids(df, points, inf=inf, convert=convert, known=known)


if _frame_to_his_grids.__doc__ is not None:  # python -OO drops docstrings
    frame_to_his_grids.__doc__ = _frame_to_his_grids.__doc__
