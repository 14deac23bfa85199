"""about, ops, formats, defs, libs, filetypes: what the server says about itself."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping
from typing import Any, Final

from hsframe.codecs.formats import FORMATS, format_named
from hsframe.errors import MetadataError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Symbol, Uri
from hsframe.server.ops.records import filter_of, grid_of, limit_of
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call
from hsframe.version import __version__
from hsframe.zones import zone

# The formats by the MIME types that clients ask for. Version 4 of JSON has two.
_FORMATS: Final = {known.mime: known for known in FORMATS.values()} | {"application/json": format_named("json")}
_LIB: Final = Symbol("lib:ph")
_DEFS: Final = (
    ("marker", "marker", "A tag that says a fact by being there"),
    ("val", "val", "A value"),
    ("site", "marker", "A building with a place on the map"),
    ("equip", "marker", "A piece of equipment"),
    ("point", "marker", "A measurement, a command or a setpoint"),
    ("sensor", "marker", "A point that measures"),
    ("cmd", "marker", "A point that commands"),
    ("sp", "marker", "A point that holds a setpoint"),
    ("his", "marker", "A point with a history"),
    ("writable", "marker", "A point with a priority array"),
    ("dis", "str", "The name that people see"),
    ("kind", "str", "The kind of a point's value"),
    ("unit", "str", "The unit of a point's value"),
    ("tz", "str", "The time zone of a site or a point"),
    ("siteRef", "ref", "The site that a record belongs to"),
    ("equipRef", "ref", "The equipment that a record belongs to"),
)


def about(call: Call) -> Grid:
    local = zone(call.database.tz)
    row = {
        "haystackVersion": "4.0",
        "tz": call.database.tz,
        "serverName": call.database.name,
        "serverTime": call.state.clock.now().astimezone(local),
        "serverBootTime": call.state.booted.astimezone(local),
        "productName": "hsframe",
        "productVersion": __version__,
        "moduleName": "hsframe.server",
        "moduleVersion": __version__,
        "vendorName": "hsframe",
        "whoami": call.user,
    }
    if call.state.versions:
        row["protocolVersions"] = list(call.state.versions)
    return Grid.from_rows(None, list(row), [row])


def ops_grid(call: Call, ops: Iterable[tuple[str, str, bool]]) -> Grid:
    """One row per op: as definitions (Haystack 4) and with name and summary (Haystack 3)."""
    rows = [
        {
            "def": Symbol(f"op:{name}"),
            "name": name,
            "summary": summary,
            "doc": summary,
            "is": [Symbol("op")],
            "lib": _LIB,
            "noSideEffects": MARKER if get else None,
        }
        for name, summary, get in ops
    ]
    return _selected(call, rows)


def formats(call: Call) -> Grid:
    """One row per format: MIME type, whether it is read and written (Haystack 3)."""
    rows = [
        {"mime": mime, "receive": MARKER if known.read else None, "send": MARKER} for mime, known in _FORMATS.items()
    ]
    return Grid.from_rows(None, ["mime", "receive", "send"], rows)


def defs(call: Call) -> Grid:
    rows = [{"def": Symbol(name), "doc": doc, "is": [Symbol(of)], "lib": _LIB} for name, of, doc in _DEFS]
    return _selected(call, rows)


def libs(call: Call) -> Grid:
    row = {
        "def": _LIB,
        "doc": "The tags that this server's records are made of",
        "is": [Symbol("lib")],
        "version": "4.0.0",
        "baseUri": Uri("https://project-haystack.org/def/ph/"),
    }
    return _selected(call, [row])


def filetypes(call: Call) -> Grid:
    """One row per format, as definitions."""
    rows = [
        {
            "def": Symbol(f"filetype:{'json' if mime == 'application/json' else known.short}"),
            "dis": known.title,
            "doc": known.title,
            "is": [Symbol("filetype")],
            "lib": _LIB,
            "fileExt": known.extension,
            "mime": mime,
        }
        for mime, known in _FORMATS.items()
        if mime != format_named("json").mime
    ]
    return _selected(call, rows)


def _selected(call: Call, rows: list[dict[str, Any]]) -> Grid:
    """The rows that the request's filter and limit leave."""
    asked: Mapping[str, Any] = call.grid[0] if len(call.grid) else {}
    text, limit = asked.get("filter"), limit_of(asked)
    if text is not None:
        wanted = filter_of(text)
        try:
            rows = [row for row in rows if wanted.matches(row)]
        except MetadataError as error:  # it names a spec
            raise OpRefusal(str(error), "FilterErr") from error
    return grid_of(list(itertools.islice(rows, limit)), first="def")
