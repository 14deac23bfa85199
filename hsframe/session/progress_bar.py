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

_DELAY_S: Final = 2.0
_EVERY_S: Final = 0.2
_FORMAT: Final = "{desc} {percentage:3.0f}%|{bar}| [{elapsed}<{remaining}]"


@asynccontextmanager
async def progress_of(progress: bool | None, what: str) -> AsyncIterator[Progress]:
    """The object to which a read reports its progress; it draws a bar named `what` if `progress` is true.

    None means true in a notebook and in a terminal if tqdm is installed. The bar's clock also runs between answers.
    While the server is busy or away, the bar says until when the read waits.
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
    finally:
        ticking.cancel()
        bar.close()
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
            self._bar = _bar_class()(total=self.total or None, desc=self._what, bar_format=_FORMAT, leave=False)
            self._bar.start_t -= time.monotonic() - self._started_s  # the first two seconds count
        self._bar.total, self._bar.n = self.total or None, self.done
        rate = self.samples / (time.monotonic() - self._started_s)
        what = waiting() or f"{self.samples:,} samples, {rate:,.0f}/s"
        self._bar.set_description_str(f"{self._what}, {what}", refresh=False)
        self._bar.refresh()

    def close(self) -> None:
        if self._bar is not None:
            self._bar.close()


def _bar_class() -> Any:
    if in_notebook() and _is_installed("ipywidgets"):
        from tqdm.notebook import tqdm
    else:
        from tqdm import tqdm  # text, which a notebook shows too

    # tqdm would start a thread that looks after slow bars, and that stays; this one is drawn by the clock.
    return type("Bar", (tqdm,), {"monitor_interval": 0})


def _is_installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def in_notebook() -> bool:
    """Whether an IPython kernel runs this process; a terminal's IPython has none."""
    interactive = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(interactive, "kernel", None) is not None
