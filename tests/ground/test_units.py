"""The unit table, conversions, the algebra of units and the two systems."""

import csv
import importlib.resources
import logging
import math
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe import options, units
from hsframe.errors import MetadataError, UnitError
from hsframe.kinds import Number
from hsframe.units import table
from hsframe.units.systems import system_of
from hsframe.units.unit_rules import unit_rule

ALL = units.all_units()
SYMBOLS = [one.symbol for one in ALL]


def test_the_table_is_the_standards():
    identifiers = [identifier for one in ALL for identifier in (one.name, *one.symbols)]
    assert len(ALL) == 457
    assert len(identifiers) == len(set(identifiers)) == 977
    assert len({one.quantity for one in ALL}) == 60
    assert all(units.find(identifier) is one for one in ALL for identifier in (one.name, *one.symbols))


def test_a_quantity_has_one_dimension():
    dimensions = {}
    for one in ALL:
        dimensions.setdefault(one.quantity, set()).add(one.dimension)
    assert {quantity for quantity, found in dimensions.items() if len(found) != 1} == set()


@pytest.mark.parametrize(
    ("identifier", "symbol"),
    [("kilowatt_hour", "kWh"), ("hour", "hr"), ("acre", "acre"), ("megabtu", "MMBTU"), ("inches_of_water", "inH₂O")],
)
def test_the_last_symbol_is_preferred_and_a_name_stands_in_for_none(identifier, symbol):
    assert units.unit(identifier).symbol == symbol


def test_look_alike_characters_are_one():
    assert units.find("μg/m³") is units.unit("µg/m³")
    assert units.find("\N{OHM SIGN}") is units.find("\N{GREEK CAPITAL LETTER OMEGA}") is units.unit("ohm")


def test_an_unknown_unit_is_named_with_its_neighbours():
    assert units.find("furlong") is None
    with pytest.raises(UnitError, match="no '_kilowatt_hour'; a unit that begins with _ is the server's own"):
        units.unit("_kilowatt_hour")
    with pytest.raises(UnitError, match="no 'kwh'; did you mean 'kWh'"):
        units.unit("kwh")
    with pytest.raises(UnitError, match=r"no 'degF'; did you mean '°F'\?"):
        units.unit("degF")
    with pytest.raises(UnitError, match="all_units"):
        units.unit("zzzzzzzzzz")


@pytest.mark.parametrize(
    ("value", "source", "target", "expected"),
    [
        (32.0, "°F", "°C", 0.0),
        (212.0, "°F", "°C", 100.0),
        (-40.0, "°C", "°F", -40.0),
        (0.0, "K", "°C", -273.15),
        (9.0, "Δ°F", "Δ°C", 5.0),
        (1.0, "kWh", "MJ", 3.6),
        (5100.0, "W", "kW", 5.1),
        (1.0, "kW", "BTU/h", 1000 / 0.292875),
        (1000.0, "cfm", "L/s", 471.9474432),
        (1.0, "psi", "kPa", 6.89473),
        (45.0, "%", "ppm", 450000.0),
        (180.0, "deg", "rad", math.pi),
        (1.0, "GB", "MB", 1024.0),
        (1.0, "tonref", "kW", 3.516853),
        (1.0, "EER", "COP", 0.2930832356),
    ],
)
def test_conversions(value, source, target, expected):
    assert units.convert(value, source, target) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("value", [32.0, 212.0, 72.5, -40.0, 68.0])
def test_round_temperatures_stay_round(value):
    assert units.convert(value, "°F", "°C") == (value - 32) * 5 / 9


@pytest.mark.parametrize(
    ("source", "target", "why"),
    [
        ("kWh", "kVAh", "apparent energy"),
        ("kW", "kVAR", "reactive power"),
        ("°F", "Δ°F", "difference of temperatures"),
        ("EUR", "USD", "exchange rates"),
        ("px", "db", "different things"),
        ("%", "%RH", "different things"),
        ("kW", "°F", "temperature"),
        ("W/m²", "W/m²_irr", "irradiance"),
        ("pf", "%", "different things"),
    ],
)
def test_what_does_not_convert_says_why(source, target, why):
    assert not units.convertible(source, target)
    with pytest.raises(UnitError, match=why):
        units.convert(1.0, source, target)


