"""The kinds of values in Haystack data (standard: chapter Kinds).

Five kinds are Python's own: null is ``None``, Bool is ``bool``, Str is ``str``, List is ``list``, Dict is
``dict``; Date, Time and DateTime are those of :mod:`datetime`, a DateTime always aware, with a ``ZoneInfo``.
The rest is here: frozen, hashable, with order and a repr that can be read.
"""

from __future__ import annotations

import functools
import math
import numbers
import re
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from html import escape
from numbers import Integral, Real
from typing import Any, ClassVar, Final, NamedTuple

from hsframe.errors import CodecError, MetadataError
from hsframe.units.scalars import UnitScalar
from hsframe.zones import haystack_name

MAX_EXACT_INT: Final = 2**53
"""Every int below is exact as a double, which is what a Number is on the wire."""


def _plain(val: object) -> int | float:
    if not isinstance(val, Real | Decimal):
        raise MetadataError(f"a Number must hold an int, a float or another real number; got {val!r}")
    try:
        plain = int(val) if isinstance(val, Integral) else float(val)
        if math.isfinite(plain) or plain == val or plain != plain:
            return plain
    except (OverflowError, ValueError):  # an int is too large; a NaN that signals
        pass
    raise MetadataError(f"a Number is a double, at most 1.8e308; got a larger {type(val).__name__}")


class _Singleton:
    """A kind with one value: every construction, copy and unpickling gives the same object."""

    __slots__ = ()
    _the_one: ClassVar[_Singleton | None] = None

    def __new__(cls) -> _Singleton:
        if cls._the_one is None:
            cls._the_one = super().__new__(cls)
        return cls._the_one

    def __repr__(self) -> str:
        return type(self).__name__.upper()

    # So that a column of markers can be sorted.
    def __lt__(self, other: object) -> bool:
        return False if self is other else NotImplemented

    def __le__(self, other: object) -> bool:
        return True if self is other else NotImplemented

    __gt__ = __lt__
    __ge__ = __le__

    def __reduce__(self) -> tuple[object, ...]:
        return (type(self), ())


class Marker(_Singleton):
    """The tag is present; it has no other value."""

    __slots__ = ()


class Na(_Singleton):
    """Not available: the value should be there and is not."""

    __slots__ = ()


class Remove(_Singleton):
    """The tag is to be removed."""

    __slots__ = ()


MARKER: Final = Marker()
NA: Final = Na()
REMOVE: Final = Remove()


