"""hisRead and hisWrite: the rules of the standard, over a real socket."""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest

from hsframe.codecs import decode, encode
from hsframe.columns import NumberColumn, TimeColumn
from hsframe.grid import Grid
from hsframe.kinds import MARKER, NA, Number, Ref
from hsframe.zones import zone

NY = zone("New_York")


def write(raw: Any, id: str, *rows: str) -> Grid:
    return raw.call("hisWrite", f'ver:"3.0" id:@{id}\nts,val\n' + "".join(row + "\n" for row in rows))


def read(raw: Any, id: str, span: str) -> Grid:
    grid = raw.call("hisRead", f'ver:"3.0"\nid,range\n@{id},"{span}"\n')
    assert not grid.is_error, grid
    return grid


def cells(grid: Grid, name: str = "val") -> list[tuple[str, Any]]:
    return [(row["ts"].isoformat(), row.get(name)) for row in grid]


def test_a_single_read(raw: Any) -> None:
    assert write(raw, "temp", "2026-11-09T12:00:00-05:00 New_York,70.5°F").is_empty
    grid = read(raw, "temp", "2026-11-09")
    assert grid.meta["id"] == Ref("temp")
    assert grid.meta["id"].dis == "Temp"
    assert grid.meta["hisStart"].isoformat() == "2026-11-09T00:00:00-05:00"
    assert grid.meta["hisEnd"].isoformat() == "2026-11-10T00:00:00-05:00"
    assert grid.col_names == ["ts", "val"]
    assert cells(grid) == [("2026-11-09T12:00:00-05:00", Number(70.5, "°F"))]


def test_start_is_inclusive_and_end_exclusive(raw: Any) -> None:
    write(raw, "kw", *(f"2026-11-09T{hour:02}:00:00-05:00 New_York,{hour}kW" for hour in range(6)))
    grid = read(raw, "kw", "2026-11-09T02:00:00-05:00 New_York,2026-11-09T04:00:00-05:00 New_York")
    assert [cell.val for _, cell in cells(grid)] == [2, 3]
    # The same instants, named in another zone; they come back in the point's.
    grid = read(raw, "kw", "2026-11-09T07:00:00Z,2026-11-09T09:00:00Z UTC")
    assert cells(grid)[0] == ("2026-11-09T02:00:00-05:00", Number(2, "kW"))
    assert grid.meta["hisStart"].tzinfo.key == "America/New_York"


def test_an_open_end_takes_all_that_follows(raw: Any) -> None:
    write(raw, "kw", "2026-11-09T00:00:00-05:00 New_York,1kW", "2026-12-01T00:00:00-05:00 New_York,2kW")
    grid = read(raw, "kw", "2026-11-09T00:00:01-05:00 New_York")
    assert [cell.val for _, cell in cells(grid)] == [2]
    assert grid.meta["hisEnd"] > grid[0]["ts"]
    write(raw, "plain", "2026-11-09T00:00:00-05:00 New_York,1")
    assert (
        read(raw, "plain", "2026-11-09T00:00:00-05:00 New_York").meta["hisEnd"].isoformat()
        == "2026-11-10T12:07:00-05:00"
    )


def test_the_cells_of_an_answer_are_bounded(raw: Any) -> None:
    count = 1_001
    for place, id in enumerate(("kw", "plain")):
        raw.server.database.set_history(id, np.arange(count) * 2_000_000 + place, np.zeros(count))
    whole = "1970-01-01T00:00:00Z UTC,1971-01-01T00:00:00Z UTC"
    two = raw.call("hisRead", f'ver:"3.0" range:"{whole}"\nid\n@kw\n@plain\n')
    assert (len(two), two.is_error) == (2 * count, False)
    for ids in (["kw"] * 4_000, ["kw", "plain"] * 1_000):  # too many samples; too many instants for so many columns
        words = raw.refused("hisRead", f'ver:"3.0" range:"{whole}"\nid\n' + "".join(f"@{id}\n" for id in ids))
        assert "empty cells beside them, and the limit is 4,000,000; ask for a shorter range" in words


