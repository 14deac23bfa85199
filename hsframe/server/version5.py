"""A request in version 5 of the protocol, the HTTP API of Xeto: the same ops with typed arguments, Jeto, typed errors.

The header ``Xeto-Version``, or ``xeto-version`` in the query, asks for it. Whatever format was asked for, an error is a
dict in JSON, with the status that it says.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Final, get_args

from aiohttp import web

from hsframe.codecs import decode, encode
from hsframe.codecs.body_text import guarded
from hsframe.codecs.formats import FORMATS, media_type, mime_of
from hsframe.codecs.jeto import Box, Jeto, encode_jeto
from hsframe.codecs.json_common import Misfit, fitting
from hsframe.grid import Grid
from hsframe.kinds import ID, MARKER, Number, Ref, Symbol, XStr
from hsframe.options import Limits
from hsframe.protocol.version5 import HEADER, JSON
from hsframe.server.ops import Op
from hsframe.server.ops.typed import FILETYPES, OPS5, Op5, Param
from hsframe.server.refusal import HttpRefusal
from hsframe.server.state import Call
from hsframe.server.version4 import Asked4, MediaFormat, refused4

_BOXES: Final[Mapping[str, Box]] = {box: box for box in get_args(Box)}
_REF: Final = re.compile(rf"@{ID.pattern.pattern}")
_BY_NAME: Final = {name: op for op in OPS5 for name in (op.name, op.qname)}

# What the error grids of ops are here; all else is an InternalErr, also where the caller is to blame.
_SPECS: Final[Mapping[str, tuple[int, str]]] = {
    "UnknownRecErr": (404, "UnknownEntityErr"),
    "UnknownWatchErr": (404, "UnknownEntityErr"),
    "PermissionErr": (403, "PermissionErr"),
    "ReadOnlyErr": (403, "PermissionErr"),
    "FilterErr": (400, "InvalidArgsErr"),
}
_BY_STATUS: Final = {
    400: "InvalidArgsErr",
    403: "AuthErr",
    404: "UnknownEntityErr",
    405: "MethodNotAllowedErr",
    406: "NotAcceptableErr",
    415: "UnsupportedMediaTypeErr",
    429: "RateLimitErr",
    500: "InternalErr",
    501: "NotImplementedErr",
    503: "UnavailableErr",
}
# Python's class of each type of an argument.
_CLASSES: Final[Mapping[str, type]] = {
    "Ref": Ref,
    "Number": Number,
    "Bool": bool,
    "Marker": type(MARKER),
    "Str": str,
    "Filter": str,
    "List": list,
    "Dict": dict,
    "Grid": Grid,
    "Obj": object,
}


def version_of(request: web.Request) -> str:
    """The version that a request asks for; its query counts before its header."""
    return request.query.get("xeto-version", request.headers.get(HEADER, "4"))


def unsupported(version: str, versions: Sequence[str]) -> HttpRefusal:
    what = f"the version {version} of the protocol is not spoken here; those that are: {', '.join(versions)}"
    return HttpRefusal(400, what, {HEADER: max(versions)}, spec="UnsupportedVersionErr", allow=list(versions))


def login_refused(refusal: HttpRefusal, authorization: str | None) -> HttpRefusal:
    """A refused login or token; a step of a login stays what it is."""
    status, header = refusal.status, (authorization or "").lower()
    if status == 401 and header.startswith("bearer"):
        status = 403 if "authtoken=" in header else 400
    return HttpRefusal(
        status, refusal.reason, refusal.headers, spec="AuthErr" if status in (400, 403) else refusal.spec
    )


def refused5(refusal: HttpRefusal) -> web.Response:
    """The refusal as a dict; a line of text where it is of HTTP alone, or a step of a login."""
    spec = refusal.spec or _BY_STATUS.get(refusal.status)
    if spec is None:
        return refused4(refusal)
    more = dict(refusal.more)
    if wait_s := refusal.headers.get("Retry-After"):
        more["retryAfter"] = f"{wait_s}sec"
    body = _api_error(spec, refusal.status, refusal.reason, more)
    headers = {name: value for name, value in refusal.headers.items() if name != "WWW-Authenticate"}
    return web.Response(status=refusal.status, body=body, headers={"Content-Type": JSON, **Asked5.headers, **headers})


def _api_error(spec: str, status: int, dis: str, more: Mapping[str, Any]) -> bytes:
    return json.dumps({"spec": f"sys.api::{spec}", "status": status, "dis": dis, **more}).encode()


class Asked5(Asked4):
    """What a request in version 5 asks; otherwise as in version 4."""

    headers: ClassVar[Mapping[str, str]] = {HEADER: "5"}

    def find(self, name: str, ops: dict[str, Op]) -> Op:
        typed = _BY_NAME.get(name)
        if typed is None or typed.op not in ops:
            raise HttpRefusal(404, f"there is no op {name!r}", spec="UnknownFuncErr", funcName=name)
        served = ops[typed.op]
        args: dict[str, Any] = {}

        def run(call: Call) -> Grid:
            answer = served.run(call)
            return answer if answer.is_error else typed.answer(args, answer)

        self._typed, self._args = typed, args
        return replace(served, run=run)

    def choose(self, accept: str | None) -> MediaFormat:
        """Only the first media type counts; by default it is Jeto."""
        named = self.query.get("xeto-filetype")
        kind, params = media_type((JSON if accept is None else accept).split(",")[0])
        if named is not None:
            short = next((short for short, name in FILETYPES.items() if name == named), None)
        elif kind in (JSON, "*/*"):
            short = "jeto"
        elif kind == "application/vnd.haystack+json":
            short = "json3" if params.get("version") == "3" else "json4"
        else:
            short = next((short for short, known in FORMATS.items() if known.mime == kind), None)
        if short is None:
            raise HttpRefusal(406, f"{named or accept!r} is no format of this server; see the op filetypes")
        if (box := params.get("box", "auto")) not in _BOXES:
            raise HttpRefusal(406, f"{box!r} is no way to box; expected box={' or box='.join(_BOXES)}")
        self._box = _BOXES[box]
        mime = mime_of(short)
        return MediaFormat(short, f"{mime}; charset=utf-8" if mime.startswith("text/") and short != "jeto" else JSON)

    def reads(self, content_type: str) -> str | None:
        return "jeto" if media_type(content_type)[0] in (JSON, "text/jeto") else super().reads(content_type)

    def read(self, body: bytes, limits: Limits) -> Grid:
        op = self._typed
        if self.short == "jeto":
            args = _JsonArgs(limits).args(body, op)
        elif not self.short:
            args = _JsonArgs(limits).args(self.query, op)
        else:
            grid = decode(body, self.short, limits=limits)
            args = {"req": grid} if op.takes_grid else _cells(grid, op)
        self._args.update(args)
        return op.request(args)

    def encoded(self, grid: Grid) -> tuple[int, str, bytes]:
        """An error grid as its dict, with its status; an answer in Jeto is bare."""
        if grid.is_error:
            status, spec = _SPECS.get(str(grid.meta.get("errType")), (500, "InternalErr"))
            dis, more = str(grid.meta.get("dis", "")), {"errTrace": grid.meta.get("errTrace", "")}
            # Clients take the id from these words, of which there are no others.
            if spec == "UnknownEntityErr" and (id := _REF.search(dis)):
                dis = id[0]
            return status, JSON, _api_error(spec, status, dis, more)
        if self.chosen.short != "jeto":
            return 200, self.chosen.mime, encode(grid, self.chosen.short)
        record = dict(grid[0]) if len(grid) else None
        value = {"Grid": grid, "None": None}.get(self._typed.returns, record)
        return 200, self.chosen.mime, encode_jeto(value, self._box)


# ---- arguments


def _cells(grid: Grid, op: Op5) -> dict[str, Any]:
    """The arguments in the first row of a grid; a Str is no filter there, a Symbol is."""
    row = dict(grid[0]) if len(grid) else {}
    args = {}
    for param in _given(op, row):
        value: Any = row[param.name]
        if param.type == "Filter":
            value = value.val if isinstance(value, Symbol) else None
        args[param.name] = _checked(value, param)
    return args


def _given(op: Op5, raw: Mapping[str, Any]) -> list[Param]:
    """The arguments that are there; a refusal where one is missing that may not."""
    for param in op.params:
        if raw.get(param.name) is None and not param.is_optional:
            raise HttpRefusal(400, f"the argument {param.name!r} is missing: {op.name}{op.signature}")
    return [param for param in op.params if raw.get(param.name) is not None]


def _checked(value: Any, param: Param) -> Any:
    if not isinstance(value, _CLASSES[param.type]):
        raise HttpRefusal(500, f"the argument {param.name!r} is no {param.type}")
    return value


class _JsonArgs(Jeto):
    """Reads arguments in Jeto: a text is what the op declares, and a number that no type is declared for no Number."""

    def args(self, given: bytes | Mapping[str, str], op: Op5) -> dict[str, Any]:
        """The arguments in a body, or in a query, where a text that begins as one of JSON does is that."""
        body = given if isinstance(given, bytes) else b""
        with guarded(body, self.source, self.limits):
            raw: Any = self.load(body) if body.strip() else {}
            if not isinstance(given, bytes):
                raw = {name: self.load(text) if text[:1] in ("[", "{") else text for name, text in given.items()}
            if not isinstance(raw, dict):
                raise HttpRefusal(400, "the body is no object of arguments by name")
            return {param.name: _checked(self._arg(raw[param.name], param), param) for param in _given(op, raw)}

    def _arg(self, value: Any, param: Param) -> Any:
        try:
            return self._of_type(value, param.type)
        except Misfit as misfit:
            raise misfit.at(f".{param.name}").error(self.source) from None

    def _of_type(self, value: Any, type: str) -> Any:
        if type == "Ref" and isinstance(value, str):
            return Ref(fitting(ID, value))
        if type == "List" and isinstance(value, list):
            return [Ref(fitting(ID, one)) if isinstance(one, str) else self.read(one, 0) for one in value]
        if type == "Grid" and isinstance(value, dict):
            return self.read_grid(value, 0)
        if type == "Number" and value.__class__ in (int, float):
            return Number(value)
        if type in ("Number", "Bool", "Marker") and isinstance(value, str):
            value = {"val": value, "spec": f"sys::{type}"}
        read = self.read(value, 0)
        if isinstance(read, dict) and type not in ("Dict", "Obj"):
            raise Misfit("a box of an unknown spec", f"a {type}")
        return read

    def read(self, value: Any, depth: int) -> Any:
        if value.__class__ in (int, float):
            return XStr(value.__class__.__name__.title(), repr(value))
        return super().read(value, depth)

    def read_grid(self, value: Mapping[str, Any], depth: int) -> Grid:
        cols, rows = value.get("cols"), value.get("rows")
        of_cols = {
            col["name"]: col.get("of")
            for col in (cols if isinstance(cols, list) else ())
            if isinstance(col, dict) and isinstance(col.get("name"), str)
        }
        for row in rows if isinstance(rows, list) else ():
            for name, cell in row.items() if isinstance(row, dict) else ():
                if cell.__class__ in (int, float) and of_cols.get(name) == "sys::Number":
                    row[name] = repr(cell)
        return super().read_grid(value, depth)
