"""Spans of time: what a person writes, as an exact half-open window (standard: Ops, section hisRead, Range).

A date means its whole day, also as the end; an instant as the end does not belong to the window. A span is resolved in
one zone, a point's own. Days, weeks, months and years are the local ones: a day is 23 or 25 hours long where a clock
changes, and starts at the first instant that carries its date, even where there is no midnight.

============================================  ==========================================================================
span                                          window
============================================  ==========================================================================
``"today"``, ``"yesterday"``                  that local day
``"2026-01-15"``, ``"2026-01"``, ``"2026"``   that local day, month, year
``"2026-01-15,2026-01-20"``                   from the first day to the end of the last one (as the standard has it)
``"2026-01-15T08:00,2026-01-15T09:00"``       from the first instant up to the second, which does not belong to it
``"2026-01-15T08:00:00-05:00 New_York"``      from that instant on, without an end
``"yesterday 12:00"``, ``"today 08:30"``      from that time of the day on, without an end
``"thisWeek"``, ``"thisMonth"``, ...          the whole local week, month, quarter, year that holds now
``"lastWeek"``, ``"lastMonth"``, ...          the whole one before it
``"last14wholeDays"``                         the whole local days before today: 14 of them; weeks, months, ... alike
``"pastWeek"``, ``"pastMonth"``, ...          from the same date one week, month, ... ago up to the end of today
``"-7d"``, ``"last24hr"``, ``"-90min"``       from that long ago up to now; see :mod:`hsframe.durations`
``(start, end)``                              two of these, a ``date``, ``datetime`` or ``Timestamp``; end None: open
============================================  ==========================================================================

In a pair, a day, month or year as the end means the whole of it. A time without an offset is local time in the zone.
Upper and lower case are one in words as ``lastWeek``, and blanks may stand in them: ``"last 14 whole days"``.
"""

from __future__ import annotations

import re
from calendar import monthrange
from collections.abc import Iterable, Sequence, Sized
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo
from typing import Final, NamedTuple, TypeAlias

from hsframe.durations import LENGTHS_US, MONTHS, amount_of
from hsframe.errors import SpanError, ZoneError, in_short
from hsframe.zones import check_zone_files, zone

SpanLike: TypeAlias = "str | date | Span | Sequence[str | date | None]"
"""What :func:`resolve` takes: a text, a date or a datetime, a pair of these (None as the end: open), or a Span."""

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
# A day from the ends of the calendar, so that each zone has a date there, and requests may reach a little beyond.
FIRST, LAST = datetime(1, 1, 2, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_MINUTE: Final = timedelta(minutes=1)
_DAY: Final = timedelta(days=1)
_WEEKDAYS: Final = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")

_EXAMPLES: Final = (
    "expected 'today', 'yesterday', 'lastWeek', 'last2wholeWeeks', 'thisMonth', 'pastYear', '-7d', 'last24hr', "
    "'2026' (the year), '2026-01' (the month), '2026-01-15', '2026-01-15,2026-01-20', "
    "'2026-01-15T08:00:00-05:00 New_York', or a pair (start, end) of these, dates or datetimes"
)

_AMOUNTS: Final = "s, min, h, d, w, mo, q or y, as in '-90min' or '-7d'"

_PERIOD = re.compile(r"(\d{4})(?:-(\d{2})(?:-(\d{2}))?)?")
_DATE_TIME = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d+)?)?)(Z|[+-]\d{2}:?\d{2})?(?: ([A-Za-z][A-Za-z0-9_+/-]*))?"
)
_AGO = re.compile(r"(?:-|last|past) ?(\d+(?:\.\d+)? ?[a-zµ]+)", re.IGNORECASE)
_NAMED = re.compile(r"(this|last|past) ?(week|month|quarter|year)", re.IGNORECASE)
_WHOLE = re.compile(r"last ?([1-9]\d{0,5}) ?whole ?(day|week|month|quarter|year)s?", re.IGNORECASE)


def epoch_us(when: datetime) -> int:
    """Whole microseconds from 1970-01-01T00:00Z to an aware time; `fold` counts."""
    # Subtracting two datetimes of one zone would go by the wall clock; from UTC it goes by the instant.
    return (when.astimezone(UTC) - EPOCH) // _MICROSECOND


