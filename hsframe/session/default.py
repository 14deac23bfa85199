"""The default session: :func:`connect` makes it, and the functions of the package use it."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Concatenate, Literal, overload

from hsframe.errors import AuthError, CallError, MetadataError
from hsframe.frame.again import SESSIONS
from hsframe.frame.his_grids import frame_columns, his_grids
from hsframe.session.asking import asked_password
from hsframe.session.base import SessionSettings
from hsframe.session.progress_bar import in_notebook
from hsframe.session.session import Session
from hsframe.session.signatures import Overloaded, P, Q, R, S, takes

if TYPE_CHECKING:
    import pandas as pd

    from hsframe.frame.points import Point
    from hsframe.grid import Grid
    from hsframe.kinds import Ref

_default: Session | None = None


@dataclass(kw_only=True)
class _ConnectSettings(SessionSettings):
    check: bool | None = None


@takes(_ConnectSettings)
def connect(settings: _ConnectSettings) -> Session:
    """Connect to a Haystack server; the session becomes the default one of the module's verbs.

    In a notebook it logs in, and says in a line which server answers; elsewhere nothing is sent before the first verb.

    Parameters
    ----------
    uri : str, optional
        Where the API is, as ``"http://127.0.0.1:8080/api"``; a trailing slash makes no difference. Environment:
        ``HSFRAME_URI``.
    user, password : str, optional
        Environment: ``HSFRAME_USER``, ``HSFRAME_PASSWORD``. The user ``""`` means anonymous access. A password that is
        missing is asked for in a notebook and in a terminal.
    token : str, optional
        A bearer token in place of a login. Environment: ``HSFRAME_TOKEN``, where neither `user` nor `password` is
        given here.
    auth : str
        The login scheme: ``"auto"`` takes the best that the server offers, and warns where it wants no login; then
        ``"none"`` says that this is meant, and ``"scram"`` refuses it, and all that is less than SCRAM.
    allow_insecure : bool
        Allow PLAINTEXT and Basic over plain http to another machine.
    format : str
        The wire format of requests and answers, ``"zinc"``, ``"json4"`` (also ``"json"``) or ``"json3"``; every server
        supports ``"zinc"``.
    version : {"auto", 4, 5}
        The version of the protocol. ``"auto"`` speaks 4 where the server does, as nearly all do, and else 5. One that
        the server does not speak is a `MetadataError` of the first verb.
    tls : TLSConfig, optional
        A client certificate, or the certificates of a private authority.
    timeout : float, str, timedelta or aiohttp.ClientTimeout, optional
        How long one request may take, as ``"1min"``, plain numbers in seconds; 30 s by default.
    retries : int
        How often a request is sent again while the server is busy or away, after pauses that grow to 10 s: 4 are about
        three seconds; ``retries=1000, deadline="8h"`` waits for a night. What times out is not repeated for longer than
        a minute. The page "When something goes wrong" has the table of what is sent again.
    deadline : float, str or timedelta, optional
        How long a whole verb may take, with all its requests and their retries: seconds, or a duration such as
        ``"5min"``; each verb has its own. The error says which points had been read, and ``on_error="warn"`` gives
        them as a frame. Decoding is not interrupted, and an interrupted write is looked for some seconds more.
    proxy : str, optional
        ``http://user:password@host:port``.
    trust_env : bool
        Use the proxy that ``HTTP_PROXY``, ``HTTPS_PROXY`` and ``NO_PROXY`` in the environment have for this uri, where
        `proxy` is not given.
    headers : mapping, optional
        Extra headers for every request.
    max_concurrency : int
        How many requests of one read or write run at once.
    limits : Limits
        How much an answer may hold, as ``hsframe.Limits(answer_bytes=100 << 20)``; what is larger is refused.
    runner : {"thread", "nested"}
        How the asynchronous core is run, see :mod:`hsframe.session.runners`.
    check : bool, optional
        Log in at once, and print what answers: True in a notebook, else False, by default.

    Returns
    -------
    Session

    Raises
    ------
    MetadataError
        No uri is given, or a setting has a value that does not exist; a password is missing, and nobody can be asked.
    AuthError, NetworkError, CodecError
        With `check`: the login was refused, or no Haystack server answers. The default session stays what it was.

    Examples
    --------
    >>> with connect("http://127.0.0.1:8080/api/", "demo", "demo") as s:
    ...     s
    <Session http://127.0.0.1:8080/api as demo>
    """
    session = Session(settings, asked_password)
    if in_notebook() if settings.check is None else settings.check:
        try:
            print(_answered(session))
        except BaseException:
            session.close()
            raise
    set_default(session)
    return session


def _answered(session: Session) -> str:
    """Log in, and say which server answers; a token may lack the right to ask it, and have others."""
    known = session.client.known()
    try:
        session.about()
    except (AuthError, CallError) as error:
        if isinstance(error, AuthError) and error.refused and known["user"]:
            raise
        return f"{known['uri']} says nothing of itself: {error}"
    known = session.client.known()
    at = " at ".join(filter(None, (known["server"], known["uri"])))
    more = ", ".join(filter(None, (known["zone"], known["format"], known["latency"])))
    return f"connected to {at}{' as ' * bool(known['user'])}{known['user']} ({more})"


def set_default(session: Any) -> None:
    """Make a session, or an archive that stands for one, that of the package's functions."""
    global _default
    _default = session


