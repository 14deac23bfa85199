"""Grid, Col and GridBuilder: the one table of Haystack (standard: chapter Grids).

A grid is stored by column. A column is any sequence: a tuple of values, or one of :mod:`hsframe.columns`, which
hold a history as Arrow arrays. Rows are views; a row's values become Python objects when they are read.
"""

from __future__ import annotations

import html
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, time
from types import MappingProxyType
from typing import Any, Self, TypeAlias, TypeVar, overload

from hsframe.errors import MetadataError
from hsframe.kinds import MARKER, Bin, Coord, Marker, Na, Number, Ref, Remove, Symbol, Uri, XStr, same

# Not Any: type checkers then ask for isinstance before a value is used, which is right for what a server sends.
Value: TypeAlias = (
    "bool | str | date | time | Number | Ref | Marker | Na | Remove | Symbol | Uri | Coord | XStr | Bin"
    " | list[Value | None] | dict[str, Value | None] | Grid"
)
"""A value of any kind but null, which is None; a datetime is a date."""

_T = TypeVar("_T")
_NO_META: Mapping[str, Value] = MappingProxyType({})
_HTML_ROWS = 20
_REPR_ROWS = 10


def _frozen(meta: Mapping[str, Any] | None) -> Mapping[str, Value]:
    return MappingProxyType(dict(meta)) if meta else _NO_META


class Col:
    """A column's name and its tags.

    Parameters
    ----------
    name : str
        A tag name.
    meta : mapping, optional
        The column's own tags: ``id`` in a batch of histories.
    """

    __slots__ = ("meta", "name")

    name: str
    meta: Mapping[str, Value]

    def __init__(self, name: str, meta: Mapping[str, object] | None = None) -> None:
        object.__setattr__(self, "name", name)
        object.__setattr__(self, "meta", _frozen(meta))

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(f"a Col is frozen; {name!r} cannot be set")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Col):
            return NotImplemented
        return self.name == other.name and same(dict(self.meta), dict(other.meta))

    def __hash__(self) -> int:
        return hash(self.name)

    def __repr__(self) -> str:
        return f"Col({self.name!r}, {dict(self.meta)!r})" if self.meta else f"Col({self.name!r})"

    def __reduce__(self) -> tuple[object, ...]:
        return (Col, (self.name, dict(self.meta)))


class Row(Mapping[str, "Value"]):
    """One row of a grid: a read-only mapping of the tags that are there.

    A null cell is a tag that is not there: ``row.get("x")`` gives None, ``"x" in row`` is False, and the row that
    a server sends for an unknown id is empty, so ``if not row`` finds it.
    """

    __slots__ = ("_grid", "_index")

    def __init__(self, grid: Grid, index: int) -> None:
        self._grid = grid
        self._index = index

    def __getitem__(self, name: str) -> Value:
        value = self.get(name)
        if value is None:
            raise KeyError(name)
        return value

    @overload
    def get(self, name: str) -> Value | None: ...
    @overload
    def get(self, name: str, default: _T) -> Value | _T: ...
    def get(self, name: str, default: _T | None = None) -> Value | _T | None:
        """The value of a tag, or `default` where the cell is null or there is no such column."""
        column = self._grid._by_name.get(name)
        value = None if column is None else column[self._index]
        return default if value is None else value

    def __iter__(self) -> Iterator[str]:
        index = self._index
        return (name for name, column in self._grid._by_name.items() if column[index] is not None)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __bool__(self) -> bool:
        return next(iter(self), None) is not None

    def __repr__(self) -> str:
        return f"Row({dict(self)!r})"


class _Rows(Sequence[Row]):
    """The rows of a grid like a list, made when they are read; equal to a list of the same mappings."""

    __slots__ = ("_grid",)

    def __init__(self, grid: Grid) -> None:
        self._grid = grid

    def __len__(self) -> int:
        return len(self._grid)

    def __iter__(self) -> Iterator[Row]:
        return iter(self._grid)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        return self._grid[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, list | tuple | _Rows):
            return NotImplemented
        return len(self) == len(other) and all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]  # equality is by content

    def __repr__(self) -> str:
        more = ", ..." if len(self) > _REPR_ROWS else ""
        return f"[{', '.join(map(repr, self[:_REPR_ROWS]))}{more}]"


