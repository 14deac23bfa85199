"""What a frame knows of its read when pandas has cut it or put it together: it is exact, or the frame says so."""

from __future__ import annotations

import pickle
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

import hsframe
from hsframe.errors import MetadataError
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.frame.trend import trend_frame
from hsframe.kinds import NA, Number

STEP_US = 1_800_000_000
FIRST_US = 1_793_332_800_000_000  # 2026-10-30T04:00Z, New York's midnight
GAP = 6  # steps that a line reaches, three hours
KINDS = {"fan": "Bool", "sp": "Number", "kw": "Number"}
CONDITIONS: dict[str, tuple[Any, Any]] = {
    "fan": ("fan", ("fan", "==", False)),
    "sp": (("sp", ">", 0.5), ("sp", "<=", 0.5)),
    "kw": (("kw", ">", 0.5), ("kw", "<=", 0.5)),
}

Cells = dict[int, Any]


def read(span: tuple[int, int], **cells: Cells) -> pd.DataFrame:
    """A read of some points: cells by steps, of which None is NA."""
    span_us = tuple(FIRST_US + step * STEP_US for step in span)
    histories = []
    for name, own in cells.items():
        own = {step: own[step] for step in sorted(own) if span[0] <= step < span[1]}
        point = Point(name, name, None, "New_York", KINDS[name], None, '{hisMode:"cov"}' if name == "sp" else None)
        values = [NA if v is None else bool(v) if name == "fan" else Number(float(v)) for v in own.values()]
        ts_us = FIRST_US + np.array([*own], np.int64) * STEP_US
        histories.append(History(point, ts_us, values, span_us=span_us))  # type: ignore[arg-type]
    df = trend_frame(histories, header="id", shape="wide")
    assert isinstance(df, pd.DataFrame)
    return df


