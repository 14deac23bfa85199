"""Hypothesis strategies for every kind, for grids and for histories; needs the package ``hypothesis``.

They draw only what the formats carry without loss: every drawn grid comes back unchanged from Zinc and both versions
of JSON. (JSON v3 cannot carry a tag ``name`` of a column, so none is drawn.)

>>> from hypothesis import given
>>> from hsframe import decode, encode
>>> from hsframe.testing import strategies
>>> @given(strategies.grids())
... def test_round_trip(grid):
...     assert decode(encode(grid, "zinc"), "zinc") == grid
>>> test_round_trip()
"""

from __future__ import annotations

import datetime as dt
from typing import Any, Final
from zoneinfo import ZoneInfo

from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy

from hsframe.grid import Col, Grid
from hsframe.kinds import (
    MARKER,
    MAX_EXACT_INT,
    NA,
    REMOVE,
    Bin,
    Coord,
    Marker,
    Na,
    Number,
    Ref,
    Remove,
    Symbol,
    Uri,
    XStr,
)
from hsframe.zones import zone

#: Zones with all that a codec can get wrong: signs, half and quarter hours, hyphens, a second IANA level,
#: clocks that repeat an hour on either half of the year, none, and two hours at a time.
ZONE_NAMES: Final = (
    "New_York",
    "London",
    "Brisbane",
    "UTC",
    "GMT+5",
    "GMT-3",
    "Port-au-Prince",
    "Kolkata",
    "Kathmandu",
    "St_Johns",
    "Lord_Howe",
    "Troll",
    "Sydney",
    "Louisville",
    "Buenos_Aires",
)

_LETTERS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_DIGITS: Final = "0123456789"
_ID_CHARS: Final = _LETTERS + _DIGITS + "_:-.~"
_COMMON_UNITS: Final = ("kW", "°F", "%", "ft²", "gH₂O/kgAir", "$", "kWh/ft²", "_custom", "Δ°C", "e", "E/m", "xab")
# Hours that a clock shows twice (New_York, London) or never.
_TURNS: Final = (
    dt.datetime(2021, 11, 7, 4, 30),
    dt.datetime(2021, 10, 30, 23, 30),
    dt.datetime(2021, 3, 14, 6, 30),
    dt.datetime(2021, 3, 28, 0, 30),
)


def tag_names() -> SearchStrategy[str]:
    """Names of tags and columns."""
    return st.builds(
        str.__add__, st.sampled_from(_LETTERS[26:]), st.text(_LETTERS + _DIGITS + "_", max_size=8)
    ) | st.sampled_from(("id", "dis", "tz", "unit", "val", "ts", "meta", "cols", "rows", "kind", "_x", "_kind_"))


def texts() -> SearchStrategy[str]:
    """Strings of any characters, and strings that look like another kind."""
    awkward = ("", "m:", "s:x", "n:1", "16:30", "T", "N", "NA", "true", "a,b", '"', "\\", "$", "`", "<<", ">>")
    line_ends = ("\n", "\r\n")
    return st.text(st.characters(codec="utf-8"), max_size=12) | st.sampled_from(awkward + line_ends)


def singletons() -> SearchStrategy[Marker | Na | Remove]:
    """Marker, NA and Remove."""
    return st.sampled_from((MARKER, NA, REMOVE))


def units() -> SearchStrategy[str]:
    """Units of the table and of any characters that a unit may have."""
    chars = st.sampled_from(_LETTERS + "%_/$") | st.characters(codec="utf-8", min_codepoint=0x81)
    return st.sampled_from(_COMMON_UNITS) | st.text(chars, min_size=1, max_size=5)


def numbers(unit: SearchStrategy[str | None] | None = None) -> SearchStrategy[Number]:
    """Numbers: ints below 2**53, floats with the infinities and NaN.

    Parameters
    ----------
    unit : strategy, optional
        For the unit; by default none, or any of :func:`units`.
    """
    val = st.integers(1 - MAX_EXACT_INT, MAX_EXACT_INT - 1) | st.floats()
    return st.builds(Number, val, st.none() | units() if unit is None else unit)


def refs() -> SearchStrategy[Ref]:
    """Refs, with and without display name."""
    return st.builds(Ref, st.text(_ID_CHARS, min_size=1, max_size=12), st.none() | texts())


def symbols() -> SearchStrategy[Symbol]:
    """Symbols."""
    return st.builds(Symbol, st.text(_ID_CHARS, min_size=1, max_size=12))


def uris() -> SearchStrategy[Uri]:
    """Uris of any characters, and of what Zinc writes as escapes or could take for one."""
    part = st.characters(codec="utf-8") | st.sampled_from(
        ("\\", "\\:", "\\#", "\\\\", "`", "$", "\n", "u005c", "http://x/")
    )
    return st.builds(Uri, st.lists(part, max_size=8).map("".join))


def dates() -> SearchStrategy[dt.date]:
    """Dates of the whole calendar."""
    return st.dates()


def times() -> SearchStrategy[dt.time]:
    """Times of day, to the microsecond."""
    return st.times()


def zones() -> SearchStrategy[ZoneInfo]:
    """Time zones; see :data:`ZONE_NAMES`."""
    return st.sampled_from(ZONE_NAMES).map(zone)