@pytest.mark.parametrize(
    ("span", "days"), [("today", [10]), ("yesterday", [9]), ("2026-11-08", [8]), ("2026-11-08,2026-11-09", [8, 9])]
)
def test_days_are_days_of_the_points_zone(raw: Any, span: str, days: list[int]) -> None:
    # Both ends of each local day: the last second of a day is in it, the first second of the next is not.
    write(
        raw,
        "kw",
        *(
            f"2026-11-{day:02}T{clock}-05:00 New_York,{day}kW"
            for day in range(7, 13)
            for clock in ("00:00:00", "23:59:59")
        ),
    )
    assert sorted({cell.val for _, cell in cells(read(raw, "kw", span))}) == days
    assert len(read(raw, "kw", span)) == 2 * len(days)


def test_today_is_another_day_elsewhere(start: Callable[..., Any]) -> None:
    raw = start()
    raw.server.database.add(
        {"id": Ref("bne"), "point": MARKER, "his": MARKER, "kind": "Number", "tz": "Brisbane", "dis": "Brisbane"}
    )
    # 17:07 UTC on the 10th is 03:07 on the 11th in Brisbane.
    assert read(raw, "bne", "today").meta["hisStart"].isoformat() == "2026-11-11T00:00:00+10:00"
    assert read(raw, "lon", "today").meta["hisStart"].isoformat() == "2026-11-10T00:00:00+00:00"


def test_the_repeated_hour_has_both_hours(raw: Any) -> None:
    rows = [
        f"2026-11-01T01:{minute:02}:00{offset} New_York,{value}"
        for value, (offset, minute) in enumerate((o, m) for o in ("-04:00", "-05:00") for m in (0, 15, 30, 45))
    ]
    write(raw, "plain", *rows)
    grid = read(raw, "plain", "2026-11-01")
    assert [cell.val for _, cell in cells(grid)] == list(range(8))
    assert [ts[-6:] for ts, _ in cells(grid)] == ["-04:00"] * 4 + ["-05:00"] * 4
    span = (grid.meta["hisEnd"].astimezone(UTC) - grid.meta["hisStart"].astimezone(UTC)).total_seconds()
    assert span == 25 * 3600
    # A window of the second hour alone.
    second = read(raw, "plain", "2026-11-01T01:00:00-05:00 New_York,2026-11-01T02:00:00-05:00 New_York")
    assert [cell.val for _, cell in cells(second)] == [4, 5, 6, 7]
    # By wall clock this range would end where it starts.
    both = read(raw, "plain", "2026-11-01T01:30:00-04:00 New_York,2026-11-01T01:30:00-05:00 New_York")
    assert [cell.val for _, cell in cells(both)] == [2, 3, 4, 5]


def test_the_day_with_a_skipped_hour_has_23(raw: Any) -> None:
    grid = read(raw, "plain", "2026-03-08")
    span = grid.meta["hisEnd"].astimezone(UTC) - grid.meta["hisStart"].astimezone(UTC)
    assert span.total_seconds() == 23 * 3600


def test_null_na_nan_and_the_infinities_stay_apart(raw: Any) -> None:
    values = ["1kW", "NA", "NaN", "INF", "-INF", "", "N", "2"]
    write(raw, "kw", *(f"2026-11-09T{hour:02}:00:00-05:00 New_York,{value}" for hour, value in enumerate(values)))
    expected = [
        Number(1, "kW"),
        NA,
        Number(math.nan),
        Number(math.inf),
        Number(-math.inf),
        Number(2, "kW"),
    ]
    assert [cell for _, cell in cells(read(raw, "kw", "2026-11-09"))] == expected
    for accept in ("application/json", "application/vnd.haystack+json;version=3", "text/trio"):
        grid = raw.send("GET", "hisRead", headers={"Accept": accept}, params={"id": "@kw", "range": "2026-11-09"}).grid
        assert [row.get("val") for row in grid] == expected, accept


