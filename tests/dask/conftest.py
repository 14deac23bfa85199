"""The building whose histories become Dask DataFrames: that of the tests of archives."""

from __future__ import annotations

import pytest

from hsframe.server.database import Database
from tests.archive.building import building


@pytest.fixture
def database() -> Database:
    return building()
