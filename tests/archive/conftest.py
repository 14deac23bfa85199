"""The building whose histories are archived, and a session with its server."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import hsframe
from hsframe import Session
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.archive.building import building


@pytest.fixture
def database() -> Database:
    return building()


@pytest.fixture
def session(database: Database) -> Iterator[Session]:
    with running_server(database) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        yield session
