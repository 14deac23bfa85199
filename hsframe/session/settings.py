"""The settings of ``connect``, ``AsyncSession`` and ``doctor``: address, login and options of a connection."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import KW_ONLY, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

from hsframe.client import Client
from hsframe.client.retries import DEFAULT_RETRIES
from hsframe.client.transport import split_user
from hsframe.durations import Duration
from hsframe.errors import MetadataError
from hsframe.history.plan import check_count
from hsframe.options import Limits
from hsframe.protocol.login_steps import AuthScheme
from hsframe.protocol.secret import HiddenStr, check_texts, hidden, hidden_headers

if TYPE_CHECKING:
    import aiohttp

    from hsframe.client.tls import TLSConfig


@dataclass
class Settings:
    """The parameters of :class:`hsframe.AsyncSession`; :func:`hsframe.connect` says what they mean."""

    uri: str | None = None
    user: str | None = None
    password: str | None = None
    _: KW_ONLY
    token: str | None = None
    auth: AuthScheme = "auto"
    allow_insecure: bool = False
    format: str = "zinc"
    tls: TLSConfig | None = None
    timeout: aiohttp.ClientTimeout | Duration | float | None = None
    retries: int = DEFAULT_RETRIES
    deadline: Duration | float | None = None
    proxy: str | None = None
    headers: Mapping[str, str] | None = None
    max_concurrency: int = 6
    limits: Limits = Limits()  # noqa: RUF009 - frozen

    def __post_init__(self) -> None:
        # A traceback of a later error can show local variables, and these may be among them.
        self.uri, self.password, self.token, self.proxy = map(hidden, (self.uri, self.password, self.token, self.proxy))
        self.user = self.user if isinstance(self.user, str) else hidden(self.user)
        self.headers = hidden_headers(self.headers)

    def resolved(self) -> Self:
        """The same settings, completed from the environment."""
        check_texts(
            self.headers, uri=self.uri, user=self.user, password=self.password, token=self.token, proxy=self.proxy
        )
        uri = self.uri if self.uri is not None else HiddenStr(os.environ.get("HSFRAME_URI", ""))
        if not uri:
            raise MetadataError(
                "no uri to connect to was given: give one, as in hsframe.connect('http://127.0.0.1:8080/api', 'user', "
                "'password'), or set HSFRAME_URI"
            )
        split_user(uri, "uri")
        check_count(self.max_concurrency, "max_concurrency")
        user, password, token = self.user, self.password, self.token
        if token is None and user is None and password is None:
            token = os.environ.get("HSFRAME_TOKEN") or None
        if token is None:
            user = user if user is not None else os.environ.get("HSFRAME_USER", "")
            password = password if password is not None else os.environ.get("HSFRAME_PASSWORD", "")
        return replace(self, uri=uri, user=user or "", password=password or "", token=token)

    def of_session(self) -> dict[str, Any]:
        """The arguments of :class:`hsframe.AsyncSession`, by name: without the fields that a subclass adds."""
        return {field.name: getattr(self, field.name) for field in fields(Settings)}

    def client(self) -> Client:
        """A client with these settings, not open yet."""
        others = self.of_session()
        most_at_once = others.pop("max_concurrency")
        client = Client(others.pop("uri"), others.pop("user"), others.pop("password"), **others)
        client.max_concurrency = most_at_once
        return client


@dataclass(kw_only=True)
class SessionSettings(Settings):
    """The parameters of :func:`hsframe.connect`."""

    runner: Literal["thread", "nested"] = "thread"
