"""The table of docs/reference/versions.md, made of requests as they are sent.

``python -m tests.client.versions_page`` writes the page's table anew.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from hsframe.grid import Grid
from hsframe.kinds import Number
from hsframe.protocol import request_grids as grids
from hsframe.protocol.version5 import JSON, Wire, wire_of

PAGE: Final = Path(__file__).parents[2] / "docs" / "reference" / "versions.md"
# A request of each verb.
REQUESTS: Final = (
    ("about", "about", Grid()),
    ("ops", "ops", Grid()),
    ("libs", "libs", Grid()),
    ("filetypes", "filetypes", Grid()),
    ("read(filter, limit)", "read", grids.read_request("site", 2)),
    ("read_by_ids(ids)", "read", grids.read_by_ids_request(["a", "b"])),
    ("nav()", "nav", grids.nav_request()),
    ("nav(nav_id)", "nav", grids.nav_request("a")),
    ("his_read(id, range)", "hisRead", grids.his_read_request("a", "today")),
    ("his_read_batch(ids, range, tz)", "hisRead", grids.his_read_batch_request(["a", "b"], "today", "London")),
    ("his_write(id, items)", "hisWrite", Grid({"id": "@a"}, ["ts", "val"], [(), ()])),
    ("watch_sub(ids, dis, lease)", "watchSub", grids.watch_sub_request(["a"], "d", "2min")),
    ("watch_poll(watch_id, refresh)", "watchPoll", grids.watch_poll_request("w", refresh=True)),
    ("watch_unsub(watch_id, ids)", "watchUnsub", grids.watch_unsub_request("w", ["a"])),
    ("watch_close(watch_id)", "watchUnsub", grids.watch_close_request("w")),
    ("point_write_array(id)", "pointWrite", grids.point_write_array_request("a")),
    ("point_write(id, ...)", "pointWrite", grids.point_write_request("a", 8, 1, "me", Number(1, "h"))),
    ("commit(df)", "commit", Grid({"commit": "update"}, ["id", "mod", "dis"], [(), (), ()])),
    ("eval(expr)", "eval", grids.eval_request("1")),
    ("close", "close", Grid()),
)


def told(wire: Wire) -> str:
    """What a request carries, in words."""
    if wire.args is not None:
        return f"{JSON}: `{(wire.body or b'').decode()}`"
    parts = [f"meta {names(wire.grid.meta)}" if wire.grid.meta else "", names(wire.grid.col_names)]
    text = "; ".join(filter(None, parts))
    return f"grid: {text}" if text else "an empty grid" if wire.is_whole else "nothing"


def names(of: object) -> str:
    return ", ".join(f"`{name}`" for name in of)  # type: ignore[attr-defined]


def table() -> str:
    lines = ["| verb | version 4 | | version 5 | what hsframe sends |", "|---|---|---|---|---|"]
    for verb, op, request in REQUESTS:
        four, five = wire_of(op, request, 4), wire_of(op, request, 5)
        sent = "the same" if told(five) == told(four) else told(five)
        lines.append(f"| `{verb}` | `{four.name}` | {told(four)} | `{five.name}` | {sent} |")
    return "\n".join(lines) + "\n"


def page(text: str) -> str:
    """The page with the table as it has to be."""
    return re.sub(r"(?m)^\| verb .*\n(\|.*\n)*", lambda found: table(), text)


if __name__ == "__main__":
    PAGE.write_text(page(PAGE.read_text("utf-8")), "utf-8")
