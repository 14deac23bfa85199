"""What pandas, NumPy and others do with the units of a frame: one list, for the tests and for the page of them.

``python -m tests.frame.operations > docs/explanation/operations.md`` writes the page.
"""

from __future__ import annotations

import copy
import importlib.util
import io
import math
import pickle
import sqlite3
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import hsframe
from hsframe import Number
from hsframe.unit_array.scalars import UnitFloat
from hsframe.units import MISPRINTS, find

FATES = {
    "kept": "the result has the unit of the values",
    "right": "it has another unit, which is that of the result",
    "shown": "the unit is in a text, a label or an attribute of the result",
    "plain": "the result is a plain number: no unit would be right, or nobody knows it; then something else is named",
    "refused": "an error, whose words are quoted",
}


@dataclass(frozen=True)
class Operation:
    """`unit` is that of the result, or the words of the error; `value` what comes out where it is not as without units.

    The code runs with the frame; what stands before a semicolon is a statement, what stands last the result.
    """

    code: str
    fate: str
    unit: str = ""
    instead: str = ""
    value: Any = None
    needs: str = ""


def kept(code: str, unit: str, value: Any = None, needs: str = "", instead: str = "") -> Operation:
    return Operation(code, "kept", unit, instead, value, needs)


def right(code: str, unit: str, value: Any = None, needs: str = "") -> Operation:
    return Operation(code, "right", unit, "", value, needs)


def shown(code: str, where: str, value: Any, needs: str = "") -> Operation:
    return Operation(code, "shown", where, "", value, needs)


def plain(code: str, instead: str = "", value: Any = None, needs: str = "") -> Operation:
    return Operation(code, "plain", "", instead, value, needs)


def refused(code: str, words: str, instead: str = "", needs: str = "") -> Operation:
    return Operation(code, "refused", words, instead, None, needs)


def frame() -> pd.DataFrame:
    index = pd.date_range("2026-01-01", periods=8, freq="h", tz="America/New_York", unit="us", name="ts")
    return pd.DataFrame(
        {
            "power": pd.Series([1, 2, 4, 8, None, 3, 2, 1], index=index, dtype="unit[kW]"),
            "zone": pd.Series([60, 62, 61, 65, 66, 61, 60, 59], index=index, dtype="unit[°F]"),
            "supply": pd.Series([55, 56, 55, 57, 58, 56, 55, 54], index=index, dtype="unit[°F]"),
        }
    )


ALL, MIXED = "kW, °F", "kW, °F (Numbers)"
TOGETHER = "columns of kW and °F cannot be put together"
NO_SUM, AGG = "°F does not convert to kW", 'df.hs.agg({"power": "sum", "zone": "mean"})'
BUILTIN_SUM = 'wrong: Python adds value by value; `"sum"` or `.sum()`'
CHANGED = 'pd.concat([df["power"], df["power"].hs.to("W")])'
POWER = [1, 2, 4, 8, math.nan, 3, 2, 1]

