"""Frames of several units, and what ``df.hs`` does with them."""

import io
import pickle
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import MetadataError, UnitError, ZoneError
from hsframe.frame.combine import concat
from hsframe.frame.convert import grid_to_frame
from hsframe.frame.entities import entity_frame
from hsframe.frame.points import Point, attach, differing_of
from hsframe.frame.stamps import Interval, note_interval, noted_interval
from hsframe.frame.unit_results import with_units
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Number, Ref
from hsframe.unit_array.dtype import UnitDtype

F, KW = UnitDtype("°F"), UnitDtype("kW")


@pytest.fixture
def frame():
    index = pd.date_range("2024-03-10", periods=6, freq="h", tz=ZoneInfo("America/New_York"), unit="us", name="ts")
    df = pd.DataFrame(
        {
            "Zone": pd.array([70.0, 71.0, np.nan, 73.0, 73.0, 73.0], dtype=F),
            "Meter": pd.array([1.0, 2.0, 3.0, 4.0, 5.0, np.inf], dtype=KW),
            "COP": [1.0, 2.0, 3.0, 4.0, 5.0, 6.0],
            "Fan": pd.array([True, None, False, True, True, True], dtype="boolean"),
            "Mode": pd.Categorical(["off", "heat", None, "heat", "heat", "off"]),
        },
        index=index,
    )
    attach(
        df, {"Zone": Point("z", "Zone", "°F", "New_York", "Number"), "Fan": Point("f", "Fan", None, "New_York", "Bool")}
    )
    return df


@pytest.fixture
def numbers(frame):
    return frame[["Zone", "Meter"]]


# Different units in one pandas operation ----------------------------------------------------------------------------


def test_a_row_over_different_units_is_numbers(numbers):
    row = numbers.iloc[0]
    assert row.dtype == object
    assert row.tolist() == [Number(70.0, "°F"), Number(1.0, "kW")]
    assert [type(value) for value in numbers.loc[numbers.index[1]]] == [Number, Number]
    assert np.isnan(numbers.iloc[2]["Zone"])


def test_a_row_keeps_plain_and_other_values_beside_numbers(frame):
    row = frame.iloc[0]
    assert row.tolist() == [Number(70.0, "°F"), Number(1.0, "kW"), 1.0, True, "off"]
    assert frame[["COP", "Meter"]].iloc[0].tolist() == [1.0, Number(1.0, "kW")]


def test_a_row_of_one_unit_keeps_the_dtype(numbers):
    two = pd.DataFrame({"a": numbers["Meter"], "b": numbers["Meter"]})
    assert two.iloc[0].dtype == KW
    assert two.mean().dtype == KW
    assert two.T.dtypes.tolist() == [KW] * 6
    assert two.sum(axis=1).dtype == KW
    assert two.max(axis=1).tolist() == numbers["Meter"].tolist()


def test_reductions_over_different_units_are_numbers(numbers):
    assert numbers.mean().tolist() == [Number(72.0, "°F"), Number(np.inf)]
    assert numbers.iloc[:2].max().tolist() == [Number(71.0, "°F"), Number(2.0, "kW")]
    assert numbers.iloc[:2].std().tolist() == [Number(2**-0.5, "Δ°F"), Number(2**-0.5, "kW")]


def test_concat_and_transpose_of_different_units_are_numbers(numbers):
    both = pd.concat([numbers["Zone"], numbers["Meter"]])
    assert both.dtype == object
    assert both.iloc[0] == Number(70.0, "°F")
    assert both.iloc[6] == Number(1.0, "kW")
    turned = numbers.T
    assert all(dtype.kind == "O" for dtype in turned.dtypes)
    assert turned.iloc[:, 0].tolist() == [Number(70.0, "°F"), Number(1.0, "kW")]
    assert numbers.stack().tolist()[:2] == [Number(70.0, "°F"), Number(1.0, "kW")]


def test_concat_with_a_frame_that_lacks_the_column(numbers):
    other = numbers[["Meter"]].rename(columns={"Meter": "Zone"})
    result = pd.concat([numbers[["Zone"]], other, pd.DataFrame({"x": [1.0]}, index=numbers.index[:1])])
    assert result["Zone"].dtype == object
    assert result["Zone"].iloc[0] == Number(70.0, "°F")
    assert result["Zone"].iloc[6] == Number(1.0, "kW")
    assert np.isnan(result["Zone"].iloc[-1])


