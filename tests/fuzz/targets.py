"""The readers of what others wrote, each with what its inputs are made of."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, aclosing, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from tempfile import TemporaryDirectory

import pyarrow as pa

from hsframe.client import Client
from hsframe.codecs import decode_exact, encode_exact
from hsframe.codecs.entities import try_records
from hsframe.codecs.formats import format_of_body
from hsframe.codecs.histories import HistoryStream, try_decode
from hsframe.durations import duration_us
from hsframe.errors import CodecError, HsFrameError
from hsframe.filters import is_word, means_filter, parse
from hsframe.frame.parquet import read_parquet
from hsframe.grid import Grid
from hsframe.kinds import same
from hsframe.protocol.dialects import forget
from hsframe.protocol.http import HttpAnswer
from hsframe.protocol.login_steps import Credentials, login_steps
from hsframe.protocol.scram import MIN_ITERATIONS, Derivation, ScramKeys, b64url_decode, b64url_encode
from hsframe.protocol.secret import Secret
from hsframe.server.auth import Logins
from hsframe.server.clock import ManualClock
from hsframe.spans import resolve
from tests.fuzz import seeds
from tests.fuzz.fuzzing import Check, must

_NOW = datetime(2026, 11, 18, 12, tzinfo=UTC)


@dataclass(frozen=True)
class Target:
    """A reader: the seeds of its inputs, the words of its grammar, and the check, which is open while it is used."""

    name: str
    seeds: Callable[[], Sequence[bytes]]
    tokens: Sequence[bytes]
    open: Callable[[], AbstractContextManager[Check]]
    #: How many inputs CI takes: those over a socket take their time.
    in_ci: int


def _simple(
    name: str, made: Callable[[], Sequence[bytes]], tokens: Sequence[bytes], check: Check, in_ci: int = 3_000
) -> Target:
    return Target(name, made, tokens, lambda: nullcontext(check), in_ci)


def is_same_grid(one: Grid, other: Grid) -> bool:
    return one == other and all(same(list(a), list(b)) for a, b in zip(one.columns, other.columns, strict=True))


# ---- codecs


def _check_decoder(short: str) -> Check:
    """What is read is written and read again as the same, or the writer says what it cannot write."""

    def check(data: bytes) -> None:
        grid = decode_exact(data, short)
        encode_exact(grid, "csv")
        body = encode_exact(grid, short)
        again = must(lambda: decode_exact(body, short), body)
        if short == "trio":  # it has no place for rows without a tag, nor for the order of columns
            assert same([dict(row) for row in grid if row], [dict(row) for row in again]), body
        else:
            assert is_same_grid(grid, again), body

    return check


def _check_fast(fast: Callable[[bytes, str], Grid | None]) -> Check:
    """Where a fast reader gives a grid, the exact one gives the same."""

    def check(data: bytes) -> None:
        short = format_of_body(data) or ("zinc", "json4", "json3")[zlib.crc32(data) % 3]
        try:
            exact = decode_exact(data, short)
        except CodecError:
            exact = None
        found = must(lambda: fast(data, short), "the exact reader is the one that refuses")
        assert found is None or (exact is not None and is_same_grid(found, exact)), exact

    return check


def _streamed(data: bytes, short: str, pieces: Sequence[bytes]) -> list[pa.RecordBatch] | None:
    stream = HistoryStream(short)
    try:
        return [batch for piece in pieces for batch in stream.feed(piece)] + stream.finish()
    except CodecError:
        return None


def _check_stream(data: bytes) -> None:
    """In pieces it gives what it gives whole, and no rows that the exact reader does not."""
    short = format_of_body(data) or "zinc"
    rnd = Random(zlib.crc32(data))
    ends = sorted(rnd.randint(0, len(data)) for _ in range(rnd.choice((1, 3, 30))))
    pieces = [data[begin:end] for begin, end in zip([0, *ends], [*ends, len(data)], strict=True)]
    whole, parts = _streamed(data, short, [data]), _streamed(data, short, pieces)
    assert (whole is None) == (parts is None), (whole, parts)
    if whole and parts:
        one, other = pa.Table.from_batches(whole), pa.Table.from_batches(parts)
        assert one.schema.equals(other.schema, check_metadata=True), (one.schema, other.schema)
        # By their texts: NaN is unequal to itself.
        assert str(one.to_pylist()) == str(other.to_pylist())
        assert len(must(lambda: decode_exact(data, short), "rows were streamed")) == one.num_rows


# ---- texts of people


def _check_filter(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    means_filter(text), is_word(text)
    filter = parse(text)
    assert must(lambda: parse(str(filter)), str(filter)) == filter, str(filter)
    for row in _RECORDS:
        filter.matches(row)


_RECORDS = [dict(row) for grid in (seeds.every_kind(), seeds.records()) for row in grid]


def _check_span(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    for read in (
        lambda: duration_us(text, "interval"),
        lambda: resolve(text, "New_York", _NOW),
        lambda: resolve("today", text, _NOW),
    ):
        with suppress(HsFrameError):
            read()


# ---- logins

_PLACEHOLDER = re.compile(r"<([^<>]*)>")


def _filled(text: str, **words: str) -> str:
    for word, value in words.items():
        text = text.replace(word.upper(), value)
    return _PLACEHOLDER.sub(lambda match: b64url_encode(match[1]), text)


def _answer(text: str) -> HttpAnswer:
    status, *lines = text.split("\n")
    headers = [(name, value.lstrip()) for name, _, value in (line.partition(":") for line in lines)]
    number = int(status) if status.isascii() and status.isdigit() and len(status) == 3 else 200
    body = "".join(value for name, value in headers if name == "Body").encode()
    return HttpAnswer(number, "", tuple(headers), body)


def _check_login(data: bytes) -> None:
    """A server's answers to the steps of a login; the keys are not derived, which takes its time by design."""
    text = data.decode("utf-8", "replace")
    steps = login_steps(Credentials("demo", Secret("pencil"), cleartext_allowed=len(data) % 2 == 0), "http://a/api")
    answers = [*text.split("\n\n"), *["200"] * 5]
    nonce = ""
    try:
        asked = next(steps)
        while answers:
            if isinstance(asked, Derivation):
                size = 64 if asked.hash == "SHA-512" else 32
                asked = steps.send(ScramKeys(b"k" * size, b"s" * size))
                continue
            sent = asked.headers.get("Authorization", "").partition("data=")[2]
            if sent and not nonce:
                nonce = b64url_decode(sent).rpartition("r=")[2]
            asked = steps.send(_answer(_filled(answers.pop(0), nonce=nonce)))
    except StopIteration:
        pass
    finally:
        steps.close()


