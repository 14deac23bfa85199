"""Rows of numbers put together in one buffer: what is fixed as records, what varies at places counted beforehand.

A row is a record (what ends the row before, what stands around the timestamp), then numbers with a text between each
two. Numbers are written as fields longer than their text; what a field has too much is written over by what follows:
texts and numbers column by column, from left to right, and the records at last, each longer than a field.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pyarrow as pa

from hsframe.codecs.histories.digits import LONGEST, Fields
from hsframe.codecs.histories.stamp_texts import Form
from hsframe.codecs.histories.words import Ints

__all__ = ["joined_rows"]


def joined_rows(
    forms: Sequence[Form], numbers: Sequence[tuple[Fields, Ints]], gaps: Sequence[bytes], close: bytes
) -> pa.Array:
    """The texts of rows.

    Parameters
    ----------
    forms : sequence of Form
        The records, each beginning with `close`, of at least 24 bytes behind it.
    numbers : sequence of (fields, lengths)
        For each column, as :func:`~hsframe.codecs.histories.digits.number_texts` gives them.
    gaps : sequence of bytes
        What stands between each two columns.
    close : bytes
        What ends a row.

    Returns
    -------
    pyarrow binary array
    """
    count = len(numbers[0][1])
    sizes: Ints = np.full(count, forms[0].records.itemsize)
    for form in forms:
        assert form.records.itemsize - len(close) >= LONGEST
        if form.rows is not None:
            sizes[form.rows] = form.records.itemsize
    # A row's record begins in front of the row, with the end of the row before.
    starts = np.zeros(count + 1, np.int64)
    rows = sizes + sum(map(len, gaps))
    for _, lengths in numbers:
        rows += lengths
    np.cumsum(rows, out=starts[1:])
    total = int(starts[-1])
    octets = np.empty(total + len(close) + LONGEST, np.uint8)

    def write(places: Ints, texts: Fields) -> None:
        # NumPy writes items of any size as fast as single words, wherever they begin.
        items = np.ndarray((len(octets) - texts.itemsize + 1,), texts.dtype, octets, strides=(1,))
        items[places] = texts

    here = starts[:-1] + sizes
    for column, (fields, lengths) in enumerate(numbers):
        write(here, fields)
        here += lengths
        if column < len(gaps):
            write(here, np.frombuffer(gaps[column], f"V{len(gaps[column])}"))
            here += len(gaps[column])
    for form in forms:
        write(starts[:-1] if form.rows is None else starts[form.rows], form.records)
    octets[total : total + len(close)] = np.frombuffer(close, np.uint8)
    offsets = (starts + len(close)).astype(np.int32)
    return pa.Array.from_buffers(pa.binary(), count, [None, pa.py_buffer(offsets), pa.py_buffer(octets)])