@pytest.mark.parametrize("axis", [1, None])
@pytest.mark.parametrize("how", ["sum", "mean", "max", "std"])
def test_what_adds_up_different_units_is_refused_by_name(numbers, how, axis):
    with pytest.raises(UnitError, match=r"columns of °F and kW cannot be put together.*df\.hs\.to"):
        getattr(numbers, how)(axis=axis)


def test_units_survive_what_pandas_does(numbers):
    numbers = numbers.iloc[:5]
    rest = numbers.reset_index()
    results = {
        "slice": numbers.iloc[2:4],
        "head": numbers.head(2),
        "sort": numbers.sort_values("Zone"),
        "reindex": numbers.reindex(numbers.index.shift(1)),
        "resample": numbers.resample("2h").mean(),
        "groupby": numbers.groupby(numbers.index.hour).max(),
        "fillna": numbers.fillna(0),
        "ffill": numbers.ffill(),
        "interpolate": numbers.interpolate(),
        "shift": numbers.shift(2),
        "clip": numbers.clip(lower=2),
        "where": numbers.where(numbers["Meter"] > 1),
        "round": numbers.round(1),
        "dropna": numbers.dropna(),
        "concat": pd.concat([numbers, numbers]),
        "merge": rest.merge(rest[["ts"]], on="ts").set_index("ts"),
        "join": numbers[["Zone"]].join(numbers[["Meter"]]),
        "asof": pd.merge_asof(rest[["ts", "Zone"]], rest[["ts", "Meter"]], on="ts").set_index("ts"),
        "pickle": pickle.loads(pickle.dumps(numbers)),
        "copy": numbers.copy(),
        "tz": numbers.tz_convert("UTC"),
        "quantile": numbers.quantile([0.1, 0.9]),
        "cummax": numbers.cummax(),
        "drop_duplicates": numbers.drop_duplicates(),
        "combine_first": numbers.iloc[:3].combine_first(numbers),
        "mask": numbers.mask(numbers["Meter"] > 1),
        "query": numbers.query("Meter > 1"),
        "assign": numbers.assign(Meter=lambda df: df["Meter"] * 2),
    }
    wrong = {name: list(result.dtypes) for name, result in results.items() if list(result.dtypes) != [F, KW]}
    assert wrong == {}


def test_pivot_and_melt(numbers):
    long = numbers[["Zone"]].reset_index().melt(id_vars="ts")
    assert long["value"].dtype == F
    assert long.pivot(index="ts", columns="variable", values="value").dtypes["Zone"] == F


def test_copy_on_write(numbers):
    before = numbers["Zone"].tolist()[0]
    part = numbers.iloc[:3]
    part.iloc[0, 0] = 0.0
    column = numbers["Zone"]
    column.iloc[0] = 1.0
    assert numbers["Zone"].tolist()[0] == before
    values = numbers["Zone"].to_numpy()
    assert not values.flags.writeable


def test_a_result_can_be_written_into_and_the_frame_stays(frame):
    before = frame.copy()
    for result in (
        frame.hs.to("si"),
        frame.hs.to("W"),
        frame.hs.magnitude(),
        frame[["Zone", "Meter"]].hs.magnitude(),
        frame.hs.with_unit_header(),
        frame.hs.with_unit_header().hs.from_unit_header(),
        with_units(frame, like=frame),
        with_units(frame.hs.magnitude(), like=frame),
        concat([frame]),
    ):
        for place in range(2):
            result.iloc[0, place] = 12345.0
            assert result.iloc[0, place] == 12345.0
    for series in (frame["Zone"].hs.to("°C"), frame["Zone"].hs.to("°F"), frame["Zone"].hs.magnitude()):
        series.iloc[0] = 12345.0
        assert series.iloc[0] == 12345.0
    pd.testing.assert_frame_equal(frame, before)


def test_text_of_a_frame(numbers, frame):
    assert "unit[°F]" in repr(frame["Zone"])
    lines = repr(numbers.iloc[:3]).splitlines()
    assert lines[-1].split() == ["2024-03-10", "03:00:00-04:00", "NaN", "3.0"]
    assert numbers.iloc[:2].to_csv().splitlines()[1] == "2024-03-10 00:00:00-05:00,70.0,1.0"
    assert numbers.iloc[:1].to_json(orient="values", date_format="iso") == "[[70.0,1.0]]"