def _check_server_logins(data: bytes) -> None:
    """What clients send in the header Authorization, line by line, to the logins of the embedded server."""
    logins = Logins({"demo": "demo"}, ManualClock(_NOW), iterations=MIN_ITERATIONS)
    nonce = token = ""
    for line in data.decode("utf-8", "replace").split("\n")[:6]:
        try:
            logins.admit(_filled(line, nonce=nonce, token=token), "127.0.0.1")
        except HsFrameError as refusal:
            challenge = getattr(refusal, "headers", {}).get("WWW-Authenticate", "")
            if found := re.search("handshakeToken=([0-9a-f]+)", challenge):
                token = found[1]
            if found := re.search("data=(.*)", challenge):
                nonce = b64url_decode(found[1]).partition(",s=")[0].removeprefix("r=")


# ---- over a socket


@contextmanager
def _http_answers() -> Iterator[Check]:
    """What a server sends: each connection gets the input in some pieces, and is closed."""
    data = b""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            if found := re.search(rb"(?i)content-length: *(\d+)", head):
                await reader.readexactly(int(found[1]))
            middle = zlib.crc32(data) % (len(data) + 1)
            for piece in (data[:middle], data[middle:]):
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def ask(port: int) -> None:
        async with Client(f"http://127.0.0.1:{port}/api/demo", retries=0, timeout=20, auth="none") as client:
            if len(data) % 3:
                await client.read("site", raw=True)
            else:
                async with aclosing(client.his_stream("@p0", "2021")) as batches:
                    async for _ in batches:
                        pass

    with asyncio.Runner() as runner:
        server = runner.run(asyncio.start_server(answer, "127.0.0.1", 0))
        port = server.sockets[0].getsockname()[1]

        def check(given: bytes) -> None:
            nonlocal data
            data = given
            forget()
            runner.run(ask(port))

        try:
            yield check
        finally:
            server.close()


# ---- files


@contextmanager
def _parquet() -> Iterator[Check]:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "x.parquet"

        def check(data: bytes) -> None:
            path.write_bytes(data)
            df = read_parquet(path)
            # Not its repr: pandas shows no time after the year 9999, which a damaged file may have.
            assert df.hs.units is not None

        yield check


def _of_all(grid: Callable[[], Grid]) -> Callable[[], list[bytes]]:
    def made() -> list[bytes]:
        shorts = ("zinc", "json4", "json3")
        recorded = [
            body for short in shorts for body in seeds.recorded(short) if (b"ts" in body) == (grid is seeds.history)
        ]
        return [*(encode_exact(grid(), short) for short in shorts), *recorded]

    return made


_ALL_TOKENS = [*dict.fromkeys(word for short in ("zinc", "json3", "json4") for word in seeds.TOKENS[short])]

TARGETS = {
    target.name: target
    for target in (
        *(
            _simple(short, lambda short=short: seeds.bodies(short), tokens, _check_decoder(short))
            for short, tokens in seeds.TOKENS.items()
        ),
        _simple("histories", _of_all(seeds.history), _ALL_TOKENS, _check_fast(try_decode)),
        _simple("records", _of_all(seeds.records), _ALL_TOKENS, _check_fast(try_records)),
        _simple("streams", _of_all(seeds.history), _ALL_TOKENS, _check_stream),
        _simple("filters", lambda: seeds.FILTERS, seeds.FILTER_TOKENS, _check_filter),
        _simple("spans", lambda: seeds.SPANS, seeds.SPAN_TOKENS, _check_span),
        _simple("logins", lambda: seeds.LOGINS, seeds.LOGIN_TOKENS, _check_login),
        _simple("server-logins", lambda: seeds.SERVER_LOGINS, seeds.LOGIN_TOKENS, _check_server_logins, in_ci=500),
        Target("http", seeds.http_answers, seeds.HTTP_TOKENS, _http_answers, in_ci=500),
        Target("parquet", seeds.parquet_files, seeds.PARQUET_TOKENS, _parquet, in_ci=500),
    )
}
