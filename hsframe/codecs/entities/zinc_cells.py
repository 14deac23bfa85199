"""Cells of Zinc to values."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hsframe.codecs.entities.readings import Reader
from hsframe.codecs.zinc import cells_from_zinc

__all__ = ["ZincReader"]


class ZincReader(Reader):
    """Reads the cells of one body. No cell holds a line end, which would end its row."""

    def read(self, joined: Sequence[bytes], counts: Sequence[int]) -> list[list[Any]]:
        """The values of texts."""
        return cells_from_zinc(joined)
