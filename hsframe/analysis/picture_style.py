"""What pictures have in common: colours, names as they are shown, figures."""

from __future__ import annotations

import textwrap
from typing import Any, Final

from hsframe.errors import MetadataError

COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
"""Those of Okabe and Ito, which people see apart who do not see all colours; without yellow, pale on white."""
GREY: Final = "#D0D0D0"
LEGEND: Final = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "fontsize": "small", "frameon": False}
_WIDTH: Final = 28  # letters of a name in a line


def new_figure(size: tuple[float, float]) -> Any:
    """An empty figure of pyplot, which a notebook shows; a MetadataError without matplotlib."""
    try:
        from matplotlib import pyplot
    except ImportError as error:
        raise MetadataError("drawing needs matplotlib: pip install 'hsframe[plot]'") from error
    return pyplot.figure(figsize=size, layout="constrained")


def name_text(label: Any) -> str:
    """A name as matplotlib shows it as it is, in two lines at most; of several levels those that are not empty."""
    text = ", ".join(filter(None, map(str, label))) if isinstance(label, tuple) else str(label)
    if len(text) > 2 * _WIDTH:  # many names differ at their end
        text = f"{text[: _WIDTH - 4].rpartition(' ')[0]} … {text[4 - _WIDTH :].partition(' ')[2]}"
    return escaped("\n".join(textwrap.wrap(text, _WIDTH, break_on_hyphens=False)))


def escaped(text: str) -> str:
    """A text that matplotlib shows as it is: what begins with _ has no place in a legend, and two $ make a formula."""
    return text.replace("$", r"\$") if not text.startswith("_") else escaped(f" {text}")
