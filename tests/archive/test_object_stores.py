"""Archives in an object store: S3 as the server of the PyPI package moto has it, over HTTP, in a venv of its own."""

from __future__ import annotations

import os
import random
import re
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.fs as pafs
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.archive.delta import SampleTable
from hsframe.errors import MetadataError
from hsframe.server.database import Database
from tests.archive.building import SINCE, assert_in_step
from tests.archive.warm import Warm

pytestmark = [pytest.mark.interop, pytest.mark.one_python]

PYTHON = Path(__file__).resolve().parent.parent.parent / ".peers" / "moto" / "bin" / "python"
# As many times two programs are killed.
KILLS = int(os.environ.get("HSFRAME_KILLS", "1"))


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[pafs.SubTreeFileSystem]:
    """An empty bucket, whose server and keys are in the environment."""
    if not PYTHON.exists():
        pytest.skip(f"moto is not installed in {PYTHON.parent.parent}: scripts/peers.py does it")
    command = [PYTHON, "-m", "moto.server", "-H", "127.0.0.1", "-p", "0"]
    log = tmp_path_factory.mktemp("moto") / "log"  # not a pipe, which fills up
    with (
        pytest.MonkeyPatch.context() as patch,
        log.open("w") as told,
        subprocess.Popen(command, stderr=told, stdout=told) as process,
    ):
        while (found := re.search(r"http://127\.0\.0\.1:\d+", log.read_text())) is None:
            assert process.poll() is None
            time.sleep(0.1)
        for name, value in {
            "AWS_ENDPOINT_URL": found[0],
            "AWS_ALLOW_HTTP": "true",
            "AWS_REGION": "us-east-1",
            "AWS_ACCESS_KEY_ID": "key",
            "AWS_SECRET_ACCESS_KEY": "hush",
        }.items():
            patch.setenv(name, value)
        keys = {"access_key": "key", "secret_key": "hush", "region": "us-east-1", "scheme": "http"}
        store = pafs.S3FileSystem(endpoint_override=found[0], allow_bucket_creation=True, **keys)
        store.create_dir("works")
        try:
            yield pafs.SubTreeFileSystem("works", store)
        finally:
            process.kill()


def files(bucket: pafs.SubTreeFileSystem, below: str) -> list[str]:
    found = bucket.get_file_info(pafs.FileSelector(below, recursive=True))
    return [info.path for info in found if info.is_file and "_delta_log" not in info.path]


def test_an_archive_in_a_store_is_as_one_in_a_folder(bucket: pafs.SubTreeFileSystem, session: Session) -> None:
    uri = "s3://works/one/trends"
    assert session.export("temp", (SINCE, "yesterday"), uri) == uri
    archive = Archive(uri)
    assert set(archive.sync("temp or run", session=session, since=SINCE)["status"]) <= {"synced", "same"}
    version = archive.versions["version"].iloc[0]
    assert set(archive.sync(session=session)["status"]) == {"same"}
    assert archive.versions["version"].iloc[0] == version
    assert_in_step(archive, session, "temp or run")
    assert archive.compact(overlap="0D")["files_after"].tolist() == [1]
    assert len(archive.vacuum("1ms")) > 3
    assert len(files(bucket, "one/trends")) == 2
    assert archive.check().empty
    assert_in_step(archive, session, "temp or run")
    with pytest.raises(MetadataError, match=r"vacuum\(\) has removed files of it"):
        archive.at(0)
    assert archive.to_arrow("temp", (SINCE, None)).count_rows() == len(session.his_read("temp", (SINCE, None)))
    session.export("temp", (SINCE, "yesterday"), "s3://works/two/temp.parquet", layout="tidy")
    assert files(bucket, "two") == ["two/temp.parquet"]
    with bucket.open_input_file("two/temp.parquet") as file:
        assert len(hsframe.read_parquet(file)) == len(session.his_read("temp", (SINCE, "yesterday")))
    bucket.delete_file(next(path for path in files(bucket, "one/trends") if "period=" in path))
    assert archive.check()["problem"].iloc[0].startswith("it is not there")


def test_two_syncs_at_once_do_not_undo_each_other(
    bucket: pafs.SubTreeFileSystem, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who comes second is refused by the store, which writes an entry of the log only where there is none."""
    first, second, commit = Archive("s3://works/both"), Archive("s3://works/both"), SampleTable.commit
    first.sync("temp", session=session, since=SINCE)

    def after_the_other(self: SampleTable, *args: Any, **settings: Any) -> bool:
        monkeypatch.setattr(SampleTable, "commit", commit)
        second.sync("power", session=session, since=SINCE)
        done.append(commit(self, *args, **settings))
        return done[0]

    done: list[bool] = []
    monkeypatch.setattr(SampleTable, "commit", after_the_other)
    first.sync("plain", session=session, since=SINCE)
    assert done == [False]
    assert_in_step(first, session, ["temp", "power", "plain"])
    assert first.check().empty


def test_what_was_killed_goes_on(bucket: pafs.SubTreeFileSystem, session: Session, database: Database) -> None:
    at_random, uri = random.Random(7), "s3://works/killed"
    with Warm(rows_a_merge=500) as warm:
        for number in range(KILLS):
            verbs = ["sync", at_random.choice(["sync", "compact"])]
            pids = [warm.start(verb, session.uri, path=uri, points="temp or run", since=str(SINCE)) for verb in verbs]
            time.sleep(at_random.uniform(0.3, 1.5))
            for pid in pids:
                warm.kill(pid)
            some = database.history("temp").ts_us[number::50]
            database.history("temp").merge(some, np.full(len(some), float(number)), np.zeros(len(some), bool))
        archive = Archive(uri)
        assert set(archive.sync("temp or run", session=session, since=SINCE, overlap="30D")["status"]) <= {
            "synced",
            "same",
        }
        assert_in_step(archive, session, "temp or run")
        assert archive.check()["problem"].str.startswith("no version counts it").all()