# df.hs ---------------------------------------------------------------------------------------------------------------


def test_units_and_points(frame):
    assert frame.hs.units == {"Zone": "°F", "Meter": "kW", "COP": None, "Fan": None, "Mode": None}
    assert frame["Zone"].hs.unit == "°F"
    assert frame["COP"].hs.unit is None
    assert frame.hs.points.loc["Zone"].tolist() == ["z", "Zone", "°F", "New_York", "Number"]


def test_to_a_system_a_unit_and_by_column(frame):
    assert frame.hs.to("si").hs.units == {"Zone": "°C", "Meter": "kW", "COP": None, "Fan": None, "Mode": None}
    assert frame.hs.to("si")["Zone"].iloc[3] == pytest.approx(22.7777777)
    back = frame.hs.to("si").hs.to("ip")
    pd.testing.assert_frame_equal(back, frame)
    assert frame.hs.to("W")["Meter"].iloc[1] == 2000
    assert frame.hs.to("W").hs.units["Zone"] == "°F"
    assert frame.hs.to({"Zone": "K", "Meter": "BTU/h"}).hs.units["Meter"] == "BTU/h"
    assert frame.hs.to({"Zone": "si"}).hs.units["Zone"] == "°C"
    assert frame.hs.to("si").attrs == frame.attrs
    assert frame["Zone"].hs.to("°C").dtype.unit == "°C"


@pytest.mark.parametrize(
    ("target", "error", "message"),
    [
        ("bar", UnitError, r"no column converts to 'bar' \(bar\); the units are kW, °F$"),
        ("furlong", UnitError, "no column converts, of the units kW, °F: the unit table has no 'furlong'"),
        ("degC", UnitError, r"the unit table has no 'degC'; did you mean '°C'\?"),
        ("C", UnitError, r"no column converts to 'C' \(coulomb\); the units are kW, °F; did you mean '°C'\?"),
        ({"Zon": "°C"}, MetadataError, "no column 'Zon', and none in such a unit; the columns are 'Zone'"),
        ({"COP": "kW"}, UnitError, "column 'COP' is float64 and has no unit"),
        ({"Zone": "kW"}, UnitError, "column 'Zone'.*°F cannot be converted to kW"),
        ({"Zone": "kwh"}, UnitError, "did you mean 'kWh'"),
    ],
)
def test_a_conversion_that_cannot_be(frame, target, error, message):
    with pytest.raises(error, match=message):
        frame.hs.to(target)


def test_magnitude_is_plain_and_fast_to_numpy(numbers):
    plain = numbers.hs.magnitude()
    assert plain.to_numpy().dtype == np.float64
    assert numbers.to_numpy(dtype=float).dtype == np.float64
    assert numbers["Zone"].to_numpy().dtype == np.float64
    assert plain.attrs == numbers.attrs
    assert numbers["Zone"].hs.magnitude().dtype == np.float64


def test_windows_keep_units(numbers):
    assert list(numbers.rolling(2).mean().dtypes) == [np.float64, np.float64]  # pandas gives no hook here
    assert list(numbers.hs.rolling(2).mean().dtypes) == [F, KW]
    assert list(numbers.hs.rolling("2h").std().dtypes) == [UnitDtype("Δ°F"), KW]
    assert list(numbers.hs.rolling(2).count().dtypes) == [np.float64, np.float64]
    assert list(numbers.hs.expanding().max().dtypes) == [F, KW]
    assert list(numbers.hs.ewm(alpha=0.5).mean().dtypes) == [F, KW]
    assert list(numbers.hs.rolling(2).agg("mean").dtypes) == [F, KW]
    several = numbers[["Zone"]].hs.rolling(2).agg(["mean", "std", "count"])
    assert list(several.dtypes) == [F, UnitDtype("Δ°F"), np.float64]
    assert numbers["Zone"].hs.rolling(2).mean().dtype == F
    assert list(numbers.hs.rolling(2).apply(len, raw=True).dtypes) == [np.float64, np.float64]
    assert numbers.hs.rolling(2)["Zone"].mean().dtype == F
    assert list(numbers.hs.rolling(2)[["Meter"]].sum().dtypes) == [KW]
    plain = numbers.hs.magnitude()
    pd.testing.assert_frame_equal(numbers.hs.rolling(3).corr(), plain.rolling(3).corr())
    pd.testing.assert_series_equal(
        numbers["Zone"].hs.rolling(3).cov(numbers["Meter"]), plain["Zone"].rolling(3).cov(plain["Meter"])
    )
    assert "Rolling" in repr(numbers.hs.rolling(2))
    pd.testing.assert_frame_equal(numbers.hs.rolling(2).mean().hs.magnitude(), numbers.rolling(2).mean())


