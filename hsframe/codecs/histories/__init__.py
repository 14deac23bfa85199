"""Histories as columns: bytes to Arrow arrays and back without an object per row.

:func:`try_decode` reads a body that is a history, or gives None; then the exact parser reads it.
:class:`HistoryStream` does the same while the body arrives.
:func:`encode_history` writes a history as a body of hisWrite.
"""

from __future__ import annotations

from hsframe.codecs.histories.decode import HistoryStream, try_decode
from hsframe.codecs.histories.encode import encode_history

__all__ = ["HistoryStream", "encode_history", "try_decode"]
