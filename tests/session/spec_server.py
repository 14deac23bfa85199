"""Specs on the embedded server: some of a library, the functions of Axon that tell them, and filters by their names.

As the documents of Xeto have it: a spec is a dict with ``id``, ``base`` or ``type``, and its meta, where a value is at
first that of its type; a record is of the spec that its tag ``spec`` names, and of all that this is derived from. No
answer of a server about specs is recorded: this is what they say of themselves.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any, Final

from aiohttp import web

from hsframe.grid import Grid
from hsframe.kinds import MARKER, Ref
from hsframe.server.app import SERVED_OPS
from hsframe.server.database import Database
from hsframe.server.ops import Op
from hsframe.server.refusal import OpRefusal
from hsframe.server.state import Call
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import RunningServer, running_server
from tests.session.axon import Axon

Slots = dict[str, "Spec"]
# A text in a filter, which has no name of a spec in it, or such a name.
_NAME: Final = re.compile(r'"(?:[^"\\]|\\.)*"|(?:[a-z.]+::)?\b[A-Z]\w+(?=$|[ )])')


@dataclass
class Spec:
    """A spec, or a slot of one."""

    qname: str
    type: str
    doc: str = ""
    meta: Mapping[str, Any] = field(default_factory=dict)
    own: Slots = field(default_factory=dict)
    is_slot: bool = False

    @property
    def bases(self) -> list[str]:
        return [ref.val for ref in self.meta.get("ofs", ())] or [self.type]

    @property
    def slots(self) -> Slots:
        inherited = [SPECS[base].slots for base in reversed(self.bases) if base in SPECS]
        return {name: slot for slots in (*inherited, self.own) for name, slot in slots.items()}

    @property
    def all_meta(self) -> dict[str, Any]:
        val = SPECS[self.type].all_meta.get("val") if self.type in SPECS else None
        return {"val": val, "doc": self.doc or None, **self.meta}

    def get(self, name: str) -> Any:
        kind = "type" if self.is_slot else "base"
        tags = {"id": Ref(self.qname), "name": re.split(r"[.:]", self.qname)[-1], "spec": Ref("sys::Spec")}
        return {**self.all_meta, **tags, kind: Ref(self.type) if self.type else None}.get(name)


def _spec(qname: str, base: str, doc: str, meta: Mapping[str, Any] | None = None, **slots: tuple[Any, ...]) -> Spec:
    """A spec with its slots: of each the type, then its doc and its meta."""
    own = {name: Spec(f"{qname}.{name}", *given, is_slot=True) for name, given in slots.items()}
    return Spec(qname, base, doc, meta or {}, own)


_MARKER: Final = ("sys::Marker",)
_MAYBE: Final = {"maybe": MARKER}
SPECS: Final[dict[str, Spec]] = {}
for _one in (
    _spec("sys::Obj", "", "The root of all types"),
    _spec("sys::Dict", "sys::Obj", "Tags with their values"),
    _spec("sys::And", "sys::Obj", "All of several types"),
    _spec("sys::Marker", "sys::Obj", "A tag that is there", {"val": MARKER}),
    _spec("sys::Str", "sys::Obj", "A text", {"val": ""}),
    _spec("sys::Ref", "sys::Obj", "An id", {"val": Ref("x")}),
    _spec("sys::Unit", "sys::Obj", "A unit", {"val": "%"}),
    _spec("ph::Site", "sys::Dict", "A building", id=("sys::Ref",), site=_MARKER),
    _spec(
        "ph::Point",
        "sys::Dict",
        "A measurement, a command or a setpoint",
        id=("sys::Ref", "The id of the record"),
        point=_MARKER,
        kind=("sys::Str", "The kind of its value"),
        unit=("sys::Unit", "The unit of its value", _MAYBE),
        siteRef=("sys::Ref", "Where it is", {"of": Ref("ph::Site"), **_MAYBE}),
    ),
    _spec("ph.points::SensorPoint", "ph::Point", "It measures", {"abstract": MARKER}, sensor=_MARKER),
    _spec(
        "ph.points::AirTempPoint",
        "ph::Point",
        "Of the dry bulb temperature of air",
        air=_MARKER,
        temp=_MARKER,
        kind=("sys::Str", "The kind of its value", {"val": "Number"}),
        unit=("sys::Unit", "The unit of its value", {"val": "°F", "quantity": "temperature"}),
    ),
    _spec(
        "ph.points::AirTempSensor",
        "sys::And",
        "Measures the dry bulb temperature of air",
        {"ofs": [Ref("ph.points::AirTempPoint"), Ref("ph.points::SensorPoint")]},
    ),
    _spec("ph.points::ZoneAirTempSensor", "ph.points::AirTempSensor", "Measures it in a zone", zone=_MARKER),
    _spec("ph.points::OutsideAirTempSensor", "ph.points::AirTempSensor", "Measures it outside", outside=_MARKER),
    _spec("my.ph::Site", "ph::Site", "A building of ours"),
):
    SPECS[_one.qname] = _one

FUNCTIONS: Final[dict[str, Callable[..., Any]]] = {
    "spec": lambda name, checked: SPECS.get(name),
    "specs": lambda: list(SPECS.values()),
    "specMeta": lambda spec: spec.all_meta,
    "specType": lambda spec: SPECS[spec.type],
    "specSlots": lambda spec: spec.slots,
    "names": lambda slots: list(slots),
    "map": lambda items, function: [function(item) for item in items],
    "flatten": lambda items: [one for item in items for one in (_flat(item))],
    "toGrid": lambda rows: Grid.from_rows({}, dict.fromkeys(name for row in rows for name in row) or ["empty"], rows),
}


def _flat(item: Any) -> list[Any]:
    return [one for inner in item for one in _flat(inner)] if isinstance(item, list) else [item]


def _read(call: Call, run: Callable[[Call], Grid]) -> Grid:
    """Finds records by the names of specs, too."""
    if call.grid.has_col("filter"):
        row = call.one_row()
        row["filter"] = _NAME.sub(_ids_of, str(row["filter"]))
        call = replace(call, grid=Grid.from_rows({}, list(row), [row]))
    return run(call)


def _ids_of(name: re.Match[str]) -> str:
    if name[0].startswith('"'):
        return name[0]
    wanted = [one for one in SPECS if one == name[0] or one.rpartition("::")[2] == name[0]]
    if len(wanted) != 1:
        raise OpRefusal(f"Unknown data type: {name[0]}", "xeto::UnknownSpecErr")
    return f"({' or '.join(f'spec == @{one}' for one in SPECS if _is_a(one, wanted[0]))})"


def _is_a(name: str, base: str) -> bool:
    return name == base or any(_is_a(one, base) for one in (SPECS[name].bases if name in SPECS else ()))


def give_specs(app: web.Application, functions: Mapping[str, Callable[..., Any]] = FUNCTIONS) -> None:
    """Have an application evaluate expressions with some functions, and find records by specs, in both versions."""

    def run(call: Call) -> Grid:
        try:
            found: Grid = Axon(functions).eval(str(call.one_row()["expr"]))
        except LookupError as error:
            raise OpRefusal(str(error.args[0]), "axon::EvalErr") from error
        return found

    wrap_op(app, "read", _read)
    app[SERVED_OPS]["eval"] = Op("eval", run, False, "Evaluate an expression", "viewer")


@contextmanager
def server_with_specs(database: Database, functions: Mapping[str, Any] = FUNCTIONS) -> Iterator[RunningServer]:
    with running_server(database) as server:
        give_specs(server.app, functions)
        yield server