def from_epoch_us(us: int, tz: tzinfo) -> datetime:
    """The aware time of an instant in a zone, with `fold` set where the clock repeats."""
    return (EPOCH + timedelta(microseconds=us)).astimezone(tz)


def local_instant_us(wall: datetime, tz: tzinfo) -> int:
    """The instant at which a zone's clock shows a naive time; the first of two, or the second with ``fold=1``.

    For a time that the clock skips it is the instant of the change.

    The clocks of Sao Paulo went from 2018-11-03T23:59 to 2018-11-04T01:00, so that day has no midnight:

    >>> from_epoch_us(local_instant_us(datetime(2018, 11, 4), zone("Sao_Paulo")), UTC).isoformat()
    '2018-11-04T03:00:00+00:00'
    """
    guess = epoch_us(wall.replace(tzinfo=tz))
    if from_epoch_us(guess, tz).replace(tzinfo=None, fold=0) == wall.replace(fold=0):
        return guess
    # Skipped: the offsets before and after the change (fold 0 and 1) give one instant on either side of it.
    first, last = sorted(epoch_us(wall.replace(tzinfo=tz, fold=fold)) for fold in (0, 1))
    while last - first > 1:
        middle = (first + last) // 2
        if from_epoch_us(middle, tz).replace(tzinfo=None, fold=0) < wall.replace(fold=0):
            first = middle
        else:
            last = middle
    return last


@dataclass(frozen=True, slots=True, eq=False)
class Span:
    """A half-open window of time: `start` belongs to it, `end` does not; :func:`resolve` makes it of whole dates.

    Parameters
    ----------
    start : datetime
        Aware.
    end : datetime or None
        Aware; None: no end.

    Examples
    --------
    The day on which New York's clocks go back is 25 hours long:

    >>> day = resolve("2026-11-01", "New_York")
    >>> (day.end_us - day.start_us) / 3.6e9
    25.0
    """

    start: datetime
    end: datetime | None

    def __post_init__(self) -> None:
        for name, when in (("start", self.start), ("end", self.end)):
            if when is not None and when.tzinfo is None:
                raise SpanError(
                    f"the {name} of a Span must be aware, and {when.isoformat()} is naive; give it a tzinfo"
                )
        if self.end is not None and epoch_us(self.end) < epoch_us(self.start):
            raise SpanError(f"the span ends before it starts: {self.start.isoformat()} to {self.end.isoformat()}")

    @property
    def start_us(self) -> int:
        """The start in microseconds since 1970-01-01T00:00Z."""
        return epoch_us(self.start)

    @property
    def end_us(self) -> int | None:
        """The end in microseconds since 1970-01-01T00:00Z; None: no end."""
        return None if self.end is None else epoch_us(self.end)

    def __contains__(self, when: datetime) -> bool:
        us = epoch_us(when)
        end_us = self.end_us
        return self.start_us <= us and (end_us is None or us < end_us)

    def __eq__(self, other: object) -> bool:
        # By instants: two datetimes of one zone compare by wall clock, which is ambiguous in the repeated hour.
        if not isinstance(other, Span):
            return NotImplemented
        return self.start_us == other.start_us and self.end_us == other.end_us

    def __hash__(self) -> int:
        return hash((self.start_us, self.end_us))

    def __str__(self) -> str:
        return f"[{self.start.isoformat()}, {'...' if self.end is None else self.end.isoformat()})"


def range_text(start_us: int, end_us: int | None, tz_name: str) -> str:
    """A window as a hisRead range: ``{dateTime},{dateTime}`` or ``{dateTime}``, in Zinc with the zone's name.

    `tz_name` is the point's own ``tz``: some servers take no other zone.

    >>> day = resolve("2026-11-01", "New_York")
    >>> range_text(day.start_us, day.end_us, "New_York")
    '2026-11-01T00:00:00-04:00 New_York,2026-11-02T00:00:00-05:00 New_York'
    """
    start = _date_time_text(start_us, tz_name)
    return start if end_us is None else f"{start},{_date_time_text(end_us, tz_name)}"


