"""The ops of version 5 of the protocol: their typed arguments, and the op of version 4 that does the work of each.

What reads Jeto takes a text for a Ref or a Number only where a type is declared. Where another server finds another
kind than it looks for, and goes on without a word, so does this one: clients are tested with it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, NamedTuple

from hsframe.codecs.formats import FORMATS
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.ops.records import grid_of, limit_of
from hsframe.server.refusal import HttpRefusal, OpRefusal

Args = Mapping[str, Any]

FILETYPES: Final = {short: {"json4": "hayson", "json3": "jsonV3"}.get(short, short) for short in FORMATS}
"""What version 5 calls the formats, by their short names."""
_PARAM: Final = re.compile(r"(\w+): (\w+)(\?| = \w+)?")
_OF_GRID: Final = "(req: Grid) -> Grid"


class Param(NamedTuple):
    """An argument: its type, and whether it may be left out."""

    name: str
    type: str
    is_optional: bool


@dataclass(frozen=True)
class Op5:
    """One op of version 5: the request grid that its arguments make, and its answer."""

    qname: str
    signature: str
    request: Callable[[Args], Grid] = lambda args: Grid()
    answer: Callable[[Args, Grid], Grid] = lambda args, answer: answer
    of: str = ""  # of version 4, where it has another name
    doc: str = ""

    @property
    def name(self) -> str:
        return self.qname.partition("::")[2]

    @property
    def op(self) -> str:
        """The op of version 4 that does its work."""
        return self.of or self.name

    @property
    def takes_grid(self) -> bool:
        """Whether the request is one grid, and not arguments by name."""
        return self.signature == _OF_GRID

    @property
    def returns(self) -> str:
        return self.signature.rpartition("-> ")[2]

    @property
    def params(self) -> list[Param]:
        return [Param(name, type, bool(may)) for name, type, may in _PARAM.findall(self.signature)]


# ---- requests


def _grid(args: Args) -> Grid:
    """The request as it is; its ids must be Refs."""
    grid: Grid = args["req"]
    ids = [grid.meta.get("id"), *(col.meta.get("id") for col in grid.cols)]
    if any(isinstance(id, str) for id in [*ids, *(grid.column("id") if grid.has_col("id") else ())]):
        raise HttpRefusal(500, "an id is a Str; expected a Ref: in Jeto a box, or a column with the of sys::Ref")
    return grid


def _nav_grid(args: Args) -> Grid:
    """What is no Ref is taken as none: the root."""
    nav_id = args["req"][0].get("navId") if len(args["req"]) else None
    return Grid({}, ["navId"], [[nav_id]]) if isinstance(nav_id, Ref) else Grid()


def _watch_grid(args: Args) -> Grid:
    """What is no Number is taken as no lease."""
    grid = _grid(args)
    meta = {name: value for name, value in grid.meta.items() if name != "lease" or isinstance(value, Number)}
    return Grid(meta, grid.cols, grid.columns)


def _row(args: Args) -> Grid:
    row = {name: value for name, value in args.items() if value is not None}
    return Grid.from_rows(None, list(row), [row])


def _ids(args: Args) -> list[Any]:
    ids: list[Any] = args["ids"] if "ids" in args else [args.get("id") or Ref("null")]
    return ids


def _id_rows(args: Args) -> Grid:
    return Grid({}, ["id"], [_ids(args)])


def _opts(args: Args) -> dict[str, Any]:
    """What is no Number is taken as no limit."""
    opts = dict(args.get("opts") or {})
    return opts if isinstance(opts.get("limit"), Number) else {**opts, "limit": None}


def _filter_row(args: Args) -> Grid:
    opts = _opts(args)  # what is searched for is searched for first
    return _row({"filter": args["filter"], "limit": None if "search" in opts else opts["limit"]})


# ---- answers


def _found(args: Args, answer: Grid) -> Grid:
    if not len(answer) and args.get("checked", True):
        raise OpRefusal(f"there is no record with {args['filter']}", "UnknownRecErr")
    return answer


def _known(args: Args, answer: Grid) -> Grid:
    """Without rows where none of the ids is known."""
    ids = _ids(args)
    unknown = [id for id, rec in zip(ids, answer, strict=True) if not dict(rec)]
    if unknown and args.get("checked", True):
        raise OpRefusal(f"there is no record {unknown[0]}", "UnknownRecErr")
    return Grid() if len(unknown) == len(ids) else answer


def _optional(args: Args, answer: Grid) -> Grid:
    """The records with what `opts` say: cut at the limit first, and then sorted."""
    opts, recs = _opts(args), list(map(dict, answer))
    if isinstance(search := opts.get("search"), str):
        recs = [rec for rec in recs if search.lower() in str(rec.get("dis", "")).lower()][: limit_of(opts)]
    if opts.get("sort") is MARKER:
        recs.sort(key=lambda rec: str(rec.get("dis", "")))
    meta = opts.get("gridMeta")
    return grid_of(recs, meta=meta if isinstance(meta, dict) else None)


def _cur_vals(args: Args, answer: Grid) -> Grid:
    if args.get("curValSub") is None:
        return answer
    names = [name for name in ("id", "curVal", "curStatus") if answer.has_col(name)]
    return Grid(answer.meta, names, [answer.column(name) for name in names])


def _about(args: Args, answer: Grid) -> Grid:
    return Grid({}, [*answer.col_names, "spec"], [*answer.columns, [Ref("sys.api::AboutInfo")]])


def _infos(kind: str, rows: list[dict[str, Any]]) -> Grid:
    spec = Ref(f"sys.api::{kind}")
    return Grid.from_rows({"of": spec}, [*rows[0], "spec"], [{**row, "spec": spec} for row in rows])


def _ops(args: Args, answer: Grid) -> Grid:
    """Those ops whose work the user may have done."""
    known = {row["name"]: dict(row) for row in answer}
    rows = [
        {
            "qname": op.qname,
            "doc": op.doc or known[op.op]["doc"],
            "noSideEffects": known[op.op].get("noSideEffects"),
            "signature": op.signature,
        }
        for op in OPS5
        if op.op in known
    ]
    return _infos("OpInfo", rows)


def _libs(args: Args, answer: Grid) -> Grid:
    libs: list[dict[str, Any]] = list(map(dict, answer))
    rows = [{"name": lib["def"].val.partition(":")[2], "version": lib["version"], "doc": lib["doc"]} for lib in libs]
    return _infos("LibInfo", rows)


def _filetypes(args: Args, answer: Grid) -> Grid:
    rows = [
        {
            "name": FILETYPES[short],
            "dis": known.title,
            "mime": known.mime,
            "fileExt": known.extension,
            "canRead": known.read is not None,
            "canWrite": True,
        }
        for short, known in FORMATS.items()
    ]
    return _infos("FiletypeInfo", rows)


OPS5: Final = (
    Op5("hx.api::commit", _OF_GRID, _grid),
    Op5("hx.api::eval", "(expr: Str) -> Grid", _row),  # where an application has it
    Op5("hsframe.api::invokeAction", _OF_GRID, _grid),  # which other servers have in version 4 alone
    Op5("ph.api::hisRead", _OF_GRID, _grid),
    Op5("ph.api::hisWrite", _OF_GRID, _grid),
    Op5("ph.api::nav", _OF_GRID, _nav_grid),
    Op5("ph.api::pointWrite", "(id: Ref, level: Number?, val: Obj?, who: Str?, duration: Number?) -> Grid", _row),
    Op5(
        "ph.api::watchPoll",
        "(watchId: Str, refresh: Marker?, curValSub: Marker?) -> Grid",
        lambda args: Grid(dict(args)),
        _cur_vals,
    ),
    Op5("ph.api::watchSub", _OF_GRID, _watch_grid),
    Op5("ph.api::watchUnsub", _OF_GRID, _grid),
    Op5("sys.api::about", "() -> AboutInfo", answer=_about),
    Op5("sys.api::close", "() -> None"),
    Op5("sys.api::filetypes", "() -> Grid", answer=_filetypes),
    Op5("sys.api::libs", "() -> Grid", answer=_libs),
    Op5("sys.api::ops", "() -> Grid", answer=_ops),
    Op5(
        "sys.api::read",
        "(filter: Filter, checked: Bool = true) -> Dict",
        lambda args: _row({"filter": args["filter"], "limit": Number(1)}),
        _found,
        doc="The first record that a filter finds",
    ),
    Op5(
        "sys.api::readAll",
        "(filter: Filter, opts: Dict?) -> Grid",
        _filter_row,
        _optional,
        "read",
        "Records by filter; opts have limit, sort, search",
    ),
    Op5("sys.api::readById", "(id: Ref?, checked: Bool = true) -> Dict", _id_rows, _known, "read", "A record by id"),
    Op5("sys.api::readByIds", "(ids: List, checked: Bool = true) -> Grid", _id_rows, _known, "read", "Records by id"),
)
