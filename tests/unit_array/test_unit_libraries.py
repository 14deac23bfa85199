"""Unit frames in other people's hands: matplotlib, scikit-learn, NumPy, SQL, xarray, pint."""

import contextlib
import sqlite3
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pytest

from hsframe import units
from hsframe.analysis.plot import plot
from hsframe.errors import MetadataError, UnitError
from hsframe.frame.points import Point, attach
from hsframe.kinds import Number
from hsframe.unit_array.dtype import UnitDtype
from hsframe.unit_array.scalars import UnitFloat
from hsframe.units.pint_units import pint_unit
from hsframe.units.table import equivalents


@pytest.fixture
def frame():
    index = pd.date_range("2024-11-03", periods=30, freq="h", tz=ZoneInfo("America/New_York"), unit="us", name="ts")
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        {
            "Zone": pd.array(rng.normal(70, 2, 30), dtype=UnitDtype("°F")),
            "Supply": pd.array(rng.normal(55, 2, 30), dtype=UnitDtype("°F")),
            "Meter": pd.array(rng.normal(30, 5, 30), dtype=UnitDtype("kW")),
            "COP": rng.normal(3, 1, 30),
            "Fan": pd.array([True, None, False] * 10, dtype="boolean"),
            "Mode": pd.Categorical(["off", "heat", None] * 10),
        },
        index=index,
    )


@pytest.fixture(autouse=True)
def no_screen():
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("Agg")
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def test_plot_has_an_axis_a_unit_with_its_label(frame):
    axes = frame.hs.plot()
    assert [axis.get_ylabel() for axis in axes] == ["°F", "kW", "", ""]
    assert [line.get_label() for line in axes[0].get_lines()] == ["Zone", "Supply"]
    assert axes[-1].get_xlabel() == "America/New_York (dotted: the clock goes from EDT to EST on 03 Nov)"
    assert axes[0].get_lines()[0].get_ydata() == pytest.approx(frame["Zone"].to_numpy())
    # Thirty hours of the day with 25 hours are thirty steps of one hour each: no hour is drawn twice.
    drawn = axes[0].get_lines()[0].get_xdata()
    assert set(np.diff(drawn).astype("timedelta64[s]").astype(int)) == {3600}
    axes[0].figure.canvas.draw()
    assert any(label.get_text() for label in axes[-1].get_xticklabels())


def test_values_alone_between_missing_ones_are_dots(frame):
    """As where the days of three zones are the rows of one frame: no two values of a point follow one another."""
    days = frame[["Zone"]].iloc[:7].copy()
    days.attrs.clear()  # not read: each missing value is not known
    days.iloc[[0, 2, 4, 6]] = pd.NA
    line, dots = days.hs.plot()[0].get_lines()
    assert dots.get_ydata().tolist() == days["Zone"].dropna().tolist()
    assert (dots.get_marker(), dots.get_linestyle(), dots.get_color()) == (".", "None", line.get_color())


def test_plot_of_nothing_says_so(frame):
    with pytest.raises(MetadataError, match="no column can be drawn; the columns are 'When'"):
        plot(frame[[]].assign(When=frame.index))


def test_matplotlib_and_pandas_draw_unit_columns(frame):
    from matplotlib import pyplot

    _, axis = pyplot.subplots()
    axis.plot(frame.index, frame["Zone"])
    axis.axhline(frame["Zone"].max())
    axis.scatter(frame["Zone"], frame["Meter"])
    axis.hist(frame["Zone"])
    drawn = frame[["Zone", "Meter"]].plot()
    assert drawn.get_lines()[1].get_ydata() == pytest.approx(frame["Meter"].to_numpy())


def test_numpy(frame):
    numbers = frame[["Zone", "Meter"]]
    assert numbers.to_numpy(dtype=float).dtype == np.float64
    assert np.asarray(numbers, dtype=float) == pytest.approx(numbers.hs.magnitude().to_numpy())
    assert np.asarray(frame["Zone"]).dtype == np.float64
    assert np.percentile(frame["Zone"], 50) == pytest.approx(frame["Zone"].median())
    assert np.corrcoef(frame["Zone"], frame["Meter"]).shape == (2, 2)
    assert np.polyfit(frame["Zone"], frame["Meter"], 1).shape == (2,)
    assert np.where(frame["Zone"] > 70, frame["Zone"], 0.0).dtype == np.float64
    assert numbers.corr().loc["Zone", "Meter"] == pytest.approx(np.corrcoef(frame["Zone"], frame["Meter"])[0, 1])


