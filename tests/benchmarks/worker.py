"""One measurement in a process of its own. Runs in any environment: it imports nothing of ours at the top.

python worker.py WHO OPERATION FORMAT FILE REPEATS

Prints a JSON object: ``cpu_s`` (CPU seconds of each repeat), ``peak_kb`` (the most memory above what was in use after
imports and reading the file, of the first call; null where the system does not tell).
"""

from __future__ import annotations

import gc
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Job = Callable[[], Any]


def hsframe_decode(body: bytes, short: str, wide: bool) -> Job:
    import pandas  # noqa: F401 - its import is no part of the measurement
    import pyarrow

    import hsframe

    pyarrow.set_cpu_count(1)
    return lambda: hsframe.grid_to_frame(hsframe.decode(body, short))


def hsframe_stream(body: bytes, short: str, wide: bool) -> Job:
    from hsframe.codecs.histories import HistoryStream

    def run() -> int:
        stream = HistoryStream(short)
        rows = 0
        for at in range(0, len(body), 1 << 16):
            rows += sum(batch.num_rows for batch in stream.feed(body[at : at + (1 << 16)]))
        return rows + sum(batch.num_rows for batch in stream.finish())

    return run


def hsframe_encode(body: bytes, short: str, wide: bool) -> Job:
    import pandas  # noqa: F401
    import pyarrow

    import hsframe

    pyarrow.set_cpu_count(1)
    grid = hsframe.decode(body, "zinc")
    return lambda: hsframe.encode(grid, short)


def newlines_decode(body: bytes, short: str, wide: bool) -> Job:
    return lambda: body.count(b"\n")


def csv_decode(body: bytes, short: str, wide: bool) -> Job:
    """Pyarrow's CSV reader to strings: no timestamp, no number, no unit is looked at."""
    import pyarrow
    from pyarrow import csv

    pyarrow.set_cpu_count(1)
    begin = body.index(b"\n") + 1
    names = [name.split(" ")[0] for name in body[begin : body.index(b"\n", begin)].decode().split(",")]
    rows = pyarrow.py_buffer(memoryview(body)[body.index(b"\n", begin) + 1 :])
    options = {
        "read_options": csv.ReadOptions(use_threads=False, column_names=names),
        "parse_options": csv.ParseOptions(quote_char=False),
        "convert_options": csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string())),
    }
    return lambda: csv.read_csv(rows, **options)


def msgspec_decode(body: bytes, short: str, wide: bool) -> Job:
    """A typed parse of exactly this shape; nothing is made of the texts."""
    import msgspec

    value: Any = float if short == "json3" else msgspec.defstruct("Value", [("val", float), ("unit", str)])
    when: Any = str if short == "json3" else msgspec.defstruct("When", [("val", str), ("tz", str)])
    row = msgspec.defstruct("Row", [("ts", when), ("val", str if short == "json3" else value)])
    grid = msgspec.defstruct("Answer", [("rows", list[row])])  # type: ignore[valid-type]
    return lambda: msgspec.json.decode(body, type=grid)


ZONE = "America/New_York"
UNIT = "°F"


def _frame(rows: list[Any], wide: bool, instant: Callable[[Any], Any], number: str) -> Any:
    """A DataFrame of a peer's rows as its users make one: a zone-aware index, floats, NaN where there is no number."""
    import pandas as pd

    index = pd.to_datetime([instant(row["ts"]) for row in rows], utc=True, format="ISO8601").tz_convert(ZONE)
    nan = float("nan")
    names = [f"v{place}" for place in range(50)] if wide else ["val"]
    columns = {name: [getattr(row.get(name), number, nan) for row in rows] for name in names}
    return pd.DataFrame(columns, index=index)


def _samples(body: bytes) -> tuple[list[Any], list[float]]:
    """The instants and values of a Zinc body: what a peer's user has before writing."""
    from datetime import datetime
    from zoneinfo import ZoneInfo

    zone = ZoneInfo(ZONE)
    pairs = [line.split(",") for line in body.decode().splitlines()[2:]]
    instants = [datetime.fromisoformat(stamp.split(" ")[0]).astimezone(zone) for stamp, _ in pairs]
    return instants, [float(cell.removesuffix(UNIT)) for _, cell in pairs]


def haystack_py_decode(body: bytes, short: str, wide: bool) -> Job:
    from hs_py.encoding import json as hs_json
    from hs_py.encoding import zinc as hs_zinc

    version = hs_json.JsonVersion.V3 if short == "json3" else hs_json.JsonVersion.V4

    def run() -> Any:
        grid = hs_zinc.decode_grid(body.decode()) if short == "zinc" else hs_json.decode_grid(body, version=version)
        return _frame(list(grid.rows), wide, lambda when: when, "val")

    return run