def test_bool_and_str(raw: Any) -> None:
    write(raw, "fan", "2026-11-09T00:00:00-05:00 New_York,T", "2026-11-09T01:00:00-05:00 New_York,F")
    assert [cell for _, cell in cells(read(raw, "fan", "2026-11-09"))] == [True, False]
    write(raw, "mode", '2026-11-09T00:00:00-05:00 New_York,"on"', "2026-11-09T01:00:00-05:00 New_York,NA")
    write(raw, "mode", '2026-11-09T02:00:00-05:00 New_York,"a,\\"b\\""', '2026-11-09T03:00:00-05:00 New_York,"on"')
    assert [cell for _, cell in cells(read(raw, "mode", "2026-11-09"))] == ["on", NA, 'a,"b"', "on"]


def test_out_of_order_and_twice(raw: Any) -> None:
    write(raw, "kw", "2026-11-09T03:00:00-05:00 New_York,3kW", "2026-11-09T01:00:00-05:00 New_York,1kW")
    write(
        raw,
        "kw",
        "2026-11-09T02:00:00-05:00 New_York,2kW",
        "2026-11-09T01:00:00-05:00 New_York,10kW",
        "2026-11-09T01:00:00-05:00 New_York,11kW",
        "2026-11-09T00:00:00-05:00 New_York,0kW",
    )
    assert [cell.val for _, cell in cells(read(raw, "kw", "2026-11-09"))] == [0, 11, 2, 3]


def test_remove_deletes_a_sample(raw: Any) -> None:
    write(raw, "kw", "2026-11-09T01:00:00-05:00 New_York,1kW", "2026-11-09T02:00:00-05:00 New_York,2kW")
    write(raw, "kw", "2026-11-09T01:00:00-05:00 New_York,R", "2026-11-09T05:00:00-05:00 New_York,R")
    assert [cell.val for _, cell in cells(read(raw, "kw", "2026-11-09"))] == [2]


def test_microseconds_are_kept(raw: Any) -> None:
    write(raw, "kw", "2026-11-09T01:00:00.123456-05:00 New_York,1kW", "2026-11-09T01:00:00.123457-05:00 New_York,2kW")
    assert [ts for ts, _ in cells(read(raw, "kw", "2026-11-09"))] == [
        "2026-11-09T01:00:00.123456-05:00",
        "2026-11-09T01:00:00.123457-05:00",
    ]


@pytest.mark.parametrize(
    ("id", "row", "words"),
    [
        ("temp", "2026-11-09T01:00:00-05:00 New_York,20°C", "UnitErr: val of row 1 is 20 °C"),
        ("temp", '2026-11-09T01:00:00-05:00 New_York,"70"', "a point of kind Number"),
        ("temp", "2026-11-09T01:00:00-05:00 New_York,T", "a point of kind Number"),
        ("temp", "2026-11-09T01:00:00-05:00 New_York,M", "a point of kind Number"),
        ("fan", "2026-11-09T01:00:00-05:00 New_York,1", "a point of kind Bool"),
        ("mode", "2026-11-09T01:00:00-05:00 New_York,1", "a point of kind Str"),
        ("plain", "2026-11-09T01:00:00-05:00 New_York,1kW", "the unit of @plain (Plain) is None"),
        ("temp", "2026-11-09T06:00:00Z UTC,70°F", "ZoneErr: ts of row 1 is in the zone UTC"),
        ("temp", "2026-11-09T06:00:00Z London,70°F", "in the zone London"),
        ("temp", "2026-11-09,70°F", "expected a DateTime"),
        ("temp", ",70°F", "expected a DateTime"),
    ],
)
def test_a_sample_that_does_not_fit_stores_nothing(raw: Any, id: str, row: str, words: str) -> None:
    good = {"fan": "T", "mode": '"on"'}.get(id, "1")
    request = f'ver:"3.0" id:@{id}\nts,val\n2026-11-09T00:00:00-05:00 New_York,{good}\n{row}\n'
    assert words in raw.refused("hisWrite", request)
    assert read(raw, id, "2026-11-09").is_empty


