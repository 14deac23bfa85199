"""Bodies that are packed: whatever the chunks, all of it or an error, in little memory and not on the event loop."""

from __future__ import annotations

import asyncio
import gzip
import importlib
import random
import threading
import tracemalloc
import zlib
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsframe.client import unpacking
from hsframe.client.unpacking import Unpacker
from hsframe.errors import CodecError, NetworkError, TruncatedBodyError
from hsframe.options import Limits


@pytest.fixture(params=["zlib", "isal.isal_zlib"], autouse=True, scope="module")
def module(request: pytest.FixtureRequest) -> Iterator[None]:
    """With the extra `archive` and without."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(unpacking, "isal_zlib", importlib.import_module(request.param))
        yield


def raw_deflate(data: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    return packer.compress(data) + packer.flush()


def with_long_header(data: bytes) -> bytes:
    """Gzip with all optional parts of its header (RFC 1952): extra field, name, comment and check sum."""
    header = b"\x1f\x8b\x08\x1e" + bytes(6) + b"\4\0ab\0\0" + b"name\0" + b"comment\0"
    check = zlib.crc32(header) & 0xFFFF
    end = zlib.crc32(data).to_bytes(4, "little") + (len(data) & 0xFFFFFFFF).to_bytes(4, "little")
    return header + check.to_bytes(2, "little") + raw_deflate(data) + end


def in_two(data: bytes) -> bytes:
    return gzip.compress(data[: len(data) // 2]) + gzip.compress(data[len(data) // 2 :])


PACKERS: dict[str, tuple[str, Callable[[bytes], bytes]]] = {
    "none": ("", bytes),
    "identity": ("identity", bytes),
    "gzip": ("gzip", gzip.compress),
    "x-gzip": ("X-GZIP", gzip.compress),
    "gzip of two": ("gzip", in_two),
    "gzip, long header": ("gzip", with_long_header),
    "gzip, padded": ("gzip", lambda data: gzip.compress(data) + bytes(9)),
    "deflate": ("deflate", zlib.compress),
    "raw deflate": ("deflate", raw_deflate),
}


TEXT = b"a text that is a little longer than nothing"


async def unpacked(coding: str, chunks: Iterable[bytes], limits: Limits = Limits()) -> bytes:
    unpacker = Unpacker(coding, limits, "read at x")
    out = []
    for chunk in chunks:
        unpacker.feed(chunk)
        while piece := await unpacker.piece():
            out.append(piece)
    unpacker.finish(may_be_empty=False)
    return b"".join(out)


def pieces(body: bytes, cuts: Iterable[int]) -> list[bytes]:
    at = [0, *sorted({cut % (len(body) + 1) for cut in cuts}), len(body)]
    return [body[start:stop] for start, stop in pairwise(at) if stop > start]


texts = st.one_of(
    st.binary(max_size=300), st.builds(lambda one, times: one * times, st.binary(min_size=1), st.integers(1, 90_000))
)


@pytest.mark.parametrize("name", PACKERS)
@given(data=texts, cuts=st.lists(st.integers(0, 10_000), max_size=6))
@example(data=bytes(4 << 20), cuts=[])  # more comes out at the end than is taken at once
@example(data=bytes((1 << 18) + 1), cuts=[5])
def test_all_that_was_packed_comes_out(name: str, data: bytes, cuts: list[int]) -> None:
    coding, pack = PACKERS[name]
    assert asyncio.run(unpacked(coding, pieces(pack(data), cuts))) == data


@pytest.mark.parametrize("name", ["gzip", "gzip of two", "gzip, long header", "deflate", "raw deflate"])
@given(data=texts, cut=st.integers(0, 100_000), cuts=st.lists(st.integers(0, 10_000), max_size=3))
def test_nothing_that_was_cut_is_whole(name: str, data: bytes, cut: int, cuts: list[int]) -> None:
    coding, pack = PACKERS[name]
    body = pack(data)
    cut %= len(body)
    if name == "gzip of two" and cut == len(gzip.compress(data[: len(data) // 2])):
        return  # what is packed in several parts does not say how many
    with pytest.raises(TruncatedBodyError, match=r"read at x: the body broke off after \d+ bytes, or is damaged"):
        asyncio.run(unpacked(coding, pieces(body[:cut], cuts)))


def test_bytes_of_a_body_one_at_a_time() -> None:
    for name, (coding, pack) in PACKERS.items():
        body = pack(TEXT)
        assert asyncio.run(unpacked(coding, (body[at : at + 1] for at in range(len(body))))) == TEXT, name


def test_many_small_parts_are_unpacked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hop to a thread for each of them would take half a minute a megabyte."""
    hops = []

    async def in_thread(run: Callable[[], bytes]) -> bytes:
        hops.append(run)
        return run()

    monkeypatch.setattr(unpacking, "in_thread", in_thread)
    body = gzip.compress(b"a") * 3000
    assert asyncio.run(unpacked("gzip", pieces(body, range(0, len(body), 1 << 14)))) == b"a" * 3000
    assert len(hops) <= 2 * len(body) / (1 << 14) + 2