def test_with_units(numbers):
    pd.testing.assert_frame_equal(with_units(numbers.hs.magnitude(), like=numbers), numbers)
    assert with_units(numbers.rolling(2).std(), like=numbers, how="std").hs.units == {"Zone": "Δ°F", "Meter": "kW"}
    assert with_units(numbers["Zone"].rolling(2).mean(), like=numbers).dtype == F
    assert with_units(numbers["Zone"].rolling(2).mean(), like=numbers["Zone"]).dtype == F
    other = pd.DataFrame({"Zone": [1.0], "else": [2.0]})
    assert with_units(other, like=numbers).hs.units == {"Zone": "°F", "else": None}
    with pytest.raises(UnitError, match="'Zone' is in °F already, not in kW"):
        with_units(numbers, like=pd.DataFrame({"Zone": pd.array([1.0], dtype=KW)}))


def test_describe_says_each_unit(numbers):
    table = numbers.iloc[:2].hs.describe()
    assert table.index.tolist() == ["unit", "count", "mean", "std", "min", "25%", "50%", "75%", "max"]
    assert table.loc["unit"].tolist() == ["°F", "kW"]
    assert table.loc["count", "Zone"] == 2
    assert (table.loc["mean", "Zone"], table.loc["mean", "Zone"].unit) == (70.5, "°F")
    assert table.loc["std", "Zone"].unit == "Δ°F"
    plain = numbers.iloc[:2].hs.magnitude().describe()
    assert table.iloc[1:].astype(float).to_numpy() == pytest.approx(plain.to_numpy())


@pytest.mark.filterwarnings("ignore:the frame does not know what was read:hsframe.ReadWarning")
def test_report(frame):
    table = frame.hs.report()
    assert table.index.tolist() == list(frame.columns)
    zone = table.loc["Zone"]
    assert (zone["id"], zone["unit"], zone["kind"], zone["samples"], zone["missing"]) == ("z", "°F", "Number", 5, 1)
    assert (zone["min"], zone["max"].unit, zone["longest_gap"]) == (70.0, "°F", pd.Timedelta("2h"))
    assert zone["stuck"] == pytest.approx(3 / 5)
    assert zone["first"] == frame.index[0]
    assert table.loc["Meter", "infinite"] == 1
    assert frame.iloc[:0].hs.report()["samples"].tolist() == [0] * 5


def test_the_unit_header_and_back(frame):
    header = frame.hs.with_unit_header()
    assert header.columns.tolist()[:3] == [("Zone", "°F"), ("Meter", "kW"), ("COP", "")]
    assert header.columns.names == ["point", "unit"]
    pd.testing.assert_frame_equal(header.hs.from_unit_header(), frame)
    text = frame[["Zone", "Meter", "COP"]].hs.with_unit_header().to_csv()
    read = pd.read_csv(io.StringIO(text), header=[0, 1], index_col=0)
    assert read.hs.from_unit_header().hs.units == {"Zone": "°F", "Meter": "kW", "COP": None}
    with pytest.raises(MetadataError, match="no level 'unit'"):
        frame.hs.from_unit_header()
    with pytest.raises(MetadataError, match="a level 'unit' already"):
        header.hs.with_unit_header()


