"""The report of a frame as a page for people: one file without anything beside it, for a browser or a phone."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from html import escape
from typing import Any, Final

import pandas as pd

from hsframe.unit_array.scalars import is_missing

_PIXELS: Final = 600
_MOST_GAPS: Final = 50
_FACTS: Final = ("samples", "expected", "min", "mean", "max", "interval", "longest_gap", "stuck_for")
_WRONG: Final = ("infinite", "differing", "duplicates", "false_readings", "resets", "out_of_range", "clock_shifts")
_STYLE: Final = """
body{font:16px/1.45 system-ui,sans-serif;color:#111;max-width:56rem;margin:auto;padding:1rem}
h1{font-size:1.4rem;margin:0}h2{font-size:1.05rem;margin:0;overflow-wrap:anywhere}
article{border-top:1px solid #999;padding:.8rem 0;break-inside:avoid}
p{margin:.2rem 0}small,dt,.ends{color:#555;font-size:.85rem}svg{width:100%;height:22px;display:block;margin-top:.4rem}
.ends{display:flex;justify-content:space-between}dl{display:grid;gap:.3rem 1rem;margin:.5rem 0;
grid-template-columns:repeat(auto-fill,minmax(8rem,1fr))}dd{margin:0;overflow-wrap:anywhere}
.wrong{font-weight:600}
table{border-collapse:collapse;font-size:.85rem}td,th{padding:.1rem .8rem .1rem 0;text-align:left}
"""


def verdict_of(row: Mapping[Any, Any], *, records_changes: bool) -> str:
    """What looks wrong in a row of a report, in words; empty where nothing is found."""
    wrong = [f"{row[key]} {key.replace('_', ' ')}" for key in _WRONG if not is_missing(row[key]) and row[key]]
    if not is_missing(row["missing"]) and row["missing"]:
        share = "" if is_missing(row["coverage"]) else f", {100 * row['coverage']:.4g} % are there"
        is_open = row["samples"] and _gaps(row) and _gaps(row)[-1].begin >= row["last"]
        end = f", none after {row['last']:%Y-%m-%d %H:%M}" if is_open else ""
        wrong.insert(0, f"{row['missing']} missing{share}{end}")
    if not row["samples"]:
        why = "it records changes, so none is due" if records_changes else "hsframe.inventory has the last one"
        wrong.insert(0, f"no sample: {why}")
    return "; ".join(wrong)


def report_page(report: pd.DataFrame, source: str) -> str:
    """A page of a report of ``df.hs.report()``: a part a point, with a picture of when it has samples."""
    rows = list(zip(report.index, report.to_dict("records"), strict=True))
    times = [time.timestamp() for _, row in rows for time in _times(row)]
    span = (min(times), max(times)) if times else (0.0, 1.0)
    due = [row["coverage"] for _, row in rows if not is_missing(row["coverage"])]
    whole, silent = sum(share == 1 for share in due), sum(not row["samples"] for _, row in rows)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>Data quality of {len(rows)} points</title><style>{_STYLE}</style></head><body>"
        f"<h1>Data quality of {len(rows)} points</h1><p><small>{escape(source)}</small></p>"
        f"<p>{whole} of {len(due)} points of which samples are due have all of them"
        f"{f'; without any sample: {silent} of {len(rows)}' if silent else ''}. In the pictures, which have one span "
        "of time, a thin line is where a point has samples, and a tall bar where due ones are missing.</p>"
        + "".join(_part(label, row, span) for label, row in rows)
        + "</body></html>\n"
    )


def _times(row: Mapping[Any, Any]) -> list[pd.Timestamp]:
    ends = [time for begin, end, _ in _gaps(row) for time in (begin, end)]
    return [*ends, *(row[name] for name in ("first", "last") if isinstance(row[name], pd.Timestamp))]


def _gaps(row: Mapping[Any, Any]) -> list[Any]:
    return row["gaps"] if isinstance(row["gaps"], list) else []


def _part(label: Hashable, row: Mapping[Any, Any], span: tuple[float, float]) -> str:
    name = ", ".join(map(str, label)) if isinstance(label, tuple) else str(label)
    about = " · ".join(str(row[key]) for key in ("id", "unit", "kind") if not is_missing(row[key]))
    facts = [(key.replace("_", " "), _value(row[key], row["unit"])) for key in _FACTS if not is_missing(row[key])]
    times = _times(row)
    ends = [f"{time:%Y-%m-%d %H:%M %Z}" for time in (min(times), max(times))] if times else []
    return (
        f"<article><h2>{escape(name)}</h2><small>{escape(about)}</small>"
        f'<p class="wrong">{escape(row["verdict"] or "nothing found")}</p>{_picture(row, span) if times else ""}'
        f'<div class="ends">{"".join(f"<span>{escape(end)}</span>" for end in ends)}</div>'
        f"<dl>{''.join(f'<div><dt>{escape(key)}</dt><dd>{escape(value)}</dd></div>' for key, value in facts)}</dl>"
        f"{_table(_gaps(row))}</article>"
    )


def _value(value: Any, unit: Any) -> str:
    if isinstance(value, pd.Timedelta):
        return str(value).removeprefix("0 days ")
    return f"{value:.6g}{'' if is_missing(unit) else f' {unit}'}" if isinstance(value, float) else str(value)


def _picture(row: Mapping[Any, Any], span: tuple[float, float]) -> str:
    """A line where there are samples, and a bar over each gap, a pixel wide at least."""
    scale = _PIXELS / ((span[1] - span[0]) or 1.0)

    def bar(begin: pd.Timestamp, end: pd.Timestamp, style: str) -> str:
        left, right = (int((time.timestamp() - span[0]) * scale) for time in (begin, end))
        left = min(left, _PIXELS - 1)
        return f'<rect x="{left}" width="{max(right - left, 1)}" {style}/>'

    bars = [bar(row["first"], row["last"], 'y="8" height="6" fill="#0072B2"')] if row["samples"] else []
    bars += [bar(begin, end, 'y="0" height="22" fill="#D55E00"') for begin, end, _ in _gaps(row)]
    return (
        f'<svg viewBox="0 0 {_PIXELS} 22" preserveAspectRatio="none" role="img">'
        f"<title>when it has samples</title>{''.join(dict.fromkeys(bars))}</svg>"  # many gaps are few bars
    )


def _table(gaps: Iterable[Any]) -> str:
    gaps = sorted(gaps, key=lambda gap: -gap.missing)
    if not gaps:
        return ""
    title = f"gaps: {len(gaps)}" + (f", the {_MOST_GAPS} largest of them" if len(gaps) > _MOST_GAPS else "")
    rows = "".join(
        f"<tr><td>{begin:%Y-%m-%d %H:%M %Z}</td><td>{end:%Y-%m-%d %H:%M %Z}</td><td>{missing}</td></tr>"
        for begin, end, missing in gaps[:_MOST_GAPS]
    )
    return f"<details><summary>{title}</summary><table><tr><th>from<th>to<th>missing</tr>{rows}</table></details>"
