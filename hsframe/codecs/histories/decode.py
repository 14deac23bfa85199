"""A history by columns, whole or while it arrives: bytes in, a grid or Arrow record batches out.

The exact parser reads what the kernels cannot: of a whole body all of it, of a stream before the first batch the whole
body, afterwards what follows the last batch. An error names its place in the whole body. Memory holds the piece that is
being read and the batch that is being made.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from hsframe.codecs.formats import NeedsExactParserError, decode_exact, may_be_jeto
from hsframe.codecs.histories.batches import BatchMaker, columns_of_grid
from hsframe.codecs.histories.buffers import BLOCK_BYTES, BodyBuffer
from hsframe.codecs.histories.json_rows import JsonRows
from hsframe.codecs.histories.json_rows import head_length as json_head_length
from hsframe.codecs.histories.row_reader import RowReader
from hsframe.codecs.histories.zinc_rows import ZincRows
from hsframe.codecs.histories.zinc_rows import head_length as zinc_head_length
from hsframe.errors import CodecError
from hsframe.grid import Grid
from hsframe.options import Limits

# How much is decoded before a column in which no value was seen is given a type.
_WAIT_BYTES: Final = 8 << 20
# The exact parser reads the head once more for each batch.
_MOST_HEAD_BYTES: Final = 2 << 20
# A longer head is looked for again only once so much more is there: at each piece it would take the square of the time.
_SHORT_HEAD_BYTES: Final = 1 << 14
_MORE: Final = 1.25


def try_decode(body: bytes, short: str, limits: Limits = Limits()) -> Grid | None:
    """The grid of a body that is a history, its columns as Arrow arrays: cell by cell what the exact parser gives.

    None where the exact parser has to read the body whole. `short` is ``"zinc"``, ``"json4"`` or ``"json3"``.
    """
    begin = head_length(body, short)
    view = memoryview(body)
    ahead = min(len(body), begin + BLOCK_BYTES)
    try:
        _, reader = _open_history(body[:begin], short, limits)
        buffer = BodyBuffer(reader, BLOCK_BYTES)
        buffer.push(view[begin:ahead])
        if ahead < len(body):
            reader.rows.expect((ahead - begin) / (len(body) - begin))
            buffer.push(view[ahead:])
        buffer.flush()
        grid = reader.finish(buffer.held)
        return Grid(grid.meta, grid.cols, reader.columns()) if reader.rows.length else None
    except NeedsExactParserError:
        return None


def head_length(body: bytes, short: str) -> int:
    """The length of a body up to its first row; 0 where it does not reach so far."""
    return zinc_head_length(body) if short == "zinc" else json_head_length(body)


def _open_history(head: bytes, short: str, limits: Limits) -> tuple[Grid, RowReader]:
    """The grid without rows, and a reader for them; `head` is the body up to its first row."""
    if not head or short not in ("zinc", "json4", "json3") or (short != "zinc" and may_be_jeto(head)):
        raise NeedsExactParserError
    try:
        grid = decode_exact(head if short == "zinc" else head + b"]}", short, limits)
    except CodecError:
        raise NeedsExactParserError from None
    ts, *names = grid.col_names or ("",)
    if ts != "ts" or not names or len(grid):
        raise NeedsExactParserError
    shape = ZincRows(head, len(names), limits) if short == "zinc" else JsonRows(head, names, short, limits)
    return grid, RowReader(shape, limits)


class HistoryStream:
    r"""Decodes one answer to hisRead, in the format with the short name, as it arrives.

    A batch has ``ts`` (``timestamp[us, tz=<IANA zone>]``) and the value columns: Number is ``double`` (NaN and the
    infinities as such), Bool is ``bool``, Str is ``string``. The metadata of a field has ``hsframe:kind``,
    ``hsframe:unit``, ``hsframe:id``, ``hsframe:dis`` and ``hsframe:tz``. All batches have the same types. The rows come
    as the server wrote them: neither sorted nor clipped nor without duplicates.

    `kinds` (``"Number"``, ``"Bool"`` or ``"Str"``) and `units`, by column name, are those of the points' records: for a
    column that has no value in its first rows; without them it becomes double. With `na_columns` each value column is
    followed by a boolean column ``<name>.na`` that is true where the cell is NA; without it NA is null, like a missing
    value. `header` is the grid's meta and columns without rows, once they have arrived; again at the end, for in JSON
    the meta may come after the rows.

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
        limits: Limits = Limits(),
    ) -> None:
        self._short = short
        self._limits = limits
        self._maker = BatchMaker(self._short, kinds or {}, units or {}, na_columns=na_columns)
        # The bytes of which no batch was made yet; those before are counted, for the position of an error.
        self._window = bytearray()
        self._position = _ErrorPosition()
        self._head = b""
        self._reader: RowReader | None = None
        self._buffer: BodyBuffer | None = None
        self._exact = False
        self._looked_at = 0
        self._rows_seen = 0
        self.header: Grid | None = None

    def feed(self, chunk: bytes) -> list[Any]:
        """Take the next bytes of the body; gives the record batches that became whole, often none.

        CodecError where the unit or the kind of a column changes: one Arrow column cannot hold both.
        """
        self._window += chunk
        if self._exact:
            self._limits.check_memory(2 * len(self._window), self._short)
            return []
        try:
            return self._advance(chunk) if self._reader else self._begin()
        except NeedsExactParserError:
            self._exact = True
            return []

    def finish(self) -> list[Any]:
        """Say that the body has ended; gives the last batches.

        CodecError where the body, or its end, is not what the format promises, with line and column in the whole body;
        or where it is not a history, or holds cells of several units or kinds in one column.
        """
        if self._reader is None or self._buffer is None or self._exact:
            return self._finish_exactly()
        try:
            self._buffer.flush()
            grid = self._reader.finish(self._buffer.held)
            columns = self._reader.columns() if self._reader.rows.length else None
        except NeedsExactParserError:
            return self._finish_exactly()
        self.header = _header_of(grid)
        return [] if columns is None else [self._maker.batch(grid, columns)]

    def _begin(self) -> list[Any]:
        if _SHORT_HEAD_BYTES < len(self._window) < _MORE * self._looked_at:
            return []
        self._looked_at = len(self._window)
        length = head_length(bytes(self._window), self._short)
        if length == 0 or length > _MOST_HEAD_BYTES:
            self._exact = len(self._window) > _MOST_HEAD_BYTES
            return []
        head = bytes(self._window[:length])
        self.header, self._reader = _open_history(head, self._short, self._limits)
        self._head = head
        self._buffer = BodyBuffer(self._reader, BLOCK_BYTES)
        del self._window[:length]
        return self._advance(bytes(self._window))

    def _advance(self, data: bytes) -> list[Any]:
        """Have rows read; a batch comes out where enough of them are whole."""
        reader, buffer = self._reader, self._buffer
        assert reader is not None
        assert buffer is not None
        buffer.push(memoryview(data))
        if reader.rows.length == self._rows_seen:
            return []
        self._rows_seen = reader.rows.length
        grid = reader.settle()
        columns = reader.columns(keep=self._maker.is_open)
        count = buffer.taken - self._position.octets
        if self._maker.is_undecided(columns) and count < _WAIT_BYTES:
            return []
        batch = self._maker.batch(grid, columns)
        reader.forget_rows()
        self._rows_seen = 0
        self._position.add(bytes(self._window[:count]))
        del self._window[:count]
        return [batch]

    def _finish_exactly(self) -> list[Any]:
        """Read what is left by the exact parser, under the header."""
        try:
            body = b"".join((self._head, self._window))
            self._window.clear()
            grid = decode_exact(body, self._short, self._limits)
        except CodecError as error:
            raise self._position.placed(error, self._head) from None
        self.header = _header_of(grid)
        columns = columns_of_grid(grid, self._short)
        return [self._maker.batch(grid, columns)] if len(grid) else []