OPERATIONS: dict[str, list[Operation]] = {
    "Selection": [
        kept('df["power"]', "kW"),
        kept('df[["power", "zone"]]', ALL),
        kept('df.loc["2026-01-01 02:00":, "zone"]', "°F"),
        kept("df.iloc[2:4]", ALL),
        kept("df.iloc[0]", MIXED),
        kept("df.iloc[0, 0]", "kW"),
        kept('df.at[df.index[0], "zone"]', "°F"),
        kept("df.xs(df.index[0])", MIXED),
        kept("df.head(2)", ALL),
        kept('df[df["zone"] > 61]', ALL),
        kept('df.query("zone > 61")', ALL),
        kept("df.where(df > 2)", ALL),
        kept('df["zone"].mask(df["zone"] > 61)', "°F"),
        kept('df.filter(like="zone")', "°F"),
        kept('df.select_dtypes("number")', ALL),
        kept('df.between_time("01:00", "03:00")', ALL),
        kept("df.asof(df.index[4])", MIXED),
        kept('df.nlargest(2, "power")', ALL),
        kept("df.sample(3, random_state=1)", ALL),
        kept('df.drop(columns="zone")', ALL),
        kept('list(df["power"])', "kW"),
        kept('[row.power for row in df.itertuples()]', "kW"),
        kept('[row["power"] for _, row in df.iterrows()]', "kW (Numbers)"),
        plain('df.to_dict("records")', '`df["power"].tolist()` keeps it'),
        kept("df.to_numpy()", MIXED, instead="`df.hs.magnitude().to_numpy()` is float64"),
        plain("df.to_numpy(dtype=float)"),
        plain('np.asarray(df["power"])'),
    ],
    "Assignment": [
        kept('df.assign(twice=df["power"] * 2)', ALL),
        kept('df.loc[df.index[0], "zone"] = 65.0; df', ALL),
        kept('df.loc[df.index[0], "zone"] = Number(20, "°C"); df["zone"].head(2)', "°F", [68, 62]),
        refused('df.loc[df.index[0], "zone"] = Number(20, "kW"); df', "kW does not convert to °F"),
        refused('df.loc[df.index[0], "zone"] = "warm"; df', "'warm' is a str, not a number"),
        plain('df["zone"] = 65.0; df["zone"]', '`df["zone"] = pd.Series(65.0, df.index, "unit[°F]")`'),
        kept("df.rename(columns=str.upper)", ALL),
        kept('df.set_axis(["a", "b", "c"], axis=1)', ALL),
        kept('df.set_index("zone").index', "°F"),
        kept('df.set_index("zone")["power"].loc[df["zone"].min()]', "kW"),
        kept('df.set_index("zone").reset_index()', "°F, kW"),
        kept('df.insert(0, "copy", df["power"]); df', ALL),
        kept('df.pop("power")', "kW"),
        right('df.astype({"power": "unit[W]"})["power"].head(2)', "W", [1000, 2000]),
        right('df["zone"].hs.to("°C").head(1)', "°C", [(60 - 32) / 1.8]),
        kept("df.convert_dtypes()", ALL),
        kept("df.infer_objects()", ALL),
        kept('df["power"].astype(object)', "kW (Numbers)"),
        plain('df["power"].astype(float)'),
        plain('df["power"].astype(str)', "the texts are numbers, as in CSV"),
    ],
    "Arithmetic": [
        kept('df["power"] + df["power"]', "kW"),
        kept('df["power"] + 1', "kW"),
        kept('df["power"].head(2) + Number(500, "W")', "kW", [1.5, 2.5]),
        refused('df["power"] + df["zone"]', NO_SUM),
        right('df["zone"] - df["supply"]', "Δ°F"),
        kept('df["zone"] - 2', "°F"),
        right('65 - df["zone"]', "Δ°F"),
        right('df["zone"] - Number(65, "°F")', "Δ°F"),
        kept('df["power"] * 2', "kW"),
        right('df["power"] * Number(2, "h")', "kWh"),
        right('df["power"].head(2) * pd.Timedelta("15min")', "kWh", [0.25, 0.5]),
        right('pd.Timedelta("15min") * df["power"].head(2)', "kWh", [0.25, 0.5]),
        right('(df["zone"].hs.magnitude() > 61) * Number(0.25, "h")', "h"),
        right('pd.Series([80, 60]) * Number(0.25, "h") * Number(12, "kW")', "kWh"),
        right('pd.Series([80, 60]).mul(Number(0.25, "h"))', "h"),
        right('pd.Series([80, 60]) * (df["power"].max() * Number(0.25, "h"))', "kWh", [160, 120]),
        right('Number(15, "kWh") / pd.Series([3, 5], dtype="int64[pyarrow]")', "kWh"),
        right('pd.Series([20.0, 21.0]) - Number(20, "°C")', "Δ°C"),
        right('pd.DataFrame({"a": [1, 2], "b": [True, False]}) * Number(2, "h")', "h"),
        right('pd.Index([1, 2]) * Number(2, "h")', "h"),
        plain('df["power"] * df["zone"]'),
        plain('df["power"] / df["power"].max()'),
        plain('1 / df["power"]'),
        kept('df["power"] // 2', "kW"),
        kept('df["power"] % 2', "kW"),
        plain('df["power"] ** 2'),
        kept('-abs(df["power"])', "kW"),
        kept('divmod(df["power"], 2)', "kW"),
        kept('(df["zone"] > 61) * df["power"]', "kW"),
        kept('(df["zone"] > 61).astype("boolean") * df["power"]', "kW"),
        right('df[["zone", "supply"]].sub(df["supply"], axis=0)', "Δ°F"),
        kept("df + df", ALL),
        right("df - df.iloc[0]", "kW, Δ°F"),
        right("df - df.mean()", "kW, Δ°F"),
        plain("(df - df.mean()) / df.std()"),
        kept('df[["power"]].add(df[["power"]], fill_value=0)', "kW"),
        right('df["zone"].combine(df["supply"], lambda x, y: x - y)', "Δ°F"),
        right('df.eval("zone - supply")', "Δ°F"),
        right("df.diff()", "kW, Δ°F"),
        plain("df.pct_change()"),
        kept("df.shift(1)", ALL),
        plain('df["supply"] @ df["supply"]'),
        right('df["power"].fillna(0) @ pd.Series(0.5, df.index, "unit[h]")', "kWh", 10.5),
        kept('df["power"].fillna(0) @ np.full(8, 0.5)', "kW"),
        plain('df["zone"] @ np.full(8, 0.125)', "as of a sum"),
        kept('df[["zone", "supply"]] @ [0.5, 0.5]', "°F (Numbers)"),
        refused('df["zone"] @ df[["zone", "supply"]]', "has no rule of units", "`df.hs.magnitude()` of both"),
        plain(
            'df.hs.magnitude().T @ df.hs.magnitude()',
            "pandas gives `df.T @ df` of columns in one unit that unit, which is wrong, and asks nobody",
        ),
    ],
    "Comparison": [
        plain('df["power"] > 2'),
        plain('df["power"] > Number(2000, "W")', value=[x > 2 for x in POWER]),
        plain('df["power"] == df["zone"]'),
        refused('df["power"] < df["zone"]', NO_SUM),
        plain("df > df.shift()"),
        plain('pd.Series([1.0, 2.0]) > Number(1500, "W")', "plain numbers are taken to be in W", [False, False]),
        plain('pd.Series([1.0, 2.0]) == Number(2, "kW")', "no Number equals a plain number", [False, False]),
        plain('df["power"].between(Number(1000, "W"), Number(3, "kW"))', value=[1 <= x <= 3 for x in POWER]),
        plain('df["power"].isin([Number(1000, "W"), 2.0])', value=[x in (1, 2) for x in POWER]),
        plain("df.isna()"),
        plain("df.equals(df.hs.to({'power': 'W'}))", value=False),
        kept('df["power"].compare(df["power"].fillna(0))', "kW"),
    ],
    "Reductions": [
        kept('df["power"].sum()', "kW"),
        plain('df["zone"].sum()', "`mean` keeps it; no conversion is right for a sum of temperatures"),
        kept('df["zone"].mean()', "°F"),
        kept('df["zone"].median()', "°F"),
        right('df["zone"].std()', "Δ°F"),
        plain('df["zone"].var()'),
        right('df["zone"].sem()', "Δ°F"),
        plain('df["zone"].skew()'),
        plain('df["power"].prod()'),
        kept('df["zone"].max()', "°F"),
        plain('df["power"].idxmax()'),
        plain('df["power"].count()'),
        plain('df["power"].nunique()'),
        kept('df["zone"].quantile(0.9)', "°F"),
        kept('df["zone"].quantile([0.1, 0.9])', "°F"),
        kept('df["zone"].mode()', "°F"),
        kept("df.mean()", MIXED),
        kept('df[["zone", "supply"]].mean()', "°F"),
        right("df.std()", "kW, Δ°F (Numbers)"),
        right("df.max() - df.min()", "kW, Δ°F (Numbers)"),
        kept("df.quantile([0.1, 0.9])", ALL),
        kept('df[["zone", "supply"]].mean(axis=1)', "°F"),
        refused("df.mean(axis=1)", TOGETHER, "`df.hs.to(...)` first"),
        refused("df.iloc[0].sum()", NO_SUM),
        plain(
            "df.iloc[0].mean()",
            "pandas makes doubles of a row of Numbers and asks nobody: a mean of kW and °F, and as wrong of kW and W. "
            "`df.mean(axis=1)` refuses; `sum(row) / len(row)` converts, or refuses",
        ),
        plain("df.apply(lambda row: row.mean(), axis=1)", "the same; `df.mean(axis=1)`"),
        plain("df.describe()", "`df.hs.describe()`"),
        right("df.hs.describe().loc[['mean', 'std']]", "kW, °F, Δ°F"),
        kept('df.agg("mean")', MIXED),
        kept('df.agg(["min", "max"])', ALL),
        plain('df.agg({"power": "sum", "zone": "mean"})', f"`{AGG}`"),
        kept(AGG, MIXED),
        plain('df.agg(peak=("power", "max"))', '`df.hs.agg(peak=("power", "max"))`'),
        kept('df.hs.agg(peak=("power", "max"))', "kW"),
        plain('df["zone"].agg(["min", "std"])', '`df[["zone"]].hs.agg(["min", "std"])`'),
        right('df[["zone"]].hs.agg(["min", "std"])', "°F, Δ°F (Numbers)"),
        plain('pd.DataFrame([{"used": df["power"].sum()}])', '`hsframe.table([{"used": df["power"].sum()}])`'),
        kept('hsframe.table([{"used": df["power"].sum()}])', "kW"),
        plain("df.corr()"),
        plain("df.cov()"),
        plain('df["power"].corr(df["zone"])'),
        kept('df["power"].value_counts().index', "kW"),
        plain('df["zone"].cumsum()', "as of a sum"),
        kept('df["power"].cumsum()', "kW"),
        plain('df["power"].cumprod()'),
        kept('df["zone"].cummax()', "°F"),
    ],
    "Missing values, order, classes": [
        kept('df["power"].fillna(0)', "kW"),
        kept('df["power"].fillna(Number(500, "W")).iloc[4]', "kW", 0.5),
        refused('df["power"].fillna(df["zone"])', NO_SUM),
        kept("df.ffill()", ALL),
        kept("df.bfill()", ALL),
        kept("df.interpolate()", ALL),
        kept('df.interpolate("time")', ALL),
        kept("df.dropna()", ALL),
        kept('df["zone"].clip(60, 62)', "°F"),
        kept('df["zone"].clip(lower=Number(16, "°C")).head(2)', "°F", [60.8, 62]),
        kept("df.clip(upper=df.mean(), axis=1)", ALL),
        kept('df["zone"].round(1)', "°F"),
        plain('df["power"].rank()'),
        kept('df.sort_values("power")', ALL),
        kept("df.sort_index(ascending=False)", ALL),
        kept('df["power"].replace(1.0, 2.0)', "kW"),
        kept('df["power"].unique()', "kW"),
        kept('df["power"].drop_duplicates()', "kW"),
        kept('pd.factorize(df["power"])[1]', "kW"),
        plain('pd.cut(df["zone"], 3)'),
        plain('pd.cut(df["power"], [0, 2, 9])', "bins are plain numbers in the unit of the column, whatever they say"),
        refused(
            'pd.cut(df["power"], [Number(500, "W"), Number(9, "kW")])',
            "pd.cut take no single values with a unit",
            '`pd.Series(bins, dtype="unit[kW]")` as the bins',
        ),
        refused('pd.cut(df["power"], [Number(0, "kW"), Number(9, "kW")])', "pd.Series(bins, dtype=column.dtype)"),
        plain('str(pd.cut(df["power"], pd.Series([Number(500, "W"), 9], dtype="unit[kW]")).max())', value="(0.5, 9.0]"),
        plain('pd.qcut(df["zone"], 2)'),
        kept('df["zone"].where(df["zone"] > 61, Number(20, "°C")).head(2)', "°F", [68, 62]),
        refused('df["zone"].where(df["zone"] > 61, df["power"])', "kW does not convert to °F"),
        refused(
            'df["zone"].case_when([(df["zone"] > 61, 61.0)])',
            "columns of float64 and °F cannot be put together",
            'df["zone"].mask(df["zone"] > 61, 61.0)',
        ),
        plain('df["power"].searchsorted(Number(1500, "W"))', value=1),
    ],
    "Groups": [
        kept('by.groupby("site")[["power", "zone"]].mean()', ALL),
        right('by.groupby("site")["zone"].std()', "Δ°F"),
        kept('by.groupby("site")["power"].sum()', "kW"),
        plain('by.groupby("site")["zone"].sum()', "as of a sum"),
        kept('by.groupby("site").agg({"power": "sum", "zone": "max"})', ALL),
        kept('by.groupby("site").agg({"zone": sum})', "°F", instead=BUILTIN_SUM),
        right('by.groupby("site").agg(peak=("power", "max"), swing=("zone", "std"))', "kW, Δ°F"),
        right('by.groupby("site")["zone"].agg(["mean", "std"])', "°F, Δ°F"),
        right('by.groupby("site")["zone"].agg(lambda one: one.max() - one.min())', "Δ°F"),
        kept('by.groupby("site")["power"].first()', "kW"),
        kept('by.groupby("site")["power"].nth(0)', "kW"),
        plain('by.groupby("site")["power"].count()'),
        plain('by.groupby("site").size()'),
        kept('by.groupby("site")["zone"].quantile(0.9)', "°F"),
        kept('by.groupby("site")["power"].transform("mean")', "kW"),
        right('by.groupby("site")["zone"].transform(lambda one: one - one.mean())', "Δ°F"),
        kept('by.groupby("site")["power"].cumsum()', "kW"),
        right('by.groupby("site")["zone"].diff()', "Δ°F"),
        kept('by.groupby("site")["power"].shift()', "kW"),
        kept('by.groupby("site")["power"].ffill()', "kW"),
        plain('by.groupby("site")["power"].rank()'),
        kept('by.groupby("site")["power"].nlargest(1)', "kW"),
        right('by.groupby("site")["zone"].apply(lambda one: one - one.mean())', "Δ°F"),
        plain('by.groupby("site")["zone"].apply(lambda one: one.max() - one.min())', "`agg` in place of `apply`"),
        kept('by.groupby("site").filter(lambda one: one["power"].max() > 5)[["power", "zone"]]', ALL),
        plain('by.groupby("site")["power"].rolling(2).mean()', '`hsframe.with_units(result, like=by["power"])`'),
        plain('by.groupby("site")["power"].describe()', '`hsframe.with_units(result, like=by["power"])`'),
        kept('by.groupby("zone")["power"].sum().index', "°F"),
    ],
    "Time": [
        kept('df.resample("2h").mean()', ALL),
        kept('df["power"].resample("2h").sum()', "kW"),
        plain('df["zone"].resample("2h").sum()', "as of a sum"),
        kept('df["zone"].resample("2h").apply(sum)', "°F", instead=BUILTIN_SUM),
        kept('df["zone"].resample("2h").agg(sum)', "°F", instead=BUILTIN_SUM),
        right('df.resample("2h").agg({"power": "max", "zone": "std"})', "kW, Δ°F"),
        right('df["zone"].resample("2h").agg(["max", "std"])', "°F, Δ°F"),
        right('df["zone"].resample("2h").apply(lambda one: one.max() - one.min())', "Δ°F"),
        plain('df["power"].resample("2h").ohlc()', '`hsframe.with_units(result, like=df["power"])`'),
        kept('df.resample("30min").ffill()', ALL),
        kept('df.resample("30min").interpolate()', ALL),
        kept('df.asfreq("2h")', ALL),
        kept('df.tz_convert("UTC")', ALL),
        kept("df.tz_localize(None)", ALL),
        kept("df.groupby(df.index.hour % 2).mean()", ALL),
        kept("df.reindex(df.index[::2])", ALL),
        plain('df["power"].rolling(2).mean()', '`df["power"].hs.rolling(2).mean()`'),
        kept('df["power"].hs.rolling(2).mean()', "kW"),
        right('df.hs.rolling("2h").std()', "kW, Δ°F"),
        right('df.hs.rolling(2).agg(["mean", "std"])', "kW, °F, Δ°F"),
        right('df.hs.rolling(2).agg({"power": "sum", "zone": "std"})', "kW, Δ°F"),
        plain("df.hs.rolling(2).corr()"),
        plain("df.hs.rolling(2).cov()"),
        refused('df["power"].rolling(2).corr(df["zone"])', NO_SUM, '`df["power"].hs.rolling(2).corr(df["zone"])`'),
        plain('df["power"].hs.rolling(2).corr(df["zone"])'),
        plain('df["power"].expanding().max()', '`df["power"].hs.expanding().max()`'),
        kept('df["power"].hs.expanding().max()', "kW"),
        plain('df["zone"].ewm(span=3).mean()', '`df["zone"].hs.ewm(span=3).mean()`'),
        kept('df["zone"].hs.ewm(span=3).mean()', "°F"),
        kept("hsframe.with_units(df.rolling(2).mean(), like=df)", ALL),
        right('(df["power"] * df.index.to_series().diff()).sum()', "kWh", 20),
    ],
    "Functions of one's own": [
        kept('df["power"].map(lambda value: value * 2)', "kW"),
        plain('df["power"].map({1.0: 5.0})'),
        plain('df["power"].apply(lambda value: value > 2)'),
        kept("df.map(lambda value: value / 2)", ALL),
        right("df.apply(lambda column: column - column.mean())", "kW, Δ°F"),
        plain("df.apply(lambda column: column.max())", "`df.hs.agg(lambda column: column.max())`"),
        kept("df.hs.agg(lambda column: column.max())", MIXED),
        right('df.apply(lambda row: row["zone"] - row["supply"], axis=1)', "Δ°F (Numbers)"),
        refused('df.apply(lambda row: row["power"] + row["zone"], axis=1)', NO_SUM),
        kept("df.transform(lambda column: column * 2)", ALL),
        kept('df.pipe(lambda frame: frame["power"] * 2)', "kW"),
    ],
    "Frames together": [
        kept("pd.concat([df, df])", ALL),
        kept('pd.concat([df, df.hs.to({"power": "W"})])["power"]', "kW, W (Numbers)", [*POWER, *(1000 * x for x in POWER)]),
        kept('hsframe.concat([df, df.hs.to({"power": "W"})])["power"]', "kW", [*POWER, *POWER]),
        refused('hsframe.concat([df, df.rename(columns={"power": "zone", "zone": "power"})])', "column 'zone' is in °F in frame 0"),
        kept('pd.concat([df["power"], df["zone"]], axis=1)', ALL),
        kept('pd.concat([df["power"], df["zone"]])', MIXED),
        kept(f'{CHANGED}.max()', "kW (Numbers)", 8),
        plain(f"{CHANGED}.mean()", "wrong: 3 kW and 3000 W; `.hs.to('kW').mean()`", 1501.5),
        kept(f"{CHANGED}.hs.to('kW').mean()", "kW", 3),
        plain(f"{CHANGED}.resample('1D').mean()", "wrong, as by `groupby` and `pivot_table`; the same", 1501.5),
        plain(f"{CHANGED}.rolling(2).mean().iloc[8]", "wrong: 1 kW and 1000 W; `.hs.rolling(2)`", 500.5),
        kept(f"{CHANGED}.to_frame('p').hs.agg('mean')", "kW", 3),
        kept('by.merge(names, on="site")[["power", "zone"]]', ALL),
        kept('by.merge(by[["power"]].drop_duplicates(), on="power")["power"]', "kW"),
        plain('len(by.merge(by[["power"]].hs.to("W"), on="power").dropna())', "a key in another unit matches nothing; convert first", 0),
        kept('df.join(df.add_suffix("_2"))', ALL),
        kept('pd.merge_asof(df, df.add_suffix("_2"), left_index=True, right_index=True)', ALL),
        kept("df.align(df.iloc[2:])[1]", ALL),
        kept("df.combine_first(df.iloc[:2])", ALL),
        kept('df["power"].combine_first(df["zone"])', MIXED),
        kept('df.update(df.hs.to({"power": "W"})); df["power"]', "kW", POWER),
    ],
    "Shape": [
        kept("df.T", MIXED),
        kept('df[["zone", "supply"]].T', "°F"),
        kept("df.stack()", MIXED),
        kept('df[["zone", "supply"]].stack()', "°F"),
        kept('df.melt()["value"]', MIXED),
        kept('df[["zone", "supply"]].melt()["value"]', "°F"),
        kept('by.pivot(columns="site", values="power")', "kW"),
        kept('by.pivot_table(index="hour", columns="site", values="power")', "kW"),
        right('by.pivot_table(index="site", aggfunc={"power": "sum", "zone": "std"})', "kW, Δ°F"),
        kept('pd.crosstab(by["hour"], by["site"], values=by["power"], aggfunc="mean")', "kW"),
        kept('by.set_index(["site", "hour"])["power"].unstack("site")', "kW"),
        kept('df.explode("power")', ALL),
        kept('pd.get_dummies(by[["power", "site"]])["power"]', "kW"),
        kept('pd.DataFrame({"a": df["power"].array})', "kW"),
        plain('pd.Series(df["power"].tolist())', '`pd.Series(values, dtype="unit[kW]")`'),
    ],
    "NumPy": [
        kept('np.abs(df["power"])', "kW"),
        kept('np.maximum(df["power"].head(3), Number(2000, "W"))', "kW", [2, 2, 4]),
        right('np.sqrt(pd.Series([4.0], dtype="unit[m²]"))', "m"),
        plain('np.exp(df["power"])'),
        refused('np.add(df["power"], df["zone"])', NO_SUM),
        refused('np.arctan2(df["power"], df["zone"])', "has no rule of units"),
        kept('np.mean(df["zone"])', "°F"),
        kept('np.cumsum(df["power"])', "kW"),
        kept('np.clip(df["zone"], 60, 62)', "°F"),
        plain('np.isnan(df["power"])'),
        plain('np.percentile(df["zone"], 90)', '`df["zone"].quantile(0.9)`'),
        plain('np.where(df["zone"] > 61, df["zone"], 0)', '`df["zone"].where(df["zone"] > 61, 0)`'),
        plain('np.concatenate([df["power"], df["zone"]])', "it takes the doubles of any units; `pd.concat`"),
        plain('np.diff(df["zone"])', '`df["zone"].diff()`'),
        plain('np.polyfit(df["zone"], df["supply"], 1)'),
        plain('np.interp(0.5, np.arange(8), df["zone"])'),
        plain('np.add(df["power"].max(), 1)', 'the operator: `df["power"].max() + 1`'),
        kept('np.float64(2) * df["power"].max()', "kW"),
        right('np.sqrt(Number(4, "m²"))', "m (Numbers)"),
        right('np.array([1.0, 2.0]) * Number(2, "h")', "h"),
        plain('n = pd.DataFrame({"h": [1.0, 2.0]}); n.loc[:, "h"] *= Number(2, "h"); n', 'pandas writes into the plain column; `n["h"] = n["h"] * ...`'),
        refused('a = np.array([1.0, 2.0]); a *= Number(2, "h"); a', "an array of NumPy cannot take numbers in h", "`a = a * b`"),
        refused('(np.ones((2, 2)) * Number(2, "h")).sum()', "NumPy has no tables with a unit", "a DataFrame"),
        plain('np.linalg.norm(df["zone"])'),
    ],
    "Single values": [
        kept('df["power"].max() + df["power"].max()', "kW"),
        kept('df["power"].max() + Number(500, "W")', "kW (Numbers)", 8.5),
        refused('df["power"].max() + df["zone"].max()', NO_SUM),
        refused('df["power"].max() > df["zone"].max()', NO_SUM),
        plain('df["power"].max() == df["zone"].max()'),
        kept('round(df["zone"].mean(), 1)', "°F"),
        plain('float(df["zone"].mean())'),
        shown("f\"{df['zone'].mean():.1f}\"", "in the text", "61.8 °F"),
        shown("str(df['zone'].max())", "in the text", "66.0 °F"),
        kept('sum(df["power"].dropna())', "kW"),
        kept('max(df["power"].dropna())', "kW"),
        kept('statistics.median(df["zone"])', "°F"),
        refused('statistics.mean(df["zone"])', "a UnitFloat needs a unit", "`sum(values) / len(values)`"),
        plain('math.sqrt(df["power"].max())'),
        right('df["power"].max() * pd.Timedelta("15min")', "kWh", 2),
        plain('pd.Timedelta("15min") * df["power"].max()', "the value on the left: Python scales the duration"),
        right('df["power"].max().to("W")', "W", 8000),
        right('df["power"].max() * Number(1, "h") * Number(210, "$/MWh")', "$ (Numbers)", 1.68),
        refused('df["power"] * Number(0.21, "$/KWH")', "the unit table has no 'KWH'; did you mean 'kWh'?"),
        refused('df["power"].max() * Number(0.21, "$/kWh")', "$/kWh takes amounts in kWh, and kW does not convert"),
        kept('k = df["power"].max(); sum([k, k.to("W")])', "kW", 16),
        plain('k = df["power"].max(); np.sum([k, k.to("W")])', "wrong: it adds 8 and 8000; `sum([...])`", 8008),
        plain('k = df["power"].max(); np.add(k, k.to("W"))', "wrong; `k + w`", 8008),
        plain('k = df["power"].max(); np.mean([k, k.to("W")])', "wrong; `sum([...]) / 2`", 4004),
        plain('k = df["power"].max(); np.max([k, k.to("W")])', "wrong; `max([...])`", 8000),
        plain('k = df["power"].max(); pd.Series([k, k.to("W")]).sum()', 'wrong; `pd.Series([...], dtype="unit[kW]")`', 8008),
        kept('k = df["power"].max(); pd.Series([k, k.to("W")], dtype="unit[kW]").sum()', "kW", 16),
        plain('k = df["power"].max(); pd.Series({"a": k, "b": k.to("W")}).sum()', 'wrong; `pd.Series(peaks, dtype="unit[kW]")`', 8008),
        kept('k = df["power"].max(); pd.Series({"a": k, "b": k.to("W")}, dtype="unit[kW]").sum()', "kW", 16),
        plain('k = df["power"].max(); pd.DataFrame({"peak": {"a": k, "b": k}})', "`hsframe.table([...], index=[...])`"),
        plain('k = df["power"].max(); pd.DataFrame.from_dict({"a": {"peak": k}}, orient="index")', "the same"),
        plain('k = df["power"].max(); pd.DataFrame(index=["a"]).assign(peak=k)', 'the same, or `.astype({"peak": "unit[kW]"})`'),
        kept('k = df["power"].max(); hsframe.table([{"peak": k}, {"peak": k.to("W")}], index=["a", "b"])', "kW", [8, 8]),
        plain('k = df["power"].max(); pd.DataFrame([{"a": k}, {"a": k.to("W")}]).sum()', "wrong; `hsframe.table([...])`", 8008),
        kept('k = df["power"].max(); hsframe.table([{"a": k}, {"a": k.to("W")}]).sum()', "kW", 16),
    ],
    "Files and other libraries": [
        kept("pickle.loads(pickle.dumps(df))", ALL),
        kept("copy.deepcopy(df)", ALL),
        plain("df.to_csv()", "`df.hs.with_unit_header().to_csv()`"),
        kept(
            "text = df.hs.with_unit_header().to_csv(); "
            "pd.read_csv(io.StringIO(text), header=[0, 1], index_col=0).hs.from_unit_header()",
            ALL,
        ),
        plain('df.to_json(date_format="iso")', "`hsframe.encode(df.hs.to_grid(), 'json')`"),
        plain("df.to_string()", "the units are in `df.dtypes`; columns of Numbers show theirs"),
        kept("df.to_parquet(file); pd.read_parquet(file)", ALL, instead="its file needs hsframe; that of `hsframe.write_parquet` does not"),
        kept("hsframe.write_parquet(df, file); hsframe.read_parquet(file)", ALL),
        plain("hsframe.write_parquet(df, file); pd.read_parquet(file)", "`hsframe.read_parquet(file)`"),
        kept("df.reset_index().to_feather(file); pd.read_feather(file)[['power', 'zone']]", ALL),
        plain('df.to_sql("trend", db); pd.read_sql("select * from trend", db)[["power", "zone"]]', "PostgreSQL and others: `df.hs.magnitude().to_sql(...)`"),
        kept("pa.Table.from_pandas(df).to_pandas()", ALL),
        shown("df.hs.to_arrow().schema.field('power').metadata[b'hsframe:unit'].decode()", "in the metadata of the field", "kW"),
        plain("polars.from_pandas(df.reset_index())['power'].to_numpy()", needs="polars"),
        refused('duckdb.sql("select max(power) from df").fetchall()', "Data type 'unit[kW]' not recognized", "`trend = df.hs.to_arrow()`, or `plain = df.hs.magnitude()`", needs="duckdb"),
        plain('trend = df.hs.to_arrow(); duckdb.sql("select max(power) from trend").fetchall()', needs="duckdb"),
        plain('plain = df.hs.magnitude(); duckdb.sql("select max(power) from plain").fetchall()', needs="duckdb"),
        shown("str(df.hs.to_pint().dtypes.iloc[0])", "as pint's dtype", "pint[kilowatt][Float64]", needs="pint_pandas"),
        shown('df.hs.to_xarray()["zone"].attrs["units"]', "as attribute", "°F", needs="xarray"),
        plain("df.hs.magnitude()"),
        plain('LinearRegression().fit(df[["zone"]], df["supply"]).coef_', needs="sklearn"),
    ],
    "Plots": [
        shown("[axis.get_ylabel() for axis in df.hs.plot()]", "on an axis each", ["kW", "°F"], needs="matplotlib"),
        plain('df["power"].plot().get_ylim()', "`df.hs.plot()` labels the axes", needs="matplotlib"),
        plain("len(df.plot().get_lines())", "one axis for all units; `df.hs.plot()`", needs="matplotlib"),
        plain("len(df.boxplot().get_lines())", "one axis for all units", needs="matplotlib"),
        plain("len(df.hist().ravel())", needs="matplotlib"),
        refused("df.plot.hist()", NO_SUM, "`df.hist()`, or `df.hs.magnitude().plot.hist()`", needs="matplotlib"),
        refused(
            'df[["power"]].assign(w=df["power"].hs.to("W")).plot.hist()',
            "Cannot interpret 'Number",
            "the same",
            needs="matplotlib",
        ),
        plain('df.plot.scatter(x="zone", y="power").get_ylabel()', needs="matplotlib"),
        plain('plt.plot(df.index, df["power"])[0].get_ydata()', needs="matplotlib"),
        plain('plt.hist(df["power"])[0]', needs="matplotlib"),
        refused("plt.imshow(df)", "Image data of dtype object cannot be converted to float", "`plt.imshow(df.hs.magnitude())`", needs="matplotlib"),
        plain("plt.imshow(df.hs.magnitude()).get_array().shape", needs="matplotlib"),
        plain('px.line(df, y="power").data[0].y', needs="plotly"),
        plain("px.line(df.hs.magnitude()).data[0].y", "a whole frame of two units needs `df.hs.magnitude()`", needs="plotly"),
        refused("px.line(df).to_json()", "Object of type Number is not JSON serializable", "`px.line(df.hs.magnitude())`", needs="plotly"),
        plain('seaborn.lineplot(df.reset_index(), x="ts", y="power").get_ylabel()', needs="seaborn"),
        plain('seaborn.histplot(df, x="zone").get_xlabel()', needs="seaborn"),
        refused("seaborn.violinplot(df)", "Invalid object type", "`seaborn.violinplot(df.hs.magnitude())`", needs="seaborn"),
        refused("seaborn.heatmap(df.reset_index(drop=True))", "Image data of dtype object cannot be converted to float", "`seaborn.heatmap(df.hs.magnitude())`", needs="seaborn"),
        plain("seaborn.heatmap(df.corr()).get_title()", needs="seaborn"),
    ],
}  # fmt: skip


