"""What a unit costs: unit columns against plain float64 ones, in CPU time.

``python -m tests.benchmarks.unit_arrays`` prints a table and ends with 1 where a limit is passed. Each figure is the
ratio of the best of several rounds, both sides in turn, so that a busy machine slows both.

pandas holds the columns of a unit frame one by one, and those of a plain frame in one block. With 500 columns glibc
takes 500 pieces of memory from the kernel and gives them back at every step, page by page, where NumPy takes one in
huge pages: that alone makes ``df * 2`` several times slower. So the wide figures are taken twice: with glibc told to
keep what it has (``MALLOC_MMAP_THRESHOLD_`` and ``MALLOC_TRIM_THRESHOLD_`` in the environment, which anyone with wide
frames may do), where the limit holds, and as it comes, for information.
"""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd

from hsframe.frame.points import Point, attach
from hsframe.unit_array.array import UnitArray
from hsframe.unit_array.dtype import UnitDtype

ROWS = 1_000_000
WIDE = (35_040, 500)
POINTS = 2_000
LIMIT = 1.3
LIMIT_WIDE = 2.0
LIMIT_ATTRS_S = 0.001
KEEP_MEMORY = {
    "MALLOC_MMAP_THRESHOLD_": str(2**32),
    "MALLOC_TRIM_THRESHOLD_": str(2**33),
    "MALLOC_TOP_PAD_": str(2**28),
}

Operation = Callable[[pd.DataFrame], object]


def best(run: Callable[[], object], rounds: int) -> float:
    """The least CPU seconds of several calls."""
    times = []
    for _ in range(rounds):
        start = time.process_time()
        run()
        times.append(time.process_time() - start)
    return min(times)


def ratio(plain: Callable[[], object], unit: Callable[[], object], rounds: int = 7, repeat: int = 1) -> float:
    """CPU time of `unit` over that of `plain`, taken in turns."""

    def times(run: Callable[[], object]) -> float:
        start = time.process_time()
        for _ in range(repeat):
            run()
        return time.process_time() - start

    gc.collect()
    plain(), unit()
    pairs = [(times(plain), times(unit)) for _ in range(rounds)]
    return min(b for _, b in pairs) / max(min(a for a, _ in pairs), 1e-9)


def index(rows: int) -> pd.DatetimeIndex:
    """A year or more of quarter hours."""
    return pd.date_range(
        "2020-01-01", periods=rows, freq="15min", tz=ZoneInfo("America/New_York"), unit="us", name="ts"
    )


