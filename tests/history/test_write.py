"""What is called written is on the server; what cannot be written right is not sent."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import hsframe
from hsframe.columns import ArrowColumn, NumberColumn, StrColumn
from hsframe.errors import CallError, HTTPStatusError, RequestTimeoutError
from hsframe.frame.his_grids import PointSamples, frame_columns
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.grid import Col, Grid
from hsframe.history.compare import MISSING, compare
from hsframe.history.point_records import PointRecord
from hsframe.history.write import _pieces, write_histories
from hsframe.history.write_report import WriteReport
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server

MINUTE_US = 60_000_000
FIRST_US = 1_793_505_600_000_000  # 2026-11-01T04:00Z, the day of 25 hours in New York

UNITS = {"a": "kW", "b": "°F", "c": None, "d": "kWh"}


def empty_building() -> Database:
    database = Database(tz="New_York")
    for name, unit in UNITS.items():
        tags = {"id": Ref(name), "dis": f"Point {name}", "point": MARKER, "his": MARKER, "kind": "Number"}
        database.add({**tags, "tz": "New_York", **({"unit": unit} if unit else {})})
    tags = {"point": MARKER, "his": MARKER, "tz": "Brisbane"}
    database.add({"id": Ref("fan"), "dis": "Fan", "kind": "Bool", **tags})
    database.add({"id": Ref("mode"), "dis": "Mode", "kind": "Str", **tags})
    return database


@pytest.fixture(
    params=[(), ("drop-batch-write",), ("haxall",), ("body-limit=4000",), ("only-5",)], ids=lambda quirks: str(quirks)
)
def server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    with running_server(empty_building(), quirks=request.param) as running:
        yield running


@pytest.fixture
def plain() -> Iterator[RunningServer]:
    with running_server(empty_building()) as running:
        yield running


def frame(rows: int = 100) -> pd.DataFrame:
    index = pd.DatetimeIndex(
        FIRST_US + np.arange(rows) * 15 * MINUTE_US, dtype="datetime64[us, UTC]", name="ts"
    ).tz_convert("Europe/London")  # fmt: skip
    numbers = np.arange(rows, dtype=np.float64) + 0.25
    holes = numbers.copy()
    holes[::3] = np.nan
    return pd.DataFrame(
        {
            "a": pd.array(numbers, dtype="unit[kW]"),
            "b": pd.array(holes, dtype="unit[°F]"),
            "c": numbers,
            "d": pd.array(numbers * 10, dtype="unit[kWh]"),
            "fan": pd.array(numbers.astype(int) % 2 == 0, dtype="boolean"),
            "mode": pd.Categorical(["auto" if n % 2 else "off" for n in range(rows)]),
        },
        index=index,
    )


IDS = {name: f"@{name}" for name in ("a", "b", "c", "d", "fan", "mode")}


def test_every_sample_is_on_the_server_afterwards(server: RunningServer) -> None:
    df = frame()
    with hsframe.connect(server.uri, "demo", "demo") as s:
        report = s.his_write(df, points=IDS)
        assert report["id"].tolist() == ["a", "b", "c", "d", "fan", "mode"]
        assert report["rows"].tolist() == [100, 66, 100, 100, 100, 100]
        assert set(report["status"]) == {"written"}
        assert report["unit"].tolist()[:2] == ["kW", "°F"]
        assert report["first"].tolist()[0] == df.index[0]
        assert report["last"].tolist()[0] == df.index[-1]
        deadline = time.monotonic() + 5
        while True:
            again = s.his_read(list(IDS), (df.index[0], None), header="id", tz="UTC")
            # Haxall takes samples first and stores them later: a read right after may be stale.
            if (again[list(IDS)].count() == df[list(IDS)].count()).all() or time.monotonic() > deadline:
                break
    for name in IDS:
        written = df[name].dropna()
        found = again[name].dropna()
        assert found.index.as_unit("us").asi8.tolist() == written.index.as_unit("us").asi8.tolist()
        assert found.tolist() == written.tolist()
    for name in IDS:
        assert len(server.database.history(name)) == df[name].notna().sum()


def test_the_same_write_again_changes_nothing(plain: RunningServer) -> None:
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        s.his_write(frame(), points=IDS)
        s.his_write(frame(), points=IDS)
    assert len(plain.database.history("a")) == 100


def test_a_dropped_batch_is_found_out_and_remembered() -> None:
    with (
        running_server(empty_building(), quirks=["drop-batch-write"]) as server,
        hsframe.connect(server.uri, "demo", "demo") as s,
    ):
        s.his_write(frame()[["a", "b", "c"]], points={name: IDS[name] for name in "abc"})
        assert s.client.dialect.his_write_batch is False
        assert [len(server.database.history(name)) for name in "abc"] == [100, 66, 100]


def test_a_label_can_be_an_id(plain: RunningServer) -> None:
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        s.his_write(frame()[["a"]].rename(columns={"a": "@a"}))
    assert len(plain.database.history("a")) == 100


def test_a_dry_run_sends_nothing(plain: RunningServer) -> None:
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        report = s.his_write(frame(), points=IDS, dry_run=True)
    assert report["rows"].tolist() == [100, 66, 100, 100, 100, 100]
    assert set(report["status"]) == {"dry run"}
    assert len(plain.database.history("a")) == 0


def test_labels_can_be_names_of_points_that_were_read(plain: RunningServer) -> None:
    df = frame()[["a", "c"]].set_axis(["Point a", "Point c"], axis=1)
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        with pytest.raises(hsframe.MetadataError, match="'Point a' belongs to no known point"):
            s.his_write(df)
        s.read("point")
        assert s.his_write(df)["id"].tolist() == ["a", "c"]
        assert len(hsframe.frame_to_his_grids(df)) == 1


def test_a_frame_that_was_read_finds_its_points(plain: RunningServer) -> None:
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        s.his_write(frame(), points=IDS)
        df = s.his_read(["a", "b"], "2026-11-01")
        corrected = df + 1
        assert s.his_write(corrected)["rows"].tolist() == [100, 66]
        again = s.his_read(["a", "b"], "2026-11-01")
    pd.testing.assert_frame_equal(again, corrected)


def bad_frames() -> dict[str, tuple[pd.DataFrame, type[Exception], str]]:
    df = frame(4)[["a", "b"]]
    twice = pd.concat([df, df.iloc[[1]]])
    infinite = df.copy()
    infinite["a"] = pd.array([1.0, np.inf, 2.0, 3.0], dtype="unit[kW]")
    return {
        "naive": (df.tz_localize(None), hsframe.ZoneError, "naive"),
        "twice": (twice, hsframe.MetadataError, "comes twice, in rows 1 and 4"),
        "unit": (df.assign(b=pd.array([1.0, 2, 3, 4], dtype="unit[°C]")), hsframe.UnitError, "'b'.*row 0.*°C.*°F"),
        "column": (df.assign(x=1.0), hsframe.MetadataError, "'x'"),
        "infinite": (infinite, hsframe.MetadataError, "'a'.*row 1.*inf"),
        "kind": (df.assign(a=["x", "y", "z", "w"]), hsframe.MetadataError, "'a'.*Str.*Number"),
        "unknown": (df.rename(columns={"b": "@nobody"}), hsframe.UnknownRecError, "@nobody"),
    }


@pytest.mark.parametrize("what", list(bad_frames()))
def test_what_cannot_be_written_right_is_refused_and_nothing_sent(plain: RunningServer, what: str) -> None:
    df, error, match = bad_frames()[what]
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        points = {label: f"@{label}" for label in df.columns if label in ("a", "b")}
        with pytest.raises(error, match=match):
            s.his_write(df, points=points)
    assert len(plain.database.history("a")) == len(plain.database.history("b")) == 0


def test_another_unit_is_converted_when_asked(plain: RunningServer) -> None:
    df = frame(3)[["b"]].assign(b=pd.array([0.0, 100.0, np.nan], dtype="unit[°C]"))
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        s.his_write(df, points={"b": "@b"}, convert=True)
        found = s.his_read("@b", "2026-11-01")
    assert found["Point b"].to_numpy(dtype=float) == pytest.approx([32.0, 212.0])
    assert found.hs.units == {"Point b": "°F"}


def test_numbers_of_several_units_are_converted_by_the_record(plain: RunningServer) -> None:
    numbers = [Number(32, "°F"), Number(100, "°C"), Number(50)]
    df = frame(3)[["b"]].assign(b=pd.Series(numbers, dtype=object, index=frame(3).index))
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        with pytest.raises(hsframe.UnitError, match=r"'b'.*row 1"):
            s.his_write(df, points={"b": "@b"})
        assert len(plain.database.history("b")) == 0
        s.his_write(df, points={"b": "@b"}, convert=True)
        found = s.his_read("@b", "2026-11-01")
    assert found["Point b"].to_numpy(dtype=float) == pytest.approx([32.0, 212.0, 50.0])


def test_an_empty_frame_writes_nothing(plain: RunningServer) -> None:
    with hsframe.connect(plain.uri, "demo", "demo") as s:
        assert len(s.his_write(frame()[[]])) == 0
        report = s.his_write(frame(3)[["a"]] * np.nan, points={"a": "@a"})
    assert report[["id", "rows", "status"]].values.tolist() == [["a", 0, "no samples"]]
    assert report["note"].tolist() == ["rows without a value, which write and remove nothing: 3"]


def series(values: list[Any], *, seconds: float = 0.5) -> History:
    """A history that is a quarter of an hour long a sample, some of it between two seconds."""
    ts_us = FIRST_US + np.arange(len(values)) * 15 * MINUTE_US + int(seconds * 1e6)
    if isinstance(values[0], str):
        return History(Point("a"), ts_us, StrColumn(pa.array(values)))
    return History(Point("a"), ts_us, NumberColumn(pa.array(values, pa.float64()), "kW"))


def samples(history: History) -> PointSamples:
    """The same as what is to be written."""
    assert isinstance(history.values, ArrowColumn)
    return PointSamples(history.point, "New_York", history.ts_us, history.values)


@pytest.mark.parametrize(
    ("found", "holds"),
    [
        (series([0.94, 2.0, 3.0]), True),
        (series([float(np.float32(0.94)), 2.0, 3.0]), True),  # single precision
        (series([0.94, 2.0, 3.0], seconds=0), True),  # whole seconds
        (series([9.0, 0.94, 2.0, 3.0]), False),
        (series([0.94, 2.0, 3.0, 4.0]), True),  # more is there than was sent
        (series([0.94, 2.0]), False),
        (series([0.94, 2.0, 3.001]), False),
        (series(["a", "b", "c"]), False),
        (History(Point("a"), series([1.0, 2.0, 3.0]).ts_us, [Number(0.94, "kW"), Number(2), Number(3)]), True),
        (History(Point("a"), series([1.0, 2.0, 3.0]).ts_us, [None, Number(2), Number(3)]), False),
    ],
)
def test_what_counts_as_there(found: History, holds: bool) -> None:
    sent = samples(series([0.94, 2.0, 3.0]))
    assert compare([found], sent).all_same is holds
    # In two windows, the later of which wins.
    old = replace(found, ts_us=found.ts_us[:1], values=[Number(7.0)])
    assert compare([old, found], sent).all_same is holds
    assert compare([], sent).count(MISSING) == 3


def test_texts_that_count_as_there() -> None:
    assert compare([series(["a", "b"])], samples(series(["a", "b"]))).all_same
    assert not compare([series(["a", "c"])], samples(series(["a", "b"]))).all_same


# Servers that refuse -----------------------------------------------------------------------------------------------


class Refusing:
    """Stands for a client whose server refuses some points, or bodies of many rows."""

    def __init__(self, bad: str = "", most_rows: int = 10**9, late: bool = False) -> None:
        from hsframe.protocol.dialects import Dialect

        self.dialect, self.max_concurrency = Dialect(), 6
        self.bad, self.most_rows, self.late = bad, most_rows, late
        self.taken: dict[str, list[Any]] = {}
        self.calls = 0

    async def call(self, op: str, grid: Grid) -> Grid:
        assert op == "hisWrite"
        self.calls += 1
        ident = grid.meta.get("id")
        if ident is None:
            raise CallError("no batches here", Grid({"err": MARKER}))
        if len(grid) > self.most_rows:
            raise RequestTimeoutError("late") if self.late else HTTPStatusError("big", status=413, url="http://x")
        if ident.val in self.bad:
            raise CallError("no access", Grid({"err": MARKER, "dis": "no access"}))
        self.taken.setdefault(ident.val, []).extend(grid.column("val"))
        return Grid()


def write(client: Refusing, names: str, rows: int = 20) -> None:
    points = {name: Point(name, f"Point {name}", "kW", "New_York", "Number") for name in names}
    df = pd.DataFrame(
        {name: np.arange(rows, dtype=np.float64) for name in names},
        pd.DatetimeIndex(FIRST_US + np.arange(rows) * MINUTE_US, dtype="datetime64[us, UTC]"),
    )
    samples = [column.samples(column.point) for column in frame_columns(df, points, (), inf="refuse", convert=False)]
    report = WriteReport(samples, {name: PointRecord(point) for name, point in points.items()})
    asyncio.run(write_histories(client, report))  # type: ignore[arg-type]


def test_a_refused_point_is_named_and_what_was_written_too() -> None:
    client = Refusing(bad="b")
    with pytest.raises(CallError, match=r"samples of @b \(Point b\): no access; written: @a, @c"):
        write(client, "abc")
    assert sorted(client.taken) == ["a", "c"]
    with pytest.raises(CallError, match=r"@b \(Point b\) \(and 1 more\).*written: @a"):
        write(Refusing(bad="bc"), "abc")


def test_what_is_too_large_goes_in_halves() -> None:
    client = Refusing(most_rows=3)
    write(client, "ab", rows=20)
    assert client.taken["a"] == [Number(value, "kW") for value in range(20)]
    with pytest.raises((HTTPStatusError, CallError)):
        write(Refusing(most_rows=0), "a")


def test_what_timed_out_is_not_sent_again() -> None:
    """As the table of retries says: the server may be at it still."""
    client = Refusing(most_rows=3, late=True)
    with pytest.raises(RequestTimeoutError):
        write(client, "a", rows=20)
    assert client.calls == 1


def test_pieces_hold_all_rows_in_bodies_that_are_short_enough() -> None:
    text = "a text that is rather long, äöü"
    times = [pd.Timestamp(FIRST_US + n, unit="us", tz="UTC").to_pydatetime() for n in range(500)]
    grid = Grid({"id": Ref("a")}, [Col("ts"), Col("val")], [times, StrColumn(pa.array([text] * 500))])
    pieces = _pieces(grid, 20_000)
    assert sum(map(len, pieces)) == 500
    assert all(piece.meta["id"] == Ref("a") for piece in pieces)
    assert len(pieces) > 1
    for format in ("zinc", "json", "json3"):
        bodies = [hsframe.encode(piece, format) for piece in pieces]
        assert max(map(len, bodies)) < 2 * 20_000
    assert _pieces(grid, 10**9) == [grid]
