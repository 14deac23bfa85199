"""Sessions and the functions of the package over real sockets."""

from __future__ import annotations

import asyncio
import gc
import inspect
import io
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeAlias
from zoneinfo import ZoneInfo

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

import hsframe
from hsframe.client import Client
from hsframe.session import verbs
from hsframe.testing.server import RunningServer, running_server
from tests.session.programs import Program

from .conftest import FIRST_US, MINUTE_US, small_building

# doctor takes another server too.
VERBS = sorted(name for name in vars(verbs) if not name.startswith("_"))


# Connecting -------------------------------------------------------------------------------------------------------


def test_connect_takes_what_is_missing_from_the_environment(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSFRAME_URI", server.uri + "/")
    monkeypatch.setenv("HSFRAME_USER", server.user)
    monkeypatch.setenv("HSFRAME_PASSWORD", server.password)
    with hsframe.connect() as s:
        assert s.uri == server.uri
        assert hsframe.about()["serverName"].tolist() == ["hsframe"]
    # What is given goes before the environment.
    with pytest.raises(hsframe.AuthError), hsframe.connect(password="wrong") as s:
        s.about()


def test_a_token_from_the_environment_is_for_those_who_give_no_login(
    server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HSFRAME_TOKEN", "no-such-token")
    with hsframe.connect(server.uri, server.user, server.password) as s:
        assert len(s.about()) == 1
    with pytest.raises(hsframe.AuthError), hsframe.connect(server.uri) as s:
        s.about()


def test_connect_without_a_uri_says_how() -> None:
    with pytest.raises(hsframe.MetadataError, match=r"hsframe\.connect\('http.*HSFRAME_URI"):
        hsframe.connect()
    with pytest.raises(hsframe.MetadataError, match="uri"):
        hsframe.connect("not a uri")
    with pytest.raises(hsframe.MetadataError, match="runner"):
        hsframe.connect("http://127.0.0.1:1/api", runner="fast")  # type: ignore[arg-type]
    with pytest.raises(hsframe.MetadataError, match="format"):
        hsframe.connect("http://127.0.0.1:1/api", format="yaml")
    with pytest.raises(hsframe.MetadataError, match="max_concurrency"):
        hsframe.connect("http://127.0.0.1:1/api", max_concurrency=0)
    with pytest.raises(hsframe.MetadataError, match=r"call hsframe\.connect"):
        hsframe.about()


def test_a_missing_password_is_asked_for(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HSFRAME_USER", "HSFRAME_PASSWORD", "HSFRAME_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    asked: list[str] = []

    def getpass(prompt: str) -> str:
        asked.append(prompt)
        return server.password if len(asked) > 1 else ""  # Enter alone

    monkeypatch.setattr("getpass.getpass", getpass)
    nobody = pytest.raises(hsframe.MetadataError, match=r"no password of 'demo'.*password=, or set HSFRAME_PASSWORD")
    with nobody:
        hsframe.connect(server.uri, "demo")  # no terminal here
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    for wrong in (
        {"uri": None}, {"uri": "bad uri"}, {"user": 5}, {"retries": -1}, {"deadline": "soon"}, {"timeout": "soon"},
        {"auth": "magic"}, {"format": "yaml"}, {"tls": 5}, {"limits": 5}, {"max_concurrency": 0}, {"runner": "fast"},
        {"proxy": "socks5://host"}, {"headers": {"X": "half-\ud83d"}},
    ):  # fmt: skip
        settings: dict[str, Any] = {"uri": server.uri, "user": "demo", **wrong}
        for ask in (hsframe.connect, hsframe.doctor):
            with pytest.raises(hsframe.HsFrameError):
                ask(**settings)
    assert asked == [], "in vain"
    with nobody, ThreadPoolExecutor() as pool:
        pool.submit(hsframe.connect, server.uri, "demo").result()  # a worker's
    with nobody:
        hsframe.AsyncSession(server.uri, "demo")  # which asks nobody: its loop would stand still
    assert asked == []
    with hsframe.connect(server.uri, "demo") as s:
        assert len(s.about()) == 1
    assert hsframe.doctor(server.uri, "demo").set_index("question")["answer"]["login"].startswith("SCRAM")
    assert asked == ["password of demo: "] * 3
    for settings in ({"auth": "none"}, {"token": "t"}, {"password": ""}):
        hsframe.connect(server.uri, "demo", **settings).close()
    hsframe.connect(server.uri).close()
    monkeypatch.setenv("HSFRAME_TOKEN", "t")
    monkeypatch.setenv("HSFRAME_USER", "demo")
    hsframe.connect(server.uri).close()
    assert len(asked) == 3

    def refuse(prompt: str) -> str:
        raise StdinNotImplementedError  # the notebook is run by a program

    monkeypatch.setattr("getpass.getpass", refuse)
    with nobody:
        hsframe.connect(server.uri, "demo")


class StdinNotImplementedError(NotImplementedError):
    """As ipykernel's."""


def test_the_last_connect_is_the_default_and_closing_leaves_none(server: RunningServer) -> None:
    first = hsframe.connect(server.uri, server.user, server.password)
    second = hsframe.connect(server.uri, server.user, server.password)
    first.close()
    assert len(hsframe.about()) == 1  # the second
    second.close()
    second.close()
    for verb in (hsframe.about, hsframe.ops, lambda: hsframe.his_read("@kw", "today")):
        with pytest.raises(
            hsframe.MetadataError, match=r"last one was closed .*: call hsframe\.connect\(\.\.\.\) first"
        ):
            verb()
    hsframe.close()
    with pytest.raises(hsframe.MetadataError, match=r"closed: call hsframe\.connect"):
        second.about()
    assert repr(second) == f"<Session {server.uri} as demo, closed>"
    with hsframe.connect(server.uri, server.user, server.password):
        pass
    with pytest.raises(hsframe.MetadataError, match=r"call hsframe\.connect"):
        hsframe.read("site")


def test_nothing_is_sent_before_the_first_verb() -> None:
    with hsframe.connect("http://127.0.0.1:9/api", "demo", "demo") as s:
        assert "as demo" in repr(s)
        with pytest.raises(hsframe.NetworkError, match=r"127\.0\.0\.1:9"):
            s.about()


def test_a_wrong_password_names_user_and_uri_and_never_the_secret(server: RunningServer) -> None:
    # Put together at run time: the text of this file is part of the traceback too.
    secret = "-".join(("hunter", "two"))
    with hsframe.connect(server.uri, "demo", secret) as s, pytest.raises(hsframe.AuthError) as caught:
        s.read("point")
    assert "demo" in str(caught.value)
    assert server.uri in str(caught.value)
    told = io.StringIO()
    # With the local variables of every frame but this test's own.
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames.stack = traceback.StackSummary.from_list(
        [frame for frame in frames.stack if not frame.filename.endswith("test_session.py")]
    )
    print("".join(frames.format()), s, vars(s), vars(s._inner), file=told)
    assert secret not in told.getvalue()


def test_a_wrong_setting_does_not_show_the_password() -> None:
    secret = "-".join(("hunter", "two"))
    with pytest.raises(hsframe.MetadataError) as caught:
        hsframe.connect("http://127.0.0.1:9/api", "demo", secret, format="yaml", headers={"X-Api-Key": secret})
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames.stack = traceback.StackSummary.from_list(
        [frame for frame in frames.stack if not frame.filename.endswith("test_session.py")]
    )
    assert len(frames.stack) >= 2
    assert secret not in "".join(frames.format())


@pytest.mark.parametrize("format", ["zinc", "json", "json3"])
def test_every_format_gives_the_same_frame(server: RunningServer, format: str) -> None:
    with hsframe.connect(server.uri, server.user, server.password, format=format) as s:
        df = s.his_read(["kw", "oat", "fan"], "2026-11-01")
    assert list(df.columns) == ["Power", "Outside", "Fan"]
    assert df.dtypes.map(str).tolist() == ["unit[kW]", "unit[°F]", "boolean"]
    assert len(df) == 100
    assert df["Power"].tolist()[:2] == [192.0, 193.0]


# The verbs -------------------------------------------------------------------------------------------------------


def test_records(session: hsframe.Session) -> None:
    points = session.read("point")
    assert points["id"].tolist() == ["kw", "oat", "fan", "lon", "p:bne:1"]
    assert points["power"].tolist() == [True, False, False, True, False]
    assert len(session.read("point", limit=2)) == 2
    for nothing in (session.read("nowhere"), session.read('point and kind == "None"')):
        assert nothing.dtypes.astype(str).to_dict() == {"id": "str", "dis": "str"}
        assert nothing["id"].tolist() == nothing.columns.difference(["id", "dis"]).tolist() == []
        assert points.columns.dtype == nothing.columns.dtype
        with pytest.raises(hsframe.MetadataError, match="what was given is empty"):
            session.his_read(nothing, "today")
    assert session.read_by_ids(["fan", "@kw"])["dis"].tolist() == ["Fan", "Power"]
    assert session.read_by_ids("oat")["unit"].tolist() == ["°F"]
    assert session.read_by_ids(hsframe.Ref("oat"))["unit"].tolist() == ["°F"]
    assert {"about", "read", "hisRead"} <= set(session.ops()["name"])
    assert "text/zinc" in session.formats()["mime"].tolist()
    assert len(session.nav()) >= 1
    with pytest.raises(hsframe.UnknownRecError, match="@nobody") as caught:
        session.read_by_ids(["kw", "nobody"])
    assert caught.value.ids == ("nobody",)
    with pytest.raises(hsframe.CallError):
        session.read("point and and")


def test_his_read_is_exact(session: hsframe.Session) -> None:
    df = session.his_read('power and tz == "New_York"', "2026-11-01")
    assert df.index.name == "ts"
    assert str(df.index.dtype) == "datetime64[us, America/New_York]"
    assert isinstance(df.index.tz, ZoneInfo)
    assert df.index.is_monotonic_increasing
    assert df.index.is_unique
    # 25 hours; both halves of the repeated hour are there.
    assert len(df) == 100
    at_one = df[df.index.hour == 1]
    assert [stamp.isoformat()[-6:] for stamp in at_one.index] == ["-04:00"] * 4 + ["-05:00"] * 4
    expected = FIRST_US + np.arange(192, 292) * 15 * MINUTE_US
    assert df.index.as_unit("us").asi8.tolist() == expected.tolist()
    assert df["Power"].to_numpy(dtype=float).tolist() == list(range(192, 292))
    assert df.hs.units == {"Power": "kW"}


def test_his_read_takes_points_in_every_form(session: hsframe.Session) -> None:
    span = ("2026-11-02T00:00", "2026-11-02T01:00")
    expected = session.his_read("@kw", span)
    assert len(expected) == 4
    for points in ("kw", hsframe.Ref("kw"), ["kw"], ["@kw"], (hsframe.Ref("kw"),), session.read("power").head(1)):
        pd.testing.assert_frame_equal(session.his_read(points, span), expected)
    assert session.his_read("p:bne:1", "2026-11-02").dtypes.tolist() == ["category"]
    with pytest.raises(hsframe.UnknownRecError, match=r"2 of 3 points are not found: 'nobody', 'none'"):
        session.his_read(["kw", "nobody", "none"], span)
    with pytest.raises(hsframe.MetadataError, match="'site' finds 1 records"):
        session.his_read("site", span)


def test_several_zones_are_told_once_a_server(session: hsframe.Session) -> None:
    reads = [
        lambda: session.his_read("power", "2026-11-02"),
        lambda: session.his_read("power", "2026-11-02", shape="tidy"),
        lambda: session.his_read(["@lon", "@p:bne:1"], "2026-11-02"),  # which are other zones
    ]
    for read in reads:
        with warnings.catch_warnings(action="error"), pytest.raises(hsframe.ZoneWarning):
            read()
        with pytest.warns(hsframe.ZoneWarning) as caught:  # one that was an error was not told
            read()
        assert len(caught) == 1
        with warnings.catch_warnings(action="error"):
            read()


def test_headers_shapes_and_zones(session: hsframe.Session) -> None:
    with pytest.warns(hsframe.ZoneWarning, match="London, New_York"):
        df = session.his_read("power", "2026-11-02")
    assert list(df.columns) == ["Power @kw", "Power @lon"]
    assert str(df.index.tz) == "UTC"
    # Each point's own day: five hours apart.
    assert len(df) == 96 + 20
    assert df["Power @kw"].notna().sum() == df["Power @lon"].notna().sum() == 96
    local = session.his_read("power", "2026-11-02", tz="Brisbane", header="id")
    assert list(local.columns) == ["kw", "lon"]
    assert str(local.index.tz) == "Australia/Brisbane"
    parts = session.his_read("power", "2026-11-02", shape="dict")
    assert [(label, str(part.index.tz), len(part)) for label, part in parts.items()] == [
        ("Power @kw", "America/New_York", 96),
        ("Power @lon", "Europe/London", 96),
    ]
    tidy = session.his_read(["kw", "oat"], "2026-11-02", shape="tidy")
    assert list(tidy.columns) == ["id", "ts", "value", "text", "unit"]
    assert len(tidy) == 192
    points = df.hs.points
    assert points.loc["Power @lon"].to_dict() == {
        "id": "lon", "dis": "Power", "unit": "kW", "tz": "London", "kind": "Number"
    }  # fmt: skip


def test_a_wrong_setting_is_refused_before_anything_is_read(session: hsframe.Session) -> None:
    for wrong in ({"header": "my name"}, {"shape": "tall"}):
        with pytest.raises(hsframe.MetadataError):
            session.his_read("no such point at all", "today", **wrong)  # type: ignore[call-overload]
    with pytest.raises(hsframe.ZoneError):
        session.his_read("no such point at all", "today", tz="Nowhere")
    with pytest.raises(hsframe.SpanError, match="'tomorow' is not a valid span"):
        session.his_read("kw", "tomorow")


def test_open_and_empty_spans(session: hsframe.Session) -> None:
    last = pd.Timestamp(FIRST_US + 959 * 15 * MINUTE_US, unit="us", tz="UTC")
    df = session.his_read("kw", last - pd.Timedelta("30min"))
    assert df["Power"].to_numpy(dtype=float).tolist() == [957, 958, 959]
    empty = session.his_read(["kw", "fan"], "2020-01-01")
    assert empty.shape == (0, 2)
    assert empty.dtypes.map(str).tolist() == ["unit[kW]", "boolean"]
    assert str(empty.index.dtype) == "datetime64[us, America/New_York]"


def test_point_write_and_watches(session: hsframe.Session, server: RunningServer) -> None:
    server.database.update("oat", {"writable": hsframe.MARKER, "cur": hsframe.MARKER})
    session.point_write("oat", 16, hsframe.Number(72, "°F"), who="test")
    array = session.point_write_array("oat")
    assert len(array) == 17
    one = session.watch_sub("@oat", "one", lease="90s")
    assert one["id"].tolist() == ["oat"]
    session.watch_unsub(one.attrs["watchId"], "@oat")
    assert session.watch_poll(one.attrs["watchId"], refresh=True).empty
    session.watch_close(one.attrs["watchId"])
    with pytest.raises(hsframe.MetadataError, match="ids must be a Ref, a text or several of them; got 5"):
        session.read_by_ids(5)  # type: ignore[arg-type]
    watch = session.watch_sub(["oat", "kw"], "test")
    watch_id = watch.attrs["watchId"]
    assert watch["id"].tolist() == ["oat", "kw"]
    assert len(session.watch_poll(watch_id, refresh=True)) == 2
    session.watch_unsub(watch_id, ["kw"])
    assert session.watch_poll(watch_id, refresh=True)["id"].tolist() == ["oat"]
    session.watch_close(watch_id)
    assert server.open_watches == 0
    with pytest.raises(hsframe.CallError):
        session.watch_poll(watch_id)


def test_any_op_and_functions_of_ones_own(session: hsframe.Session) -> None:
    grid = session.call("read", hsframe.GridBuilder().add_col("filter").add_row({"filter": "site"}).to_grid())
    assert [row["dis"] for row in grid] == ["HQ"]
    assert len(session.call("about")) == 1

    async def both(client: Client, filter: str) -> tuple[int, int]:
        about, found = await asyncio.gather(client.about(), client.read(filter))
        return len(about), len(found)

    assert session.run(both, "point") == (1, 5)
    with pytest.raises(hsframe.HTTPStatusError, match="no op 'eval'"):
        session.eval("1 + 1")
    with pytest.raises(hsframe.CallError):
        session.invoke_action("kw", "reset", {"to": 1})


def test_export_writes_a_whole_file_or_none(session: hsframe.Session, tmp_path: Path) -> None:
    path = session.export(["kw", "oat"], "2026-11-01", tmp_path / "day.parquet")
    assert path == tmp_path / "day.parquet"
    again = hsframe.read_parquet(path)
    pd.testing.assert_frame_equal(again, session.his_read(["kw", "oat"], "2026-11-01"))
    field = pq.read_schema(path).field("Outside")
    assert field.metadata[b"hsframe:unit"].decode() == "°F"
    assert [file.name for file in tmp_path.iterdir()] == ["day.parquet"]
    with pytest.raises(hsframe.MetadataError, match="no folder"):
        session.export("kw", "2026-11-01", tmp_path / "none" / "day.parquet")
    with pytest.raises(hsframe.MetadataError, match=r"is no archive, and has other things in it \(day.parquet\)"):
        session.export("kw", "2026-11-01", tmp_path)
    with pytest.raises(hsframe.UnknownRecError):
        session.export("@nobody", "2026-11-01", tmp_path / "other.parquet")
    assert [file.name for file in tmp_path.iterdir()] == ["day.parquet"]


def test_exports_of_one_name_at_once_leave_one_whole_file(session: hsframe.Session, tmp_path: Path) -> None:
    path = tmp_path / "day.parquet"

    def export(point: str) -> Path:
        return session.export(point, "2026-11-01", path)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(export, ["@kw", "@oat", "@fan", "@kw", "@oat", "@fan"])) == [path] * 6
    df = hsframe.read_parquet(path)
    assert len(df) == 100
    assert list(df.columns) in (["Power"], ["Outside"], ["Fan"])
    assert [file.name for file in tmp_path.iterdir()] == ["day.parquet"]


# Signatures ------------------------------------------------------------------------------------------------------


def parameters(fn: Callable[..., Any], *but: str) -> list[tuple[str, Any, Any]]:
    found = inspect.signature(fn).parameters.values()
    return [(p.name, p.kind, p.default) for p in found if p.name not in ("self", *but)]


@pytest.mark.parametrize("name", VERBS)
def test_a_verb_is_its_method(name: str) -> None:
    verb, method = getattr(hsframe, name), getattr(hsframe.Session, name)
    assert parameters(verb) == parameters(method)
    assert verb.__doc__ == method.__doc__
    assert verb.__doc__
    assert verb.__name__ == name
    assert inspect.signature(verb).return_annotation == inspect.signature(method).return_annotation


def test_the_verbs_are_those_of_the_asynchronous_session() -> None:
    """Every coroutine that is public is a verb, everywhere; doctor's function takes another server too."""
    base = {"close", "of", "another"}
    of_async, of_session = (
        {name for name, value in inspect.getmembers(kind, callable) if not name.startswith("_")} - base - {"run"}
        for kind in (hsframe.AsyncSession, hsframe.Session)
    )
    assert of_async == of_session == {*VERBS, "doctor"}
    # Of the package's names, all that come from the session and are no class or function about sessions.
    of_package = {
        name for name in hsframe.__all__ if "hsframe.session" in getattr(getattr(hsframe, name), "__module__", "")
    }
    assert of_package - {"Archive", "AsyncSession", "Session", "close", "connect", "frame_to_his_grids"} == of_async
    for name in of_async:
        verb = getattr(hsframe.AsyncSession, name)
        assert inspect.iscoroutinefunction(verb) or inspect.isasyncgenfunction(inspect.unwrap(verb))
        assert not inspect.iscoroutinefunction(getattr(hsframe.Session, name))


@pytest.mark.parametrize("name", [*VERBS, "doctor"])
def test_annotations_are_those_of_the_signature(name: str) -> None:
    """Also of a verb whose parameters are the fields of a request."""
    for verb in (getattr(hsframe.AsyncSession, name), getattr(hsframe.Session, name), getattr(hsframe, name)):
        signature = inspect.signature(verb)
        annotated = [p.name for p in signature.parameters.values() if p.annotation is not p.empty]
        assert set(verb.__annotations__) == {*annotated, "return"}
        assert verb.__annotations__["return"] == signature.return_annotation


@pytest.mark.parametrize("name", [*VERBS, "doctor"])
def test_a_verb_is_the_same_awaited_and_waited_for(name: str) -> None:
    awaited, waited = getattr(hsframe.AsyncSession, name), getattr(hsframe.Session, name)
    assert list(inspect.signature(awaited).parameters.values()) == list(inspect.signature(waited).parameters.values())
    is_open = any(p.kind is p.VAR_KEYWORD for p in inspect.signature(awaited).parameters.values())
    assert is_open == (name == "call")  # whose arguments are those of an op
    assert awaited.__doc__ == waited.__doc__
    assert awaited.__doc__


def test_what_a_person_sees_of_his_read() -> None:
    """Names, defaults and the whole text, as Shift-Tab shows them."""
    for read in (hsframe.his_read, hsframe.Session.his_read, hsframe.AsyncSession.his_read):
        shown = inspect.signature(read).parameters
        assert [name for name in shown if name != "self"][:4] == ["points", "span", "header", "shape"]
        assert (shown["header"].default, shown["interval"].default) == ("dis", None)
        assert shown["points"].default is shown["points"].empty
        assert str(read.__doc__).startswith("The histories of some points as a frame")
    assert "AsyncGenerator[pd.DataFrame" in str(inspect.signature(hsframe.AsyncSession.watch))
    assert str(inspect.signature(hsframe.watch)).endswith("-> 'Generator[pd.DataFrame, None, None]'")


def test_settings_stand_once() -> None:
    taken = parameters(hsframe.AsyncSession)
    assert parameters(hsframe.connect, "runner", "check") == taken
    assert parameters(hsframe.doctor, "runner", "point") == taken
    assert {"uri", "user", "password", "token", "tls", "max_concurrency"} <= {name for name, _, _ in taken}


def test_a_wrong_argument_names_the_function() -> None:
    with pytest.raises(TypeError, match=r"^connect\(\) got an unexpected keyword argument 'pasword'") as caught:
        hsframe.connect("http://127.0.0.1:9/api", "demo", pasword="-".join(("hunter", "two")))  # type: ignore[call-arg]
    frames = traceback.TracebackException.from_exception(caught.value, capture_locals=True)
    frames.stack = traceback.StackSummary.from_list([f for f in frames.stack if not f.filename.endswith("_session.py")])
    assert len(frames.stack) >= 1
    assert "-".join(("hunter", "two")) not in "".join(frames.format())
    with hsframe.connect("http://127.0.0.1:9/api") as s, pytest.raises(TypeError, match=r"^his_read\(\) missing 1"):
        s.his_read("point")  # type: ignore[call-overload]


@pytest.mark.parametrize("name", VERBS)
def test_a_method_takes_what_its_twin_takes(name: str) -> None:
    """Those that give frames of more than one answer have arguments of their own; all others follow the client."""
    of_frames = (
        "commit estimate find his_iter his_read his_write his_remove export inventory latest matrix specs tree watch"
    )
    if name in of_frames.split():
        assert not hasattr(Client, name) or parameters(getattr(hsframe.Session, name))
        return
    twin = getattr(Client, name)
    assert inspect.iscoroutinefunction(twin)
    of_a_coroutine_only = ("raw", "checked", "watch_id") if name in ("watch_sub", "read_by_ids") else ("raw",)
    of_a_frame_only = ("dry_run", "convert") if name == "point_write" else ()
    shown = parameters(getattr(hsframe.Session, name), *of_a_frame_only)
    assert shown == parameters(twin, *of_a_coroutine_only)


# Loops, threads, forks, Ctrl-C -----------------------------------------------------------------------------------


def test_from_many_threads_at_once(session: hsframe.Session) -> None:
    lengths: list[int] = []
    threads = [
        threading.Thread(target=lambda: lengths.append(len(session.his_read("@kw", "2026-11-01")))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert lengths == [100] * 8


def test_rounds_leave_no_thread_socket_or_session_behind(server: RunningServer) -> None:
    def once() -> None:
        with hsframe.connect(server.uri, server.user, server.password) as s:
            s.about()

    once()
    threads = threading.active_count()
    files = len(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else 0
    for _ in range(25):
        once()
    gc.collect()
    assert threading.active_count() == threads
    if files:
        # The server's side of the last connection may take a moment.
        deadline = time.monotonic() + 5
        while (now := len(os.listdir("/proc/self/fd"))) > files and time.monotonic() < deadline:
            time.sleep(0.02)
        assert now <= files
    assert server.open_sessions == 0


def test_a_session_that_nobody_holds_is_closed(server: RunningServer) -> None:
    s = hsframe.connect(server.uri, server.user, server.password)
    s.about()
    assert server.open_sessions == 1
    other = hsframe.connect(server.uri, server.user, server.password)  # the default is another one now
    del s
    gc.collect()
    deadline = time.monotonic() + 5
    while server.open_sessions and time.monotonic() < deadline:
        time.sleep(0.02)
    assert server.open_sessions == 0
    other.close()


def test_one_log_line_a_request_and_no_secret_in_it(server: RunningServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "hsframe"), hsframe.connect(server.uri, server.user, server.password) as s:
        s.his_read(["kw", "oat"], "2026-11-01")
    lines = [record.getMessage() for record in caplog.records if record.name == "hsframe"]
    assert [line.split()[:2] for line in lines] == [
        ["login", "points=0"], ["read", "points=2"], ["hisRead", "points=2"], ["close", "points=0"]
    ]  # fmt: skip


Script: TypeAlias = Callable[[str], Program]


def finished(process: Program) -> list[str]:
    out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, ""), err
    return out.split()


@pytest.mark.skipif(os.name == "nt", reason="a console Ctrl-C cannot be sent to one child on Windows")
@pytest.mark.parametrize("runner", ["thread", "nested"])
def test_ctrl_c_cancels_the_read_and_the_session_goes_on(runner: str, script: Script) -> None:
    with running_server(small_building(), quirks=["slow=0.6"]) as slow:
        process = script(
            f"""
            import hsframe, threading, time
            s = hsframe.connect({slow.uri!r}, "demo", "demo", runner={runner!r})
            s.about()
            threading.Timer(0.1, lambda: print("reading", flush=True)).start()
            try:
                s.his_read("kw", "2026-11-01")
            except KeyboardInterrupt:
                print("interrupted", flush=True)
            print(len(s.read("point")), flush=True)
            s.close()
            """
        )
        assert process.stdout.readline() == "reading\n"
        process.send_signal(signal.SIGINT)
        assert finished(process) == ["interrupted", "5"]
        assert slow.open_sessions == 0


def test_limits_count_one_answer_and_not_a_read(server: RunningServer) -> None:
    """As the page on what goes wrong says: histories are asked for in parts that are allowed; all else once."""
    day_us = 24 * 60 * MINUTE_US
    server.database.set_history("kw", FIRST_US + np.arange(1000) * day_us // 100, np.arange(1000.0))
    start = datetime.fromtimestamp(FIRST_US / 1e6, UTC)
    span = (start, start + timedelta(days=10))
    with hsframe.connect(server.uri, server.user, server.password, limits=hsframe.Limits(cells=200)) as s:
        assert len(s.his_read("@kw", span)) == 1000
        with pytest.raises(hsframe.CodecError, match="cells or more, and 200 are allowed"):
            s.call("hisRead", hsframe.Grid({}, ["id", "range"], [[hsframe.Ref("kw")], ["2020-01-01,2030-01-01"]]))
    with hsframe.connect(server.uri, server.user, server.password, limits=hsframe.Limits(cells=20)) as small:
        assert len(small.his_read("@kw", span)) == 1000


def test_a_worker_connects_by_its_environment(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("uri", "user", "password"):
        monkeypatch.setenv(f"HSFRAME_{name.upper()}", getattr(server, name))
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, spawned, initializer=hsframe.connect) as pool:
        assert len(pool.submit(hsframe.about).result()) == 1
    with (
        ProcessPoolExecutor(1, spawned) as pool,
        pytest.raises(hsframe.MetadataError, match=r"in each worker.*initializer=hsframe\.connect"),
    ):
        pool.submit(hsframe.about).result()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork here")
def test_a_forked_child_has_its_own_connection(server: RunningServer, script: Script) -> None:
    process = script(
        f"""
        import os, hsframe
        s = hsframe.connect({server.uri!r}, "demo", "demo")
        s.about()
        pid = os.fork()
        if pid == 0:
            ok = len(hsframe.read("point")) == 5
            s.close()
            os._exit(0 if ok else 1)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), len(s.read("point")))
        s.close()
        """
    )
    assert finished(process) == ["0", "5"]
    assert server.open_sessions == 0


def test_a_program_that_just_ends_closes_its_session(server: RunningServer, script: Script) -> None:
    process = script(
        f"""
        import hsframe
        hsframe.connect({server.uri!r}, "demo", "demo")
        print(len(hsframe.read("point")))
        """
    )
    assert finished(process) == ["5"]
    assert server.open_sessions == 0


def test_nested_shares_its_connection_with_awaited_calls(server: RunningServer, script: Script) -> None:
    process = script(
        f"""
        import asyncio, hsframe

        async def cell():
            s = hsframe.connect({server.uri!r}, "demo", "demo", runner="nested")
            first = len(s.read("point"))
            second = len(await s.client.read("point"))
            both = await asyncio.gather(s.client.about(), s.client.ops())
            s.close()
            return first, second, len(both)

        print(*asyncio.run(cell()))
        """
    )
    assert finished(process) == ["5", "5", "2"]
    assert server.open_sessions == 0


def test_nested_in_a_plain_script(server: RunningServer, script: Script) -> None:
    process = script(
        f"""
        import hsframe, sys
        with hsframe.connect({server.uri!r}, "demo", "demo", runner="nested") as s:
            print(len(s.his_read("kw", "2026-11-01")))
        print(any(name.startswith("nest_asyncio") for name in sys.modules))
        """
    )
    assert finished(process) == ["100", "False"]


def test_a_session_lost_on_the_server_logs_in_again(session: hsframe.Session, server: RunningServer) -> None:
    session.about()
    server.drop_sessions()
    assert len(session.his_read(["kw", "oat"], "2026-11-01")) == 100


# Importing -------------------------------------------------------------------------------------------------------


def test_import_registers_with_pandas_and_loads_no_network() -> None:
    text = """
        import sys
        import hsframe
        heavy = ("aiohttp", "cryptography", "matplotlib", "nest_asyncio", "nest_asyncio2", "hsframe.server",
                 "hsframe.session", "hsframe.client", "hypothesis")
        print([name for name in heavy if name in sys.modules])
        import pandas as pd
        series = pd.Series([1.0, 2.0], dtype="unit[kW]")
        print(series.dtype.unit, pd.DataFrame({"a": series}).hs.units)
        print(hsframe.units.unit("kW").name, hsframe.Client.__name__, "aiohttp" in sys.modules)
        """
    command = [sys.executable, "-c", textwrap.dedent(text)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["[]", "kW {'a': 'kW'}", "kilowatt Client True"]


def test_every_public_name_is_there() -> None:
    assert [name for name in hsframe.__all__ if not hasattr(hsframe, name)] == []
    assert {name for name in dir(hsframe) if not name.startswith("__")} == set(hsframe.__all__)
    assert len(set(hsframe.__all__)) == len(hsframe.__all__)
    with pytest.raises(AttributeError, match="no attribute 'his_raed'"):
        _ = hsframe.his_raed


def test_spans_of_now_use_the_present(session: hsframe.Session, server: RunningServer) -> None:
    now = datetime.now(UTC)
    ts_us = np.array([int((now - timedelta(hours=hours)).timestamp()) * 1_000_000 for hours in (30, 20, 1)])
    server.database.set_history("kw", ts_us, np.array([1.0, 2.0, 3.0]))
    assert session.his_read("kw", "-24h")["Power"].to_numpy(dtype=float).tolist() == [2.0, 3.0]
