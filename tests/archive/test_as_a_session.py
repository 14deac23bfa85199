"""A notebook for a server runs on an archive: the same calls give the same frames, warnings and errors."""

from __future__ import annotations

import inspect
import warnings
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import hsframe
from hsframe import Archive, Session
from hsframe.errors import MetadataError, ReadWarning, UnknownRecError
from hsframe.testing.server import running_server
from tests.archive.building import NOW_US, SINCE, building

pytestmark = pytest.mark.one_python

ALL = (SINCE, None)
DAY = str(pd.Timestamp(NOW_US, unit="us").date() - timedelta(days=5))
WEEK = (DAY, str(pd.Timestamp(NOW_US, unit="us").date() - timedelta(days=3)))

HOURS = pd.DataFrame({"start": pd.to_datetime([f"{DAY}T05:10Z", f"{DAY}T01:00Z"])})
HOURS["end"] = HOURS["start"] + pd.Timedelta("3h")

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("read", ("point",), {}),
    ("read", ('equipRef->siteRef->dis == "Works"',), {"limit": 2}),
    ("read", ("nothing",), {"limit": 2}),
    ("read_by_ids", (["power", "temp"],), {}),
    ("read_by_ids", ("@site",), {}),
    ("his_read", ("point", ALL), {"tz": "UTC"}),
    ("his_read", (["@temp"], "yesterday"), {"header": "id"}),
    ("his_read", ("point", WEEK), {"header": ("equipRef->dis", "navName"), "tz": "UTC"}),
    ("his_read", ("point", WEEK), {"header": lambda tags: str(tags["dis"]).lower(), "tz": "UTC"}),
    ("his_read", ("point", ALL), {"shape": "tidy", "tz": "New_York"}),
    ("his_read", ("point", WEEK), {"shape": "dict"}),
    ("his_read", ("temp", "thisWeek"), {"week_start": "sunday"}),
    ("his_read", ("temp or power", WEEK), {"units": "ip", "tz": "UTC"}),
    ("his_read", ("temp or power", WEEK), {"units": {"@power": "MW"}, "tz": "UTC"}),
    ("his_read", ("point", ALL), {"na": "flag", "tz": "UTC"}),
    ("his_read", ("point", WEEK), {"interval": "1h", "tz": "UTC"}),
    ("his_read", ("temp", WEEK), {"interval": "1D", "agg": ["mean", "max", "coverage"]}),
    ("his_read", ("temp or power", WEEK), {"interval": "1D", "agg": {"@temp": "min"}, "tz": "local"}),
    ("his_read", ("temp", ALL), {"interval": "30min", "max_gap": "1h", "agg": "linear"}),
    ("his_read", ("power", ALL), {"interval": "1D", "min_coverage": 0.9}),
    ("his_read", ("plain", WEEK), {"interval": "1D", "agg": "delta", "rollover": 100}),
    ("his_read", ("temp", ALL), {"interval": "1M", "edges": "partial"}),
    ("his_read", ("temp", WEEK), {"interval": "1h", "label": "both"}),
    ("his_read", ("temp", WEEK), {"interval": "1D", "agg": ["mean", "coverage"], "where": "run"}),
    ("his_read", (["@temp", "@power"], HOURS), {"pad": "1h", "tz": "UTC"}),
    ("his_read", ("run or mode", DAY), {"boundary": "both"}),
    ("his_read", (["@temp", "@nobody"], DAY), {"on_error": "warn"}),
    ("his_read", (["@temp", "@nobody"], DAY), {"on_error": "catalog", "shape": "dict"}),
    ("his_read", ("temp", DAY), {"limit_rows": 50, "chunk": "7h", "max_concurrency": 1, "progress": False}),
    ("latest", ("point",), {"tz": "UTC"}),
    ("latest", ("temp or power",), {"units": "ip", "max_age": "30D", "tz": "UTC"}),
    ("latest", (["@temp", "@nobody"],), {"on_error": "warn"}),
    ("latest", ("point",), {"at": ["yesterday", *WEEK], "tz": "UTC"}),
    ("matrix", ({"t": "temp", "p": "power", "on": "run"}, WEEK), {"by": "equipRef"}),
    ("matrix", ({"t": "temp", "q": "plain"}, WEEK), {"by": "id", "interval": "1D", "units": "ip", "agg": {"t": "max"}}),
    (
        "matrix",
        ({"t": "temp", "p": "power"}, WEEK),
        {"by": "equipRef->siteRef", "max_gap": {"t": "2h"}, "min_coverage": 0.2, "edges": "partial", "index": "local"},
    ),
    ("matrix", ({"q": "plain"}, "thisWeek"), {"by": "id", "interval": "1D", "agg": "delta", "rollover": {"q": 100}}),
    ("matrix", ({"q": "temp"}, ALL), {"by": "id", "week_start": "sunday", "on_error": "warn", "progress": False}),
]


@pytest.fixture(scope="module")
def both(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Archive, Session]]:
    archive = Archive(tmp_path_factory.mktemp("trends"))
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as session:
        archive.sync("point", session=session, since=SINCE)
        yield archive, session


