"""Questions about histories: what a window gives, in which form several points are read, and how much at once.

A piece of one point's history is read first, generously. The questions then ask for ranges inside of it, whose true
rows are known.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import numpy as np

from hsframe.diagnosis.examination import Answer, Examination, Sample, Seen, brief
from hsframe.durations import DAY_US, SECOND_US
from hsframe.errors import CallError, CodecError, HsFrameError, IncompleteError
from hsframe.frame.histories import History, Instants, grid_histories
from hsframe.frame.points import Point
from hsframe.history.failures import may_be_too_large
from hsframe.history.point_records import read_records
from hsframe.kinds import Number, Ref
from hsframe.protocol.answers import check_batch
from hsframe.protocol.request_grids import his_read_batch_request, his_read_id0_request, his_read_request
from hsframe.spans import epoch_us, range_text

__all__ = ["batch", "ends", "one_point", "outside", "rows_at_once", "values_by_format", "zone_of_range"]

_ENOUGH: Final = 6
# How many points are tried over how many days: most have samples of yesterday, some histories ended long ago.
_TRIES: Final = ((1, 5), (7, 3), (31, 2), (366, 1))
_LONG_DAYS: Final = 366
_PATIENCE_S: Final = 10.0
_REFINEMENTS: Final = 4
_SEARCH_S: Final = 60.0
_NO_SAMPLE: Final = ("not known: there is no history to try it with", "")


async def _ask(
    x: Examination, point: Point, start_us: int, end_us: int, *, tz: str | None = None, accept: str = "zinc"
) -> Seen:
    text = range_text(start_us, end_us, tz or point.tz or "UTC")
    return await x.ask("hisRead", his_read_request(Ref(point.id), text), accept=accept, timeout_s=_PATIENCE_S)


def _history(seen: Seen, point: Point) -> History:
    histories = grid_histories(seen.rows(), ids=[point.id])
    if len(histories) != 1:
        raise CodecError(f"{len(histories)} columns of values for one point", source="hisRead")
    return histories[0]


def _instants(seen: Seen, point: Point) -> Instants:
    return np.unique(_history(seen, point).ts_us)


def _shown(point: Point) -> str:
    return f"@{point.id}" + (f" ({point.dis})" if point.dis != point.id else "")


# -- a piece of a history ----------------------------------------------------------------------------------------------


async def one_point(x: Examination) -> Answer:
    """Look for a point with samples, and read some."""
    candidates = await _candidates(x)
    if not candidates:
        return "not tried: there are no points", ""
    refusal: HsFrameError | None = None
    answered = 0
    for days, tries in _TRIES:
        for point, end_us in candidates[:tries]:
            seen = await _ask(x, point, end_us - days * DAY_US, end_us)
            if seen.error is not None:
                refusal = refusal or seen.error
                continue
            answered += 1
            ts_us = _instants(seen, point)
            if len(ts_us) >= _ENOUGH:
                x.sample = Sample(point, end_us - days * DAY_US, end_us, ts_us)
                return f"yes: {len(ts_us):,} rows of {_shown(point)} over {days} day{'s'[: days > 1]}", ""
    looked = f"{len(candidates[:5])} points"
    if refusal is not None and not answered:
        return f"no: {brief(refusal)}", "nothing can be read until this works: try another point, doctor(point=id)"
    return (
        f"yes, but {looked} have hardly a sample in the last year",
        "what follows is not known: name a point that has a history, doctor(point=id)",
    )


async def _candidates(x: Examination) -> list[tuple[Point, int]]:
    """Points to try, the likeliest first, each with the end of the range to ask for."""
    if x.point is None:
        return _in_order(x, x.records)
    ident = x.point.removeprefix("@")
    records = [record for record in x.records if record["id"] == Ref(ident)]
    if not records:
        (record,) = await read_records(x.client, [ident])
        return [(_zoned(x, record.point), _now_us())]
    return _in_order(x, records)


def _in_order(x: Examination, records: list[Mapping[str, Any]]) -> list[tuple[Point, int]]:
    historized = [record for record in records if "his" in record] or records
    ordered = sorted(historized, key=lambda record: (record.get("kind") != "Number", "hisEnd" not in record))
    return [(_zoned(x, Point.from_record(record)), _end_us(record)) for record in ordered]


def _zoned(x: Examination, point: Point) -> Point:
    return point if point.tz is not None else Point(point.id, point.dis, point.unit, x.dialect.tz or "UTC", point.kind)


def _now_us() -> int:
    return time.time_ns() // 1000 // SECOND_US * SECOND_US


def _end_us(record: Mapping[str, Any]) -> int:
    """After the last sample, where the record tells it (Haxall, SkySpark), else the present."""
    last = record.get("hisEnd")
    if isinstance(last, datetime) and last.tzinfo is not None:
        return epoch_us(last) // SECOND_US * SECOND_US + SECOND_US
    return _now_us()


def _four(sample: Sample) -> tuple[int, int, int, int] | None:
    """Four samples in a row, each some seconds from the next; those in the middle of the piece first."""
    ts_us = sample.ts_us
    places = range(len(ts_us) - 3)
    for place in sorted(places, key=lambda place: abs(place - len(ts_us) // 2)):
        four = ts_us[place : place + 4]
        if np.diff(four).min() >= 4 * SECOND_US:
            a, b, c, d = four.tolist()
            return a, b, c, d
    return None


def _inner(four: tuple[int, int, int, int]) -> tuple[int, int]:
    """A range that holds the second and the third of four samples, and ends at none."""
    a, b, c, d = four
    return (a + b) // 2 // SECOND_US * SECOND_US, (c + d) // 2 // SECOND_US * SECOND_US


# -- ranges ------------------------------------------------------------------------------------------------------------


async def outside(x: Examination) -> Answer:
    """Whether a range gives samples that are not in it."""
    if x.sample is None or (four := _four(x.sample)) is None:
        return _NO_SAMPLE
    start_us, end_us = _inner(four)
    found = _instants(await _ask(x, x.sample.point, start_us, end_us), x.sample.point)
    more = int(((found < start_us) | (found >= end_us)).sum())
    x.dialect.range_is_exact = not more
    x.dialect.ignores_range = len(found) >= len(x.sample.ts_us)
    if not more:
        return "none", ""
    clipped = "hsframe clips, so reads are right"
    if x.dialect.ignores_range:
        return (
            f"all: the range is ignored ({len(found):,} rows for a range of 2)",
            f"{clipped}; but each request costs the whole history: ask for long spans at once, and keep them (export)",
        )
    return f"{more} of {len(found)} rows come from outside", f"{clipped}; other tools would count samples twice"


async def ends(x: Examination) -> Answer:
    """Which ends of a range belong to it: a range from one sample to the next."""
    if x.sample is None or (four := _four(x.sample)) is None:
        return _NO_SAMPLE
    _, start_us, end_us, _ = four
    found = _instants(await _ask(x, x.sample.point, start_us, end_us), x.sample.point)
    if x.dialect.range_is_exact is False:
        x.dialect.start_inclusive = x.dialect.end_inclusive = None
        return "cannot be told: rows from outside come too", ""
    start, end = start_us in found, end_us in found
    x.dialect.start_inclusive, x.dialect.end_inclusive = start, end
    shown = f"{'[' if start else '('}start, end{']' if end else ')'}"
    if start and not end:
        return f"{shown}, as the standard has it", ""
    lost = "lose or double the samples at midnight"
    return f"{shown}: {'the start is left out' if not start else 'the end is in'}", (
        f"hsframe asks for a step more and clips, so reads are right; other tools would {lost}"
    )


async def zone_of_range(x: Examination) -> Answer:
    """The same range, written in another zone."""
    if x.sample is None or (four := _four(x.sample)) is None:
        return _NO_SAMPLE
    start_us, end_us = _inner(four)
    tz = x.sample.point.tz
    other = "New_York" if tz in ("UTC", "GMT") else "UTC"
    own = _instants(await _ask(x, x.sample.point, start_us, end_us), x.sample.point)
    seen = await _ask(x, x.sample.point, start_us, end_us, tz=other)
    if seen.error is not None:
        x.dialect.range_in_point_zone = True
        return f"must be the point's own ({other} for {tz}: {brief(seen.error)})", "hsframe always writes it so"
    x.dialect.range_in_point_zone = False
    if not np.array_equal(_instants(seen, x.sample.point), own):
        return f"another zone gives other rows ({other} for {tz})", "hsframe always writes the point's own zone"
    return "any zone will do", ""


async def values_by_format(x: Examination) -> Answer:
    """The same rows in Zinc and in JSON v4: both must have every digit."""
    if x.sample is None:
        return _NO_SAMPLE
    sample = x.sample
    seen = {
        name: await _ask(x, sample.point, sample.start_us, sample.end_us, accept=name) for name in ("zinc", "json4")
    }
    refused = [f"{name}: {brief(one.error)}" for name, one in seen.items() if one.error is not None]
    if refused:
        return f"cannot be compared ({'; '.join(refused)})", ""
    zinc, json = (_numbers(_history(one, sample.point)) for one in seen.values())
    times = set(zinc) & set(json)
    differ = sum(zinc[us] != json[us] for us in times)
    single = _is_single(json.values())
    answer = "the same in Zinc and JSON" if not differ else f"{differ} of {len(times)} differ between Zinc and JSON"
    if differ:
        return answer, "Zinc answers of this server have fewer digits: connect(..., format='json')"
    if single:
        return (
            f"{answer}, in single precision (about 7 digits)",
            "what is written comes back rounded (0.94 as 0.9399999976)",
        )
    return answer, ""


def _numbers(history: History) -> dict[int, float]:
    """The numbers of a history by instant; NaN and INF are no digits to compare."""
    cells = zip(history.ts_us.tolist(), history.values, strict=True)
    found = {us: float(value.val) for us, value in cells if isinstance(value, Number)}
    return {us: value for us, value in found.items() if np.isfinite(value)}


def _is_single(values: Iterable[float]) -> bool:
    """Whether all numbers fit single precision, although most of them look as if nobody had written them so."""
    broken = [value for value in values if not value.is_integer()]
    long = [value for value in broken if len(repr(value).replace(".", "").strip("-0")) > 9]
    return len(long) > len(broken) / 2 and all(float(np.float32(value)) == value for value in broken)


# -- several points ----------------------------------------------------------------------------------------------------


async def batch(x: Examination) -> Answer:
    """Two points at once, in the standard's form and in the older one."""
    if x.sample is None:
        return _NO_SAMPLE
    second = await _second(x, x.sample)
    if second is None:
        return "not known: no two points of one zone can be read", ""
    refs = [Ref(x.sample.point.id), Ref(second.id)]
    text = range_text(x.sample.start_us, x.sample.end_us, x.sample.point.tz or "UTC")
    url = x.client.sender.url("hisRead")
    x.dialect.batch_form, x.dialect.his_read_batch = "standard", None
    refusal = await _batch_error(x, refs, url, await x.ask("hisRead", his_read_batch_request(refs, text)))
    if refusal is None:
        x.dialect.his_read_batch = True
        return "as the standard has it", ""
    if not isinstance(refusal, IncompleteError):
        older = await _batch_error(x, refs, url, await x.ask("hisRead", his_read_id0_request(refs, text)))
        if older is None:
            x.dialect.batch_form, x.dialect.his_read_batch = "id0", True
            return (
                "as one row with id0, id1, ... (the standard's form is refused)",
                "hsframe writes it so for this server",
            )
    x.dialect.his_read_batch = False
    what = "answered for some points only, without an error" if isinstance(refusal, IncompleteError) else brief(refusal)
    return f"none: {what}", "points are read one by one: give connect() a larger max_concurrency if that is slow"


