"""Answers as grids: which are errors, which are incomplete, and their rows as plain Python values."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, time
from typing import Final, TypeAlias

from hsframe.errors import CallError, IncompleteError, UnknownRecError, in_short
from hsframe.grid import Col, Grid, Value
from hsframe.kinds import REMOVE, Bin, Coord, Marker, Na, Number, Ref, Remove, Symbol, Uri, XStr
from hsframe.protocol.request_grids import ID_NAME

PythonValue: TypeAlias = (
    "bool | int | float | str | Number | Ref | date | time | Coord | XStr | Bin"
    " | list[PythonValue] | dict[str, PythonValue] | None"
)
"""A kind as a plain Python value, see :func:`python_value`; None is NA, or null in a list."""

Rows: TypeAlias = "list[dict[str, PythonValue]]"
"""The rows of an answer; a key that is not there is null."""

_UNKNOWN: Final = re.compile(
    r"unknown\s*-?(rec|ids?\b|entity|points?\b|refs?\b)|(rec(ord)?|id|entity|point)s? (was )?not found", re.IGNORECASE
)
SUSPECT_FROM_ROWS: Final = 100
"""A history of fewer rows is taken as whole unless a limit says otherwise."""

_NO_INSTANTS: Final = re.compile(r"\b(bad|invalid) (range|date)\b", re.IGNORECASE)
_READ_CHARS: Final = 20_000
_REF: Final = re.compile(r"@([A-Za-z0-9_:\-.~]*[A-Za-z0-9_\-~])")  # the end of a sentence may follow


def overlapping(extents: Mapping[str, tuple[int, int]]) -> list[list[str]]:
    """The names of extents, each a first and a last instant, in groups whose extents all have a time in common."""
    groups: list[list[str]] = []
    least_last = 0
    for name in sorted(extents, key=lambda name: extents[name][1]):
        first, last = extents[name]
        if not groups or first >= least_last:
            groups.append([])
            least_last = last
        groups[-1].append(name)
    return groups


def check_answer(grid: Grid, op: str, url: str, ids: Iterable[Ref] = (), limit: int | None = None) -> None:
    """Raise for an error grid, or for one that the server calls incomplete.

    That is meta ``incomplete`` or ``more``, or as many records as a meta ``limit``. An UnknownRecError names those of
    the `ids` asked for that are unknown. Where the request itself had a `limit`, an answer of that many rows is whole
    as far as it was asked for.
    """
    if grid.is_error:
        raise _call_error(grid, f"{op} at {url}", list(ids))
    marks = {name: grid.meta.get(name) for name in ("incomplete", "more")}
    if op == "read" and len(grid) == limit_of(grid):  # reached, and not asked for: there may be more
        marks["limit"] = grid.meta.get("limit")
    name = next((name for name, why in marks.items() if why is not None and why is not False), None)
    if name is None or (limit is not None and len(grid) >= limit):
        return
    reason = in_short(_incomplete_reason(marks[name], grid))
    raise IncompleteError(
        f"{op} at {url}: the server says that its answer of {len(grid)} rows is incomplete "
        f"({name}{reason and f': {reason}'}); nothing is returned. Ask for less at once: a shorter span, fewer ids, or "
        "a limit",
        grid,
    )


def _incomplete_reason(why: Value | None, grid: Grid) -> str:
    if isinstance(why, Mapping):
        return str(why.get("dis") or ", ".join(f"{name} {value}" for name, value in why.items()))
    limit = grid.meta.get("limit")
    return why if isinstance(why, str) else "" if limit in (None, why) else f"limit {limit}"


def _call_error(grid: Grid, where: str, asked: Sequence[Ref]) -> CallError:
    trace = str(grid.meta.get("errTrace") or "")
    first_line = trace.strip().splitlines()[0].strip() if trace.strip() else ""
    kind = str(grid.meta.get("errType") or "")
    said = str(grid.meta.get("dis") or "") or first_line or kind or "no text"
    message = f"{where}: the server answers with an error: {in_short(said)}"
    if kind and kind not in said:
        message += f" ({in_short(kind)})"
    # Each id in these words is compared with each that was asked for.
    kind, said, first_line = kind[:_READ_CHARS], said[:_READ_CHARS], first_line[:_READ_CHARS]
    if not (_UNKNOWN.search(kind) or _UNKNOWN.search(said)):
        return CallError(message, grid)
    if kind.endswith("::UnknownEntityErr"):  # of version 5, which says the id alone, or a watch or a filter
        found = [Ref(one[1])] if (one := _REF.fullmatch(said)) else []
        return UnknownRecError(message, ids=[of.val for of in found], grid=grid) if found else CallError(message, grid)
    found = [Ref(val) for val in dict.fromkeys(_REF.findall(said) or _REF.findall(first_line))]
    unknown = [of for of in asked if any(_fits(one, of) for one in found)] or found
    if not unknown and len(asked) == 1:
        unknown = list(asked)
    # An unknown watch or name is not an unknown record, and has no id.
    if not unknown and not re.search(r"rec", kind, re.IGNORECASE):
        return CallError(message, grid)
    return UnknownRecError(message, ids=[of.val for of in unknown], grid=grid)


def named(items: Sequence[object], most: int = 10) -> str:
    """Ids or points for a message: the first ones, and how many more there are."""
    more = f" and {len(items) - most} more" if items[most:] else ""
    return ", ".join(in_short(str(item)) for item in items[:most]) + more


def _fits(answered: Ref, asked: Ref) -> bool:
    """Whether two ids are the same record: a server may answer with the longer or the shorter form of an id."""
    return answered == asked or answered.val.endswith(":" + asked.val) or asked.val.endswith(":" + answered.val)


def rows_of_ids(grid: Grid, asked: Sequence[Ref], *, of_read: bool = True) -> tuple[list[int | None], bool]:
    """Which row answers each id of a read by id, and whether the answer is final.

    The rows are in the order of `asked`, None for an id without one. It is not final where rows were left out, or are
    those of other ids: haystack-py keeps the last answer of a read by id and gives it to the next one too, whatever
    that asks for. A row of nulls in the place of an id means an unknown one (standard), and in a read so does a row of
    nothing but an id (rusty-haystack).

    >>> rows_of_ids(Grid({}, ["id", "dis"], [[Ref("a")], ["A"]]), [Ref("b"), Ref("a")])
    ([None, 0], False)
    >>> rows_of_ids(Grid({}, ["id", "dis"], [[None, Ref("a")], [None, "A"]]), [Ref("b"), Ref("a")])
    ([None, 1], True)
    """
    tags = [cells for col, cells in zip(grid.cols, grid.columns, strict=True) if col.name != "id"]
    known = {row for cells in tags for row, cell in enumerate(cells) if cell is not None}
    cells = grid.column("id") if grid.has_col("id") else [None] * len(grid)
    ids = [cell if isinstance(cell, Ref) and (row in known or not of_read) else None for row, cell in enumerate(cells)]
    if _is_in_order(ids, asked):
        return [None if of is None else row for row, of in enumerate(ids)], True
    found = _places(ids, asked)
    return found, None not in found


def _is_in_order(answered: Sequence[Ref | None], asked: Sequence[Ref]) -> bool:
    return len(answered) == len(asked) and all(
        of is None or _fits(of, want) for of, want in zip(answered, asked, strict=True)
    )


def _places(answered: Sequence[Ref | None], asked: Sequence[Ref]) -> list[int | None]:
    """The place of the first that is each id asked for, rather than of one that only fits it."""
    places = {of: place for place, of in reversed([*enumerate(answered)]) if of is not None}
    return [
        places[want] if want in places else next((places[of] for of in places if _fits(of, want)), None)
        for want in asked
    ]


def by_ids(grid: Grid, asked: Sequence[Ref], url: str, *, checked: bool) -> Grid:
    """The rows of a read by id in the order asked, each unknown id a row of nulls.

    This is what the standard wants. Some servers leave unknown ids out, or answer in another order (haystack-py), and
    Haxall answers a single unknown id with no row at all. With `checked` unknown ids are an error that names them all.
    """
    order, _ = rows_of_ids(grid, asked)
    unknown = [of for of, row in zip(asked, order, strict=True) if row is None]
    if checked and unknown:
        message = f"read at {url}: there is no record of {named(unknown)}"
        raise UnknownRecError(message, ids=[of.val for of in unknown], grid=grid)
    if order == list(range(len(grid))):
        return grid
    cols = grid.cols or ("id",)
    columns = grid.columns or ((),)
    return Grid(
        dict(grid.meta), cols, [tuple(None if row is None else cells[row] for row in order) for cells in columns]
    )


def history_ids(grid: Grid) -> list[Ref | None]:
    """The ids of a history's value columns in order, None where the grid does not say.

    The standard puts the id of a batch into the column's meta and that of a single read into the grid's; some
    servers put those of a batch into the grid's meta too, as ``id0``, ``id1``, ... (WideSky) or ``id``, ``id1``, ...
    """
    found: list[Ref | None] = []
    for number, col in enumerate(grid.cols[1:]):
        of = col.meta.get("id", grid.meta.get(f"id{number}", grid.meta.get("id") if number == 0 else None))
        found.append(_ref(of))
    return found


def _ref(of: Value | None) -> Ref | None:
    """An id in the meta of a history; some servers write it as a Str, ``"@a"``."""
    if isinstance(of, str) and (match := _REF.match(of)):
        return Ref(match[1])
    return of if isinstance(of, Ref) else None


def other_id(grid: Grid, asked: Ref) -> Ref | None:
    """The id that the history of one point names, if it is neither the one asked for nor a longer or shorter form."""
    answered = [*history_ids(grid), _ref(grid.meta.get("id"))]
    first = next((of for of in answered if of is not None), asked)
    return None if _fits(first, asked) else first


def is_one_record(grid: Grid) -> bool:
    """Whether the answer of a read of two ids has the same record twice: then the ids are names of one record."""
    ids = [of for of in grid.column("id") if isinstance(of, Ref)] if grid.has_col("id") else []
    return len(grid) == len(ids) == 2 and _fits(ids[0], ids[1])


def op_names(grid: Grid) -> list[str]:
    """The names of the ops that a server lists, as Haystack 3 has them, or as definitions."""
    named = (row.get("name") if (symbol := row.get("def")) is None else symbol for row in grid)
    texts = (name.val if isinstance(name, Symbol) else name for name in named)
    return sorted({name.removeprefix("op:") for name in texts if isinstance(name, str)})


def limit_of(grid: Grid) -> int | None:
    """The most rows of an answer, where one names it: meta ``hisLimit`` (SkySpark) or ``limit``."""
    limit = grid.meta.get("hisLimit", grid.meta.get("limit"))
    return int(limit.val) if isinstance(limit, Number) and math.isfinite(limit.val) else None


def refuses_instants(error: CallError) -> bool:
    """Whether an error means that a range must be of dates (rusty-haystack: ``bad range: invalid date``)."""
    return bool(_NO_INSTANTS.search(error.dis))


def check_batch(grid: Grid, asked: Sequence[Ref], url: str) -> list[int]:
    """The place of each id's column among the value columns of a batch of histories.

    An id without a column is an IncompleteError (haystack-py answers the first id only).
    """
    answered = history_ids(grid)
    names = [f"v{number}" for number in range(len(asked))]
    # The standard's names count the ids asked for.
    if not any(answered) and sorted(grid.col_names[1:]) == sorted(names):
        return [grid.col_names[1:].index(name) for name in names]
    if _is_in_order(answered, asked):
        return list(range(len(asked)))
    places = _places(answered, asked)
    missing = [of for of, place in zip(asked, places, strict=True) if place is None]
    if not missing and len(answered) >= len(set(asked)):
        return [place for place in places if place is not None]
    raise IncompleteError(
        f"hisRead at {url}: {len(asked)} points were asked for in one batch and the answer has {len(answered)} value "
        f"columns, none for {named(missing) or 'some of them'}; nothing is returned. Read the points one by one: this "
        "server may not know batches",
        grid,
    )


def in_asked_order(grid: Grid, order: Sequence[int]) -> Grid:
    """A batch of histories with its value columns in an order that :func:`check_batch` gave, as ``v0``, ``v1``, ..."""
    names = ["ts", *(f"v{number}" for number in range(len(order)))]
    if list(order) == list(range(len(order))) and grid.col_names == names:
        return grid
    ids = history_ids(grid)
    cols = [grid.cols[0]]
    for name, place in zip(names[1:], order, strict=True):
        of = ids[place]
        cols.append(Col(name, dict(grid.cols[place + 1].meta) | ({} if of is None else {"id": of})))
    # Ids in the grid's meta count columns in the server's order.
    meta = {name: value for name, value in grid.meta.items() if not ID_NAME.fullmatch(name)}
    return Grid(meta, cols, [grid.columns[0], *(grid.columns[place + 1] for place in order)])


def check_evaluated(grids: Sequence[Grid], exprs: Sequence[str], url: str, *, first: int = 0) -> None:
    """Raise unless each Axon expression has a whole answer without an error; `first` is the number of the first."""
    if len(grids) == 1 and len(exprs) > 1 and grids[0].is_error:
        raise _call_error(grids[0], f"evalAll at {url}", [])
    if len(grids) != len(exprs):
        raise IncompleteError(
            f"evalAll at {url}: {len(exprs)} expressions were sent and {len(grids)} grids came back; nothing is "
            "returned. Evaluate them one by one",
            grids[0] if grids else None,
        )
    for number, (grid, expr) in enumerate(zip(grids, exprs, strict=True), first):
        check_answer(grid, f"eval of expression {number}, {in_short(expr)!r},", url)


def python_value(value: Value | None) -> PythonValue:
    """A kind as a plain Python value.

    Marker is True, NA is None, a Number without unit is int or float, Symbol and Uri are str, a nested Grid is a
    list of dicts. **A Number with a unit stays a Number**, as do Ref, dates and times.

    >>> from hsframe.kinds import MARKER, NA
    >>> [python_value(value) for value in (MARKER, NA, Number(3), Number(3, "kW"), Symbol("site"))]
    [True, None, 3, Number(3, 'kW'), 'site']
    """
    if isinstance(value, Number):
        return value if value.unit is not None else value.val
    if isinstance(value, Marker):
        return True
    if isinstance(value, Na | Remove):
        return None
    if isinstance(value, Symbol | Uri):
        return value.val
    if isinstance(value, list):
        return [python_value(item) for item in value if item is not REMOVE]
    if isinstance(value, dict):
        return {name: python_value(item) for name, item in value.items() if item is not REMOVE}
    if isinstance(value, Grid):
        return [*python_rows(value)]
    return value


def python_rows(grid: Grid) -> Rows:
    """The rows of a grid as dicts of plain Python values; a null cell or Remove leaves the key out."""
    rows: Rows = [{} for _ in range(len(grid))]
    for col, cells in zip(grid.cols, grid.columns, strict=True):
        name = col.name
        for row, value in zip(rows, cells, strict=True):
            if value is not None and value is not REMOVE:
                row[name] = python_value(value)
    return rows
