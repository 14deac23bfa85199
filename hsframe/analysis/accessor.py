"""``df.hs`` and ``series.hs``: what a frame with units can do beyond pandas."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Mapping
from functools import wraps
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, TypeVar

import pandas as pd

from hsframe.analysis.episodes import episodes, over
from hsframe.analysis.heatmap import heatmap
from hsframe.analysis.plot import plot
from hsframe.analysis.report import report
from hsframe.analysis.resample import integrate, resample
from hsframe.cards import card
from hsframe.errors import MetadataError
from hsframe.frame.again import Reading, read_again
from hsframe.frame.arrow import frame_to_arrow
from hsframe.frame.convert import frame_to_grid
from hsframe.frame.in_units import converted, frame_in_units, in_one_unit, magnitudes, mapped
from hsframe.frame.points import is_tidy
from hsframe.frame.points_like import points_table
from hsframe.frame.reads import note_source, outcomes_table, source_of
from hsframe.frame.stamps import Interval, interval_of
from hsframe.frame.tables import Statistic, aggregated, describe
from hsframe.frame.to_xarray import frame_to_xarray
from hsframe.frame.unit_header import from_unit_header, with_unit_header
from hsframe.frame.unit_results import UnitWindow
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import unit_of_dtype
from hsframe.units.pint_units import pint_array
from hsframe.units.systems import System

if TYPE_CHECKING:
    import pyarrow as pa

    from hsframe.grid import Grid
    from hsframe.spans import SpanLike

Object = TypeVar("Object", pd.DataFrame, "pd.Series[Any]")
P = ParamSpec("P")


def _with_rows(
    function: Callable[Concatenate[pd.DataFrame, P], pd.DataFrame],
) -> Callable[Concatenate[_OfRows[Object], P], Object]:
    """A method that calls a function with its own rows, and has its text; what is made has the source of the rows."""

    @wraps(function)
    def method(self: _OfRows[Object], /, *args: P.args, **kwargs: P.kwargs) -> Object:
        made = function(self._wide, *args, **kwargs)
        note_source(made, source_of(self._obj))  # type: ignore[arg-type]  # a Series has attrs too
        return self._like_given(made)

    return method


class _OfRows(Generic[Object]):
    _obj: Object

    def __init__(self, obj: Object) -> None:
        self._obj = obj

    def __repr__(self) -> str:
        verbs = self._verbs
        width = max(map(len, verbs))
        return "\n".join(f"{name:<{width}}  {text}" for name, text in verbs.items())

    def _repr_html_(self) -> str:
        return card("What .hs can do; help(df.hs.report) has all of one", self._verbs)

    @property
    def _verbs(self) -> dict[str, str]:
        """The name of each verb, with the first line of its text, without the marks of reStructuredText."""
        names = (name for name in dir(type(self)) if not name.startswith("_"))
        texts = {name: str(getattr(type(self), name).__doc__).strip().partition("\n")[0] for name in names}
        return {name: re.sub(r":\w+:(?=`)|`", "", text) for name, text in texts.items()}

    @property
    def _wide(self) -> pd.DataFrame:
        """The rows as a frame; no tidy one, where a statistic of a column would be of kW and °F together."""
        df = self._obj.to_frame() if isinstance(self._obj, pd.Series) else self._obj
        if is_tidy(df):
            raise MetadataError(
                "a tidy frame has points and units in its rows, and this is for columns of one unit; read it with "
                "shape='wide' (or units='si'), or group it: df.groupby(['id', 'unit'], observed=True)['value']"
            )
        return df

    def _like_given(self, df: pd.DataFrame) -> Object:
        found: Any = df
        if isinstance(self._obj, pd.Series):
            found = df.iloc[:, 0]
            found.name = self._obj.name
        return found  # type: ignore[no-any-return]  # of the class of the object

    @property
    def interval(self) -> Interval | None:
        """What a row stands for, as ``Interval(length='1h', label='start')``; None for samples.

        None too where pandas has made rows that are further apart, as ``resample("1D")`` of hours. It is in
        ``df.attrs``, as the points are, and pandas takes attrs along only where one frame becomes another, or where all
        frames have the same: in ``pd.concat``, ``join`` and ``merge`` of reads of the same points by the same rule, but
        not in those of others, nor in ``pd.DataFrame({"a": df["a"]})``.
        """
        return interval_of(self._obj.to_frame() if isinstance(self._obj, pd.Series) else self._obj)

    integrate = _with_rows(integrate)

    @wraps(plot)
    def plot(self, **kwargs: Any) -> Any:  # it has the text of the function
        return plot(self._wide, **kwargs)

    @wraps(heatmap)
    def heatmap(self, **kwargs: Any) -> Any:  # it has the text of the function
        return heatmap(self._wide, **kwargs)

    def rolling(self, *args: Any, **kwargs: Any) -> UnitWindow:
        """``rolling`` of pandas whose results keep their units; the arguments are pandas'."""
        return self._window("rolling", args, kwargs)

    def expanding(self, *args: Any, **kwargs: Any) -> UnitWindow:
        """``expanding`` of pandas whose results keep their units; the arguments are pandas'."""
        return self._window("expanding", args, kwargs)

    def ewm(self, *args: Any, **kwargs: Any) -> UnitWindow:
        """``ewm`` of pandas whose results keep their units; the arguments are pandas'."""
        return self._window("ewm", args, kwargs)

    def _window(self, name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> UnitWindow:
        like: Any = self._like_given(in_one_unit(self._wide))
        return UnitWindow(getattr(like.hs.magnitude(), name)(*args, **kwargs), like)


class FrameAccessor(_OfRows[pd.DataFrame]):
    """Units, points, conversion and the ways out of a frame.

    Examples
    --------
    >>> zone, meter = pd.array([68.0, 72.5], dtype="unit[°F]"), pd.array([1, 2], dtype="unit[kW]")
    >>> df = pd.DataFrame({"Zone": zone, "Meter": meter})
    >>> df.hs.units
    {'Zone': '°F', 'Meter': 'kW'}
    >>> df.hs.to("si")
       Zone  Meter
    0  20.0    1.0
    1  22.5    2.0
    """

    @property
    def units(self) -> dict[Hashable, str | None]:
        """The unit of each column by label, None where there is none; of columns with one label, that of the last."""
        return {label: unit_of_dtype(dtype) for label, dtype in self._obj.dtypes.items()}

    @property
    def points(self) -> pd.DataFrame:
        """The points of the columns: a table of ``id``, ``dis``, ``unit`` (the record's), ``tz`` and ``kind``.

        It is read from ``df.attrs``, which pandas drops in some operations; the units are not. A column of a matrix has
        several, which are in :attr:`catalog`.
        """
        found, levels = points_table(self._obj), self._obj.index.names
        if found.empty and len(levels) > 1 and levels[0] != "start" and self.interval:
            raise MetadataError(
                "a column of a matrix has a point in each group; their ids are in df.hs.catalog of the read"
            )
        return found

    def to(self, target: System | str | Mapping[Any, str]) -> pd.DataFrame:
        """The frame in other units.

        Parameters
        ----------
        target : "si", "ip", unit, or {column or unit: unit}
            A system: each column whose unit the system has another for, see :mod:`hsframe.units.systems`. A unit:
            each column that converts to it, and at least one must. A mapping: the columns named, or those in a unit, to
            a unit or system each; of columns in levels, a label of the first stands for all below it.

        Returns
        -------
        DataFrame
            A new frame; columns that are not converted share their data with this one.

        Raises
        ------
        UnitError
            A unit does not convert, a named column has none, or no column converts.
        MetadataError
            A named column is not there.
        """
        return frame_in_units(self._wide, target)

    def magnitude(self) -> pd.DataFrame:
        """The frame with plain float64 columns: what to give to libraries that want NumPy.

        ``df.hs.magnitude().to_numpy()`` is one float64 array. ``df.to_numpy()`` of several unit columns is an array of
        Numbers, because pandas makes objects of every extension dtype; ``df.to_numpy(dtype=float)`` is float64 too.
        A column of objects in units that convert is in the first one; in others, it is refused.
        """
        return magnitudes(self._obj)

    def to_pint(self) -> pd.DataFrame:
        """The frame with ``pint-pandas`` columns instead of unit columns (``pip install 'hsframe[pint]'``).

        Raises
        ------
        UnitError
            pint has no equal of a unit; the message names the column and the unit.
        MetadataError
            pint-pandas is not installed.
        """
        return mapped(in_one_unit(self._obj), lambda label, array: pint_array(array, label))

    def to_xarray(self) -> Any:
        """The frame as an ``xarray.Dataset`` (``pip install 'hsframe[xarray]'``), a variable for each column.

        xarray has neither units nor zones of its own. Numbers are float64 with the unit in the attribute ``units``,
        where cf-xarray and pint-xarray look for it, and the point's id in ``id``. Times are those of UTC, without a
        zone, as ``datetime64`` has to be there; the attribute ``tz`` of the coordinate names the zone, and
        ``dataset.to_dataframe().tz_localize("UTC").tz_convert(...)`` is the way back. A Bool with missing values is
        1.0, 0.0 and NaN, a category its texts. The levels of the index are dimensions; of intervals with
        ``label="both"`` the start is, and the end a coordinate of it.

        Raises
        ------
        MetadataError
            xarray is not installed, or two columns, or a column and the index, have one name.
        UnitError
            A column has values of several units.
        """
        return frame_to_xarray(self._obj)

    def with_unit_header(self) -> pd.DataFrame:
        """Plain float64 columns whose units are one more level of the header, ``unit``: for spreadsheets and CSV.

        The level above is ``point``, or the levels are those that the columns have. :meth:`from_unit_header` is the way
        back, also from a file: of ``to_csv`` by ``pd.read_csv(file, header=[0, 1], index_col=0)``, of as many rows as
        there are levels.
        """
        return with_unit_header(self._obj)

    def from_unit_header(self) -> pd.DataFrame:
        """The frame of ``with_unit_header`` with its units in the dtypes again, also after a way through CSV.

        The index stays as it is. The times of a CSV file are texts, and ``pd.to_datetime(df.index, utc=True)`` makes
        times of them, also where summer and winter differ, in which case ``parse_dates=True`` leaves them.

        Raises
        ------
        MetadataError
            The columns have no level ``unit``, the last.
        """
        return from_unit_header(self._obj)

    def agg(
        self,
        func: Statistic | list[Statistic] | Mapping[Any, Any] | None = None,
        /,
        **named: tuple[Hashable, Statistic],
    ) -> pd.Series[Any] | pd.DataFrame:
        """``df.agg`` whose results keep their units, which pandas drops with a dict, a list or names.

        Parameters
        ----------
        func : str, callable, list of them, or dict
            A statistic of all columns, several of them, or those of each column by label.
        **named
            In place of `func`: a name for each row of the result, and the column and statistic of it.

        Returns
        -------
        Series or DataFrame
            As pandas gives it. Values of one unit, or of units that convert, are a unit column; others are
            :class:`~hsframe.Number` objects.

        Raises
        ------
        UnitError
            A column is of objects whose units do not convert to one; those that do count in the first one.

        Examples
        --------
        >>> zone, meter = pd.array([68.0, 72.5], dtype="unit[°F]"), pd.array([1.0, 2.0], dtype="unit[kW]")
        >>> df = pd.DataFrame({"Zone": zone, "Meter": meter})
        >>> df.hs.agg({"Zone": "mean", "Meter": "max"}).tolist()
        [Number(70.25, '°F'), Number(2.0, 'kW')]
        >>> df.hs.agg(["min", "max"]).hs.units
        {'Zone': '°F', 'Meter': 'kW'}
        """
        return aggregated(self._wide, func, named)

    resample = _with_rows(resample)
    episodes = _with_rows(episodes)
    over = _with_rows(over)
    describe = _with_rows(describe)
    report = _with_rows(report)

    def to_grid(self) -> Grid:
        """The frame as one grid.

        With a time index (aware) it is a trend. Any other has records, each column a tag, and each level of the index
        that has a name; of several levels, as of a matrix, texts stay texts.

        Returns
        -------
        Grid
            Of a trend: ``ts`` in the zone of the index and ``v0``, ``v1``, ... with the point's ``id`` in their meta
            where it is known, and else the label as ``dis``; missing values are null, numbers have their unit. Of
            intervals with ``label="both"``, ``ts`` is the start, and a column ``end`` follows it. Of records: a row
            each; a True of a bool column is a Marker, ids and ``...Ref`` columns are Refs, missing is null.

        Raises
        ------
        ZoneError
            Times without a zone.
        MetadataError
            A label that is not a valid tag name, or a column that has no kind.

        Notes
        -----
        What ``his_write`` sends, one grid a zone and all of it checked, is :func:`hsframe.frame_to_his_grids`.
        """
        return frame_to_grid(self._obj)

    @property
    def catalog(self) -> pd.DataFrame:
        """The outcome for each point of the read that made a frame.

        Returns
        -------
        DataFrame
            One row per point that was asked for, also those that have no column. Index ``point``: the label of its
            column; of a matrix ``role`` and ``group``, and a row for each cell. ``id`` (str); ``rows`` (int64): its
            samples or intervals in the frame, also those without a value; ``status`` (str): ``"ok"``, ``"empty"``,
            ``"failed"``, or ``"unread"``, of which an archive has read nothing; ``reason`` (str): why it failed, or
            what of it an archive has not read, else missing; ``differing`` (int64): how many samples at a repeated
            instant had another value than the one that was kept; ``spikes`` (int64): how many false readings of a meter
            the values over intervals leave out.

        Raises
        ------
        MetadataError
            The frame has no outcomes.
        """
        return outcomes_table(self._obj)

    @property
    def source(self) -> Mapping[str, Any] | None:
        """What the frame was read from, in texts and numbers; None where that is not known.

        ``kind`` (``"server"`` or ``"archive"``), ``uri`` (without credentials) and, of an archive, ``version``; the
        span that was read, ``start`` and ``end``, in UTC (no end: all that there was); when it was read, ``at``; and
        how many ``requests``, ``bytes`` of answers and ``seconds`` that took; and of frames that
        :func:`hsframe.concat` put together, ``spans``, a pair each, if they do not all touch. Parquet files keep it. It
        is in ``df.attrs``: of frames that pandas puts together it is that of the first, or lost. The frames of
        ``his_read``, ``his_iter``, ``latest``, ``matrix``, ``read``, ``read_by_ids``, ``nav``, ``inventory`` and
        ``estimate`` have one (of records, and an inventory of all, without a span), and what ``df.hs`` and
        ``degree_days`` make of a frame has that of the frame. Its points are in :attr:`points`, its intervals in
        :attr:`interval`.
        """
        return source_of(self._obj)

    def again(self, span: SpanLike | pd.DataFrame, *, session: Reading | None = None) -> pd.DataFrame:
        """The same points in the same way over another span: ``df.hs.again("yesterday")``.

        Parameters
        ----------
        span
            As for ``his_read``.
        session : Session or Archive, optional
            The default one, which must be with the server or archive that the frame is from.

        Returns
        -------
        DataFrame
            Of the points that the frame has columns of, under the same labels, as ``his_read`` gives it with the
            ``tz=``, ``interval=``, ``agg=`` and other settings of the read, which are in ``df.attrs``; what a setting
            has for other points is left out. What was done with the frame since is not done again.

        Raises
        ------
        MetadataError
            The frame does not know how it was read, as one of another verb; or a setting was a value that a frame does
            not keep, as a condition with a Number; a column may have been renamed; or the session is with another
            server.

        Warns
        -----
        ReadWarning
            The frame shows that something was done with it: its columns are in other units, or pandas has made its
            rows, as ``resample`` does. Of values that were changed (``df * 2``, ``df.groupby(...)``) nothing tells it.
        """
        return read_again(self._obj, span, session)

    def to_arrow(self) -> pa.Table:
        """The frame as an Arrow table with units in the metadata, see :func:`hsframe.frame_to_arrow`."""
        return frame_to_arrow(self._obj)


class SeriesAccessor(_OfRows["pd.Series[Any]"]):
    """The unit of a column, its conversion, and windows that keep it."""

    @property
    def unit(self) -> str | None:
        """The unit, None where there is none."""
        return unit_of_dtype(self._obj.dtype)

    def to(self, target: System | str) -> pd.Series[Any]:
        """The column in another unit, or in the unit of a system.

        Raises
        ------
        UnitError
            The column has no unit, or it does not convert.
        """
        array = converted(self._obj.array, target, self._obj.name)
        result: pd.Series[Any] = pd.Series(array, index=self._obj.index)
        result.name, result.attrs = self._obj.name, self._obj.attrs
        return result

    def report(self) -> pd.Series[Any]:
        """How complete the column is and where it looks wrong; see ``df.hs.report``."""
        if len(found := report(self._wide)) > 1:
            raise MetadataError("the column is of several groups; df.hs.report() of a frame has a row for each")
        return found.iloc[0]

    def magnitude(self) -> pd.Series[Any]:
        """The column as plain float64."""
        column = self._like_given(in_one_unit(self._wide))
        return column.astype("float64") if isinstance(column.array, UnitArray) else column
