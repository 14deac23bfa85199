"""Dask DataFrames of a server: the same rows as his_read gives, units kept, nothing secret sent, no server trampled."""

from __future__ import annotations

import ast
import asyncio
import json
import os
import subprocess
import sys
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import dask.dataframe as dd
import numpy as np
import pandas as pd
import pytest

import hsframe
import hsframe.dask
from hsframe import Session
from hsframe.caller_warnings import warn_caller
from hsframe.dask import frames
from hsframe.errors import (
    GapWarning,
    HsFrameError,
    HTTPStatusError,
    MetadataError,
    ReadWarning,
    SpanError,
    UnitError,
    UnitWarning,
)
from hsframe.server.app import SERVED_OPS
from hsframe.server.database import Database
from hsframe.session import reading
from hsframe.testing.server import RunningServer, running_server
from tests.archive.building import FIRST_US, add_point
from tests.session.connected import break_point

SECRET = "an-even-longer-secret"
FIRST = pd.Timestamp(FIRST_US, unit="us", tz="UTC").floor("D") + pd.Timedelta("3D")
SPAN = (FIRST, FIRST + pd.Timedelta("8D"))
POINTS = ["@temp", "@plain", "@run", "@mode", "@empty"]


def secret() -> str:
    return SECRET


def in_dask(points: Any, span: Any, server: RunningServer, **settings: Any) -> Any:
    return hsframe.dask.his_read(points, span, server.uri, "ann", secret, **settings)


@pytest.fixture
def server(database: Database) -> Iterator[RunningServer]:
    with running_server(database, {"ann": SECRET}) as server, dask.config.set(scheduler="sync"):
        yield server
        hsframe.dask.close()
        assert server.open_sessions == 0


@pytest.fixture
def session(server: RunningServer) -> Iterator[Session]:
    with hsframe.connect(server.uri, "ann", SECRET) as session:
        yield session


def assert_same(ddf: Any, df: pd.DataFrame) -> None:
    """To the last bit; the order of categories and Dask's own dtype of texts apart."""
    found = ddf.compute()
    for name, dtype in df.dtypes.items():
        if found.dtypes[name] != dtype:
            assert {str(dtype), str(found.dtypes[name])} <= {"category", "str", "string"}
            found[name] = found[name].astype(dtype)
    pd.testing.assert_frame_equal(found, df, check_freq=False, check_exact=True)


def test_a_wide_frame_is_that_of_his_read(server: RunningServer, session: Session) -> None:
    ddf = in_dask(POINTS, SPAN, server, by="1D", tz="UTC")
    assert ddf.npartitions == 8
    assert [ddf.divisions[0], ddf.divisions[-1]] == [SPAN[0], SPAN[1] - pd.Timedelta("1us")]
    assert ddf.dtypes.astype(str).to_dict() == {
        "TEMP": "unit[°C]",
        "PLAIN": "float64",
        "RUN": "boolean",
        "MODE": "category",
        "EMPTY": "unit[kW]",
    }
    assert_same(ddf, session.his_read(POINTS, SPAN, tz="UTC"))
    hours = session.his_read(["@temp"], SPAN).resample("1h").mean()
    found = in_dask("temp", SPAN, server, by="1D").resample("1h").mean().compute()
    pd.testing.assert_frame_equal(found, hours, check_freq=False)