@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Number(UnitScalar["Number"]):
    """A number with an optional unit.

    Parameters
    ----------
    val : int or float
        The magnitude, at 64-bit float precision. Zinc and JSON write an ``int`` without a decimal point. Numbers of
        other classes (NumPy's, Decimal, Fraction) become one of these; MetadataError for what no double can hold.
    unit : str or None
        A symbol of the unit table, as the server writes it; by default that of a `val` which has one, as a value of a
        unit column has. NaN and the infinities carry no unit (standard: Zinc, section Number), so theirs is dropped.

    Notes
    -----
    NaN equals NaN here: two grids that hold the same cells are equal. ``==`` never converts. Arithmetic and order
    convert, or raise :class:`~hsframe.UnitError`, by the rules of columns (:mod:`hsframe.units.unit_rules`); a plain
    number is taken to be in the unit of the other side, and so are those of a column, a frame or an array of NumPy: the
    result is a column with its unit. A result that is NaN is the plain float, a missing value.

    Examples
    --------
    >>> Number(72.5, "°F")
    Number(72.5, '°F')
    >>> Number(1, "kW") == Number(1.0, "kW")
    True
    >>> Number(1, "kW") == Number(1)
    False
    >>> Number(2, "kW") * Number(3, "h"), Number(1, "kW") < Number(1500, "W"), f"{Number(21.52, '°C'):.1f}"
    (Number(6, 'kWh'), True, '21.5 °C')
    >>> Number(1500, "kWh").to("MWh"), Number(2, "MWh") * Number(0.21, "$/kWh")
    (Number(1.5, 'MWh'), Number(420.0, '$'))
    """

    _rank: ClassVar[int] = 1
    val: int | float
    unit: str | None = None

    @classmethod
    def _made(cls, val: float, unit: str | None) -> Number:
        # A result that is NaN is missing, which pandas sees in a float alone.
        return Number(val, unit) if val == val else math.nan  # type: ignore[return-value]

    def __post_init__(self) -> None:
        if type(self.val) is not float:
            if self.unit is None and (unit := getattr(self.val, "unit", None)):
                object.__setattr__(self, "unit", unit)
            object.__setattr__(self, "val", _plain(self.val))
        if self.unit is not None and (self.unit == "" or not math.isfinite(self.val)):
            object.__setattr__(self, "unit", None)

    def __conform__(self, protocol: object) -> float | None:
        """The magnitude, for sqlite3, which asks so: ``DataFrame.to_sql`` gives it objects."""
        return float(self.val) if getattr(protocol, "__name__", "") == "PrepareProtocol" else None

    def __array_ufunc__(self, ufunc: Any, method: str, *inputs: Any, **kwargs: Any) -> Any:
        return self._numpy(ufunc, method, inputs, kwargs)

    def __repr__(self) -> str:
        return f"Number({self.val!r})" if self.unit is None else f"Number({self.val!r}, {self.unit!r})"

    def __float__(self) -> float:
        return float(self.val)

    def __int__(self) -> int:
        return int(self.val)

    __trunc__ = __int__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, UnitScalar):
            return NotImplemented if self.beside(other, False) is None else other == self.boxed()
        return self.unit == other.unit and (self.val == other.val or (self.val != self.val and other.val != other.val))

    def __hash__(self) -> int:
        # hash(nan) differs between objects, and all NaN are equal here. Else that of a value of a unit column, which is
        # a float: the labels of an index with a unit are Numbers inside, and values of columns outside.
        return hash("nan" if self.val != self.val else self.val)


numbers.Number.register(Number)  # so that pandas takes it for a scalar, as pd.NA does in what it computes


@dataclass(frozen=True, slots=True, order=True, repr=False)
class _Text:
    val: str

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.val!r})"

    def __str__(self) -> str:
        return self.val


class Uri(_Text):
    r"""A uniform resource identifier, the same text in every format.

    A backslash before one of ``:/?#[]@\&=;`` is part of it: there the character separates nothing.
    """

    __slots__ = ()


class Symbol(_Text):
    """The name of a definition, without ``^``."""

    __slots__ = ()


@functools.total_ordering
@dataclass(frozen=True, slots=True, eq=False, repr=False)
class Ref:
    """A reference to a record.

    Parameters
    ----------
    val : str
        The id, without ``@``. A leading ``@`` is dropped.
    dis : str or None
        The display name that came with it. It is decoration: equality, order and hash look at `val` only.

    Examples
    --------
    >>> Ref("a", "Main meter") == Ref("@a")
    True
    """

    val: str
    dis: str | None = None

    def __post_init__(self) -> None:
        if self.val.startswith("@"):
            object.__setattr__(self, "val", self.val[1:])

    def __repr__(self) -> str:
        return f"Ref({self.val!r})" if self.dis is None else f"Ref({self.val!r}, {self.dis!r})"

    def _repr_html_(self) -> str:
        return f"{escape(self.dis or '')} <code>{escape(str(self))}</code>".lstrip()

    def __str__(self) -> str:
        return "@" + self.val

    def __eq__(self, other: object) -> bool:
        return self.val == other.val if isinstance(other, Ref) else NotImplemented

    def __hash__(self) -> int:
        return hash(("Ref", self.val))

    def __lt__(self, other: object) -> bool:
        return self.val < other.val if isinstance(other, Ref) else NotImplemented


@dataclass(frozen=True, slots=True, order=True)
class Coord:
    """A place on the earth, in degrees."""

    lat: float
    lng: float


@dataclass(frozen=True, slots=True, order=True)
class XStr:
    """A value of a type that only sender and receiver know: a type name and a text."""

    type: str
    val: str


@dataclass(frozen=True, slots=True, order=True)
class Bin:
    """A binary file's MIME type (Haystack 2 and 3)."""

    mime: str