def namespace(df: pd.DataFrame, with_units: bool, folder: Path, db: sqlite3.Connection) -> dict[str, Any]:
    """The names that the code of an operation may use; without units, Numbers are plain numbers too."""
    modules = {"copy": copy, "io": io, "math": math, "np": np, "pd": pd, "pickle": pickle, "statistics": statistics}
    for name, alias in (
        ("pyarrow", "pa"),
        ("matplotlib.pyplot", "plt"),
        ("seaborn", ""),
        ("polars", ""),
        ("duckdb", ""),
        ("plotly.express", "px"),
    ):
        if importlib.util.find_spec(name.partition(".")[0]):
            modules[alias or name] = importlib.import_module(name)
    if "plt" in modules:
        modules["plt"].close("all")
    if importlib.util.find_spec("sklearn"):
        modules["LinearRegression"] = importlib.import_module("sklearn.linear_model").LinearRegression
    df = df if with_units else df.hs.magnitude()
    number: Callable[..., Any] = Number if with_units else lambda val, unit=None: val
    by = df.reset_index(drop=True).assign(site=list("abababab"), hour=[0, 0, 1, 1, 2, 2, 3, 3])
    names = pd.DataFrame({"site": ["a", "b"], "name": ["North", "South"]})
    return {**modules, "hsframe": hsframe, "df": df, "by": by, "names": names, "Number": number, "file": folder / "file", "db": db}  # fmt: skip


