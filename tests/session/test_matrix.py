"""The matrix of a portfolio: three sites in three zones, whose points have other names, units and kinds."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.errors import MetadataError, ReadWarning, UnitError, UnknownRecError, ZoneError, ZoneWarning
from hsframe.kinds import MARKER, Number, Ref
from hsframe.server.database import Database
from hsframe.testing.server import RunningServer, running_server
from tests.session.connected import connected, floats

HOUR_US = 3_600_000_000
SITES = {"tower": ("Harbor Tower", "New_York"), "mill": ("Old Mill", "London"), "lab": ("Lab", "Brisbane")}
SPAN = "2026-10-31,2026-11-01"  # New York's clock repeats an hour on the second day
ROLES = {"oat": "outside and temp", "kw": "power", "fan": "fan and run", "mode": "mode"}


def day_us(zone: str) -> int:
    return int(pd.Timestamp("2026-10-30", tz=zone).as_unit("us").value // 1000)


class Portfolio:
    """Four days of hourly samples from the 30th on: the number of the hour, plus what the point says."""

    def __init__(self) -> None:
        self.database = Database(tz="UTC")
        for key, (dis, tz) in SITES.items():
            self.database.add({"id": Ref(key), "dis": dis, "site": MARKER, "tz": tz, "geoCity": dis.split()[-1]})

    def add(self, site: str | None, key: str, tags: str, kind: str = "Number", unit: str | None = None, **more: Any):
        record = {"id": Ref(key), "dis": key.upper(), "point": MARKER, "his": MARKER, "kind": kind, **more}
        record |= dict.fromkeys(tags.split(), MARKER)
        record |= {} if unit is None else {"unit": unit, "hisInterval": Number(1, "hr")}
        record |= {} if site is None else {"siteRef": Ref(site)}
        name = {"New_York": "America/New_York", "London": "Europe/London", "Brisbane": "Australia/Brisbane"}
        record.setdefault("tz", SITES[site or "lab"][1])
        hours = np.arange(96)
        texts = [("off", "on")[n % 2] for n in hours]
        values: Any = {"Number": hours * 1.0, "Bool": hours % 2 == 0, "Str": texts}[kind]
        self.database.add(record)
        self.database.set_history(Ref(key), day_us(name[record["tz"]]) + hours.astype(np.int64) * HOUR_US, values)
        return self


def portfolio() -> Database:
    made = Portfolio()
    made.add("tower", "t-oat", "outside temp", unit="°F").add("mill", "m-oat", "outside temp", unit="°C")
    made.add("lab", "l-oat", "outside temp", unit="°C")
    made.add("tower", "t-kw", "power", unit="kW").add("mill", "m-kw", "power", unit="MW")
    made.add("lab", "l-kw", "power", unit="kW")
    made.add("tower", "t-fan", "fan run", "Bool").add("lab", "l-fan", "fan run", "Bool")
    made.add("tower", "t-mode", "mode", "Str", enum="on,off,auto").add("mill", "m-mode", "mode", "Str", enum="off,on")
    made.add("lab", "l-mode", "mode", "Str")
    return made.database


def site_of(df: pd.DataFrame, label: str) -> pd.DataFrame:
    return df.xs(label)


def test_each_role_is_a_column_and_each_site_its_rows() -> None:
    with connected(portfolio()) as session:
        with pytest.warns(ReadWarning, match=r"1 of 12 cells .* 'fan' of Old Mill \(missing: no point") as caught:
            df = session.matrix(ROLES, SPAN)
        assert len(caught) == 1
        by_read = session.his_read("t-oat", SPAN, interval="1h", units="si")
    assert df.index.names == ["siteRef", "ts"]
    assert df.index.is_unique
    assert df.index.is_monotonic_increasing
    assert df.columns.tolist() == list(ROLES)
    assert df.hs.units == {"oat": "°C", "kw": "kW", "fan": None, "mode": None}
    assert df.groupby(level=0, sort=False).size().to_dict() == {"Harbor Tower": 49, "Lab": 48, "Old Mill": 48}
    assert str(df.index.levels[1].dtype) == "datetime64[us, UTC]"
    tower = site_of(df, "Harbor Tower")
    assert tower.index.tolist() == by_read.index.tolist()
    assert floats(tower["oat"]) == floats(by_read.iloc[:, 0])
    # London's samples are MW: the mean over an hour of the numbers 24, 25, ... is 24.5, 25.5, ...
    assert floats(site_of(df, "Old Mill")["kw"])[:2] == pytest.approx([24_500.0, 25_500.0])
    assert floats(tower["fan"])[:3] == [1.0, 0.0, 1.0]
    assert site_of(df, "Old Mill")["fan"].isna().all()
    assert str(df["fan"].dtype) == "float64"
    assert df["mode"].cat.categories.tolist() == ["on", "off", "auto"]
    assert tower["mode"].tolist()[:2] == ["off", "on"]


def test_the_catalog_says_what_fills_each_cell() -> None:
    with connected(portfolio()) as session, pytest.warns(ReadWarning):
        catalog = session.matrix(ROLES, SPAN).hs.catalog
    assert catalog.index.names == ["role", "group"]
    table = catalog["id"].unstack("role")
    assert table.loc["Old Mill"].dropna().to_dict() == {"oat": "m-oat", "kw": "m-kw", "mode": "m-mode"}
    assert catalog.loc[("fan", "Old Mill"), ["rows", "status"]].tolist() == [0, "missing"]
    assert catalog.loc[("kw", "Lab"), ["id", "rows", "status"]].tolist() == ["l-kw", 48, "ok"]
    assert catalog["rows"].dtype == np.int64


def test_local_times_are_naive_and_fold_tells_the_two_ones() -> None:
    roles = {"oat": ROLES["oat"], "kw": ROLES["kw"]}
    with connected(portfolio()) as session:
        utc, df = session.matrix(roles, SPAN), session.matrix(roles, SPAN, index="local")
    assert df.index.names == ["siteRef", "ts", "fold"]
    assert df.index.is_unique
    assert str(df.index.levels[1].dtype) == "datetime64[us]"
    tower = site_of(df, "Harbor Tower").reset_index()
    ones = tower[tower["ts"].between("2026-11-01 00:30", "2026-11-01 02:30")]
    assert ones["ts"].dt.hour.tolist() == [1, 1, 2]
    assert ones["fold"].tolist() == [0, 1, 0]
    assert int(df.index.get_level_values("fold").to_numpy().sum()) == 1
    for label in ("Harbor Tower", "Lab", "Old Mill"):
        assert floats(site_of(df, label)["kw"]) == floats(site_of(utc, label)["kw"])
        assert site_of(df, label).index[0] == (pd.Timestamp("2026-10-31"), 0)
    wide = df["kw"].unstack("siteRef")
    assert wide.shape == (49, 3)
    assert wide.dropna().shape == (48, 3)


def test_degree_days_of_a_site_are_those_of_its_own_days() -> None:
    with connected(portfolio()) as session:
        df = session.matrix({"oat": ROLES["oat"]}, SPAN)
        own = session.his_read("t-oat", SPAN, interval="1h", units="si", header=lambda _: "oat")
    assert df.hs.interval == own.hs.interval
    found = hsframe.degree_days(df.loc["Harbor Tower", "oat"], 18, "heating", tz="New_York")
    pd.testing.assert_series_equal(found, hsframe.degree_days(own["oat"], 18, "heating"))
    assert len(found) == 2
    with pytest.raises(ZoneError, match="in UTC, and no point says which days"):
        hsframe.degree_days(df.loc["Harbor Tower"], 18, "heating")


def test_days_of_several_zones_are_side_by_side_in_local_time() -> None:
    with connected(portfolio()) as session:
        df = session.matrix({"kwh": "power"}, SPAN, interval="1D", agg="integral", index="local")
    wide = df["kwh"].unstack("siteRef")
    assert wide.index.get_level_values("ts").tolist() == [pd.Timestamp("2026-10-31"), pd.Timestamp("2026-11-01")]
    assert df.hs.units == {"kwh": "kWh"}
    # Hours 24 to 48 of the line n: (48² - 24²) / 2; the second day has 25 hours in New York.
    assert floats(wide["Lab"]) == pytest.approx([864.0, 1440.0])
    assert floats(wide["Harbor Tower"]) == pytest.approx([864.0, (73**2 - 48**2) / 2])
    assert floats(wide["Old Mill"]) == pytest.approx([864_000.0, 1_440_000.0])


@pytest.mark.parametrize(
    ("units", "oat", "kw"),
    [("ip", "°F", "kW"), ("native", "°C", "kW"), ({"oat": "°F", "kw": "W"}, "°F", "W"), ({"kw": "MW"}, "°C", "MW")],
)
def test_a_role_has_one_unit_that_of_most_or_the_one_asked_for(units: Any, oat: str, kw: str) -> None:
    roles = {"oat": ROLES["oat"], "kw": ROLES["kw"]}
    with connected(portfolio()) as session:
        df = session.matrix(roles, SPAN, units=units)
    assert df.hs.units == {"oat": oat, "kw": kw}
    expected = pd.Series([24.5], dtype="unit[°F]").hs.to(oat)
    assert floats(site_of(df, "Harbor Tower")["oat"])[0] == pytest.approx(float(expected.iloc[0]))


def test_settings_are_by_role_and_a_point_may_play_two() -> None:
    roles = {"low": "outside and temp", "high": "outside and temp", "fan": "t-fan"}
    with connected(portfolio()) as session, pytest.warns(ReadWarning, match="'fan' of Lab"):
        df = session.matrix(
            roles, SPAN, interval="1D", agg={"low": "min", "high": "max", "fan": "mean"}, max_gap={"fan": "2h"}
        )
    tower = site_of(df, "Harbor Tower")
    assert floats(tower["low"].hs.to("°F")) == pytest.approx([24, 48])
    assert floats(tower["high"].hs.to("°F")) == pytest.approx([47, 72])
    assert floats(tower["fan"]) == pytest.approx([0.5, 13 / 25])
    assert len(df.hs.catalog.query("status == 'ok'")) == 7


def test_of_several_points_none_is_taken_in_silence() -> None:
    made = Portfolio().add("tower", "t-1", "outside temp", unit="°C").add("tower", "t-2", "outside temp", unit="°C")
    made.add("lab", "l-1", "outside temp", unit="°C").add(None, "stray", "outside temp", unit="°C")
    with connected(made.database) as session:
        with pytest.warns(ReadWarning) as caught:
            df = session.matrix({"oat": "outside"}, SPAN)
        text = str(caught[0].message)
        assert len(caught) == 1
        assert "'oat' of Harbor Tower (ambiguous: 2 points could be it: @t-1 (T-1), @t-2 (T-2))" in text
        assert "'oat' of @stray (STRAY) (no group: its record has no siteRef)" in text
        assert df.index.unique(0).tolist() == ["Lab"]
        catalog = df.hs.catalog.reset_index()
        assert catalog["status"].tolist() == ["ambiguous", "ok", "no group"]
        assert catalog["id"].fillna("").tolist() == ["", "l-1", "stray"]
        with pytest.warns(ReadWarning, match="no group"):
            chosen = session.matrix({"oat": {"Harbor Tower": "@t-2", "*": "outside"}}, SPAN)
        assert chosen.hs.catalog.loc[("oat", "Harbor Tower"), "id"] == "t-2"
        assert chosen.index.unique(0).tolist() == ["Harbor Tower", "Lab"]
        with pytest.raises(MetadataError, match="no point of any role is of that siteRef; did you mean 'Harbor Tower'"):
            session.matrix({"oat": {"Harbour Tower": "@t-2", "*": "outside"}}, SPAN)
        with pytest.raises(MetadataError, match="2 points for 'oat' of 'Lab'"):
            session.matrix({"oat": {"Lab": ["t-1", "t-2"], "*": "outside"}}, SPAN)
        with pytest.raises(MetadataError, match=r"no point can fill the matrix.*ambiguous"):
            session.matrix({"oat": ["t-1", "t-2"]}, SPAN)


def test_points_may_be_named_for_each_group_alone_and_one_for_several() -> None:
    roles = {"oat": {"A": "@l-oat", "B": "@l-oat"}, "kw": {"A": "l-kw", "B": Ref("t-kw")}}
    with connected(portfolio()) as session, pytest.warns(ZoneWarning, match=r"B: Australia/Brisbane, America/New_York"):
        df = session.matrix(roles, SPAN)
    assert df.index.unique(0).tolist() == ["A", "B"]
    known = df.dropna()
    assert floats(known.loc["A", "oat"])[:3] == [24.5, 25.5, 26.5]
    assert floats(df["oat"].loc["B"].dropna()) == floats(df["oat"].loc["A"].dropna())
    assert df.hs.catalog["id"].tolist() == ["l-oat", "l-oat", "l-kw", "t-kw"]


def test_a_group_is_named_by_a_text_or_a_ref_once() -> None:
    with connected(portfolio()) as session:
        df = session.matrix({"oat": {Ref("tower"): "@l-oat", Ref("mill", "Old Mill"): "m-oat", "*": "t-kw"}}, SPAN)
        assert df.hs.catalog["id"].to_dict() == {("oat", "Harbor Tower"): "l-oat", ("oat", "Old Mill"): "m-oat"}
        assert session.matrix({"oat": {Ref("site-9"): "@l-oat"}}, SPAN).index.unique(0).tolist() == ["@site-9"]
        for name in (3, None, ("Lab",)):
            with pytest.raises(MetadataError, match=r"roles= for 'oat' of .*: a group is named by a text or a Ref"):
                session.matrix({"oat": {name: "@l-oat"}}, SPAN)
        for again in ("@tower", Ref("tower"), "tower"):
            with pytest.raises(MetadataError, match="roles= names 'Harbor Tower' twice for 'oat'"):
                session.matrix({"oat": {"Harbor Tower": "t-oat", again: "l-oat", "*": "t-kw"}}, SPAN)
        for nothing, words in (({}, "without an id"), (None, "not a point"), ([], "empty"), ("x and y", "no record")):
            for points in (nothing, {"*": nothing}):
                with pytest.raises(MetadataError, match=f"roles= for 'z': .*{words}"):
                    session.matrix({"oat": "t-oat", "z": points}, SPAN)


def test_a_site_without_a_point_in_any_role_is_not_known() -> None:
    made = Portfolio().add("tower", "t-oat", "outside temp", unit="°C").add(None, "f1", "weather", unit="°C")
    with connected(made.database) as session:
        df = session.matrix({"oat": "outside"}, SPAN)
        assert df.index.unique(0).tolist() == ["Harbor Tower"]
        assert df.hs.catalog.index.tolist() == [("oat", "Harbor Tower")]
        words = "'Lab' for 'oat', and no point of any role is of that siteRef; did you mean 'Harbor Tower'"
        with pytest.raises(MetadataError, match=words):
            session.matrix({"oat": {"Lab": "@f1", "*": "outside"}}, SPAN)
        advice = r"as in \{'Lab': \{'the group': '@f1', '\*': 'the filter'\}\}"
        with pytest.raises(MetadataError, match=rf"'Lab' of @f1 \(F1\) \(no group: .*{advice}"):
            session.matrix({"Lab": "@f1"}, SPAN)
        # With every point in its place nothing is left to warn of, also where the filter finds the stray one again.
        df = session.matrix({"oat": {"Harbor Tower": "@f1", "*": "unit"}}, SPAN)
        assert df.hs.catalog["id"].tolist() == ["f1"]


def test_what_the_warning_advises_works() -> None:
    made = Portfolio().add("lab", "l-1", "fan run", "Bool").add("lab", "l-2", "fan run", "Bool")
    made.add("tower", "t-1", "fan run", "Bool").add("mill", "m-2", "run", "Bool").add("mill", "m-1", "run", "Bool")
    with connected(made.database) as session:
        with pytest.warns(ReadWarning, match=r"as in \{'run': \{'Lab': '@id', '\*': 'the filter'\}\}"):
            session.matrix({"run": "fan and run"}, SPAN)
        df = session.matrix({"run": {"Lab": "@l-2", "@mill": "m-1", "*": "t-1"}}, SPAN)
        assert df.hs.catalog["id"].unstack("role")["run"].to_dict() == {
            "Harbor Tower": "t-1",
            "Lab": "l-2",
            "Old Mill": "m-1",
        }
        alone = session.matrix({"run": {"@lab": "l-2"}}, SPAN)
        assert alone.index.unique(0).tolist() == ["Lab"]
        elsewhere = session.matrix({"run": {"Harbor Tower": "@l-2", "*": "t-1"}}, SPAN)
        assert elsewhere.hs.catalog["id"].tolist() == ["l-2"]


def test_the_point_of_a_group_may_be_found_by_a_filter() -> None:
    made = Portfolio().add("lab", "l-1", "fan run", "Bool").add("lab", "l2", "fan run vav", "Bool")
    made.add("tower", "t-1", "fan run", "Bool").add("mill", "m-1", "run vav", "Bool").add(
        "mill", "m-2", "vav x", "Bool"
    )
    with connected(made.database) as session:
        every = session.read("run")
        for inner in ("fan and vav", "run and vav", "l2", every[every["id"].astype(str) != "l-1"]):
            df = session.matrix({"run": {"Lab": inner, "*": "t-1"}}, SPAN)
            assert df.hs.catalog["id"].unstack("role")["run"].to_dict() == {"Harbor Tower": "t-1", "Lab": "l2"}
        for inner, words in (
            ("fan and run", "gives 3 points for 'run' of 'Lab', and 2 are of that group; expected one"),
            ("x", "gives 1 points for 'run' of 'Lab', and 0 are of that group"),
            ("nowhere and x", "roles= for 'run' of 'Lab': the filter 'nowhere and x' finds no record"),
            ("nothing", "roles= for 'run' of 'Lab': no record has the tag 'nothing'"),
            ("@a b", "roles= for 'run' of 'Lab': .*'a b'"),
            (3, "roles= for 'run' of 'Lab': 3 is not a point"),
        ):
            with pytest.raises(MetadataError, match=words):
                session.matrix({"run": {"Lab": inner, "*": "fan"}}, SPAN)


def test_groups_by_a_path_and_by_a_text() -> None:
    made = Portfolio()
    made.database.add({"id": Ref("ahu"), "dis": "AHU", "equip": MARKER, "siteRef": Ref("mill")})
    made.add("tower", "t-1", "power", unit="kW", equipRef=Ref("ahu")).add("lab", "l-1", "power", unit="kW")
    with connected(made.database) as session:
        with pytest.warns(ReadWarning, match=r"'kw' of @l-1 \(L-1\) \(no group: its record has no equipRef->siteRef\)"):
            df = session.matrix({"kw": "power"}, SPAN, by="equipRef->siteRef")
        assert df.index.names == ["equipRef->siteRef", "ts"]
        assert df.index.unique(0).tolist() == ["Old Mill"]
        assert session.matrix({"kw": "power"}, SPAN, by="siteRef->geoCity").index.unique(0).tolist() == ["Lab", "Tower"]
        with pytest.raises(MetadataError, match="no group: its record has no spaceRef"):
            session.matrix({"kw": "power"}, SPAN, by="spaceRef")


def test_equal_names_of_sites_are_told_apart_by_their_ids() -> None:
    made = Portfolio().add("tower", "t-1", "power", unit="kW").add("lab", "l-1", "power", unit="kW")
    made.database.add({"id": Ref("lab"), "dis": "Harbor Tower", "site": MARKER, "tz": "Brisbane"})
    with connected(made.database) as session:
        df = session.matrix({"kw": "power"}, SPAN)
        assert df.index.unique(0).tolist() == ["Harbor Tower @lab", "Harbor Tower @tower"]


def test_what_fits_no_one_column_is_refused() -> None:
    made = Portfolio().add("tower", "t-1", "x", unit="kW").add("lab", "l-1", "x", unit="°C")
    with connected(made.database) as session:
        with pytest.raises(UnitError, match="'x' is kW in Harbor Tower, °C in Lab"):
            session.matrix({"x": "x"}, SPAN)
        with pytest.raises(MetadataError, match="agg= names 'y', which is not a role; did you mean 'x'"):
            session.matrix({"x": "x"}, SPAN, agg={"y": "mean"})
        for agg in (["min", "max"], {"x": "duration"}):
            with pytest.raises(MetadataError, match="several columns, and a role is one"):
                session.matrix({"x": "x"}, SPAN, agg=agg)
        for by in (3, "", "siteRef->"):
            with pytest.raises(MetadataError, match="by must be a tag or a path"):
                session.matrix({"x": "x"}, SPAN, by=by)
        with pytest.raises(MetadataError, match="interval must be"):
            session.matrix({"x": "x"}, SPAN, interval=None)
        with pytest.raises(MetadataError, match="roles must be"):
            session.matrix({1: "x"}, SPAN)
        with pytest.raises(MetadataError, match="index='naive' is unknown"):
            session.matrix({"x": "x"}, SPAN, index="naive")
        with pytest.raises(MetadataError, match="roles must be"):
            session.matrix("x", SPAN)
        for nothing in (None, [], {}, {"*": None}):
            with pytest.raises(MetadataError, match=r"is not a point|what was given is empty|has no id"):
                session.matrix({"x": "x", "z": nothing}, SPAN)
        with pytest.raises(MetadataError, match=r"the levels siteRef, ts.* df\.xs\('Harbor Tower', level='siteRef'\)"):
            session.his_write(session.matrix({"x": 'x and unit=="kW"'}, SPAN))
        with pytest.raises(
            MetadataError, match="siteRef, ts, fold, expected times alone; read it with index='utc', and"
        ):
            session.his_write(session.matrix({"x": 'x and unit=="kW"'}, SPAN, index="local"))
        with pytest.raises(MetadataError, match="finds no record"):
            session.matrix({"x": "x", "z": "nowhere and nothing"}, SPAN)


def test_a_point_that_cannot_be_read_is_a_cell_that_failed() -> None:
    roles = {"kw": {"A": "@t-kw", "B": "@gone"}}
    with connected(portfolio()) as session:
        with pytest.raises(UnknownRecError, match="gone"):
            session.matrix(roles, SPAN)
        with pytest.warns(ReadWarning, match="1 of 2 points could not be read"):
            df = session.matrix(roles, SPAN, on_error="warn")
        assert df.hs.catalog["status"].tolist() == ["ok", "failed"]
        assert df.index.unique(0).tolist() == ["A"]
        nothing = session.matrix({"kw": {"B": "@gone"}}, SPAN, on_error="catalog")
        assert nothing.shape == (0, 1)
        assert nothing.index.names == ["siteRef", "ts"]
        assert nothing.hs.catalog["status"].tolist() == ["failed"]


def test_it_is_a_verb_of_the_package_and_of_the_asynchronous_session(tmp_path: Any) -> None:
    async def asked(server: RunningServer) -> pd.DataFrame:
        async with hsframe.AsyncSession(server.uri, server.user, server.password) as session:
            return await session.matrix({"kw": "power"}, SPAN)

    with running_server(portfolio()) as server:
        hsframe.connect(server.uri, server.user, server.password)
        df = hsframe.matrix({"kw": "power"}, SPAN)
        pd.testing.assert_frame_equal(asyncio.run(asked(server)), df)
        hsframe.close()
    hsframe.write_parquet(df, tmp_path / "matrix.parquet")
    again = hsframe.read_parquet(tmp_path / "matrix.parquet")
    pd.testing.assert_frame_equal(again, df)
    assert again.hs.units == {"kw": "kW"}


def test_a_picture_is_of_one_site_or_of_one_role() -> None:
    pytest.importorskip("matplotlib").use("Agg")
    with connected(portfolio()) as session:
        df = session.matrix({"kw": "power"}, SPAN)
    with pytest.raises(
        MetadataError, match=r"the levels siteRef, ts: take one siteRef, as in df\.loc\['Harbor Tower'\]"
    ):
        df.hs.plot()
    assert len(df.loc["Lab"].hs.plot()) == 1
    assert len(df["kw"].unstack("siteRef").hs.plot()) == 1
    pytest.importorskip("matplotlib.pyplot").close("all")


# Other libraries ---------------------------------------------------------------------------------------------------


def modelled() -> pd.DataFrame:
    with connected(portfolio()) as session, pytest.warns(ReadWarning):
        return session.matrix(ROLES, SPAN)


@pytest.mark.one_python
def test_scikit_learn_takes_it_as_it_is() -> None:
    pytest.importorskip("sklearn")
    from sklearn.compose import make_column_transformer
    from sklearn.ensemble import HistGradientBoostingRegressor
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    df = modelled()
    lab = df.loc["Lab"].dropna()
    model = LinearRegression().fit(lab[["oat"]], lab["kw"])
    assert model.coef_.tolist() == pytest.approx([1.0])
    whole = df.dropna()
    assert len(whole) == 97
    LinearRegression().fit(whole[["oat", "fan"]], whole["kw"])
    trees = HistGradientBoostingRegressor(categorical_features="from_dtype", max_iter=3)
    trees.fit(df[["oat", "fan", "mode"]], df["kw"])
    columns = make_column_transformer((StandardScaler(), ["oat", "fan"]), (OneHotEncoder(), ["mode"]))
    assert make_pipeline(columns, LinearRegression()).fit(whole, whole["kw"]).predict(whole).shape == (97,)


@pytest.mark.one_python
def test_statsmodels_takes_it_as_it_is() -> None:
    formulas = pytest.importorskip("statsmodels.formula.api")
    api = pytest.importorskip("statsmodels.api")
    df = modelled()
    df["mode"] = df["mode"].cat.remove_unused_categories()  # a state that never was has no effect to estimate
    for formula, rows in (("kw ~ oat + fan", 97), ("kw ~ oat + C(mode)", 145), ("kw ~ np.maximum(oat - 30, 0)", 145)):
        assert formulas.ols(formula, df).fit().nobs == rows
    lab = df.loc["Lab"]
    assert formulas.ols("kw ~ oat", lab).fit().params.to_dict() == pytest.approx({"Intercept": 0, "oat": 1}, abs=1e-9)
    known = lab.dropna()
    params = api.OLS(known["kw"], known[["oat", "fan"]]).fit().params
    assert params.to_dict() == pytest.approx({"oat": 1, "fan": 0}, abs=1e-9)


def gapped() -> Database:
    """The power of New York has no sample for five hours, and that of Lab ends on the 1st at 18 o'clock."""
    database = portfolio()
    for key, tz, lost in (
        ("t-kw", "America/New_York", [*range(30, 35)]),
        ("l-kw", "Australia/Brisbane", range(66, 96)),
    ):
        hours = np.delete(np.arange(96), lost)
        database.set_history(Ref(key), day_us(tz) + hours.astype(np.int64) * HOUR_US, hours * 1.0)
    return database


