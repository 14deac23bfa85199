"""hisRead: the samples of one point, or of several side by side."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa

from hsframe.arrays import Instants
from hsframe.caller_warnings import unsaid
from hsframe.codecs.zinc import parse_value
from hsframe.columns import TimeColumn
from hsframe.errors import CodecError, SpanError, ZoneError
from hsframe.frame.histories import union_of
from hsframe.grid import Col, Grid
from hsframe.kinds import Ref
from hsframe.server.refusal import OpRefusal
from hsframe.server.samples import Samples, placed
from hsframe.server.state import Call, ref_of
from hsframe.spans import Span, epoch_us, from_epoch_us, resolve
from hsframe.zones import zone

# A row of several points has a cell of each, also of those without a sample at its instant.
_MOST_CELLS: Final = 4_000_000
_EXPECTED: Final = (
    "expected today, yesterday, a date, two dates, two dateTimes or one dateTime, as '2026-10-01,2026-10-31' or "
    "'2026-10-01T00:00:00-04:00 New_York'"
)


def his_read(call: Call) -> Grid:
    """Samples of one point (one row ``id``, ``range``) or of several (meta ``range``, rows ``id``)."""
    meta = call.grid.meta
    if meta.get("range") is not None:
        recs, tz = _batch(call, call.ids(), meta.get("tz"))
        bounds, columns = _samples(call, recs, meta["range"], tz)
        cols = [Col("ts"), *(Col(f"v{number}", {"id": _shown(rec)}) for number, rec in enumerate(recs))]
        return Grid(bounds, cols, columns)
    row = call.one_row()
    if row.get("range") is None:
        raise OpRefusal("the request has no range: neither a column (one point) nor meta (several)", "ArgErr")
    rec = call.his_point(ref_of(row.get("id"), "the row"))
    bounds, columns = _samples(call, [rec], row["range"], rec["tz"])
    return Grid({"id": _shown(rec), **bounds}, ["ts", "val"], columns)


def _batch(call: Call, ids: Sequence[Ref], tz: Any) -> tuple[list[dict[str, Any]], str]:
    """The records of the points of a batch, and the zone that they are read in."""
    unknown = [ref for ref in ids if call.database.get(ref) is None]
    if unknown:
        raise OpRefusal(f"there are no records {', '.join(map(str, unknown))}", "UnknownRecErr")
    recs = list(map(call.his_point, ids))
    if not recs:
        raise OpRefusal("the batch has no rows; expected one row per id", "ArgErr")
    if tz is not None and not isinstance(tz, str):
        raise OpRefusal(f'meta tz is {tz!r}; expected a Str, as "New_York"', "ArgErr")
    zones = {rec["tz"] for rec in recs}
    if tz is None and len(zones) > 1:
        raise OpRefusal(
            f"the points of a batch must share one zone, and these have {', '.join(sorted(zones))}; send one "
            "request per zone, or name a zone in meta tz",
            "ArgErr",
        )
    return recs, tz if tz is not None else recs[0]["tz"]


def _samples(call: Call, recs: Sequence[Mapping[str, Any]], range_: Any, tz: str) -> tuple[dict[str, Any], list[Any]]:
    """The bounds of a range in a zone, and the columns: the instants, then the samples of each point."""
    try:
        local = zone(tz)
    except ZoneError as error:
        raise OpRefusal(str(error), "ZoneErr") from error
    span = parse_range(range_, local, call.state.clock.now())
    is_cut_there = call.between is Samples.between  # a quirk looks at samples beside the span too
    whole = (span.start_us, span.end_us) if is_cut_there else (None, None)
    histories = call.database.histories([rec["id"].val for rec in recs], *whole)
    parts = [call.between(samples, span.start_us, span.end_us) for samples in histories]
    _check_cells(sum(part.stop - part.start for part in parts))
    ts_us = union_of(samples.ts_us[part] for samples, part in zip(histories, parts, strict=True))
    _check_cells(len(ts_us) * len(recs))
    columns: list[Sequence[Any]] = [TimeColumn(pa.array(ts_us), tz)]
    for rec, samples, part in zip(recs, histories, parts, strict=True):
        own = samples.ts_us[part]
        cells = samples.column(part, rec.get("unit"))
        columns.append(cells if len(own) == len(ts_us) else placed(cells, np.searchsorted(ts_us, own), len(ts_us)))
    return _bounds(call, span, ts_us), columns


def _check_cells(count: int) -> None:
    if count > _MOST_CELLS:
        raise OpRefusal(
            f"the answer would have {count:,} samples and empty cells beside them, and the limit is {_MOST_CELLS:,}; "
            "ask for a shorter range, or fewer points",
            "LimitErr",
        )


def _bounds(call: Call, span: Span, ts_us: Instants) -> dict[str, Any]:
    end = span.end
    if end is None:
        # An open end: that of the last sample, and at least the present.
        end_us = max(epoch_us(call.state.clock.now()), int(ts_us[-1]) + 1 if len(ts_us) else 0)
        end = from_epoch_us(end_us, span.start.tzinfo or UTC)
    return {"hisStart": span.start, "hisEnd": max(end, span.start)}


def _shown(rec: Mapping[str, Any]) -> Ref:
    dis = rec.get("dis")
    return Ref(rec["id"].val, dis if isinstance(dis, str) else rec["id"].dis)


def parse_range(value: Any, tz: ZoneInfo, now: datetime) -> Span:
    """The span that a range of the standard means, in the zone that is given; without an end where it names none.

    Other forms, as ``lastWeek`` or ``last24hr``, are refused, as other servers do. A GET argument may already be a Date
    or a DateTime.
    """
    parts: list[Any] = [value]
    if isinstance(value, str) and value.strip() not in ("today", "yesterday"):
        try:
            with unsaid():
                parts = [parse_value(text) for text in value.split(",")]
        except CodecError as error:
            raise OpRefusal(f"the range {value!r} cannot be read: {error.problem}; {_EXPECTED}", "RangeErr") from error
        if len(parts) > 2 or not all(isinstance(part, date) for part in parts) or len(set(map(type, parts))) > 1:
            raise OpRefusal(f"the range {value!r} is not one of the standard; {_EXPECTED}", "RangeErr")
    elif not isinstance(value, str | date):
        raise OpRefusal(f"the range is {value!r}; {_EXPECTED}", "RangeErr")
    try:
        if isinstance(parts[0], datetime):  # also a little beyond what a person may write: requests are padded
            first, *last = (part.astimezone(tz) for part in parts)
            return Span(first, last[0] if last else None)
        return resolve(value, tz, now)
    except (SpanError, OverflowError) as error:
        raise OpRefusal(f"the range {value!r}: {error}", "RangeErr") from error
