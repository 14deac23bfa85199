"""A history while it arrives: batches of one schema, bounded memory, errors at their place in the whole body."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest

from hsframe.codecs.histories import HistoryStream
from hsframe.codecs.histories import decode as decode_module
from hsframe.codecs.histories.decode import try_decode
from hsframe.errors import CodecError

HEAD = 'ver:"3.0" id:@a "A b"\nts,val\n'


def line(minute: int, cell: str) -> str:
    return f"2021-01-{1 + minute // 1440:02d}T{minute // 60 % 24:02d}:{minute % 60:02d}:00-05:00 New_York,{cell}\n"


def read(text: str, short: str = "zinc", size: int = 50, **options: Any) -> list[pa.RecordBatch]:
    body = text.encode()
    stream = HistoryStream(short, **options)
    batches = [batch for at in range(0, len(body), size) for batch in stream.feed(body[at : at + size])]
    return batches + stream.finish()


@pytest.fixture
def small_blocks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "BLOCK_BYTES", 1000)


@pytest.mark.usefixtures("small_blocks")
def test_batches_come_while_the_body_arrives() -> None:
    stream = HistoryStream("zinc")
    batches = stream.feed(HEAD.encode())
    assert stream.header is not None
    assert stream.header.meta["id"].val == "a"
    for minute in range(1000):
        batches += stream.feed(line(minute, f"{minute}kW").encode())
    assert len(batches) > 5
    assert sum(batch.num_rows for batch in batches) > 800
    batches += stream.finish()
    assert [value for batch in batches for value in batch["val"].to_pylist()] == list(range(1000))


def test_a_batch_tells_zone_unit_kind_and_point() -> None:
    [batch] = read(HEAD + line(0, "72.5°F"))
    assert batch.schema.field("ts").type == pa.timestamp("us", tz="America/New_York")
    metadata = {key.decode(): value.decode() for key, value in batch.schema.field("val").metadata.items()}
    assert metadata == {
        "hsframe:kind": "Number",
        "hsframe:unit": "°F",
        "hsframe:id": "a",
        "hsframe:dis": "A b",
        "hsframe:tz": "New_York",
    }


@pytest.mark.usefixtures("small_blocks")
def test_memory_holds_no_more_than_a_window() -> None:
    stream = HistoryStream("zinc")
    stream.feed(HEAD.encode())
    most = 0
    for minute in range(2000):
        stream.feed(line(minute, "1kW").encode())
        most = max(most, len(stream._window))
    assert most < 7000, "a block is 1000 bytes, and 6000 once rows turn out to be few in it"


@pytest.mark.usefixtures("small_blocks")
def test_a_column_that_is_silent_at_first_waits_or_takes_the_record_word(monkeypatch: pytest.MonkeyPatch) -> None:
    text = HEAD + "".join(line(minute, "" if minute < 60 else "T") for minute in range(120))
    batches = read(text)
    assert {batch.schema.field("val").type for batch in batches} == {pa.bool_()}
    monkeypatch.setattr(decode_module, "_WAIT_BYTES", 100)
    assert {batch.schema.field("val").type for batch in read(text, kinds={"val": "Bool"})} == {pa.bool_()}
    with pytest.raises(CodecError, match="changes from numbers without a unit to Bool"):
        read(text)


@pytest.mark.usefixtures("small_blocks")
def test_a_unit_that_comes_late_is_told_when_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode_module, "_WAIT_BYTES", 100)
    batches = read(HEAD + "".join(line(minute, "" if minute < 60 else "1kW") for minute in range(120)))
    units = [(batch.schema.field("val").metadata or {}).get(b"hsframe:unit") for batch in batches]
    assert units[0] is None
    assert units[-1] == b"kW"
    assert {batch.schema.field("val").type for batch in batches} == {pa.float64()}


@pytest.mark.usefixtures("small_blocks")
def test_a_unit_that_changes_is_refused_never_mixed() -> None:
    text = HEAD + "".join(line(minute, "1kW" if minute < 60 else "1W") for minute in range(120))
    with pytest.raises(CodecError, match="one Arrow column cannot hold"):
        read(text)


@pytest.mark.usefixtures("small_blocks")
@pytest.mark.parametrize("short", ["zinc", "json3", "json4"])
@pytest.mark.parametrize("nl", ["\n", ""])
def test_an_error_names_its_place_in_the_whole_body(short: str, nl: str) -> None:
    if short == "zinc":
        text = HEAD + "".join(line(minute, "1kW" if minute != 150 else "1kW°°,") for minute in range(200))
        at = text.index("1kW°°") + 5
    else:
        kind = '"_kind":"grid",' if short == "json4" else ""
        when = '"t:{}"' if short == "json3" else '{{"_kind":"dateTime","val":"{}","tz":"New_York"}}'
        rows = []
        for minute in range(200):
            stamp = line(minute, "").split(",")[0]
            rows.append(f'{{"ts":{when.format(stamp if short == "json3" else stamp[:25])},"val":"°"}}')
        rows[150] = rows[150].replace('"val":', '"val"=')
        text = (
            f'{{{kind}"meta":{{"dis":"°"}},"cols":[{{"name":"ts"}},{{"name":"val"}}],"rows":['
            + f",{nl}".join(rows)
            + "]}"
        )
        at = text.index('"val"=') + 5
    with pytest.raises(CodecError) as caught:
        read(text, short)
    assert caught.value.line == text.count("\n", 0, at) + 1
    if short != "zinc":
        assert caught.value.column == at - text.rfind("\n", 0, at)


def test_na_has_a_column_of_its_own_if_asked() -> None:
    [batch] = read(HEAD + line(0, "1kW") + line(1, "NA") + line(2, ""), na_columns=True)
    assert batch.schema.names == ["ts", "val", "val.na"]
    assert batch["val"].to_pylist() == [1.0, None, None]
    assert batch["val.na"].to_pylist() == [False, True, False]


def test_nan_and_infinities_are_values() -> None:
    [batch] = read(HEAD + line(0, "NaN") + line(1, "INF") + line(2, "1kW"))
    nan, inf, one = batch["val"].to_pylist()
    assert nan != nan
    assert (inf, one) == (float("inf"), 1.0)


def test_an_empty_history_has_no_batches() -> None:
    assert read(HEAD) == []
    assert read('{"_kind":"grid","cols":[{"name":"ts"},{"name":"val"}],"rows":[]}', "json4") == []


def test_what_is_no_history_is_refused() -> None:
    with pytest.raises(CodecError, match="not a history: its columns are id, dis"):
        read('ver:"3.0"\nid,dis\n@a,"A"\n')
    with pytest.raises(CodecError, match="not a history"):
        read('ver:"3.0" err dis:"no such point"\nempty\n')


def test_a_stream_and_a_whole_body_give_the_same_columns() -> None:
    text = HEAD + "".join(line(minute, f"{minute / 8}kW") for minute in range(500))
    grid = try_decode(text.encode(), "zinc")
    assert grid is not None
    table = pa.Table.from_batches(read(text, size=777))
    assert table["val"].to_pylist() == grid.columns[1].values.to_pylist()  # type: ignore[attr-defined]
    assert table["ts"].cast(pa.int64()).to_pylist() == grid.columns[0].values.to_pylist()  # type: ignore[attr-defined]


@pytest.mark.parametrize("start", ["", HEAD[:9]])
def test_a_head_without_end_is_not_looked_for_again_and_again(start: str, monkeypatch: pytest.MonkeyPatch) -> None:
    looked: list[int] = []
    real = decode_module.head_length
    monkeypatch.setattr(decode_module, "head_length", lambda body, short: looked.append(len(body)) or real(body, short))
    monkeypatch.setattr(decode_module, "_MOST_HEAD_BYTES", 10_000)
    with pytest.raises(CodecError):
        read(start + " " * 100_000, size=1000)
    assert 5 < len(looked) < 15
    assert max(looked) < 12_000
