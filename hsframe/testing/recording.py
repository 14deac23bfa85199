"""What a program asks of a server and is answered, in a file without secrets; and a server that answers from it.

A file is JSON, a line each. The first has the version of the format, each other one a request and its answer::

    {"hsframe": "VERSION", "recording": 1}
    {"op": "read", "method": "POST", "params": null, "accept": "text/zinc", "type": "text/zinc; charset=utf-8",
     "asked": "ver:...", "status": 200, "reason": "OK", "headers": {"Content-Type": "text/zinc"}, "answer": "ver:...",
     "whole": true, "login": false}

Bodies are unpacked; bytes that are not UTF-8 are halves of surrogate pairs, as Python's surrogateescape has them. An
answer that broke off is not ``whole``, and one that never came has the status 0; ``whole`` is null where nobody waited
for the rest, as since another request had failed. With ``login`` the server did not know the session any more, or the
version of the protocol: where the same request was answered after that, the answer counts.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import threading
from collections.abc import Callable, Collection, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from aiohttp import web

from hsframe.client.transport import LISTENERS
from hsframe.codecs import encode
from hsframe.codecs.formats import decode_exact, formats_by_start
from hsframe.codecs.jeto import decode_jeto
from hsframe.errors import CodecError, MetadataError
from hsframe.frame.whole_file import advised
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.protocol.dialects import forget
from hsframe.protocol.http import HttpAnswer, HttpRequest
from hsframe.protocol.version5 import HEADER, JSON
from hsframe.server.app import PREFIX
from hsframe.server.run import listening
from hsframe.server.version5 import refused5, unsupported, version_of
from hsframe.testing.server import on_thread
from hsframe.version import __version__

_FORMAT: Final = 1
_KEPT_HEADERS: Final = ("Content-Type", "Retry-After", "Location", HEADER)
_KEY: Final = ("op", "method", "params", "accept", "type", "asked")
_FIELDS: Final = (*_KEY, "status", "reason", "headers", "answer", "whole", "login")
_LOGINS: Final = ("PLAINTEXT", "BASIC")
_LARGEST_BODY: Final = 1 << 28

_ID: Final = r"([A-Za-z0-9_:.~-]+)"
# As Zinc and filters write an id, and as JSON of version 3 does.
_REF: Final = re.compile(rf'(@|"r:){_ID}')
# As JSON of version 4 and Jeto do: a dict without others in it, whose texts may have braces.
_DICT: Final = re.compile(r'\{(?:[^{}"]|"(?:[^"\\]|\\.)*+")*+\}')
_KIND_REF: Final = re.compile(r'"_kind"\s*:\s*"ref"|"spec"\s*:\s*"sys::Ref"')
_VAL: Final = re.compile(rf'("val"\s*:\s*"){_ID}(?=")')
# A whole text that is no key of JSON, and neither a column nor a filter in it.
_NO_NAME: Final = r'(?<=")(?<!"name":")(?<!"name": ")(?<!"filter":")'
_TEXT_END: Final = r'(?="(?!\s*:))'
_WHOLE: Final = re.compile(rf"{_NO_NAME}(s:|){_ID}{_TEXT_END}")
# What has ids in a request, where they may be texts.
_OF_IDS: Final = re.compile(r"ids?\d*|navId|\w+Ref")
_URI_HOST: Final = re.compile(r"(https?://)[^\s/\"`'<>\\:?#]+")
# Tags of `about` that name a machine or a person.
_NAMES: Final = {"serverName": "server", "whoami": "user"}


class _Renaming:
    """Other names in place of ids, hosts and what ``about`` names, the same ones in each text."""

    def __init__(self) -> None:
        self.ids: dict[str, str] = {}
        self._names: dict[str, str] = {}

    def learn(self, answer: HttpAnswer) -> None:
        self._names.setdefault(urlsplit(answer.request.url).hostname or "", "host")
        if answer.request.op == "about" and answer.is_grid:
            with suppress(CodecError):
                for row in decode_exact(answer.body, formats_by_start(answer.body)[0]):
                    told = {tag: row.get(tag) for tag in _NAMES}
                    self._names |= {name: _NAMES[tag] for tag, name in told.items() if isinstance(name, str)}

    def _id(self, found: re.Match[str]) -> str:
        if "::" in found[2]:  # the name of a spec
            return found[0]
        return found[1] + self.ids.setdefault(found[2], f"id-{len(self.ids) + 1}")

    def renamed(self, text: str, asked: Collection[str] = ()) -> str:
        """The text with other names; in a request, the ids that are `asked` there may be texts."""
        text = _URI_HOST.sub(r"\1host", _REF.sub(self._id, text))
        text = _DICT.sub(lambda one: _VAL.sub(self._id, one[0]) if _KIND_REF.search(one[0]) else one[0], text)
        if asked:
            text = _WHOLE.sub(lambda one: self._id(one) if one[2] in asked else one[0], text)
        for name, new in self._names.items():
            # A word may be a tag too: then it is a name where it is the whole of a text, and no key of JSON, or column.
            word = re.escape(name)
            whole = rf"{_NO_NAME}{word}{_TEXT_END}"
            text = re.sub(rf"(?<![\w.-]){word}(?![\w-])" if "." in name else whole, new, text) if name else text
        return text


def _asked_ids(request: HttpRequest) -> set[str]:
    """The ids in a request, in its grid or its arguments by name."""
    params, mime = request.params or {}, request.headers.get("Content-Type", "")
    with suppress(CodecError):
        asked: Any = {
            name: decode_jeto(text) if text[:1] in ("[", "{") else text.strip('"') for name, text in params.items()
        }
        if request.body:
            is_jeto = HEADER in request.headers and mime == JSON
            asked = decode_jeto(request.body) if is_jeto else decode_exact(request.body, mime)
        return set(_ids_in(asked))
    return set()


def _ids_in(value: Any, name: str = "") -> Iterator[str]:
    """The ids in what a request says, Refs and texts."""
    match value:
        case Ref():
            yield value.val
        case str() if _OF_IDS.fullmatch(name):
            yield value.removeprefix("@")
        case Grid():
            for tags in (value.meta, *(col.meta for col in value.cols)):
                yield from _ids_in(dict(tags))
            for col, cells in zip(value.cols, value.columns, strict=True):
                yield from _ids_in([*cells], col.name)
        case dict():
            for tag, one in value.items():
                yield from _ids_in(one, tag)
        case list():
            for one in value:
                yield from _ids_in(one, name)


@contextmanager
def record(file: str | os.PathLike[str], *, rename: bool = False) -> Iterator[Mapping[str, str]]:
    """Write what is asked of servers while the block runs, and what they answer, into a file without secrets.

    All sessions and clients of this process count; open them in the block, so that nothing that they learned before is
    missing. A request that began before the block, or runs when it ends, is left out. No header of a request is
    written but its formats, no login at all, and passwords, tokens and the values of `headers=` are taken out of what a
    server says, however it writes them; but a password of fewer than four characters, or that is the user's name, is in
    too many words. Records, names and values stay, so look at the file before you give it away. :func:`replay` makes a
    server of it.

    Parameters
    ----------
    file : str or path
        Replaced where it is there; ``.jsonl`` is a good ending.
    rename : bool
        Write ``id-1``, ``id-2``, ... in place of the ids of records, those too that a request gives as texts, and other
        names in place of hosts, the server's name and the user. Display names and the names of specs stay.

    Yields
    ------
    mapping
        With `rename`, the name that stands for each id, complete after the block; it is not in the file.

    Examples
    --------
    >>> import hsframe, pandas as pd
    >>> from hsframe.testing import serve
    >>> df = pd.DataFrame({"kW": [1.0, 2.0]}, pd.date_range("2026-11-01", periods=2, freq="1h", tz="UTC"))
    >>> with serve(df) as uri, record("case.jsonl"), hsframe.connect(uri):
    ...     seen = hsframe.his_read("point", "2026-11-01")
    >>> with replay("case.jsonl") as uri, hsframe.connect(uri):
    ...     hsframe.his_read("point", "2026-11-01").equals(seen)
    True
    """
    names, written, is_listening = _Renaming(), list[Future[None]](), threading.Lock()
    forget()  # what is known of a server would spare requests, which a replay needs
    with _named(file):
        lines = open(file, "w", encoding="ascii")  # noqa: SIM115 - closed below

    def put(line: Mapping[str, Any]) -> None:
        lines.write(json.dumps(line) + "\n")
        lines.flush()  # a program that is killed leaves what led there

    def write(answer: HttpAnswer, is_whole: bool | None) -> None:
        if rename:
            names.learn(answer)
        put(_line(answer, is_whole, names.renamed if rename else None))

    def listen(answer: HttpAnswer, is_whole: bool | None) -> None:
        with is_listening:
            if answer.request.op != "login" and listen in LISTENERS:
                written.append(writer.submit(write, answer, is_whole))

    # To look for secrets takes a second for a megabyte: in a thread, since the loop has to go on.
    try:
        with ThreadPoolExecutor(1, "hsframe-recording") as writer:
            written.append(writer.submit(put, {"hsframe": __version__, "recording": _FORMAT}))
            LISTENERS.append(listen)
            try:
                yield names.ids
            finally:
                with is_listening:  # a request may run still, on the loop of another thread
                    LISTENERS.remove(listen)
    finally:
        with suppress(OSError):  # what a full disk did not take fails once more
            lines.close()
    with _named(file):
        for one in written:
            one.result()


@contextmanager
def _named(file: str | os.PathLike[str]) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise MetadataError(f"{file} cannot be written: {advised(error)}") from error


def _line(
    answer: HttpAnswer, is_whole: bool | None, renamed: Callable[[str, Collection[str]], str] | None
) -> dict[str, Any]:
    def clean(text: str, ids: Collection[str] = ()) -> str:
        text = answer.secrets.redacted(text, is_kept=True)
        return text if renamed is None else renamed(text, ids)

    asked, ids = answer.request, set() if renamed is None else _asked_ids(answer.request)
    headers = {name: answer.header(name) for name in _KEPT_HEADERS if answer.header(name)}
    if "Location" in headers:
        headers["Location"] = answer.target
    return {
        "op": clean(asked.url.rpartition("/")[2]),  # in version 5 of the protocol another name than that of 4
        "method": asked.method,
        "params": asked.params and {name: clean(f'"{value}"', ids)[1:-1] for name, value in asked.params.items()},
        "accept": asked.headers.get("Accept", ""),
        "type": asked.headers.get("Content-Type", ""),
        "asked": clean(_text(asked.body or b""), ids),
        "status": answer.status,
        "reason": clean(answer.reason),
        "headers": {name: clean(value) for name, value in headers.items()},
        "answer": clean(_text(answer.body)),
        "whole": is_whole,
        "login": answer.asks_for_login or answer.refuses_version,
    }


def _text(body: bytes) -> str:
    return body.decode("utf-8", "surrogateescape")


@contextmanager
def replay(file: str | os.PathLike[str]) -> Iterator[str]:
    """A server that answers as the file of :func:`record` says, on this machine, while the block runs.

    It takes any user and password, or none. Equal requests get their answers in the order in which they were recorded,
    and then the last one again and again; what broke off does so again, and what nobody waited for does not come. A
    request that was not recorded gets HTTP 422, which says what was recorded that is nearest: as that of
    ``"yesterday"`` a day later, or of ``latest`` a second later; so record and ask for dates.

    Parameters
    ----------
    file : str or path
        As :func:`record` wrote it.

    Yields
    ------
    str
        The uri to connect to.

    Raises
    ------
    MetadataError
        There is no such file, or it is none that :func:`record` wrote; the message names the line.
    """
    answers: dict[tuple[Any, ...], list[dict[str, Any]]] = {}
    spoken = set()
    for line in _lines(Path(file)):
        answers.setdefault(_key(line), []).append(line)
        # An error may say any version, and openapi says none.
        if line["status"] == 200 and line["op"] != "openapi":
            spoken.add(line["headers"].get(HEADER, "4"))
    # A new login or another version, which a replay does not need, was followed by the same request.
    answers = {key: [one for one in own if not one["login"]] or own for key, own in answers.items()}
    app = web.Application(client_max_size=_LARGEST_BODY)

    async def handle(request: web.Request) -> web.StreamResponse:
        authorization = request.headers.get("Authorization", "").partition(" ")[0].upper()
        if request.path.endswith("/about"):  # any password is taken
            if authorization == "HELLO":
                return web.Response(status=401, headers={"WWW-Authenticate": "PLAINTEXT"})
            if authorization in _LOGINS:
                return web.Response(headers={"Authentication-Info": "authToken=replay"})
        asked: dict[str, Any] = {
            "op": request.match_info["op"],
            "method": request.method,
            "params": dict(request.query) if request.method == "GET" else None,
            "accept": request.headers.get("Accept", ""),
            "type": request.headers.get("Content-Type", ""),
            "asked": _text(await request.read()),
        }
        if spoken == {"5"} and version_of(request) != "5":
            return refused5(unsupported("4", ["5"]))
        if not (own := answers.get(_key(asked))):
            text = _not_recorded(asked, answers)
            if spoken and (version := version_of(request)) not in spoken:
                text += f"; it was recorded in version {min(spoken)} of the protocol, and this is version {version}"
            return web.Response(status=422, text=text)
        return await _answer(request, own.pop(0) if len(own) > 1 else own[0])

    app.router.add_route("*", PREFIX + "/{op}", handle)

    with on_thread(lambda: listening(app)) as uri:
        forget(uri)
        yield uri


def _lines(file: Path) -> Iterator[dict[str, Any]]:
    try:
        texts = file.read_text("ascii").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise MetadataError(f"{file} cannot be read as a recording: {error}") from error
    for number, text in enumerate(texts or [""], 1):
        try:
            line = json.loads(text)
        except (ValueError, RecursionError):
            line = None
        needed = ("recording",) if number == 1 else _FIELDS
        if not isinstance(line, dict) or not set(needed) <= line.keys():
            raise MetadataError(f"{file}, line {number}, is not of a recording, as hsframe.testing.record() writes it")
        if number > 1:
            yield line
        elif line["recording"] != _FORMAT:
            raise MetadataError(f"{file} is of format {line['recording']!r}; this hsframe reads {_FORMAT}")


def _key(line: Mapping[str, Any]) -> tuple[Any, ...]:
    found = {**line, "params": tuple(sorted((line["params"] or {}).items()))}
    return tuple(found[name] for name in _KEY)


def _in_words(key: tuple[Any, ...]) -> str:
    op, method, params, accept, mime, asked = key
    given = ", ".join(f"{name}={value}" for name, value in params) or asked
    with suppress(CodecError):  # the same words in each format
        given = encode(decode_exact(asked, mime), "zinc").decode().removeprefix('ver:"3.0"') if asked else given
    return f"{op} {' '.join(given.split())} ({method}, for {accept})"


def _not_recorded(asked: Mapping[str, Any], answers: Mapping[tuple[Any, ...], object]) -> str:
    words = _in_words(_key(asked))
    same = [_in_words(key) for key in answers if key[0] == asked["op"]]
    near = get_close_matches(words, same, 1, 0)
    return f"not recorded: {words}; " + (f"nearest is {near[0]}" if near else f"nothing of {asked['op']} is")


async def _answer(request: web.Request, line: Mapping[str, Any]) -> web.StreamResponse:
    body = line["answer"].encode("utf-8", "surrogateescape")
    if line["whole"]:
        response = web.Response(status=line["status"], reason=line["reason"] or None, body=body)
        response.headers.update(line["headers"])
        return response
    broken = web.StreamResponse(status=line["status"] or 200, headers=line["headers"])
    broken.content_length = len(body) + 1
    with suppress(ConnectionError):
        if line["status"]:
            await broken.prepare(request)
            await broken.write(body)
        if line["whole"] is None:
            await asyncio.Event().wait()  # until who asks leaves
        if request.transport is not None:
            request.transport.abort()
    return broken
