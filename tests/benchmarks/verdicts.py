"""What a benchmark measured beside its limits."""

from __future__ import annotations

from collections.abc import Iterable


def verdict(figures: Iterable[tuple[str, float, float]]) -> int:
    """Print each figure with the most that it may be; gives what the program ends with: 1 where one is over."""
    over = False
    for name, value, limit in figures:
        over |= value > limit
        print(f"{name:52} {value:8.2f}  (limit {limit:.4g})  {'ok' if value <= limit else 'OVER'}")
    return int(over)
