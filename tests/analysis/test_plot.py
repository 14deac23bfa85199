"""What df.hs.plot() draws: instants, gaps, states, meters; and that names and legends hide nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.analysis.bands import band
from hsframe.errors import MetadataError
from hsframe.frame.points import Point, attach

HOUR_US, DAY_US = 3_600_000_000, 86_400_000_000


@pytest.fixture(autouse=True)
def no_screen() -> Iterator[None]:
    pytest.importorskip("matplotlib").use("Agg")
    yield
    from matplotlib import pyplot

    pyplot.close("all")


def frame(start: str, periods: int, freq: str = "1h", tz: str = "America/New_York", **columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns, index=pd.date_range(start, periods=periods, freq=freq, tz=tz, unit="us"))


def kw(values: Any) -> Any:
    return pd.array(values, dtype="unit[kW]")


def drawn(axis: Any) -> list[tuple[int, float]]:
    (line,) = (one for one in axis.lines if one.get_linestyle() != "None")
    return list(zip(line.get_xdata(orig=True).astype("M8[us]").astype(np.int64), line.get_ydata(), strict=True))


def bars(axis: Any, row: int) -> list[tuple[float, float]]:
    boxes = [path.get_extents() for one in axis.collections for path in one.get_paths()]
    return sorted((box.x0 * 24, box.x1 * 24) for box in boxes if round(box.y0 + 0.38, 6) == row and box.height < 1)


def shown(axis: Any) -> list[str]:
    return [text.get_text() for text in axis.get_legend().get_texts()]


@pytest.mark.parametrize(
    ("day", "change", "label", "names"),
    [("2026-11-01", "T06", "01:00 EST", "EDT to EST"), ("2026-03-08", "T07", "03:00 EDT", "EST to EDT")],
)
def test_a_clock_change_is_dotted_where_it_is(day: str, change: str, label: str, names: str) -> None:
    axes = frame(day, 25, kW=kw(range(25)), fan=[True] * 25).hs.plot()
    axes[0].figure.canvas.draw()
    for axis in axes:
        (tick,) = axis.xaxis.get_minor_ticks()
        assert tick.get_loc() * 24 == pytest.approx(pd.Timestamp(day + change).value / 3.6e12)
        assert tick.gridline.get_visible()
        assert tick.gridline.get_linestyle() == ":"
        assert (tick.label2.get_text(), tick.label2.get_visible()) == (label, axis is axes[0])
        assert not tick.label1.get_visible()
    assert (
        axes[-1].get_xlabel() == f"America/New_York (dotted: the clock goes from {names} on {pd.Timestamp(day):%d %b})"
    )


@pytest.mark.parametrize(
    ("start", "periods", "freq", "beginning"),
    [
        ("2026-11-01", 100, "15min", ["Sun 01 Nov", "03:00", "06:00"]),
        ("2026-03-08", 92, "15min", ["Sun 08 Mar", "03:00", "06:00"]),
        ("2026-03-06", 120, "1h", ["Fri 06", "Sat 07", "Sun 08", "Mon 09"]),
        ("2026-01-01", 8760, "1h", ["2026", "Mar", "May"]),
    ],
)
def test_labels_are_times_of_the_local_clock(start: str, periods: int, freq: str, beginning: list[str]) -> None:
    df = frame(start, periods, freq, kW=kw(range(periods)))
    (axis,) = df.hs.plot()
    axis.figure.canvas.draw()
    left, right = axis.get_xlim()
    places = [place for place in axis.get_xticks() if left <= place <= right]
    assert (places[0] * DAY_US).round() == df.index.as_unit("us").asi8[0]
    labels = [text.get_text() for text in axis.get_xticklabels()]
    assert labels[: len(beginning)] == beginning


@pytest.mark.parametrize(("his", "breaks"), [(None, 1), ("{hisInterval:2hr}", 0), ("{hisInterval:15min}", 1)])
def test_a_gap_is_a_gap(his: str | None, breaks: int) -> None:
    df = frame("2026-01-01", 48, kW=kw(np.arange(48.0)))
    df = df[(df.index.hour < 10) | (df.index.hour > 13) | (df.index.day > 1)]
    df = hsframe.with_points(df, {"kW": Point("a", "kW", "kW", "New_York", "Number", None, his)})
    (axis,) = df.hs.plot()
    assert np.isnan([value for _, value in drawn(axis)]).sum() == breaks
    days = frame("2026-01-01", 9, "1D", kW=kw(range(9)))
    days.index.freq = None
    assert not np.isnan([value for _, value in drawn(days.hs.plot()[0])]).any()  # three usual steps are no gap


CELLS = st.lists(st.sampled_from(["off", "heat", "cool", None]), min_size=2, max_size=30)


@given(cells=CELLS)
def test_the_edges_of_bands_are_samples(cells: list[str | None]) -> None:
    df = frame("2026-03-07T20:00", len(cells), mode=pd.array(cells, dtype="str"))
    if not df["mode"].notna().any():
        return
    from matplotlib import pyplot

    (axis,) = df.hs.plot()
    hours = df.index.as_unit("us").asi8 / HOUR_US
    expected = []
    for place, cell in enumerate(cells[:-1]):
        if cell is not None and place and cells[place - 1] == cell:
            expected[-1] = (expected[-1][0], hours[place + 1])
        elif cell is not None:
            expected.append((hours[place], hours[place + 1]))
    found = [one for one in bars(axis, 0) if one[1] - one[0] > 0.5]
    assert found == [(pytest.approx(a), pytest.approx(b)) for a, b in expected]
    pyplot.close(axis.figure)


def test_states_have_a_legend_and_rare_ones_are_others() -> None:
    names = [f"state {number}" for number in range(20)]
    df = frame(
        "2026-01-01", 110, s=pd.Categorical(names * 5 + names[:10]), fan=pd.array([None, True] * 55, dtype="boolean")
    )
    (axis,) = df.hs.plot()
    legend = shown(axis)
    assert legend[0] == "true"
    assert legend[-1] == "8 others"
    assert len(legend) == 14
    assert [text.get_text() for text in axis.get_yticklabels()] == ["s", "fan"]
    assert len(bars(axis, 1)) == 55


def test_an_empty_text_is_a_state() -> None:
    (axis,) = frame("2026-01-01", 4, s=["on", "", "off", "on"]).hs.plot()
    assert shown(axis) == ["on", '""', "off"]


def test_what_changes_too_often_to_be_seen_is_several() -> None:
    codes = np.arange(100_000) % 2.0
    codes[20_000:80_000] = 1
    found = band("a", np.arange(100_000.0), codes, ["false", "true"], 1e5)
    assert set(found.states) == {"several", "true"}
    assert len(found.states) < 2100
    several = np.array(found.states) == "several"
    assert np.diff(found.edges)[~several].sum() == pytest.approx(60_000, abs=200)


@pytest.mark.filterwarnings("ignore:the frame does not know what was read")  # so all missing values are NA
def test_a_meter_is_drawn_as_what_it_has_counted() -> None:
    readings = [990.0, 995, 0, 998, 999, 4, np.nan, 20, 21, 22]
    df = frame("2026-01-01", 10, E=pd.array(readings, dtype="unit[kWh]"), kW=kw(range(10)))
    his = "{hisTotalized hisRollover:1000kWh hisInterval:1h}"
    attach(df, {"E": Point("e", "E", "kWh", "New_York", "Number", None, his)})
    axis, other = df.hs.plot()
    assert (axis.get_ylabel(), other.get_ylabel()) == ("kWh, growth", "kW")
    counted = [value for _, value in drawn(axis)]
    np.testing.assert_array_equal(counted, [0, 5, 8, 9, 14, np.nan, 30, 31, 32])
    with pytest.warns(hsframe.ReadWarning, match="1 readings"):
        hours = df[["E"]].hs.resample("1h", edges="partial")["E"].to_numpy(dtype=float)
    assert np.nansum(hours) == counted[-1] - (20 + 1000 - 1004)  # the hours beside NA have no delta


def test_a_peak_of_one_sample_among_many_is_drawn() -> None:
    values = np.random.default_rng(0).normal(size=200_000)
    values[123_456] = 99
    df = frame("2026-01-01", len(values), "1min", a=values)
    (axis,) = df.hs.plot()
    axis.figure.canvas.draw()
    pixels = np.asarray(axis.figure.canvas.buffer_rgba())
    day = df.index.as_unit("us").asi8[123_456] / DAY_US
    x, y = (round(place) for place in axis.transData.transform((day, 90)))
    assert (pixels[-y, x - 2 : x + 3, 0] < 100).any()  # blue among white


def test_columns_are_chosen_and_drawn_against_another() -> None:
    df = frame("2026-01-01", 9, kW=kw(range(9)), oat=pd.array(np.arange(9.0) * 2, dtype="unit[°F]"), fan=[True] * 9)
    assert [axis.get_ylabel() for axis in df.hs.plot(y="oat")] == ["°F"]
    assert [axis.get_ylabel() for axis in df.hs.plot(y=["oat", "kW"])] == ["°F", "kW"]
    (axis,) = df.hs.plot(x="oat", title="a $ b $")
    assert (axis.get_xlabel(), axis.get_ylabel(), axis.get_legend()) == ("oat [°F]", "kW [kW]", None)
    assert shown(df.assign(kW=df["kW"] / 0).hs.plot(x="oat")[0]) == ["kW (8 infinite) (no values)"]
    pair = df.assign(more=df["kW"])
    assert [axis.get_ylabel() for axis in pair.hs.plot(x="oat", y=["kW", "more"])] == ["kW"]  # names are in the legend
    assert axis.lines[0].get_xydata().tolist() == [[2.0 * n, n] for n in range(9)]
    assert axis.figure.get_suptitle() == r"a \$ b \$"
    (axis,) = df["kW"].hs.plot(title="one")
    assert shown(axis) == ["kW"]
    with pytest.raises(MetadataError, match=r"'kWh'.*the columns are 'kW', 'oat'"):
        df.hs.plot(y="kWh")
    with pytest.raises(MetadataError, match="no column can be drawn"):
        df.hs.plot(y="fan", x="oat")


def test_what_cannot_be_drawn_is_said_in_the_legend() -> None:
    df = frame("2026-01-01", 4, a=[1.0, np.inf, -np.inf, 2], b=[np.nan] * 4, _c=[1.0] * 4)
    (axis,) = df.hs.plot()
    assert shown(axis) == ["a (2 infinite)", "b (no values)", " _c"]
    axis.figure.canvas.draw()


@pytest.mark.parametrize("rows", [0, 1])
def test_frames_of_no_rows_and_of_one_are_drawn(rows: int) -> None:
    df = frame("2026-01-01", rows, a=np.ones(rows), on=np.ones(rows, dtype=bool), s=pd.array(["x"] * rows, dtype="str"))
    axes = df.hs.plot()
    axes[0].figure.canvas.draw()
    assert shown(axes[0]) == ["a" if rows else "a (no values)"]
    assert len(bars(axes[1], 0)) == rows


def test_legends_of_many_long_names_are_beside_the_axes() -> None:
    name = "Building {} of a campus whose names nobody could shorten, at its end differing {}"
    columns = {name.format(n, n): kw(np.arange(5) + n) for n in range(50)} | {"mode": ["off", "on"] * 2 + ["off"]}
    axes = frame("2026-01-01", 5, **columns).hs.plot()
    figure = axes[0].figure
    figure.canvas.draw()
    assert len(shown(axes[0])) == 29
    assert shown(axes[0])[-1].startswith("22 more")
    assert len(set(shown(axes[0]))) == 29
    assert len({(line.get_color(), line.get_linestyle()) for line in axes[0].lines[:28]}) == 28
    height = figure.get_figheight() * figure.dpi
    for axis in axes:
        box, own = axis.get_legend().get_window_extent(), axis.get_window_extent()
        assert box.x0 >= own.x1
        assert box.y0 >= 0
        assert own.y1 <= height
    assert axes[0].get_legend().get_window_extent().y0 >= axes[1].get_legend().get_window_extent().y1


def test_other_shapes_say_what_to_do() -> None:
    df = frame("2026-01-01", 2, kW=kw([1, 2]))
    with pytest.raises(MetadataError, match=r"df\.loc\['Lab'\]\.hs\.plot\(\), or one column, as in df\['kW'\]"):
        pd.concat({"Lab": df}, names=["siteRef", "ts"]).hs.plot()
    with pytest.raises(MetadataError, match=r"texts.*to_datetime"):
        df.set_axis(df.index.astype("str")).hs.plot()
    for other in (df.tz_localize(None), df.reset_index(drop=True)):
        (axis,) = other.hs.plot()
        axis.figure.canvas.draw()


@pytest.mark.parametrize("order", [range(24)[::-1], [*range(0, 24, 2), *range(23, 0, -2)]])
def test_rows_are_drawn_in_order_of_time(order: Any) -> None:
    """Of rows in another order a state would reach back over those before it, and a meter count downwards."""
    df = frame("2026-01-01", 24, m=kw(range(24)), on=[True] * 7 + [False] * 17, s=["a"] * 5 + ["b"] * 19)
    df = hsframe.with_points(df, {"m": Point("m", "m", "kW", "New_York", "Number", None, "{hisTotalized}")})
    pictures = [given.hs.plot() for given in (df, df.iloc[[*order]])]
    for ours, other in zip(*pictures, strict=True):
        assert ours.get_ylabel() == other.get_ylabel()
        assert ours.get_xlim() == other.get_xlim()
    assert len({str(drawn(axes[0])) for axes in pictures}) == 1
    assert len({str([bars(axes[1], row) for row in (0, 1)]) for axes in pictures}) == 1
    assert df.iloc[[*order]].hs.report().drop(columns="gaps").equals(df.hs.report().drop(columns="gaps"))
    (heat,), (mixed,) = (given[["m"]].hs.heatmap() for given in (df, df.iloc[[*order]]))
    np.testing.assert_array_equal(*(axis.images[0].get_array().filled(np.nan) for axis in (heat, mixed)))


@pytest.mark.parametrize("verb", ["plot", "heatmap", "report"])
@pytest.mark.parametrize("tz", ["UTC", None])
def test_a_row_without_a_time_is_refused(verb: str, tz: str | None) -> None:
    times = pd.DatetimeIndex(["2026-01-01", None, "2026-01-02"]).tz_localize(tz)
    df = pd.DataFrame({"on": [True, False, True], "kW": kw([1, 2, 3])}, index=times)
    with pytest.raises(MetadataError, match=r"row 1 has no time \(NaT\)"):
        getattr(df.hs, verb)()


@pytest.mark.parametrize("first", [False, True])
def test_nor_is_it_one_whose_times_are_not_in_order(first: bool) -> None:
    times = pd.DatetimeIndex([None, "2026-01-01"] if first else ["2026-01-01", None]).tz_localize("UTC")
    df = pd.DataFrame({"on": [True, False], "oat": pd.array([1.0, 2], dtype="unit[°C]")}, index=times)
    episodes = pd.DataFrame({"start": [pd.Timestamp(0, tz="UTC")], "end": [pd.Timestamp(1, tz="UTC")]})
    for verb in (
        lambda: df.hs.episodes("on"),
        lambda: df.hs.over(episodes, "mean"),
        lambda: df.hs.resample("1h"),
        df.hs.integrate,
        lambda: hsframe.degree_days(df["oat"], 18, "heating", tz="UTC"),
    ):
        with pytest.raises(MetadataError, match=rf"row {1 - first} has no time \(NaT\)"):
            verb()


@pytest.mark.parametrize("tz", ["America/New_York", None])
@pytest.mark.parametrize(("values", "rows"), [([np.nan] * 48, 48), ([np.inf] * 48, 48), ([1.0], 1), ([np.nan], 1)])
def test_the_axis_has_the_times_of_the_rows_whatever_their_values_are(
    values: list[float], rows: int, tz: str | None
) -> None:
    df = frame("2026-01-01", rows, tz=tz, kW=kw(values))  # type: ignore[arg-type]
    (axis,) = df.hs.plot()
    axis.figure.canvas.draw()
    left, right = (pd.Timestamp(day, unit="D", tz="UTC" if tz else None) for day in axis.get_xlim())
    assert df.index[0] - pd.Timedelta("90min") < left <= df.index[0] <= df.index[-1] <= right
    assert right < df.index[-1] + pd.Timedelta("90min")


def test_values_at_the_end_of_the_floats_are_drawn_as_infinite() -> None:
    (axis,) = frame("2026-01-01", 3, kW=kw([1e308, -1.7e308, 1])).hs.plot()
    axis.figure.canvas.draw()
    assert shown(axis) == ["kW (2 infinite)"]


def test_one_axis_may_be_given_and_takes_more() -> None:
    from matplotlib import pyplot

    _, (upper, lower) = pyplot.subplots(2)
    early, late = (frame(start, 5, kW=kw(range(5))) for start in ("2026-01-01", "2026-01-09"))
    assert early.hs.plot(ax=upper, title="Both", color="red").tolist() == [upper]
    late["kW"].hs.plot(ax=upper)
    assert (upper.get_title(), shown(upper), len(upper.lines)) == ("Both", ["kW", "kW"], 2)
    left, right = upper.get_xlim()
    assert left * DAY_US < early.index.as_unit("us").asi8[0]
    assert right * DAY_US > late.index.as_unit("us").asi8[-1]
    assert frame("2026-01-01", 48, kW=kw(range(48))).hs.heatmap(ax=lower).tolist() == [lower]
    assert len(pyplot.get_fignums()) == 1
    upper.figure.canvas.draw()


def test_what_is_not_taken_is_said_and_leaves_no_figure() -> None:
    from matplotlib import pyplot

    _, ax = pyplot.subplots()
    ax.set_ylabel("°F")
    df = frame("2026-01-01", 48, kW=kw(range(48)), fan=[True] * 48)
    units = [unit.symbols[0] for unit in hsframe.units.all_units()[:21]]
    many = frame("2026-01-01", 48, **{unit: pd.array([1.0] * 48, dtype=f"unit[{unit}]") for unit in units})
    for call, said in (
        (lambda: df.assign(s="on").hs.plot(x="s"), r"x='s' must be a column of numbers, and is of (object|str)"),
        (lambda: df.hs.plot(ax=ax), r"ax= is one axis, and 2 axes are drawn \(kW, states\)"),
        (lambda: df.hs.heatmap(ax=ax), r"2 axes are drawn \(kW, fan\): .*choose columns"),
        (lambda: df[["kW"]].hs.plot(ax=ax), "labelled '°F', and this is kW"),
        (lambda: df[["kW"]].hs.plot(ax=[ax]), r"one Axes of matplotlib, .*subplots\(\) gives; got <class 'list'>"),
        (lambda: df.hs.plot(label="L"), "label=: a line is called by its column"),
        (lambda: df.hs.plot(foo=1), "foo: matplotlib's Axes.plot refuses it: .*unexpected keyword"),
        (lambda: df.hs.plot(color="mauvish"), "color: .*not a valid value"),
        (lambda: df.hs.heatmap(foo=1), "foo: matplotlib's Axes.imshow refuses it"),
        (lambda: df.hs.plot(episodes="fan"), "episodes are a frame .*as df.hs.episodes"),
        (lambda: df.hs.plot(y="zz"), "there is no column 'zz'; the columns are 'kW', 'fan'"),
        (lambda: df.hs.plot(y=["kW", "kW"]), "drawn once"),
        (lambda: df.hs.plot(x="kW", y="kW"), "x= and y= are one column, 'kW'"),
        (many.hs.plot, r"21 axes are drawn \(.*, ...\), and a figure shows at most 20: choose"),
        (lambda: many.hs.heatmap(agg="mean"), "21 axes .*at most 20"),
    ):
        with pytest.raises(MetadataError, match=said):
            call()
    assert len(pyplot.get_fignums()) == 1