REPORTED = ["samples", "expected", "missing", "coverage", "first", "last"]


@pytest.mark.parametrize("interval", ["1h", "1D"])
def test_the_report_has_a_row_for_each_role_of_each_site(interval: str) -> None:
    with connected(gapped()) as session:
        settings: dict[str, Any] = {"interval": interval, "agg": {"kw": "integral", "oat": "avg"}}
        df = session.matrix({"oat": ROLES["oat"], "kw": "power"}, SPAN, **settings)
        ids = dict(zip(df.hs.catalog.index, df.hs.catalog["id"], strict=True))
        table = df.hs.report()
        assert table.index.names == ["siteRef", "point"]
        for site, role in table.index:
            one = session.his_read(ids[role, site], SPAN, interval=interval, agg=settings["agg"][role], header="id")
            expected, found = one.hs.report().iloc[0], table.loc[(site, role)]
            assert found[REPORTED].to_dict() == expected[REPORTED].to_dict()
            assert found["gaps"] == expected["gaps"]
            alone = df.loc[site].hs.report().loc[role]
            assert alone["gaps"] == found["gaps"]
        assert table["missing"].sum() == {"1h": 6 + 7, "1D": 2}[interval]
        assert df[:0].hs.report()["samples"].tolist() == [0, 0]
        assert df.loc["Lab", "kw"].hs.report()["missing"] == table.at[("Lab", "kw"), "missing"]
        with pytest.raises(MetadataError, match="the column is of several groups"):
            df["kw"].hs.report()
        local = session.matrix({"oat": ROLES["oat"], "kw": "power"}, SPAN, index="local", **settings)
        if interval == "1h":
            with pytest.raises(
                MetadataError, match=r"levels siteRef, ts, fold; expected group and time, .* index='utc'"
            ):
                local.hs.report()
        else:
            same = ["samples", "expected", "missing"]
            pd.testing.assert_frame_equal(local.hs.report()[same], table[same])