def default_session() -> Session:
    """The session of the last :func:`connect`; an error where there is none, or it was closed."""
    if _default is None or _default.is_closed:
        import multiprocessing  # only here: it takes time to import

        is_worker = multiprocessing.parent_process() is not None
        how = " in each worker too, as by ProcessPoolExecutor(initializer=hsframe.connect)" if is_worker else " first"
        why = ", the last one was closed (a `with` block closes its own)" if _default is not None else ""
        raise MetadataError(f"there is no session{why}: call hsframe.connect(...){how}")
    return _default


SESSIONS.append(default_session)


@overload
def of_default(method: Callable[Concatenate[Session, P], R]) -> Callable[P, R]: ...
@overload
def of_default(method: Overloaded[P, R, Q, S]) -> Overloaded[P, R, Q, S]: ...
def of_default(method: Any) -> Any:
    """A method of :class:`Session` as a function on the default session, with its signature and documentation."""

    @functools.wraps(method)
    def verb(*args: Any, **kwargs: Any) -> Any:
        return getattr(default_session(), method.__name__)(*args, **kwargs)

    verb.__signature__ = inspect.signature(functools.partial(method, None))  # type: ignore[attr-defined]
    verb.__module__, verb.__qualname__ = "hsframe.session.verbs", method.__name__  # where pickle finds it
    return verb


@dataclass(kw_only=True)
class _DoctorSettings(SessionSettings):
    point: Ref | str | None = None


@takes(_DoctorSettings)
def doctor(settings: _DoctorSettings) -> pd.DataFrame:
    """What a server can do, asked question by question, with advice; nothing is written to the server.

    Parameters
    ----------
    uri, user, password, ...
        As for :func:`hsframe.connect`. Without any of them the server of the default session is examined; if there is
        no session either, the server of the environment. The default session does not change.
    point : Ref or str, optional
        The id of a point with a history to test reads with; by default the doctor looks for one.

    Returns
    -------
    DataFrame
        As :meth:`hsframe.Session.doctor` gives it.

    Raises
    ------
    MetadataError
        No uri is given, or a setting has a value that does not exist.

    Examples
    --------
    >>> from hsframe.server.database import Database
    >>> from hsframe.testing.server import running_server
    >>> with running_server(Database()) as server:
    ...     table = doctor(server.uri, server.user, server.password)
    >>> table.set_index("question")["answer"]["formats"]
    'Zinc: yes; JSON v4: yes; JSON v3: yes'
    """
    names_no_server = settings == _DoctorSettings(point=settings.point)
    if names_no_server and _default is not None and not _default.is_closed:
        return _default.doctor(settings.point)
    with Session(settings, asked_password) as session:
        return session.doctor(settings.point)


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
    """The batch hisWrite grids of a frame, one per zone; no request is sent.

    Parameters
    ----------
    df : DataFrame or Series
        Index: zone-aware times of any zone, in any order, without duplicates: a ``DatetimeIndex``, Arrow timestamps or
        datetime objects. Columns: values of one point each; NaN, None and ``pd.NA`` are not samples. Digits below the
        microsecond are cut off.
    points : mapping, or points in any form, optional
        Which point a column belongs to, as for :func:`his_write`; by default the frame's catalog, its labels,
        and the points that the default session has read tell.
    inf : {"refuse", "send"}
        What to do with infinite values.
    convert : bool
        Whether a column in another unit is converted to its point's unit; else it is refused. A column without a
        unit is taken to be in its point's unit, as the standard takes numbers without one.

    Returns
    -------
    list of Grid
        One grid per zone, in the order in which the zones come first among the columns: ``ts`` in the points' zone
        (that of the index, if a point's zone is not known), then ``v0``, ``v1``, ..., each with its ``id`` in its meta,
        null where there is no sample. Rows and grids without any sample are left out.

    Raises
    ------
    ZoneError
        A naive index, or a zone without a name.
    MetadataError
        An index that is not of times; NaT or an instant that comes twice; a column without a point, two of one
        point; a value that is infinite or of another kind than its point.
    UnitError
        Another unit than the point's.

    Examples
    --------
    >>> import pandas as pd
    >>> from hsframe.frame.points import Point
    >>> index = pd.DatetimeIndex(["2024-07-01 12:00"], tz="UTC")
    >>> point = Point("a", "Meter", unit="kW", tz="New_York", kind="Number")
    >>> (grid,) = frame_to_his_grids(pd.DataFrame({"Meter": [2.5]}, index), {"Meter": point})
    >>> grid[0]["ts"].isoformat(), grid[0]["v0"], grid.cols[1]
    ('2024-07-01T08:00:00-04:00', Number(2.5, 'kW'), Col('v0', {'id': Ref('a')}))
    """
    known: Iterable[Point] = ()
    with suppress(MetadataError):  # without a session the frame itself, or points=, names the points
        known = default_session().known_points
    return his_grids(frame_columns(df, points, known, inf=inf, convert=convert))