@pytest.mark.parametrize("name", ["gzip", "gzip of two", "deflate"])
@given(data=st.binary(min_size=20, max_size=200), at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_a_flipped_bit_is_seen(name: str, data: bytes, at: int, bit: int) -> None:
    coding, pack = PACKERS[name]
    body = bytearray(pack(data))
    body[at % len(body)] ^= 1 << bit
    try:
        assert asyncio.run(unpacked(coding, [bytes(body)])) == data, "the bit says nothing, as that of the time"
    except TruncatedBodyError:
        return


@pytest.mark.parametrize(
    ("coding", "body"),
    [
        ("gzip", b"no gzip at all"),
        ("gzip", gzip.compress(b"data", mtime=0) + b"more"),
        ("gzip", gzip.compress(b"data", mtime=0) + bytes(3) + b"more"),
        ("deflate", zlib.compress(b"data") + b"more"),
        ("deflate", raw_deflate(b"data") + bytes(3)),
        ("deflate", gzip.compress(b"data", mtime=0)),
        ("gzip", b""),
    ],
)
def test_what_is_no_packed_body(coding: str, body: bytes) -> None:
    for chunks in ([body] if body else [], [body[at : at + 1] for at in range(len(body))]):
        with pytest.raises(TruncatedBodyError, match="damaged"):
            asyncio.run(unpacked(coding, chunks))


def test_no_body_where_none_is_needed() -> None:
    Unpacker("gzip", Limits(), "x").finish(may_be_empty=True)  # as of HTTP 401


def test_another_packing_is_refused_by_its_name() -> None:
    with pytest.raises(NetworkError, match="packed as 'br'; expected gzip, deflate or nothing"):
        Unpacker("br", Limits(), "x")


@pytest.mark.parametrize("name", PACKERS)
@given(size=st.integers(1, 3000), most=st.integers(1, 3000), step=st.integers(1, 5000))
def test_no_more_than_the_limit_comes_out(name: str, size: int, most: int, step: int) -> None:
    coding, pack = PACKERS[name]
    body = pack(bytes(size))
    chunks = [body[at : at + step] for at in range(0, len(body), step)]
    run = unpacked(coding, chunks, Limits(answer_bytes=most))
    if size <= most:
        assert len(asyncio.run(run)) == size
    else:
        with pytest.raises(
            CodecError, match=rf"x: the answer has [0-9,]+ bytes or more, and {most:,} are allowed; .*answer_bytes"
        ):
            asyncio.run(run)


@pytest.mark.parametrize("most", [1 << 20, 16 << 20])
def test_a_bomb_is_refused_early(most: int) -> None:
    """Four mebibytes that unpack to four gibibytes."""
    bomb = gzip.compress(bytes(64 << 20)) * 64
    chunks = pieces(bomb, range(0, len(bomb), 1 << 18))

    async def main() -> int:
        unpacker = Unpacker("gzip", Limits(answer_bytes=most), "x")
        held = []
        try:
            for chunk in chunks:
                unpacker.feed(chunk)
                while piece := await unpacker.piece():
                    held.append(piece)
        except CodecError:
            return unpacker.received
        raise AssertionError("it was to be refused")

    tracemalloc.start()
    try:
        received = asyncio.run(main())
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert received <= 1 << 18
    assert peak < most + (4 << 20)


def test_large_answers_are_unpacked_off_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[tuple[bool, int]] = []
    real = zlib.decompressobj

    class Watched:
        def __init__(self, bits: int = zlib.MAX_WBITS) -> None:
            self.real = real(bits)

        def __getattr__(self, name: str) -> Any:
            return getattr(self.real, name)

        def decompress(self, data: bytes, most: int) -> bytes:
            piece = self.real.decompress(data, most)
            taken.append((threading.current_thread() is threading.main_thread(), len(piece)))
            return piece

    monkeypatch.setattr("hsframe.client.unpacking.isal_zlib.decompressobj", Watched)
    data = random.Random(1).randbytes(1 << 15) * 100
    packed = gzip.compress(data)
    assert asyncio.run(unpacked("gzip", [packed])) == data
    assert sum(size for _, size in taken) == len(data)
    assert max(size for _, size in taken) <= 1 << 20
    assert not any(on_loop for on_loop, _ in taken)
    taken.clear()
    assert asyncio.run(unpacked("gzip", pieces(packed, range(0, len(packed), 1 << 10)))) == data
    assert all(on_loop for on_loop, _ in taken), "a thread costs more than a small chunk"