def test_only_ratios_and_angles_convert_within_dimensionless():
    dimensionless = [one.symbol for one in ALL if one.quantity == "dimensionless"]
    pairs = {(a, b) for a in dimensionless for b in dimensionless if a != b and units.convertible(a, b)}
    ratios, angles = ["%", "ppu", "ppm", "ppb"], ["rad", "deg", "degPh"]
    assert pairs == {(a, b) for group in (ratios, angles) for a in group for b in group if a != b}


def test_a_unit_of_the_servers_own_converts_to_itself_only():
    values = np.array([1.0, np.nan])
    assert units.converter("furlong", "furlong").is_identity
    assert np.array_equal(units.convert(values, "furlong", "furlong"), values, equal_nan=True)
    with pytest.raises(UnitError, match="furlong"):
        units.convert(values, "furlong", "m")


def test_every_pair_of_a_kind_follows_the_table():
    path = importlib.resources.files("hsframe.units").joinpath("units.csv")
    with path.open(encoding="utf-8") as lines:
        rows = {row["name"]: row for row in csv.DictReader(lines)}
    for a in ALL:
        for b in ALL:
            if a.kind != b.kind:
                continue
            row_a, row_b = rows[a.name], rows[b.name]
            si = 7 * Fraction(row_a["scale"]) + Fraction(row_a["offset"] or 0)
            expected = (si - Fraction(row_b["offset"] or 0)) / Fraction(row_b["scale"])
            with options.using(unit_factors="standard"):
                assert units.convert(7.0, a.symbol, b.symbol) == pytest.approx(float(expected), rel=1e-12), (a, b)


@given(st.sampled_from(SYMBOLS), st.data(), st.floats(-1e9, 1e9))
def test_a_conversion_and_its_inverse_are_the_identity(source, data, value):
    target = data.draw(st.sampled_from([s for s in SYMBOLS if units.convertible(source, s)]))
    there = units.convert(value, source, target)
    # A temperature passes through an offset of some hundred degrees, which costs that much absolute precision.
    assert units.convert(there, target, source) == pytest.approx(value, rel=1e-12, abs=1e-9)


def test_what_carries_a_unit_is_not_converted_into_one_that_lies():
    column = pd.Series([1.0], dtype="unit[kWh]")
    objects = np.array([1.0, Number(1, "kWh")], dtype=object)
    single = [column.iloc[0], Number(1, "kWh")]
    for values in (column, column.array, column.to_frame(), objects, pd.Series(objects), *single):
        with pytest.raises(UnitError, match=r"carry the unit kWh, and would keep it; use value.to\('MWh'\), or hs.to"):
            units.convert(values, "kWh", "MWh")
    for plain in (1500, np.float64(1500), np.array(1500.0), np.array([1500.0]), pd.Series([1500.0])):
        assert np.ravel(units.convert(plain, "kWh", "MWh")).tolist() == [1.5]


def test_a_list_of_numbers_is_converted_and_one_of_values_with_units_is_refused() -> None:
    for values in ([72.5, 50], (72.5, 50)):
        assert units.convert(values, "°F", "°C").tolist() == [22.5, 10.0]
        assert units.convert(values, "°F", "°F").tolist() == [72.5, 50.0]
    assert units.convert([], "°F", "°C").tolist() == []
    assert units.convert([[72.5], [50.0]], "°F", "°C").tolist() == [[22.5], [10.0]]
    k = pd.Series([1.5, 2.5], dtype="unit[kW]")
    for values in ([k[0], k[1]], [1.0, k[1]], (Number(1, "kW"),), [[k[0]]], [k]):
        with pytest.raises(UnitError, match="the values carry the unit kW"):
            units.convert(values, "kW", "W")
    for values in (["x"], "72", None, [1, [2]], [1.0, k], {"a": 1}):
        with pytest.raises(UnitError, match="values must be a number, or an array or a list of numbers: "):
            units.convert(values, "kW", "W")


def test_arrays_convert_like_floats_and_are_not_changed():
    values = np.array([32.0, 212.0, np.nan, np.inf])
    result = units.convert(values, "°F", "°C")
    assert np.array_equal(result, [0.0, 100.0, np.nan, np.inf], equal_nan=True)
    assert values[0] == 32.0