def test_a_tidy_frame_is_that_of_his_read(
    server: RunningServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(frames, "_SAMPLES", 300)
    ddf = in_dask("point", SPAN, server, shape="tidy", tz="UTC")
    assert ddf.npartitions > 8
    assert ddf.map_partitions(lambda df: len(df), meta=("rows", int)).max().compute() <= 300
    found = ddf.compute()
    found["id"] = found["id"].astype("str")
    found = found.sort_values(["id", "ts"], ignore_index=True)
    expected = session.his_read("point", SPAN, shape="tidy", tz="UTC")
    for name in ("id", "text", "unit"):
        found[name], expected[name] = (df[name].astype("str") for df in (found, expected))
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_a_month_is_a_partition_however_long_it_is(server: RunningServer) -> None:
    ddf = in_dask("temp", "2026-02-01,2026-04-30", server, by="1M", interval="1M")
    assert [f"{one:%d.%m.}" for one in ddf.divisions[:-1]] == ["01.02.", "01.03.", "01.04."]


def test_values_over_intervals_and_points_of_several_zones(server: RunningServer, session: Session) -> None:
    how: dict[str, Any] = {"interval": "1h", "units": {"TEMP": "°F"}, "header": "dis"}
    assert_same(in_dask(POINTS[:3], SPAN, server, by="1D", **how), session.his_read(POINTS[:3], SPAN, **how))
    days: dict[str, Any] = {"interval": "1D", "edges": "whole", "tz": "UTC"}
    noon = (SPAN[0] + pd.Timedelta("12h"), SPAN[1] - pd.Timedelta("1h"))
    assert_same(in_dask("temp", noon, server, by="1D", **days), session.his_read("temp", noon, **days))
    points = ["@temp", "@power"]
    assert_same(in_dask(points, SPAN, server, by="1W", **days), session.his_read(points, SPAN, **days))
    local = (str(FIRST.date()), str(FIRST.date()))
    with pytest.raises(MetadataError, match="another time in each zone of the points; give instants") as caught:
        in_dask(points, local, server)
    instants = ast.literal_eval(str(caught.value).partition("instants, as ")[2].partition(", or")[0])
    wide = in_dask(points, instants, server, tz="UTC").compute()
    assert len(wide) >= len(session.his_read(points, local, tz="UTC"))
    tidy = in_dask(points, local, server, shape="tidy", tz="UTC").compute()
    assert len(tidy) == len(session.his_read(points, local, shape="tidy", tz="UTC")) > 90


@pytest.mark.parametrize(("interval", "by"), [("1h", "1D"), ("1D", "1D"), ("1D", "1W"), ("1W", "1W"), ("1W", "1M")])
@pytest.mark.parametrize("points", [["@temp"], ["@power"], ["@temp", "@york"], ["@temp", "@power", "@lord"]])
def test_each_partition_has_rows_of_each_zone_and_counts_that_may_be_missing(
    server: RunningServer, session: Session, database: Database, points: list[str], interval: str, by: str
) -> None:
    for name, tz in (("lord", "Lord_Howe"), ("york", "New_York")):
        add_point(database, name, "Number", tz=tz)
        database.set_history(name, database.history("temp").ts_us, database.history("temp").values)
    how: dict[str, Any] = {"interval": interval, "agg": "count", "edges": "whole", "tz": "UTC"}
    for end in (SPAN[1] + pd.Timedelta("3D"), *(SPAN[1] - pd.Timedelta(f"{hour}h") for hour in (2, 7, 12, 19))):
        span = (FIRST + pd.Timedelta("3.5h"), end + pd.Timedelta("5D"))
        ddf, expected = in_dask(points, span, server, by=by, **how), session.his_read(points, span, **how)
        found = ddf.compute()
        assert found.dtypes.tolist() == ddf.dtypes.tolist()
        assert set(map(str, found.dtypes)) == {"int64" if len(points) == 1 else "Int64"}
        pd.testing.assert_frame_equal(found.astype("Int64"), expected.astype("Int64"), check_freq=False)


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # Dask's own, in to_parquet
def test_units_go_through_what_people_do(server: RunningServer, session: Session, tmp_path: Path) -> None:
    ddf, df = in_dask(["@temp", "@mode"], SPAN, server, by="1D"), session.his_read(["@temp", "@mode"], SPAN)
    halves = dd.merge(ddf[["TEMP"]], ddf[["MODE"]], left_index=True, right_index=True)
    pd.testing.assert_series_equal(halves["TEMP"].compute(), df["TEMP"], check_freq=False)
    assert ddf[["TEMP"]].max().compute()["TEMP"].unit == "°C"
    assert ddf.resample("1h").agg({"TEMP": "mean"}).compute().hs.units == {"TEMP": "°C"}
    least = ddf.groupby("MODE", observed=True)["TEMP"].min().compute()
    assert least.to_dict() == df.groupby("MODE", observed=True)["TEMP"].min().to_dict()
    assert str(least.dtype) == "unit[°C]"
    assert str(ddf.reset_index().set_index("ts", sorted=True)["TEMP"].compute().dtype) == "unit[°C]"
    ddf[["TEMP"]].to_parquet(tmp_path / "all")
    back = dd.read_parquet(tmp_path / "all").compute()
    np.testing.assert_array_equal(back["TEMP"].to_numpy(), df["TEMP"].to_numpy())


@pytest.mark.parametrize("how", ["sum", "mean", "min", "max", "std", "var", "sem", "quantile"])
def test_a_statistic_of_a_column_has_its_unit(how: str) -> None:
    for unit in ("kW", "°F"):
        series = pd.Series(np.random.default_rng(1).normal(size=50), dtype=f"unit[{unit}]")
        found = hsframe.dask.statistic(dd.from_pandas(series, npartitions=3), how).compute(scheduler="sync")
        expected = getattr(series, how)()
        exact = series.min() <= found <= series.max() if how == "quantile" else found == pytest.approx(float(expected))
        assert exact  # quantiles of several partitions are Dask's estimates
        assert getattr(found, "unit", None) == getattr(expected, "unit", None)
    with pytest.raises(UnitError, match=r"takes a Dask column with a unit, as ddf\['kW'\]; got a float"):
        hsframe.dask.statistic(1.0, how)


def test_a_partition_that_is_not_as_the_frame_says_is_refused(server: RunningServer, database: Database) -> None:
    ddf = in_dask(["@temp", "@plain"], SPAN, server, by="1D")
    database.update("temp", {"unit": "kW"})
    words = r"unit\[kW\] in column 'TEMP', and the Dask DataFrame unit\[°C\]: its"
    with pytest.warns(UnitWarning), pytest.raises(MetadataError, match=words):
        ddf.compute()
    database.update("temp", {"unit": "°C", "kind": "Str"})
    database.set_history("temp", database.history("plain").ts_us, ["on"] * len(database.history("plain").ts_us))
    words = "has category in column 'TEMP', and the Dask DataFrame unit"
    with pytest.warns(ReadWarning, match="texts among their samples"), pytest.raises(MetadataError, match=words):
        ddf.compute()


def test_records_are_read_once_for_all_partitions(server: RunningServer, session: Session, database: Database) -> None:
    wide = in_dask("temp or plain", SPAN, server, by="1D", tz="UTC", interval="1h")
    tidy = in_dask("temp or plain", SPAN, server, shape="tidy", by="1D", tz="UTC")
    expected = session.his_read("temp or plain", SPAN, interval="1h", tz="UTC")
    server.app[SERVED_OPS].pop("read")
    database.update("temp", {"dis": "Other"})
    assert_same(wide, expected)
    assert len(tidy) == 2 * 8 * 96


def test_a_point_that_cannot_be_read_fails_its_partition(server: RunningServer, database: Database) -> None:
    ddf = in_dask(["@temp", "@plain"], SPAN, server, by="1D")
    break_point(database, "temp")
    with pytest.raises(HsFrameError, match="temp"):
        ddf.compute()


def test_nothing_secret_is_in_what_dask_sends(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HSFRAME_PASSWORD", SECRET)
    for password in (None, secret):
        ddf = hsframe.dask.his_read("temp", SPAN, server.uri, "ann", password, by="1D", connect={"timeout": "9s"})
        for sent in (ddf, dict(ddf.__dask_graph__()), dict(ddf.optimize().__dask_graph__())):
            assert SECRET.encode() not in cloudpickle.dumps(sent)
        assert len(ddf) > 0


@pytest.mark.parametrize("uri", [f"http://ann:{SECRET}@127.0.0.1:1/api", f"http://127.0.0.1:1/api?key={SECRET}"])
def test_a_secret_in_the_uri_is_refused(uri: str) -> None:
    with pytest.raises(MetadataError, match="uri= has a user, a password or a query") as caught:
        hsframe.dask.his_read("temp", SPAN, uri)
    assert SECRET not in str(caught.value)


class _Vault:
    def password(self) -> str:
        return SECRET


@pytest.mark.parametrize("password", [SECRET, lambda: SECRET, _Vault().password, _Vault()])
def test_a_password_that_would_be_sent_is_refused(password: Any) -> None:
    words = "given as a text would be sent" if isinstance(password, str) else "cannot be imported by workers"
    with pytest.raises(MetadataError, match=words) as caught:
        hsframe.dask.his_read("temp", SPAN, "http://127.0.0.1:1/api", "ann", password)
    assert SECRET not in str(caught.value)


def test_a_function_of_the_program_itself_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["__main__"], "mine", secret, raising=False)
    monkeypatch.setattr(secret, "__module__", "__main__")
    monkeypatch.setattr(secret, "__qualname__", "mine")
    with pytest.raises(MetadataError, match=r"password=__main__\.mine cannot be imported by workers"):
        hsframe.dask.his_read("temp", SPAN, "http://127.0.0.1:1/api", "ann", secret)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"shape": "dict"}, "shape='dict' is not for dict partitions.*expected 'wide' or 'tidy'"),
        ({"shape": "tidy", "agg": {"°C": "min"}, "interval": "1h"}, "agg=.*tidy partitions.*one of its other forms"),
        ({"boundary": "before"}, "boundary='before' is not for wide partitions"),
        ({"on_error": "warn"}, "on_error='warn' is not for wide partitions"),
        ({"interval": "1h", "agg": ["min", "max"]}, "a Dask DataFrame has no columns in levels"),
        ({"header": ("dis", "id")}, "a Dask DataFrame has no columns in levels"),
        ({"interval": "1M", "by": "1D"}, "by='1D' is shorter than interval='1M'"),
        ({"shape": "tidy", "units": {"°C": "°F"}}, "units=.* is not for tidy partitions"),
        ({"connect": {"token": SECRET}}, "connect={'token': ...} is not sent to workers"),
        ({"connect": {"tls": hsframe.TLSConfig(key_password=SECRET)}}, "connect={'tls': ...} is not sent to workers"),
    ],
)
def test_what_is_not_for_partitions_is_refused(server: RunningServer, settings: dict[str, Any], words: str) -> None:
    with pytest.raises(MetadataError, match=words) as caught:
        in_dask("temp", SPAN, server, **settings)
    assert SECRET not in str(caught.value)
    with pytest.raises(SpanError, match="has no end, which partitions need"):
        in_dask("temp", (FIRST, None), server)


