"""The HTTP proxy of a client: given, or of the environment; and how messages name it, without its password."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit
from urllib.request import getproxies_environment, proxy_bypass

from hsframe.errors import MetadataError
from hsframe.protocol.secret import Secret, basic_authorization, hidden
from hsframe.protocol.uris import split_user


@dataclass(frozen=True)
class Proxy:
    """A proxy without its login, which is in the headers; `setting` is where it comes from: ``proxy=`` or a variable.

    >>> print(Proxy.of("http://pete:pw@gw.example:3128", "http://host/api", trust_env=False))
    the proxy http://gw.example:3128 of proxy=
    """

    uri: str
    setting: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    @classmethod
    def of(cls, given: str | None, base: str, *, trust_env: bool) -> Self | None:
        """The proxy that is given, or else the one of the environment for a server, if that is trusted."""
        setting = "proxy"
        if given is None and trust_env:
            scheme, place = urlsplit(base)[:2]
            setting = name if (name := f"{scheme}_proxy") in os.environ else name.upper()
            found = None if proxy_bypass(place) else getproxies_environment().get(scheme)
            if found and "://" not in found:  # as curl takes it
                found = f"http://{found}"
            given = hidden(found or None)
            del found  # it may hold a password, which a traceback would show
        if given is None:
            return None
        uri, user, password = split_user(given, setting, hint=cls("", setting).advice, is_shown=False)
        login = {"Proxy-Authorization": basic_authorization(user, Secret(password))} if user or password else {}
        return cls(uri, setting, login)

    @classmethod
    def unused(cls, uri: str) -> str:
        """What a message says of a server that is not reached, where the environment has a proxy that is not used."""
        with suppress(MetadataError):  # what it has there is no proxy
            if found := cls.of(None, uri, trust_env=True):
                return f"; {found.setting} in the environment is not used: say trust_env=True if it is needed here"
        return ""

    def __str__(self) -> str:
        return f"the proxy {self.uri} of {self.setting}{'=' if self.setting == 'proxy' else ' in the environment'}"

    @property
    def advice(self) -> str:
        """What to do where it does not work."""
        otherwise = "" if self.setting == "proxy" else ", or leave trust_env=True out"
        return f"check {self.setting}='http://user:password@host:port'{otherwise}"
