"""Watches with their leases, and the 17 levels of a writable point."""

from __future__ import annotations

from typing import Any

import pytest

from hsframe.grid import Grid
from hsframe.kinds import Number, Ref


def sub(raw: Any, ids: str, meta: str = 'watchDis:"test"') -> Grid:
    grid = raw.call("watchSub", f'ver:"3.0" {meta}\nid\n' + "".join(f"@{id}\n" for id in ids.split()))
    assert not grid.is_error, grid
    return grid


def poll(raw: Any, watch: str, more: str = "") -> list[str]:
    grid = raw.call("watchPoll", f'ver:"3.0" watchId:"{watch}"{more}\nempty\n')
    assert not grid.is_error, grid
    assert grid.meta["watchId"] == watch
    return sorted(row["id"].val for row in grid)


def test_a_watch_from_open_to_close(raw: Any) -> None:
    grid = sub(raw, "temp nowhere fan", 'watchDis:"test" lease:2min')
    assert [row.get("id") for row in grid] == [Ref("temp"), None, Ref("fan")]
    assert grid.meta["lease"] == Number(120, "sec")
    watch = grid.meta["watchId"]
    assert poll(raw, watch) == []
    raw.server.database.update("temp", {"curVal": Number(71, "°F")})
    raw.server.database.update("kw", {"curVal": Number(1, "kW")})  # not watched
    assert poll(raw, watch) == ["temp"]
    assert poll(raw, watch) == []
    assert poll(raw, watch, " refresh") == ["fan", "temp"]
    more = sub(raw, "kw", f'watchId:"{watch}"')
    assert more.meta["watchId"] == watch
    raw.server.database.update("kw", {"curVal": Number(2, "kW")})
    assert poll(raw, watch) == ["kw"]
    raw.call("watchUnsub", f'ver:"3.0" watchId:"{watch}"\nid\n@kw\n@nowhere\n')
    assert poll(raw, watch, " refresh") == ["fan", "temp"]
    assert raw.server.open_watches == 1
    raw.call("watchUnsub", f'ver:"3.0" watchId:"{watch}" close\nempty\n')
    assert raw.server.open_watches == 0
    assert "UnknownWatchErr" in raw.refused("watchPoll", f'ver:"3.0" watchId:"{watch}"\nempty\n')
    assert not raw.call("watchUnsub", f'ver:"3.0" watchId:"{watch}" close\nempty\n').is_error


def test_a_change_shows_the_new_value(raw: Any) -> None:
    watch = sub(raw, "temp").meta["watchId"]
    raw.server.database.update("temp", {"curVal": Number(71, "°F")})
    (row,) = raw.call("watchPoll", f'ver:"3.0" watchId:"{watch}"\nempty\n')
    assert row["curVal"] == Number(71, "°F")


def test_a_lease_runs_out_unless_the_client_lives(raw: Any) -> None:
    clock = raw.server.app[_state(raw)].clock
    watch = sub(raw, "temp", 'watchDis:"test" lease:30sec').meta["watchId"]
    for _ in range(3):
        clock.advance(29)
        assert poll(raw, watch) == []
    clock.advance(30)
    assert raw.server.open_watches == 0
    assert "lease ran out" in raw.refused("watchPoll", f'ver:"3.0" watchId:"{watch}"\nempty\n')
    assert "UnknownWatchErr" in raw.refused("watchSub", f'ver:"3.0" watchId:"{watch}"\nid\n@temp\n')


def _state(raw: Any) -> Any:
    from hsframe.server.app import STATE

    return STATE


def test_a_lease_has_a_default_and_an_upper_bound(raw: Any) -> None:
    assert sub(raw, "temp").meta["lease"] == Number(60, "sec")
    assert sub(raw, "temp", 'watchDis:"test" lease:3day').meta["lease"] == Number(3600, "sec")


def test_two_watches_do_not_share(raw: Any) -> None:
    one, two = sub(raw, "temp").meta["watchId"], sub(raw, "temp").meta["watchId"]
    assert one != two
    raw.server.database.update("temp", {"curVal": Number(71, "°F")})
    assert poll(raw, one) == ["temp"]
    assert poll(raw, two) == ["temp"]


def test_a_record_that_is_removed_leaves_the_poll(raw: Any) -> None:
    watch = sub(raw, "temp fan").meta["watchId"]
    raw.server.database.remove("temp")
    assert poll(raw, watch, " refresh") == ["fan"]


@pytest.mark.parametrize(
    ("op", "request_", "words"),
    [
        ("watchSub", 'ver:"3.0"\nid\n@temp\n', "neither watchDis"),
        ("watchSub", 'ver:"3.0" watchId:"w-none"\nid\n@temp\n', "UnknownWatchErr"),
        ("watchSub", 'ver:"3.0" watchDis:"x" lease:5kW\nid\n@temp\n', "'kW' is not a unit of time"),
        ("watchSub", 'ver:"3.0" watchDis:"x" lease:-5min\nid\n@temp\n', "positive"),
        ("watchSub", 'ver:"3.0" watchDis:"x" lease:"1h"\nid\n@temp\n', "positive Number"),
        ("watchPoll", 'ver:"3.0"\nempty\n', "no watchId"),
        ("watchPoll", 'ver:"3.0" watchId:5\nempty\n', "UnknownWatchErr"),
        ("watchUnsub", 'ver:"3.0"\nempty\n', "no watchId"),
    ],
)
def test_a_watch_request_that_makes_no_sense(raw: Any, op: str, request_: str, words: str) -> None:
    assert words in raw.refused(op, request_)


