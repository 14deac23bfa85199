"""A path means one folder, whoever reads it: Python, pyarrow, delta-rs; and before anything is read or made."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.errors import MetadataError
from tests.archive.building import SINCE, assert_in_step

ODD = ["100%", "a b", "ab:cd", "file:foo", "q?#[x]*", "Gebäude", "s3:x", "x%zz", "~", "'\""]


def there(folder: Path) -> set[str]:
    return {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home, and beside it the folder in which the program runs."""
    for name in ("home", "here"):
        (tmp_path / name).mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path / "here")
    return tmp_path / "home"


@pytest.mark.parametrize("name", ODD)
def test_a_path_of_any_characters_is_one_folder(name: str, home: Path, session: Session) -> None:
    given = "./~" if name == "~" else os.path.abspath(name) if name == "file:foo" else name
    archive = Archive(given)
    assert set(archive.sync("temp", session=session, since=SINCE)["status"]) == {"synced"}
    (own,) = os.listdir()
    assert own == name
    assert os.listdir(home) == []
    assert_in_step(Archive(os.path.abspath(name)), session, "temp")
    assert archive.check().empty
    assert set(Archive(Path(os.path.abspath(name)).as_uri()).sync(session=session)["status"]) == {"same"}


def test_what_is_in_a_home_is_meant_by_all(home: Path, session: Session) -> None:
    Archive(home / "trends").sync("temp", session=session, since="yesterday")
    archive = Archive("~/trends")
    assert set(archive.sync(session=session, since=SINCE)["status"]) == {"synced"}
    assert_in_step(archive, session, "temp")
    df = session.his_read("temp", "yesterday")
    hsframe.write_parquet(df, "~/wide.parquet")
    session.export("temp", "yesterday", "~/export")
    session.export("temp", "yesterday", "~/tidy.parquet", layout="tidy")
    (home / ".wide2.parquet.export").mkdir()  # what a tidy export has left
    session.export("temp", "yesterday", "~/wide2.parquet", layout="wide")
    assert sorted(os.listdir(home)) == ["export", "tidy.parquet", "trends", "wide.parquet", "wide2.parquet"]
    assert os.listdir() == []
    pd.testing.assert_frame_equal(hsframe.read_parquet("~/wide.parquet"), df)
    assert len(hsframe.read_parquet((home / "tidy.parquet").as_uri())) == len(df)
    assert Archive("~/other").add("~/wide.parquet")["rows_new"].tolist() == [len(df)]


def test_an_archive_stays_where_it_was_opened(home: Path, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = Archive("trends")
    archive.sync("temp", session=session, since=SINCE)
    (home / "link").symlink_to(os.path.abspath("trends"))
    monkeypatch.chdir(home)
    assert archive.check().empty
    assert_in_step(archive, session, "temp")
    assert_in_step(Archive("link"), session, "temp")
    assert_in_step(Archive("link/../trends"), session, "temp")  # ".." goes up from where the link leads to
    assert archive.his_read("temp", "yesterday").hs.source["uri"] == str(home.parent / "here" / "trends")


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("~nosuchuser/trends", r"in no home of this machine; write './~nosuchuser/trends"),
        ("file:foo", r"must be 'file://' and an absolute path"),
        ("file://other/foo", r"must be 'file://' and an absolute path"),
        ("site%20A", "deltalake cannot open such a folder; take another name"),
        ("back\\slash", "deltalake cannot open such a folder"),
        ("new\nline", "deltalake cannot open such a folder"),
        ("file:///foo?x=1", r"must be 'file://' and an absolute path"),
    ],
)
def test_a_path_that_is_none_is_refused_and_nothing_is_made(
    path: str, message: str, home: Path, session: Session
) -> None:
    before = there(home.parent)
    archive = [
        lambda: Archive(path),
        lambda: session.export("temp", "yesterday", path),
        lambda: session.export("temp", "yesterday", f"{path}.parquet", layout="tidy"),
    ]
    file = [  # which have no log
        lambda: session.export("temp", "yesterday", f"{path}.parquet", layout="wide"),
        lambda: hsframe.read_parquet(path),
        lambda: Archive("other").add(path),
    ]
    for refused in [*archive, *([] if "deltalake" in message else file)]:
        with pytest.raises(MetadataError, match=message):
            refused()
    assert there(home.parent) == before
