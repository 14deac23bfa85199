"""Fixtures of pytest: a Haystack server for a test, and a session with it.

In the ``conftest.py`` beside ``pyproject.toml``::

    pytest_plugins = ["hsframe.pytest_plugin"]

Said there, and no entry point of the package: pytest imports those in each of its runs, also where no test uses
hsframe, and pandas takes a second.

A test that takes ``hsframe_session`` calls the functions of the package as a notebook does. By a parameter the server
has quirks of others (:mod:`hsframe.testing.quirks`)::

    @pytest.mark.parametrize("hsframe_server", ["skyspark3", ["haxall", "rowcap=1000"]], indirect=True)
    def test_report(hsframe_session): ...

To serve something else, a ``conftest.py`` or a test file has an ``hsframe_server`` of its own::

    @pytest.fixture
    def hsframe_server():
        with running_server(database_of(df)) as server:  # hsframe.testing.server, hsframe.testing.frames
            yield server
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from hsframe.server.demo import demo_building
from hsframe.session import Session, connect
from hsframe.testing.server import RunningServer, running_server

# It is made for each test, so that none sees what another has written; 400 days would take ten times as long.
_DAYS = 30


@pytest.fixture
def hsframe_server(request: pytest.FixtureRequest) -> Iterator[RunningServer]:
    """A server of the demo building with the last 30 days, for one test; its parameter is a quirk, or several."""
    quirks = getattr(request, "param", ())
    with running_server(demo_building(days=_DAYS), quirks=[quirks] if isinstance(quirks, str) else quirks) as server:
        yield server


@pytest.fixture
def hsframe_session(hsframe_server: RunningServer) -> Iterator[Session]:
    """A session with ``hsframe_server``, which is that of the package's functions too."""
    with connect(hsframe_server.uri, hsframe_server.user, hsframe_server.password) as session:
        yield session
