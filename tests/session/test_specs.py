"""Specs as frames, the specs of records, and their names as filters; over sockets, in both versions of the protocol."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pandas as pd
import pytest

import hsframe
from hsframe.errors import CallError, HsFrameError, HTTPStatusError, MetadataError
from hsframe.kinds import MARKER, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server
from tests.session.conftest import small_building
from tests.session.spec_server import FUNCTIONS, SPECS, server_with_specs

pytestmark = pytest.mark.version4
ZONE = "ph.points::ZoneAirTempSensor"
OUTSIDE = "ph.points::OutsideAirTempSensor"
VERSIONS = pytest.mark.parametrize("version", [4, 5])
FORMATS = pytest.mark.parametrize("format", ["zinc", "json", "json3"])


def building() -> Database:
    """The small building; its site and two of its points have specs."""
    database = small_building()
    for ident, spec in {"hq": "my.ph::Site", "oat": OUTSIDE, "kw": ZONE}.items():
        database.update(ident, {"spec": Ref(spec)})
    return database


@pytest.fixture(scope="module")
def specs() -> Iterator[RunningServer]:
    with server_with_specs(building()) as server:
        yield server


def connected(server: RunningServer, **settings: Any) -> hsframe.Session:
    return hsframe.connect(server.uri, server.user, server.password, **settings)


@VERSIONS
@FORMATS
def test_a_spec_and_its_slots(specs: RunningServer, version: Any, format: str) -> None:
    with connected(specs, version=version, format=format) as s:
        df = s.specs(ZONE)
    assert list(df) == ["spec", "slot", "type", "optional", "value", "unit", "quantity", "doc"]
    assert set(df["spec"]) == {ZONE}
    own, slots = df.iloc[0], df.iloc[1:].set_index("slot")
    assert pd.isna(own["slot"])
    assert own["type"] == "ph.points::AirTempSensor"
    assert own["doc"] == "Measures it in a zone"
    assert set(slots.index) == {"id", "point", "kind", "unit", "siteRef", "air", "temp", "sensor", "zone"}
    assert slots.index[slots["optional"]].tolist() == ["siteRef"]
    assert slots.loc["siteRef", "type"] == "sys::Ref <of:ph::Site>"
    assert slots.loc["unit", ["type", "value", "quantity"]].tolist() == ["sys::Unit", "°F", "temperature"]
    assert slots["value"].dropna().to_dict() == {"kind": "Number", "unit": "°F"}  # not those that each text or Ref has
    assert slots.loc["zone", "type"] == "sys::Marker"
    assert slots.loc["kind", "doc"] == "The kind of its value"
    assert slots.loc[["zone", "sensor"], "doc"].isna().all()


@VERSIONS
def test_a_header_of_specs_reads_no_records_of_them(
    specs: RunningServer, version: Any, caplog: pytest.LogCaptureFixture
) -> None:
    with connected(specs, version=version) as s, caplog.at_level("INFO", "hsframe"):
        df = s.his_read("point and spec", "2026-01-01", header="spec", tz="UTC")
    assert set(df) == {ZONE, OUTSIDE}
    assert [line.split()[0] for line in caplog.messages].count("read") == 1


def test_the_columns_have_one_dtype_whatever_is_in_them(specs: RunningServer) -> None:
    with connected(specs) as s:
        for name in ("sys::Marker", "sys::Obj", "ph::Site", ZONE):
            df = s.specs(name)
            kinds = {name: str(dtype) for name, dtype in df.dtypes.items()}
            assert kinds == {**dict.fromkeys(df, "str"), "optional": "bool", "value": "object"}, name


def test_a_compound_is_written_as_such(specs: RunningServer) -> None:
    with connected(specs) as s:
        assert s.specs("ph.points::AirTempSensor")["type"][0] == "ph.points::AirTempPoint & ph.points::SensorPoint"


@VERSIONS
def test_several_names_parts_of_names_and_globs(specs: RunningServer, version: Any) -> None:
    with connected(specs, version=version) as s:

        def found(names: Any) -> list[str]:
            return s.specs(names)["spec"].unique().tolist()

        assert found(["ph::Site", ZONE, "ph::Site"]) == ["ph::Site", ZONE]
        assert found("Site") == ["my.ph::Site", "ph::Site"]
        assert found("*AirTempSensor") == ["ph.points::AirTempSensor", OUTSIDE, ZONE]
        assert found("ph.points::*Sensor") == found("*AirTempSensor")
        assert found("*::S?te") == ["my.ph::Site", "ph::Site"]
        assert found("sys::*") == sorted(name for name in SPECS if name.startswith("sys"))


@VERSIONS
@pytest.mark.parametrize(
    ("asked", "near"),
    [
        ("ph.points::ZoneAirTempSensr", ZONE),
        ("ph::ZoneAirTempSensor", ZONE),
        ("ZoneAirTmpSensor", ZONE),
        ("zoneairtempsensor", ZONE),
        (["ph::Site", "ph::Sit"], "ph::Site"),
        (["ph::Site", "ph::Site.site"], "ph::Site"),  # of which a slot is told too
        ("xyz::Qqq", r"specs\('ph::\*'\)"),
    ],
)
def test_an_unknown_spec_says_what_comes_near(specs: RunningServer, version: Any, asked: Any, near: str) -> None:
    with connected(specs, version=version) as s, pytest.raises(MetadataError, match=f"knows no spec .*{near}"):
        s.specs(asked)


@pytest.mark.parametrize("asked", ['ph::Site", false) close("', "ph::Site\n", "", "a b", 3, ["ph::Site", None], []])
def test_what_is_no_name_is_not_sent(asked: Any) -> None:
    with (
        hsframe.connect("http://127.0.0.1:9/api", "", auth="none") as s,
        pytest.raises(MetadataError, match="expected"),
    ):
        s.specs(asked)


@VERSIONS
def test_a_server_without_axon_says_so(server: RunningServer, version: Any) -> None:
    with connected(server, version=version) as s:
        for names in (ZONE, "*Site"):
            with pytest.raises(MetadataError, match=r"no specs to tell.*Axon.*read\(\)"):
                s.specs(names)


@VERSIONS
def test_a_server_with_axon_but_no_specs_says_so(version: Any) -> None:
    functions = {name: function for name, function in FUNCTIONS.items() if not name.startswith("spec")}
    with server_with_specs(Database(), functions) as server, connected(server, version=version) as s:
        for names in (ZONE, "*Site"):
            with pytest.raises(MetadataError, match=r"no specs to tell.*functions of specs"):
                s.specs(names)


def test_another_failure_of_axon_stays_what_it_is() -> None:
    def broken(*args: Any) -> Any:
        raise LookupError("the disk is broken")

    with (
        server_with_specs(Database(), {**FUNCTIONS, "specSlots": broken}) as server,
        connected(server) as s,
        pytest.raises(CallError, match="the disk is broken"),
    ):
        s.specs(ZONE)


def test_the_function_and_the_coroutine_are_the_same_verb(specs: RunningServer) -> None:
    connected(specs)
    one = hsframe.specs("ph::Site")

    async def other() -> pd.DataFrame:
        async with hsframe.AsyncSession(specs.uri, specs.user, specs.password) as s:
            return await s.specs("ph::Site")

    pd.testing.assert_frame_equal(one, asyncio.run(other()))


# ---- records


@VERSIONS
@FORMATS
def test_records_know_their_spec(specs: RunningServer, version: Any, format: str) -> None:
    with connected(specs, version=version, format=format) as s:
        df = s.read("point")
        assert list(df)[:6] == ["id", "dis", "kind", "unit", "spec", "tz"]
        assert df["spec"].dtype == "str"
        assert df.set_index("id")["spec"].dropna().to_dict() == {"kw": ZONE, "oat": OUTSIDE}
        assert "spec" not in s.read('point and tz == "London"')
        assert s.read_by_ids(["hq", "oat"])["spec"].tolist() == ["my.ph::Site", OUTSIDE]


def test_the_spec_of_a_record_is_kept_when_the_record_is_changed() -> None:
    with server_with_specs(building()) as server, connected(server) as s:
        df = s.read("spec")
        df["dis"] += " 2"
        s.commit(df)
        changed = dict(server.database.get("oat") or {})
        assert (changed["spec"], changed["dis"]) == (Ref(OUTSIDE), "Outside 2")
        s.commit(s.read("spec").assign(spec=ZONE))  # a text means a Ref, as in its record; no record has its id
        assert {rec["spec"] for rec in server.database.query("spec")} == {Ref(ZONE)}


@pytest.mark.parametrize(("text", "kept"), [(OUTSIDE, Ref(OUTSIDE)), ("page 7", "page 7")])
def test_a_record_is_given_its_first_spec(text: str, kept: object) -> None:
    with server_with_specs(small_building()) as server, connected(server) as s:
        s.commit(s.read("temp").assign(spec=text))
        assert {rec["id"].val: rec["spec"] for rec in server.database.query("spec")} == {"oat": kept}


@VERSIONS
def test_the_name_of_a_spec_is_a_filter_of_every_verb(specs: RunningServer, version: Any) -> None:
    with connected(specs, version=version) as s:
        assert s.read(ZONE)["id"].tolist() == ["kw"]
        assert s.read("ph.points::AirTempSensor")["id"].tolist() == ["kw", "oat"]  # what is derived from it, too
        assert s.read(f"{ZONE} or ph::Site")["id"].tolist() == ["hq", "kw"]
        assert s.read('AirTempSensor and unit == "°F"', 1)["id"].tolist() == ["oat"]
        assert s.find("*", filter="ph.points::AirTempSensor")["id"].tolist() == ["kw", "oat"]
        df = s.his_read("ph.points::AirTempSensor", "2026-11-01")
        assert list(df) == ["Power", "Outside"]
        by_role = s.matrix({"zat": ZONE, "oat": f"{OUTSIDE} and temp"}, "2026-11-01", interval="1h")
        assert by_role.columns.tolist() == ["zat", "oat"]
        assert s.latest(ZONE)["id"].tolist() == ["kw"]


@VERSIONS
def test_a_spec_that_the_server_does_not_know_is_told(specs: RunningServer, version: Any) -> None:
    name = "ph.points::ZoneAirTempSensr"
    with connected(specs, version=version) as s:
        for call in (lambda: s.read(f"{name} and point"), lambda: s.his_read(name, "2026-11-01")):
            with pytest.raises(
                CallError, match=r"(?s)Unknown data type.*session\.specs\('ph\.points::ZoneAirTempSensr'\)"
            ):
                call()


@VERSIONS
def test_a_server_without_specs_says_that_it_has_none(server: RunningServer, version: Any) -> None:
    with connected(server, version=version) as s:
        for filter in (ZONE, f"point and ({ZONE} or site)"):
            with pytest.raises(CallError, match=r"no specs.*ask for tags") as raised:
                s.read(filter)
            assert "session.specs" not in str(raised.value)
        with pytest.raises(CallError, match=r"no specs.*ask for tags"):
            s.his_read(ZONE, "2026-11-01")


def test_an_id_that_looks_like_a_spec_is_an_id_with_an_at() -> None:
    database = building()
    database.add({"id": Ref(ZONE), "dis": "Odd", "point": MARKER, "his": MARKER, "kind": "Bool", "tz": "UTC"})
    with server_with_specs(database) as server, connected(server) as s:
        assert list(s.his_read(f"@{ZONE}", "2026-11-01")) == ["Odd"]
        assert list(s.his_read(ZONE, "2026-11-01")) == ["Power"]
        assert list(s.his_read(Ref(ZONE), "2026-11-01")) == ["Odd"]


def test_a_symbol_is_no_name_of_a_spec(server: RunningServer) -> None:
    with connected(server) as s, pytest.raises(HsFrameError) as raised:
        s.read("^ahu")
    assert "session.specs" not in str(raised.value)
    assert not isinstance(raised.value, HTTPStatusError)


def test_an_archive_has_no_specs_to_find_records_by(tmp_path: Any) -> None:
    with running_server(small_building()) as server, connected(server) as s:
        archive = hsframe.Archive(tmp_path / "a")
        archive.sync("point and his", since="2026-11-01", session=s)
        with pytest.raises(MetadataError, match="no specs"):
            archive.read(ZONE)
