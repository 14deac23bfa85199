"""A server of what frames have: the records of their points, and their columns as histories."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pandas as pd

from hsframe.codecs.zinc_write import write_value
from hsframe.errors import CodecError, MetadataError, in_short
from hsframe.frame.arrow import frame_to_arrow
from hsframe.protocol.request_grids import as_kind, as_ref
from hsframe.server.database import Database
from hsframe.server.folder import add_tables
from hsframe.testing.server import running_server
from hsframe.unit_array.scalars import is_missing


def database_of(*frames: pd.DataFrame, records: Mapping[str, Any] | Iterable[Mapping[str, Any]] = ()) -> Database:
    """What :func:`serve` serves, for :func:`hsframe.testing.server.running_server`, which has users and roles."""
    database = Database(name="Frames")
    places = [(f"frame {number}", f"frame-{number}", "") for number in range(1, len(frames) + 1)]
    add_tables(database, ((*place, frame_to_arrow(df)) for place, df in zip(places, frames, strict=True)))
    given: Iterable[object] = [records] if isinstance(records, Mapping) else records
    for number, tags in enumerate(given, 1):
        if not isinstance(tags, Mapping) or is_missing(tags.get("id")):
            raise MetadataError(
                "records= must be a list of mappings, each with an id, as [{'id': 'Meter', 'power': hsframe.MARKER}]; "
                f"number {number} is {in_short(repr(tags))}"
            )
        id = as_ref(tags["id"])
        record = {tag: as_kind(value) for tag, value in tags.items()}
        try:
            write_value(record)
        except CodecError as error:
            raise MetadataError(f"records= number {number}, of {id}: {error}") from error
        database.add({**(database.get(id) or {}), **record, "id": id})
    return database


@contextmanager
def serve(
    *frames: pd.DataFrame, records: Mapping[str, Any] | Iterable[Mapping[str, Any]] = (), quirks: Iterable[str] = ()
) -> Iterator[str]:
    """A server of the points and histories of frames, on this machine and without a login, while the block runs.

    Parameters
    ----------
    *frames : DataFrame
        Wide trend frames, as ``his_read`` or a test makes them: zone-aware times, a column a point, missing values no
        samples. The record of a point has what the frame knows: ``id`` (else the label), ``dis``, ``kind``, ``unit``,
        ``tz`` (else that of the times), tags as ``hisInterval``. Columns of one id in several frames are one point.
    records : mapping, or iterable of mappings
        More tags of points, by their ``id``, and other records: ``{"id": "Meter", "power": hsframe.MARKER}``.
    quirks : str, or iterable of str
        What other servers do otherwise, as ``["skyspark3", "rowcap=1000"]``, see :mod:`hsframe.testing.quirks`.

    Yields
    ------
    str
        The uri to connect to.

    Raises
    ------
    MetadataError
        A frame has no zone-aware times, a row per sample, or a point in two columns; a record is no mapping, has no id,
        or a tag that cannot be sent; or a quirk does not exist.

    Warns
    -----
    ReadWarning
        A column of times, say, is not served: a history has numbers, texts or truths.

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