def haystack_py_encode(body: bytes, short: str, wide: bool) -> Job:
    from hs_py.encoding import json as hs_json
    from hs_py.encoding import zinc as hs_zinc
    from hs_py.grid import Col, Grid
    from hs_py.kinds import Number

    instants, values = _samples(body)

    def run() -> Any:
        rows = tuple({"ts": ts, "val": Number(val, UNIT)} for ts, val in zip(instants, values, strict=True))
        grid = Grid({}, (Col("ts"), Col("val")), rows)
        return hs_zinc.encode_grid(grid).encode() if short == "zinc" else hs_json.encode_grid(grid)

    return run


def phable_decode(body: bytes, short: str, wide: bool) -> Job:
    from phable.io.ph_codecs import PH_CODECS

    decoder = PH_CODECS["zinc" if short == "zinc" else "json"].decoder
    return lambda: _frame(list(decoder(body.decode()).rows), wide, lambda when: when, "val")


def phable_encode(body: bytes, short: str, wide: bool) -> Job:
    from phable.io.ph_codecs import PH_CODECS
    from phable.kinds import Grid, GridCol, Number

    encoder = PH_CODECS["zinc" if short == "zinc" else "json"].encoder
    instants, values = _samples(body)

    def run() -> Any:
        rows = [{"ts": ts, "val": Number(val, UNIT)} for ts, val in zip(instants, values, strict=True)]
        return encoder(Grid({"ver": "3.0"}, [GridCol("ts"), GridCol("val")], rows)).encode()

    return run


_RUSTY = {"zinc": "text/zinc", "json4": "application/json", "json3": "application/json;v=3"}


def rusty_haystack_decode(body: bytes, short: str, wide: bool) -> Job:
    import rusty_haystack

    def run() -> Any:
        rows = rusty_haystack.decode_grid(_RUSTY[short], body.decode()).rows()
        return _frame(rows, wide, lambda when: when.dt(), "val")

    return run


def rusty_haystack_encode(body: bytes, short: str, wide: bool) -> Job:
    import rusty_haystack as rusty

    instants, values = _samples(body)

    def run() -> Any:
        rows = [
            rusty.HDict(
                {
                    "ts": rusty.HDateTime(
                        ts.year,
                        ts.month,
                        ts.day,
                        ts.hour,
                        ts.minute,
                        ts.second,
                        int(ts.utcoffset().total_seconds()),
                        "New_York",
                    ),
                    "val": rusty.Number(val, UNIT),
                }
            )
            for ts, val in zip(instants, values, strict=True)
        ]
        grid = rusty.HGrid.from_parts(rusty.HDict(), [rusty.HCol("ts"), rusty.HCol("val")], rows)
        return rusty.encode_grid(_RUSTY[short], grid).encode()

    return run


def hszinc_decode(body: bytes, short: str, wide: bool) -> Job:
    import hszinc

    return lambda: _frame(list(hszinc.parse(body.decode())), wide, lambda when: when, "value")


def hszinc_encode(body: bytes, short: str, wide: bool) -> Job:
    import hszinc
    import pytz

    instants, values = _samples(body)
    zone = pytz.timezone(ZONE)

    def run() -> Any:
        grid = hszinc.Grid()
        grid.column["ts"] = {}
        grid.column["val"] = {}
        for ts, val in zip(instants, values, strict=True):
            grid.append({"ts": ts.astimezone(zone), "val": hszinc.Quantity(val, UNIT)})
        return hszinc.dump(grid).encode()

    return run


def _status_kb(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name)), None)


def _forget_peak() -> bool:
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def measure(job: Job, repeats: int) -> dict[str, Any]:
    """CPU seconds of each call, and the peak memory of the first one."""
    gc.collect()
    can_tell = _forget_peak()
    before = _status_kb("VmRSS:")
    result = job()
    peak = _status_kb("VmHWM:")
    del result
    times = []
    for _ in range(repeats):
        gc.collect()
        start = time.process_time()
        result = job()
        times.append(time.process_time() - start)
        del result
    known = can_tell and before is not None and peak is not None
    return {"cpu_s": times, "peak_kb": peak - before if known else None}  # type: ignore[operator]


def main() -> None:
    """Measure what the arguments say."""
    who, operation, short, file, repeats = sys.argv[1:]
    job = globals()[f"{who.replace('-', '_')}_{operation}"](Path(file).read_bytes(), short, "_wide" in file)
    print(json.dumps(measure(job, int(repeats))))


if __name__ == "__main__":
    main()