class _Counter:
    """How many reads run at a time."""

    def __init__(self) -> None:
        self.now = self.most = 0

    async def __call__(self, *args: Any) -> Any:
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(0.005)
        try:
            return await READ(*args)
        finally:
            self.now -= 1


READ = frames.read_frame


def test_threads_read_as_many_partitions_at_a_time_as_may_be(
    server: RunningServer, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    ddf = in_dask("temp", SPAN, server, by="12h", max_concurrency=2)
    monkeypatch.setattr(frames, "read_frame", counter := _Counter())
    with ThreadPoolExecutor(8) as pool, dask.config.set(scheduler="threads", pool=pool):
        assert_same(ddf, session.his_read("temp", SPAN))
    assert counter.most == 2


CLUSTER = """
import json, os, sys, time
import dask
import hsframe.dask
from distributed import Client, LocalCluster

def timed():
    import time
    from hsframe.dask import frames
    read, frames.spent = frames.read_frame, []
    async def read_frame(*args):
        begin = time.time()
        found = await read(*args)
        time.sleep(0.01)
        frames.spent.append((begin, time.time()))
        return found
    frames.read_frame = read_frame

def spent():
    from hsframe.dask import frames
    return frames.spent

def forget_password():
    del os.environ["HSFRAME_PASSWORD"]

if __name__ == "__main__":
    uri, start, end, folder = sys.argv[1:]
    dask.config.set({"distributed.worker.multiprocessing-method": "forkserver"})  # imports once
    how = dict(n_workers=2, threads_per_worker=3, processes=True, dashboard_address=None)
    with LocalCluster(**how) as cluster, Client(cluster) as client:
        client.run(timed)
        ddf = hsframe.dask.his_read("temp", (start, end), uri, "ann", by="12h", max_concurrency=2)
        df = ddf.compute()
        times = client.run(spent)
        with hsframe.connect(uri, "ann") as session:
            archive = hsframe.Archive(folder)
            archive.sync("temp or power", session=session, since=start, engine="dask")
        stored = archive.to_dask("temp", (start, end), by="1D").compute()
        try:
            hsframe.dask.his_read("temp or nothing", (start, end), uri, "nobody", max_concurrency=2)
        except hsframe.AuthError as error:
            refused = type(error).__name__
        ddf = hsframe.dask.his_read("temp", (start, end), uri, "ann", connect={"retries": 1})
        client.run(forget_password)
        try:
            ddf.compute()
        except hsframe.AuthError as error:
            refused += ", " + str(error).rpartition("; ")[2]
    hsframe.dask.close()
    print(json.dumps([df["TEMP"].tolist(), str(df.dtypes["TEMP"]), list(times.values()), refused, stored.equals(df)]))
"""


@pytest.mark.one_python
def test_processes_of_a_cluster_log_in_by_themselves_and_wait_for_their_turn(
    server: RunningServer, session: Session, tmp_path: Path
) -> None:
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    end = SPAN[0] + pd.Timedelta("4D")
    done = subprocess.run(
        [sys.executable, script, server.uri, SPAN[0].isoformat(), end.isoformat(), tmp_path / "trends"],
        env={**os.environ, "HSFRAME_PASSWORD": SECRET, "PYTHONPATH": str(Path(hsframe.__file__).parent.parent)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    values, dtype, times, refused, is_stored = json.loads(done.stdout.splitlines()[-1])
    df = session.his_read("temp", (SPAN[0], end))
    np.testing.assert_array_equal(values, df["TEMP"].to_numpy())
    assert [dtype, is_stored] == ["unit[°C]", True]
    assert refused == "AuthError, a worker has the password from HSFRAME_PASSWORD in its environment"
    assert all(times)  # each process has read
    begun = [(begin, 1) for own in times for begin, _ in own] + [(end, -1) for own in times for _, end in own]
    assert max(np.cumsum([step for _, step in sorted(begun)])) == 2
    assert server.open_sessions == 1  # this one's


def test_an_error_of_a_worker_arrives_as_it_was() -> None:
    error = HTTPStatusError("503 in the middle", status=503, url="http://a/api", retry_after_s=2.0)
    back = cloudpickle.loads(cloudpickle.dumps(error))
    assert [type(back), str(back), vars(back)] == [HTTPStatusError, str(error), vars(error)]


def test_a_warning_of_a_worker_names_no_line_of_asyncio_or_dask(server: RunningServer) -> None:
    ddf = in_dask("@temp", SPAN, server, by="1D", interval="1h", tz="UTC")
    with warnings.catch_warnings(record=True) as told, pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("always")
        patch.setattr("hsframe.session.reading.read_intervals", warned(reading.read_intervals))
        ddf.partitions[0].compute()
    (one,) = [one for one in told if "of a worker" in str(one.message)]
    assert one.filename.startswith(str(Path(hsframe.__file__).parent))


def warned(verb: Any) -> Any:
    """The verb, with a warning of its own."""

    async def warning(*given: Any) -> Any:
        warn_caller("of a worker", GapWarning)
        return await verb(*given)

    return warning