def test_scikit_learn(frame):
    pytest.importorskip("sklearn")
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    inputs, target = frame[["Zone", "Supply", "COP"]], frame["Meter"]
    model = make_pipeline(StandardScaler(), LinearRegression()).fit(inputs, target)
    plain = make_pipeline(StandardScaler(), LinearRegression()).fit(inputs.hs.magnitude(), target.hs.magnitude())
    assert model.predict(inputs) == pytest.approx(plain.predict(inputs.hs.magnitude()))
    assert list(model[0].feature_names_in_) == ["Zone", "Supply", "COP"]


# SQL, xarray, products of matrices ------------------------------------------------------------------------------------


def test_to_sql_stores_doubles(frame):
    frame.loc[frame.index[1], "Zone"] = np.nan
    with contextlib.closing(sqlite3.connect(":memory:")) as connection:
        frame[["Zone", "Meter"]].to_sql("trend", connection)
        types = connection.execute("select distinct typeof(Zone), typeof(Meter) from trend").fetchall()
        assert set(types) == {("real", "real"), ("null", "real")}
        read = pd.read_sql("select Zone, Meter from trend", connection)
    pd.testing.assert_frame_equal(read, frame[["Zone", "Meter"]].hs.magnitude().reset_index(drop=True))


def test_to_xarray(frame):
    xarray = pytest.importorskip("xarray")
    frame["at"] = frame.index
    attach(frame, {"Zone": Point("a-1", "Zone", "°F", "New_York", "Number")})
    dataset = frame.hs.to_xarray()
    assert isinstance(dataset, xarray.Dataset)
    assert {name: variable.attrs for name, variable in dataset.data_vars.items() if variable.attrs} == {
        "Zone": {"units": "°F", "id": "a-1"},
        "Supply": {"units": "°F"},
        "Meter": {"units": "kW"},
    }
    assert dataset["ts"].attrs == {"tz": "America/New_York"}
    assert [str(dataset[name].dtype) for name in ("Zone", "Meter", "Fan", "Mode")] == ["float64"] * 3 + ["object"]
    back = dataset.to_dataframe().tz_localize("UTC").tz_convert(ZoneInfo("America/New_York"))
    assert back.index.equals(frame.index)
    assert np.array_equal(back["Zone"], frame["Zone"].to_numpy())
    assert back["Fan"].iloc[:3].tolist() == pytest.approx([1.0, np.nan, 0.0], nan_ok=True)
    assert back["at"].iloc[0] == frame.index[0].tz_convert("UTC").tz_localize(None)
    by_site = pd.concat({"a": frame[["Meter"]], "b": frame[["Meter"]]}, names=["by"]).hs.to_xarray()
    assert dict(by_site.sizes) == {"by": 2, "ts": 30}
    assert by_site["ts"].attrs == {"tz": "America/New_York"}
    levels = pd.concat({"Meter": frame[["Meter"]].set_axis(["max"], axis=1)}, axis=1, names=["point", "agg"])
    attach(levels, {"Meter": Point("b-2", "Meter", "kW")})
    assert levels.hs.to_xarray()["Meter", "max"].attrs == {"units": "kW", "id": "b-2"}
    with pytest.raises(MetadataError, match="different names of its variables; twice: 'Zone'"):
        frame[["Zone", "Zone"]].hs.to_xarray()
    with pytest.raises(UnitError, match="'x' has values of several units"):
        pd.DataFrame({"x": [Number(1, "kW"), Number(1, "°F")]}).hs.to_xarray()


