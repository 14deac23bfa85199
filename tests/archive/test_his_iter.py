"""The frames of his_iter, put together, are the frame of his_read, from a server and from an archive."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.errors import GapWarning, MetadataError, ReadWarning, SpanError
from hsframe.server.database import Database
from tests.archive.building import SINCE
from tests.session.connected import break_point

YESTERDAY = pd.Timestamp.now("UTC").date() - pd.Timedelta("1D")
SPAN = (SINCE, YESTERDAY)


@pytest.mark.parametrize("by", ["1D", "1W", "1M", "1Y"])
@pytest.mark.parametrize(
    "how",
    [
        {},
        {"interval": "1h"},
        {"interval": "1W", "edges": "whole"},
        {"interval": "6h", "week_start": "sunday"},
        {"shape": "tidy"},
        {"tz": "Tokyo", "na": "flag"},
    ],
)
def test_the_parts_are_the_whole(session: Session, by: str, how: dict[str, Any]) -> None:
    frames = list(session.his_iter(["temp", "plain"], SPAN, by=by, **how))
    whole = session.his_read(["temp", "plain"], SPAN, **how)
    together = pd.concat(frames, ignore_index="shape" in how)
    if "shape" in how:
        together = together.sort_values(["id", "ts"], ignore_index=True)
    pd.testing.assert_frame_equal(together, whole, check_freq=False)
    if how.get("interval") != "1W":
        length = {"1W": "W-SAT" if "week_start" in how else "W-SUN"}.get(by, by[1])  # named by their last day
        assert len(frames) == pd.date_range(SINCE, YESTERDAY).to_period(length).nunique()


def test_all_parts_of_some_points_come_before_the_next_points(session: Session) -> None:
    frames = list(session.his_iter("point", (SINCE, "today"), by="1W", points_at_once=2))
    labels = [tuple(df.columns) for df in frames]
    count = len(frames) // 4
    assert labels == [
        label for label in [("TEMP", "PLAIN"), ("RUN", "MODE"), ("EMPTY",), ("POWER",)] for _ in range(count)
    ]
    starts = [df.hs.source["start"] for df in frames]
    assert starts == [start for four in range(4) for start in sorted(starts[four * count : (four + 1) * count])]
    assert [str(df.index.tz) for df in frames][-1] == "Asia/Kathmandu"
    assert all(df.index[0].day_of_week == 0 for df in frames[1:count] if len(df))
    pd.testing.assert_frame_equal(pd.concat(frames[:count]), session.his_read(["temp", "plain"], (SINCE, "today")))


def test_a_span_that_begins_within_an_interval_warns_once(session: Session) -> None:
    span = (pd.Timestamp(SINCE, tz="Europe/London") + pd.Timedelta("4.5D"), YESTERDAY)
    with pytest.warns(GapWarning, match="in no row") as told:
        frames = list(session.his_iter("temp", span, by="1W", interval="1D"))
    assert len(told) == 1
    pd.testing.assert_frame_equal(
        pd.concat(frames), session.his_read("temp", span, interval="1D", edges="whole"), check_freq=False
    )


def test_labels_are_those_of_one_frame(session: Session, database: Database) -> None:
    for name in ("temp", "power"):
        database.update(name, {"dis": "Same"})
    frames = list(session.his_iter(["temp", "power"], SPAN, points_at_once=1))
    assert {label for df in frames for label in df.columns} == set(session.his_read(["temp", "power"], SPAN, tz="UTC"))


def test_points_that_fail_are_in_the_catalog_of_each_frame(session: Session, database: Database) -> None:
    break_point(database, "temp")
    with pytest.raises(hsframe.CallError):
        list(session.his_iter(["temp", "plain"], SPAN))
    frames = list(session.his_iter(["temp", "plain", "nobody"], SPAN, on_error="catalog"))
    assert all(df.hs.catalog["status"].tolist() == ["failed", "ok", "failed"] for df in frames if len(df))
    with pytest.warns(ReadWarning, match="2 of 3 points could not be read"):
        list(session.his_iter(["temp", "plain", "nobody"], "yesterday", on_error="warn"))
    (df,) = session.his_iter(["nobody"], SPAN, on_error="catalog")
    assert df.hs.catalog["status"].tolist() == ["failed"]


def test_an_open_span_ends_with_all_that_there_is(session: Session) -> None:
    frames = list(session.his_iter("temp", (SINCE, None), by="1W"))
    pd.testing.assert_frame_equal(pd.concat(frames), session.his_read("temp", (SINCE, None)))
    assert frames[-1].hs.source["end"] is None


def test_an_archive_gives_the_same(session: Session, tmp_path: Path, database: Database) -> None:
    session.export("point", SPAN, tmp_path)
    archive = Archive(tmp_path)
    ours, theirs = (list(one.his_iter("point", SPAN, by="1W", points_at_once=2)) for one in (archive, session))
    assert len(ours) == len(theirs)
    for one, other in zip(ours, theirs, strict=True):
        pd.testing.assert_frame_equal(one, other)
    for df in archive.his_iter("point", SPAN):  # left early
        assert len(df)
        break


def test_what_is_refused_is_refused_by_the_call(session: Session) -> None:
    for how, error, said in [
        ({"by": "6h"}, SpanError, "by='6h' is less than a day; expected '1D'"),
        ({"by": "soon"}, SpanError, "soon"),
        ({"points_at_once": 0}, MetadataError, "points_at_once must be a number, 1 or more; got 0"),
        ({"shape": "dict"}, MetadataError, "shape='dict' is unknown; expected 'wide' or 'tidy'"),
        ({"agg": "mean"}, MetadataError, "there is no interval for agg="),
    ]:
        with pytest.raises(error, match=said):
            hsframe.his_iter("point", SPAN, **how)  # type: ignore[arg-type]


def test_the_asynchronous_session_iterates_too(session: Session) -> None:
    async def read() -> list[pd.DataFrame]:
        async with hsframe.AsyncSession(session.uri, "demo", "demo") as s:
            return [df async for df in s.his_iter("temp", SPAN, by="1W")]

    pd.testing.assert_frame_equal(pd.concat(asyncio.run(read())), session.his_read("temp", SPAN))