class TextRule(NamedTuple):
    """Which texts can be a name, an id, a symbol, a type or a unit, in every format.

    JSON could carry others. But what one format reads the others must be able to write: so no reader takes them. Only
    a unit that breaks the rule is read, with a warning, where it can be told from what follows it: servers take any
    text as the unit of a point, and none must stop a read. No format writes it.
    """

    pattern: re.Pattern[str]
    what: str
    expected: str

    def problem(self, text: str) -> str | None:
        """What is wrong with a text; None where it fits."""
        return None if self.pattern.fullmatch(text) else f"{text!r} cannot be {self.what}"

    def checked(self, text: str, source: str) -> str:
        """A text that is to be written; CodecError, of the format `source`, where it does not fit."""
        if (problem := self.problem(text)) is not None:
            raise CodecError(problem, expected=self.expected, source=source)
        return text


_ID_CHARS: Final = re.compile(r"[A-Za-z0-9_:\-.~]+")
NAME: Final = TextRule(
    # JSON v4 keeps _kind for itself.
    re.compile(r"(?!_kind\b)[A-Za-z_][A-Za-z0-9_]*"),
    "the name of a tag or a column",
    "a lower-case letter, then letters, digits or _",
)
ID: Final = TextRule(_ID_CHARS, "the id of a ref", "letters, digits and _:-.~")
SYMBOL: Final = TextRule(_ID_CHARS, "a symbol", ID.expected)
TYPE: Final = TextRule(re.compile(r"[A-Z][A-Za-z0-9_]*"), "a type name", "a capital letter, then letters, digits or _")
UNIT: Final = TextRule(
    # What reads as an exponent (e5) or as more digits (_5) cannot be a unit.
    re.compile(r"(?![eE][0-9]|_+[0-9])[A-Za-z%_/$\u0081-\U0010ffff][A-Za-z0-9%_/$\u0081-\U0010ffff]*"),
    "a unit",
    "letters, %, _, /, $ and characters over 128",
)


def same(a: Any, b: Any) -> bool:
    """Whether two values are the same in every respect that a codec must keep.

    Stricter than ``==``: a Ref's display name counts, a Bool is not a number, a DateTime counts by its instant and its
    zone name (Python compares two datetimes of one zone by wall clock and ignores ``fold``). Lists, dicts and grids are
    compared by content.
    """
    if a is b:
        return True
    if isinstance(a, datetime) or isinstance(b, datetime):
        return (
            isinstance(a, datetime)
            and isinstance(b, datetime)
            and (a - a.utcoffset() if a.tzinfo else a).replace(tzinfo=None, fold=0)  # type: ignore[operator]
            == (b - b.utcoffset() if b.tzinfo else b).replace(tzinfo=None, fold=0)  # type: ignore[operator]
            and _zone_text(a) == _zone_text(b)
        )
    if isinstance(a, list) and isinstance(b, list):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict) and isinstance(b, dict):
        return a.keys() == b.keys() and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and bool(a == b) and (not isinstance(a, Ref) or a.dis == b.dis)


def _zone_text(when: datetime) -> str:
    return "" if when.tzinfo is None else haystack_name(when.tzinfo)


# A frozen dataclass takes twice as long to make as to read; an answer of ten thousand records has a hundred thousand.
# The slots' own descriptors set what the frozen class refuses to set.
_set_val: Final = Number.__dict__["val"].__set__
_set_unit: Final = Number.__dict__["unit"].__set__
_set_ref_val: Final = Ref.__dict__["val"].__set__
_set_ref_dis: Final = Ref.__dict__["dis"].__set__


def unchecked_number(val: float, unit: str | None) -> Number:
    """``Number(val, unit)`` for a unit that is not an empty text, for decoders that have made its other checks."""
    if unit is not None and not math.isfinite(val):
        return Number(val)
    number = object.__new__(Number)
    _set_val(number, val)
    _set_unit(number, unit)
    return number


def unchecked_ref(val: str, dis: str | None) -> Ref:
    """``Ref(val, dis)`` for a val that does not start with ``@``."""
    ref = object.__new__(Ref)
    _set_ref_val(ref, val)
    _set_ref_dis(ref, dis)
    return ref
