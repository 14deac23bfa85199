"""Points by name, from a server and from an archive."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import hsframe
from hsframe.errors import CallError, MetadataError, ReadWarning, UnknownRecError
from hsframe.server.database import Database
from hsframe.testing.server import running_server
from tests.session.conftest import small_building
from tests.session.connected import connected

DAY = "2026-11-01"


@pytest.fixture
def building() -> Database:
    database = small_building()
    for number, name in enumerate(("AHU-1 DAT", "AHU-1 Power", "Supply and Return", "temp 2")):
        rec = dict(database.get("oat") or {}) | {"id": hsframe.Ref(f"n{number}"), "dis": name}
        database.add(rec)
    return database


def test_a_unique_name_is_as_its_id(building: Database) -> None:
    with connected(building) as s:
        for name, ident in (
            ("AHU-1 DAT", "n0"),  # no filter, and refused as one
            ("Outside", "oat"),  # a spec, as a filter
            ("Supply and Return", "n2"),  # a filter that is refused
        ):
            assert list(s.his_read(name, DAY).hs.points["id"]) == [ident], name
            assert list(s.latest(name)["id"]) == [ident]
        both = s.his_read(iter(["Mode", "@kw", hsframe.Ref("fan"), "AHU-1 Power"]), DAY, tz="UTC")
        assert list(both.hs.points["id"]) == ["p:bne:1", "kw", "fan", "n1"]
        assert list(s.his_read("temp", DAY).hs.points["id"]) == ["oat", "n0", "n1", "n2", "n3"]  # a filter goes before


def test_a_text_that_is_nothing_is_answered_with_what_came_near(building: Database) -> None:
    with connected(building) as s:
        for text, near, as_filter in (
            ("AHU-1 DTA", "'AHU-1 DAT' or 'AHU-1 Power'", "is refused: .*(FilterErr|InvalidArgsErr).*"),
            ("ahu 1 dat", "'AHU-1 DAT' or .*", "is refused: .*"),  # find() takes it, and shows what it has found
            ("outsid", "'Outside'", "finds no record"),
            ("suply and return", "'Supply and Return'", "finds no record"),
            ("@oats", "'@oat'", ""),
            ("@Outside", "'Outside'", ""),
            ("@p:bne:12", "'@p:bne:1'", ""),
        ):
            nothing = (
                f"there is no record of {text}" if text[0] == "@" else f"there is no point '{text}', by id or by name"
            )
            path = r" \(a tag of its equip or site has a path there: equipRef->siteMeter, siteRef->dis\)"
            why = f": no point has suply, and none has return{path}" * (" and " in text)
            first = f"as a filter it finds no record{why}, and " if as_filter == "finds no record" else ""
            refused = f" As a filter it {as_filter}" if as_filter and not first else ""
            with pytest.raises(
                UnknownRecError,
                match=f"^{first}{nothing}; did you mean {near}\\?{refused}$",
            ) as caught:
                s.his_read(text, DAY)
            assert caught.value.ids == (text.removeprefix("@"),)
            with pytest.raises(UnknownRecError, match=f"^{nothing}; did you mean {near}\\?$") as caught:
                s.his_read(["@fan", text], DAY)
            assert caught.value.ids == (text.removeprefix("@"),)
        for glob, as_filter in (("*ahu*", " As a filter it is refused: "), ("AHU-? DAT", ""), ("*", " As")):
            hint = f"by name; did you mean find({glob!r}), whose frame can be given in its place?"
            with pytest.raises(UnknownRecError, match=re.escape(hint)):
                s.his_read(["@fan", glob], DAY)
            with pytest.raises(UnknownRecError, match=re.escape(hint + as_filter)):
                s.his_read(glob, DAY)
        # What nothing is near to was meant as what it looks like.
        with pytest.raises(CallError, match=r"^(?!there is no point).*(FilterErr|InvalidArgsErr)"):
            s.his_read("zzz q == (", DAY)
        with pytest.raises(UnknownRecError, match="no record has the tag 'zzqq', and there is no point 'zzqq'"):
            s.his_read("zzqq", DAY)
        with pytest.raises(
            MetadataError,
            match=r"the filter 'zzqq and jjxx' finds no record: .* jjxx .*equipRef->siteMeter.*, and there is no point",
        ):
            s.his_read("zzqq and jjxx", DAY)
        with pytest.raises(UnknownRecError, match=r"^there is no record of @zz; look points up with read"):
            s.his_read([hsframe.Ref("zz")], DAY)
        with pytest.raises(
            UnknownRecError, match=r"2 of 3 points are not found: 'outsid', 'no'; of the first: .*'Outside'"
        ) as caught:
            s.his_read(["outsid", "@no", "fan"], DAY)
        assert caught.value.ids == ("outsid", "no")
        with pytest.raises(MetadataError, match=r"'Power' is the name of 2 points: @kw, @lon; give the id"):
            s.his_read("Power", DAY)
        catalog = s.his_read(["outsid", "Power", "fan"], DAY, on_error="catalog").hs.catalog.set_index("id")
        assert catalog["status"].to_dict() == {"outsid": "failed", "Power": "failed", "fan": "ok"}
        building.remove("p:bne:1")
        building.update("lon", {"his": None})
        assert list(s.his_read("power", DAY).hs.points["id"]) == ["kw"]  # a filter
        assert list(s.his_read(["Power"], DAY).hs.points["id"]) == ["kw"]  # it has a history, the other one has none


def test_a_filter_that_finds_nothing_is_told_which_of_its_parts_no_point_has(
    building: Database, tmp_path: Path
) -> None:
    building.update("hq", {"dis": "Harbor Tower", "area": hsframe.Number(100, "m²")})
    building.add({"id": hsframe.Ref("annex"), "dis": "Annex", "site": hsframe.MARKER})
    building.update("fan", {"siteRef": hsframe.Ref("annex")})
    building.update("kw", {"siteRef": hsframe.Ref("hq")})
    path = " (a tag of its equip or site has a path there: equipRef->siteMeter, siteRef->dis)"
    cases = {
        'power and siteRef->dis == "Harbor Towr"': 'siteRef->dis == "Harbor Towr"; '
        'did you mean siteRef->dis == "Harbor Tower"?',
        'siteRef->dis == "Quay"': 'siteRef->dis == "Quay"; siteRef->dis is Annex, Harbor Tower',
        'powr and siteRef->dis == "Harbor Tower"': "powr" + path,
        "power and siteRef == @anex": "siteRef == @anex; did you mean siteRef == @annex?",
        "power and siteRef->zip": "siteRef->zip",
        "power and siteRef->area > 1000m²": "siteRef->area > 1000m²",
        'power and dis == "Harbor Tower"': 'dis == "Harbor Tower"' + path,
        'power and (siteRef == @a or siteRef == @b) and x == "y"': "siteRef == @a or siteRef == @b, and none has "
        f'x == "y"{path}',
    }
    with connected(building) as s:
        s.export("point", DAY, tmp_path / "archive")
        for source in (s, hsframe.Archive(tmp_path / "archive")):
            for text, words in cases.items():
                with pytest.raises(MetadataError) as caught:
                    source.his_read(text, DAY)
                told = str(caught.value)
                assert told.startswith(f"the filter {text!r} finds no record: no point has {words}"), told
            with pytest.raises(MetadataError, match=r"record: some points have each of its terms, and none has all$"):
                source.his_read('power and siteRef->dis == "Annex"', DAY)


def test_names_are_found_in_the_order_asked(building: Database, tmp_path: Path) -> None:
    for ident, name in {"kw": "Main Meter Power", "lon": "Main Meter Power", "n3": "Site Temp", "oat": "Fan"}.items():
        building.update(ident, {"navName": name})
    with connected(building) as s:
        df = s.find(["Fan", "power", "ahu-1 dta", "@oat"])
        assert df["id"].fillna("").tolist() == ["fan", "", "", "oat"]
        assert df["status"].tolist() == ["found", "ambiguous", "missing", "found"]
        assert df["nearest"].tolist() == [(), ("@kw", "@lon"), ("AHU-1 DAT", "AHU-1 Power"), ()]
        assert {point.id for point in s.known_points} == {"fan", "oat"}
        with pytest.warns(ReadWarning, match=r"^2 of 4 rows of the frame have no id, .*so nothing is read") as warned:
            assert list(s.his_read(df, DAY).hs.points["id"]) == ["fan", "oat"]
        assert len(warned) == 1
        assert list(s.his_read(df.dropna(subset="id"), DAY).hs.points["id"]) == ["fan", "oat"]
        assert list(s.his_read(df.loc[2, "nearest"][0], DAY).hs.points["id"]) == ["n0"]
        assert s.find("*ahu*", filter="power")["status"].tolist() == ["missing"]
        assert s.find("*ahu*")["id"].tolist() == ["n0", "n1"]
        assert s.find("hq", filter="site")["id"].tolist() == ["hq"]
        by_nav_name = s.find(["ahu1 dat", "main meter-power", "Site Temp", "FAN"])  # "Fan" is the navName of another
        assert by_nav_name["id"].fillna("").tolist() == ["n0", "", "n3", "fan"]
        assert by_nav_name["nearest"].tolist() == [(), ("@kw", "@lon"), (), ()]
        s.export("point", DAY, tmp_path / "archive")
        archive = hsframe.Archive(tmp_path / "archive")
        assert archive.find(["Fan", "power", "ahu-1 dta", "@oat"]).equals(df)
        assert list(archive.his_read("AHU-1 DAT", DAY).hs.points["id"]) == ["n0"]
        with archive.use():
            assert hsframe.find("fan")["id"].tolist() == ["fan"]
        with pytest.raises(UnknownRecError, match=r"did you mean 'AHU-1 DAT' .*As a filter it is refused"):
            archive.his_read("AHU-1 DTA", DAY)
    with (
        running_server(building, quirks=["widesky"]) as server,
        hsframe.connect(server.uri, server.user, server.password) as s,
    ):
        assert list(s.his_read("Outside", DAY).hs.points["id"]) == ["oat"]


def test_sites_and_equips_of_a_frame_are_left_out_and_named(building: Database) -> None:
    building.add({"id": hsframe.Ref("ahu"), "dis": "AHU-1", "equip": hsframe.MARKER})
    with connected(building) as s:
        both = s.read("id == @fan or equip")
        assert set(both["id"].astype(str)) == {"fan", "ahu"}
        with pytest.warns(ReadWarning, match=r"1 of 2 records of the frame are no points .*: @ahu; read\('point and"):
            df = s.his_read(both, DAY)
        assert list(df.hs.points["id"]) == ["fan"]


@pytest.mark.parametrize("text", ["Nonsense Name", "Zzz"])
def test_what_is_near_no_name_and_no_filter_is_told_as_both(building: Database, text: str) -> None:
    with (
        connected(building) as s,
        pytest.raises(UnknownRecError, match=f"no point '{text}'.*; as a filter it is refused"),
    ):
        s.his_read(text, DAY)
    with connected(building) as s, pytest.raises(hsframe.CallError, match="expected a tag name"):
        s.his_read("point and", DAY)
