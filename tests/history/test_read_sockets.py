"""The rows are the same from servers of every habit, over real sockets and in every format."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import hsframe
from hsframe.kinds import MARKER, Ref
from hsframe.server.database import Database
from hsframe.spans import resolve
from hsframe.testing.quirks import BUNDLES
from hsframe.testing.server import running_server

MINUTE_US = 60_000_000
FIRST_US = 1_792_900_800_000_000  # 2026-10-25T04:00Z: both clock changes of that autumn lie within twenty days
ZONES = {"a": "New_York", "b": "New_York", "c": "London", "d": "Lord_Howe", "e": "New_York", "f": "Kathmandu"}
SPAN = "2026-10-25,2026-11-05"


def building() -> Database:
    """Points of several zones and kinds, one of them irregular, one with gaps and NA."""
    database = Database(tz="New_York")
    for number, (name, tz) in enumerate(ZONES.items()):
        kind = "Bool" if name == "e" else "Number"
        tags: dict[str, Any] = {"id": Ref(name), "dis": name.upper(), "point": MARKER, "his": MARKER}
        tags |= {"kind": kind, "tz": tz} | ({"unit": "kW"} if kind == "Number" else {"hisMode": "cov"})
        database.add(tags)
        rows = 20 * 96
        step_us = 15 * MINUTE_US
        ts_us = FIRST_US - 86_400_000_000 + np.arange(rows, dtype=np.int64) * step_us
        if name == "e":
            ts_us = ts_us[::7] + 1_000_000 * (np.arange(len(ts_us[::7])) % 600)
        if name == "b":
            ts_us = np.delete(ts_us, slice(500, 700))
        values = np.arange(len(ts_us)) % 2 == 0 if kind == "Bool" else np.arange(len(ts_us)) + number / 8
        na = np.zeros(len(ts_us), dtype=bool)
        if name == "b":
            na[::50] = True
        database.set_history(name, ts_us, values, na)
    return database


def truth(database: Database, name: str, span: str = SPAN) -> pd.Series[Any]:
    samples = database.history(name)
    window = resolve(span, ZONES[name])
    assert window.end_us is not None
    inside = (samples.ts_us >= window.start_us) & (samples.ts_us < window.end_us)
    assert samples.values is not None
    assert samples.na is not None
    values = samples.values[inside].astype(float)
    values[samples.na[inside]] = np.nan
    return pd.Series(values, pd.DatetimeIndex(samples.ts_us[inside], dtype="datetime64[us, UTC]"))


QUIRKS = [
    (),
    *((name,) for name in BUNDLES),
    ("rowcap=400",),
    ("rowcap-incomplete=400",),
    ("rowcap-413=400",),
    ("rowcap-500=400",),
    ("rowcap-cut=400",),
    ("rowcap-gzip=400",),
    ("idcap=1",),
    ("idcap=1", "rowcap=300", "floor-1s"),
    ("id0-batch", "rowcap=300"),
    ("ignore-range", "reversed-rows"),
    ("start-exclusive", "extra-samples", "rowcap=300"),
    ("no-batch", "rowcap-incomplete=97"),
    ("first-id-only", "reversed-rows"),
    ("empty-read-404", "text-times"),
]


@pytest.mark.parametrize("quirks", QUIRKS, ids=lambda quirks: "+".join(quirks) or "standard")
@pytest.mark.parametrize("format", ["zinc", "json"])
def test_every_server_gives_the_true_rows(quirks: tuple[str, ...], format: str) -> None:
    database = building()
    with running_server(database, quirks=quirks) as server, hsframe.connect(
        server.uri, "demo", "demo", format=format
    ) as s:  # fmt: skip
        frames = s.his_read(list(ZONES), SPAN, shape="dict", header="id")
    assert list(frames) == list(ZONES)
    for name, df in frames.items():
        expected = truth(database, name)
        assert df.index.as_unit("us").asi8.tolist() == expected.index.as_unit("us").asi8.tolist(), name
        found = df[name].astype("float64").to_numpy() if name != "e" else df[name].to_numpy(dtype=float)
        np.testing.assert_allclose(found, expected.to_numpy(), rtol=1e-6, err_msg=name)
        assert str(df[name].dtype) == ("boolean" if name == "e" else "unit[kW]")


def test_a_server_that_hangs_is_asked_for_less() -> None:
    database = building()
    with running_server(database, quirks=["rowcap-hang=600"]) as server, hsframe.connect(
        server.uri, "demo", "demo", timeout=1.0, max_concurrency=2
    ) as s:  # fmt: skip
        df = s.his_read(["a", "b"], SPAN, header="id")
    for name in ("a", "b"):
        expected = truth(database, name)
        assert (
            df[name].dropna().index.as_unit("us").asi8.tolist() == expected.dropna().index.as_unit("us").asi8.tolist()
        )


def test_a_wide_frame_is_the_same_however_it_was_read() -> None:
    frames = []
    for quirks in ((), ("rowcap=100",), ("no-batch",), ("haystack-py",)):
        with running_server(building(), quirks=quirks) as server, hsframe.connect(server.uri, "demo", "demo") as s:
            frames.append(s.his_read("point", SPAN, tz="Kathmandu"))
    for other in frames[1:]:
        pd.testing.assert_frame_equal(frames[0], other)


def test_one_unknown_id_is_named_and_nothing_is_returned() -> None:
    with running_server(building()) as server, hsframe.connect(server.uri, "demo", "demo") as s:
        with pytest.raises(hsframe.UnknownRecError, match="'zz'"):
            s.his_read(["a", "b", "zz"], SPAN)
        # It is lost between the reading of the records and that of the histories.
        read = s.client.read_by_ids

        async def then_gone(*args: Any, **kwargs: Any) -> Any:
            answer = await read(*args, **kwargs)
            server.database.remove("b")
            return answer

        s.client.read_by_ids = then_gone  # type: ignore[method-assign]
        with pytest.raises(hsframe.CallError, match="@b"):
            s.his_read(["a", "b"], SPAN)
