"""The range of hisRead (standard: Ops, section hisRead): text to a half-open span of instants, of dates whole days.

::

    today | yesterday | {date} | {date},{date} | {dateTime},{dateTime} | {dateTime}

Dates count from midnight of the first to midnight of the day after the last, in the zone that is given. Other forms,
as ``lastWeek`` or ``last24hr``, are not in the standard and are refused, as other servers do.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final
from zoneinfo import ZoneInfo

from hsframe.codecs.zinc import parse_value
from hsframe.errors import CodecError, SpanError
from hsframe.server.refusal import OpRefusal
from hsframe.spans import Span

_EXPECTED: Final = (
    "expected today, yesterday, a date, two dates, two dateTimes or one dateTime, as '2026-10-01,2026-10-31' or "
    "'2026-10-01T00:00:00-04:00 New_York'"
)


def parse_range(value: Any, tz: ZoneInfo, now: datetime) -> Span:
    """The span that a range means, in the zone that is given; without an end where the range names none.

    A GET argument may already be a Date or a DateTime.
    """
    if isinstance(value, str):
        parts: list[Any] = [_part(text.strip(), tz, now, value) for text in value.split(",")]
    elif isinstance(value, date):
        parts = [value]
    else:
        raise OpRefusal(f"the range is {value!r}; {_EXPECTED}", "RangeErr")
    if len(parts) > 2 or len({isinstance(part, datetime) for part in parts}) > 1:
        raise OpRefusal(f"the range {value!r} is not one of the standard; {_EXPECTED}", "RangeErr")
    first, last = parts[0], parts[-1]
    try:
        if isinstance(first, datetime):
            return Span(first.astimezone(tz), last.astimezone(tz) if len(parts) == 2 else None)
        if last >= first:
            return Span(_midnight(first, tz), _midnight(last + timedelta(days=1), tz))
    except OverflowError:
        raise OpRefusal(f"the range {value!r} goes beyond the years 1 to 9999", "RangeErr") from None
    except SpanError:
        pass
    raise OpRefusal(f"the range {value!r} ends before it starts", "RangeErr")


def _midnight(day: date, tz: ZoneInfo) -> datetime:
    # Where the clock skips midnight, fold=0 gives the first instant of the day; by way of UTC it exists.
    return datetime.combine(day, time(), tz).astimezone(UTC).astimezone(tz)


def _part(text: str, tz: ZoneInfo, now: datetime, whole: str) -> date:
    if text in ("today", "yesterday"):
        if text != whole.strip():
            raise OpRefusal(f"the range {whole!r} has {text!r} beside something else; {_EXPECTED}", "RangeErr")
        return now.astimezone(tz).date() - timedelta(days=text == "yesterday")
    try:
        part = parse_value(text)
    except CodecError as error:
        raise OpRefusal(f"the range {whole!r} cannot be read: {error.problem}; {_EXPECTED}", "RangeErr") from error
    if not isinstance(part, date):
        raise OpRefusal(f"the range {whole!r} is not one of the standard; {_EXPECTED}", "RangeErr")
    return part
