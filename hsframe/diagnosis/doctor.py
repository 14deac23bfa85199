"""The whole examination: the questions in order, and their answers as a table."""

from __future__ import annotations

import textwrap
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Final

import pandas as pd

from hsframe.diagnosis import connection_questions as connection
from hsframe.diagnosis import history_questions as histories
from hsframe.diagnosis import point_questions as points
from hsframe.diagnosis.examination import Answer, Examination, Finding, brief
from hsframe.errors import HsFrameError

if TYPE_CHECKING:
    from hsframe.client import Client

# In this order: a question may use what an earlier one has found.
_QUESTIONS: Final[Sequence[tuple[str, Callable[[Examination], Awaitable[Answer]]]]] = (
    ("connection", connection.protection),
    ("login", connection.login_scheme),
    ("product", connection.product),
    ("protocol", connection.protocol),
    ("zone of the server", connection.zone_of_server),
    ("clock", connection.clock),
    ("ops", connection.ops),
    ("formats", connection.formats),
    ("methods", connection.methods),
    ("empty read", connection.empty_read),
    ("points", points.points),
    ("zones of points", points.zones),
    ("rules of zones", points.rules_of_zones),
    ("units of points", points.unit_names),
    ("kinds of points", points.kinds),
    ("names of points", points.names),
    ("hisRead of a point", histories.one_point),
    ("values", histories.values_by_format),
    ("rows outside a range", histories.outside),
    ("ends of a range", histories.ends),
    ("zone of a range", histories.zone_of_range),
    ("hisRead of a batch", histories.batch),
    ("rows at once", histories.rows_at_once),
    ("gzip", connection.gzip),
    ("request body", connection.request_body),
    ("lost session", connection.lost_session),
)


async def examine(client: Client, point: str | None = None) -> pd.DataFrame:
    """Ask a server what it can do, read-only, and remember it for all clients of its uri.

    The result has one row per question, all texts; ``advice`` is empty where all is well. The client is used for
    nothing else: its session is closed at the end, to see how the server answers then. `point` is the id of a point
    with a history to test reads with; by default one is looked for.
    """
    exam = Examination(client, point)
    try:
        reached = await connection.reach(exam)
    except HsFrameError as error:
        return pd.DataFrame(connection.not_reached(error), dtype="str")
    findings = [Finding("reachable", *reached)]
    with client.sender.retries.one_verb():  # where the server stays busy, one question waits for it and not each
        for question, ask in _QUESTIONS:
            try:
                answer, advice = await ask(exam)
            except HsFrameError as error:
                answer, advice = f"not found out: {brief(error)}", ""
            findings.append(Finding(question, answer, advice))
    if times := exam.log.retries:
        answer = f"the server was busy {times} time{'s'[: times > 1]} (HTTP 429 or 503, or no connection)"
        findings.append(Finding("busy", answer, "hsframe asks again, as connect(retries=) says"))
    return pd.DataFrame(findings, dtype="str")


def findings_text(df: pd.DataFrame, width: int = 100) -> str:
    """The table in plain text, aligned, long cells over several lines of at most `width` characters.

    >>> df = pd.DataFrame([Finding("clock", "90 s ahead of this machine's", "set both by NTP")])
    >>> print(findings_text(df, 50))
    question  answer               advice
    --------  -------------------  -------------------
    clock     90 s ahead of this   set both by NTP
              machine's
    """
    first = max([len("question"), *map(len, df["question"])])
    rest = (width - first - 4) // 2
    widths = (first, rest, rest)
    lines: list[Sequence[str]] = [list(df.columns), ["-" * size for size in widths]]
    for row in df.itertuples(index=False):
        cells = [textwrap.wrap(str(cell), size) or [""] for cell, size in zip(tuple(row), widths, strict=True)]
        height = max(map(len, cells))
        lines += zip(*(cell + [""] * (height - len(cell)) for cell in cells), strict=True)
    return "\n".join(
        "  ".join(f"{cell:{size}}" for cell, size in zip(line, widths, strict=True)).rstrip() for line in lines
    )