def test_zones_of_one_name_are_one_zone(raw: Any) -> None:
    raw.server.database.update("temp", {"tz": "GMT+5"})
    write(raw, "temp", "2026-11-09T00:00:00-05:00 GMT+5,70°F")
    assert read(raw, "temp", "2026-11-09").meta["hisStart"].tzinfo.key == "Etc/GMT+5"


def test_a_batch_write(raw: Any) -> None:
    answer = raw.call(
        "hisWrite",
        'ver:"3.0"\nts,v0 id:@temp,v1 id:@fan\n'
        "2026-11-09T00:00:00-05:00 New_York,70°F,T\n"
        "2026-11-09T01:00:00-05:00 New_York,,F\n"
        "2026-11-09T02:00:00-05:00 New_York,NA,\n",
    )
    assert answer.is_empty
    assert not answer.is_error
    assert [cell for _, cell in cells(read(raw, "temp", "2026-11-09"))] == [Number(70, "°F"), NA]
    assert [cell for _, cell in cells(read(raw, "fan", "2026-11-09"))] == [True, False]


def test_a_batch_write_is_all_or_nothing(raw: Any) -> None:
    request = 'ver:"3.0"\nts,v0 id:@temp,v1 id:@lon\n2026-11-09T00:00:00-05:00 New_York,70°F,1kW\n'
    assert "@lon (London Power) is in London" in raw.refused("hisWrite", request)
    assert read(raw, "temp", "2026-11-09").is_empty


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ('ver:"3.0"\nts,v0\n2026-11-09T00:00:00-05:00 New_York,1\n', "'v0' has no id"),
        ('ver:"3.0"\nts\n2026-11-09T00:00:00-05:00 New_York\n', "no column of values"),
        ('ver:"3.0" id:@temp\nval\n1\n', "no column 'ts'"),
        ('ver:"3.0" id:@temp\nts,v0,v1\n2026-11-09T00:00:00-05:00 New_York,1,2\n', "columns ts and val"),
        ('ver:"3.0" id:@nowhere\nts,val\n2026-11-09T00:00:00-05:00 New_York,1\n', "UnknownRecErr"),
        ('ver:"3.0" id:@nohis\nts,val\n2026-11-09T00:00:00-05:00 New_York,1\n', "NotHisErr"),
        ('ver:"3.0" id:@site\nts,val\n2026-11-09T00:00:00-05:00 New_York,1\n', "NotHisErr"),
        ('ver:"3.0" id:5\nts,val\n2026-11-09T00:00:00-05:00 New_York,1\n', "expected a Ref"),
    ],
)
def test_a_write_that_makes_no_sense(raw: Any, request_: str, words: str) -> None:
    assert words in raw.refused("hisWrite", request_)


def test_a_batch_read_is_an_outer_join(raw: Any) -> None:
    write(raw, "temp", "2026-11-09T00:00:00-05:00 New_York,70°F", "2026-11-09T02:00:00-05:00 New_York,NA")
    write(raw, "fan", "2026-11-09T01:00:00-05:00 New_York,T", "2026-11-09T02:00:00-05:00 New_York,F")
    write(raw, "mode", '2026-11-09T01:00:00-05:00 New_York,"on"')
    grid = raw.call("hisRead", 'ver:"3.0" range:"2026-11-09"\nid\n@mode\n@temp\n@fan\n@kw\n')
    assert grid.col_names == ["ts", "v0", "v1", "v2", "v3"]
    assert [col.meta["id"].val for col in grid.cols[1:]] == ["mode", "temp", "fan", "kw"]
    assert "id" not in grid.meta
    rows = [[row.get(name) for name in grid.col_names[1:]] for row in grid]
    assert rows == [[None, Number(70, "°F"), None, None], ["on", None, True, None], [None, NA, False, None]]


def test_a_batch_of_one_and_of_the_same_twice(raw: Any) -> None:
    write(raw, "temp", "2026-11-09T00:00:00-05:00 New_York,70°F")
    one = raw.call("hisRead", 'ver:"3.0" range:"2026-11-09"\nid\n@temp\n')
    assert (one.col_names, len(one)) == (["ts", "v0"], 1)
    twice = raw.call("hisRead", 'ver:"3.0" range:"2026-11-09"\nid\n@temp\n@temp\n')
    assert [twice[0]["v0"], twice[0]["v1"]] == [Number(70, "°F")] * 2


