"""The building whose histories become Dask DataFrames: that of the tests of archives."""

from __future__ import annotations

from collections.abc import Iterator

import dask.threaded
import pytest

from hsframe.server.database import Database
from tests.archive.building import building


@pytest.fixture
def database() -> Database:
    return building()


@pytest.fixture(autouse=True)
def _pools_end() -> Iterator[None]:
    """Dask keeps the pool of a thread that has computed by threads until the next computation, or for ever."""
    yield
    with dask.threaded.pools_lock:
        pools = [pool for by_count in dask.threaded.pools.values() for pool in by_count.values()]
        dask.threaded.pools.clear()
        pools += [dask.threaded.default_pool] if dask.threaded.default_pool else []
        dask.threaded.default_pool = None
    for pool in pools:
        pool.shutdown()
