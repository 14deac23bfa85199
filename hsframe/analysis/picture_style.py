"""What pictures have in common: colours, names as they are shown, figures."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from hsframe.errors import MetadataError

COLOURS: Final = ("#0072B2", "#E69F00", "#009E73", "#D55E00", "#CC79A7", "#56B4E9", "#000000")
"""Those of Okabe and Ito, which people see apart who do not see all colours; without yellow, pale on white."""
GREY: Final = "#D0D0D0"
LEGEND: Final = {"loc": "upper left", "bbox_to_anchor": (1.0, 1.0), "fontsize": "small", "frameon": False}
_MOST_AXES: Final = 20
_WIDTH: Final = 28  # letters of a name in a line


def axes_for(
    names: Sequence[str],
    ax: Any,
    size: tuple[float, float],
    verb: str,
    style: Mapping[str, Any],
    across: int = 1,
    **settings: Any,
) -> Any:
    """An axis for each of some names, from above: of a new figure of pyplot, which a notebook shows, or `ax` alone.

    A MetadataError without matplotlib, where there are more than fit, and where its `verb` does not take the `style`.
    """
    try:
        from matplotlib import pyplot
        from matplotlib.figure import Figure
    except ImportError as error:
        raise MetadataError("drawing needs matplotlib: pip install 'hsframe[plot]'") from error
    said = f"{len(names)} axes are drawn ({', '.join(names[:5])}{', ...' * (len(names) > 5)})"
    if ax is not None and not hasattr(ax, verb):
        raise MetadataError(f"ax= is one Axes of matplotlib, as fig, ax = plt.subplots() gives; got {type(ax)}")
    if ax is not None and len(names) > 1:
        raise MetadataError(f"ax= is one axis, and {said}: leave it out, or choose columns, as in df[['Power']]")
    if len(names) > _MOST_AXES:
        raise MetadataError(f"{said}, and a figure shows at most {_MOST_AXES}: choose columns, as in df[['Power']]")
    try:  # on another figure: a notebook would show this one with nothing in it
        getattr(Figure().add_subplot(), verb)([[0.0]], **style)
    except (AttributeError, TypeError, ValueError) as error:
        raise MetadataError(f"{', '.join(style)}: matplotlib's Axes.{verb} refuses it: {error}") from error
    if ax is not None:
        return np.array([ax])
    figure = pyplot.figure(figsize=size, layout="constrained")
    axes = figure.subplots(-(-len(names) // across), across, squeeze=False, **settings).ravel()
    for axis in axes[len(names) :]:
        axis.remove()
    return axes[: len(names)]


def name_text(label: Any) -> str:
    """A name as matplotlib shows it as it is, in two lines at most; of several levels those that are not empty."""
    text = ", ".join(filter(None, map(str, label))) if isinstance(label, tuple) else str(label)
    if len(text) > 2 * _WIDTH:  # many names differ at their end
        text = f"{text[: _WIDTH - 4].rpartition(' ')[0]} … {text[4 - _WIDTH :].partition(' ')[2]}"
    return escaped("\n".join(textwrap.wrap(text, _WIDTH, break_on_hyphens=False)))


def escaped(text: str) -> str:
    """A text that matplotlib shows as it is: what begins with _ has no place in a legend, and two $ make a formula."""
    return text.replace("$", r"\$") if not text.startswith("_") else escaped(f" {text}")