def steps_of(df: pd.DataFrame) -> list[int]:
    return ((pd.DatetimeIndex(df.index).as_unit("us").asi8 - FIRST_US) // STEP_US).tolist()


def slow(df: pd.DataFrame, name: str, cells: dict[str, Cells], spans: list[tuple[int, int]]) -> dict[int, bool | None]:
    """Whether a condition holds a third of a step after each, by looking at all that is there and all that was read."""
    rows, spans = steps_of(df), [(0, 96)] if spans == [(0, 48), (48, 96)] else spans
    was = {one: {t for t in own if any(a <= t < b for a, b in spans)} for one, own in cells.items()}
    here = {t: v for t, v in zip(rows, df[name].tolist(), strict=True) if not pd.isna(v)}
    every = set().union(*was.values())
    due = set().union(*(was[one] for one in df.columns))
    if any(t in every and t not in due for t in rows):
        due = every
    end = rows[-1] if rows and max(due, default=0) > rows[-1] else 10_000
    found: dict[int, bool | None] = {}
    for t in range(200):
        found[t] = None
        inside = next(((a, b) for a, b in spans if a <= t < b), None)
        if inside is None or t >= end:
            continue
        before = max((own for own in {*here, *was[name]} if inside[0] <= own <= t), default=None)
        if before not in here:
            continue
        if name != "kw":
            found[t] = bool(here[before] > 0.5)
            continue
        after = min((own for own in {*here, *was[name]} if t < own < inside[1]), default=None)
        if after in here and after - before <= GAP:
            middle = here[before] + (here[after] - here[before]) * (t + 1 / 3 - before) / (after - before)
            found[t] = bool(middle > 0.5)
    return found


def found_by(df: pd.DataFrame, name: str) -> tuple[dict[int, bool | None], list[str]]:
    """The same by episodes; and the warnings that the frame does not know something."""
    found: dict[int, bool | None] = dict.fromkeys(range(200))
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        for condition, value in zip(CONDITIONS[name], (True, False), strict=True):
            for row in df.hs.episodes(condition).itertuples():
                start, end = ((one.value // 1000 - FIRST_US) / STEP_US for one in (row.start, row.end))
                found |= {t: value for t in range(200) if start <= t + 1 / 3 < end}
        starts = pd.to_datetime([(FIRST_US + t * STEP_US) * 1000 for t in range(120)], utc=True)
        windows = pd.DataFrame({"start": starts, "end": starts + pd.Timedelta("30min")})
        coverage = df.hs.over(windows, {name: "coverage"})[name].tolist()
    passed_over = ("at the start of", "are further apart than")
    texts = [str(one.message) for one in told if not any(words in str(one.message) for words in passed_over)]
    assert not texts or len(texts) >= 3, texts  # in each call
    if not texts:
        assert coverage == [float(found[t] is not None) for t in range(120)]
    return found, texts


POINT = st.dictionaries(st.integers(0, 99), st.sampled_from([0, 1, 1, None]), max_size=24)
POINTS = st.fixed_dictionaries({"fan": POINT, "sp": POINT, "kw": POINT})


def parts_of(df: pd.DataFrame, draw: Any) -> pd.DataFrame:
    """A frame after some operations of pandas that take rows, columns or values out of it."""
    for what in draw(st.lists(st.sampled_from(PARTS), max_size=3)):
        df = what(df, draw)
    return df


def _slice(df: pd.DataFrame, draw: Any) -> pd.DataFrame:
    first, last = sorted(draw(st.tuples(st.integers(0, len(df)), st.integers(0, len(df)))))
    return df.iloc[first:last]


def _mask(df: pd.DataFrame, draw: Any) -> pd.DataFrame:
    return df[np.array(draw(st.lists(st.booleans(), min_size=len(df), max_size=len(df))), dtype=bool)]


def _clear(df: pd.DataFrame, draw: Any) -> pd.DataFrame:
    df = df.copy()
    for row in draw(st.sets(st.integers(0, len(df) - 1), max_size=4)) if len(df) else ():
        df.iloc[row, draw(st.integers(0, df.shape[1] - 1))] = None
    return df


PARTS = [
    _slice,
    _mask,
    _clear,
    lambda df, _: df.dropna(),
    lambda df, _: df.dropna(how="all"),
    lambda df, draw: df[draw(st.lists(st.sampled_from([*df.columns]), min_size=1, unique=True))],
    lambda df, draw: df.reindex(_mask(df, draw).index),
    lambda df, draw: df.iloc[:, :1].join(_mask(df.iloc[:, 1:], draw), how="inner") if df.shape[1] > 1 else df,
    lambda df, _: pickle.loads(pickle.dumps(df)),
    lambda df, _: hsframe.concat([df.iloc[: len(df) // 2], df.iloc[len(df) // 2 :]]) if len(df) > 1 else df,
]


@given(POINTS, st.sampled_from([[(0, 48)], [(0, 48), (48, 96)], [(0, 40), (60, 100)]]), st.booleans(), st.data())
def test_parts_of_reads_are_known_exactly_and_without_a_word(
    cells: dict[str, Cells], spans: list[tuple[int, int]], is_beside: bool, data: Any
) -> None:
    if is_beside:  # each point read by itself
        reads = [hsframe.concat([read(span, **{name: own}) for name, own in cells.items()], axis=1) for span in spans]
    else:
        reads = [read(span, **cells) for span in spans]
    df = parts_of(hsframe.concat(reads), data.draw)
    for name in df.columns:
        found, texts = found_by(df, name)
        assert not texts
        assert found == slow(df, name, cells, spans)


PUT_TOGETHER = [
    lambda a, b: pd.concat([a, b]),
    lambda a, b: pd.concat([b, a]).sort_index(),
    lambda a, b: a[["sp"]].join(b[["kw"]].rename(columns={"kw": "q"}), how="outer"),
    lambda a, b: pd.concat([a[["sp", "fan"]], b[["kw"]]], axis=1, sort=True),
    lambda a, b: pd.merge(a[["sp"]], b[["kw"]], left_index=True, right_index=True, how="outer"),
]


@given(POINTS, st.sampled_from([[(0, 48), (48, 96)], [(0, 40), (60, 100)]]), st.sampled_from(PUT_TOGETHER))
def test_reads_that_pandas_puts_together_are_known_or_it_warns(
    cells: dict[str, Cells], spans: list[tuple[int, int]], put_together: Any
) -> None:
    a, b = (read(span, **cells) for span in spans)
    df = put_together(a, b)
    if not len(a) or not len(b):
        return
    for name in {*df.columns} & {*cells}:
        found, texts = found_by(df, name)
        assert texts or found == slow(df, name, cells, spans)


@given(POINTS, st.sampled_from(["join", "concat", "merge"]), st.sampled_from(["outer", "inner"]))
def test_reads_of_other_points_that_pandas_joins_always_warn(cells: dict[str, Cells], by: str, how: Any) -> None:
    a, b = read((0, 48), sp=cells["sp"]), read((0, 48), kw=cells["kw"], fan=cells["fan"])
    if by == "join":
        df = a.join(b, how=how)
    elif by == "concat":
        df = pd.concat([a, b], axis=1, join=how, sort=True)
    else:
        df = pd.merge(a, b, left_index=True, right_index=True, how=how)
    if len(df):
        assert all(found_by(df, name)[1] for name in df.columns)


A = {0: 1, 4: None, 8: 0}
B = {2: 1, 6: 1}


@pytest.mark.parametrize("is_part", [False, True])
def test_a_file_gives_back_the_read_if_it_has_all_of_it(tmp_path: Path, is_part: bool) -> None:
    df = read((0, 48), fan=A, kw=B)
    hsframe.write_parquet(df.iloc[1:] if is_part else df, tmp_path / "a.parquet")
    found, texts = found_by(hsframe.read_parquet(tmp_path / "a.parquet"), "fan")
    assert bool(texts) == is_part
    assert is_part or found == slow(df, "fan", {"fan": A, "kw": B}, [(0, 48)])


@pytest.mark.parametrize(
    ("points", "words"),
    [
        ({"c": "p"}, "'c' must be .*'fan', 'kw'"),
        ({7: "p"}, "7 must be a text"),
        ({"fan": "p", "kw": "p"}, "'kw' must be .* no other column"),
        ({"fan": ["p", "q"]}, "one point"),
    ],
)
def test_points_of_no_column_or_of_several_are_refused(points: Any, words: str) -> None:
    df = read((0, 48), fan=A, kw=B)
    df[7] = 1.0
    with pytest.raises(MetadataError, match=words):
        hsframe.with_points(df, points)
    for index in (df.index.tz_localize(None), df.index[::-1], [*range(len(df))]):
        with pytest.raises(MetadataError, match="zone-aware times in order"):
            hsframe.with_points(df.set_axis(index), {})


def test_frames_that_cannot_stand_side_by_side_are_refused() -> None:
    a, b = read((0, 48), fan=A), read((0, 48), kw=B)
    levels = b.set_axis(pd.MultiIndex.from_tuples([("kw", "mean")]), axis=1)
    renamed = hsframe.with_points(a.set_axis(["f"], axis=1), {"f": "fan"})
    for frames, words in (
        ([a, a], "frame 0 and frame 1 both have a column 'fan'"),
        ([a, b, renamed], "frame 0 and frame 2 both have the point @fan"),
        ([a, pd.concat([b, b])], "frame 1 has .* twice"),
        ([a, levels], "1 levels in frame 0 and 2 in frame 1"),
    ):
        with pytest.raises(MetadataError, match=words):
            hsframe.concat(frames, axis=1)
    with pytest.raises(MetadataError, match="axis=2 is unknown"):
        hsframe.concat([a, b], axis=2)  # type: ignore[call-overload, arg-type, unused-ignore]


HOURLY: Cells = {step: float(step) for step in range(0, 96, 2)}
COV: Cells = {5: 1.0, 41: 2.0, 77: 0.0}


def made_by_pandas() -> list[Any]:
    """What pandas makes of a read of an hourly point and of a COV setpoint, or of their masks."""
    whole = read((0, 96), kw=HOURLY, sp=COV)
    kw, sp = read((0, 96), kw=HOURLY), read((0, 96), sp=COV)
    joined = kw.join(sp, how="outer")
    lost = whole.copy()
    lost.attrs.clear()
    pairs = pd.DatetimeIndex(kw.index).tz_convert("UTC").floor("2h")
    swapped = whole.set_axis(["sp", "kw"], axis=1)
    return [
        pytest.param(joined.resample("1h").mean(), "kw", id="join and resample"),
        pytest.param(lost.asfreq("1h"), "kw", id="without attrs, asfreq"),
        pytest.param(kw.resample("2h").mean().dropna(), "kw", id="resample and dropna"),
        pytest.param(kw.groupby(pairs).mean(), "kw", id="groupby"),
        pytest.param(whole[["kw"]].rename(columns={"kw": "sp"}), "sp", id="of another point"),
        pytest.param(swapped, "sp", id="swapped"),
    ]


@pytest.mark.filterwarnings("ignore::hsframe.GapWarning")
@pytest.mark.parametrize(("df", "label"), made_by_pandas())
def test_what_pandas_has_made_of_a_read_warns(df: pd.DataFrame, label: str) -> None:
    for call in (
        lambda: df.hs.episodes((label, ">", 0.5)),
        lambda: df[[label]].hs.resample("1D", "mean", edges="partial", min_coverage=0.01),
    ):
        with pytest.warns(hsframe.ReadWarning):
            call()


@pytest.mark.parametrize("values", ["bool", "text", "number"])
@pytest.mark.parametrize("rows", ["label", "mask", "dropped"])
def test_rows_that_are_taken_out_of_a_computed_column_are_not_known(values: str, rows: str) -> None:
    """A value does not hold over rows that are gone, nor is there a line over them; and the verbs say so."""
    kw = read((0, 96), kw={step: float(step % 20 >= 10) for step in range(0, 96, 2)})
    is_on = kw["kw"] > 0.5
    on = {"bool": is_on, "text": is_on.map({True: "on", False: "off"}), "number": kw["kw"] * 2}[values]
    whole = kw.assign(on=on)[["on"]]
    condition: Any = {"bool": "on", "text": ("on", "==", "on"), "number": ("on", ">=", 2.0)}[values]
    of_whole = whole.hs.episodes(condition)
    part = whole.drop(whole.index[3:30]) if rows == "dropped" else whole[is_on]
    with pytest.warns(hsframe.ReadWarning, match="rows were taken out of the read"):
        found = part.hs.episodes(part["on"] if rows == "mask" and values == "bool" else condition)
    assert found["duration"].sum() <= of_whole["duration"].sum()
    with pytest.warns(hsframe.ReadWarning, match="rows were taken out of the read"):
        coverage = part.hs.resample("1D", "coverage", edges="partial")["on"]
    assert coverage.max() < 1


@pytest.mark.filterwarnings("ignore:the frame does not know the point:hsframe.ReadWarning")
def test_a_computed_column_without_the_rows_in_which_it_has_no_value_is_whole() -> None:
    both, alone = read((0, 96), kw=HOURLY, sp=COV), read((0, 96), kw=HOURLY)
    of_both, of_one = (df.assign(twice=df["kw"] * 2)[["twice"]].dropna() for df in (both, alone))
    assert len(of_both) == len(of_one) < len(both)
    assert of_both.hs.episodes(("twice", ">", 20)).equals(of_one.hs.episodes(("twice", ">", 20)))


def test_what_is_computed_warns_though_no_column_of_the_read_is_left() -> None:
    both = read((0, 96), kw=HOURLY, sp=COV)
    alone = both.assign(X=both["sp"] + 0)[["X"]]
    parts = hsframe.concat([alone.iloc[:20], alone.iloc[20:]])
    for df in (alone, parts):
        with pytest.warns(hsframe.ReadWarning, match="does not know the point of 'X'"):
            df.hs.over(pd.DataFrame({"start": [df.index[0]], "end": [df.index[-1]]}), {"X": "mean"})


@pytest.mark.filterwarnings("ignore:the frame does not know the point of:hsframe.ReadWarning")
def test_what_is_computed_of_one_point_is_not_whole_where_another_has_samples() -> None:
    holed = {step: float(step % 20) for step in range(0, 96, 2) if step % 14}
    both = read((0, 96), kw={step: float(step % 20 >= 10) for step in range(0, 96, 2)}, sp=holed)
    for values in (both["kw"] > 0.5, both["kw"] * 2):
        df = both.assign(on=values)
        part, windows = df.dropna(subset=["sp"]), df.hs.episodes(("kw", ">", 0.5))
        for call in (
            lambda part=part: part[["on"]].hs.resample("1D", "coverage", edges="partial"),
            lambda part=part, windows=windows: part.hs.over(windows, {"on": "coverage"}),
        ):
            with pytest.warns(hsframe.ReadWarning, match="rows were taken out of the read"):
                call()


def test_a_mask_that_is_a_column_is_as_the_mask() -> None:
    """It is false where its point has no sample, which warns; filled, it holds to the end of the read."""
    both = read((0, 96), kw=HOURLY, sp={5: 1.0, 41: 2.0, 77: 0.0, 80: 3.0})
    filled = both.ffill()["sp"] > 0.5
    found = list[pd.DataFrame]()
    for call in (
        lambda: both.assign(on=filled).hs.episodes("on"),
        lambda: both.hs.episodes(filled.rename(None)),
        lambda: both.assign(on=filled).pipe(lambda df: df.hs.episodes(df["on"])),
    ):  # right, though nothing tells of which columns it is
        with pytest.warns(hsframe.ReadWarning, match="rows of the mask a column has no sample"):
            found.append(call())
    of_column = found[0]
    assert all(of_column.equals(one) for one in found)
    assert of_column["end"].iloc[-1] > both.index[-1]
    with_mask = both.assign(on=both["sp"] > 0.5)
    for call in (
        lambda: with_mask.hs.episodes("on"),
        lambda: with_mask.hs.episodes(with_mask["on"]),
        lambda: with_mask[["on"]].hs.resample("1D", "share", edges="partial"),
        lambda: both.assign(on=both["kw"] > 3)[["on"]].hs.resample("1D", "share", edges="partial"),
    ):
        with pytest.warns(hsframe.ReadWarning, match="rows of the mask a column has no sample"):
            call()


@pytest.mark.filterwarnings("ignore:what 'the mask' is at the start:hsframe.ReadWarning")
def test_a_mask_of_several_columns_that_are_not_filled_warns() -> None:
    """Whatever is written between them: an "or" is true in rows in which one of them has no sample."""
    both = read((0, 96), kw=HOURLY, sp=COV)
    numbers = both.assign(on=(both["kw"] > 3) | (both["sp"] > 1.5))
    states = both.astype("float64") > 1.5
    states = both.assign(kw=states["kw"].astype("boolean"), sp=states["sp"].astype("boolean")).where(both.notna())
    calls: list[Callable[[], object]] = [
        lambda: numbers.hs.episodes("on"),
        lambda: numbers.hs.episodes(numbers["on"].rename(None)),
        lambda: both[["kw"]].hs.resample("1D", "mean", edges="partial", min_coverage=0.01, where=numbers["on"]),
        lambda: states.hs.episodes(states["kw"] | states["sp"]),
        lambda: states[["kw"]].hs.episodes((states["kw"] | states["sp"]).rename("on")),
        lambda: states.hs.episodes(states["kw"].fillna(False) | states["sp"].fillna(False)),
    ]
    for call in calls:
        with pytest.warns(hsframe.ReadWarning, match="rows of the mask a column has no sample"):
            call()
    filled = both.ffill().dropna()
    filled.hs.episodes((filled["kw"] > 3) | (filled["sp"] > 1.5))


def test_a_mask_warns_of_rows_that_are_gone() -> None:
    """Those of the other points too, for it may be of them, whichever column it is like."""
    both = read((0, 96), kw=HOURLY, sp=COV)
    states = both.assign(on=both["kw"].ffill() > 3, own=both["sp"] > 1.5)
    for less in (states.dropna(subset=["sp"]), states[states["sp"].notna()]):
        for call in (
            lambda df=less: df.hs.episodes("on"),
            lambda df=less: df.hs.episodes(df["own"].rename("x")),
            lambda df=less: df[["kw"]].hs.resample("1D", "mean", edges="partial", min_coverage=0.01, where=df["on"]),
            lambda df=less: df.hs.over(df.hs.episodes(("sp", ">", 1.5)), {"on": "share"}, min_coverage=0.01),
        ):
            with pytest.warns(hsframe.ReadWarning) as told:
                call()
            assert [one for one in told if "rows were taken out of the read" in str(one.message)]


@pytest.mark.parametrize("step", [2, 4])
def test_one_row_between_two_whole_ones_counts(step: int) -> None:
    """A point of twice the period of another lacks each second row, and the mask is false there, or true if negated."""
    both = read((0, 25), fan=dict.fromkeys(range(0, 25, step), 1), kw={at: at % step for at in range(25)})
    for mask in ((both["kw"] > 0) & both["fan"].fillna(False), ~((both["kw"] > 0) & (both["fan"] == True))):  # noqa: E712 -- as people write it
        with pytest.warns(hsframe.ReadWarning, match="rows of the mask a column has no sample"):
            both.hs.episodes(mask.rename(None))


def test_a_negated_comparison_is_not_known_before_the_first_sample() -> None:
    """It is true there, though nothing is known; and so in an interval without a value."""
    late = read((0, 48), kw=dict.fromkeys(range(24, 48), 1.0), sp=dict.fromkeys(range(48), 1.0))
    for mask in (~(late["kw"] > 2), late["kw"] != 2, ~(late["kw"] > 2) & (late["sp"] > 0)):
        with pytest.warns(hsframe.ReadWarning, match="has no sample"):
            late.hs.episodes(mask)


@pytest.mark.filterwarnings("ignore::hsframe.GapWarning")
def test_a_computed_bool_column_is_known_for_as_long_as_its_points() -> None:
    """A gap of a logger is no more known of a column than of the same mask."""
    kw = read((0, 48), kw=dict.fromkeys([*range(18), *range(30, 48)], 5.0))
    df = kw.assign(on=kw["kw"] > 3)
    hours = df.hs.episodes(df["kw"] > 3)["duration"].sum() / pd.Timedelta("1h")
    assert hours == 8.5 + 3 + 9  # three hours after the last sample before the gap
    assert df.hs.episodes("on")["duration"].sum() / pd.Timedelta("1h") == hours
    alone = df[["on"]]
    assert alone.hs.episodes("on")["duration"].sum() / pd.Timedelta("1h") == hours
    assert alone.hs.integrate("1D", min_coverage=0.01)["on"].iloc[0] == hours


@pytest.mark.parametrize(
    "change",
    [
        lambda df: df.rename(columns={"fan": "F"}),
        lambda df: df.assign(F=df["fan"])[["F"]],
        lambda df: df.assign(F=df["fan"]),
        lambda df: df.assign(F=np.where(df["fan"], "on", "off")),
    ],
)
@pytest.mark.filterwarnings("error")
def test_what_was_renamed_or_computed_is_known_to_the_end_of_the_read(change: Callable[[Any], pd.DataFrame]) -> None:
    df = change(read((0, 48), fan={0: False, 10: True, 12: False, 34: True}))
    state = "on" if pd.api.types.is_string_dtype(df["F"]) else True
    found = [df.hs.episodes(("F", "==", state)), df.hs.episodes(df["F"] == state)]
    found += [df.hs.episodes("F")] if state is True else []
    for episodes in found:
        assert [steps_of(episodes.set_index(name)) for name in ("start", "end")] == [[10, 34], [12, 48]]
    noon = pd.Timestamp(df.index[0]) + pd.Timedelta("20h")  # beyond the last row
    window = pd.DataFrame({"start": [noon], "end": [noon + pd.Timedelta("2h")]})
    assert df.hs.over(window, {"F": "coverage"}).iloc[0, 0] == 1


COVS: dict[str, Cells] = {"fan": {0: False, 10: True, 34: False}, "sp": {0: 0.0, 10: 1.0, 34: 0.0}}
LIGHT = read((0, 48), kw=dict.fromkeys(range(48), 1.0))  # known for three hours after each sample


@pytest.mark.parametrize("dtype", ["bool", "boolean"])
@pytest.mark.parametrize("point", ["fan", "sp"])
@pytest.mark.filterwarnings("error")
def test_a_mask_holds_as_long_as_the_points_of_its_read_whatever_its_name(dtype: str, point: str) -> None:
    df = read((0, 48), **{point: COVS[point]})
    mask = (df["fan"] if point == "fan" else df["sp"] > 0.5).astype(dtype)
    for one in (mask, mask.rename(None), df.assign(x=mask)["x"], df.rename(columns={point: "x"})["x"] == 1):
        found = df.hs.episodes(one)
        assert found["duration"].tolist() == [pd.Timedelta("12h")]
        assert LIGHT.hs.resample("1D", "count", where=found, edges="partial")["kw"].tolist() == [24]


def test_a_mask_that_shows_that_it_is_of_a_read_is_refused_though_it_does_not_know_it() -> None:
    mask = read((0, 48), fan=COVS["fan"])["fan"]
    mask.attrs.clear()
    with pytest.raises(
        MetadataError, match="the mask has 3 rows of a read, as its index ts says, and is not of the frame"
    ):
        LIGHT.hs.episodes(mask)


@pytest.mark.filterwarnings("error")
def test_rows_of_ones_own_hold_to_the_next_row_beside_any_point() -> None:
    mask = pd.Series([False, True, False], LIGHT.index[[0, 12, 24]].rename("time"))
    for one in (mask, mask.rename("occupied"), mask.astype("boolean")):
        assert LIGHT.hs.episodes(one)["duration"].tolist() == [pd.Timedelta("6h")]


def test_a_mask_of_a_column_of_ones_own_is_not_known_where_that_has_no_value() -> None:
    index = pd.date_range("2026-11-02", periods=4, freq="6h", tz="America/New_York", name="time")
    df = pd.DataFrame({"x": [9.0, np.nan, 1.0, 1.0]}, index)
    for mask in (df["x"] > 5, df["x"] <= 5):
        assert df.hs.episodes(mask)["duration"].tolist() == [pd.Timedelta("6h")]
    # What was negated is true there, as what was filled may be.
    read_with_na = read((0, 48), kw={**dict.fromkeys(range(48), 1.0), 20: None})
    for own, mask in (
        (df, ~(df["x"] > 5)),
        (read_with_na, ~(read_with_na["kw"] > 2)),
        (read_with_na, read_with_na["kw"] != 2),
    ):
        with pytest.warns(hsframe.ReadWarning, match="in 1 rows of the mask '(x|kw)' has no sample"):
            own.hs.episodes(mask)


@pytest.mark.filterwarnings("ignore::hsframe.GapWarning")
def test_a_joined_frame_is_not_somebodys_own_once_its_rows_are_regular() -> None:
    joined = read((0, 96), kw=HOURLY).join(read((0, 96), sp=COV), how="outer").astype("unit[kW]")
    regular = joined.reindex(pd.date_range(joined.index[0], periods=96, freq="30min"))
    for call in (
        lambda: regular.hs.episodes(("sp", ">", 0.5)),
        lambda: regular.hs.resample("1D", "mean", edges="partial", min_coverage=0.01),
    ):
        with pytest.warns(hsframe.ReadWarning, match="does not know what was read"):
            call()


def test_the_report_warns_of_what_was_taken_out_and_of_another_points_values() -> None:
    whole = read((0, 96), kw=HOURLY, sp=COV)
    for df in (whole[whole["kw"].isna() | (whole["kw"] > 7)].drop(whole.index[40]), whole.dropna(subset=["sp"])):
        with pytest.warns(hsframe.ReadWarning, match="were taken out since"):
            df.hs.report()
    with pytest.warns(hsframe.ReadWarning, match="'sp', 'kw': the values are not those"):
        whole.set_axis(["sp", "kw"], axis=1).hs.report()
    whole.iloc[5:20].hs.report()
    whole[["kw"]].dropna().hs.report()


def test_the_report_warns_of_rows_that_pandas_has_made_or_added() -> None:
    kw = read((0, 96), kw=HOURLY)
    pairs = pd.DatetimeIndex(kw.index).tz_convert("UTC").floor("2h")
    of_two = pd.concat([kw, read((96, 120), kw={100: 1.0, 102: 1.0})])
    hourly = kw.resample("2h").mean()
    for df in (hourly.drop(hourly.index[7]), kw.groupby(pairs).mean(), kw[::4], of_two, of_two[::-1]):
        with pytest.warns(hsframe.ReadWarning):
            df.hs.report()
    kw.hs.report()  # nor does a part, or a frame in which pandas has made each row due
    kw.iloc[10:30].hs.report()
    hourly.hs.report()


@pytest.mark.filterwarnings("ignore:what 'sp' is at the start:hsframe.ReadWarning")
def test_masks_that_compare_row_by_row_warn() -> None:
    whole = read((0, 96), kw=HOURLY, sp=COV)
    alone, of_sp = whole[["kw"]], whole["sp"] > 0.5
    for mask in (of_sp & (whole["kw"] > 3), of_sp | (whole["sp"] > 1.5)):
        with pytest.warns(hsframe.ReadWarning):
            alone.hs.resample("1D", "mean", edges="partial", min_coverage=0.01, where=mask)
