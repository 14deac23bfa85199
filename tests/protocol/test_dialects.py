"""What is remembered of a server."""

from __future__ import annotations

from hsframe.protocol.dialects import Dialect


def test_the_shortest_body_that_was_refused_is_the_limit() -> None:
    dialect = Dialect()
    for refused in (2000, 1000, 3000):
        dialect.limit_body(refused)
    assert dialect.body_limit == 999