def long_frames(rows: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A plain frame and its twin with units."""
    values = np.random.default_rng(4).normal(50.0, 10.0, rows)
    values[::97] = np.nan
    keys = np.random.default_rng(5).integers(0, 1000, rows)
    plain = pd.DataFrame({"a": values, "b": values[::-1].copy(), "key": keys}, index=index(rows))
    unit = plain.astype({"a": UnitDtype("kW"), "b": UnitDtype("kW")})
    return plain, unit


def long_operations(folder: Path) -> Mapping[str, Operation]:
    """The operations of the target, on one or two columns."""
    return {
        "+": lambda df: df["a"] + df["b"],
        "x": lambda df: df["a"] * 2.5,
        "resample mean": lambda df: df[["a"]].resample("1D").mean(),
        "groupby mean": lambda df: df.groupby("key")["a"].mean(),
        "groupby std": lambda df: df.groupby("key")["a"].std(),
        "fillna": lambda df: df["a"].fillna(0.0),
        "sort": lambda df: df["a"].sort_values(),
        "slice": lambda df: df["a"].iloc[1000:900_000:2].sum(),
        "mean": lambda df: df["a"].mean(),
        "quantile": lambda df: df["a"].quantile([0.1, 0.9]),
        "interpolate": lambda df: df["a"].interpolate(),
        "rank": lambda df: df["a"].rank(),
        "compare": lambda df: df["a"] > df["b"],
        "to_parquet": lambda df: df[["a", "b"]].to_parquet(folder / "x.parquet"),
    }


def wide_operations(folder: Path, others: Mapping[int, pd.DataFrame]) -> Mapping[str, Operation]:
    """The operations on a frame of 500 columns; `others` has another frame like it, by its id."""
    return {
        "+": lambda df: df + others[id(df)],
        "x": lambda df: df * 2.5,
        "resample mean": lambda df: df.resample("1D").mean(),
        "groupby mean": lambda df: df.groupby(df.index.hour).mean(),
        "mean": lambda df: df.mean(),
        "fillna": lambda df: df.fillna(0.0),
        "sort": lambda df: df.sort_index(ascending=False),
        "rows": lambda df: df.loc["2020-03":"2020-06"].sum(),
        "to_parquet": lambda df: df.iloc[:2000].to_parquet(folder / "w.parquet"),
    }


def measure_long(rows: int = ROWS) -> list[tuple[str, float, float]]:
    """Name, figure and limit of each target on a few long columns, and of the attrs."""
    figures: list[tuple[str, float, float]] = []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        plain, unit = long_frames(rows)
        values = plain["a"].to_numpy()
        kw = UnitDtype("kW")
        figures.append(
            (
                f"{rows:,} rows: construct",
                ratio(
                    lambda: pd.DataFrame({"a": values.copy()}),
                    lambda: pd.DataFrame({"a": UnitArray(values.copy(), kw)}),
                    repeat=5,
                ),
                LIMIT,
            )
        )
        for label, operation in long_operations(folder).items():
            value = ratio(lambda op=operation: op(plain), lambda op=operation: op(unit))
            figures.append((f"{rows:,} rows: {label}", value, LIMIT))
    bare = pd.DataFrame({"a": np.zeros(10)})
    known = bare.copy()
    attach(known, {f"p{n}": Point(f"p{n}", f"Point {n}", "kW", "New_York", "Number") for n in range(POINTS)})
    cost = best(lambda: [known.head() for _ in range(100)], 5) - best(lambda: [bare.head() for _ in range(100)], 5)
    figures.append((f"attrs of {POINTS:,} points, seconds a head()", cost / 100, LIMIT_ATTRS_S))
    return figures


def measure_wide(wide: tuple[int, int] = WIDE) -> list[tuple[str, float]]:
    """Name and figure of each operation on a wide frame."""
    block = np.random.default_rng(6).normal(50.0, 10.0, wide)
    block[::97] = np.nan
    names = [f"p{number}" for number in range(wide[1])]
    kw = UnitDtype("kW")
    plain = pd.DataFrame(block, index=index(wide[0]), columns=names)
    unit = pd.DataFrame({n: UnitArray(block[:, i].copy(), kw) for i, n in enumerate(names)}, index=plain.index)
    others = {id(plain): plain * 1.0, id(unit): unit * 1.0}
    figures = []
    with tempfile.TemporaryDirectory() as name:
        for label, operation in wide_operations(Path(name), others).items():
            value = ratio(lambda op=operation: op(plain), lambda op=operation: op(unit), rounds=4)
            figures.append((f"{wide[1]} columns: {label}", value))
    return figures


def wide_figures(settings: Mapping[str, str]) -> list[tuple[str, float]]:
    """The wide figures, measured in a process of its own with these settings in its environment."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.benchmarks.unit_arrays", "--wide"],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        check=True,
    )
    return [(name, figure) for name, figure in json.loads(done.stdout)]


def main() -> int:
    """Print the table; 1 where a limit is passed."""
    if "--wide" in sys.argv:
        print(json.dumps(measure_wide()))
        return 0
    figures = [*measure_long(), *((name, figure, LIMIT_WIDE) for name, figure in wide_figures(KEEP_MEMORY))]
    passed = True
    for name, figure, limit in figures:
        ok = figure <= limit
        passed &= ok
        print(f"{name:<48} {figure:8.4f}  limit {limit:<6g} {'' if ok else 'TOO SLOW'}")
    for name, figure in wide_figures({}):
        print(f"{name:<48} {figure:8.4f}  with glibc as it comes")
    return 0 if passed else 1


if __name__ == "__main__":
    sys.exit(main())
