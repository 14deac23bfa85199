"""Specs: the types of records that Xeto declares, and their slots, as a frame.

No op gives them, in version 4 of the protocol as in 5, but functions of Axon on the servers that know specs (Haxall,
SkySpark 4). So an expression asks for some at once, and gives plain rows: what else a server knows of its specs need
not be written in the format of an answer. Slots that other libraries add to a spec, by mixins, are not in it: the
function that merges them, ``specx``, is of newer servers alone, and takes its time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from fnmatch import fnmatchcase
from typing import Any, Final, NoReturn

import pandas as pd

from hsframe.client import Client
from hsframe.client.in_thread import in_thread
from hsframe.client.record_ops import NO_SUCH_OP
from hsframe.errors import CallError, HTTPStatusError, MetadataError
from hsframe.frame.names import Names, is_glob
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Ref

_NAME: Final = re.compile(r"[\w.:*?]+")
_NO_FUNCTION: Final = re.compile(r"Unknown ?(?:symbol|func)\w*:? '?spec", re.IGNORECASE)
_ALL: Final = 'toGrid(map(specs(), s => {qname: s["id"]}))'
# Of each spec its own row, and one of each slot. A value is that of the slot, not the one that its type has by default.
_SOME: Final = """do
  row: (s, slot, old) => do
    m: specMeta(s)
    value: m["val"]
    if (value == old["val"]) value = null
    return {{qname: s["id"], slot: slot, base: s["base"], type: s["type"], of: m["of"], ofs: m["ofs"], \
optional: m["maybe"], value: value, unit: m["unit"], quantity: m["quantity"], doc: m["doc"]}}
  end
  rows: (q) => do
    s: spec(q, false)
    if (s == null) return []
    slots: specSlots(s)
    return [row(s, null, {{}}), map(names(slots), n => row(slots[n], n, specMeta(specType(slots[n]))))]
  end
  toGrid(flatten(map([{names}], rows)))
end"""
_COLUMNS: Final = ("spec", "slot", "type", "optional", "value", "unit", "quantity", "doc")


async def read_specs(client: Client[Any], names: str | Iterable[str]) -> pd.DataFrame:
    """The specs of some names as :meth:`hsframe.Session.specs` has them."""
    wanted = [names] if isinstance(names, str) or not isinstance(names, Iterable) else list(names)
    for name in wanted:
        if not isinstance(name, str) or not _NAME.fullmatch(name):
            raise MetadataError(f"{name!r} is no name of a spec; expected one as 'ph::Site', or with * as 'ph::*'")
    if not wanted:
        raise MetadataError("no name of a spec was given; expected one as 'ph::Site', or several")
    known = [] if all(map(_is_whole, wanted)) else await _all_names(client)
    found: dict[str, None] = {}
    for name in wanted:
        fitting = [name] if _is_whole(name) else [one for one in known if _fits(one, name)]
        if not fitting:
            await _refuse(client, name, known)
        found.update(dict.fromkeys(fitting))
    grid = await _eval(client, _SOME.format(names=", ".join(f'"{name}"' for name in found)))
    answered = {_text(row.get("qname")) for row in grid if row.get("slot") is None}  # not those of slots
    for name in found:
        if name not in answered:
            await _refuse(client, name, known)
    return await in_thread(_frame, grid)


def _is_whole(name: str) -> bool:
    return "::" in name and not is_glob(name)


def _fits(qname: str, name: str) -> bool:
    return fnmatchcase(qname if "::" in name else qname.rpartition("::")[2], name)


async def _all_names(client: Client[Any]) -> list[str]:
    grid = await _eval(client, _ALL)
    return sorted(str(_text(name)) for name in grid.column("qname")) if grid.has_col("qname") else []


async def _eval(client: Client[Any], expr: str) -> Grid:
    try:
        return await client.eval(expr, raw=True)
    except (CallError, HTTPStatusError) as error:
        lacks_axon = isinstance(error, HTTPStatusError) and error.status in NO_SUCH_OP
        if not lacks_axon and not (isinstance(error, CallError) and _NO_FUNCTION.search(error.dis)):
            raise
        what = "Axon, by which specs are asked for" if lacks_axon else "the functions of specs"
        raise MetadataError(
            f"specs: the server at {client.base_url} has no specs to tell: it does not have {what}, as Haxall and "
            "SkySpark 4 do; read() has the tags of records"
        ) from error


async def _refuse(client: Client[Any], name: str, known: list[str]) -> NoReturn:
    near = Names(Point(one, one) for one in known or await _all_names(client)).near(name)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else "specs('ph::*') has those of the library ph"
    raise MetadataError(f"the server at {client.base_url} knows no spec {name!r}; {hint}")


def _text(value: Any) -> str | None:
    return None if value is None else value.val if isinstance(value, Ref) else str(value)


def _type(row: Any) -> str | None:
    """The type of a slot, of a spec its base, as Xeto writes it: with the specs of a compound, or what a Ref is of."""
    name, ofs = _text(row.get("type") or row.get("base")), row.get("ofs")
    if isinstance(ofs, list) and ofs:
        return (" | " if name == "sys::Or" else " & ").join(str(_text(one)) for one in ofs)
    return f"{name} <of:{_text(of)}>" if (of := row.get("of")) is not None else name


def _frame(grid: Grid) -> pd.DataFrame:
    rows, spec = [], None
    for row in grid:
        slot = row.get("slot")
        spec = _text(row["qname"]) if slot is None else spec
        texts = [_text(row.get(name)) for name in ("unit", "quantity", "doc")]
        value = None if row.get("value") is MARKER else row.get("value")
        rows.append([spec, slot, _type(row), row.get("optional") is not None, value, *texts])
    df = pd.DataFrame(rows, columns=list(_COLUMNS), dtype=object)
    texts_of = [name for name in _COLUMNS if name not in ("optional", "value")]
    return df.astype({**dict.fromkeys(texts_of, "str"), "optional": bool})