@pytest.mark.parametrize(
    ("names", "labels"),
    [
        (["point", "agg"], [("Zone", "mean"), ("Zone", "max"), ("Meter", "delta")]),
        (["point", "agg", "state"], [("Zone", "mean", ""), ("Fan", "share", "True"), ("Meter", "delta", "")]),
        (["siteRef->dis", "navName"], [("HQ", "Zone"), ("HQ", "Zone 2"), ("Lab", "Meter")]),
        ([None, None], [("HQ", "Zone"), ("Lab", "Zone"), ("Lab", "Meter")]),
    ],
    ids=str,
)
@pytest.mark.parametrize("with_index", [False, True])
def test_the_unit_header_of_columns_in_levels_and_back(names, labels, with_index):
    index = pd.date_range("2026-11-01", periods=2, freq="h", tz="UTC", name="ts")
    dtypes = ["unit[°F]", "float64", "unit[kWh]"]
    df = pd.DataFrame({place: pd.array([1.5, np.nan], dtype=dtype) for place, dtype in enumerate(dtypes)}, index=index)
    df.columns = pd.MultiIndex.from_tuples(labels, names=names)
    header = df.hs.with_unit_header()
    assert header.columns.names == [*names, "unit"]
    assert header.columns.tolist() == [(*label, unit) for label, unit in zip(labels, ["°F", "", "kWh"], strict=True)]
    assert set(map(str, header.dtypes)) == {"float64"}
    pd.testing.assert_frame_equal(header.hs.from_unit_header(), df)
    text = header.to_csv(index=with_index)
    read = pd.read_csv(io.StringIO(text), header=[*range(len(names) + 1)], index_col=0 if with_index else None)
    back = read.hs.from_unit_header()
    assert back.hs.units == df.hs.units
    assert back.columns.names == (names if with_index else [None] * len(names))
    with pytest.raises(MetadataError if names[0] else UnitError, match=r"no level 'unit'|has no 'Zone'"):
        df.hs.from_unit_header()


def test_to_grid_and_back(frame):
    grid = frame.hs.to_grid()
    assert grid.col_names == ["ts", "v0", "v1", "v2", "v3", "v4"]
    assert grid.cols[1].meta["id"] == Ref("z")
    assert (grid[0]["v0"], grid[0]["v1"], grid[0]["v3"], grid[0]["v4"]) == (
        Number(70, "°F"),
        Number(1, "kW"),
        True,
        "off",
    )
    assert grid[2].get("v0") is None
    back = grid_to_frame(grid)
    assert list(back.dtypes) == list(frame.dtypes)
    assert (back.index == frame.index).all()
    with pytest.raises(ZoneError, match="tz_localize"):
        frame.tz_localize(None).hs.to_grid()


def test_records_to_grid_and_back():
    rows = [
        {"id": Ref("a", "HQ"), "dis": "HQ", "site": MARKER, "area": Number(100, "m²"), "open": True},
        {"id": Ref("b", "Annex"), "dis": "Annex", "area": Number(50, "m²")},
    ]
    grid = Grid.from_rows({}, ["id", "dis", "site", "area", "open"], rows)
    back = entity_frame(grid).hs.to_grid()
    assert [dict(row) for row in back] == [dict(row) for row in grid]
    with pytest.raises(MetadataError, match="'Big Name' cannot be names of tags"):
        pd.DataFrame({"Big Name": [1.0]}).hs.to_grid()


def test_to_grid_of_intervals_with_both_stamps_is_a_trend(frame):
    ends = (frame.index + pd.Timedelta("1h")).rename("end")
    both = frame.set_axis(pd.MultiIndex.from_arrays([frame.index.rename("start"), ends]))
    grid = both.hs.to_grid()
    assert grid.col_names == ["ts", "end", "v0", "v1", "v2", "v3", "v4"]
    assert [row["ts"] for row in grid] == frame.index.to_pydatetime().tolist()
    assert [row["end"] for row in grid] == ends.to_pydatetime().tolist()
    assert [row.get("v0") for row in grid] == [row.get("v0") for row in frame.hs.to_grid()]
    with pytest.raises(ZoneError, match="tz_localize"):
        both.tz_localize(None, level=0).hs.to_grid()


def test_to_grid_has_the_levels_of_the_index(frame):
    matrix = pd.concat({"Main St": frame[["Meter"]], "b": frame[["Meter"]]}, names=["siteRef"])
    matrix.columns = ["kw"]
    grid = matrix.hs.to_grid()
    assert grid.col_names == ["siteRef", "ts", "kw"]
    assert [row["siteRef"] for row in grid] == ["Main St"] * len(frame) + ["b"] * len(frame)
    assert [row["ts"] for row in grid] == frame.index.to_pydatetime().tolist() * 2
    local = matrix.tz_localize(None, level="ts")
    with pytest.raises(ZoneError, match=r"2024-.* has no zone"):
        local.hs.to_grid()
    by_id = pd.DataFrame({"id": ["a", "b"], "area": [1.0, 2.0]}).set_index("id")
    assert by_id.hs.to_grid()[1] == {"id": Ref("b"), "area": Number(2.0)}
    with pytest.raises(MetadataError, match="index and a column are both named 'id'"):
        by_id.assign(id="x").hs.to_grid()
    with pytest.raises(MetadataError, match="'siteRef->area' cannot be names of tags"):
        matrix.rename_axis(["siteRef->area", "ts"]).hs.to_grid()


