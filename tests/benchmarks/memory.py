"""What decoding takes of memory, beside what is told of it before: that bounds an answer (:class:`hsframe.Limits`).

``python -m tests.benchmarks.memory`` prints a line for each kind of cells, format and reader, and ends with 1 where
more is taken than is told, or of ordinary grids less than a third of it. ``--mb=30`` sets the size of a body,
``--only=zone`` takes the kinds by a part of their names. Each body is decoded in a process of its own, by the reader
that ``decode`` takes and by the exact one. Histories by columns take about twice their bytes, and nothing is told of
them. Linux only.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any, Final
from zoneinfo import ZoneInfo

from hsframe.codecs import body_text, decode, decode_exact, encode_exact, json_common
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.kinds import MARKER, Coord, Number, Ref, Symbol, Uri, XStr
from hsframe.options import Limits
from tests.benchmarks.entity_bodies import entity_grid

FORMATS: Final = ("zinc", "json4", "json3", "trio")
START: Final = datetime(2021, 1, 1, tzinfo=UTC)
ZONES: Final = [ZoneInfo(name) for name in ("America/New_York", "Europe/Berlin", "Asia/Tokyo", "UTC")]
DAY: Final = date(2021, 1, 1)

# A cell of each kind, by the number of its row.
CELLS: Final[dict[str, Callable[[int], Any]]] = {
    "texts": lambda n: f"text {n}",
    "short texts": lambda n: f"{n:x}",
    "texts, not ASCII": lambda n: f"ä{n}",
    "texts, wide": lambda n: f"😀{n}",
    "texts, same": lambda n: "the same text",
    "refs": lambda n: Ref(f"a{n:x}"),
    "refs with names": lambda n: Ref(f"a{n:x}", f"Name {n}"),
    "refs, not ASCII": lambda n: Ref(f"a{n:x}", f"Näme {n}"),
    "refs, wide": lambda n: Ref(f"a{n:x}", f"😀 {n}"),
    "numbers": lambda n: Number(n),
    "small numbers": lambda n: Number(n % 10),
    "numbers with units": lambda n: Number(n + 0.5, "kW"),
    "zones": lambda n: (START + timedelta(seconds=n)).astimezone(ZONES[0]),
    "many zones": lambda n: (START + timedelta(seconds=n)).astimezone(ZONES[n % 4]),
    "dates": lambda n: DAY + timedelta(days=n % 1_000_000),
    "times": lambda n: time(n // 3600 % 24, n // 60 % 60, n % 60, n % 1_000_000),
    "markers": lambda n: MARKER,
    "bools": lambda n: n % 2 == 0,
    "uris": lambda n: Uri(f"http://h/{n}"),
    "symbols": lambda n: Symbol(f"a{n}"),
    "coords": lambda n: Coord(n % 90, n % 180 + 0.5),
    "xstrs": lambda n: XStr("Span", f"a{n}"),
    "lists": lambda n: [Number(n), Number(1)],
    "short lists": lambda n: [Number(1)],
    "empty lists": lambda n: [],
    "long lists": lambda n: [Number(n + i) for i in range(1000)],
    "lists of texts": lambda n: [f"a{n + i}" for i in range(100)],
    "lists of refs": lambda n: [Ref(f"a{n + i}") for i in range(100)],
    "lists of zones": lambda n: [(START + timedelta(seconds=n + i)).astimezone(ZONES[0]) for i in range(100)],
    "dicts": lambda n: {"a": Number(n), "b": MARKER},
    "short dicts": lambda n: {"a": MARKER},
    "empty dicts": lambda n: {},
    "lists of dicts": lambda n: [{"a": Number(n + i)} for i in range(100)],
    "grids": lambda n: Grid({}, ["a"], [[Number(n)]]),
}
ORDINARY: Final = ("records", "points", "history", "two histories")
MOST_TOLD: Final = 3.0  # times of what an ordinary grid takes
REMEMBERED_BYTES: Final = 20e6  # of texts that were read before, of tables and buffers; they do not grow with a body

PROGRAM: Final = """
import sys
from tests.benchmarks.memory import measure
measure(*sys.argv[1:])
"""


def rows_of(kind: str, count: int) -> Grid:
    """A grid of so many rows of a kind."""
    numbers = range(count)
    if kind == "records":
        return entity_grid(count)
    if kind == "points":
        ids = [Ref(f"p{n:x}", f"Point {n}") for n in numbers]
        same = [[value] * count for value in (MARKER, MARKER, "kW", "New_York")]
        return Grid({}, ["id", "point", "his", "unit", "tz"], [ids, *same])
    if kind in ("history", "two histories"):
        stamps = [(START + timedelta(minutes=15 * n)).astimezone(ZONES[0]) for n in numbers]
        values = [[Number(n % 1000 / 10, "kW") for n in numbers] for _ in range(1 + (kind != "history"))]
        return Grid({}, ["ts", "v0", "v1"][: 1 + len(values)], [stamps, *values])
    return Grid({}, ["a"], [[CELLS[kind](n) for n in numbers]])


def body_of(kind: str, short: str, size: int) -> bytes:
    """A body of about so many bytes: some hundred rows until it is long enough."""
    small = len(encode_exact(rows_of(kind, 200), short)) - len(encode_exact(rows_of(kind, 100), short))
    return encode_exact(rows_of(kind, max(size * 100 // max(small, 1), 1)), short)


def peak(*, new: bool = False) -> int:
    """The most memory that this process has had, or had since this was asked with `new`."""
    if new:
        Path("/proc/self/clear_refs").write_text("5")
    return int(Path("/proc/self/status").read_text().split("VmHWM:")[1].split()[0]) * 1024


def measure(path: str, short: str, reader: str) -> None:
    """Decode the body in a file and print what was told and what was taken, in bytes; the body counts."""
    read = decode if reader == "decode" else decode_exact
    small = Path(path).with_suffix(".small").read_bytes()
    body = Path(path).read_bytes()
    told = [0]
    read(small, short)  # loads what is loaded on first use

    def note(limits: Limits, estimate: int, source: str) -> None:
        told.append(estimate)

    def refuse(limits: Limits, estimate: int, source: str) -> None:
        # Of JSON there is a rough estimate first, and one that takes longer where that is too much.
        Limits.check_memory = note  # type: ignore[method-assign]
        raise CodecError("too much")

    weigh = body_text.check_objects

    def check_objects(text: str, source: str, limits: Limits, beside: int = 0) -> int:
        Limits.check_memory = refuse  # type: ignore[method-assign]
        return weigh(text, source, limits, beside)

    Limits.check_memory = note  # type: ignore[method-assign]
    json_common.check_objects = check_objects
    before = peak(new=True) - len(body)
    grid = read(body, short, limits=Limits(answer_bytes=1 << 40, cells=1 << 40))
    print(json.dumps([max(told), peak() - before, len(body), len(grid)]))


def figures(kind: str, short: str, size: int, folder: Path) -> Iterator[tuple[str, list[int]]]:
    """Of each reader what was told, taken, the bytes of the body and its rows."""
    path = folder / "body"
    path.write_bytes(body_of(kind, short, size))
    path.with_suffix(".small").write_bytes(body_of(kind, short, 300_000))
    for reader in ("decode", "exact"):
        program = [sys.executable, "-c", PROGRAM, str(path), short, reader]
        done = subprocess.run(program, capture_output=True, text=True, check=True)
        yield reader, json.loads(done.stdout)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.memory")
    parser.add_argument("--mb", type=float, default=6, help="the size of a body")
    parser.add_argument("--only", default="", help="a part of the names of kinds")
    parser.add_argument("--format", choices=FORMATS, default=None)
    options = parser.parse_args()
    is_over = False
    for kind in (name for name in (*ORDINARY, *CELLS) if options.only in name):
        for short in [options.format] if options.format else FORMATS:
            with tempfile.TemporaryDirectory() as folder:
                for reader, (told, taken, size, rows) in figures(kind, short, int(options.mb * 1e6), Path(folder)):
                    over = told and taken > told + REMEMBERED_BYTES
                    high = kind in ORDINARY and told > MOST_TOLD * taken
                    is_over |= bool(over or high)
                    mark = "OVER" if over else "HIGH" if high else "ok"
                    print(f"{kind:20} {short:6} {reader:7} {size / 1e6:6.1f} MB, {rows:9,} rows: told", end=" ")
                    print(f"{told / 1e6:6.1f}, taken {taken / 1e6:6.1f}, {told / taken:5.2f}  {mark}", flush=True)
    return int(is_over)


if __name__ == "__main__":
    sys.exit(main())