async def _second(x: Examination, sample: Sample) -> Point | None:
    """Another point of the zone whose history can be read by itself."""
    own = sample.point
    others = [one for one, _ in _in_order(x, x.records) if one.tz == own.tz and one.id != own.id]
    for point in others[:3]:
        if (await _ask(x, point, sample.start_us, sample.end_us)).error is None:
            return point
    return None


async def _batch_error(x: Examination, refs: list[Ref], url: str, seen: Seen) -> HsFrameError | None:
    try:
        check_batch(seen.rows(), refs, url)
    except HsFrameError as error:
        return error
    return None


# -- how much at once --------------------------------------------------------------------------------------------------


async def rows_at_once(x: Examination) -> Answer:
    """A long range; where it is refused, shorter ones until one comes whole."""
    if x.sample is None:
        return _NO_SAMPLE
    sample = x.sample
    end_us = int(sample.ts_us[-1]) + SECOND_US
    whole_us, rows = end_us - sample.start_us, len(sample.ts_us)
    refused_us = max(_LONG_DAYS * DAY_US, whole_us)
    found = await _rows(x, sample.point, end_us - refused_us, end_us)
    if isinstance(found, int):
        x.dialect.row_cap = None
        return f"no limit seen: {found:,} rows came whole", ""
    refusal = found
    give_up_s = time.monotonic() + _SEARCH_S
    refinements = 0
    while refinements < _REFINEMENTS and _told_limit(refusal) is None and time.monotonic() < give_up_s:
        if not may_be_too_large(refusal):
            return f"not found out: {brief(refusal)}", ""
        half_us = refused_us // 2
        # Halved while that is longer than what came whole; then the place between the two is looked for.
        length_us = half_us if half_us > whole_us else (whole_us + refused_us) // 2
        refinements += length_us != half_us
        found = await _rows(x, sample.point, end_us - length_us, end_us)
        if isinstance(found, int):
            whole_us, rows = length_us, found
        else:
            refused_us, refusal = length_us, found
    advice = "long spans are read in pieces, which hsframe joins"
    told = _told_limit(refusal)
    if told is not None and told >= rows:
        x.dialect.row_cap = told
        return f"at most {told:,} rows, says the server", advice
    is_limit = isinstance(refusal, CallError) or getattr(refusal, "status", 0) == 413
    x.dialect.row_cap = rows if is_limit else None
    return f"{rows:,} rows came whole, more not: {brief(refusal)}", advice


async def _rows(x: Examination, point: Point, start_us: int, end_us: int) -> int | HsFrameError:
    seen = await _ask(x, point, start_us, end_us)
    return len(_instants(seen, point)) if seen.error is None else seen.error


def _told_limit(refusal: HsFrameError) -> int | None:
    """The number of rows that a refusal names as the limit."""
    if isinstance(refusal, IncompleteError) and refusal.grid is not None:
        why = refusal.grid.meta.get("incomplete")
        limit = why.get("limit") if isinstance(why, dict) else refusal.grid.meta.get("limit")
        if isinstance(limit, Number):
            return int(limit.val)
    found = re.search(r"limit[^0-9]{0,12}(\d[\d,]{0,12})", getattr(refusal, "dis", ""))
    return int(found[1].replace(",", "")) if found else None
