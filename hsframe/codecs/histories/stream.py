"""A history decoded while it arrives: pieces of bytes in, Arrow record batches out.

Memory holds the piece that is being read and the batch that is being made. What the kernels cannot read goes the exact
way as in :func:`~hsframe.codecs.histories.try_decode`: before the first batch the whole body does, afterwards what
follows the last batch does, and an error names its place in the whole body.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from hsframe.codecs import decode_exact
from hsframe.codecs.histories.batches import BatchMaker, columns_of_grid
from hsframe.codecs.histories.decode import columns_of, head_length_of, open_rows
from hsframe.codecs.histories.error_position import Removed
from hsframe.codecs.histories.pump import BLOCK_BYTES, Pump
from hsframe.codecs.histories.rows import HistoryRows
from hsframe.errors import CodecError
from hsframe.grid import Grid

__all__ = ["HistoryStream"]

# How much is decoded before a column in which no value was seen is given a type.
_WAIT_BYTES: Final = 8 << 20


class HistoryStream:
    r"""Decodes one answer to hisRead as it arrives.

    Parameters
    ----------
    short : str
        ``"zinc"``, ``"json4"`` or ``"json"``, ``"json3"``.
    kinds : mapping, optional
        ``"Number"``, ``"Bool"`` or ``"Str"`` by column name, from the points' records. It counts for a column in whose
        first rows no value stands; without it such a column becomes double.
    units : mapping, optional
        The unit by column name, likewise.
    na_columns : bool, optional
        Whether each value column is followed by a boolean column ``<name>.na`` that is true where the cell is NA.
        Without it NA is null, as no value is.

    Attributes
    ----------
    header : Grid or None
        The grid's meta and columns without rows, once they have arrived.

    Notes
    -----
    A batch has ``ts`` (``timestamp[us, tz=<IANA zone>]``) and the value columns: Number is ``double`` (NaN and the
    infinities as such), Bool is ``bool``, Str is ``string``. The metadata of a field tells ``hsframe:kind``,
    ``hsframe:unit``, ``hsframe:id``, ``hsframe:dis`` and ``hsframe:tz``. All batches have the same types. The rows
    come as the server wrote them: neither sorted nor clipped nor without duplicates.

    Examples
    --------
    >>> stream = HistoryStream("zinc")
    >>> stream.feed(b'ver:"3.0" id:@a\nts,val\n2021-01-01T00:00:00-05:00 New_York,72.5')
    []
    >>> [batch] = stream.feed("°F\n".encode()) + stream.finish()
    >>> batch.schema.field("val").metadata[b"hsframe:unit"].decode(), batch["val"].to_pylist()
    ('°F', [72.5])
    """

    def __init__(
        self,
        short: str,
        *,
        kinds: Mapping[str, str] | None = None,
        units: Mapping[str, str | None] | None = None,
        na_columns: bool = False,
    ) -> None:
        self._short = "json4" if short == "json" else short
        self._maker = BatchMaker(self._short, kinds or {}, units or {}, na_columns=na_columns)
        self._window = bytearray()
        self._removed = Removed()
        self._head = b""
        self._rows: HistoryRows | None = None
        self._pump: Pump | None = None
        self._exact = False
        self._finished = False
        self.header: Grid | None = None

    def feed(self, chunk: bytes) -> list[Any]:
        """Take the next bytes of the body.

        Returns
        -------
        list of pyarrow.RecordBatch
            The batches that became whole; often none.

        Raises
        ------
        CodecError
            The unit or the kind of a column changes: one Arrow column cannot hold both.
        """
        if self._finished:
            raise CodecError("bytes came after finish()", expected="feed() before finish()", source=self._short)
        self._window += chunk
        if self._exact:
            return []
        if self._rows is None:
            return self._begin()
        return self._advance(memoryview(chunk))

    def finish(self) -> list[Any]:
        """Say that the body has ended.

        Returns
        -------
        list of pyarrow.RecordBatch
            The last batches.

        Raises
        ------
        CodecError
            The body, or its end, is not what the format promises; the error says line and column in the whole body.
            Or it is no history, or holds cells of several units or kinds in one column.
        """
        if self._finished:
            return []
        self._finished = True
        rows, pump = self._rows, self._pump
        if rows is not None and pump is not None and not self._exact and pump.flush():
            grid = rows.finish(pump.held)
            columns = None if grid is None else columns_of(rows)
            if grid is not None and columns is not None:
                return [self._maker.batch(grid, columns)] if rows.sink.length else []
        return self._finish_exactly()

    def _begin(self) -> list[Any]:
        length = head_length_of(bytes(self._window), self._short)
        if length == 0:
            return []
        self._head = bytes(self._window[:length])
        opened = open_rows(self._head, self._short)
        if opened is None:
            self._exact = True
            return []
        self.header, self._rows = opened
        self._pump = Pump(self._rows, BLOCK_BYTES)
        del self._window[:length]
        return self._advance(memoryview(bytes(self._window)))

    def _advance(self, data: memoryview) -> list[Any]:
        """Hand bytes to the kernels; a batch comes out where enough rows are whole."""
        rows, pump = self._rows, self._pump
        assert rows is not None
        assert pump is not None
        if not pump.push(data):
            self._exact = True
            return []
        if rows.sink.length == 0:
            return []
        grid = rows.settle(rows.usual_tail)
        columns = None if grid is None else columns_of(rows, keep=self._maker.is_open)
        if grid is None or columns is None:
            self._exact = True
            return []
        if self._maker.is_undecided(columns) and pump.taken - self._removed.octets < _WAIT_BYTES:
            return []
        batch = self._maker.batch(grid, columns)
        rows.start_window()
        count = pump.taken - self._removed.octets
        self._removed.add(bytes(self._window[:count]))
        del self._window[:count]
        return [batch]

    def _finish_exactly(self) -> list[Any]:
        """Read what is left by the exact parser, under the header."""
        try:
            grid = decode_exact(self._head + bytes(self._window) if self._rows else bytes(self._window), self._short)
        except CodecError as error:
            raise self._removed.placed(error, self._head) from None
        columns = columns_of_grid(grid, self._short)
        return [self._maker.batch(grid, columns)] if len(grid) else []
