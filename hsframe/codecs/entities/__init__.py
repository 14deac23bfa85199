"""Records as columns: an answer of ``read`` to a grid whose columns share their values.

:func:`try_records` reads a body of many records, or says that only the exact parser can read it.
"""

from __future__ import annotations

from hsframe.codecs.entities.decode import try_records

__all__ = ["try_records"]