def _header_of(grid: Grid) -> Grid:
    return Grid(grid.meta, grid.cols, [()] * len(grid.cols))


class _ErrorPosition:
    """Counts what was taken out of a body right after its head, and says where an error is in the whole.

    `octets` and `lines` are the bytes and line ends that were taken out, `chars` the characters after the last line
    end, or all where there was none.
    """

    def __init__(self) -> None:
        self.octets = 0
        self.lines = 0
        self.chars = 0

    def add(self, text: bytes) -> None:
        """Count bytes that follow those that were counted before."""
        self.octets += len(text)
        lines = text.count(b"\n")
        last = text[text.rfind(b"\n") + 1 :]
        octets = np.frombuffer(last, np.uint8)
        chars = len(last) - int(np.count_nonzero((octets & 0xC0) == 0x80))
        self.lines += lines
        self.chars = chars if lines else self.chars + chars

    def placed(self, error: CodecError, head: bytes) -> CodecError:
        """The error with its place in the whole body, for one of the head and what is left."""
        if error.line is None or self.octets == 0:
            return error
        head_lines = head.count(b"\n")
        head_chars = len(head[head.rfind(b"\n") + 1 :].decode("utf-8", "replace"))
        line, column = error.line, error.column
        if line > head_lines:
            if line == head_lines + 1 and column is not None and column > head_chars:
                column += self.chars - (head_chars if self.lines else 0)
            line += self.lines
        return error.changed(line=line, column=column)