def test_a_misprint_of_the_standard_is_followed_and_told_unless_corrected(caplog):
    table._converter.cache_clear()
    with caplog.at_level(logging.WARNING, "hsframe.units"), options.using(unit_factors="standard"):
        assert units.convert(1.0, "fc", "lx") == pytest.approx(0.092937)
        assert units.convert(0.6, "kW/ton", "COP") == 0.6
    assert "misprints the scale of fc" in caplog.text
    assert units.convert(1.0, "fc", "lx") == pytest.approx(10.7639104167)
    assert units.convert(1.0, "kg/L", "kg/m³") == pytest.approx(1000.0)
    assert units.convert(1000.0, "µm", "mm") == pytest.approx(1.0)


def test_a_kilowatt_per_ton_is_the_inverse_of_a_cop():
    assert units.convert(0.6, "kW/ton", "COP") == pytest.approx(3.5168528420667 / 0.6)
    assert units.convert(5.0, "COP", "kW/ton") == pytest.approx(3.5168528420667 / 5)
    assert units.convert(1.0, "kW/ton", "EER") == pytest.approx(12.0, rel=1e-4)
    found = units.convert(np.array([0.0, 0.5, np.nan]), "kW/ton", "COP")
    assert found == pytest.approx([np.inf, 3.5168528420667 / 0.5, np.nan], nan_ok=True)
    assert units.convert(0.0, "kW/ton", "COP") == float("inf")


def test_every_misprint_is_a_unit_of_the_table_and_far_off():
    for symbol, scale in units.MISPRINTS.items():
        one = units.unit(symbol)
        assert one.symbol == symbol
        assert not 0.5 < one.scale / scale < 2


@pytest.mark.parametrize(
    ("a", "b", "product"),
    [
        ("kW", "h", "kWh"),
        ("h", "kW", "kWh"),
        ("kVA", "h", "kVAh"),
        ("kVAR", "h", "kVARh"),
        ("MW", "h", "MWh"),
        ("W", "s", "J"),
        ("N", "m", "Nm"),
        ("V", "A", "VA"),
        ("kVA", "pf", "kW"),
        ("kW", "COP", "kW"),
        ("tonref", "h", "tonrefh"),
        ("BTU/h", "h", "BTU"),
        ("gal/min", "min", "gal"),
        ("cfm", "min", "ft³"),
        ("ft/min", "ft²", "cfm"),
        ("W/m²", "m²", "W"),
        ("kWh/m²", "m²", "kWh"),
        ("Pa", "m³/s", "W"),
        ("kg/m³", "m³/s", "kg/s"),
        ("m", "m", "m²"),
        ("ft", "ft²", "ft³"),
        ("kW", "kW", None),
        ("kW", "°F", None),
        ("kWh", "EUR", None),
        ("kWh", "%", None),
        ("kWh", "ppu", "kWh"),
        ("kW", "furlong", None),
        ("kWh", "byte", None),
    ],
)
def test_products(a, b, product):
    assert units.multiply(a, b) == product
    assert units.multiply(b, a) == product


@pytest.mark.parametrize(
    ("a", "b", "quotient"),
    [
        ("kWh", "h", "kW"),
        ("kWh", "kW", "hr"),
        ("kVAh", "h", "kVA"),
        ("kVARh", "hr", "kVAR"),
        ("kWh", "m²", "kWh/m²"),
        ("kW", "ft²", "kW/ft²"),
        ("kW", "kVA", "pf"),
        ("kW", "pf", "kVA"),
        ("gal", "min", "gal/min"),
        ("cfm", "ft²", "cfm/ft²"),
        ("Δ°F", "h", "°F/h"),
        ("m³", "h", "m³/h"),
        ("m", "s", "m/s"),
        ("kWh", "kWh", None),
        ("kWh", "MWh", None),
        ("kWh", "°F", None),
        ("kWh", "EUR", None),
        ("°F", "h", None),
        ("kWh", "min", None),
        (None, "h", "/h"),
        (None, "kW", None),
        ("kWh", "furlong", None),
    ],
)
def test_quotients(a, b, quotient):
    assert units.divide(a, b) == quotient


def test_powers():
    assert [units.power("m", 2), units.power("m", 3), units.power("m²", 0.5)] == ["m²", "m³", "m"]
    assert [units.power("kW", 2), units.power("°C", 2), units.power("furlong", 2)] == [None, None, None]
    assert units.power("furlong", 1) == "furlong"


