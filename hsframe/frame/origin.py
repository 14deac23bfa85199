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
        spans = known.get("spans", ())
        are_spans = isinstance(spans, list | tuple) and all(list(map(type, span)) == [str, str] for span in spans)
        if not are_spans or not all(isinstance(known.get(name, ...), kind) for name, kind in _FIELDS.items()):
            raise MetadataError(f"the note of what a frame was read from must have {', '.join(_FIELDS)}; got {entry!r}")
        more = {"spans": tuple(map(tuple, spans))} if spans else {}
        note(df, _KEY, {name: entry[name] for name in _FIELDS} | more)


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
    return {**entries[0], **united, "spans": _separate(entries)}


def _separate(entries: Iterable[Mapping[str, Any]]) -> tuple[tuple[str, str], ...]:
    """The spans of some sources, those that touch as one; none where that is all, or where one has no end."""
    found: list[tuple[str, str]] = []
    spans = [span for one in entries for span in one.get("spans", ((one["start"], one["end"]),))]
    for start, end in sorted(map(tuple, spans)) if all(map(all, spans)) else ():
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], max(found[-1][1], end))
        else:
            found.append((start, end))
    return tuple(found) if len(found) > 1 else ()