class Grid(Sequence[Row]):
    """A table with tags on itself and on its columns.

    Parameters
    ----------
    meta : mapping, optional
        The grid's own tags, without ``ver``.
    cols : iterable of Col or str
        The columns.
    columns : iterable of sequences
        The cells of each column in the order of `cols`, all of one length.

    Attributes
    ----------
    meta : mapping
        Read-only.
    cols : tuple of Col
    columns : tuple of sequences
        The cells by column.

    Notes
    -----
    Equality is exact: meta, columns in order, every cell by ``hsframe.kinds.same``. How a column is stored
    does not matter. A lone column ``empty`` without rows is how formats write a grid without columns; it reads as
    one without columns.

    Examples
    --------
    >>> grid = Grid.from_rows({}, ["id", "site"], [{"id": "a", "site": MARKER}, {}])
    >>> len(grid), grid[0]["id"], bool(grid[1])
    (2, 'a', False)
    """

    __slots__ = ("_by_name", "_length", "cols", "columns", "meta")

    meta: Mapping[str, Value]
    cols: tuple[Col, ...]
    columns: tuple[Sequence[Value | None], ...]

    def __init__(
        self,
        meta: Mapping[str, object] | None = None,
        cols: Iterable[Col | str] = (),
        columns: Iterable[Sequence[Any]] = (),
    ) -> None:
        all_cols = tuple(Col(col) if isinstance(col, str) else col for col in cols)
        all_columns = tuple(columns)
        lengths = {len(column) for column in all_columns}
        if len(all_cols) != len(all_columns) or len(lengths) > 1:
            raise MetadataError(
                f"a grid needs one sequence per column, all of one length; there are {len(all_cols)} columns "
                f"({', '.join(col.name for col in all_cols)}) and sequences of {[len(c) for c in all_columns]} cells"
            )
        if len(all_cols) == 1 and all_cols[0].name == "empty" and not all_cols[0].meta and lengths == {0}:
            all_cols, all_columns = (), ()
        by_name = {col.name: column for col, column in zip(all_cols, all_columns, strict=True)}
        if len(by_name) != len(all_cols):
            names = [col.name for col in all_cols]
            twice = sorted(name for name, count in Counter(names).items() if count > 1)
            raise MetadataError(f"the columns of a grid must have different names; found twice: {', '.join(twice)}")
        self.meta = _frozen(meta)
        self.cols = all_cols
        self.columns = all_columns
        self._by_name: dict[str, Sequence[Value | None]] = by_name
        self._length = lengths.pop() if lengths else 0

    @classmethod
    def from_rows(
        cls, meta: Mapping[str, object] | None, cols: Iterable[Col | str], rows: Iterable[Mapping[str, object]]
    ) -> Self:
        """A grid from mappings; a tag that a row lacks is a null cell.

        Parameters
        ----------
        meta : mapping or None
            The grid's own tags.
        cols : iterable of Col or str
            The columns; a tag that is not among them is refused.
        rows : iterable of mappings
            The rows.

        Raises
        ------
        MetadataError
            A row has a tag without a column.
        """
        all_cols = [Col(col) if isinstance(col, str) else col for col in cols]
        names = [col.name for col in all_cols]
        known = set(names)
        all_rows = list(rows)
        for number, row in enumerate(all_rows):
            if stray := set(row) - known:
                raise MetadataError(
                    f"row {number} has tags without a column: {', '.join(sorted(stray))}; the columns are "
                    f"{', '.join(names) or '(none)'}"
                )
        return cls(meta, all_cols, [tuple(row.get(name) for row in all_rows) for name in names])

    @property
    def rows(self) -> Sequence[Row]:
        """The rows, as views."""
        return _Rows(self)

    @property
    def col_names(self) -> list[str]:
        """The names of the columns in order."""
        return [col.name for col in self.cols]

    @property
    def is_empty(self) -> bool:
        """Whether there are no rows."""
        return self._length == 0

    @property
    def is_error(self) -> bool:
        """Whether this is an error grid: meta ``err`` (standard: Ops, section Errors)."""
        return self.meta.get("err") is not None

    def has_col(self, name: str) -> bool:
        """Whether there is a column of that name."""
        return name in self._by_name

    def col(self, name: str) -> Col:
        """The column of that name.

        Raises
        ------
        MetadataError
            No such column; the message lists those that are there.
        """
        for col in self.cols:
            if col.name == name:
                return col
        raise MetadataError(f"the grid has no column {name!r}; it has {', '.join(self.col_names) or '(none)'}")

    def column(self, name: str) -> Sequence[Value | None]:
        """The cells of the column of that name.

        Raises
        ------
        MetadataError
            No such column.
        """
        self.col(name)
        return self._by_name[name]

    def __len__(self) -> int:
        return self._length

    def __iter__(self) -> Iterator[Row]:
        return (Row(self, index) for index in range(self._length))

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [Row(self, i) for i in range(*index.indices(self._length))]
        if not -self._length <= index < self._length:
            raise IndexError(f"row {index} of a grid of {self._length} rows")
        return Row(self, index % self._length)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Grid):
            return NotImplemented
        return (
            self._length == other._length
            and self.cols == other.cols
            and same(dict(self.meta), dict(other.meta))
            and all(all(map(same, mine, theirs)) for mine, theirs in zip(self.columns, other.columns, strict=True))
        )

    __hash__ = None  # type: ignore[assignment]  # equality is by content, which may hold lists

    def __repr__(self) -> str:
        meta = f" meta {dict(self.meta)!r}," if self.meta else ""
        names = ", ".join(self.col_names[:12]) + (", ..." if len(self.cols) > 12 else "")
        return f"<Grid{meta} {self._length} rows x {len(self.cols)} cols: {names}>"

    def __reduce__(self) -> tuple[object, ...]:
        return (Grid, (dict(self.meta), self.cols, self.columns))

    def _repr_html_(self) -> str:
        """The first rows as a table for a notebook."""
        head = "".join(f"<th>{html.escape(col.name)}</th>" for col in self.cols)
        body = []
        for index in range(min(self._length, _HTML_ROWS)):
            cells = "".join(f"<td>{html.escape(_cell_text(column[index]))}</td>" for column in self.columns)
            body.append(f"<tr>{cells}</tr>")
        meta = ", ".join(f"{name}: {_cell_text(value)}" for name, value in self.meta.items())
        more = f", the first {_HTML_ROWS} shown" if self._length > _HTML_ROWS else ""
        caption = html.escape(
            f"Grid, {self._length} row{'s' * (self._length != 1)}{more}" + (f"; {meta}" if meta else "")
        )
        return (
            f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{''.join(body)}</tbody></table>"
        )