def datetimes(tz: SearchStrategy[ZoneInfo] | None = None) -> SearchStrategy[dt.datetime]:
    """Instants in many zones, often in or beside an hour that a clock repeats or leaves out.

    Parameters
    ----------
    tz : strategy, optional
        For the zone; :func:`zones` by default.
    """
    far = st.datetimes(dt.datetime(1850, 1, 1), dt.datetime(2150, 1, 1))
    near = st.builds(lambda turn, s: turn + dt.timedelta(seconds=s), st.sampled_from(_TURNS), st.integers(0, 9000))
    return st.builds(
        lambda utc, zone: utc.replace(tzinfo=dt.UTC).astimezone(zone), far | near, zones() if tz is None else tz
    )


def coords() -> SearchStrategy[Coord]:
    """Coordinates."""
    return st.builds(Coord, st.floats(-90, 90), st.floats(-180, 180))


def xstrs() -> SearchStrategy[XStr]:
    """Typed texts of any type but ``Bin``, which is another kind."""
    names = st.builds(str.__add__, st.sampled_from(_LETTERS[:26]), st.text(_LETTERS + _DIGITS + "_", max_size=6))
    return st.builds(XStr, names.filter(lambda name: name != "Bin"), texts())


def bins() -> SearchStrategy[Bin]:
    """Bins."""
    return st.builds(Bin, st.sampled_from(("text/plain", "image/png; q=1")) | texts())


def scalars() -> SearchStrategy[Any]:
    """Every kind that holds no other value; null is not among them."""
    plain = (texts(), numbers(), st.booleans(), singletons(), symbols(), uris(), coords(), xstrs(), bins())
    return st.one_of(*plain, refs(), datetimes(), dates(), times())


def lists(values: SearchStrategy[Any] | None = None) -> SearchStrategy[list[Any]]:
    """Lists, null among their items."""
    return st.lists(st.none() | (kinds() if values is None else values), max_size=4)


def dicts(values: SearchStrategy[Any] | None = None) -> SearchStrategy[dict[str, Any]]:
    """Dicts."""
    return st.dictionaries(tag_names(), kinds() if values is None else values, max_size=4)


def kinds() -> SearchStrategy[Any]:
    """Every kind: scalars, and lists, dicts and grids of them within one another; null is not among them."""
    return st.recursive(
        scalars(), lambda inner: lists(inner) | dicts(inner) | grids(inner, max_rows=2, max_cols=2), max_leaves=6
    )


@st.composite
def _grids(draw: st.DrawFn, values: SearchStrategy[Any], max_rows: int, max_cols: int) -> Grid:
    names = draw(st.lists(tag_names(), unique=True, max_size=max_cols))
    length = draw(st.integers(0, max_rows)) if names else 0
    meta = st.dictionaries(tag_names().filter(lambda name: name not in ("name", "ver")), values, max_size=2)
    cell = st.none() | values
    columns = [draw(st.lists(cell, min_size=length, max_size=length)) for _ in names]
    return Grid(draw(meta), [Col(name, draw(meta)) for name in names], columns)


def grids(values: SearchStrategy[Any] | None = None, *, max_rows: int = 4, max_cols: int = 4) -> SearchStrategy[Grid]:
    """Grids with tags on themselves and on their columns, null cells among the cells.

    Parameters
    ----------
    values : strategy, optional
        For cells and tags; :func:`kinds` by default.
    max_rows, max_cols : int
        The most rows and columns.
    """
    return _grids(kinds() if values is None else values, max_rows, max_cols)


@st.composite
def history_grids(draw: st.DrawFn, *, batch: bool | None = None, max_rows: int = 8) -> Grid:
    """Answers to ``hisRead``: instants of one zone in order, and a column of samples for each point.

    Parameters
    ----------
    batch : bool, optional
        Whether the ids are in the tags of the columns (``ts, v0, v1, ...``) or in the grid's (``ts, val``); both
        occur by default.
    max_rows : int
        The most rows.
    """
    tz = draw(zones())
    length = draw(st.integers(0, max_rows))
    instants = draw(st.lists(datetimes(st.just(tz)), min_size=length, max_size=length, unique_by=dt.datetime.timestamp))
    instants.sort(key=dt.datetime.timestamp)
    if batch is None:
        batch = draw(st.booleans())
    width = draw(st.integers(1, 3)) if batch else 1
    columns = []
    for _ in range(width):
        cell = draw(st.sampled_from(("number", "number", "bool", "text")))
        unit: SearchStrategy[str | None] = st.just(draw(st.none() | units()))
        values: dict[str, SearchStrategy[Any]] = {
            "number": numbers(unit),
            "bool": st.booleans(),
            "text": st.sampled_from(("off", "on", "auto")),
        }
        gaps = st.just(NA) | st.none() if batch else st.just(NA)
        columns.append(draw(st.lists(values[cell] | gaps, min_size=length, max_size=length)))
    if not batch:
        meta = {"id": draw(refs()), "hisStart": draw(datetimes(st.just(tz))), "hisEnd": draw(datetimes(st.just(tz)))}
        return Grid(meta, ["ts", "val"], [instants, *columns])
    cols = [Col("ts"), *(Col(f"v{place}", {"id": Ref(f"p{place}")}) for place in range(width))]
    return Grid({}, cols, [instants, *columns])
