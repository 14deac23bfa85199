"""Cells of JSON version 3 to values.

As with version 4, a text counts once Python's JSON parser has taken it as one whole value; see
:mod:`hsframe.codecs.entities.json4_cells`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from hsframe.codecs.entities.readings import Reader
from hsframe.codecs.json3 import Json3

__all__ = ["Json3Reader"]


class Json3Reader(Reader):
    """Reads the cells of one body."""

    separator = b",\n"

    def read(self, joined: Sequence[bytes], counts: Sequence[int]) -> list[list[Any]]:
        """The values of texts."""
        return Json3().cells_from(joined, counts)
