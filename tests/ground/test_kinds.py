"""Kinds: frozen values with equality, order, hash and a repr that reads as the constructor."""

import copy
import dataclasses
import math
import pickle
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import given

import hsframe.kinds as kinds_module
from hsframe.errors import MetadataError, UnitError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NA, REMOVE, Bin, Coord, Marker, Na, Number, Ref, Remove, Symbol, Uri, XStr, same
from hsframe.testing import strategies
from hsframe.zones import zone

NY = zone("New_York")


@pytest.mark.parametrize(
    ("one", "kind", "text"), [(MARKER, Marker, "MARKER"), (NA, Na, "NA"), (REMOVE, Remove, "REMOVE")]
)
def test_singletons_are_one_object(one: Any, kind: type, text: str) -> None:
    assert kind() is one
    assert copy.deepcopy(one) is one
    assert pickle.loads(pickle.dumps(one)) is one
    assert repr(one) == text
    assert one
    with pytest.raises(AttributeError):
        one.x = 1


def test_singletons_differ() -> None:
    assert len({MARKER, NA, REMOVE}) == 3
    assert MARKER != NA
    with pytest.raises(TypeError):
        _ = MARKER < NA


@pytest.mark.parametrize("one", [MARKER, NA, REMOVE])
def test_singletons_can_be_sorted(one: Any) -> None:
    assert sorted([one, one]) == [one, one]
    assert one <= one
    assert one >= one
    assert not one < one
    assert not one > one


@given(value=strategies.scalars())
def test_values_are_frozen_hashable_and_survive_copies(value: Any) -> None:
    assert hash(value) == hash(copy.deepcopy(value))
    assert same(copy.deepcopy(value), value)
    assert same(pickle.loads(pickle.dumps(value)), value)
    if dataclasses.is_dataclass(value):
        name = dataclasses.fields(value)[0].name
        with pytest.raises(dataclasses.FrozenInstanceError):
            setattr(value, name, None)


@given(value=strategies.numbers() | strategies.refs() | strategies.symbols() | strategies.uris() | strategies.xstrs())
def test_repr_is_the_constructor(value: Any) -> None:
    names = {"nan": math.nan, "inf": math.inf, **vars(kinds_module)}
    assert same(eval(repr(value), names), value)


def test_numbers_compare_after_conversion() -> None:
    assert Number(1, "kW") < Number(2, "kW") <= Number(2.0, "kW")
    assert Number(3) > Number(2) >= Number(2)
    assert sorted([Number(3), Number(1)]) == [Number(1), Number(3)]
    assert Number(1, "kW") != Number(1)
    assert Number(1) != 1
    for compare in ("__lt__", "__le__", "__gt__", "__ge__"):
        with pytest.raises(UnitError, match="does not convert"):
            getattr(Number(1, "kW"), compare)(Number(1, "°F"))
        assert getattr(Number(1), compare)("1") is NotImplemented
    assert Number(999, "W") < Number(1, "kW") < Number(1001, "W")
    assert 1 < Number(2, "kW") < 3
    with pytest.raises(TypeError):
        assert Number(1) < "1"


def test_nan_and_the_infinities_carry_no_unit() -> None:
    assert Number(math.nan, "kW") == Number(math.nan)
    assert hash(Number(math.nan)) == hash(Number(float("nan")))
    assert Number(math.inf, "kW").unit is None
    assert Number(1, "").unit is None
    assert Number(1) == Number(1.0)
    assert hash(Number(1, "kW")) == hash(Number(1.0, "kW"))


def test_number_reads_as_text_and_float() -> None:
    assert str(Number(72.5, "°F")) == "72.5 °F"
    assert str(Number(3)) == "3"
    assert float(Number(3, "kW")) == 3.0


def test_a_ref_is_its_id() -> None:
    assert Ref("@a") == Ref("a", "Dis")
    assert hash(Ref("a")) == hash(Ref("a", "Dis"))
    assert not same(Ref("a"), Ref("a", "Dis"))
    assert str(Ref("a", "Dis")) == "@a"
    assert Ref("a") < Ref("b") <= Ref("b")
    assert Ref("b") > Ref("a") >= Ref("a")
    assert Ref("a") != "a"
    assert Ref("a") != Symbol("a")


def test_texts_of_kinds() -> None:
    assert str(Symbol("site")) == "site"
    assert str(Uri("http://x/")) == "http://x/"
    assert Symbol("a") < Symbol("b")
    assert Coord(1.0, 2.0) < Coord(1.0, 3.0)
    assert XStr("A", "x") < XStr("A", "y")
    assert Bin("a") < Bin("b")


DIFFERENT: list[tuple[Any, Any]] = [
    (True, 1),
    (True, Number(1)),
    (0, False),
    ("a", Uri("a")),
    (None, ""),
    (None, NA),
    (date(2021, 1, 1), datetime(2021, 1, 1)),
    (datetime(2021, 1, 1, tzinfo=UTC), datetime(2021, 1, 1)),
    (datetime(2021, 1, 1, tzinfo=zone("UTC")), datetime(2021, 1, 1, tzinfo=zone("London"))),
    (datetime(2021, 11, 7, 1, 30, tzinfo=NY), datetime(2021, 11, 7, 1, 30, fold=1, tzinfo=NY)),
    ([1, [Ref("a")]], [1, [Ref("a", "x")]]),
    ({"a": 1}, {"a": 1, "b": None}),
    ([], {}),
    (Number(1), Number(1, "kW")),
    (Symbol("a"), Ref("a")),
    (Grid({}, ["a"], [[1]]), Grid({}, ["a"], [[2]])),
]


@pytest.mark.parametrize(("a", "b"), DIFFERENT, ids=[repr(row)[:50] for row in DIFFERENT])
def test_same_keeps_apart(a: Any, b: Any) -> None:
    assert not same(a, b)
    assert not same(b, a)
    assert same(a, copy.deepcopy(a))


def test_same_goes_by_instant_and_zone_name() -> None:
    assert same(datetime(2021, 1, 1, tzinfo=UTC), datetime(2021, 1, 1, tzinfo=zone("UTC")))
    assert same(datetime(2021, 1, 1, tzinfo=timezone(timedelta(hours=-5))), datetime(2021, 1, 1, tzinfo=zone("GMT+5")))
    assert same(Number(math.nan), Number(math.nan))


@given(value=strategies.kinds())
def test_same_holds_for_copies_of_anything(value: Any) -> None:
    assert same(value, copy.deepcopy(value))
    assert same([value, {"a": value}], [copy.deepcopy(value), {"a": copy.deepcopy(value)}])
    assert not same(value, [value])


def test_a_number_holds_an_int_or_a_double() -> None:
    for val in (Decimal("2.5"), Fraction(5, 2), np.longdouble(2.5), np.float16(2.5)):
        assert Number(val, "kW") == Number(2.5, "kW")  # type: ignore[arg-type]
        assert type(Number(val).val) is float  # type: ignore[arg-type]
    assert type(Number(np.int8(3)).val) is int  # type: ignore[arg-type]
    assert math.isnan(Number(Decimal("NaN")).val)  # type: ignore[arg-type]
    assert Number(float("inf")).val == float("inf")
    for wrong in ("12", None, 1j, Decimal("sNaN"), 10**309):
        with pytest.raises(MetadataError, match="a Number"):
            Number(wrong, "kW")  # type: ignore[arg-type]
