"""An archive and Dask: its files as a Dask DataFrame, and workers that bring it in step with a server."""

from __future__ import annotations

import _thread
import asyncio
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cloudpickle
import dask
import pandas as pd
import pytest

import hsframe
import hsframe.dask
from hsframe import Archive, Session
from hsframe.dask import sync as syncing
from hsframe.dask.worker import Login, StoredVersion
from hsframe.errors import AuthError, HsFrameError, LoginWarning, MetadataError, ReadWarning
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.archive.building import SINCE, assert_in_step
from tests.dask.test_frames import POINTS, SPAN, assert_same
from tests.session.connected import break_point


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        with dask.config.set(scheduler="sync"):
            yield session
        hsframe.dask.close()


def test_the_files_of_an_archive_are_a_dask_frame(tmp_path: Path, session: Session) -> None:
    archive = Archive(tmp_path / "trends")
    archive.sync("point", session=session, since=SINCE)
    expected = archive.his_read(POINTS, SPAN)
    wide = archive.to_dask(POINTS, SPAN, by="1D")
    tidy = archive.to_dask("point", SPAN, shape="tidy", by="1D", tz="UTC")
    session.close()
    assert wide.npartitions == tidy.npartitions == 8
    assert_same(wide, expected)
    assert len(tidy) == len(archive.his_read("point", SPAN, shape="tidy", tz="UTC"))


def test_what_workers_read_of_an_archive_is_the_version_of_its_moment(
    tmp_path: Path, session: Session, database: Database
) -> None:
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    ddf, before = archive.to_dask("temp", SPAN, by="2D"), archive.his_read("temp", SPAN)
    database.history("temp").values[:] = 7.0
    archive.sync("temp", session=session, overlap="30D")
    assert archive.his_read("temp", SPAN)["TEMP"].unique().tolist() != before["TEMP"].unique().tolist()
    assert_same(ddf, before)


def test_secret_options_of_an_object_store_are_not_sent() -> None:
    options = {"AWS_SECRET_ACCESS_KEY": "hush", "AWS_SESSION_TOKEN": "hush", "AWS_ENDPOINT_URL": "http://127.0.0.1:1"}
    options |= {
        "token": "hush",
        "region": "here",
        "AZURE_STORAGE_ACCOUNT_KEY": "hush",
        "azure_storage_endpoint": "there",
    }
    stored = StoredVersion.of("s3://bucket/a", options, 3)
    sent = {"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "region": "here", "azure_storage_endpoint": "there"}
    assert dict(stored.options) == sent
    assert b"hush" not in cloudpickle.dumps(stored)


def test_workers_bring_an_archive_in_step(
    tmp_path: Path, session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsframe.dask.sync._LEAST_POINTS", 2)
    monkeypatch.setenv("HSFRAME_PASSWORD", "demo")
    break_point(database, "plain")
    archive, other = Archive(tmp_path / "dask"), Archive(tmp_path / "local")
    for _ in range(2):
        with ThreadPoolExecutor(4) as pool, dask.config.set(scheduler="threads", pool=pool):
            table = archive.sync("point", session=session, since=SINCE, engine="dask")
        pd.testing.assert_frame_equal(table, other.sync("point", session=session, since=SINCE))
        columns = ["id", "dis", "kind", "unit", "tz", "since"]
        pd.testing.assert_frame_equal(archive.points[columns], other.points[columns])
        for shape in ("wide", "tidy"):
            with pytest.warns(ReadWarning, match="1 of 6 points may lack samples: of the first, @plain"):
                found, expected = (one.his_read("point", SPAN, shape=shape, tz="UTC") for one in (archive, other))
            pd.testing.assert_frame_equal(found, expected)
        database.history("temp").values[-50:] = 7.0
    assert table.set_index("id")["status"].to_dict() | {"run": ""} == {
        **dict.fromkeys(("power", "mode", "empty"), "same"),
        "temp": "synced",
        "plain": "failed",
        "run": "",
    }
    with pytest.raises(HsFrameError, match="plain"):
        archive.sync("point", session=session, engine="dask", on_error="raise")
    monkeypatch.delenv("HSFRAME_PASSWORD")
    hsframe.dask.close()
    with pytest.raises(AuthError):
        archive.sync("point", session=session, engine="dask")


def test_an_interrupt_begins_no_more_groups_and_the_same_call_goes_on(
    tmp_path: Path, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsframe.dask.sync._LEAST_POINTS", 1)
    monkeypatch.setenv("HSFRAME_PASSWORD", "demo")
    begun: list[str] = []
    interrupted = threading.Event()
    fill = syncing._fill

    async def filling(client: Any, stored: Any, jobs: Any, *rest: Any) -> Any:
        begun.append(jobs[0].record.id)
        if len(begun) == 2:
            _thread.interrupt_main()
            await asyncio.to_thread(interrupted.wait, 30)
        return await fill(client, stored, jobs, *rest)

    archive = Archive(tmp_path / "trends")
    with monkeypatch.context() as patch:
        patch.setattr(syncing, "_fill", filling)
        with pytest.raises(KeyboardInterrupt):
            archive.sync("point", session=session, since=SINCE, engine="dask", max_concurrency=1)
        interrupted.set()
        for thread in [one for one in threading.enumerate() if one.name.startswith("hsframe-work")]:
            thread.join()
        assert len(begun) == 2
    archive.sync("point", session=session, since=SINCE, engine="dask")
    assert_in_step(archive, session)


def test_a_worker_does_not_log_in_by_less_than_the_archive_notes(
    tmp_path: Path, session: Session, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Something else may answer there than here."""
    archive = Archive(tmp_path)
    archive.sync("temp", session=session, since=SINCE)
    before = archive.his_read("temp", SPAN)
    database.history("temp").values[:] = 7.0
    words = "by SCRAM before, and now offers no login.*auth='none'"
    with running_server(database, {}) as other:
        for is_logged_in in (False, True):
            with hsframe.connect(other.uri, "demo", "demo") as there:
                if is_logged_in:
                    with pytest.warns(LoginWarning, match="wants no login of 'demo'"):
                        there.read("site")
                monkeypatch.setattr(Login, "_session", lambda login, there=there: there)
                with pytest.raises(AuthError, match=words) as caught:
                    archive.sync("temp", session=session, overlap="30D", engine="dask", on_error="raise")
                assert "HSFRAME_PASSWORD" not in str(caught.value)
    pd.testing.assert_frame_equal(archive.his_read("temp", SPAN), before)


def test_a_session_with_secret_settings_is_not_sent(tmp_path: Path, session: Session) -> None:
    words = "headers= or proxy=, which may be secret and are not sent"
    with (
        hsframe.connect(session.uri, "demo", "demo", headers={"X-Key": "hush"}) as other,
        pytest.raises(MetadataError, match=words),
    ):
        Archive(tmp_path).sync("point", session=other, engine="dask")
