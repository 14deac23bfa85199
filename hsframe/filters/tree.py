"""The tree of a filter: what it means, and its canonical text."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import chain
from typing import Any, Final

from hsframe.codecs.zinc_write import write_value
from hsframe.errors import MetadataError
from hsframe.kinds import Number, Ref, Symbol, Uri

Resolve = Callable[[Ref], "Mapping[str, Any] | None"]
"""Gives the record of a Ref, or None if it is unknown."""


def _nowhere(ref: Ref) -> None:
    """Resolve no Ref: for records that are matched alone."""


class Filter:
    """A parsed filter. ``str()`` gives the canonical text, and parsing that gives an equal filter."""

    __slots__ = ()

    def matches(self, rec: Mapping[str, Any], resolve: Resolve = _nowhere) -> bool:
        """Whether a record is meant; a tag that is None is not there. `resolve` gives the records of paths with ``->``.

        A filter that names a spec or a definition raises MetadataError: nothing here knows them.

        >>> from hsframe.filters import parse
        >>> parse("site and area > 100m²").matches({"site": True, "area": Number(200, "m²")})
        True
        """
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Has(Filter):
    """``path``: the tag is there."""

    path: tuple[str, ...]

    def matches(self, rec: Mapping[str, Any], resolve: Resolve = _nowhere) -> bool:
        return next(iter(_values(rec, self.path, resolve)), None) is not None

    def __str__(self) -> str:
        return "->".join(self.path)


@dataclass(frozen=True, slots=True)
class Missing(Filter):
    """``not path``: the tag is not there."""

    path: tuple[str, ...]

    def matches(self, rec: Mapping[str, Any], resolve: Resolve = _nowhere) -> bool:
        return next(iter(_values(rec, self.path, resolve)), None) is None

    def __str__(self) -> str:
        return "not " + "->".join(self.path)


@dataclass(frozen=True, slots=True)
class Compare(Filter):
    """``path op value``."""

    path: tuple[str, ...]
    op: str
    value: Any

    def matches(self, rec: Mapping[str, Any], resolve: Resolve = _nowhere) -> bool:
        return any(_compare(found, self.op, self.value) for found in _values(rec, self.path, resolve))

    def __str__(self) -> str:
        return f"{'->'.join(self.path)} {self.op} {_value_text(self.value)}"


@dataclass(frozen=True, slots=True)
class Spec(Filter):
    """A term that only a server with specs or definitions can answer; here it is parsed and not evaluated.

    A spec ``Meter`` or ``ph::Meter``, a symbol ``^ahu``; of FIN ``inputs? ^air @ahu`` and ``siteRef *== @a``.
    """

    name: str

    def matches(self, rec: Mapping[str, Any], resolve: Resolve = _nowhere) -> bool:
        raise MetadataError(
            f"the filter asks for {self.name!r}, and this server has no specs and no definitions to find it by; "
            "ask for tags instead, as in 'point and temp'"
        )

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True, slots=True)
class _Terms(Filter):
    """Terms; one of the same class is replaced by its own terms."""

    terms: tuple[Filter, ...]

    def __post_init__(self) -> None:
        flat = (term.terms if isinstance(term, type(self)) else (term,) for term in self.terms)
        object.__setattr__(self, "terms", tuple(chain.from_iterable(flat)))


class And(_Terms):
    """All of the terms."""

    __slots__ = ()

    def matches(self, rec: Mapping[str, Any], resolve: Resolve = _nowhere) -> bool:
        return all(term.matches(rec, resolve) for term in self.terms)

    def __str__(self) -> str:
        return " and ".join(f"({term})" if isinstance(term, Or) else str(term) for term in self.terms)


class Or(_Terms):
    """Any of the terms."""

    __slots__ = ()

    def matches(self, rec: Mapping[str, Any], resolve: Resolve = _nowhere) -> bool:
        return any(term.matches(rec, resolve) for term in self.terms)

    def __str__(self) -> str:
        return " or ".join(map(str, self.terms))


_ORDERS: Final = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}


def _values(rec: Mapping[str, Any], path: tuple[str, ...], resolve: Resolve) -> Iterable[Any]:
    """Every value that a path leads to, none of them None; several only where it goes through a list of Refs."""
    if len(path) == 1:  # most paths
        only = rec.get(path[0])
        return () if only is None else (only,)
    records: list[Mapping[str, Any]] = [rec]
    for name in path[:-1]:
        seen: set[str] = set()
        following: list[Mapping[str, Any]] = []
        for record in records:
            value = record.get(name)
            for item in value if isinstance(value, list) else (value,):
                if isinstance(item, Ref) and item.val not in seen:
                    # A record is visited once per step: lists of lists of Refs do not multiply.
                    seen.add(item.val)
                    target = resolve(item)
                    if target is not None:
                        following.append(target)
                elif isinstance(item, Mapping):
                    following.append(item)
        records = following
    last = path[-1]
    return (value for record in records if (value := record.get(last)) is not None)


def _compare(found: Any, op: str, value: Any) -> bool:
    if isinstance(found, list) and isinstance(value, Ref):
        # Any Ref of a list may match, at the end of a path as in its middle.
        return any(_compare(item, op, value) for item in found if isinstance(item, Ref))
    alike = type(found) is type(value)
    if isinstance(found, datetime) and isinstance(value, datetime):
        # Two datetimes of one zone compare by wall clock in Python, and the repeated hour would be wrong.
        found, value = found.astimezone(UTC), value.astimezone(UTC)
    if op == "==":
        return alike and bool(found == value)
    if op == "!=":
        return not alike or bool(found != value)
    if not alike or (isinstance(found, Number) and found.unit != value.unit):
        return False
    return bool(_ORDERS[op](found, value))


_KINDS: Final = (str, Uri, Symbol, Number, date, time, Ref)


def _value_text(value: Any) -> str:
    """The value as Zinc writes it, but for true and false; a Ref without its display name."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, _KINDS):
        raise MetadataError(
            f"a filter cannot hold {value!r}; expected a bool, Ref, str, Uri, Number, date, time, datetime or Symbol"
        )
    if isinstance(value, Number) and not math.isfinite(value.val):
        raise MetadataError(f"a filter cannot hold {value}: only finite numbers can be compared")
    return write_value(Ref(value.val) if isinstance(value, Ref) else value)
