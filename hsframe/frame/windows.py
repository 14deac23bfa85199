"""Rolling, expanding and weighted windows that keep units: ``df.hs.rolling``, ``df.hs.expanding``, ``df.hs.ewm``."""

from __future__ import annotations

from typing import Any

import pandas as pd

from hsframe.frame.combine import with_units


class UnitWindow:
    """A window of pandas' whose results have the units of the frame `like` that it slides over.

    It has every method of the window (``mean``, ``std``, ``sum``, ``quantile``, ``agg``, ...), which is one of plain
    numbers: ``df.hs.magnitude().rolling(...)``. Results of ``std`` are differences (Δ°F of °F); those of ``count``,
    ``skew``, ``corr`` and their like are plain; those of ``apply`` and ``agg`` with functions of one's own have no unit
    that anyone knows.
    """

    def __init__(self, window: Any, like: Any) -> None:
        self._window = window
        self._like = like

    def __getitem__(self, labels: Any) -> UnitWindow:
        """The same window over some of the columns."""
        return UnitWindow(self._window[labels], self._like[labels])

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._window, name)
        if name in ("apply", "pipe") or not callable(found):
            return found

        def statistic(*args: Any, **kwargs: Any) -> Any:
            result = found(*map(_plain, args), **{key: _plain(value) for key, value in kwargs.items()})
            if not isinstance(result, pd.DataFrame | pd.Series):
                return result
            how: Any = name
            if name in ("agg", "aggregate"):
                func = args[0] if args else kwargs.get("func")
                each = list(func.values()) if isinstance(func, dict) else [func]
                names = [one for item in each for one in (item if isinstance(item, list) else [item])]
                if not all(isinstance(one, str) for one in names):
                    return result
                how = None if any(isinstance(item, list) for item in each) else func  # a list is in the labels
            return with_units(result, self._like, how)  # type: ignore[type-var]  # one of the two, as checked

        statistic.__name__ = name
        statistic.__doc__ = found.__doc__
        return statistic

    def __repr__(self) -> str:
        return f"{self._window!r} with units"

    def __dir__(self) -> list[str]:
        return sorted({*dir(type(self)), *dir(self._window)})


def _plain(argument: Any) -> Any:
    """A second frame or column, as of ``corr``, in plain numbers too."""
    return argument.hs.magnitude() if isinstance(argument, pd.DataFrame | pd.Series) else argument
