"""The ops of the standard: their names on the wire and in Python, and the request grid of each (standard: Ops)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from typing import Any, Final, Literal, TypeAlias

from hsframe.codecs.body_text import MAX_DEPTH
from hsframe.durations import Duration, duration_us
from hsframe.errors import MetadataError, SpanError, UnitError, ZoneError
from hsframe.grid import Grid, GridBuilder, Value
from hsframe.kinds import ID, MARKER, NA, Number, Ref
from hsframe.spans import epoch_us, range_text
from hsframe.units.pint_units import symbol_of_pint
from hsframe.zones import haystack_name

# Standard: Ops, pointWrite. Only a manual override ends after a duration.
LEVELS: Final = 17
MANUAL_LEVEL: Final = 8

ID_NAME: Final = re.compile(r"id\d*")
"""The tag of an id, also of one of several in older forms: ``id``, ``id0``, ``id1``, ..."""
_OP_NAME: Final = re.compile(r"[\w-]+(\.[\w-]+)*(::[\w-]+)?")

Id: TypeAlias = Ref | str
Ids: TypeAlias = Ref | str | Iterable[Ref | str]
TimeLength: TypeAlias = Duration | float
Range: TypeAlias = str | date | tuple[date, date]
"""``"today"``, ``"2026-01-01,2026-01-31"``, a date, an aware datetime (from there on), or two of either."""


@dataclass(frozen=True)
class Op:
    """An op by its name on the wire.

    The standard allows to `get` what has no side effects. What is `repeatable` may be sent again when the connection
    broke and nobody knows if it ran. Of what `writes` the standard wants an empty answer.
    """

    name: str
    get: bool = False
    repeatable: bool = False
    writes: bool = False


OPS: Final[Mapping[str, Op]] = {
    op.name: op
    for op in (
        *(Op(name, get=True, repeatable=True) for name in ("about", "ops", "formats", "defs", "libs", "filetypes")),
        *(Op(name, get=True, repeatable=True) for name in ("read", "nav", "hisRead", "openapi")),
        # The same samples again are the same history.
        *(Op(name, repeatable=True, writes=True) for name in ("hisWrite", "watchUnsub")),
        *(Op(name, writes=True) for name in ("pointWrite", "close")),
        # The server sends changes once: a second poll would miss them.
        *(Op(name) for name in ("watchSub", "watchPoll", "invokeAction", "eval", "evalAll", "commit")),
    )
}


def op_of(name: str) -> Op:
    """The op of a wire name; one that the standard does not have is POSTed and never repeated."""
    if name not in OPS and not _OP_NAME.fullmatch(name):
        raise MetadataError(f"the name of an op must be letters and digits, as 'hisRead'; got {name!r}")
    return OPS.get(name) or Op(name)


def as_grid(given: Grid | GridBuilder, where: str) -> Grid:
    """The grid that was given to a request; `where` is for the message that it is none."""
    if isinstance(given, GridBuilder):
        return given.to_grid()
    if isinstance(given, Grid):
        return given
    raise MetadataError(
        f"{where}: expected a Grid, as Grid.from_rows({{}}, ['id'], [{{'id': Ref('a')}}]); got {type(given).__name__}"
    )


def as_ref(of: Id) -> Ref:
    """A Ref from a Ref or an id text, with or without ``@``."""
    if isinstance(of, Ref):
        return of
    if isinstance(of, str) and of.strip("@ "):
        ref = Ref(of.strip())
        if problem := ID.problem(ref.val):
            raise MetadataError(f"{problem}: expected {ID.expected}, as in @p:demo:r:1")
        return ref
    raise MetadataError(f"an id must be a Ref or a text such as 'p:demo:r:1'; got {of!r}")


def as_refs(ids: Ids, op: str) -> list[Ref]:
    """Refs from ids, or from one id; `op` is for the message that there are none."""
    if isinstance(ids, str | Ref):
        ids = [ids]
    if hasattr(ids, "columns"):  # of which the names would be taken for ids
        raise MetadataError(f"{op}: a frame has more than ids; give its column of them, as df['id']")
    if not isinstance(ids, Iterable):
        raise MetadataError(f"{op}: ids must be a Ref, a text or several of them; got {ids!r}")
    refs = [as_ref(of) for of in ids]
    if not refs:
        raise MetadataError(f"{op}: no ids were given")
    return refs


def as_kind(value: object, depth: int = 0) -> object:
    """A kind from what people write: numbers become `Number`, tuples lists, timedelta a Number of seconds.

    A number of any class keeps its unit; one whose unit cannot be written is a UnitError, never a plain number.

    >>> as_kind([1, 2.5, True, "a"])
    [Number(1), Number(2.5), True, 'a']
    """
    # What nests deeper, or holds itself, is refused where it is written.
    if value is None or isinstance(value, bool | str | Number | Ref) or depth > MAX_DEPTH:
        return value
    if isinstance(value, int | float | Fraction | Decimal):
        return Number(value, _unit_of(value))  # type: ignore[arg-type]  # of any class
    if isinstance(value, timedelta):
        return _seconds(value)
    if isinstance(value, list | tuple):
        return [as_kind(item, depth + 1) for item in value]
    if isinstance(value, Mapping):
        return {name: as_kind(item, depth + 1) for name, item in value.items()}
    if hasattr(value, "magnitude") and hasattr(value, "units"):  # a quantity of pint
        number = as_kind(value.magnitude)
        return Number(number.val, symbol_of_pint(value)) if isinstance(number, Number) else value
    scalar = getattr(value, "item", None)  # a numpy scalar that is not a subclass of Python's own
    if not callable(scalar) or getattr(value, "shape", None) != ():
        return value
    plain: Any = scalar()
    unit = _unit_of(value)
    is_same = plain.__class__ is value.__class__  # a longdouble has no class of Python's own
    kind = Number(plain) if is_same else as_kind(plain)
    return Number(kind.val, unit) if unit is not None and isinstance(kind, Number) else kind


def _unit_of(value: object) -> str | None:
    """The unit of a number that is not a `Number`, as of a :class:`~hsframe.unit_array.scalars.UnitFloat`."""
    unit = getattr(value, "unit", getattr(value, "units", None))
    if unit is None or isinstance(unit, str):
        return unit
    raise UnitError(
        f"{value!r} has a unit of the class {type(unit).__name__}, which cannot be written; expected a symbol of the "
        "unit table, as in Number(22.5, '°C')"
    )


def _length(value: TimeLength, what: str) -> Number:
    """A length of time for the wire, positive; a Number with a unit goes in that unit, all else in seconds."""
    length = timedelta(microseconds=duration_us(value, what, plain="s"))
    return value if isinstance(value, Number) and value.unit is not None else _seconds(length)


def _seconds(span: timedelta) -> Number:
    seconds = span.total_seconds()
    return Number(int(seconds) if seconds.is_integer() else seconds, "s")


def row_of(row: Mapping[str, object], meta: Mapping[str, object] | None = None) -> Grid:
    """A grid of one row, without a column where it has no values."""
    return Grid(meta, list(row), [(value,) for value in row.values()]) if row else Grid(meta)


def _id_rows(refs: Sequence[Ref], meta: Mapping[str, object] | None = None) -> Grid:
    return Grid(meta, ["id"], [tuple(refs)])


def _moment_text(when: date) -> str:
    if not isinstance(when, datetime):
        return when.isoformat()
    if when.tzinfo is None:
        raise ZoneError(f"the range's {when} has no time zone; give an aware datetime, or a date")
    return range_text(epoch_us(when), None, haystack_name(when.tzinfo))


def as_range(span: Range) -> str:
    """The text of a range for hisRead (standard: Ops, hisRead): as given, or from dates and aware datetimes.

    Dates run from midnight to the midnight after the last, in the point's zone; datetimes are half-open.
    """
    if isinstance(span, str):
        return span
    if isinstance(span, date):
        return _moment_text(span)
    if not isinstance(span, tuple | list) or len(span) != 2 or not all(isinstance(end, date) for end in span):
        raise SpanError(
            "a range of hisRead must be 'today', 'yesterday', '2026-01-01', '2026-01-01,2026-01-31', a date, an aware "
            f"datetime, or a pair of either; got {span!r}"
        )
    return ",".join(map(_moment_text, span))


def read_request(filter: str | None = None, limit: int | None = None) -> Grid:
    """Records by filter; also for ``ops``, ``defs``, ``libs`` and ``filetypes``, which give all without one."""
    if not isinstance(filter, str | None):
        raise MetadataError(f"a filter must be a text, as 'point and temp'; got {filter!r}; read_by_ids takes ids")
    row: dict[str, object] = {} if filter is None else {"filter": filter}
    if limit is not None:
        if not hasattr(limit, "__index__") or limit < 0:  # NumPy has integers, too
            raise MetadataError(f"limit must be a whole number from 0 up, or None; got {limit!r}")
        row["limit"] = Number(int(limit))
    return row_of(row)


def read_by_ids_request(ids: Ids) -> Grid:
    return _id_rows(as_refs(ids, "read"))


def nav_request(nav_id: object = None) -> Grid:
    """Children of a node of the navigation tree; of the root without `nav_id`, which may be of any kind."""
    return Grid() if nav_id is None else row_of({"navId": as_kind(nav_id)})


def his_read_request(of: Id, span: Range) -> Grid:
    return row_of({"id": as_ref(of), "range": as_range(span)})


def his_read_batch_request(ids: Ids, span: Range, tz: str | None = None) -> Grid:
    """The histories of several points; `tz` is the Haystack name of the zone to answer in."""
    meta = {"range": as_range(span)} | ({} if tz is None else {"tz": tz})
    return _id_rows(as_refs(ids, "hisRead"), meta)


def his_read_id0_request(ids: Ids, span: Range) -> Grid:
    """The histories of several points in the older form, ``id0``, ``id1``, ... in one row, which WideSky reads."""
    refs = {f"id{number}": of for number, of in enumerate(as_refs(ids, "hisRead"))}
    return row_of({"range": as_range(span), **refs})


def point_write_array_request(of: Id) -> Grid:
    return row_of({"id": as_ref(of)})


def point_write_request(
    of: Id,
    level: int,
    val: object,
    who: str = "",
    duration: TimeLength | None = None,
    *,
    inf: Literal["refuse", "send"] = "refuse",
) -> Grid:
    """A value at a level of the priority array; None takes the level's value away.

    NaN, NA and the infinities are not values to command a point with, so they are refused, or sent if `inf` says so.
    """
    kind = as_kind(val)
    if inf != "send" and (kind is NA or (isinstance(kind, Number) and not math.isfinite(kind.val))):
        raise MetadataError(
            f"val must be a finite number, a bool or a text, or None to take the level's value away; got {val!r}. Pass "
            "inf='send' to write it nevertheless"
        )
    number = as_kind(level)  # tables of levels have them as float64, grids as Number
    if not isinstance(number, Number) or number.unit is not None or number.val not in range(1, LEVELS + 1):
        raise MetadataError(f"level must be a whole number from 1 (strongest) to {LEVELS}; got {level!r}")
    row: dict[str, object] = {"id": as_ref(of), "level": Number(int(number.val)), "val": kind}
    if who:
        row["who"] = who
    if duration is not None:
        if row["level"] != Number(MANUAL_LEVEL) or val is None:
            raise MetadataError(
                f"a duration must come with a value at level {MANUAL_LEVEL}; got level {level!r} and the value "
                f"{val!r}. Elsewhere servers ignore it, and the value would stay"
            )
        row["duration"] = _length(duration, "duration")
    return row_of(row)


def watch_sub_request(ids: Ids, watch_dis: str, lease: TimeLength | None = None, watch_id: str | None = None) -> Grid:
    """A new watch, or more points for the watch `watch_id`."""
    # Haxall wants watchDis also where a watchId says which watch is meant.
    meta: dict[str, object] = {} if watch_id is None else {"watchId": watch_id}
    meta["watchDis"] = watch_dis
    if lease is not None:
        meta["lease"] = _length(lease, "lease")
    return _id_rows(as_refs(ids, "watchSub"), meta)


def watch_poll_request(watch_id: str, refresh: bool = False) -> Grid:
    """What changed since the last poll, or all of it."""
    return Grid({"watchId": watch_id} | ({"refresh": MARKER} if refresh else {}))


def watch_unsub_request(watch_id: str, ids: Ids) -> Grid:
    """Points that leave a watch."""
    return _id_rows(as_refs(ids, "watchUnsub"), {"watchId": watch_id})


def watch_close_request(watch_id: str) -> Grid:
    return Grid({"watchId": watch_id, "close": MARKER})


def invoke_action_request(of: Id, action: str, args: Mapping[str, object] | Grid | GridBuilder | None = None) -> Grid:
    """An action of a record, with at most one row of arguments."""
    meta = {"id": as_ref(of), "action": action}
    if isinstance(args, Mapping):
        return row_of({name: as_kind(value) for name, value in args.items()}, meta)
    grid = Grid() if args is None else as_grid(args, "the args= of invokeAction are no mapping")
    return Grid(dict(grid.meta) | meta, grid.cols, grid.columns)


def eval_request(expr: str) -> Grid:
    return row_of({"expr": expr})


def eval_all_request(exprs: Iterable[str]) -> Grid:
    """Several Axon expressions, a row each (SkySpark)."""
    texts = [exprs] if isinstance(exprs, str) else list(exprs)
    if not texts:
        raise MetadataError("evalAll: no expressions were given")
    for text in texts:
        if not isinstance(text, str):
            raise MetadataError(f"evalAll: an Axon expression must be a text; got {text!r}")
    return Grid({}, ["expr"], [texts])


def ids_of(request: Grid) -> list[Ref]:
    """The records that a request grid is about, wherever the op has their ids.

    In the column ``id``, in those called ``id0``, ``id1``, ..., in the columns' meta (a batch hisWrite), or in the
    grid's meta.
    """
    found = [cell for name in request.col_names if ID_NAME.fullmatch(name) for cell in request.column(name)]
    found += [col.meta.get("id") for col in request.cols]
    found += [value for name, value in request.meta.items() if ID_NAME.fullmatch(name)]
    return list(dict.fromkeys(value for value in found if isinstance(value, Ref)))


def query_of(request: Grid) -> dict[str, Value] | None:
    """The cells of a request that can go into a query string, or None where it needs a body.

    One row without meta and without nulls is what GET can carry (standard: HttpApi, section Requests).
    """
    if request.meta or len(request) > 1 or any(col.meta for col in request.cols):
        return None
    return dict(request[0]) if len(request) else {}
