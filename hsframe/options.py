"""Settings of the whole process, as attributes of this module.

::

    hsframe.options.unit_mixing = "raise"       # from now on
    with hsframe.options.using(unit_mixing="raise"):   # in this block
        ...

``unit_mixing``
    ``"convert"`` (default): in ``a + b``, ``a - b``, comparisons and assignments, values of a convertible unit are
    converted to the unit of the left side. ``"raise"``: two different units raise :class:`~hsframe.UnitError`.
    Units that do not convert raise in both.
``unit_factors``
    ``"corrected"`` (default): the few factors of the standard's unit table that contradict the name of their unit
    (:data:`hsframe.units.MISPRINTS`) are corrected. ``"standard"``: the table as it is published.
``large_read``
    From how many samples on ``his_read`` says what a read is expected to take; 50 million by default, 800 MB.
``tracebacks``
    ``"short"`` (default): in IPython and notebooks an error of hsframe is its message and your own line, and ``%tb``
    shows the rest of the last one. ``"long"``: the whole traceback at once, with the errors that led to it.

A value that is not among these raises :class:`~hsframe.MetadataError`, and so does an unknown name.
:class:`Limits` are no settings of the process: they are given to what they bound.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass, fields
from types import ModuleType
from typing import ClassVar, Final, Literal

from hsframe import tracebacks as _tracebacks
from hsframe.errors import CodecError, MetadataError

unit_mixing: Literal["convert", "raise"] = "convert"
unit_factors: Literal["corrected", "standard"] = "corrected"
large_read: float = 50_000_000
tracebacks: Literal["short", "long"]

# Each level of nesting takes some frames of Python's stack, which has a thousand.
_MOST_NESTING: Final = 100

CHOICES: Final = {
    "unit_mixing": ("convert", "raise"),
    "unit_factors": ("corrected", "standard"),
    "tracebacks": ("short", "long"),
}


@dataclass(frozen=True)
class Limits:
    """How much an answer may hold: what is beyond is refused as soon as it shows, and nothing of it is returned.

    It is one answer that counts, not a read: ``his_read`` and ``export`` ask again for half the span, up to five
    times, and raise only where that is too large too. All else asks once.

    Parameters
    ----------
    answer_bytes : int
        The bytes of one answer, unpacked; 1 GiB by default. That is about 25 million rows of Zinc, far above what a
        planned read asks for at once; with what decoding takes beside it, it is about all that a machine of 8 GB can
        hold. Without a bound, a packed answer of 9 MB may fill 4 GB of memory. Records of a site take 5 to 12 times
        their bytes, and small dicts a hundred times: for a server that you do not trust, allow 10 MB.
        ``max_concurrency`` answers may be there at once, and nothing bounds the frame of them all;
        ``Client.his_stream`` makes none. All but histories is read into Python objects: the text and what is estimated
        for them must fit into these bytes and 200 MB more.
    cells : int
        The cells of one grid, its rows times its columns, also those without a value; 25 million by default, which
        are 200 MB where they are empty. In JSON an empty cell takes no bytes, so 500 kB may be a billion of them. Of a
        stream it bounds what is held at once.
    columns : int
        The columns of one grid; 50,000 by default.
    nesting : int
        How deep lists, dicts and grids may nest; 64 by default, and at most 100.

    Examples
    --------
    >>> Limits(answer_bytes=100 << 20)
    Limits(answer_bytes=104857600, cells=25000000, columns=50000, nesting=64)
    """

    answer_bytes: int = 1 << 30
    cells: int = 25_000_000
    columns: int = 50_000
    nesting: int = 64
    # What is made of an answer may take this much memory beside the bytes that are allowed: of the 200 MB, 20 are left
    # for what does not grow with it, as tables of texts that were read before, and buffers that Arrow keeps.
    _beside_bytes: ClassVar[int] = 180_000_000

    def __post_init__(self) -> None:
        for limit in fields(self):
            count = getattr(self, limit.name)
            if not isinstance(count, int) or isinstance(count, bool) or count < 1:
                raise MetadataError(f"Limits: {limit.name} must be a whole number above 0; got {count!r}")
        if self.nesting > _MOST_NESTING:
            raise MetadataError(f"Limits: nesting must be at most {_MOST_NESTING}; got {self.nesting}")

    def check(
        self, name: Literal["answer_bytes", "cells", "columns"], count: int, source: str, *, is_all: bool = False
    ) -> None:
        """Raise a CodecError where an answer has more of what the limit of this name bounds; `source` is its format.

        `is_all` is whether the answer is known to have no more than `count`: else the message says to allow twice that.
        """
        most = getattr(self, name)
        if count > most:
            what = ("bytes" if name == "answer_bytes" else name) + ("" if is_all else " or more")
            raise CodecError(
                f"the answer has {count:,} {what}, and {most:,} are allowed; nothing is returned",
                expected="less: ask for less at once, or allow more by "
                f"limits=hsframe.Limits({name}={count if is_all else 2 * count})",
                source=source,
                limit=name,
            )

    def check_memory(self, estimate: int, source: str) -> None:
        """Raise a CodecError where an answer would take more memory than `answer_bytes` and 200 MB."""
        most = self.answer_bytes + self._beside_bytes
        if estimate > most:
            raise CodecError(
                f"the answer would take about {estimate:,} bytes of memory or more, and {most:,} are allowed; nothing "
                "is returned",
                expected="less: ask for less at once, or allow more by "
                f"limits=hsframe.Limits(answer_bytes={2 * estimate})",
                source=source,
                limit="answer_bytes",
            )


@contextlib.contextmanager
def using(**settings: str | float) -> Iterator[None]:
    """Change settings inside a ``with`` block.

    Parameters
    ----------
    **settings : str or float
        Names and values as above.

    Raises
    ------
    MetadataError
        No such setting, or no such value.

    Examples
    --------
    >>> from hsframe import options
    >>> with options.using(unit_mixing="raise"):
    ...     options.unit_mixing
    'raise'
    >>> options.unit_mixing
    'convert'
    """
    module = sys.modules[__name__]
    for name, value in settings.items():
        _check(name, value)
    before = {name: getattr(module, name) for name in settings}
    try:
        for name, value in settings.items():
            setattr(module, name, value)
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


def _check(name: str, value: object) -> None:
    if name == "large_read":
        if not isinstance(value, int | float) or not value > 0:
            raise MetadataError(f"hsframe.options.large_read must be a number of samples above 0; got {value!r}")
        return
    choices = CHOICES.get(name)
    if choices is None:
        raise MetadataError(f"hsframe.options has no setting {name!r}; it has {', '.join(CHOICES)}, large_read")
    if value not in choices:
        raise MetadataError(f"hsframe.options.{name} cannot be {value!r}; expected one of {', '.join(choices)}")


class _Options(ModuleType):
    """The module itself, which checks what is assigned: a misspelt setting must not go unnoticed."""

    def __setattr__(self, name: str, value: object) -> None:
        if not name.startswith("__"):
            _check(name, value)
        super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return ["Limits", "using", *CHOICES, "large_read"]  # what a notebook offers

    @property
    def tracebacks(self) -> Literal["short", "long"]:
        return _tracebacks.form  # which the errors read: they stand below this module

    @tracebacks.setter
    def tracebacks(self, value: Literal["short", "long"]) -> None:
        _tracebacks.form = value


sys.modules[__name__].__class__ = _Options
