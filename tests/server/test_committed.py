"""What is committed to a folder that is served is there after a restart, which no commit prevents."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsframe.grid import Grid
from hsframe.kinds import MARKER, REMOVE, Number, Ref
from hsframe.server.folder import parquet_folder
from hsframe.testing.server import running_server
from tests.server.conftest import Raw
from tests.server.test_written import DAY, write

POINT: dict[str, Any] = {"point": MARKER, "his": MARKER, "kind": "Number", "unit": "kW", "tz": "UTC"}
IDS = ("a", "mode", "n")  # two of the files, and one that is none of theirs


def commit(raw: Raw, mode: str, id: str, **tags: Any) -> str:
    """What kind of error the answer is, or an empty text."""
    row = {"id": Ref(id), **tags}
    if mode != "add":
        row["mod"] = raw.call("read", f'ver:"3.0"\nid\n@{id}\n')[0].get("mod")
    answer = raw.call("commit", Grid.from_rows({"commit": mode}, list(row), [row]))
    return str(answer.meta.get("errType", ""))


def store(raw: Raw, id: str, value: str, hour: int = 5) -> str:
    body = f'ver:"3.0" id:@{id}\nts,val\n{DAY}T{hour:02}:00:00Z UTC,{value}\n'
    return str(raw.call("hisWrite", body).meta.get("errType", ""))


def samples(raw: Raw, id: str) -> Any:
    answer = raw.call("hisRead", f'ver:"3.0"\nid,range\n@{id},"{DAY}"\n')
    return answer.meta["errType"] if answer.is_error else [(row["ts"], row["val"]) for row in answer]


def seen(raw: Raw) -> Any:
    return [dict(rec) for rec in raw.call("read", 'ver:"3.0"\nid\n@a\n@mode\n@n\n')], [samples(raw, id) for id in IDS]


TAGS = st.fixed_dictionaries(
    {},
    optional={
        "point": st.sampled_from([MARKER, REMOVE]),
        "his": st.sampled_from([MARKER, REMOVE]),
        "kind": st.sampled_from(["Number", "Str", "Bool", "Date", Number(3), REMOVE]),
        "unit": st.sampled_from(["kW", "°F", Number(3), REMOVE]),
        "tz": st.sampled_from(["UTC", "New_York", "Mars", Number(3), REMOVE]),
    },
)
STEPS = st.tuples(st.sampled_from(["update", "update", "add", "remove"]), st.sampled_from(IDS), TAGS) | st.tuples(
    st.just("write"), st.sampled_from(IDS), st.sampled_from(["1", "1kW", "1°F", '"x"', "T", "NA", "R"])
)
NO_HIS, TEXTS = {"his": REMOVE}, {"kind": "Str", "unit": REMOVE}


@example([[("remove", "a", {}), ("add", "a", {"kind": "Str"})]])
@example([[("remove", "a", {}), ("add", "a", {})]])
@example([[("update", "a", NO_HIS), ("update", "a", TEXTS), ("update", "a", {"his": MARKER})]])
@example([[("add", "n", {}), ("write", "n", "1kW"), ("update", "n", NO_HIS), ("update", "n", TEXTS)]])
@example([[("add", "n", {}), ("write", "n", "1kW"), ("remove", "n", {}), ("add", "n", {"kind": "Str"})]])
@example([[("add", "n", {"unit": Number(3)}), ("write", "n", "1")]])
@example([[("add", "n", {"point": REMOVE, "tz": "Mars"}), ("write", "n", "1kW"), ("update", "n", {"point": MARKER})]])
@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(st.lists(st.lists(STEPS, min_size=1, max_size=6), min_size=1, max_size=2))
def test_what_is_acknowledged_is_there_after_a_restart(runs: list[list[Any]]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        write(Path(folder))
        before = None
        for steps in [*runs, []]:
            with running_server(parquet_folder(folder), users={}) as server:
                raw = Raw(server)
                assert before in (None, seen(raw))
                for op, id, what in steps:
                    if op == "write":
                        error = store(raw, id, what)
                    else:
                        error = commit(raw, op, id, **{"add": POINT | dict(what), "remove": {}}.get(op, what))
                    assert error != "InternalErr"
                before = seen(raw)
                assert "InternalErr" not in before[1]


def test_a_point_that_was_never_written_may_become_one_of_another_kind(tmp_path: Path) -> None:
    write(tmp_path)
    with running_server(parquet_folder(tmp_path), users={}) as server:
        raw = Raw(server)
        assert commit(raw, "add", "n", **POINT) == ""
        assert samples(raw, "n") == []
        assert commit(raw, "update", "n", kind="Str", unit=REMOVE) == ""
        assert store(raw, "n", '"x"') == ""
        assert commit(raw, "update", "n", kind="Number") == "CommitErr"
        assert commit(raw, "remove", "n") == ""
        assert commit(raw, "add", "n", **POINT) == ""
        assert samples(raw, "n") == []


NUMBER = '{"_kind": "number", "val": 3, "unit": "a\\nb"}'


@pytest.mark.parametrize("tags", [f'"x": {NUMBER}', '"id": "a b c"', '"x": ' + "[" * 64 + "]" * 64])
def test_a_record_that_no_answer_can_have_is_refused_in_words(
    tmp_path: Path, raw: Raw, tags: str, caplog: pytest.LogCaptureFixture
) -> None:
    """JSON carries ids, units and lists that are written in no format."""
    cols = '{"name": "id"}, {"name": "x"}'
    body = f'{{"_kind": "grid", "meta": {{"ver": "3.0", "commit": "add"}}, "cols": [{cols}], "rows": [{{{tags}}}]}}'
    write(tmp_path)
    with running_server(parquet_folder(tmp_path), users={}) as server:
        for one in (Raw(server), raw):
            before = len(one.server.database)
            answer = one.send("POST", "commit", body, {"Content-Type": "application/json"}).grid
            assert answer.meta["errType"] == "CommitErr"
            assert "cannot be written in an answer: " in answer.meta["dis"]
            assert len(one.server.database) == before
    assert "the op failed" not in caplog.text


def test_a_point_of_the_files_that_is_removed_and_added_again_begins_a_new_history(tmp_path: Path) -> None:
    write(tmp_path)
    with running_server(parquet_folder(tmp_path), users={}) as server:
        raw = Raw(server)
        assert len(samples(raw, "a")) == 3
        assert commit(raw, "remove", "a") == ""
        assert commit(raw, "add", "a", **POINT | {"kind": "Str", "unit": REMOVE}) == ""
        assert store(raw, "a", '"x"') == ""
    with running_server(parquet_folder(tmp_path), users={}) as server:
        assert [value for _, value in samples(Raw(server), "a")] == ["x"]


@pytest.mark.parametrize("tags", [{"kind": "Str", "unit": REMOVE}, {"unit": "W"}, {"unit": REMOVE}])
def test_who_adds_a_point_that_samples_wait_for_adds_it_with_them(tmp_path: Path, tags: dict[str, Any]) -> None:
    write(tmp_path)
    with running_server(parquet_folder(tmp_path), users={}) as server:
        assert store(Raw(server), "a", "7kW") == ""
    os.rename(tmp_path / "t.parquet", tmp_path / "t.old")
    pq.write_table(pq.read_table(tmp_path / "t.old").select(["ts", "b"]), tmp_path / "u.parquet")
    for _ in range(2):
        with running_server(parquet_folder(tmp_path), users={}) as server:
            raw = Raw(server)
            if samples(raw, "a") == "UnknownRecErr":
                assert commit(raw, "add", "a", **POINT | tags) == "CommitErr"
                assert commit(raw, "add", "a", **POINT) == ""
            assert [value for _, value in samples(raw, "a")] == [Number(7, "kW")]