def test_what_was_not_over_is_not_due_of_a_site() -> None:
    made = Portfolio().add("tower", "t-oat", "outside temp", unit="°F").add("lab", "l-oat", "outside temp", unit="°C")
    with connected(made.database) as session:
        df = session.matrix({"oat": ROLES["oat"]}, ("2026-10-30", pd.Timestamp.now("UTC") + pd.Timedelta("9D")))
        at = pd.Timestamp(df.hs.source["at"])
        for site, row in df.hs.report().droplevel("point").iterrows():
            rows = df.loc[site].index
            assert row["expected"] == ((rows + pd.Timedelta("1h")) <= at).sum() < len(rows)


def test_the_points_of_a_matrix_are_in_its_catalog() -> None:
    with connected(portfolio()) as session:
        df = session.matrix({"kw": "power"}, SPAN)
    with pytest.raises(MetadataError, match=r"has a point in each group; their ids are in df\.hs\.catalog"):
        _ = df.hs.points
    assert df["kw"].hs.interval == df.hs.interval


def test_a_role_that_no_site_has_may_be_what_was_read() -> None:
    with connected(portfolio()) as session:
        with pytest.raises(MetadataError, match=r"'hot': the filter .* read\(filter\) in its place may be empty"):
            session.matrix({"kw": "power", "hot": "heat and cmd"}, SPAN)
        nothing = session.read("heat and cmd")
        with pytest.warns(ReadWarning, match="3 of 6 cells of the matrix have no point"):
            df = session.matrix({"kw": "power", "hot": nothing}, SPAN)
        assert df["hot"].isna().all()
        pd.testing.assert_frame_equal(df[["kw"]], session.matrix({"kw": "power"}, SPAN), check_like=True)
        with pytest.raises(MetadataError, match="no point can fill the matrix"):
            session.matrix({"hot": nothing}, SPAN)
