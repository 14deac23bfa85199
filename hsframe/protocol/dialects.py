"""What one server can do: found out while it is used, remembered, shown.

What was found out is remembered by uri for as long as the process runs, and shared by all clients of that uri: a
second connection does not learn again that a server drops batches. Nothing of it is written to disk. It makes requests
fewer, never answers different: what a server was seen to do at the ends of a window, say, is shown by
``hsframe.doctor`` and relied on nowhere. What is remembered wrongly, because the server was changed meanwhile, costs
requests; ``hsframe.doctor`` asks again, :func:`forget` drops it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from hsframe.protocol.request_grids import Op

__all__ = ["BatchForm", "Dialect", "Method", "forget", "remembered"]

Method: TypeAlias = Literal["GET", "POST"]
BatchForm: TypeAlias = Literal["standard", "id0"]


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
    ignores_range : bool or None
        Whether a hisRead was answered with far more than its range (haystack-py): then it is asked for all at once.
    his_read_batch : bool or None
        Whether a batch hisRead is answered for every id; None until one was sent. haystack-py answers the first only.
    batch_form : {"standard", "id0"}
        How a batch hisRead is written: as the standard has it, or as one row ``range``, ``id0``, ``id1``, ...
        (WideSky).
    his_write_batch : bool or None
        Whether the samples of a batch hisWrite are there afterwards. haystack-py answers 200 and drops them.
    body_limit : int or None
        The most bytes of a request body that a refusal has left possible (413 taught it): longer ones are not sent.
    row_cap : int or None
        The most rows of a history that the server gives at once, where that is known: more are not asked for.
    tz : str or None
        The Haystack name of the server's own zone, that of a point without a ``tz``; None until it was asked.
    login, login_hash, login_iterations : str, str, int
        The scheme that the last login used; of SCRAM, the hash and how often it is applied to the password.
    lost_status : int or None
        The HTTP status by which the server last said that a session is over.
    start_inclusive, end_inclusive : bool or None
        Whether samples at the ends of a window were answered. Shown only: every read asks for more and clips.
    clips : bool or None
        Whether samples outside of a window were left out. Shown only.
    range_in_point_zone : bool or None
        Whether a range must be written in the point's own zone (nHaystack). Shown only: ranges always are.
    """

    methods: dict[str, Method] = field(default_factory=dict)
    zinc_requests: bool = False
    answered: bool = False
    ignores_range: bool | None = None
    his_read_batch: bool | None = None
    batch_form: BatchForm = "standard"
    his_write_batch: bool | None = None
    body_limit: int | None = None
    row_cap: int | None = None
    tz: str | None = None
    login: str = ""
    login_hash: str = ""
    login_iterations: int = 0
    lost_status: int | None = None
    start_inclusive: bool | None = None
    end_inclusive: bool | None = None
    clips: bool | None = None
    range_in_point_zone: bool | None = None

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

    def too_long(self, body_bytes: int) -> None:
        """After 413: remember that a request body of that length is too long."""
        self.body_limit = min(body_bytes - 1, self.body_limit or body_bytes)


_BY_URI: Final[dict[str, Dialect]] = {}


def remembered(uri: str) -> Dialect:
    """What is known of the server at a uri (without trailing slash); the same object for all who ask, in any thread.

    Examples
    --------
    >>> remembered("http://10.0.0.9/api").his_read_batch = False
    >>> remembered("http://10.0.0.9/api").his_read_batch
    False
    >>> forget("http://10.0.0.9/api")
    >>> remembered("http://10.0.0.9/api").his_read_batch is None
    True
    """
    return _BY_URI.setdefault(uri, Dialect())


def forget(uri: str | None = None) -> None:
    """Forget what is known of a server, of all without a uri; clients that are open keep what they know."""
    if uri is None:
        _BY_URI.clear()
    else:
        _BY_URI.pop(uri, None)
