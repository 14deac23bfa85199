"""Each operation of the list does with the unit what the list says, and the page of the documentation is the list."""

from __future__ import annotations

import importlib.util
import math
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from hsframe.errors import UnitError
from tests.frame.operations import FATES, OPERATIONS, Operation, cells, frame, page, run, unit_of_result

LISTED = [one for operations in OPERATIONS.values() for one in operations]


@pytest.fixture(autouse=True)
def no_screen():
    if importlib.util.find_spec("matplotlib"):
        import matplotlib as mpl

        mpl.use("Agg")
        yield
        from matplotlib import pyplot

        pyplot.close("all")
    else:
        yield


def same(found: Any, expected: Any) -> bool:
    if isinstance(found, str) or isinstance(expected, str):
        return str(found) == str(expected)
    try:
        x, y = (math.nan if item is None or item is pd.NaT else float(item) for item in (found, expected))
    except (TypeError, ValueError):
        return bool(found == expected)
    return math.isclose(x, y, rel_tol=1e-12) or (math.isnan(x) and math.isnan(y))


@pytest.mark.parametrize("one", LISTED, ids=lambda one: one.code)
def test_the_unit_and_the_numbers(one: Operation) -> None:
    if one.needs:
        pytest.importorskip(one.needs)
    if one.fate == "refused":
        with pytest.raises(Exception) as caught:  # noqa: PT011 - other libraries refuse in their own classes
            run(one.code)
        assert one.unit in str(caught.value)
        return
    result = run(one.code)
    assert unit_of_result(result) == (one.unit if one.fate in ("kept", "right") else "")
    expected = run(one.code, with_units=False) if one.value is None else one.value
    found, expected = list(cells(result)), list(cells(expected))
    assert len(found) == len(expected)
    assert all(map(same, found, expected)), (found, expected)


def test_the_list() -> None:
    codes = [one.code for one in LISTED]
    assert len(codes) == len(set(codes)) > 200
    assert {one.fate for one in LISTED} == set(FATES)
    source = dict.fromkeys(["kW", "°F"])
    for one in LISTED:
        units = one.unit.removesuffix(" (Numbers)").split(", ")
        if one.fate == "kept":
            assert set(units) <= {*source, "W"}, one.code
        if one.fate == "right":
            assert not set(units) <= set(source), one.code


def test_a_wrong_line_is_found() -> None:
    for wrong in (
        Operation('df["zone"] - df["supply"]', "kept", "°F"),
        Operation('df["power"].sum()', "plain"),
        Operation('df["power"].head(1) + Number(500, "W")', "kept", "kW"),
        Operation('df["power"] + df["zone"]', "kept", "kW"),
    ):
        with pytest.raises((AssertionError, UnitError)):
            test_the_unit_and_the_numbers(wrong)


def test_the_page_is_what_the_list_says() -> None:
    written = Path(__file__).parents[2].joinpath("docs/explanation/operations.md").read_text("utf-8")
    assert written == page(), "run: python -m tests.frame.operations > docs/explanation/operations.md"


def test_the_frame_of_the_list() -> None:
    assert frame().hs.units == {"power": "kW", "zone": "°F", "supply": "°F"}
    assert np.isnan(frame()["power"].to_numpy()).sum() == 1