# --- pointWrite ---


def array(raw: Any, id: str = "sp") -> dict[int, tuple[Any, Any]]:
    grid = raw.call("pointWrite", f'ver:"3.0"\nid\n@{id}\n')
    assert [row["level"].val for row in grid] == list(range(1, 18))
    assert {"levelDis"} <= set(grid[0])
    return {int(row["level"].val): (row["val"], row.get("who")) for row in grid if "val" in row}


def command(raw: Any, level: int, val: str, more: str = "", names: str = "", id: str = "sp") -> None:
    grid = raw.call("pointWrite", f'ver:"3.0"\nid,level,val{names}\n@{id},{level},{val}{more}\n')
    assert not grid.is_error, grid


def record(raw: Any, id: str = "sp") -> dict[str, Any]:
    (row,) = raw.call("read", f'ver:"3.0"\nid\n@{id}\n')
    return dict(row)


def test_the_lowest_level_wins(raw: Any) -> None:
    assert array(raw) == {}
    command(raw, 17, "70°F")
    command(raw, 10, "72°F", ',"operator"', ",who")
    assert array(raw) == {10: (Number(72, "°F"), "operator"), 17: (Number(70, "°F"), None)}
    assert (record(raw)["writeVal"], record(raw)["writeLevel"]) == (Number(72, "°F"), Number(10))
    command(raw, 1, "80°F")
    assert record(raw)["writeLevel"] == Number(1)
    assert record(raw)["curVal"] == Number(80, "°F")
    for level in (1, 10, 17):
        command(raw, level, "N")
    assert array(raw) == {}
    assert "writeVal" not in record(raw)


def test_who_is_the_user_unless_it_is_said(start: Any) -> None:
    raw = start(users={"demo": "demo"})
    raw.scram("demo", "demo")
    command(raw, 16, "70°F")
    assert array(raw)[16] == (Number(70, "°F"), "demo")


def test_a_manual_override_runs_out(raw: Any) -> None:
    clock = raw.server.app[_state(raw)].clock
    command(raw, 17, "70°F")
    command(raw, 8, "75°F", ",10min", ",duration")
    watch = sub(raw, "sp").meta["watchId"]
    grid = raw.call("pointWrite", 'ver:"3.0"\nid\n@sp\n')
    assert grid[7]["expires"] == Number(600, "sec")
    clock.advance(50)
    assert record(raw)["writeVal"] == Number(75, "°F")
    assert poll(raw, watch) == []
    for _ in range(11):
        clock.advance(50)
        changed = poll(raw, watch)
    assert changed == ["sp"]  # the watch hears of it
    assert (record(raw)["writeVal"], record(raw)["writeLevel"]) == (Number(70, "°F"), Number(17))
    assert 8 not in array(raw)


def test_a_duration_counts_at_the_manual_level_only(raw: Any) -> None:
    clock = raw.server.app[_state(raw)].clock
    command(raw, 16, "75°F", ",1min", ",duration")
    clock.advance(3600)
    assert array(raw)[16][0] == Number(75, "°F")


def test_a_number_without_unit_takes_the_points(raw: Any) -> None:
    command(raw, 16, "58")
    assert array(raw)[16][0] == Number(58, "°F")


def test_bool_and_str_points(raw: Any) -> None:
    command(raw, 8, "T", id="fan")
    assert record(raw, "fan")["writeVal"] is True
    command(raw, 8, '"off"', id="mode")
    assert record(raw, "mode")["writeVal"] == "off"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ('ver:"3.0"\nid\n@temp\n', "not writable"),
        ('ver:"3.0"\nid,level,val\n@temp,16,1\n', "not writable"),
        ('ver:"3.0"\nid\n@nowhere\n', "UnknownRecErr"),
        ('ver:"3.0"\nid\n@sp\n@fan\n', "one row"),
        ('ver:"3.0"\nid,val\n@sp,1\n', "no level"),
        ('ver:"3.0"\nid,level,val\n@sp,0,1\n', "1 to 17"),
        ('ver:"3.0"\nid,level,val\n@sp,18,1\n', "1 to 17"),
        ('ver:"3.0"\nid,level,val\n@sp,8.5,1\n', "1 to 17"),
        ('ver:"3.0"\nid,level,val\n@sp,"8",1\n', "1 to 17"),
        ('ver:"3.0"\nid,level,val\n@sp,8,20°C\n', "UnitErr"),
        ('ver:"3.0"\nid,level,val\n@sp,8,"x"\n', "a point of kind Number"),
        ('ver:"3.0"\nid,level,val\n@sp,8,T\n', "a point of kind Number"),
        ('ver:"3.0"\nid,level,val\n@fan,8,1\n', "a point of kind Bool"),
        ('ver:"3.0"\nid,level,val,duration\n@sp,8,1,5kW\n', "'kW' is not a unit of time"),
    ],
)
def test_a_command_that_makes_no_sense(raw: Any, request_: str, words: str) -> None:
    assert words in raw.refused("pointWrite", request_)
    assert array(raw) == {}
