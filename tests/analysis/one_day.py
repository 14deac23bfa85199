"""Samples of one day, and their episodes in hours after its midnight."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

import hsframe

FIRST = pd.Timestamp("2026-10-30", tz="America/New_York")
MINUTE_US = 60_000_000
HOUR_US = 60 * MINUTE_US
FIRST_US = 1_793_332_800_000_000  # 2026-10-30T04:00Z, New York's midnight
DAY = "2026-10-30"


def frame(ts_us: Any, tz: Any = "America/New_York", **columns: Any) -> pd.DataFrame:
    index = pd.DatetimeIndex(np.asarray(ts_us, dtype=np.int64), dtype="datetime64[us, UTC]", name="ts")
    return hsframe.with_points(pd.DataFrame(columns, index.tz_convert(tz)), {})


def windows(episodes: pd.DataFrame, start_us: int = FIRST_US, unit_us: int = HOUR_US) -> list[tuple[float, float]]:
    """Each from and to, in hours after the first instant."""
    starts, ends = ((episodes[name].astype("int64") - start_us) / unit_us for name in ("start", "end"))
    return list(zip(starts.tolist(), ends.tolist(), strict=True))
