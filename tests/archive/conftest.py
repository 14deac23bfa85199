"""The building whose histories are archived, and a session with its server."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.archive.building import SINCE, building, forget_server


@pytest.fixture
def database() -> Database:
    return building()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        yield session


@pytest.fixture(scope="session")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An archive of all points of the building, which is not changed."""
    path = tmp_path_factory.mktemp("whole") / "trends"
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        Archive(path).sync("point", session=session, since=SINCE)
    forget_server(path)
    return path


@pytest.fixture
def trends(whole: Path, tmp_path: Path) -> Archive:
    """A copy of it, for a test that changes it."""
    return Archive(shutil.copytree(whole, tmp_path / "trends"))
