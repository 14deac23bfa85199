"""The npm package haystack-core 3.0.13: its readers and writers of Zinc and Hayson against ours, on generated grids.

A grid is written by us, read and written again by the other implementation, and read by us: it must be the same grid,
whichever format is used on the way there and back. So each reader is tried against the other's writer. Left out is what
haystack-core itself does not carry; :func:`values` says it, line by line.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from hsframe.codecs import decode, encode
from hsframe.grid import Grid
from hsframe.kinds import Bin, Ref, Uri, XStr
from hsframe.testing import strategies

pytestmark = pytest.mark.interop

HERE = Path(__file__).resolve().parent
MODULES = HERE.parent.parent / ".peers" / "haystack-core" / "node_modules"
FORMS = ("zinc", "json4")

Peer = Callable[[str, bytes], dict[str, str]]


@pytest.fixture(scope="module")
def peer() -> Iterator[Peer]:
    """From a body to the same grid in both formats, by haystack-core in a process of its own."""
    node = shutil.which("node")
    if node is None or not MODULES.exists():
        pytest.skip(f"haystack-core is not installed in {MODULES}: scripts/peers.py does it (node and npm)")
    command = [node, str(HERE / "haystack_core_peer.js"), str(MODULES)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        to_peer, from_peer = process.stdin, process.stdout

        def ask(form: str, body: bytes) -> dict[str, str]:
            to_peer.write(json.dumps({"form": form, "body": body.decode()}).encode() + b"\n")
            to_peer.flush()
            answer: dict[str, str] = json.loads(from_peer.readline())
            assert "error" not in answer, (answer, body)
            return answer

        yield ask
        to_peer.close()
        assert process.wait(timeout=20) == 0


def in_one_unit(text: str) -> str:
    """Without the characters that take two of UTF-16."""
    return re.sub("[\U00010000-\U0010ffff]", "?", text)


def values(read: str, write: str) -> st.SearchStrategy[Any]:
    """What haystack-core reads in a format and writes in a format without loss."""
    # Its Zinc has no display names of refs, writes half of a character beyond 16 bits, and a lone backslash of a uri as
    # it is, which nobody can read. It reads "C(" as a coordinate always, and drops a display name that is empty.
    text = in_one_unit if write == "zinc" else str
    refs = strategies.refs().map(lambda ref: Ref(ref.val, None if write == "zinc" else ref.dis or None))
    uris = strategies.uris().map(lambda uri: Uri(text(uri.val)))
    xstrs = strategies.xstrs().map(lambda xstr: XStr(xstr.type, text(xstr.val)))
    if write == "zinc":
        uris = uris.filter(lambda uri: re.fullmatch(r"(?:[^\\]|\\[:/?#\[\]@\\&=;])*", uri.val, re.DOTALL) is not None)
    if read == "zinc":
        xstrs = xstrs.filter(lambda xstr: xstr.type != "C")
    return st.one_of(
        strategies.texts().map(text),
        strategies.numbers(),
        st.booleans(),
        strategies.singletons(),
        refs,
        strategies.datetimes().filter(has_zone),
        strategies.dates(),
        strategies.times(),
        strategies.symbols(),
        uris,
        strategies.coords(),
        xstrs,
        strategies.bins().map(lambda bin: Bin(text(bin.mime))),
    )


def has_zone(when: datetime) -> bool:
    """Whether haystack-core keeps the zone: at an offset of zero it knows UTC alone."""
    return when.utcoffset() != timedelta(0) or str(when.tzinfo) == "UTC"


def nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return strategies.lists(inner) | strategies.dicts(inner) | strategies.grids(inner, max_rows=2, max_cols=2)


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(data=st.data(), read=st.sampled_from(FORMS), write=st.sampled_from(FORMS))
def test_a_grid_comes_back_the_same(peer: Peer, read: str, write: str, data: st.DataObject) -> None:
    kinds = st.recursive(values(read, write), nested, max_leaves=6)
    grid = data.draw(strategies.grids(kinds))
    body = encode(grid, read)
    # Its Zinc has no names that begin with an underscore.
    assume(read == "json4" or re.search(rb"[\s,{]_(x|kind_)", body) is None)
    answer = peer(read, body)[write]
    # It writes the null of a lone column, which JSON left out, as an empty line; that ends a grid.
    assume(write == "json4" or "\n\n" not in answer)
    assert decode(answer, write) == grid


@given(grid=strategies.history_grids(), read=st.sampled_from(FORMS), write=st.sampled_from(FORMS))
def test_a_history_comes_back_the_same(peer: Peer, read: str, write: str, grid: Grid) -> None:
    meta = {name: Ref(value.val) if isinstance(value, Ref) else value for name, value in grid.meta.items()}
    grid = Grid(meta, grid.cols, grid.columns)
    times = [when for when in (*grid.columns[0], *meta.values()) if isinstance(when, datetime)]
    assume(all(map(has_zone, times)))
    assert decode(peer(read, encode(grid, read))[write], write) == grid


@pytest.mark.parametrize(
    ("zinc", "val"),
    [
        (r"`http://x/a\#b?c=1`", r"http://x/a\#b?c=1"),
        (r"`\u00e9\u0060\u005cT\u000a`", "é`\\T\n"),
        (r"`\\\\`", "\\\\\\\\"),
    ],
)
def test_a_uri_is_one_text_in_both_formats(peer: Peer, zinc: str, val: str) -> None:
    body = f'ver:"3.0"\na\n{zinc}\n'.encode()
    assert decode(body, "zinc")[0]["a"] == Uri(val)
    assert json.loads(peer("zinc", body)["json4"])["rows"] == [{"a": {"_kind": "uri", "val": val}}]
