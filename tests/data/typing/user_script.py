"""What a user writes, for a type checker to read: nothing that is known comes out as Any. It is never run."""

# mypy: disallow-any-expr
from __future__ import annotations

from collections.abc import Generator
from pathlib import Path
from typing import assert_type

import pandas as pd

import hsframe
from hsframe import Client, Grid, GridBuilder, Number, Ref, Row
from hsframe.client import Rows
from hsframe.frame.trend import Shape
from hsframe.grid import Value
from hsframe.protocol.answers import PythonValue

# -- grids and kinds ---------------------------------------------------------------------------------------------------


def grids(grid: Grid) -> None:
    assert_type(grid[0], Row)
    assert_type(grid[:2], list[Row])
    assert_type(grid[0]["area"], Value)
    assert_type(grid[0].get("area"), Value | None)
    assert_type(grid[0].get("area", 0), Value | int)
    assert_type(grid.meta["watchId"], Value)
    assert_type(grid.col("val").meta.get("id"), Value | None)
    assert_type(GridBuilder().add_col("a").add_row({"a": 1}).to_grid(), Grid)
    for row in grid:
        area = row.get("area")
        if isinstance(area, Number):
            assert_type(area.val, int | float)
            assert_type(area.unit, str | None)
    for cell in grid.column("val"):
        assert_type(cell, Value | None)


# -- Client ------------------------------------------------------------------------------------------------------------


async def rows_by_default(c: Client, id: Ref) -> None:
    assert_type(await c.about(), Rows)
    assert_type(await c.ops(), Rows)
    assert_type(await c.formats(), Rows)
    assert_type(await c.defs(), Rows)
    assert_type(await c.libs("lib", 3), Rows)
    assert_type(await c.filetypes(), Rows)
    assert_type(await c.read("site"), Rows)
    assert_type(await c.read_by_ids([id, "b"], checked=False), Rows)
    assert_type(await c.nav(), Rows)
    assert_type(await c.his_read(id, "today"), Rows)
    assert_type(await c.his_read_batch([id], "today", tz="London"), Rows)
    assert_type(await c.his_write(id, [{"val": Number(1)}]), Rows)
    assert_type(await c.his_write_batch(Grid()), Rows)
    assert_type(await c.point_write(id, 16, 72), Rows)
    assert_type(await c.point_write_array(id), Rows)
    assert_type(await c.watch_sub([id], "mine"), Rows)
    assert_type(await c.watch_poll("w"), Rows)
    assert_type(await c.watch_unsub("w", [id]), Rows)
    assert_type(await c.watch_close("w"), Rows)
    assert_type(await c.invoke_action(id, "reset", {"duration": 30}), Rows)
    assert_type(await c.eval("now()"), Rows)
    assert_type(await c.eval_all(["now()"]), list[Rows])
    assert_type(await c.call("commit", Grid()), Grid)
    async for changed in c.watch("point and cur", "5s"):
        assert_type(changed, Rows)
    for site in await c.read("site"):
        assert_type(site["dis"], PythonValue)
        if isinstance(area := site.get("area"), Number):
            assert_type(area, Number)


async def grids_when_asked_for(c: Client, id: Ref) -> None:
    assert_type(await c.about(raw=True), Grid)
    assert_type(await c.ops(raw=True), Grid)
    assert_type(await c.formats(raw=True), Grid)
    assert_type(await c.defs(raw=True), Grid)
    assert_type(await c.libs(raw=True), Grid)
    assert_type(await c.filetypes(raw=True), Grid)
    assert_type(await c.read("site", raw=True), Grid)
    assert_type(await c.read_by_ids(["a"], raw=True), Grid)
    assert_type(await c.nav(raw=True), Grid)
    assert_type(await c.his_read(id, "today", raw=True), Grid)
    assert_type(await c.his_read_batch([id], "today", raw=True), Grid)
    assert_type(await c.his_write(id, GridBuilder(), raw=True), Grid)
    assert_type(await c.his_write_batch(Grid(), raw=True), Grid)
    assert_type(await c.point_write(id, 16, None, raw=True), Grid)
    assert_type(await c.point_write_array(id, raw=True), Grid)
    assert_type(await c.watch_sub([id], "mine", raw=True), Grid)
    assert_type(await c.watch_poll("w", raw=True), Grid)
    assert_type(await c.watch_unsub("w", [id], raw=True), Grid)
    assert_type(await c.watch_close("w", raw=True), Grid)
    assert_type(await c.invoke_action(id, "reset", raw=True), Grid)
    assert_type(await c.eval("now()", raw=True), Grid)
    assert_type(await c.eval_all(["now()"], raw=True), list[Grid])
    async for changed in c.watch([id], raw=True):
        assert_type(changed, Grid)


async def either_when_a_variable_says(c: Client, raw: bool) -> None:
    sites: Rows | Grid = await c.read("site", raw=True) if raw else await c.read("site")
    assert_type(len(sites), int)