def run(code: str, with_units: bool = True) -> Any:
    """The result of an operation on the frame, or on the same frame without units."""
    *statements, last = code.split("; ")
    with tempfile.TemporaryDirectory() as folder, closing(sqlite3.connect(":memory:")) as db:
        names = namespace(frame(), with_units, Path(folder), db)
        exec("\n".join(statements), names)
        return eval(last, names)


def cells(result: Any) -> Iterator[Any]:
    """The single values of a result."""
    if isinstance(result, pd.DataFrame):
        for place in range(result.shape[1]):
            yield from cells(result.iloc[:, place])
    elif isinstance(result, dict):
        yield from cells(list(result.values()))
    elif isinstance(result, pd.Series | pd.Index | pd.api.extensions.ExtensionArray):
        yield from (None if item is pd.NA else item for item in result)
    elif isinstance(result, list | tuple | np.ndarray):
        for item in result:
            yield from cells(item)
    else:
        yield result


def unit_of_result(result: Any) -> str:
    """The units of a result, each once; '(Numbers)' where values carry it one by one; '' where it has none."""
    units = dict.fromkeys(item.unit for item in cells(result) if isinstance(item, Number | UnitFloat) and item.unit)
    has_numbers = any(isinstance(item, Number) for item in cells(result))
    return ", ".join(units) + (" (Numbers)" if units and has_numbers else "")


