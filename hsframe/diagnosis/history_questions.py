"""Questions about histories: the rows of a range, the form of batches, and how many rows one answer may have.

A piece of one point's history is read first. The questions then ask for ranges inside of it, whose true rows are
known.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping
from datetime import datetime
from itertools import pairwise
from typing import Any, Final

import numpy as np

from hsframe.arrays import Instants
from hsframe.diagnosis.examination import Answer, Examination, HistoryPiece, Reply, brief
from hsframe.durations import DAY_US, SECOND_US
from hsframe.errors import CallError, CodecError, HsFrameError, IncompleteError
from hsframe.frame.histories import History, grid_histories
from hsframe.frame.points import Point
from hsframe.history.failures import may_be_too_large
from hsframe.history.point_records import PointRecord, read_records, with_zones
from hsframe.kinds import Number, Ref
from hsframe.protocol.answers import check_batch, refuses_instants
from hsframe.protocol.request_grids import his_read_batch_request, his_read_id0_request, his_read_request
from hsframe.protocol.version5 import JSON
from hsframe.spans import epoch_us, from_epoch_us, range_text
from hsframe.zones import zone

_MIN_ROWS: Final = 6
# Days to read, the number of points to try and the days before the end of all: most have samples of yesterday, some
# histories ended long ago.
_TRIES: Final = ((1, 5, 0), (7, 3, 0), (31, 2, 0), *((366, 1, 366 * years) for years in range(20)))
_LONG_DAYS: Final = 366
_TIMEOUT_S: Final = 10.0
_REFINEMENTS: Final = 4
_SEARCH_S: Final = 60.0
_NO_SAMPLE: Final = ("not known: there is no history to test it with", "")


async def _ask(
    exam: Examination, point: Point, start_us: int, end_us: int, *, tz: str | None = None, accept: str = "zinc"
) -> Reply:
    text = range_text(start_us, end_us, tz or point.tz or "UTC")
    return await exam.ask("hisRead", his_read_request(Ref(point.id), text), accept=accept, timeout_s=_TIMEOUT_S)


def _history(reply: Reply, point: Point) -> History:
    histories = grid_histories(reply.rows(), ids=[point.id])
    if len(histories) != 1:
        raise CodecError(f"{len(histories)} columns of values for one point", source="hisRead")
    return histories[0]


def _instants(reply: Reply, point: Point) -> Instants:
    return np.unique(_history(reply, point).ts_us)


async def one_point(exam: Examination) -> Answer:
    """Look for a point with samples, and read some."""
    candidates = await _candidates(exam, None if exam.point is None else exam.point.removeprefix("@"))
    if not candidates:
        return "not tried: there are no points", ""
    refusal: HsFrameError | None = None
    answered = 0
    for days, tries, before in _TRIES:
        for record in candidates[:tries]:
            point, end_us = record.point, _end_us(record.tags) - before * DAY_US
            reply = await _ask(exam, point, end_us - days * DAY_US, end_us)
            if reply.error is not None:
                refusal = refusal or reply.error
                continue
            answered += 1
            ts_us = _instants(reply, point)
            if len(ts_us) >= _MIN_ROWS:
                exam.piece = HistoryPiece(point, end_us - days * DAY_US, end_us, ts_us)
                old = f" up to {from_epoch_us(int(ts_us[-1]), zone(point.tz or 'UTC')).date()}" if before else ""
                return f"yes: {len(ts_us):,} rows of {point} over {days} day{'s'[: days > 1]}{old}", ""
    if isinstance(refusal, CallError) and refuses_instants(refusal):
        exam.dialect.dates_only = True
        return (
            f"for whole dates only: {brief(refusal)}",
            "hsframe asks for dates and cuts, so reads are correct; the questions that follow cannot be answered",
        )
    if refusal is not None and not answered:
        return f"no: {brief(refusal)}", "no history can be read until this works: try another point, doctor(point=id)"
    looked = f"{len(candidates[:5])} points have" if len(candidates) > 1 else f"{candidates[0].point} has"
    return (
        f"yes, but {looked} hardly any samples",
        f"the questions that follow cannot be answered: name {'another' if exam.point else 'a'} point that has "
        "samples, by point=",
    )


async def _candidates(exam: Examination, ident: str | None = None) -> list[PointRecord]:
    """Points to try, the likeliest first, or the one of an id."""
    records = [PointRecord.of(tags) for tags in exam.records]
    if ident is not None:
        records = [one for one in records if one.id == ident] or await read_records(exam.client, [ident])
    historized = [one for one in records if "his" in one.tags] or records
    ordered = sorted(historized, key=lambda one: (one.tags.get("kind") != "Number", "hisEnd" not in one.tags))
    return await with_zones(exam.client, ordered)


def _end_us(record: Mapping[str, Any]) -> int:
    """A second after the last sample, if the record has it (Haxall, SkySpark), else the present."""
    last = record.get("hisEnd")
    if isinstance(last, datetime) and last.tzinfo is not None:
        return epoch_us(last) // SECOND_US * SECOND_US + SECOND_US
    return time.time_ns() // 1000 // SECOND_US * SECOND_US


def _four_samples(piece: HistoryPiece) -> tuple[int, int, int, int] | None:
    """Four consecutive samples some seconds apart, as near to the middle of the piece as possible."""
    ts_us = piece.ts_us
    places = range(len(ts_us) - 3)
    for place in sorted(places, key=lambda place: abs(place - len(ts_us) // 2)):
        four = ts_us[place : place + 4]
        if np.diff(four).min() >= 4 * SECOND_US:
            a, b, c, d = four.tolist()
            return a, b, c, d
    return None


def _inner_range(four: tuple[int, int, int, int]) -> tuple[int, int]:
    """A range around the second and the third of four samples, with its ends between samples."""
    a, b, c, d = four
    return (a + b) // 2 // SECOND_US * SECOND_US, (c + d) // 2 // SECOND_US * SECOND_US


async def outside(exam: Examination) -> Answer:
    """Whether an answer has samples from outside of its range."""
    if exam.piece is None or (four := _four_samples(exam.piece)) is None:
        return _NO_SAMPLE
    start_us, end_us = _inner_range(four)
    found = _instants(await _ask(exam, exam.piece.point, start_us, end_us), exam.piece.point)
    more = int(((found < start_us) | (found >= end_us)).sum())
    exam.range_is_exact = not more
    exam.dialect.ignores_range = len(found) >= len(exam.piece.ts_us)
    if not more:
        return "none", ""
    clipped = "hsframe drops them, so reads are correct"
    if exam.dialect.ignores_range:
        return (
            f"all: the range is ignored ({len(found):,} rows for a range of 2)",
            f"{clipped}; but each request loads the whole history: read long spans at once, and store them (export)",
        )
    return f"{more} of {len(found)} rows come from outside", f"{clipped}; other tools would count samples twice"


async def ends(exam: Examination) -> Answer:
    """Which ends a range includes: a range from one sample to the next."""
    if exam.piece is None or (four := _four_samples(exam.piece)) is None:
        return _NO_SAMPLE
    _, start_us, end_us, _ = four
    found = _instants(await _ask(exam, exam.piece.point, start_us, end_us), exam.piece.point)
    if exam.range_is_exact is False:
        return "not known: rows from outside of the range come too", ""
    start, end = start_us in found, end_us in found
    shown = f"{'[' if start else '('}start, end{']' if end else ')'}"
    if start and not end:
        return f"{shown}, as in the standard", ""
    return (
        f"{shown}: {'the start is left out' if not start else 'the end is included'}",
        "hsframe reads a little more and clips, so reads are correct; other tools lose or double samples at midnight",
    )


async def zone_of_range(exam: Examination) -> Answer:
    """The same range, written in another zone."""
    if exam.piece is None or (four := _four_samples(exam.piece)) is None:
        return _NO_SAMPLE
    start_us, end_us = _inner_range(four)
    tz = exam.piece.point.tz
    other = "New_York" if tz in ("UTC", "GMT") else "UTC"
    own = _instants(await _ask(exam, exam.piece.point, start_us, end_us), exam.piece.point)
    reply = await _ask(exam, exam.piece.point, start_us, end_us, tz=other)
    if reply.error is not None:
        return f"must be the point's own ({other} for {tz}: {brief(reply.error)})", "hsframe always does so"
    if not np.array_equal(_instants(reply, exam.piece.point), own):
        return f"another zone gives other rows ({other} for {tz})", "hsframe always writes the point's own zone"
    return "may be in any zone", ""


async def values_by_format(exam: Examination) -> Answer:
    """The same rows in Zinc and in JSON: both must have all digits."""
    if exam.piece is None:
        return _NO_SAMPLE
    piece, json_name = exam.piece, JSON if exam.dialect.plain_json else "json4"
    replies = {
        name: await _ask(exam, piece.point, piece.start_us, piece.end_us, accept=name) for name in ("zinc", json_name)
    }
    refused = [f"{name}: {brief(one.error)}" for name, one in replies.items() if one.error is not None]
    if refused:
        return f"cannot be compared ({'; '.join(refused)})", ""
    zinc, json = (_numbers(_history(one, piece.point)) for one in replies.values())
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
    """The numbers of a history by instant, without NaN and INF, which have no digits to compare."""
    cells = zip(history.ts_us.tolist(), history.values, strict=True)
    found = {us: float(value.val) for us, value in cells if isinstance(value, Number)}
    return {us: value for us, value in found.items() if np.isfinite(value)}


def _is_single(values: Iterable[float]) -> bool:
    """Whether all numbers are exact in single precision, and most have more digits than a person would write."""
    broken = [value for value in values if not value.is_integer()]
    long = [value for value in broken if len(repr(value).replace(".", "").strip("-0")) > 9]
    return len(long) > len(broken) / 2 and all(float(np.float32(value)) == value for value in broken)


async def batch(exam: Examination) -> Answer:
    """Two points at once, in the standard's form and in the older one."""
    if exam.piece is None:
        return _NO_SAMPLE
    second = await _second_point(exam, exam.piece)
    if second is None:
        return "not known: no two points of one zone can be read", ""
    refs = [Ref(exam.piece.point.id), Ref(second.id)]
    text = range_text(exam.piece.start_us, exam.piece.end_us, exam.piece.point.tz or "UTC")
    url = exam.client.sender.url("hisRead")
    exam.dialect.batch_form, exam.dialect.his_read_batch = "standard", None
    refusal = _batch_error(refs, url, await exam.ask("hisRead", his_read_batch_request(refs, text)))
    if refusal is None:
        exam.dialect.his_read_batch = True
        return "as in the standard", ""
    if not isinstance(refusal, IncompleteError):
        older = _batch_error(refs, url, await exam.ask("hisRead", his_read_id0_request(refs, text)))
        if older is None:
            exam.dialect.batch_form, exam.dialect.his_read_batch = "id0", True
            return (
                "as one row with id0, id1, ... (the standard's form is refused)",
                "hsframe uses that form for this server",
            )
    exam.dialect.his_read_batch = False
    what = "answered for some points only, without an error" if isinstance(refusal, IncompleteError) else brief(refusal)
    return f"none: {what}", "points are read one by one: give connect() a larger max_concurrency if that is slow"


