"""What a frame was read from: ``df.hs.source``.

It is in the catalog, so it goes where attrs go, and into Parquet::

{"source": {"kind": "server", "uri": "http://127.0.0.1:8080/api", "version": None,
"start": "2026-01-01T05:00:00+00:00", "end": "2026-02-01T05:00:00+00:00", "at": ...,
"requests": 3, "bytes": 51234, "seconds": 0.8}}
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.points import note, noted

_KEY: Final = "source"
_FIELDS: Final = {
    **{"kind": str, "uri": str, "version": int | None, "start": str | None, "end": str | None},
    **{"at": str, "requests": int, "bytes": int, "seconds": int | float},
}
_OF_ONE: Final = ("kind", "uri", "version")


def note_source(df: pd.DataFrame, entry: Mapping[str, Any] | None) -> None:
    """Put into a frame's catalog what it was read from; only its attrs change."""
    if entry is not None:
        known = entry if isinstance(entry, Mapping) else {}
        if not all(isinstance(known.get(name, ...), kind) for name, kind in _FIELDS.items()):
            raise MetadataError(f"the note of what a frame was read from must have {', '.join(_FIELDS)}; got {entry!r}")
        note(df, _KEY, {name: entry[name] for name in _FIELDS})


def source_of(df: pd.DataFrame) -> Mapping[str, Any] | None:
    """What a frame was read from; None where that is not known."""
    return noted(df, _KEY)


def united_source(frames: Iterable[pd.DataFrame]) -> Mapping[str, Any] | None:
    """What some frames together were read from; None where it was not one server, or one version of an archive."""
    entries = [source_of(df) or {} for df in frames]
    if not all(entries) or any(one[name] != entries[0][name] for one in entries for name in _OF_ONE):
        return None
    united = {name: sum(one[name] for one in entries) for name in ("requests", "bytes", "seconds")}
    for name, pick in (("start", min), ("end", max), ("at", max)):  # in UTC, so the order of texts is that of times
        values = [one[name] for one in entries]
        united[name] = None if None in values else pick(values)
    return {**entries[0], **united}
