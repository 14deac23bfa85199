"""What Haxall answered in version 5 of the protocol, found by what is asked, whatever the bytes of the request are."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from aiohttp import web

from hsframe.codecs import decode_exact, encode
from hsframe.codecs.formats import media_type, short_of

WIRE: Final = Path(__file__).parent.parent / "data" / "wire" / "haxall-v5.jsonl.gz"
EXCHANGES: Final[list[dict[str, Any]]] = [json.loads(line) for line in gzip.decompress(WIRE.read_bytes()).splitlines()]


def bytes_of(text: dict[str, str]) -> bytes:
    return text["text"].encode() if "text" in text else base64.b64decode(text["base64"])


def op_of(exchange: dict[str, Any]) -> str:
    return urlsplit(exchange["path"]).path.rpartition("/")[2]


def unboxed(value: dict[str, Any]) -> Any:
    return value["val"] if {"val", "spec"} <= value.keys() else value


def form(accept: str) -> str:
    kind, params = media_type(accept)
    return f"jeto {params.get('box', 'auto')}" if kind == "application/json" else str(short_of(accept))


def meaning(method: str, query: dict[str, str], mime: str, body: bytes) -> str:
    """What a request asks for: the same grid in each format, and JSON in any order."""
    if method == "GET":
        return json.dumps(query, sort_keys=True)
    if mime == "application/json":
        return json.dumps(json.loads(body, object_hook=unboxed), sort_keys=True)
    return encode(decode_exact(body, mime), "zinc").decode()


def key_of(exchange: dict[str, Any]) -> tuple[str, str, str] | None:
    asked, body = exchange["request_headers"], bytes_of(exchange["request"])
    accept, mime = asked.get("accept", ""), asked.get("content-type", "")
    if "xeto" in exchange["path"] or asked.get("xeto-version") != "5":
        return None
    if exchange["file"] in ("auth", "close"):  # of logins, which are not recorded
        return None
    query = dict(parse_qsl(urlsplit(exchange["path"]).query))
    try:
        return op_of(exchange), form(accept), meaning(exchange["method"], query, mime, body)
    except Exception:  # a request that is wrong on purpose
        return None


class Recorded:
    """The answers, for a server of the tests: equal requests get theirs in order, and then the last one."""

    def __init__(self) -> None:
        self._answers: dict[tuple[str, str, str], list[dict[str, Any]]] = {}
        for exchange in EXCHANGES:
            if (key := key_of(exchange)) is not None:
                self._answers.setdefault(key, []).append(exchange)
                if exchange["status"] >= 400:  # a fault is told in JSON, whatever was asked for
                    self._answers.setdefault((key[0], "", key[2]), []).append(exchange)
        self.ops = {key[0] for key in self._answers}

    def __call__(self, seen: Any) -> web.Response:
        if seen.headers.get("Xeto-Version") != "5":
            return web.Response(status=422, text=f"{seen.op} was not asked in version 5")
        asked = meaning(seen.method, seen.query, seen.headers.get("Content-Type", ""), seen.body)
        key = (seen.op, form(seen.headers["Accept"]), asked)
        # Where all ids are known, it was not recorded that nothing is checked; the answer is the same.
        unchecked = asked.replace("ids,checked", "ids").replace("],F", "]")
        formats = (key[1], *(["jeto auto"] if key[1] == "jeto all" else []), "")  # few were recorded with all boxes
        keys = [(seen.op, format, text) for format in formats for text in (asked, unchecked)]
        own = next((self._answers[key] for key in keys if key in self._answers), None)
        if not own:
            return web.Response(status=422, text=f"not recorded: {key}")
        return answer_of(own.pop(0) if len(own) > 1 else own[0])


def answer_of(exchange: dict[str, Any]) -> web.Response:
    skipped = ("transfer-encoding", "content-encoding")  # bodies are recorded without them
    headers = {name: value for name, value in exchange["headers"].items() if name not in skipped}
    return web.Response(
        status=exchange["status"], reason=exchange["reason"], headers=headers, body=bytes_of(exchange["body"])
    )
