"""A frame to a server's histories from synchronous code: checked, sent, and accounted for however it ends."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, Final, Literal

import pandas as pd

from hsframe.errors import HsFrameError, UnitError
from hsframe.frame.his_grids import frame_to_his_grids
from hsframe.frame.match import frame_of, match_columns
from hsframe.frame.points import Point
from hsframe.grid import Grid
from hsframe.history.targets import targets_by_id
from hsframe.history.verify import look
from hsframe.history.windows import Target
from hsframe.history.write import settle, verify, write_histories
from hsframe.history.write_report import Ledger

__all__ = ["write_frame"]

# After an error, and after Ctrl-C, when someone waits for the prompt.
_SETTLE_S: Final = 15.0
_SETTLE_AFTER_CTRL_C_S: Final = 3.0


def write_frame(
    run: Callable[..., Any],
    df: pd.DataFrame | pd.Series[Any],
    *,
    points: Any,
    known: Sequence[Point],
    remember: Callable[[Iterable[Point]], None],
    dry_run: bool,
    verified: bool,
    inf: Literal["refuse", "send"],
    convert: bool,
    max_concurrency: int,
) -> pd.DataFrame:
    """Write a frame as :meth:`hsframe.Session.his_write` tells.

    Parameters
    ----------
    run : callable
        Runs a coroutine function with the session's client: :meth:`hsframe.Session.run`.
    df, points, dry_run, verified, inf, convert
        As for ``his_write``.
    known : sequence of Point
        Those that the session has read.
    remember : callable
        Takes the points whose records were read here.
    max_concurrency : int
        How many requests run at once.
    """
    frame = frame_of(df)
    # A first look, before the server is asked: naive times, doubles, columns without a point. About units the
    # records have the last word.
    with suppress(UnitError):
        frame_to_his_grids(frame, points, inf="send", convert=True, known=known)
    labels = match_columns(frame, points, known)
    targets: dict[str, Target] = {}
    if labels:
        read = run(targets_by_id, [point.id for point in labels.values()])
        targets = {target.point.id: target for target in read}
    records = {ident: target.point for ident, target in targets.items()}
    remember(records.values())
    grids = frame_to_his_grids(
        frame, {label: records[point.id] for label, point in labels.items()}, inf=inf, convert=convert
    )
    ledger = Ledger.of(grids, records)
    at_once: dict[str, Any] = {"max_concurrency": max_concurrency}
    if dry_run:
        if ledger.entries:
            run(functools.partial(look, **at_once), list(ledger), targets)
        return ledger.report("dry run")
    if ledger.entries:
        _send(run, grids, targets, ledger, at_once)
        if verified:
            with _accounted(ledger):
                run(functools.partial(verify, **at_once), targets, ledger)
    return ledger.report("verified" if verified else "written")


def _send(
    run: Callable[..., Any],
    grids: Sequence[Grid],
    targets: dict[str, Target],
    ledger: Ledger,
    at_once: dict[str, Any],
) -> None:
    with _accounted(ledger):
        try:
            run(functools.partial(write_histories, **at_once), grids, targets, ledger)
        except BaseException as error:  # Ctrl-C above all
            wait_s = _SETTLE_S if isinstance(error, HsFrameError) else _SETTLE_AFTER_CTRL_C_S
            with suppress(HsFrameError, KeyboardInterrupt):  # a second Ctrl-C: then it is not known
                run(functools.partial(settle, **at_once), targets, ledger, timeout_s=wait_s)
            raise


@contextmanager
def _accounted(ledger: Ledger) -> Iterator[None]:
    """Puts onto whatever breaks off a write what was stored: a note, and ``report``, a row a point."""
    try:
        yield
    except BaseException as error:
        error.report = ledger.report("broken off")  # type: ignore[attr-defined]
        error.add_note(f"{ledger.summary()}; the report of this error (error.report) has a row a point")
        raise