def test_a_batch_shares_one_zone_or_names_one(raw: Any) -> None:
    write(raw, "kw", "2026-11-09T23:30:00-05:00 New_York,1kW")
    write(raw, "lon", "2026-11-09T00:30:00Z London,2kW", "2026-11-10T00:30:00Z London,3kW")
    request = 'ver:"3.0" range:"2026-11-09"{}\nid\n@kw\n@lon\n'
    assert "share one zone" in raw.refused("hisRead", request.format(""))
    grid = raw.call("hisRead", request.format(' tz:"London"'))
    # The day is London's, and the rows are written in it: New York's half past eleven is the next day there.
    assert [(row["ts"].isoformat(), row.get("v0"), row.get("v1")) for row in grid] == [
        ("2026-11-09T00:30:00+00:00", None, Number(2, "kW"))
    ]
    assert "ZoneErr" in raw.refused("hisRead", request.format(' tz:"Atlantis"'))
    assert "tz" in raw.refused("hisRead", request.format(" tz:5"))


def test_an_unknown_id_fails_the_batch_and_is_named(raw: Any) -> None:
    words = raw.refused("hisRead", 'ver:"3.0" range:"today"\nid\n@temp\n@nowhere\n@lost\n')
    assert words == "UnknownRecErr: there are no records @nowhere, @lost"


@pytest.mark.parametrize(
    ("request_", "words"),
    [
        ('ver:"3.0"\nid\n@temp\n', "no range"),
        ('ver:"3.0"\nrange\n"today"\n', "expected a Ref"),
        ('ver:"3.0" range:"today"\nempty\n', "no column 'id'"),
        ('ver:"3.0"\nid,range\n@temp,"today"\n@kw,"today"\n', "takes one row"),
        ('ver:"3.0"\nid,range\n@nowhere,"today"\n', "UnknownRecErr"),
        ('ver:"3.0"\nid,range\n@nohis,"today"\n', "NotHisErr"),
        ('ver:"3.0"\nid,range\n@temp,5\n', "RangeErr"),
        ('ver:"3.0"\nid,range\n@temp,"lastWeek"\n', "RangeErr"),
        ('ver:"3.0"\nid,range\n@temp,"last24hr"\n', "RangeErr"),
        ('ver:"3.0"\nid,range\n@temp,""\n', "RangeErr"),
        ('ver:"3.0"\nid,range\n@temp,"2026-11-09,2026-11-08"\n', "ends before it starts"),
        ('ver:"3.0"\nid,range\n@temp,"2026-11-09,"\n', "RangeErr"),
        ('ver:"3.0"\nid,range\n@temp,"2026-11-09,2026-11-10T00:00:00Z"\n', "RangeErr"),
        ('ver:"3.0"\nid,range\n@temp,"today,2026-11-10"\n', "RangeErr"),
        ('ver:"3.0"\nid,range\n@temp,"2026-11-09,2026-11-09,2026-11-09"\n', "RangeErr"),
        ('ver:"3.0"\nid,range\n@temp,"9999-12-31"\n', "the ends of the calendar"),
    ],
)
def test_a_history_read_that_makes_no_sense(raw: Any, request_: str, words: str) -> None:
    assert words in raw.refused("hisRead", request_)


def test_a_get_may_give_the_range_as_zinc_or_text(raw: Any) -> None:
    write(raw, "kw", "2026-11-09T00:00:00-05:00 New_York,1kW")
    for span in ("2026-11-09", '"2026-11-09"', "yesterday", "2026-11-09,2026-11-09", "2026-11-09T05:00:00Z"):
        assert len(raw.get("hisRead", id="@kw", range=span).grid) == 1, span


