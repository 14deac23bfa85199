"""Every number with a unit goes out with it: each class of number, by each verb that writes, in each format."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import hsframe
from hsframe.codecs.formats import CALL_FORMATS
from hsframe.errors import CodecError, MetadataError, UnitError
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol.request_grids import as_kind
from hsframe.server.database import Database
from hsframe.server.state import Call
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import RunningServer, running_server
from hsframe.unit_array.scalars import UnitFloat
from hsframe.units.pint_units import pint_unit

pint = pytest.importorskip("pint")

SP = Ref("sp")
NOON = datetime(2026, 7, 1, 12, tzinfo=UTC)
UNITS = ("°F", "kW", "%", "kWh/ft²", "gH₂O/kgAir", "W/m²", "_custom")


def column(val: float, unit: str) -> pd.Series[Any]:
    return pd.Series([val, val], dtype=f"unit[{unit}]", index=pd.DatetimeIndex([NOON, NOON + pd.Timedelta("1h")]))


def two_units(val: float, unit: str) -> pd.DataFrame:
    return pd.DataFrame({"x": column(val, unit), "y": column(1.0, "Δ°F")})


WITH_UNIT: dict[str, Callable[[float, str], object]] = {
    "Number": Number,
    "UnitFloat": UnitFloat,
    "Number of a UnitFloat": lambda val, unit: Number(UnitFloat(val, unit)),
    "iloc": lambda val, unit: column(val, unit).iloc[0],
    "item": lambda val, unit: column(val, unit)[:1].item(),
    "tolist": lambda val, unit: column(val, unit).tolist()[0],
    "mean": lambda val, unit: column(val, unit).mean(),
    "numpy max": lambda val, unit: np.max(column(val, unit)),
    "a row": lambda val, unit: two_units(val, unit).iloc[0]["x"],
    "mean of a frame": lambda val, unit: two_units(val, unit).mean()["x"],
    "itertuples": lambda val, unit: next(two_units(val, unit).itertuples()).x,
    "pint": lambda val, unit: pint.Quantity(val, pint_unit(unit)),
    "pint of numpy": lambda val, unit: pint.UnitRegistry().Quantity(np.float64(val), pint_unit(unit)),
}
WITHOUT_UNIT: dict[str, Callable[[float], object]] = {
    "float": float,
    "int": int,
    "float64": np.float64,
    "int32": np.int32,
    "0-d array": np.array,
    "longdouble": np.longdouble,
    "float16": np.float16,
    "Decimal": Decimal,
    "Fraction": Fraction,
    "0-d longdouble": lambda val: np.array(val, dtype=np.longdouble),
    "Number of a Decimal": lambda val: Number(Decimal(val)),  # type: ignore[arg-type]
}
TOO_LARGE: dict[str, object] = {
    "int": 10**400,
    "negative int": -(10**5000),
    "longdouble": np.longdouble("1e400"),
    "Decimal": Decimal("1e400"),
    "Fraction": Fraction(10**400, 3),
}

Send = Callable[[hsframe.Session, object], object]
Sent = Callable[[Grid], object]


def by_client(verb: Callable[[hsframe.Client, object], Any]) -> Send:
    return lambda s, val: s.run(verb, val)


def his_grid(name: str, meta: dict[str, object], val: object) -> Grid:
    return Grid({}, ["ts", Col(name, meta)], [[NOON], [val]])


VERBS: dict[str, Send] = {
    "Client.point_write": by_client(lambda c, val: c.point_write(SP, 16, val)),
    "Client.his_write": by_client(lambda c, val: c.his_write(SP, [{"ts": NOON, "val": val}])),
    "Client.his_write of a grid": by_client(lambda c, val: c.his_write(SP, his_grid("val", {}, val))),
    "Client.his_write_batch": by_client(lambda c, val: c.his_write_batch(his_grid("v0", {"id": SP}, val))),
    "Client.invoke_action": by_client(lambda c, val: c.invoke_action(SP, "set", {"val": val})),
    "invoke_action": lambda s, val: s.invoke_action(SP, "set", {"val": val}),
    "point_write": lambda s, val: s.point_write(SP, 16, val),
    "his_write": lambda s, val: s.his_write(
        pd.DataFrame({"@sp": pd.Series([val], dtype=object, index=pd.DatetimeIndex([NOON]))})
    ),
}
# Grids of a caller's own are written as they are: of a class that is not the writer's, only floats are taken.
GRIDS: dict[str, Send] = {
    "invoke_action of a grid": lambda s, val: s.invoke_action(SP, "set", Grid({}, ["val"], [[val]])),
    "call": lambda s, val: s.call("pointWrite", Grid({}, ["id", "level", "val"], [[SP], [Number(16)], [val]])),
}


class Wire:
    """A server with one point, and the value of the last request that wrote, as the server has read it."""

    def __init__(self, server: RunningServer) -> None:
        self.server, self.last = server, Grid()
        for op in ("pointWrite", "hisWrite", "invokeAction"):
            wrap_op(server.app, op, self.note)

    def note(self, call: Call, run: Callable[[Call], Grid]) -> Grid:
        if len(call.grid.cols) > 1 or call.grid.has_col("val"):  # no reading of the levels
            self.last = call.grid
        return run(call)

    def sent(self) -> object:
        column = "val" if self.last.has_col("val") else self.last.col_names[1]
        return self.last[0][column]

    def unit(self, unit: str | None) -> None:
        self.server.database.update("sp", {"unit": unit})


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    database = Database(tz="New_York")
    tags = {"point": MARKER, "his": MARKER, "writable": MARKER, "kind": "Number", "tz": "New_York"}
    database.add({"id": SP, "dis": "Setpoint", **tags})
    database.actions["set"] = lambda db, rec, args: Grid()
    with running_server(database) as server:
        yield Wire(server)


@pytest.mark.parametrize("format", CALL_FORMATS)
@pytest.mark.parametrize("verb", [*VERBS, *GRIDS])
def test_the_unit_goes_out(wire: Wire, format: str, verb: str) -> None:
    classes = WITH_UNIT if verb in VERBS else {name: make for name, make in WITH_UNIT.items() if "pint" not in name}
    send = (VERBS | GRIDS)[verb]

    @settings(max_examples=12)
    @given(st.floats(-1e9, 1e9), st.sampled_from(UNITS), st.sampled_from(sorted(classes)))
    def check(val: float, unit: str, name: str) -> None:
        if "pint" in name and unit in ("gH₂O/kgAir", "_custom"):
            unit = "kW"  # the one is a plain g/kg to pint, the other nothing
        wire.unit(unit)
        send(s, classes[name](val, unit))
        assert wire.sent() == Number(val, unit)

    with hsframe.connect(wire.server.uri, "demo", "demo", format=format) as s:
        check()


@pytest.mark.parametrize("verb", [*VERBS, *GRIDS])
@pytest.mark.parametrize("name", TOO_LARGE)
def test_what_no_double_holds_is_refused(wire: Wire, verb: str, name: str) -> None:
    wire.last = Grid()
    with hsframe.connect(wire.server.uri, "demo", "demo") as s:
        with pytest.raises((MetadataError, CodecError), match=r"a Number is a double, at most 1\.8e308; got a larger"):
            (VERBS | GRIDS)[verb](s, TOO_LARGE[name])
        with pytest.raises(MetadataError, match="a Number is a double"):
            Number(TOO_LARGE[name], "kW")  # type: ignore[arg-type]
    assert wire.last == Grid()


@pytest.mark.parametrize("verb", VERBS)
def test_numbers_without_a_unit_are_taken(wire: Wire, verb: str) -> None:
    wire.unit("kW")
    with hsframe.connect(wire.server.uri, "demo", "demo") as s:
        for make in WITHOUT_UNIT.values():
            VERBS[verb](s, make(21))
            # What checks against the record says the unit of the record.
            assert wire.sent() == Number(21, "kW" if verb in ("point_write", "his_write") else None)


class Foreign(np.ndarray[Any, Any]):
    """A number of a library that hsframe does not know, as astropy's and unyt's."""

    unit = object()


@pytest.mark.parametrize("verb", VERBS)
def test_a_unit_that_cannot_be_written_is_never_dropped(wire: Wire, verb: str) -> None:
    wire.unit("kW")
    wire.last = Grid()
    foreign = np.array(21.0).view(Foreign)
    with hsframe.connect(wire.server.uri, "demo", "demo") as s:
        with pytest.raises(UnitError, match=r"class object, which cannot be written.*Number\(22.5, '°C'\)"):
            VERBS[verb](s, foreign)
        with pytest.raises(UnitError, match="is not a unit of the Haystack table"):
            VERBS[verb](s, pint.Quantity(2.0, "furlong / fortnight"))
    assert wire.last == Grid()


def test_a_time_is_not_a_number_with_a_unit() -> None:
    """Timestamps and Timedeltas of pandas have an attribute ``unit``."""
    when = pd.Timestamp(NOON)
    assert as_kind(when) is when
    assert as_kind(pd.Timedelta("5min")) == as_kind(np.timedelta64(5, "m")) == Number(300, "s")


@pytest.mark.parametrize(
    ("pints", "symbol"), [("watt / meter ** 2", "W/m²"), ("kelvin", "K"), ("1 / hour", "/h"), ("", "ppu")]
)
def test_of_several_units_that_are_one_to_pint_the_plainest(pints: str, symbol: str) -> None:
    assert as_kind(pint.Quantity(3, pints)) == Number(3, symbol)