def test_to_xarray_of_intervals_with_both_stamps_has_one_dimension(frame):
    pytest.importorskip("xarray")
    ends = (frame.index + pd.Timedelta("1h")).rename("end")
    both = frame.set_axis(pd.MultiIndex.from_arrays([frame.index.rename("start"), ends]))
    dataset = both.hs.to_xarray()
    assert dict(dataset.sizes) == {"start": len(frame)}
    assert dataset["start"].attrs == dataset["end"].attrs == {"tz": "America/New_York"}
    assert np.array_equal(dataset["end"].to_numpy(), ends.tz_convert("UTC").tz_localize(None).to_numpy())
    assert np.array_equal(dataset["Zone"].to_numpy(), frame["Zone"].to_numpy())
    assert dataset["Zone"].attrs["units"] == "°F"


@pytest.mark.parametrize(("names", "clash"), [
    (["ts"], "ts"), ([None], "index"), (["by", "ts"], "by"), ([None, "ts"], "level_0"),
    (["start", "end"], "start"), (["start", "end"], "end"),
])  # fmt: skip
def test_to_xarray_refuses_a_column_that_would_be_the_index(frame, names, clash):
    pytest.importorskip("xarray")
    df = frame[["Zone"]]
    if len(names) == 2:
        df = df.set_axis(pd.MultiIndex.from_arrays([df.index, df.index]))
    df = df.rename_axis(names)
    assert df.hs.to_xarray()["Zone"].attrs == {"units": "°F"}
    with pytest.raises(MetadataError, match=f"index and a column are both named '{clash}'"):
        df.rename(columns={"Zone": clash}).hs.to_xarray()
    levels = pd.concat({clash: df}, axis=1)
    assert levels.hs.to_xarray()[clash, "Zone"].attrs == {"units": "°F"}


def test_products_of_frames_of_several_units_are_refused(frame):
    df = frame[["Zone", "Meter"]].dropna()
    for product in (lambda: df @ df.T, lambda: df.dot(df.T), lambda: df.T @ df):
        with pytest.raises(UnitError, match=r"no rule of units; take the plain numbers of both, as in df.hs.magnitude"):
            product()


def test_products_of_matrices(frame):
    power, hours = frame["Meter"], pd.Series(np.full(30, 0.5), index=frame.index, dtype="unit[h]")
    energy, total = power @ hours, power.dot(np.ones(30))
    assert (energy, energy.unit) == (pytest.approx(float(power.to_numpy() @ hours.to_numpy())), "kWh")
    assert (total, total.unit) == (pytest.approx(float(power.sum())), "kW")
    assert power @ power == pytest.approx(float((power.to_numpy() ** 2).sum()))
    assert not hasattr(power @ power, "unit")
    both = frame[["Zone", "Supply"]]
    assert (both @ [0.5, 0.5]).iloc[0] == Number(float(both.iloc[0].sum() / 2), "°F")
    weights = both.iloc[0].to_numpy()
    for compute in (
        lambda: both @ pd.Series(weights, index=both.columns, dtype=UnitDtype("°F")),
        lambda: frame["Zone"] @ both,
    ):
        with pytest.raises(UnitError, match=r"no rule of units; .*df\.hs\.magnitude\(\) @ column"):
            compute()


def test_labels_with_units_are_found_by_the_values_of_the_index(frame):
    sums = frame.assign(k=frame["Zone"].round()).groupby("k")["Meter"].sum()
    assert [sums.loc[label] for label in sums.index] == sums.tolist()
    counts = frame["Meter"].value_counts()
    assert counts[frame["Meter"].max()] == 1
    assert Number(1, "kW") == UnitFloat(1.0, "kW") != Number(1, "W") != UnitFloat(1.0, "kW")
    assert hash(Number(1, "kW")) == hash(UnitFloat(1.0, "kW"))
    assert Number(1, "kW") != 1.0
    watts = frame["Meter"].hs.to("W")
    for values in (watts.head(3), watts.head(3).astype(object), [watts.iloc[2], "x", Number(1, "°F"), Number(1, "W")]):
        assert frame["Meter"].isin(values).iloc[2]
        assert frame["Meter"].isin(values).sum() == (1 if isinstance(values, list) else 3)


