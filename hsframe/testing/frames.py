"""A server of what frames have: the records of their points, and their columns as histories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from hsframe.frame.arrow import frame_to_arrow
from hsframe.protocol.request_grids import as_kind, as_ref
from hsframe.server.database import Database
from hsframe.server.folder import add_tables
from hsframe.testing.server import running_server


def database_of(*frames: pd.DataFrame, records: Iterable[Mapping[str, Any]] = ()) -> Database:
    """What :func:`serve` serves, for :func:`hsframe.testing.server.running_server`, which has users and roles."""
    database = Database(name="Frames")
    places = [(f"frame {number}", f"frame-{number}", "") for number in range(1, len(frames) + 1)]
    add_tables(database, ((*place, frame_to_arrow(df)) for place, df in zip(places, frames, strict=True)))
    for tags in records:
        id = as_ref(tags["id"])
        database.add({**(database.get(id) or {}), **{tag: as_kind(value) for tag, value in tags.items()}, "id": id})
    return database


@contextmanager
def serve(
    *frames: pd.DataFrame, records: Iterable[Mapping[str, Any]] = (), quirks: Iterable[str] = ()
) -> Iterator[str]:
    """A server of the points and histories of frames, on this machine and without a login, while the block runs.

    Parameters
    ----------
    *frames : DataFrame
        Wide trend frames, as ``his_read`` or a test makes them: zone-aware times, a column a point, missing values no
        samples. The record of a point has what the frame knows: ``id`` (else the label), ``dis``, ``kind``, ``unit``,
        ``tz`` (else that of the times), tags as ``hisInterval``. Columns of one id in several frames are one point.
    records : iterable of mappings
        More tags of points, by their ``id``, and other records: ``{"id": "Meter", "power": hsframe.MARKER}``.
    quirks : iterable of str
        What other servers do otherwise, as ``["skyspark3", "rowcap=1000"]``, see :mod:`hsframe.testing.quirks`.

    Yields
    ------
    str
        The uri to connect to.

    Raises
    ------
    MetadataError
        A frame has no zone-aware times, a row per sample, or a point in two columns; or a quirk does not exist.

    Examples
    --------
    >>> import hsframe
    >>> ts = pd.date_range("2026-11-01", periods=3, freq="1h", tz="America/New_York")
    >>> df = pd.DataFrame({"Meter": pd.array([1.0, None, 3.0], dtype="unit[kW]")}, index=ts)
    >>> with serve(df, quirks=["rowcap=1"]) as uri, hsframe.connect(uri):
    ...     hsframe.his_read("@Meter", "2026-11-01")["Meter"].hs.magnitude().tolist()
    [1.0, 3.0]
    """
    with running_server(database_of(*frames, records=records), {}, quirks) as server:
        yield server.uri