@pytest.mark.parametrize("sort", [False, True])
def test_concat_of_two_zones_is_in_the_first(frame, sort):
    london = frame.tz_convert("Europe/London")
    both = [
        one.set_axis(pd.MultiIndex.from_arrays([one.index, one.index], names=["start", "end"]))
        for one in (frame, london)
    ]
    for first, second in ((frame, london), (london, frame)):
        result = concat([first, second], sort_index=sort)
        assert result.index.dtype == first.index.dtype
        assert sorted(result.index.asi8) == sorted([*frame.index.asi8] * 2)
        assert len(result.resample("1D")) >= 1
        columns = concat([first.reset_index(), second.reset_index()])
        assert columns["ts"].dtype == first.index.dtype
        assert columns["ts"].array.asi8.tolist() == [*frame.index.asi8] * 2
    assert list(concat(both).index.dtypes) == [frame.index.dtype] * 2
    assert concat([frame, london.iloc[:0].reset_index(drop=True)]).index.dtype == frame.index.dtype
    for pair in ([frame, frame.tz_localize(None)], [frame.tz_localize(None), frame]):
        with pytest.raises(ZoneError, match="have a zone and those of another have none"):
            concat(pair)


def test_concat_converts_to_the_first_unit(frame):
    celsius = frame.hs.to("si")
    result = concat([frame, celsius], ignore_index=True)
    assert result.hs.units == frame.hs.units
    assert result["Zone"].iloc[6:].to_numpy(dtype=float) == pytest.approx(frame["Zone"].to_numpy(), nan_ok=True)
    assert result.hs.points.index.tolist() == ["Zone", "Fan"]
    ordered = concat([frame.iloc[3:], frame.iloc[:3]], sort_index=True)
    pd.testing.assert_frame_equal(ordered, frame, check_freq=False)


def test_concat_adds_up_the_samples_dropped_and_keeps_the_interval_of_all_that_have_one():
    hours, days = (pd.DataFrame({"Meter": [1.0]}) for _ in range(2))
    attach(hours, {"Meter": Point("m")}, differing={"Meter": 2})
    note_interval(hours, Interval("1h"))
    note_interval(days, Interval("1D"))  # without points, as of df.hs.integrate
    assert differing_of(concat([hours, hours])) == {"Meter": 4}
    assert noted_interval(concat([hours, hours])) == Interval("1h")
    minutes = pd.DataFrame({"Meter": [1.0]})
    note_interval(minutes, Interval("60min"))
    concat([hours, minutes])
    ends = pd.DataFrame({"Meter": [1.0]})
    note_interval(ends, Interval("1h", "end"))
    for others, words in ((days, "'1D', label='start'"), (ends, "'1h', label='end'")):
        with pytest.raises(MetadataError, match=f"intervals: interval='1h', label='start' and interval={words}"):
            concat([hours, others])
    # A frame without a note may be of the same rows, and must not take that of ends from the others.
    assert noted_interval(concat([pd.DataFrame({"Meter": [1.0]}), ends])) == Interval("1h", "end")


@pytest.mark.parametrize("other", ["kW", None])
def test_concat_refuses_by_name(frame, other):
    column = np.zeros(6) if other is None else pd.array(np.zeros(6), dtype=UnitDtype(other))
    with pytest.raises(UnitError, match=r"'Zone' is in °F in frame 0 and in (kW|no unit) in frame 1"):
        concat([frame, frame.assign(Zone=column)])


def test_attrs_cost_nothing_and_say_nothing_of_conversion(frame):
    assert frame.hs.to("si").hs.points.loc["Zone", "unit"] == "°F"
    assert frame.iloc[:2].attrs["hsframe"] is frame.attrs["hsframe"]


def test_importing_hsframe_registers_all():
    assert pd.api.types.pandas_dtype("unit[°F]") == hsframe.UnitDtype("°F")
    assert hasattr(pd.DataFrame, "hs")
    assert hasattr(pd.Series, "hs")