def test_a_product_has_the_dimension_and_the_scale_of_its_factors():
    with_dimension = [one for one in ALL if any(one.dimension) and not one.offset]
    checked = 0
    for a in with_dimension:
        for b in with_dimension:
            product = units.multiply(a.symbol, b.symbol)
            if product is None:
                continue
            c = units.unit(product)
            right = [units.MISPRINTS.get(one.symbol, one.scale) for one in (a, b, c)]
            assert c.dimension == tuple(i + j for i, j in zip(a.dimension, b.dimension, strict=True))
            assert float(right[0] * right[1] / right[2]) == pytest.approx(1.0, rel=1e-3), (a, b, c)
            checked += 1
    assert checked > 500


def test_differences():
    assert [units.delta(s) for s in ("°F", "°C", "K", "Δ°F", "kW", "furlong")] == [
        "Δ°F",
        "Δ°C",
        "ΔK",
        "Δ°F",
        "kW",
        "furlong",
    ]
    assert units.delta("fahrenheit") == "Δ°F"


@pytest.mark.parametrize("system", ["si", "ip"])
def test_the_tables_of_systems_are_sound(system):
    pairs = table.equivalents(system)
    for source, target in pairs.items():
        assert units.unit(source).symbol == source
        assert units.unit(target).symbol == target
        assert units.convertible(source, target), (source, target)
        assert target not in pairs, f"{source} -> {target} would go on to {pairs.get(target)}"


@pytest.mark.parametrize(
    ("symbol", "si", "ip"),
    [
        ("°F", "°C", "°F"),
        ("°C", "°C", "°F"),
        ("Δ°F", "Δ°C", "Δ°F"),
        ("kW", "kW", "kW"),
        ("kWh", "kWh", "kWh"),
        ("cfm", "L/s", "cfm"),
        ("L/s", "L/s", "cfm"),
        ("gal/min", "L/s", "gal/min"),
        ("inH₂O", "Pa", "inH₂O"),
        ("kBTU/ft²", "kWh/m²", "kBTU/ft²"),
        ("kWh/m²", "kWh/m²", "kBTU/ft²"),
        ("%", "%", "%"),
        ("furlong", "furlong", "furlong"),
        ("lx", "lx", "fc"),
        ("fahrenheit", "°C", "fahrenheit"),
    ],
)
def test_systems(symbol, si, ip):
    assert (units.to_system(symbol, "si"), units.to_system(symbol, "ip")) == (si, ip)


def test_systems_use_corrected_factors_only():
    with options.using(unit_factors="standard"):
        assert units.to_system("lx", "ip") == "lx"
    with pytest.raises(UnitError, match="'si' or 'ip'"):
        units.to_system("kW", "cgs")


def test_a_misspelt_option_is_refused():
    with pytest.raises(MetadataError, match="no setting 'unit_mixin'"):
        options.unit_mixin = "raise"
    with pytest.raises(MetadataError, match="expected one of convert, raise"):
        options.unit_mixing = "never"
    with pytest.raises(MetadataError, match="no setting"), options.using(unit_mixin="raise"):
        pass
    assert options.unit_mixing == "convert"


@pytest.mark.parametrize(("time", "hours"), [("min", 1 / 60), ("day", 24), ("h", 1), ("wk", 168)])
@pytest.mark.parametrize("is_left", [True, False])
def test_a_time_of_any_unit_times_power_is_energy(time: str, hours: float, is_left: bool) -> None:
    rule = unit_rule("*", *((time, "kW") if is_left else ("kW", time)))
    assert rule.unit == "kWh"
    x, y = rule.converted(*((90.0, 2.0) if is_left else (2.0, 90.0)))
    assert x * y == pytest.approx(180 * hours)


def test_a_time_keeps_its_own_product_where_that_has_a_name() -> None:
    assert unit_rule("*", "kW", "s").unit == "kJ"
    assert unit_rule("*", "°F", "day").unit is None
    assert Number(10, "gal/min") * Number(2, "h") == Number(1200, "gal")
    assert Number(30, "kWh") / Number(90, "min") == Number(20, "kW")
    assert (Number(90, "min") / Number(30, "kWh")).unit is None


@pytest.mark.parametrize(
    ("text", "system"),
    [("si", "si"), ("SI", "si"), ("Metric", "si"), ("ip", "ip"), ("imperial", "ip"), ("US", "ip"), ("kW", None)],
)
def test_a_system_is_known_by_the_names_that_people_give_it(text, system):
    assert system_of(text) == system
    assert units.find(text) is None or system is None
    assert system is None or units.to_system("°F" if system == "si" else "°C", text) == (
        "°C" if system == "si" else "°F"
    )
