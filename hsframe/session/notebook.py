"""Whether this is a notebook: bars are drawn there, and an event loop runs under every cell."""

from __future__ import annotations

import sys


def in_notebook() -> bool:
    """Whether an IPython kernel runs this process; a terminal's IPython has none."""
    interactive = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return getattr(interactive, "kernel", None) is not None