def test_the_resolution_of_times_is_no_unit(numbers, tmp_path):
    times = pd.date_range("2024-01-01", periods=len(numbers), freq="h", tz="America/New_York", unit="us")
    frame = numbers.reset_index(drop=True).assign(when=times)
    assert frame.hs.units == {"Zone": "°F", "Meter": "kW", "when": None}
    assert frame["when"].hs.unit is None
    assert frame.hs.with_unit_header().columns.tolist()[-1] == ("when", "")
    assert frame.hs.report()["unit"].notna().tolist() == [True, True, False]
    assert with_units(frame, like=frame)["when"].dtype == frame["when"].dtype
    assert hsframe.concat([frame, frame])["when"].dtype == frame["when"].dtype
    hsframe.write_parquet(frame, tmp_path / "x.parquet")
    pd.testing.assert_frame_equal(hsframe.read_parquet(tmp_path / "x.parquet"), frame)
    with pytest.raises(UnitError, match=r"columns of kW and datetime64\[us, America/New_York\] cannot"):
        frame[["Meter", "when"]].sum(axis=1)


def test_concat_shows_times_in_the_zone_of_the_first():
    times = pd.date_range("2026-11-01", periods=2, freq="h", tz="UTC", name="ts")
    here, there = (
        pd.DataFrame({"at": times.tz_convert(tz)}, times.tz_convert(tz)) for tz in ("America/New_York", "Europe/Berlin")
    )
    both = concat([here, there])
    assert both.index.dtype == both["at"].dtype == here.index.dtype
    assert both.index.tolist() == both["at"].tolist() == [*times, *times]
    naive = there.tz_localize(None)
    assert concat([naive, naive]).index.dtype == naive.index.dtype


@pytest.mark.parametrize(
    ("frames", "what"), [([], "no frames"), ([1.0], "got a float among them"), ([None], "NoneType")]
)
def test_concat_of_what_is_no_frame_says_so(frames, what):
    with pytest.raises(MetadataError, match=what):
        concat(frames)


def test_a_mapping_of_units_is_of_the_columns_in_them():
    df = pd.DataFrame({name: pd.array([1.0], dtype=f"unit[{unit}]") for name, unit in PLANT.items()})
    assert df.hs.to({"kW": "W", "°F": "si"}).hs.units == {"a": "W", "b": "W", "t": "°C"}
    assert df.hs.to({"kW": "W", "a": "MW"}).hs.units == df.hs.to({"a": "MW", "kW": "W"}).hs.units
    assert df.hs.to({"kW": "W", "a": "MW"}).hs.units == {"a": "MW", "b": "W", "t": "°F"}
    named = df.rename(columns={"t": "kW"})
    assert named.hs.to({"kW": "°C"}).hs.units == {"a": "kW", "b": "kW", "kW": "°C"}
    levels = df.set_axis(pd.MultiIndex.from_tuples([("x", "a"), ("x", "b"), ("y", "t")]), axis=1)
    assert [*levels.hs.to({"kW": "W"}).hs.units.values()] == ["W", "W", "°F"]
    with pytest.raises(MetadataError, match="no column 'MW', and none in such a unit; the columns are 'a', 'b', 't'"):
        df.hs.to({"MW": "kW"})
    with pytest.raises(UnitError, match="column 'a'"):
        df.hs.to({"kW": "°C"})


PLANT = {"a": "kW", "b": "kW", "t": "°F"}


def test_what_is_no_frame_gets_no_units():
    df = pd.DataFrame({"a": [1.0]})
    for result, like in ((np.ones(3), df), (df, np.ones(3)), ([1.0], df["a"])):
        with pytest.raises(MetadataError, match=r"takes a DataFrame or Series.*; got .*pd\.DataFrame\(array"):
            hsframe.with_units(result, like=like)


def test_an_index_in_another_unit_is_converted_before_a_join():
    power, watts = pd.Index(pd.array([1.0, 2.0], dtype="unit[kW]")), pd.Index(pd.array([2000.0], dtype="unit[W]"))
    left, right = pd.DataFrame({"a": [1, 2]}, power), pd.DataFrame({"b": [3.0]}, watts)
    assert left.join(right)["b"].isna().all()
    assert left.join(right.set_axis(right.index.astype("unit[kW]")))["b"].tolist()[1] == 3.0