def test_functions_without_a_rule_of_units_refuse_several(frame):
    power, zone = frame["Meter"].array, frame["Zone"].array
    for compute in (
        lambda: np.add(power, zone, out=np.zeros(30)),
        lambda: np.add(power, zone, where=np.ones(30, dtype=bool)),
        lambda: np.add.outer(power, zone),
        lambda: np.arctan2(power, zone),
        lambda: np.arctan2(Number(1, "kW"), Number(1, "°F")),
    ):
        with pytest.raises(UnitError, match="kW and °F has no rule of units; convert first"):
            compute()
    assert np.add(power, power, out=np.zeros(30)).dtype == np.float64


# Pint ----------------------------------------------------------------------------------------------------------------


def test_to_pint(frame):
    pytest.importorskip("pint_pandas")
    result = frame.hs.to_pint()
    assert [str(dtype) for dtype in result.dtypes[:3]] == [
        "pint[degree_Fahrenheit][Float64]",
        "pint[degree_Fahrenheit][Float64]",
        "pint[kilowatt][Float64]",
    ]
    celsius = result["Zone"].pint.to("degC").pint.magnitude
    assert celsius.to_numpy(dtype=float) == pytest.approx(frame.hs.to("si")["Zone"].to_numpy())
    assert result["COP"].dtype == np.float64
    hundreds = pd.DataFrame({"gas": pd.array([1.0, 2.0], dtype=UnitDtype("Ccf"))}).hs.to_pint()
    assert hundreds["gas"].pint.to("ft**3").pint.magnitude.tolist() == [100.0, 200.0]


def test_a_unit_that_pint_has_not_is_refused_by_name():
    pytest.importorskip("pint_pandas")
    for unit, why in [("pf", "power_factor"), ("EUR", "currency"), ("furlong", "does not have it"), ("COP", "cooling")]:
        frame = pd.DataFrame({"x": pd.array([1.0], dtype=UnitDtype(unit))})
        with pytest.raises(UnitError, match=rf"column 'x': pint has no equal for '{unit}'.*{why}"):
            frame.hs.to_pint()


@pytest.mark.parametrize("symbol", [one.symbol for one in units.all_units() if one.symbol in equivalents("pint")])
def test_pints_unit_is_ours(symbol):
    pint = pytest.importorskip("pint")
    registry = pint.get_application_registry()
    ours = units.unit(symbol)
    theirs = registry.Quantity(registry.parse_expression(pint_unit(symbol)))
    if ours.offset:
        assert registry.Quantity(40.0, theirs.units).to("kelvin").magnitude == pytest.approx(
            float(40 * ours.scale + ours.offset)
        )
        return
    if ours.quantity == "bytes":
        assert theirs.to("byte").magnitude == pytest.approx(float(ours.scale))
        return
    base = theirs.to_base_units()
    exponents = dict(
        zip(("kilogram", "meter", "second", "kelvin", "ampere", "mole", "candela"), ours.dimension, strict=False)
    )
    if ours.quantity != "dimensionless":
        angles = ("radian", "pixel")
        found = {str(name): power for name, power in base.unit_items() if str(name) not in angles}
        assert found == {name: power for name, power in exponents.items() if power}
        # The table's own rounding, and its several British thermal units, are within a thousandth.
        scale = units.MISPRINTS.get(symbol, ours.scale)
        assert base.magnitude == pytest.approx(float(scale), rel=1e-3)


def test_what_pint_has_not_is_known():
    refused = {
        one.symbol for one in units.all_units() if one.symbol not in equivalents("pint") and one.quantity != "currency"
    }
    assert refused == {
        *("%RH", "%obsc/ft", "%obsc/m", "COP", "DCIE", "PUE", "dBmV", "dBµV", "db", "fnu", "kW/ton", "ntu", "pH", "pf"),
        *("°daysC", "°daysF", "VAR", "kVAR", "MVAR", "VARh", "kVARh", "MVARh"),
        *("m³_gas", "ft³_gas", "Hcf_natural_gas", "Ccf_natural_gas", "Mcf_natural_gas", "MMcf_natural_gas"),
    }
