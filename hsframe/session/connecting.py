"""From an address and a user to a session; what is missing comes from the environment."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

from hsframe.client import Client
from hsframe.errors import MetadataError
from hsframe.protocol.login import AuthScheme
from hsframe.protocol.secret import HiddenStr, Secret
from hsframe.session.connection import Connection
from hsframe.session.default import become_default
from hsframe.session.runners import runner_named
from hsframe.session.session import Session

if TYPE_CHECKING:
    import aiohttp

    from hsframe.client.tls import TLSConfig

__all__ = ["connect"]


def connect(
    uri: str | None = None,
    user: str | None = None,
    password: str | None = None,
    *,
    token: str | None = None,
    auth: AuthScheme = "auto",
    allow_insecure: bool = False,
    format: str = "zinc",
    tls: TLSConfig | None = None,
    timeout: aiohttp.ClientTimeout | float | None = None,
    proxy: str | None = None,
    headers: Mapping[str, str] | None = None,
    runner: Literal["thread", "nested"] = "thread",
    max_concurrency: int = 6,
) -> Session:
    """Connect to a Haystack server; the session becomes the default one of the module's verbs.

    Nothing is sent yet: the login is part of the first request.

    Parameters
    ----------
    uri : str, optional
        Where the API is, as ``"http://127.0.0.1:8080/api"``; a trailing slash makes no difference. Environment:
        ``HSFRAME_URI``.
    user, password : str, optional
        Environment: ``HSFRAME_USER``, ``HSFRAME_PASSWORD``. A user that is ``""`` is nobody: anonymous access.
    token : str, optional
        A bearer token in place of a login. Environment: ``HSFRAME_TOKEN``, where neither `user` nor `password` is
        given here.
    auth : str
        The login scheme: ``"auto"`` takes the one that the server offers.
    allow_insecure : bool
        Allow PLAINTEXT and Basic over plain http to another machine.
    format : {"zinc", "json", "json3"}
        The wire format of requests and answers; ``"json"`` is version 4.
    tls : TLSConfig, optional
        A client certificate, an authority of one's own.
    timeout : float or aiohttp.ClientTimeout, optional
        Seconds that one request may take; 30 by default.
    proxy : str, optional
        ``http://user:password@host:port``.
    headers : mapping, optional
        Extra headers for every request.
    runner : {"thread", "nested"}
        How the asynchronous core is run, see :mod:`hsframe.session.runners`.
    max_concurrency : int
        How many requests of one read or write run at once.

    Returns
    -------
    Session

    Raises
    ------
    MetadataError
        There is no uri, or a setting is none of those that exist.

    Examples
    --------
    >>> with connect("http://127.0.0.1:8080/api/", "demo", "demo") as s:
    ...     s
    <Session http://127.0.0.1:8080/api as demo>
    """
    uri = uri if uri is not None else os.environ.get("HSFRAME_URI")
    if not uri:
        raise MetadataError(
            "there is no uri to connect to: give one, as in hsframe.connect('http://127.0.0.1:8080/api', 'user', "
            "'password'), or set HSFRAME_URI"
        )
    if token is None and user is None and password is None:
        token = os.environ.get("HSFRAME_TOKEN") or None
    if token is None:
        user = user if user is not None else os.environ.get("HSFRAME_USER", "")
        password = password if password is not None else os.environ.get("HSFRAME_PASSWORD", "")
    if max_concurrency < 1:
        raise MetadataError(f"max_concurrency is {max_concurrency}; at least one request must run at a time")
    # What follows may raise, and a traceback can show local variables.
    where, secrets = Secret(uri), (Secret(password or ""), None if token is None else Secret(token))
    proxy = None if proxy is None else HiddenStr(proxy)
    headers = {name: HiddenStr(value) for name, value in (headers or {}).items()}
    del uri, password, token

    def make_client() -> Client:
        word, ticket = secrets
        return Client(
            where.reveal(),
            user or "",
            word.reveal(),
            token=None if ticket is None else ticket.reveal(),
            auth=auth,
            allow_insecure=allow_insecure,
            format=format,
            tls=tls,
            timeout=timeout,
            proxy=proxy,
            headers=headers,
        )

    session = Session(Connection(make_client, runner_named(runner)), user=user or "", max_concurrency=max_concurrency)
    become_default(session)
    return session