@pytest.mark.parametrize("call", CALLS, ids=lambda call: f"{call[0]} {', '.join(call[2])}")
def test_a_call_gives_the_same_on_both(both: tuple[Archive, Session], call: tuple[Any, ...]) -> None:
    name, args, how = call
    results = []
    for reader in both:
        with warnings.catch_warnings(record=True) as told:
            warnings.simplefilter("always")
            results.append((getattr(reader, name)(*args, **how), [(one.category, one.filename) for one in told]))
    (found, warned), (expected, expected_warned) = results
    assert warned == expected_warned
    frames = (found, expected) if isinstance(found, dict) else ({"": found}, {"": expected})
    assert list(frames[0]) == list(frames[1])
    for key, frame in frames[0].items():
        drop = ["age"] if name == "latest" else []
        pd.testing.assert_frame_equal(frame.drop(columns=drop), frames[1][key].drop(columns=drop), check_freq=False)
        if name not in ("read", "read_by_ids"):
            catalogs = [one.hs.catalog.drop(columns="reason") for one in (frame, frames[1][key])]
            pd.testing.assert_frame_equal(*catalogs)
            assert frame.attrs == frames[1][key].attrs
            assert [one.hs.source["kind"] for one in (frame, frames[1][key])] == ["archive", "server"]


def test_each_parameter_is_in_a_call() -> None:
    for name in ("read", "read_by_ids", "his_read", "latest", "matrix"):
        assert getattr(Archive, name) is getattr(Session, name)
        _, *parameters = inspect.signature(getattr(Archive, name)).parameters.values()
        named = {key for verb, _, how in CALLS if verb == name for key in how}
        assert named == {one.name for one in parameters if one.default is not one.empty}, name


def test_errors_are_the_same(both: tuple[Archive, Session]) -> None:
    archive, _ = both
    with pytest.raises(UnknownRecError, match="nobody"):
        archive.his_read("@nobody", "today")
    with pytest.raises(UnknownRecError, match="nobody"):
        archive.latest("@nobody")
    with pytest.raises(MetadataError, match="finds no record"):
        archive.his_read("point and nothing", "today")
    with pytest.raises(MetadataError, match="limit must be"):
        archive.read("point", -1)
    with pytest.warns(ReadWarning, match="1 of 2 points could not be read"):
        archive.latest(["@temp", "@nobody"], on_error="warn")
    archive.read("temp or power")
    assert {point.id for point in archive.known_points} >= {"temp", "power"}


def test_the_functions_of_the_package_read_from_it(both: tuple[Archive, Session]) -> None:
    archive, session = both
    with archive.use() as used:
        assert used is archive
        pd.testing.assert_frame_equal(hsframe.his_read("temp", DAY), session.his_read("temp", DAY))
        assert hsframe.latest("temp").hs.source["kind"] == "archive"
        with pytest.raises(AttributeError, match=r"an archive has no about\(\): it is read"):
            hsframe.about()
    with pytest.raises(MetadataError, match="there is no session"):
        hsframe.his_read("temp", DAY)


@pytest.mark.parametrize("name", ["his_write", "watch", "point_write", "eval", "about"])
def test_what_an_archive_cannot_do_is_said(both: tuple[Archive, Session], name: str) -> None:
    with pytest.raises(AttributeError, match=rf"an archive has no {name}\(\): it is read, and sync\(\) brings more"):
        getattr(both[0], name)
    with pytest.raises(AttributeError, match="an Archive has no attribute 'his_raed'"):
        both[0].his_raed  # type: ignore[attr-defined]  # noqa: B018


def test_an_export_of_an_archive_is_that_of_its_server(
    both: tuple[Archive, Session], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hsframe.archive.fill.POINTS_A_BATCH", 2)  # what an archive is asked for at once
    assert Archive.export is Session.export
    names = ["a.parquet", "b.parquet", "c"]
    for reader, folder in zip(both, ("archive", "server"), strict=True):
        (tmp_path / folder).mkdir()
        paths = [tmp_path / folder / name for name in names]
        assert reader.export("point", WEEK, paths[0], header="id", tz="UTC") == paths[0]
        reader.export("point", WEEK, paths[1], layout="tidy", tz="UTC")
        expected = reader.export("point", WEEK, paths[2], dry_run=True)
        assert set(expected["status"]) == {"dry run"}
        reader.export("point", WEEK, paths[2])
        with pytest.raises(UnknownRecError, match="nobody"):
            reader.export(["@temp", "@nobody"], WEEK, paths[2])
        with pytest.warns(ReadWarning, match="1 of 2 points could not be read"):
            reader.export(["@temp", "@nobody"], WEEK, paths[2], on_error="warn")
    own, server = (
        [hsframe.read_parquet(tmp_path / folder / name) for name in names[:2]] for folder in ("archive", "server")
    )
    for one, other in zip(own, server, strict=True):
        pd.testing.assert_frame_equal(one, other)
        assert (one.hs.source["kind"], other.hs.source["kind"]) == ("archive", "server")
    archives = [Archive(tmp_path / folder / "c") for folder in ("archive", "server")]
    pd.testing.assert_frame_equal(*(one.his_read("point", WEEK, shape="tidy", tz="UTC") for one in archives))
    pd.testing.assert_frame_equal(*(one.points.drop(columns=["since", "until"]) for one in archives))
    assert archives[0].check().empty
