"""The benchmarks, which nobody runs each day, still fit what they measure."""

from __future__ import annotations

import importlib
from pathlib import Path

import numpy as np
import pytest

from hsframe import Archive
from tests.benchmarks.__main__ import OTHERS
from tests.benchmarks.archive_data import ident_of, quarters, values, write_archive
from tests.benchmarks.verdicts import verdict

pytestmark = pytest.mark.one_python


@pytest.mark.parametrize("name", OTHERS)
def test_a_benchmark_that_is_named_is_there(name: str) -> None:
    assert callable(importlib.import_module(f"tests.benchmarks.{name}").main)


def test_an_archive_of_a_benchmark_is_one(tmp_path: Path) -> None:
    week_us = 1_767_225_600_000_000, 1_767_225_600_000_000 + 7 * 86_400_000_000  # from 2026-01-01
    write_archive(str(tmp_path / "archive"), 60, *week_us, week_us[1])
    archive = Archive(tmp_path / "archive")
    assert archive.check().empty
    df = archive.his_read("point", "2026-01-01,2026-01-07", header="id")
    assert list(df.columns) == [ident_of(number) for number in range(60)]
    expected = values(np.arange(60), quarters(*week_us)).T
    assert np.array_equal(df.hs.magnitude().to_numpy(), expected)


def test_a_figure_over_its_limit_ends_with_1(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict([("bytes a sample", 1.4, 1.5)]) == 0
    assert verdict([("bytes a sample", 1.4, 1.5), ("versions", 1, 0), ("requests", 3, 3)]) == 1
    assert [line.split()[-1] for line in capsys.readouterr().out.splitlines()] == ["ok", "ok", "OVER", "ok"]
