"""Version 5 of the protocol, the HTTP API of Xeto: how each op of version 4 is asked there, as a table.

Whatever version a server speaks, a verb makes the request grid of version 4 and is given its answer grid. Version 5 has
other names for some ops, and most take arguments by name: the cells of a grid of one row are such arguments, so the
formats of version 4 go on, and with them the fast readers. Only a filter has to be sent as JSON.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeAlias

from hsframe.codecs.jeto import encode_jeto
from hsframe.codecs.zinc_write import write_value
from hsframe.errors import MetadataError
from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.protocol.http import HttpAnswer
from hsframe.protocol.request_grids import as_kind, query_of, row_of

HEADER: Final = "Xeto-Version"
"""Of a request: the version that it speaks, 4 without it. An answer in version 5 has it too."""
JSON: Final = "application/json"
"""JSON by its plain name: of version 4 where a server asks for it so, in version 5 Jeto."""
BOXED_JSON: Final = f"{JSON};box=all"
"""Jeto in which each value says its type. Without this, what the spec of a dict tells is left to who knows the spec."""
Version: TypeAlias = Literal[4, 5]
VersionSetting: TypeAlias = Literal["auto", 4, 5]
VERSIONS: Final[tuple[VersionSetting, ...]] = ("auto", 4, 5)
_LEFT_OUT: Final = "version='auto', as by default, speaks 4 where the server does, and else 5"
Args: TypeAlias = Mapping[str, Any]


@dataclass(frozen=True)
class Wire:
    """An op as it goes to the server in a version: its name in the uri and its request, a grid or arguments as Jeto.

    A grid that `is_whole` is one argument, which a query cannot carry. `accept` is the MIME type of an answer that is
    no grid.
    """

    name: str
    version: Version
    grid: Grid = field(default_factory=Grid)
    args: Args | None = None
    is_whole: bool = False
    accept: str = ""

    @property
    def has_arguments(self) -> bool:
        return bool(self.grid.cols or self.grid.meta or self.args or self.is_whole)

    @property
    def params(self) -> dict[str, str]:
        """The arguments as a query has them: in version 5 bare texts and Jeto, in 4 Zinc."""
        if self.args is not None:
            return {
                name: value if isinstance(value, str) else encode_jeto(value).decode()
                for name, value in self.args.items()
            }
        return {name: write_value(value) for name, value in (query_of(self.grid) or {}).items()}

    @property
    def body(self) -> bytes | None:
        """The arguments as Jeto, None where the request is a grid. Servers take some that are not in boxes for none."""
        return None if self.args is None else encode_jeto(self.args)


@dataclass(frozen=True)
class Op5:
    """A row of the table: an op of version 4, its name in 5, and how its request goes.

    `form` is the whole grid; its arguments by name, as the cells of a row or as JSON; or nothing. `args` gives them.
    """

    op: str
    name: str
    form: Literal["nothing", "grid", "cells", "json"]
    args: Callable[[Grid], dict[str, Any]] = lambda request: dict(request[0]) if len(request) else {}

    def wire(self, request: Grid) -> Wire:
        """The op with a request of version 4; MetadataError where version 5 takes none."""
        if self.form == "grid":
            return Wire(self.name, 5, request, is_whole=True)
        if self.form == "nothing":
            if request.cols:
                raise MetadataError(
                    f"{self.op} takes no filter and no limit in version 5 of the protocol; leave them out, and choose "
                    "from what it gives"
                )
            return Wire(self.name, 5)
        if len(request) > 1 and self.name != "readByIds":
            raise MetadataError(
                f"{self.op} takes one row in version 5 of the protocol, and the request has {len(request)}; send one "
                "after the other"
            )
        args = self.args(request)
        if self.form == "json":
            return Wire(self.name, 5, args=args)
        return Wire(self.name, 5, row_of(args))


def _filter_args(request: Grid) -> dict[str, Any]:
    """What readAll takes; arguments that it has not are ignored."""
    args = dict(request.meta) | (dict(request[0]) if len(request) else {})
    if "limit" in args:
        limit = as_kind(args.pop("limit"))
        if not isinstance(limit, Number):  # which servers take for no limit
            raise MetadataError(f"read: the limit must be a Number; got {limit!r}")
        args["opts"] = {"limit": limit}
    return args


def _id_args(request: Grid) -> dict[str, Any]:
    if request.has_col("filter"):
        raise MetadataError("read takes ids or a filter in version 5 of the protocol, and the request has both")
    return {"ids": list(request.column("id")), "checked": False}


OPS5: Final = (
    *(Op5(name, name, "nothing") for name in ("about", "ops", "libs", "filetypes", "close")),
    Op5("read", "readAll", "json", _filter_args),
    Op5("read", "readByIds", "cells", _id_args),
    *(Op5(name, name, "grid") for name in ("nav", "hisRead", "hisWrite", "watchSub", "watchUnsub", "commit")),
    Op5("watchPoll", "watchPoll", "cells", lambda request: dict(request.meta)),
    *(Op5(name, name, "cells") for name in ("pointWrite", "eval")),
)
_BY_OP: Final = {row.op: row for row in OPS5 if row.name != "readByIds"}
_BY_IDS: Final = next(row for row in OPS5 if row.name == "readByIds")


def wire_of(op: str, request: Grid | Args, version: Version) -> Wire:
    """An op with its request grid as a version sends it; what the table does not have goes in 5 as in 4.

    Arguments by name are those of the op itself, whatever it is called elsewhere; in version 4 a row of a grid.
    """
    if op == "openapi":  # which no server of version 4 alone has
        version = 5
    if not isinstance(request, Grid):
        accept = JSON if op == "openapi" else BOXED_JSON
        return Wire(op, 5, args=request, accept=accept) if version == 5 else Wire(op, 4, row_of(request))
    row = _BY_OP.get(op) if version == 5 else None
    if row is None:
        return Wire(op, version, request)
    return (_BY_IDS if op == "read" and request.has_col("id") else row).wire(request)


def as_version4(op: str, request: Grid, answer: Grid) -> Grid:
    """The answer of version 5 as version 4 gives it.

    readByIds gives no rows where it knows none of the ids; ops are named by their qname alone.
    """
    if op == "read" and not len(answer) and request.has_col("id"):
        return Grid(dict(answer.meta), ["id"], [(None,) * len(request)])
    if op == "ops" and answer.has_col("qname") and not answer.has_col("name"):
        names = tuple(str(qname).rpartition("::")[2] for qname in answer.column("qname"))
        return Grid(dict(answer.meta), ["name", *answer.cols], [names, *answer.columns])
    return answer


def other_version(answer: HttpAnswer) -> Version | None:
    """The version that a server speaks in the place of the one that it was asked in, if it does not speak that."""
    if not answer.refuses_version:
        return 4 if _knows_no_versions(answer) else None
    asked = answer.request.headers.get(HEADER, "4")
    return next((version for version in (4, 5) if str(version) in answer.allowed and str(version) != asked), None)


def refused_version(answer: HttpAnswer) -> MetadataError | None:
    """The error of an answer that says that the server does not speak the version it was asked in; None for others."""
    asked = answer.request.headers.get(HEADER)
    where = (
        f"{answer.request.op} at {answer.request.url}: the server does not speak version {asked or 4} of the protocol"
    )
    if answer.refuses_version:
        spoken = f"but {' and '.join(answer.allowed)}" if answer.allowed else "and names none that it does"
        return MetadataError(f"{where}, {spoken}; {_LEFT_OUT}")
    if _knows_no_versions(answer):
        return MetadataError(f"{where}: its answer has no header {HEADER}; {_LEFT_OUT}")
    return None


def _knows_no_versions(answer: HttpAnswer) -> bool:
    """Whether a request in version 5 was answered by a server that does not know the header.

    An answer in version 5 says so. One without headers is what was left of one that is not valid HTTP.
    """
    is_told = answer.is_grid or answer.status in (404, 501)
    is_silent = bool(answer.headers) and not answer.header(HEADER) and not answer.is_from_proxy
    return is_told and is_silent and HEADER in answer.request.headers