def dates_text(start_us: int, end_us: int | None) -> str:
    """Whole dates that hold a window, in whatever zone the server counts days; without an end, up to ten years on.

    >>> day = resolve("2026-11-01", "New_York")
    >>> dates_text(day.start_us, day.end_us)
    '2026-10-31,2026-11-03'
    """
    start = from_epoch_us(start_us, UTC)
    end = max(start, datetime.now(UTC)) + timedelta(days=3650) if end_us is None else from_epoch_us(end_us, UTC)
    return f"{(start - _DAY).date()},{(end + _DAY).date()}"


def _date_time_text(us: int, tz_name: str) -> str:
    offset = from_epoch_us(us, zone(tz_name)).utcoffset() or timedelta(0)
    # Local mean time, before there were zones, has seconds, and offsets of Zinc have none. The instant is what counts.
    text = from_epoch_us(us, timezone(offset // _MINUTE * _MINUTE)).isoformat()
    return f"{text.replace('+00:00', 'Z')} {tz_name}"  # as Fantom writes it


def resolve(span: SpanLike, tz: str | tzinfo, now: datetime | None = None, *, week_start: str = "monday") -> Span:
    """The half-open window that a span means in a zone: dates are whole days; the forms are in this module's table.

    Parameters
    ----------
    span : str, date, datetime, (start, end), or Span
        What a person wrote. A date means its whole local day; a naive time is local time in `tz`.
    tz : str or tzinfo
        The point's zone: a Haystack name, an IANA id, or a tzinfo.
    now : datetime, optional
        Aware; the present by default.
    week_start : str
        The day that weeks start with: ``"monday"``, ``"sunday"``, ``"saturday"``, ...

    Returns
    -------
    Span
        Its times are in `tz`.

    Raises
    ------
    SpanError
        The span has none of these forms, names a day that does not exist, or ends before it starts.
    ZoneError
        The zone is unknown.

    Warns
    -----
    ZoneWarning
        Zone files of this machine are older than the package tzdata, and cut the window elsewhere.

    Examples
    --------
    >>> print(resolve("2026-03-08", "New_York"))
    [2026-03-08T00:00:00-05:00, 2026-03-09T00:00:00-04:00)
    >>> print(resolve("lastWeek", "London", datetime(2026, 11, 18, 12, tzinfo=UTC)))
    [2026-11-09T00:00:00+00:00, 2026-11-16T00:00:00+00:00)
    >>> print(resolve(("2026-01", "2026-02"), "UTC"))
    [2026-01-01T00:00:00+00:00, 2026-03-01T00:00:00+00:00)
    >>> print(resolve((date(2026, 1, 1), datetime(2026, 1, 1, 6)), "Brisbane"))
    [2026-01-01T00:00:00+10:00, 2026-01-01T06:00:00+10:00)
    """
    zone_info = zone(tz) if isinstance(tz, str) else tz
    if now is None:
        now = datetime.now(UTC)
    elif now.tzinfo is None:
        raise SpanError(f"now must be an aware datetime, and {now.isoformat()} is naive; give it a tzinfo")
    parser = _SpanParser(zone_info, now, weekday_of(week_start))
    try:
        start_us, end_us = parser.window(span)
        if start_us < epoch_us(FIRST) or (end_us is not None and end_us > epoch_us(LAST)):
            raise OverflowError
        window = Span(from_epoch_us(start_us, zone_info), None if end_us is None else from_epoch_us(end_us, zone_info))
    except OverflowError as error:
        raise SpanError(
            f"the span {_shown(span)} reaches to the ends of the calendar; expected one that starts at "
            f"{FIRST.date()}T00:00Z or later, and ends at {LAST.date()}T00:00Z or before"
        ) from error
    check_zone_files(window.start, window.end)
    return window


def resolve_in(
    zones: Iterable[str], span: SpanLike, now: datetime | None = None, *, week_start: str = "monday"
) -> dict[str, Span]:
    """What a span means in each of some zones, by the Haystack name of the zone; else as :func:`resolve`."""
    return {tz: resolve(span, tz, now, week_start=week_start) for tz in dict.fromkeys(zones)}


def _shown(given: object) -> str:
    """The text of what was given for a span; of an index of a thousand times, how many it has."""
    if isinstance(given, list | tuple) and len(given) <= 3 and not any(_is_many(part) for part in given):
        return in_short(repr(given))
    if isinstance(given, Sized) and _is_many(given):
        return f"a {type(given).__name__} of {len(given)}"
    return in_short(repr(given))


def _is_many(given: object) -> bool:
    return isinstance(given, Sized) and not isinstance(given, str)


def weekday_of(name: str) -> int:
    """The number of a day of the week, 0 for Monday."""
    if name.lower() not in _WEEKDAYS:
        raise SpanError(f"week_start must be one of {', '.join(_WEEKDAYS)}; got {name!r}")
    return _WEEKDAYS.index(name.lower())


class _Piece(NamedTuple):
    """One end of a span, or a whole one: a period from `start_us` to `end_us`, or an instant."""

    start_us: int
    end_us: int | None
    to_now: bool = False


class _SpanParser:
    """Parses spans in one zone at one time `now`."""

    def __init__(self, tz: tzinfo, now: datetime, week_start: int) -> None:
        self.tz = tz
        self.now_us = epoch_us(now)
        self.local_now = from_epoch_us(self.now_us, tz).replace(tzinfo=None)
        self.today = self.local_now.date()
        self.week_start = week_start

    def window(self, span: SpanLike) -> tuple[int, int | None]:
        if isinstance(span, Span):
            return span.start_us, span.end_us
        if isinstance(span, str) and "," in span:
            span = tuple(part.strip() for part in span.split(","))
        if isinstance(span, Sequence) and not isinstance(span, str):
            return self.pair(span)
        piece = self.piece(span, span)
        return piece.start_us, self.now_us if piece.to_now else piece.end_us

    def pair(self, span: Sequence[str | date | None]) -> tuple[int, int | None]:
        if len(span) != 2:
            raise SpanError(f"a span has a start and an end, and {_shown(span)} has {len(span)} parts; {_EXAMPLES}")
        first = self.piece(span[0], span)
        if span[1] is None:
            return first.start_us, None
        last = self.piece(span[1], span)
        end_us = last.start_us if last.end_us is None else last.end_us
        if end_us < first.start_us or last.start_us < end_us == first.start_us:
            raise SpanError(
                f"the span {_shown(span)} ends before it starts: "
                f"{from_epoch_us(first.start_us, self.tz).isoformat()} to "
                f"{from_epoch_us(last.start_us, self.tz).isoformat()}"
            )
        return first.start_us, end_us

    def piece(self, part: object, span: SpanLike) -> _Piece:
        if isinstance(part, str):
            piece = self.text(part.strip())
        elif isinstance(part, datetime):
            piece = self.instant(part, span)
        elif isinstance(part, date):
            piece = self.days(part, part + _DAY)
        else:
            piece = None
        if piece is None:
            where = "" if part is span else f" in {_shown(span)}"
            if isinstance(part, str) and self.text(f"-{part.strip()}"):
                ago = f"-{part.strip()}"
                raise SpanError(
                    f"{_shown(part)}{where} is a length of time, not a span; {_shown(ago)} reaches from then up to now"
                )
            raise SpanError(f"{_shown(part)}{where} is not a valid span; {_EXAMPLES}")
        return piece

    def text(self, text: str) -> _Piece | None:
        if text == "now":
            return _Piece(self.now_us, None)
        name, _, time = text.partition(" ")
        if day := {"today": self.today, "yesterday": self.today - _DAY}.get(name):
            if not time:
                return self.days(day, day + _DAY)
            text = f"{day} {time}"
        if match := _PERIOD.fullmatch(text):
            return self.period(text, *match.groups())
        if match := _DATE_TIME.fullmatch(text):
            return self.date_time(text, *match.groups())
        if match := _NAMED.fullmatch(text):
            return self.named(match[1].lower(), match[2].lower())
        if match := _WHOLE.fullmatch(text):
            return self.whole(match[2].lower(), -int(match[1]), 0)
        if match := _AGO.fullmatch(text):
            return self.ago(match[1], text)
        return None

    def days(self, first: date, after: date) -> _Piece:
        midnights = (datetime(day.year, day.month, day.day) for day in (first, after))
        start_us, end_us = (local_instant_us(midnight, self.tz) for midnight in midnights)
        return _Piece(start_us, end_us)

    def period(self, text: str, year: str, month: str | None, day: str | None) -> _Piece:
        try:
            first = date(int(year), int(month or 1), int(day or 1))
        except ValueError as error:
            raise SpanError(f"{_shown(text)} is not a day of the calendar: {error}; {_EXAMPLES}") from error
        if day is not None:
            return self.days(first, first + _DAY)
        return self.days(first, _add_months(first, 12 if month is None else 1))

    def date_time(self, text: str, wall: str, offset: str | None, name: str | None) -> _Piece:
        try:
            when = datetime.fromisoformat(wall + (offset or ""))
            tz = None if name is None else zone(name)
        except (ValueError, ZoneError) as error:
            raise SpanError(f"{_shown(text)} is not a valid time: {error}; {_EXAMPLES}") from error
        if when.tzinfo is not None:
            return _Piece(epoch_us(when), None)  # the offset decides, the name only labels
        return _Piece(local_instant_us(when, tz or self.tz), None)

    def instant(self, when: datetime, span: SpanLike) -> _Piece:
        if when != when:  # pandas.NaT is a datetime too
            raise SpanError(f"the span {span!r} holds a time that is missing (NaT); {_EXAMPLES}")
        # Samples have whole microseconds: rounding a Timestamp's nanoseconds up bounds the same samples.
        more_us = 1 if getattr(when, "nanosecond", 0) else 0
        plain = datetime(
            when.year, when.month, when.day, when.hour, when.minute, when.second, when.microsecond, fold=when.fold
        )
        if when.tzinfo is None:
            return _Piece(local_instant_us(plain, self.tz) + more_us, None)
        offset = when.utcoffset() or timedelta(0)
        return _Piece(epoch_us((plain - offset).replace(tzinfo=UTC, fold=0)) + more_us, None)

    def named(self, which: str, unit: str) -> _Piece:
        if which == "past":
            today = self.today
            first = today - 7 * _DAY if unit == "week" else _add_months(today, -_PERIODS[unit])
            return self.days(first, today + _DAY)
        return self.whole(unit, 0, 1) if which == "this" else self.whole(unit, -1, 0)

    def whole(self, unit: str, first: int, after: int) -> _Piece:
        """The days, weeks, months, ... from one to another, each counted from that which holds now."""
        today = self.today
        if unit in ("day", "week"):
            length = _DAY if unit == "day" else 7 * _DAY
            this = today - _DAY * ((today.weekday() - self.week_start) % 7) if unit == "week" else today
            return self.days(this + first * length, this + after * length)
        months = _PERIODS[unit]
        this = date(today.year, (today.month - 1) // months * months + 1, 1)
        return self.days(_add_months(this, first * months), _add_months(this, after * months))

    def ago(self, amount: str, text: str) -> _Piece:
        count, unit = amount_of(amount, f"the span {_shown(text)}", _AMOUNTS)
        if unit in LENGTHS_US and 0 < count * LENGTHS_US[unit] <= 0.5:
            raise SpanError(f"the span {_shown(text)} is shorter than a microsecond; expected {_AMOUNTS}")
        if unit not in ("d", "w") and unit not in MONTHS:
            return _Piece(self.now_us - round(count * LENGTHS_US[unit]), None, to_now=True)
        # Days and longer go by the calendar: the same time of day, this many days ago.
        if not isinstance(count, int):
            raise SpanError(
                f"the span {_shown(text)}: days, weeks, months and years must be whole, as in '-36h' or '-7d'"
            )
        if unit in MONTHS:
            wall = datetime.combine(_add_months(self.today, -count * MONTHS[unit]), self.local_now.time())
        else:
            wall = self.local_now - count * (7 if unit == "w" else 1) * _DAY
        return _Piece(local_instant_us(wall, self.tz), None, to_now=True)


_PERIODS: Final = {"month": 1, "quarter": 3, "year": 12}


def _add_months(day: date, months: int) -> date:
    """The same day of another month, or that month's last day where it is shorter."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    if not 1 <= year <= 9999:
        raise OverflowError(f"year {year}")
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
