"""What type checkers know of the verbs: mypy reads this module with the package, nothing runs it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from pathlib import Path
from typing import assert_type

import pandas as pd

import hsframe
from hsframe.frame.trend import Shape
from hsframe.grid import Grid


def functions(shape: Shape) -> None:
    assert_type(hsframe.connect("http://localhost/api", token="x", runner="nested"), hsframe.Session)
    assert_type(hsframe.his_read("kw", "today"), pd.DataFrame)
    assert_type(hsframe.his_read("kw", "today", shape="long", header="id"), pd.DataFrame)
    assert_type(hsframe.his_read("kw", "today", shape="dict"), dict[str, pd.DataFrame])
    assert_type(hsframe.his_read("kw", "today", shape=shape), pd.DataFrame | dict[str, pd.DataFrame])
    assert_type(hsframe.read("point", limit=1), pd.DataFrame)
    assert_type(hsframe.nav(), pd.DataFrame)
    assert_type(hsframe.export("kw", "today", "today.parquet"), Path)
    assert_type(hsframe.eval_all(["1"]), list[pd.DataFrame])
    assert_type(hsframe.call("about"), Grid)
    assert_type(hsframe.watch("kw"), Generator[pd.DataFrame, None, None])
    assert_type(hsframe.doctor("http://localhost/api", point="kw"), pd.DataFrame)
    hsframe.read(1)  # type: ignore[arg-type]
    hsframe.his_read("kw", "today", heade="id")  # type: ignore[call-overload]
    hsframe.connect("http://localhost/api", runner="fast")  # type: ignore[arg-type]


def methods(s: hsframe.Session) -> None:
    assert_type(s.his_read("kw", "today"), pd.DataFrame)
    assert_type(s.his_read("kw", "today", shape="dict"), dict[str, pd.DataFrame])
    assert_type(s.latest("kw"), pd.DataFrame)
    assert_type(s.watch("kw"), Generator[pd.DataFrame, None, None])
    s.his_read("kw")  # type: ignore[call-overload]
    s.his_read("kw", "today", shape="tall")  # type: ignore[call-overload]


async def coroutines() -> None:
    async with hsframe.AsyncSession("http://localhost/api", "demo", "demo", max_concurrency=2) as s:
        assert_type(s, hsframe.AsyncSession)
        assert_type(await s.his_read("kw", "today"), pd.DataFrame)
        assert_type(await s.his_read("kw", "today", shape="dict"), dict[str, pd.DataFrame])
        assert_type(await s.about(), pd.DataFrame)
        assert_type(s.watch("kw"), AsyncGenerator[pd.DataFrame, None])
        await s.his_read("kw", "today", shape="tall")  # type: ignore[call-overload]
    hsframe.AsyncSession("http://localhost/api", runner="thread")  # type: ignore[call-arg]