def _cell_text(value: object) -> str:
    if value is None:
        return ""
    if value is MARKER:
        return "\N{CHECK MARK}"
    return getattr(value, "dis", None) or str(value)


class GridBuilder:
    """Collects columns and rows; every method but ``to_grid`` returns the builder.

    Examples
    --------
    >>> GridBuilder().add_col("a").add_row({"a": 1}).to_grid()
    <Grid 1 rows x 1 cols: a>
    """

    def __init__(self) -> None:
        self._meta: dict[str, object] = {}
        self._cols: dict[str, Mapping[str, object] | None] = {}
        self._rows: list[dict[str, object]] = []

    def set_meta(self, meta: Mapping[str, object]) -> Self:
        """Replace the grid's tags by `meta`."""
        self._meta = dict(meta)
        return self

    def add_meta(self, name: str, val: object = MARKER) -> Self:
        """Add a tag to the grid."""
        self._meta[name] = val
        return self

    def add_col(self, name: str, meta: Mapping[str, object] | None = None) -> Self:
        """Add a column.

        Raises
        ------
        MetadataError
            There is a column of that name already.
        """
        if name in self._cols:
            raise MetadataError(f"the grid has a column {name!r} already")
        self._cols[name] = meta
        return self

    def add_row(self, row: Mapping[str, object]) -> Self:
        """Add a row; its tags must have columns.

        Raises
        ------
        MetadataError
            A tag has no column.
        """
        if stray := set(row) - set(self._cols):
            raise MetadataError(f"the row has tags without a column: {', '.join(sorted(stray))}; call add_col first")
        self._rows.append(dict(row))
        return self

    def to_grid(self) -> Grid:
        """The grid."""
        return Grid.from_rows(self._meta, [Col(name, meta) for name, meta in self._cols.items()], self._rows)
