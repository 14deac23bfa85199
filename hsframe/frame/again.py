"""A frame read once more, over another span: the settings of its read are in its catalog, and the points are.

Settings whose values are no texts, numbers or lists of them, as a condition with a Number, cannot be kept there. The
session is above this floor, and says by `SESSIONS` how the default one is found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import timedelta, tzinfo
from typing import Any, Final, Protocol

import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.errors import MetadataError, ReadWarning
from hsframe.frame.flags import flag_label
from hsframe.frame.per_point import keys_of
from hsframe.frame.points import ColumnLabel, Point, id_text, is_tidy, label_of, note, noted, point_labels, points_of
from hsframe.frame.reads import source_of
from hsframe.spans import SpanLike
from hsframe.unit_array.dtype import unit_of_dtype

_SETTINGS: Final = "settings"
_UNKEPT: Final = "unkept"


class Reading(Protocol):
    """What has the verb ``his_read``: a session or an archive."""

    his_read: Any

    @property
    def uri(self) -> str:
        """Where that is, as the source of its frames."""


SESSIONS: Final[list[Callable[[], Reading]]] = []


def note_settings(df: pd.DataFrame, settings: Mapping[str, object]) -> None:
    """Put the settings of a read that are not the default ones into a frame's catalog; only its attrs change."""
    kept, unkept = dict[str, Any](), list[str]()
    for name, value in settings.items():
        try:
            kept[name] = _plain(value)
        except TypeError:
            unkept.append(name)
    note(df, _SETTINGS, kept | ({_UNKEPT: tuple(unkept)} if unkept else {}))


def _plain(value: object) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, timedelta):
        return f"{value.total_seconds():.6f}s" if value % timedelta(days=1) else f"{value.days}D"  # by the calendar
    if isinstance(value, tzinfo):
        return str(value)
    if isinstance(value, tuple | list):
        kept = list(map(_plain, value))
        return kept if isinstance(value, list) else tuple(kept)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    raise TypeError


def read_again(df: pd.DataFrame, span: SpanLike | pd.DataFrame, session: Reading | None) -> pd.DataFrame:
    """The points of a frame over another span, or in episodes, read with the same settings; see ``df.hs.again``."""
    settings = noted(df, _SETTINGS)
    if settings is None or not (points := points_of(df)):
        raise MetadataError(
            "the frame does not know how it was read: it is from another verb than his_read, as matrix() or latest(), "
            "which is then to be called again with its own arguments; or is from a file, was put together with others, "
            "or an operation of pandas dropped its attrs: then take again() from the frame that his_read gave"
        )
    dropped = [label for label in map(label_of, noted(df, "points") or ()) if label not in points]
    own = {*points, *map(flag_label, points)}
    if dropped and (strange := [label for label in point_labels(df.columns) if label not in own]):
        raise MetadataError(
            f"{strange[0]!r} is of no point that the frame knows, and {dropped[0]!r} has no column: if it was renamed, "
            "take again() from the frame before, and rename what it gives; if the column was computed, leave it out: "
            "df.drop(columns=[...]).hs.again(span)"
        )
    labels = {point.id: label for label, point in points.items() if isinstance(label, str) and not is_tidy(df)}
    if unkept := [name for name in settings.get(_UNKEPT, ()) if name != "header" or not labels]:
        names = ", ".join(f"{name}=" for name in unkept)
        raise MetadataError(
            f"a frame does not keep such a value of {names}; call his_read(df, span, {names}...) with it"
        )
    how = {name: value for name, value in settings.items() if name != _UNKEPT}
    if not isinstance(span, pd.DataFrame):
        how.pop("pad", None)
    if labels:  # those of a part would be others: where two have one name, the id is added
        how["header"] = lambda record: labels[id_text(record["id"])]
    if dropped:
        how = {
            name: _of_points(value, points, df) if isinstance(value, Mapping) else value for name, value in how.items()
        }
    if session is None:
        if not SESSIONS:
            raise MetadataError("there is no session: call hsframe.connect(...) first, or give session=")
        session, was = SESSIONS[0](), source_of(df)
        if was is not None and was["uri"] != session.uri:
            raise MetadataError(
                f"the frame was read from the {was['kind']} {was['uri']}, and the session of the package is with "
                f"{session.uri}; give session=, if its points are the same"
            )
    ids = list(dict.fromkeys(f"@{point.id}" for point in points.values()))
    again: pd.DataFrame = session.his_read(ids, span, **how)
    note(again, _SETTINGS, settings)
    if changes := _changes(df, again):
        warn_caller(
            f"again() reads the points once more, and what was done with the frame since its read is not done again: "
            f"{'; '.join(changes[:3])}. Do it with what again() gives",
            ReadWarning,
        )
    return again


def _changes(df: pd.DataFrame, again: pd.DataFrame) -> list[str]:
    """By what a frame shows that it is not as it was read: rows that pandas has made, and other units."""
    found, freq = [], getattr(df.index, "freqstr", None)
    if freq is not None:  # reads have none, nor have slices of them
        found.append(f"pandas has made its rows, by {freq!r}")
    levels = [df.index.get_level_values(place).dtype for place in range(df.index.nlevels)]
    if not any(dtype.kind == "M" for dtype in [*levels, *df.dtypes]):
        found.append("its rows have no times")
    units = {label: unit_of_dtype(dtype) for label, dtype in df.dtypes.items()}
    for label, dtype in again.dtypes.items():
        if (unit := units.get(label, own := unit_of_dtype(dtype))) != own:
            found.append(f"{label!r} is in {unit or 'no unit'}, and was read in {own or 'no unit'}")
    return found


def _of_points(setting: Mapping[str, Any], points: Mapping[ColumnLabel, Point], df: pd.DataFrame) -> dict[str, Any]:
    """What a setting has for the points of a frame; a key of units= may be the unit of a column, as kWh of kW."""
    named = {key for label, point in points.items() for key in keys_of(point, label)}
    units = [unit_of_dtype(dtype) for dtype in df.dtypes]  # the value may be a list, which is in no set
    return {key: value for key, value in setting.items() if key in named or value in units}