def test_every_format_writes_alike(raw: Any) -> None:
    when = datetime(2026, 11, 9, 12, tzinfo=NY)
    grid = Grid.from_rows({"id": Ref("kw")}, ["ts", "val"], [{"ts": when, "val": Number(5.5, "kW")}])
    for mime in ("text/zinc", "application/json", "application/vnd.haystack+json;version=3", "text/trio"):
        raw.server.database.set_history("kw", np.empty(0, np.int64), np.empty(0))
        body = encode(grid, mime)
        if mime == "text/trio":
            continue  # Trio has no place for the grid's own tags
        answer = raw.send("POST", "hisWrite", body, {"Content-Type": mime, "Accept": "text/zinc"}).grid
        assert not answer.is_error, (mime, answer)
        assert cells(read(raw, "kw", "2026-11-09")) == [("2026-11-09T12:00:00-05:00", Number(5.5, "kW"))]


def test_a_year_goes_in_and_out(raw: Any) -> None:
    """35,040 rows in one request: the columnar way, for rows enough that it is taken."""
    start_us = 1_735_707_600_000_000  # 2025-01-01T00:00 in New York
    instants = start_us + np.arange(35_040, dtype=np.int64) * 900_000_000
    values = np.round(np.sin(np.arange(35_040) / 50) * 40, 3)
    lines = [
        f"{datetime.fromtimestamp(int(us) // 1_000_000, UTC).astimezone(NY).isoformat()} New_York,{value!r}kW"
        for us, value in zip(instants, values.tolist(), strict=True)
    ]
    write(raw, "kw", *lines)
    stored = raw.server.database.history("kw")
    assert np.array_equal(stored.ts_us, instants)
    assert np.array_equal(stored.values, values)
    for accept in ("text/zinc", "application/json", "application/vnd.haystack+json;version=3"):
        body = raw.send(
            "GET", "hisRead", headers={"Accept": accept}, params={"id": "@kw", "range": "2025-01-01,2025-12-31"}
        )
        grid = decode(body.body, accept)
        assert len(grid) == 35_040
        times, numbers = grid.column("ts"), grid.column("val")
        assert [row.timestamp() for row in times[:3]] == [start_us / 1e6 + 900 * i for i in range(3)]
        assert [number.val for number in numbers[-3:]] == values[-3:].tolist()
        if isinstance(times, TimeColumn) and isinstance(numbers, NumberColumn):
            assert np.array_equal(np.asarray(times.values.to_numpy()), instants)
            assert np.array_equal(np.asarray(numbers.values.to_numpy()), values)


def test_samples_that_no_answer_can_have_are_refused_in_words(raw: Any, start: Callable[..., Any]) -> None:
    """A program that writes into the database, or an archive, may have any instants."""
    ts_us = np.array([-(1 << 62), -62135596800000001, 0, 253402300800000000, 253402300800000001, 1 << 62])
    for id in ("temp", "kw"):
        raw.server.database.set_history(id, ts_us, np.arange(6.0))
    for mime in ("text/zinc", "application/json", "application/vnd.haystack+json;version=3"):
        for span in ("1970-01-01T00:00:00Z UTC", "9999-12-30T00:00:00Z UTC"):
            for body in (f'ver:"3.0"\nid,range\n@temp,"{span}"\n', f'ver:"3.0" range:"{span}"\nid\n@temp\n@kw\n'):
                answer = raw.post("hisRead", body, Accept=mime).grid
                assert answer.is_error
                assert "beyond the years 1 to 9999, which no answer can have" in answer.meta["dis"]
    assert len(read(raw, "temp", "1969-12-31,1970-01-01")) == 1
    assert len(read(raw, "temp", "0001-01-03T00:00:00Z UTC,9999-12-30T00:00:00Z UTC")) == 1
    more = start(quirks=["extra-samples"])  # those beside the range too
    more.server.database.set_history("temp", ts_us, np.arange(6.0))
    span = "1970-01-01T00:00:00Z UTC,9999-12-29T00:00:00Z UTC"
    assert "the answer cannot be written" in more.refused("hisRead", f'ver:"3.0"\nid,range\n@temp,"{span}"\n')
