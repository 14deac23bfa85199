"""A value is written at a level of a point: checked first, in the point's unit, and read back."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import CallError, HsFrameError, MetadataError, RequestTimeoutError, UnitError, UnknownRecError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NA, Number, Ref
from hsframe.server.database import Database
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import RunningServer, running_server

COLUMNS = ["id", "dis", "unit", "level", "value", "status", "on_server", "effective_level", "effective", "note"]


@pytest.fixture
def server() -> Iterator[RunningServer]:
    database = Database(tz="New_York")
    common = {"point": MARKER, "writable": MARKER, "cur": MARKER}
    for name, tags in {
        "sp": {"kind": "Number", "unit": "°F"},
        "bare": {"kind": "Number"},
        "fan": {"kind": "Bool"},
        "mode": {"kind": "Str"},
        "odd": {},
    }.items():
        database.add({"id": Ref(name), "dis": f"Point {name}", **common, **tags})
    database.add({"id": Ref("sensor"), "dis": "Sensor", "point": MARKER, "kind": "Number", "unit": "°F"})
    with running_server(database) as running:
        yield running


@pytest.fixture
def s(server: RunningServer) -> Iterator[hsframe.Session]:
    with hsframe.connect(server.uri, "demo", "demo") as session:
        yield session


def stored(server: RunningServer, name: str = "sp", level: int = 10) -> object:
    entry = server.database.priorities(name).entry(level, 0.0)
    return None if entry is None else entry.val


def celsius() -> Any:
    """A value as people take it from a frame: 72 °F, converted."""
    return pd.Series([72.0], dtype="unit[°F]").hs.to("si").iloc[0]


def test_a_value_in_another_unit_is_refused_or_converted(s: hsframe.Session, server: RunningServer) -> None:
    with pytest.raises(
        UnitError, match=r"for @sp \(Point sp\) is in °C, the point in °F; pass convert=True; nothing w"
    ):
        s.point_write("sp", 10, celsius())
    for wrong in ("kW", "Δ°F"):
        for convert in (False, True):  # which would not help
            with pytest.raises(UnitError, match=f"@sp .* in {wrong}, the point in °F; {wrong} cannot be conv.*; noth"):
                s.point_write("sp", 10, Number(3, wrong), convert=convert)
    with pytest.raises(UnitError, match=r"the point in none; write float\(value\)"):
        s.point_write("bare", 10, celsius(), convert=True)
    with pytest.raises(CallError, match="the server converts nothing"):  # the client knows no record
        s.run(lambda c: c.point_write("sp", 10, celsius()))
    assert stored(server) is None
    report = s.point_write("sp", 10, celsius(), convert=True)
    assert list(report.columns) == COLUMNS
    row = report.iloc[0]
    assert row["value"].unit == "°F"
    assert math.isclose(row["value"].val, 72)
    assert row["on_server"] == stored(server) == row["value"] == row["effective"]
    assert row.drop(["value", "on_server", "effective"]).tolist() == [*("sp", "Point sp", "°F", 10, "written", 10, "")]


@pytest.mark.parametrize("value", [72.5, 72, np.float32(72.5), Number(72), np.int16(72)])
def test_a_number_without_a_unit_is_in_the_points_and_the_report_says_so(
    s: hsframe.Session, server: RunningServer, value: Any
) -> None:
    row = s.point_write("sp", 10, value).iloc[0]
    assert row["value"] == row["on_server"] == stored(server) == Number(float(value), "°F")
    assert row["note"] == "without a unit: taken to be in °F"
    assert s.point_write("bare", 10, value).iloc[0]["note"] == ""
    assert s.point_write("sp", 10, Number(70, "fahrenheit")).iloc[0]["value"] == Number(70, "°F")  # the record's name


def test_other_kinds_and_none(s: hsframe.Session, server: RunningServer) -> None:
    assert s.point_write("fan", 8, np.True_, duration="1h").iloc[0]["on_server"] is True
    assert s.point_write("mode", 10, "auto").iloc[0]["on_server"] == "auto"
    assert (stored(server, "fan", 8), stored(server, "mode")) == (True, "auto")
    row = s.point_write("fan", 8, None).iloc[0]
    assert (row["value"], row["on_server"], row["status"]) == (None, None, "written")
    assert pd.isna(row["effective_level"])
    for name, value, kind in [("fan", 1, "Bool"), ("sp", True, "Number"), ("sp", "72", "Number"), ("mode", 1, "Str")]:
        with pytest.raises(MetadataError, match=rf"@{name} .* must be of kind {kind}; got .*nothing was sent"):
            s.point_write(name, 10, value)
    with pytest.raises(MetadataError, match="must be of kind Number, Bool or Str"):
        s.point_write("odd", 10, Ref("a"))
    with pytest.raises(UnknownRecError):
        s.point_write("nobody", 10, 1)


def test_a_dry_run_sends_nothing(s: hsframe.Session, server: RunningServer) -> None:
    s.point_write("sp", 10, Number(70, "°F"))
    s.point_write("sp", 8, Number(60, "°F"))
    row = s.point_write("sp", 10, celsius(), dry_run=True, convert=True).iloc[0]
    assert math.isclose(row["value"].val, 72)
    assert (row["status"], row["on_server"], row["note"]) == ("dry run", Number(70, "°F"), "")
    assert (row["effective_level"], row["effective"]) == (8, Number(60, "°F"))
    assert stored(server) == Number(70, "°F")
    with pytest.raises(UnitError):
        s.point_write("sp", 10, celsius(), dry_run=True)
    with pytest.raises(CallError, match="not writable"):
        s.point_write("sensor", 10, 1, dry_run=True)


@pytest.mark.parametrize("level", [0, 18, -1, 8.5, math.nan, math.inf, True, "8", None, Number(8, "m")])
def test_a_level_that_does_not_exist_is_refused(s: hsframe.Session, server: RunningServer, level: Any) -> None:
    for write in (s.point_write, lambda *args: s.run(lambda c: c.point_write(*args))):
        with pytest.raises(MetadataError, match="level must be a whole number from 1"):
            write("sp", level, 1)
    assert server.database.commanded() == [] or stored(server, level=1) is None


@pytest.mark.parametrize("value", [math.nan, math.inf, -np.inf, np.float32("nan"), Number(math.nan), NA])
def test_what_is_not_a_set_point_is_refused_unless_said(s: hsframe.Session, server: RunningServer, value: Any) -> None:
    with pytest.raises(MetadataError, match=r"val must be a finite number.*or None.*inf='send'"):
        s.point_write("bare", 10, value)
    with pytest.raises(MetadataError, match="inf='send'"):
        s.run(lambda c: c.point_write("bare", 10, value))
    assert stored(server, "bare") is None
    if value is not NA:
        row = s.point_write("bare", 10, value, inf="send").iloc[0]
        assert row["status"] == "written"
        assert stored(server, "bare") == Number(float(value))


@pytest.mark.parametrize(
    ("level", "value", "duration", "error", "words"),
    [
        (10, 70, "1h", MetadataError, "a duration must come with a value at level 8; got level 10"),
        (8, None, "1h", MetadataError, "a duration must come with a value at level 8"),
        (8, 70, Number(60, "°F"), HsFrameError, "duration=.* is not a unit of time"),
        (8, 70, Number(-5, "min"), HsFrameError, "must be positive"),
        (8, 70, "1mo", HsFrameError, "differ in length"),
    ],
)
def test_a_duration_that_would_not_hold_is_refused(
    s: hsframe.Session, server: RunningServer, level: int, value: Any, duration: Any, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        s.point_write("sp", level, value, duration=duration)
    assert stored(server, level=level) is None


def test_a_duration_keeps_its_unit(s: hsframe.Session, server: RunningServer) -> None:
    seen: list[object] = []

    def noted(call: Call, run: Callable[[Call], Grid]) -> Grid:
        seen.extend(call.grid.column("duration") if call.grid.has_col("duration") else ())
        return run(call)

    wrap_op(server.app, "pointWrite", noted)
    minutes = pd.Series([5.0], dtype="unit[min]").iloc[0]
    for duration in (minutes, 90, Number(2, "hr"), Number(30), "1.5h"):
        s.point_write("sp", 8, Number(70, "°F"), duration=duration)
    assert seen == [Number(300, "s"), Number(90, "s"), Number(2, "hr"), Number(30, "s"), Number(5400, "s")]


# After it was sent -----------------------------------------------------------------------------------------------


def writes(server: RunningServer, wrapper: Callable[[Call, Callable[[Call], Grid]], Grid]) -> None:
    """Have a function stand for pointWrite where it writes, not where it reads."""
    wrap_op(server.app, "pointWrite", lambda call, run: wrapper(call, run) if call.grid.has_col("val") else run(call))


def changed(call: Call, value: object) -> Call:
    named = zip(call.grid.col_names, call.grid.columns, strict=True)
    columns = [(value,) if name == "val" else cells for name, cells in named]
    return replace(call, grid=Grid(call.grid.meta, call.grid.cols, columns))


@pytest.mark.parametrize(
    ("kept", "status"),
    [(Number(72.1234588623047, "°F"), "written"), (Number(72.13, "°F"), "differs"), (None, "differs")],
)
def test_what_the_server_has_then(s: hsframe.Session, server: RunningServer, kept: Any, status: str) -> None:
    """Single precision is the same value; another one, or none, is not."""
    writes(server, lambda call, run: run(changed(call, kept)))
    row = s.point_write("sp", 10, Number(72.12345678, "°F")).iloc[0]
    assert (row["status"], row["on_server"]) == (status, kept)


def test_a_server_that_writes_after_it_has_answered(s: hsframe.Session, server: RunningServer) -> None:
    late: list[Callable[[], Grid]] = []
    looks: list[object] = []

    def later(call: Call, run: Callable[[Call], Grid]) -> Grid:
        if call.grid.has_col("val"):
            late.append(lambda: run(call))
            return Grid()
        looks.append(call)
        if len(looks) == 3:
            late.pop()()
        return run(call)

    wrap_op(server.app, "pointWrite", later)
    assert s.point_write("sp", 10, Number(70, "°F"))["status"].tolist() == ["written"]
    assert stored(server) == Number(70, "°F")


def test_a_level_that_cannot_be_read_back_is_written_all_the_same(s: hsframe.Session, server: RunningServer) -> None:
    def refused(call: Call, run: Callable[[Call], Grid]) -> Grid:
        if not call.grid.has_col("val"):
            raise OpRefusal("no reading here", "PermissionErr")
        return run(call)

    wrap_op(server.app, "pointWrite", refused)
    row = s.point_write("sp", 10, 70).iloc[0]
    assert (row["status"], row["on_server"]) == ("written", None)
    assert "taken to be in °F; the level could not be read back: " in row["note"]
    assert "no reading here" in row["note"]


def test_a_write_that_is_not_answered_is_not_called_failed(server: RunningServer) -> None:
    with (
        running_server(server.database, quirks=["slow-write=60"]) as slow,
        hsframe.connect(slow.uri, "demo", "demo", timeout=0.2) as s,
        pytest.raises(RequestTimeoutError) as caught,
    ):
        s.point_write("sp", 10, 70)
    assert "it is not known whether the server has written level 10 of @sp" in caught.value.__notes__[0]
    assert "point_write_array('@sp')" in caught.value.__notes__[0]


def test_the_asynchronous_face(server: RunningServer) -> None:
    async def run() -> pd.DataFrame:
        async with hsframe.AsyncSession(server.uri, "demo", "demo") as s:
            with pytest.raises(UnitError, match="nothing was sent"):
                await s.point_write("sp", 10, celsius())
            assert [point.unit for point in s.known_points] == []
            report = await s.point_write("sp", 10, celsius(), convert=True)
            assert [point.unit for point in s.known_points] == ["°F"]
            return report

    assert asyncio.run(run())["status"].tolist() == ["written"]
