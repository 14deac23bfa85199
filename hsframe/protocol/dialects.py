"""What one server can do: found out while it is used, remembered, shown."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from hsframe.protocol.ops import Op

__all__ = ["Dialect", "Method"]

Method: TypeAlias = Literal["GET", "POST"]


@dataclass
class Dialect:
    """What is known of a server. A fresh one says what the standard says.

    Attributes
    ----------
    methods : dict
        Op to the HTTP method that it is served by, where that is not the standard's choice (405 taught it).
        haystack-py serves about, ops, formats and close by GET only; other servers take no GET at all.
    zinc_requests : bool
        Whether request bodies go as Zinc whatever the format of the answers is: the server reads nothing else
        (415 taught it; nHaystack).
    answered : bool
        Whether an op was answered with a grid: the uri is right, and what is missing is not the server.
    his_read_batch : bool or None
        Whether a batch hisRead is answered for every id; None until one was sent. haystack-py answers the first only.
    his_write_batch : bool or None
        Whether the samples of a batch hisWrite are there afterwards. haystack-py answers 200 and drops them.
    tz : str or None
        The Haystack name of the server's own zone, that of a point without a ``tz``; None until it was asked.
    login : str
        The scheme that the last login used.
    """

    methods: dict[str, Method] = field(default_factory=dict)
    zinc_requests: bool = False
    answered: bool = False
    his_read_batch: bool | None = None
    his_write_batch: bool | None = None
    tz: str | None = None
    login: str = ""

    def method(self, op: Op, *, has_arguments: bool) -> Method:
        """The HTTP method to try first.

        GET is for requests without arguments only: what a query string means differs between servers (Haxall takes
        ``range=2026-01-01`` for a Date and fails, and wants quotes that others take as part of the text).
        """
        known = self.methods.get(op.name)
        return known or ("GET" if op.get and not has_arguments else "POST")

    def other(self, op: Op, refused: Method) -> Method:
        """After 405: remember the other method, and give it."""
        self.methods[op.name] = "POST" if refused == "GET" else "GET"
        return self.methods[op.name]
