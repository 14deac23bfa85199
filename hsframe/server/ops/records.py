"""read and nav: records by filter, by id, and as a tree."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

from hsframe.errors import CodecError, MetadataError
from hsframe.filters import Filter, parse
from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call, ref_of

# Of a filter. Each name costs a look at each record; 1,000 ids joined by "or" fit in.
_MOST_NAMES: Final = 1_000
_MOST_CHARACTERS: Final = 2**16


def grid_of(recs: Sequence[Mapping[str, Any] | None], first: str = "id", meta: Mapping[str, Any] | None = None) -> Grid:
    """Records as a grid: the id first, then `dis`, then the other tags by name; None is a row of nulls."""
    tags: set[str] = set().union(*(rec for rec in recs if rec is not None))
    tags -= {tag for tag in tags if all(rec is None or rec.get(tag) is None for rec in recs)}
    names = [tag for tag in (first, "dis") if tag in tags] + sorted(tags - {first, "dis"})
    if recs and not names:
        names = [first]  # rows of nulls need at least one column
    columns = [tuple(None if rec is None else rec.get(name) for rec in recs) for name in names]
    return Grid(meta, names, columns)


def limit_of(asked: Mapping[str, Any]) -> int | None:
    """The request's ``limit``, where it has one."""
    limit = asked.get("limit")
    if limit is None:
        return None
    if not isinstance(limit, Number) or not math.isfinite(limit.val) or limit.val < 0 or limit.val % 1:
        raise OpRefusal(f"the limit is {limit!r}; expected a whole Number from 0 up", "ArgErr")
    return min(int(limit.val), sys.maxsize)  # no more rows than that fit in memory


def filter_of(text: Any) -> Filter:
    """A filter that a request asks for; a refusal where it is none, or a large one."""
    if not isinstance(text, str):
        raise OpRefusal(f"the filter is {text!r}; expected a Str", "ArgErr")
    if len(text) > _MOST_CHARACTERS:
        what = f"the filter has {len(text):,} characters, and the limit is {_MOST_CHARACTERS:,}"
        raise OpRefusal(f"{what}; ask by id, or in several requests", "LimitErr")
    try:
        return parse(text, _MOST_NAMES)
    except CodecError as error:
        raise OpRefusal(str(error), "FilterErr") from error


def read(call: Call) -> Grid:
    """Records by filter, or by id: then in the order of the request, an unknown id as a row of nulls."""
    if call.grid.has_col("filter"):
        row = call.one_row()
        wanted = filter_of(row.get("filter"))
        try:
            return grid_of([*map(call.database.shown, call.database.query(wanted, limit_of(row)))])
        except MetadataError as error:  # it names a spec
            raise OpRefusal(str(error), "FilterErr") from error
    if call.grid.has_col("id"):
        recs = map(call.database.get, call.ids())
        return grid_of([None if rec is None else call.database.shown(rec) for rec in recs])
    raise OpRefusal("read takes one row with 'filter', or rows with 'id'; the request has neither", "ArgErr")


def nav(call: Call) -> Grid:
    """The children of a place in the tree: sites, their equipment, its points.

    ``navId`` is the id of the record; a leaf has none.
    """
    asked: Mapping[str, Any] = call.grid[0] if len(call.grid) else {}
    nav_id = asked.get("navId")
    parent = {} if nav_id is None else call.rec(ref_of(nav_id, "navId"))
    key = parent.get("id")
    if nav_id is None:
        children = [rec for rec in call.database if "site" in rec]
    elif "site" in parent:
        children = [rec for rec in call.database if rec.get("siteRef") == key and "equipRef" not in rec]
    else:
        children = [rec for rec in call.database if rec.get("equipRef") == key]
    shown = map(call.database.shown, children)
    return grid_of([{**rec, "navId": rec["id"]} if "site" in rec or "equip" in rec else rec for rec in shown])
