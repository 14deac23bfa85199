"""A bar for reads that take longer than two seconds, in a terminal and in a notebook, drawn by tqdm."""

from __future__ import annotations

import asyncio
import importlib.util
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from hsframe.client.retries import waiting
from hsframe.errors import MetadataError
from hsframe.history.source import Progress
from hsframe.tracebacks import running_shell

_DELAY_S: Final = 2.0
_EVERY_S: Final = 0.2
_FORMAT: Final = "{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
_END_FORMAT: Final = "{desc} {percentage:3.0f}%|{bar}| {elapsed}"


@asynccontextmanager
async def progress_of(progress: bool | None, what: str) -> AsyncIterator[Progress]:
    """The object to which a read reports its progress; it draws a bar named `what` if `progress` is true.

    None means true in a notebook and in a terminal if tqdm is installed. The bar's clock also runs between answers.
    While the server is busy or away, the bar says until when the read waits. A notebook keeps it: green, or red where
    the read has failed.
    """
    if progress is None:
        is_seen = in_notebook() or bool(getattr(sys.stderr, "isatty", bool)())
        progress = is_seen and _is_installed("tqdm")
    if not progress:
        yield Progress()
        return
    if not _is_installed("tqdm"):
        raise MetadataError("progress=True needs tqdm, which is not installed: pip install 'hsframe[progress]'")
    bar = _Bar(what)

    async def tick() -> None:
        while True:
            await asyncio.sleep(_EVERY_S)
            bar.changed()

    ticking = asyncio.create_task(tick())
    try:
        yield bar
        bar.end()
    except GeneratorExit:  # a loop over the parts was left early: nothing has failed
        bar.end()
        raise
    finally:
        bar.close()
        ticking.cancel()
        await asyncio.wait([ticking])


class _Bar(Progress):
    def __init__(self, what: str) -> None:
        super().__init__()
        self._what = what
        self._started_s = self._shown_s = time.monotonic()
        self._bar: Any = None

    def changed(self) -> None:
        now_s = time.monotonic()
        if now_s - self._started_s < _DELAY_S or now_s - self._shown_s < _EVERY_S:
            return
        self._shown_s = now_s
        if self._bar is None:
            # Of 1, as what there is to read may grow, and the widget of a notebook keeps its first total.
            self._bar = _bar_of(self._what, total=1.0)
            self._bar.start_t -= time.monotonic() - self._started_s  # the first two seconds count
        rate = self.samples / (time.monotonic() - self._started_s)
        self._show(self.done / self.total if self.total else 0.0, waiting() or f"{self._read}, {rate:,.0f}/s")

    def end(self) -> None:
        """Fill it: what was read may be less than was expected, and the last answers came too soon to be drawn."""
        if self._bar is not None:
            self._bar.bar_format = _END_FORMAT
            self._show(1.0, self._read)

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()

    @property
    def _read(self) -> str:
        return f"{self.answers:,} request{'s' * (self.answers != 1)}, {self.samples:,} rows"

    def _show(self, share: float, what: str) -> None:
        self._bar.n = share
        self._bar.set_description_str(f"{self._what}, {what}", refresh=False)
        self._bar.refresh()


def _bar_of(what: str, total: float) -> Any:
    is_seen_later = in_notebook()
    if is_seen_later and _is_installed("ipywidgets"):
        from tqdm.notebook import tqdm
    else:
        from tqdm import tqdm  # text, which a notebook shows too

    # tqdm would start a thread that looks after slow bars, and that stays; this one is drawn by the clock.
    bar = type("Bar", (tqdm,), {"monitor_interval": 0})
    file = sys.stdout if is_seen_later else None  # what is on stderr is on red there
    return bar(total=total, desc=what, bar_format=_FORMAT, leave=is_seen_later, file=file)


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def in_notebook() -> bool:
    """Whether an IPython kernel runs this process; a terminal's IPython has none."""
    return getattr(running_shell(), "kernel", None) is not None