async def _second_point(exam: Examination, piece: HistoryPiece) -> Point | None:
    """Another point of the same zone whose history can be read."""
    own = piece.point
    others = [one.point for one in await _candidates(exam) if one.tz == own.tz and one.id != own.id]
    for point in others[:3]:
        if (await _ask(exam, point, piece.start_us, piece.end_us)).error is None:
            return point
    return None


def _batch_error(refs: list[Ref], url: str, reply: Reply) -> HsFrameError | None:
    try:
        check_batch(reply.rows(), refs, url)
    except HsFrameError as error:
        return error
    return None


async def rows_at_once(exam: Examination) -> Answer:
    """A long range; if it is refused, shorter ones until one is answered as a whole."""
    if exam.piece is None:
        return _NO_SAMPLE
    piece = exam.piece
    end_us = int(piece.ts_us[-1]) + SECOND_US
    whole_us, rows = end_us - piece.start_us, len(piece.ts_us)
    refused_us = max(_LONG_DAYS * DAY_US, whole_us)
    found = await _rows(exam, piece.point, end_us - refused_us, end_us)
    if not isinstance(found, HsFrameError):
        middle_us = int(np.median(found)) // SECOND_US * SECOND_US  # so that both halves have rows
        ends_us = (end_us - refused_us, middle_us, end_us)
        halves = [await _rows(exam, piece.point, *half) for half in pairwise(ends_us)]
        came = [found, *(half for half in halves if not isinstance(half, HsFrameError))]
        in_halves = len(np.unique(np.concatenate(came)))
        if in_halves > len(found):
            exam.dialect.row_cap = len(found)
            return (
                f"at most {len(found):,} rows, and no word of the others: the halves of that range have {in_halves:,}",
                "hsframe asks for the ends of what it gets and reads the rest; other tools lose rows",
            )
        exam.dialect.row_cap = None
        return f"no limit found: {len(found):,} rows in one answer", ""
    refusal = found
    give_up_s = time.monotonic() + _SEARCH_S
    refinements = 0
    while refinements < _REFINEMENTS and _stated_limit(refusal) is None and time.monotonic() < give_up_s:
        if not may_be_too_large(refusal):
            return f"not found out: {brief(refusal)}", ""
        half_us = refused_us // 2
        # Halved while that is longer than what was answered; then the limit between the two is searched for.
        length_us = half_us if half_us > whole_us else (whole_us + refused_us) // 2
        refinements += length_us != half_us
        found = await _rows(exam, piece.point, end_us - length_us, end_us)
        if isinstance(found, HsFrameError):
            refused_us, refusal = length_us, found
        else:
            whole_us, rows = length_us, len(found)
    advice = "long spans are read in pieces, which hsframe joins"
    stated = _stated_limit(refusal)
    if stated is not None and stated >= rows:
        exam.dialect.row_cap = stated
        return f"at most {stated:,} rows, by the server's own words", advice
    is_limit = isinstance(refusal, CallError) or getattr(refusal, "status", 0) == 413
    exam.dialect.row_cap = rows if is_limit else None
    return f"{rows:,} rows in one answer, but not more: {brief(refusal)}", advice


async def _rows(exam: Examination, point: Point, start_us: int, end_us: int) -> Instants | HsFrameError:
    reply = await _ask(exam, point, start_us, end_us)
    return _instants(reply, point) if reply.error is None else reply.error


def _stated_limit(refusal: HsFrameError) -> int | None:
    """The number of rows that a refusal names as the limit."""
    if isinstance(refusal, IncompleteError) and refusal.grid is not None:
        why = refusal.grid.meta.get("incomplete")
        limit = why.get("limit") if isinstance(why, dict) else refusal.grid.meta.get("limit")
        if isinstance(limit, Number):
            return int(limit.val)
    found = re.search(r"limit[^0-9]{0,12}(\d[\d,]{0,12})", getattr(refusal, "dis", ""))
    return int(found[1].replace(",", "")) if found else None
