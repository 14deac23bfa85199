"""What is known of one server: learned from its answers, or by the doctor, and remembered.

It is remembered by uri for as long as the process runs, and shared by all clients of that uri: a second connection does
not learn again that a server drops batches. Nothing of it is written to disk. It saves requests and never changes
results. If the server was changed since, it costs requests until the doctor asks again or :func:`forget` drops it.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from hsframe.protocol.http import HttpAnswer
from hsframe.protocol.refused_logins import RefusedLogins
from hsframe.protocol.request_grids import Op
from hsframe.protocol.uris import URI_HINT
from hsframe.protocol.version5 import Version

_NUMBER: Final = re.compile(rb"-?[0-9][0-9.eE+-]*\s*")
Method: TypeAlias = Literal["GET", "POST"]


@dataclass
class Dialect:
    """What is known of a server. Before anything is known, it is what the standard says."""

    version: Version = 4
    """The version of the protocol that is spoken unless a client says another: 4, and 5 where 4 was refused."""
    methods: dict[str, Method] = field(default_factory=dict)
    """The HTTP method of each op that answered 405 to the standard's choice.
    haystack-py serves about, ops, formats and close by GET only; other servers do not take GET."""
    zinc_requests: bool | None = None
    """Whether requests are written as Zinc, whatever the format of the answers is: another one was answered with 415
    (nHaystack), 406 (shaystack) or 400. None until another one was read."""
    plain_json: bool = False
    """Whether JSON is asked for as ``application/json``: the server answered 406 to the type that says its version
    (shaystack, rusty-haystack, servers of Haystack 3). The body tells the version."""
    line_end: bool | None = None
    """Whether its Zinc ends in a line end; None until an answer showed it. One that ends with the connection is whole
    only if it ends so too."""
    answered: bool = False
    """Whether any op was answered with a grid: then the uri is right."""
    archived: bool = False
    """Whether an archive was read from this uri before: then it was right."""
    ignores_range: bool | None = None
    """Whether a hisRead was answered with far more than its range (haystack-py): then all is read at once."""
    dates_only: bool | None = None
    """Whether a hisRead of instants was refused and one of whole dates answered (rusty-haystack)."""
    his_read_batch: bool | None = None
    """Whether a batch hisRead is answered for every id; None until one was sent. haystack-py answers the first only."""
    batch_form: Literal["standard", "id0"] = "standard"
    """How a batch hisRead is written: as the standard has it, or as one row ``range``, ``id0``, ``id1``, ...
    (WideSky)."""
    his_write_batch: bool | None = None
    """Whether the samples of a batch hisWrite are there afterwards. haystack-py answers 200 and drops them."""
    body_limit: int | None = None
    """The most bytes that a request body may have, learned from a 413: longer ones are not sent."""
    row_cap: int | None = None
    """The most rows of a history in one answer, where that is known, be it from a refusal or because others were left
    out without a word: requests are made to stay below."""
    most_points: int | None = None
    """The most points that one hisRead is made for, where more were refused."""
    most_points_until_s: float = math.inf
    """Until when that counts, by the clock of the event loop."""
    nav_by_ref: bool | None = None
    """Whether the ``navId`` of its nodes are Refs; None until some were answered. Haxall takes a Str for the root."""
    tz: str | None = None
    """The Haystack name of the server's own zone, that of a point without a ``tz``; None until it was asked."""
    about: dict[str, str] = field(default_factory=dict)
    """What it has said of itself, as texts: for people to see."""
    quickest_s: float = math.inf
    """How long the quickest answer took."""
    largest_read: tuple[int, float] = (0, 0.0)
    """How many samples the largest read of histories had, and the seconds that it took."""
    told: set[str] = field(default_factory=set)
    """The topics of warnings about the server that were given: each is given once."""
    refused: RefusedLogins = field(default_factory=RefusedLogins)
    """The credentials that it has refused."""
    scram_users: set[str] = field(default_factory=set)
    """The users whose login proved the server by SCRAM: none is logged in by less."""

    @property
    def uri_hint(self) -> str:
        """What a message says of the uri, which may be wrong until something was answered there."""
        return "" if self.answered or self.archived else f"; {URI_HINT}"

    def method(self, op: Op, *, has_arguments: bool) -> Method:
        """The HTTP method to try first.

        GET is for requests without arguments only: what a query string means differs between servers (Haxall takes
        ``range=2026-01-01`` for a Date and fails, and wants quotes that others take as part of the text).
        """
        known = self.methods.get(op.name)
        return known or ("GET" if op.get and not has_arguments else "POST")

    def switch_method(self, op: Op, refused: Method) -> Method:
        """After 405: remember the other method, and give it."""
        self.methods[op.name] = "POST" if refused == "GET" else "GET"
        return self.methods[op.name]

    def takes_end(self, answer: HttpAnswer, end: bytes, line_end: bool | None) -> bool:
        """Whether a body may be whole, by its last bytes; `answer` has its first ones.

        Where only the connection ended, they are a line end in Zinc, unless earlier answers of this server had none
        either, a closing bracket in JSON, and white space after a number. `line_end` is what was known before the op
        was sent: what is cut may be cut at the same place when it is repeated.
        """
        if not answer.start.startswith(b"ver:"):
            if answer.status == 200 and _NUMBER.fullmatch(answer.start):  # of which each beginning is a number too
                return answer.has_proven_end or end != end.rstrip()
            closing = {b"{": b"}", b"[": b"]"}.get(answer.start[:1], b"")
            return answer.has_proven_end or end.rstrip().endswith(closing)
        has_line_end = end.endswith((b"\n", b"\r"))
        if has_line_end or answer.has_proven_end or line_end is False:
            self.line_end = has_line_end
            return True
        if self.line_end is None:
            self.line_end = False
        return False

    def limit_body(self, body_bytes: int) -> None:
        """After 413: remember that a request body of that length is too long."""
        self.body_limit = min(body_bytes - 1, self.body_limit or body_bytes)


_BY_URI: Final[dict[str, Dialect]] = {}


def remembered(uri: str) -> Dialect:
    """What is known of the server at a uri (without trailing slash); always the same object, in any thread."""
    return _BY_URI.setdefault(uri, Dialect())


def forget(uri: str | None = None) -> None:
    """Forget what is known of a server, of all without a uri; clients that are open keep what they know."""
    if uri is None:
        _BY_URI.clear()
    else:
        _BY_URI.pop(uri, None)