def page() -> str:
    """docs/explanation/operations.md."""
    lines = [
        "# What becomes of the unit",
        "",
        "Made by `python -m tests.frame.operations > docs/explanation/operations.md`; each line runs in the tests, and its",
        "numbers are those that pandas gives without units. `df` has the columns `power` in kW and `zone` and `supply` in",
        "°F, hour by hour; `by` is the same numbered from 0 with the columns `site` and `hour`. The rules themselves:",
        "[units](units.md).",
        "",
        *(f"- **{fate}**: {meaning}." for fate, meaning in FATES.items()),
        "",
        "*(Numbers)*: the values are `hsframe.Number` objects, each with its unit, as they are wherever pandas puts columns",
        "of several units into one. An index with a unit is looked up by values with that unit, such as its own; a join or",
        "`reindex` of one in kW by one in W finds nothing and says nothing: convert one first, `index.astype('unit[kW]')`.",
        "",
        "Four operations give a wrong unit or mix units without a word, because pandas makes doubles and asks nobody: the",
        "mean, median or spread of *(Numbers)*, an **object column** or a row of several units, by group, by period and in",
        "windows too, as after a `pd.concat` of kW and W (`df.iloc[0].mean()`; `df.mean(axis=1)` refuses, and all of `df.hs`",
        "converts or refuses); the product of two **frames** of one unit (`df.T @ df`); **bins** with a unit of their own",
        '(`pd.cut`); and Python\'s own **sum** of temperatures, also in `agg` and `apply`: write `"sum"`. Convert first with',
        "`df.hs.to(...)`, put frames together with `hsframe.concat`, or compute with `df.hs.magnitude()`.",
        "",
        "A Python **list or dict of single values** is the other place: NumPy's functions, `pd.Series([k, m])`, `pd.Series({...})`",
        "and `pd.DataFrame(...)` take floats at their value, and `np.sum([k, m])` of 8 kW and 8000 W is 8008. Python's own `sum`,",
        "`min` and `max`, `hsframe.table([...])` and a dtype such as `unit[kW]` convert; the rows are under *Single values*. The",
        "package numexpr, where it is installed, takes a single value so too: beside a plain column of over a million rows.",
    ]
    for title, operations in OPERATIONS.items():
        lines += ["", f"## {title}", "", "| operation | the unit is | | note |", "|---|---|---|---|"]
        for one in operations:
            what = f"“{one.unit}”" if one.fate == "refused" else one.unit
            lines.append(f"| `{one.code}` | {one.fate} | {what} | {one.instead} |")
    lines += [
        "",
        "## Units whose factors are corrected",
        "",
        "The factors of these nine units in the standard's table contradict their names. They are corrected by default;",
        '`hsframe.options.unit_factors = "standard"` takes the table as it is published. `kW/ton`, which the table lets pass',
        "for a COP, is the inverse of one: 0.6 kW/ton is a COP of 5.86.",
        "",
        "| unit | name | factor to SI in the table | corrected |",
        "|---|---|---|---|",
    ]
    for symbol, scale in MISPRINTS.items():
        unit = find(symbol)
        assert unit is not None
        lines.append(f"| {symbol} | {unit.name} | {float(unit.scale):.6g} | {float(scale):.6g} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(page())