async def what_the_constructor_says(is_pythonic: bool) -> None:
    async with Client("http://host/api", "user", "pass", timeout=5.0, auth="scram") as c:
        assert_type(c, Client)
        assert_type(c, Client[Rows])
    async with Client("http://host/api", pythonic=False, format="json") as raw:
        assert_type(raw, Client[Grid])
        assert_type(await raw.read("site"), Grid)
        assert_type(await raw.eval_all(["now()"]), list[Grid])
    either = Client("http://host/api", pythonic=is_pythonic)
    assert_type(await either.read("site"), Rows | Grid)


def what_is_wrong() -> None:
    Client("http://host/api", timeuot=5.0)  # type: ignore[call-overload]
    Client("http://host/api", auth="digest")  # type: ignore[call-overload]


# -- Session and the module's functions --------------------------------------------------------------------------------


def functions(shape: Shape) -> None:
    assert_type(hsframe.connect("http://host/api", token="x", runner="nested"), hsframe.Session)
    assert_type(hsframe.his_read("kw", "today"), pd.DataFrame)
    assert_type(hsframe.his_read("kw", "today", shape="tidy", header="id"), pd.DataFrame)
    assert_type(hsframe.his_read("kw", "today", shape="dict"), dict[str, pd.DataFrame])
    assert_type(hsframe.his_read("kw", "today", shape=shape), pd.DataFrame | dict[str, pd.DataFrame])
    assert_type(hsframe.read("point", limit=1), pd.DataFrame)
    assert_type(hsframe.nav(), pd.DataFrame)
    assert_type(hsframe.latest(["kw"]), pd.DataFrame)
    assert_type(hsframe.latest("kw", at=["2026-11-01T08:00", "-2h"]), pd.DataFrame)
    assert_type(hsframe.find(["Meter 3 kW"]), pd.DataFrame)
    assert_type(hsframe.inventory("kw", tz="UTC"), pd.DataFrame)
    assert_type(hsframe.estimate("kw", "lastMonth"), pd.DataFrame)
    assert_type(hsframe.export("kw", "today", "today.parquet"), Path | str)
    assert_type(hsframe.export("kw", "today", "trends", dry_run=True), pd.DataFrame)
    assert_type(hsframe.his_write(pd.DataFrame(), dry_run=True, existing="keep"), pd.DataFrame)
    assert_type(hsframe.his_remove("point", "today", dry_run=True), pd.DataFrame)
    assert_type(hsframe.eval_all(["1"]), list[pd.DataFrame])
    assert_type(hsframe.watch_close("w"), None)
    assert_type(hsframe.call("about"), Grid)
    assert_type(hsframe.doctor("http://host/api", point="kw"), pd.DataFrame)
    for part in hsframe.his_iter("kw", "lastYear", by="1M", interval="1h"):
        assert_type(part, pd.DataFrame)
    for frame in hsframe.watch("kw"):
        assert_type(frame, pd.DataFrame)


def methods(s: hsframe.Session) -> None:
    assert_type(s.his_read("kw", "today"), pd.DataFrame)
    assert_type(s.his_read("kw", "today", shape="dict"), dict[str, pd.DataFrame])
    assert_type(s.read_by_ids("kw"), pd.DataFrame)
    assert_type(s.watch("kw"), Generator[pd.DataFrame, None, None])
    archive = hsframe.Archive("trends")
    assert_type(archive.his_read("kw", "today"), pd.DataFrame)
    assert_type(archive.his_read("kw", "today", shape="dict"), dict[str, pd.DataFrame])
    assert_type(archive.latest("kw", on_error="warn"), pd.DataFrame)
    assert_type(archive.sync(), pd.DataFrame)


async def coroutines() -> None:
    async with hsframe.AsyncSession("http://host/api", "demo", "demo", max_concurrency=2) as s:
        assert_type(s, hsframe.AsyncSession)
        assert_type(await s.his_read("kw", "today"), pd.DataFrame)
        assert_type(await s.his_read("kw", "today", shape="dict"), dict[str, pd.DataFrame])
        assert_type(await s.about(), pd.DataFrame)
        assert_type(await s.point_write("kw", 16, Number(1)), pd.DataFrame)
        async for frame in s.watch("kw"):
            assert_type(frame, pd.DataFrame)


def what_is_wrong_too(s: hsframe.Session, a: hsframe.AsyncSession) -> None:
    hsframe.connect("http://host/api", runner="fast")  # type: ignore[arg-type]
    hsframe.AsyncSession("http://host/api", runner="thread")  # type: ignore[call-arg]
    hsframe.read(1)  # type: ignore[arg-type]
    hsframe.his_read("kw", "today", heade="id")  # type: ignore[call-overload]
    s.his_read("kw")  # type: ignore[call-overload]
    a.his_read("kw", "today", shape="tall")  # type: ignore[call-overload]
