"""What a person looks for stands where a terminal of 80 columns shows it."""

from __future__ import annotations

import pandas as pd

import hsframe
from hsframe.testing.server import running_server

FIRST = ["id", "dis", "navName", "kind", "unit", "tz", "siteRef", "siteRef->dis", "equipRef", "equipRef->dis"]


def test_records_begin_with_what_names_a_point() -> None:
    with running_server() as server, hsframe.connect(server.uri, "demo", "demo") as s:
        points, none, one = s.read("point and his"), s.read("no_such_tag"), s.read_by_ids("nyc-meter-kw")
    assert points.columns[: len(FIRST)].tolist() == one.columns[: len(FIRST)].tolist() == FIRST
    rest = points.columns[len(FIRST) :]
    assert not set(rest) & set(FIRST)
    assert none.columns.tolist() == ["id", "dis"]


def test_the_report_of_a_write_shows_its_verdict_in_80_columns() -> None:
    with running_server() as server, hsframe.connect(server.uri, "demo", "demo") as s:
        df = s.his_read('power and siteRef->dis == "Harbor Tower"', "2026-01-05").head(4)
        dry, done = s.his_write(df + 1, dry_run=True), s.his_write(df + 1, verify=True)
        utc = s.his_write(s.his_read("power", "2026-01-05", tz="UTC").dropna().head(2), dry_run=True)
    with pd.option_context("display.width", 80, "display.max_columns", 0):
        assert repr(dry).splitlines()[0].split()[-2:] == ["different", "status"]
        assert repr(done).splitlines()[1].split()[-1] == "verified"
    assert str(done["first"].dt.tz) == "America/New_York"
    assert str(utc["first"].dt.tz) == "UTC"
