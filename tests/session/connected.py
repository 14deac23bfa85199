"""A session of a database on the embedded server, and its columns as plain floats."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd

import hsframe
from hsframe.server.database import Database
from hsframe.testing.server import running_server


@contextmanager
def connected(database: Database) -> Iterator[hsframe.Session]:
    with (
        running_server(database) as server,
        hsframe.connect(server.uri, server.user, server.password) as session,
    ):
        yield session


def break_point(database: Database, ident: str) -> None:
    """Let reading the history of a point fail on the server."""
    histories = database.histories

    def broken(ids: Sequence[str], *window: Any) -> Any:
        if ident in ids:
            raise RuntimeError("the disk is broken")
        return histories(ids, *window)

    database.histories = broken  # type: ignore[method-assign]


def floats(column: pd.Series[Any]) -> list[float]:
    return np.asarray(column, dtype=np.float64).tolist()
