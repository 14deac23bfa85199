"""What a frame holds, column by column: how complete it is and where it looks wrong, each number in its unit."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.analysis.due import Gap, due_of_intervals, due_of_samples, intervals_of, rows_of_group
from hsframe.analysis.read_warnings import warn_of_report
from hsframe.analysis.report_page import report_page, verdict_of
from hsframe.analysis.time_axis import clock_changes
from hsframe.arrays import Floats, Instants
from hsframe.durations import HOUR_US
from hsframe.errors import MetadataError
from hsframe.frame.in_units import in_one_unit
from hsframe.frame.points import Point, differing_of, point_labels, points_of
from hsframe.frame.reads import Read, read_at_us, reads_of, source_text
from hsframe.frame.stamps import Interval, has_both_ends, interval_of, noted_interval
from hsframe.frame.trend import TIMES_OF_TEXT, in_order_of_time, is_of_text, time_index
from hsframe.frame.whole_file import whole_file
from hsframe.intervals.meters import false_readings, reading_deltas
from hsframe.intervals.rules import IntervalSettings, PointSampling, rules_of
from hsframe.kinds import Number
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.units import convert, convertible, delta
from hsframe.zones import zone

_COLUMNS: Final[dict[str, Any]] = {
    **dict.fromkeys(("id", "unit", "kind"), "str"),
    **dict.fromkeys(("samples", "expected", "missing"), "Int64"),
    "coverage": np.float64,
    **dict.fromkeys(("infinite", "differing", "duplicates"), "Int64"),
    **dict.fromkeys(("min", "mean", "max", "first", "last"), object),
    **dict.fromkeys(("interval", "longest_gap"), "timedelta64[us]"),
    "gaps": object,
    "stuck": np.float64,
    "stuck_for": "timedelta64[us]",
    **dict.fromkeys(("false_readings", "resets", "out_of_range", "clock_shifts"), "Int64"),
    "verdict": "str",
}


def report(df: pd.DataFrame, *, html: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """One row per column: what it is, how complete it is, and where it looks wrong.

    Each column is judged by itself, by its own samples and its record, whatever is beside it: over the span that was
    read, which the catalog of the frame has. Where that is lost, as in rows that were put together by hand, or where
    the column was cut on a side, it is from its own first to its own last sample: what lacks before and after is not
    known then. A slice that has all samples of a column is judged over the span of the read, since its other rows may
    be those of the columns beside it: read a part to have it judged. What cannot be judged is missing (``<NA>``).

    Parameters
    ----------
    df : DataFrame
        A trend frame, or a matrix, each group of which is judged by itself: all its rows are due, but those that were
        not over when it was read. Of a frame without a time index the columns about time are missing.
    html : path, optional
        Write it as a page too, which is one file: a part a point, with a picture of when it has samples.

    Returns
    -------
    DataFrame
        Index: the columns' labels; of a matrix below the group. What it is and holds:

        - ``id``, ``unit``, ``kind``: where known
        - ``samples``: rows with a value; ``infinite``: of these, how many are
        - ``expected``: how many are due, one each ``hisInterval`` of the record; where it has none, each usual
          interval, if most are. Of values over intervals (``df.hs.interval``) one in each, by the calendar of the
          point; of rows that ``resample`` made (``df.index.freq``) each. Nothing is due of Bool and Str, of points with
          change of value (``hisMode`` ``"cov"``, ``hisCov``), and after the present of the read: of a month to date
          those are due that were over, and what has a value
        - ``missing``: of the expected; ``coverage``: the share of them that is there; without a time index, rows
          without a value. A sample that is NA has no value, so it is missing, and in `gaps` too: a frame tells it from
          no sample only where it is read with ``na="flag"``, and ``his_write(existing="keep")`` leaves it
        - ``differing``: samples dropped when the frame was made, whose instant came twice with another value;
          ``duplicates``: rows of the frame that repeat the instant of another, as after a concat
        - ``min``, ``mean``, ``max``: floats that know their unit; of objects in units that convert, the first one
        - ``first``, ``last``: instants with a sample; ``interval``: the usual time between two
        - ``longest_gap``: the longest time from one sample to the next, or from the start of what was read to the
          first, or from the last to the end, which is at most the present; of every kind of point, also where nothing
          is due. So it is one ``interval`` where nothing is missing, and that much longer than the gap in ``gaps``,
          which begins with the first sample that should be there

        What looks wrong:

        - ``gaps``: where due samples are missing, a list of (begin, end, missing): from the instant of the first of
          them up to the next sample, or to the end of what was read. It is empty where none is missing, and None where
          nothing is due; ``gaps.explode().dropna()`` has a row of each
        - ``stuck``: the longest run of samples of one value, as a share of all; ``stuck_for``: the longest time from
          the first to the last of such a run
        - ``false_readings``: of a meter (``hisTotalized``), by the rule of
          :doc:`Values over intervals </explanation/intervals>`; of a temperature and of %RH zeros, where all other
          values are further from 0 than from one another; 0 is that of the record's unit, whatever the column was
          converted to
        - ``resets``: how often a meter began anew, by the same rules, false readings left out
        - ``out_of_range``: values below ``minVal`` or above ``maxVal`` of the record
        - ``clock_shifts``: changes of the clock beside which the hour before or after has no sample, though there are
          some on either side of it, or half as many again as are due: of a logger whose clock does not go with the zone
        - ``verdict``: all of this in words, but for ``stuck``, since a setpoint may stand for days; empty where nothing
          is found: ``report[report["verdict"] != ""]``. Where a gap reaches to the end of what was read, it says after
          when there is no sample. A point that is silent for the whole span has ``no sample``, also where its record
          has no ``hisInterval`` and nothing can be due; :func:`hsframe.inventory` has its last one

    Examples
    --------
    >>> index = pd.date_range("2026-11-01", periods=4, freq="15min", tz="America/New_York")
    >>> df = pd.DataFrame({"Meter": pd.array([1.0, 2.0, None, 3.0], dtype="unit[kW]")}, index=index)
    >>> print(df.hs.report()[["unit", "samples", "missing", "coverage"]])
          unit  samples  missing  coverage
    point
    Meter   kW        3        1      0.75
    """
    found = _report(df)
    warn_of_report(df)
    if html is not None:
        with whole_file(html) as file:
            file.write(report_page(found, source_text(df)).encode())
    return found


def _report(df: pd.DataFrame) -> pd.DataFrame:
    if has_both_ends(df.index):
        df = df.droplevel("end")
    df = in_order_of_time(df)
    if is_of_text(df.index):
        raise MetadataError(f"the times of the index are texts, of which no gap can be told; {TIMES_OF_TEXT}")
    if "fold" in df.index.names and not df.index.get_level_values("fold").any():
        df = df.droplevel("fold")
    levels = df.index.levels if isinstance(df.index, pd.MultiIndex) and len(df) else []
    if any(isinstance(level, pd.DatetimeIndex) for level in levels):
        names = list(map(str, df.index.names))
        if len(names) > 2 or not isinstance(levels[1], pd.DatetimeIndex):
            raise MetadataError(
                f"the index has the levels {', '.join(names)}; expected group and time, as of a matrix of index='utc'"
            )
        groups = df.groupby(level=0, sort=False)
        return pd.concat({group: _report(own.droplevel(0)) for group, own in groups}, names=names[:1])
    points, differing, reads, interval = points_of(df), differing_of(df), reads_of(df), interval_of(df)
    if noted_interval(df) is not None:  # the tags of the records are of the samples, not of what was made of them
        points = {label: replace(point, his=None) for label, point in points.items()}
        reads = reads if interval else {}
    df = in_one_unit(df, refuse=False)
    # No column of a matrix has a point, and its rows are the intervals of a group: those that were over then are due.
    is_group = interval is not None and interval.label != "end" and not points
    at_us = read_at_us(df) if is_group else None
    rows = []
    for place, label in enumerate(point_labels(df.columns)):
        point = points.get(label, Point(""))
        column, read = df.iloc[:, place], reads.get(point.id, Read())
        row = _row(column, point, differing.get(label, 0))
        row |= _times(column, point, read, interval, at_us)
        is_step = PointSampling.from_record(point.his_tags()).is_step
        rows.append(row | {"verdict": verdict_of(row, records_changes=is_step)})
    times = df.index.as_unit("us").dtype if isinstance(df.index, pd.DatetimeIndex) else object
    # As objects where they have a unit, or pandas would make plain floats of them.
    dtypes = _COLUMNS | {"first": times, "last": times}
    columns = {name: pd.array([row[name] for row in rows], dtype=dtype) for name, dtype in dtypes.items() if rows}
    return pd.DataFrame(columns, index=df.columns.rename("point") if df.columns.nlevels == 1 else df.columns)


def _is_number(series: pd.Series[Any]) -> bool:
    return pd.api.types.is_numeric_dtype(series.dtype) and series.dtype.kind != "b"


def _row(series: pd.Series[Any], point: Point, differing: int) -> dict[str, Any]:
    there, unit = series.dropna(), unit_of_dtype(series.dtype)
    values = there.to_numpy(dtype=np.float64) if _is_number(series) else None
    row: dict[str, Any] = {
        **dict.fromkeys(_COLUMNS),
        "id": point.id or None,
        "unit": unit,
        "kind": point.kind,
        "samples": len(there),
        "missing": len(series) - len(there),
        "infinite": 0 if values is None else int(np.isinf(values).sum()),
        "differing": differing,
    }
    if values is not None and len(there):
        row |= {"min": series.min(), "mean": series.mean(), "max": series.max()}
    same = np.asarray(there.iloc[1:].array == there.iloc[:-1].array, dtype=bool)
    runs = np.flatnonzero(np.concatenate([[True], ~same, [True]])) if len(there) else np.array([0])
    row["stuck"] = float(np.diff(runs).max() / len(there)) if len(there) else None
    if not isinstance(there.index, pd.DatetimeIndex):
        return row
    ts_us, places = np.unique(there.index.as_unit("us").asi8, return_index=True)
    if len(there):
        row["stuck_for"] = (there.index[runs[1:] - 1] - there.index[runs[:-1]]).max()
    if values is not None:
        row |= _implausible(values[places], ts_us, unit, point)
    return row | {"missing": None, "duplicates": len(there) - len(ts_us)}


def _times(
    column: pd.Series[Any], point: Point, read: Read, interval: Interval | None, at_us: int | None
) -> dict[str, Any]:
    """What is due of a column, and what is missing of it."""
    index = column.index
    if not isinstance(index, pd.DatetimeIndex):
        return {}
    row: dict[str, Any] = {}
    ts_us = np.unique(index[column.notna()].as_unit("us").asi8)
    steps = np.diff(ts_us)
    if len(ts_us):
        row |= dict(zip(("first", "last"), time_index(ts_us[[0, -1]], index.tz), strict=True))
    if len(steps):
        row["interval"] = pd.Timedelta(int(np.median(steps)), unit="us")
    # Rows that pandas made regular, and those of a group, are due as they are, whatever was read.
    spans = read.parts(ts_us) if index.freq is None and at_us is None else [(Read(), ts_us)]
    row["longest_gap"] = max(_longest_gap(own_us, *part.known_from(own_us)) for part, own_us in spans) or None
    sampling = PointSampling.from_record(point.his_tags())
    if sampling.is_step or not _is_number(column):
        return row
    step_us, parts = sampling.interval_us, list[tuple[int, list[Gap]]]()
    usual_us = int(np.median(steps)) if len(steps) else 0
    if step_us is None and usual_us and np.mean(np.abs(steps - usual_us) <= usual_us / 10) > 0.5:
        step_us = usual_us  # how far apart most of them are, within a tenth
    for part, own_us in spans:
        if interval is not None and at_us is not None:
            rows = rows_of_group(index, interval, own_us, at_us)
        else:
            rows = intervals_of(index, interval, own_us, part, point.tz)
        if rows is not None:
            edges_us, stamps_us = rows
            step_us = int(np.median(np.diff(edges_us)))
            parts.append(due_of_intervals(own_us, edges_us, stamps_us, index.tz))
            longest = _longest_gap(own_us, int(edges_us[0]), int(edges_us[-1]))
            row["longest_gap"] = max(row["longest_gap"] or longest, longest)
        elif step_us is not None:
            parts.append(due_of_samples(own_us, step_us, part, index.tz))
    if expected := sum(due for due, _ in parts):
        gaps = [gap for _, own in parts for gap in own]
        missing = sum(gap.missing for gap in gaps)
        row |= {"expected": expected, "missing": missing, "coverage": 1 - missing / expected, "gaps": gaps}
    if step_us is not None and len(ts_us) and index.tz is not None and step_us <= HOUR_US and at_us is None:
        tz = zone(point.tz) if point.tz else index.tz
        changes = clock_changes(int(ts_us[0]), int(ts_us[-1]), tz)
        row["clock_shifts"] = sum(_is_shifted(ts_us, step_us, at_us, abs(by_us)) for at_us, by_us in changes)
    return row


def _longest_gap(ts_us: Instants, start_us: int | None, end_us: int | None) -> pd.Timedelta:
    """The longest time without a sample, from `start_us` up to `end_us` where these are known; 0: it is not known."""
    if start_us is not None and end_us is not None:
        ts_us = ts_us[(ts_us >= start_us) & (ts_us <= end_us)]  # without those that boundary= has added
    ends = [np.array([us], np.int64) for us in (start_us, end_us) if us is not None]
    steps_us = np.diff(np.sort(np.concatenate([ts_us, *ends])))
    return pd.Timedelta(int(steps_us.max(initial=0)), unit="us")


def _is_shifted(ts_us: Instants, step_us: int, at_us: int, shift_us: int) -> bool:
    # Half a step early, so that a sample a moment before its time counts for it.
    edges = at_us - step_us / 2 + np.arange(-2, 3) * shift_us
    early, before, after, late = np.diff(np.searchsorted(ts_us, edges)).tolist()
    due = shift_us / step_us
    return bool(min(early, late) >= due / 2 and (min(before, after) == 0 or max(before, after) >= 1.5 * due))


def _implausible(values: Floats, ts_us: Instants, unit: str | None, point: Point) -> dict[str, Any]:
    """What is wrong with the numbers of a column by the record of its point, and by what they measure."""
    row: dict[str, Any] = {}
    tags = point.his_tags()
    sampling = PointSampling.from_record(tags)
    low, high = (_in_unit(tags.get(name), point.unit, unit) for name in ("minVal", "maxVal"))
    if low is not None or high is not None:
        row["out_of_range"] = sum(
            int(np.count_nonzero(beyond))
            for beyond in (low is not None and values < low, high is not None and values > high)
        )
    finite = np.isfinite(values)
    values, ts_us = values[finite], ts_us[finite]
    if sampling.agg == "delta":
        (rule,) = rules_of([Point(point.id)], [sampling], [point.id], IntervalSettings("1D", "delta"))[0]
        register = _in_unit(rule.rollover, point.unit, unit) or True
        spikes = false_readings(ts_us, values, register, rule.spike_us)
        readings = values[~spikes]
        deltas = reading_deltas(readings, register)
        begun_anew = (deltas != np.diff(readings)) & (deltas == readings[1:])
        row |= {"false_readings": int(spikes.sum()), "resets": int(np.count_nonzero(begun_anew))}
    elif unit is not None and (delta(unit) != unit or unit == "%RH"):
        own = point.unit or unit
        if not convertible(unit, own):
            return row
        if own != unit:  # and back from it, where a zero comes out as nearly one
            values = np.round(convert(values, unit, own), 9)
        others = values[values != 0]
        far = len(others) > 0 and abs(others).min() > np.ptp(others)
        row["false_readings"] = len(values) - len(others) if far else 0
    return row


def _in_unit(number: object, record_unit: str | None, unit: str | None) -> float | None:
    """A number of the record in the unit of the column, or where it has none in the record's; None: it has no such."""
    if not isinstance(number, Number):
        return None
    own, unit = number.unit or record_unit, unit or record_unit
    if own is None or unit is None or own == unit:
        return float(number)
    return convert(float(number), own, unit) if convertible(own, unit) else None
