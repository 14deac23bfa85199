"""Points by the names that people have for them: which point a text names, and what comes near it.

Lists of names come from spreadsheets and drawings, so :func:`find_frame` compares names without case, blanks and
punctuation: ``"AHU-1 DAT"`` is ``"ahu1dat"``; only numbers stay apart, as in ``"VAV 2-10"`` and ``"VAV 21-0"``. What is
alike to the letter goes before. It alone is taken by verbs, which do not show what they have found: ``"Room -1"`` may
be another than ``"Room 1"``.
"""

from __future__ import annotations

import fnmatch
import re
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd

from hsframe.errors import MetadataError
from hsframe.frame.points import Point, listed_columns
from hsframe.unit_array.scalars import is_missing

Asked: TypeAlias = "str | Iterable[object] | pd.Series[Any] | pd.DataFrame"
"""Names, in a list or in a frame; or a glob."""
_Row: TypeAlias = tuple[str | None, str | None, str | None, Literal["found", "ambiguous", "missing"], tuple[str, ...]]

_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
_BETWEEN_WORDS_OF_GLOBS: Final = re.compile(r"(?:[^\w*?]|_)+")
_NOT_BETWEEN_NUMBERS: Final = re.compile(r"(?<!\d) | (?!\d)")
_LEAST_ALIKE: Final = 0.4
_MOST_NEAR: Final = 3


class Names:
    """The names of some points.

    >>> names = Names([Point("a", "AHU-1 DAT"), Point("b", "AHU-2 DAT"), Point("c", "Meter"), Point("d", "Meter")])
    >>> [point.id for point in names.of("AHU-1 DAT")], [point.id for point in names.of("@b")]
    (['a'], ['b'])
    >>> names.of("ahu1 dat"), [point.id for point in names.alike("ahu1 dat")]
    ([], ['a'])
    >>> names.alike("AHU-1 DTA"), names.near("AHU-1 DTA"), names.near("Metre")
    ([], ['AHU-1 DAT', 'AHU-2 DAT'], ['@c', '@d'])
    """

    def __init__(self, points: Iterable[Point], nav_names: Mapping[str, str] | None = None) -> None:
        self._by_id: dict[str, Point] = {}
        self._by_name: dict[str, list[Point]] = {}
        self._by_words: dict[str, list[Point]] = {}
        self._joined: dict[str, list[Point]] = {}
        self._by_nav_name: dict[str, list[Point]] = {}
        for point in points:
            self._by_id[point.id] = point
            self._by_name.setdefault(_composed(point.dis or point.id), []).append(point)
            self._by_words.setdefault(words := _words(point.dis or point.id), []).append(point)
            self._joined.setdefault(_join(words), []).append(point)
        for ident, name in (nav_names or {}).items():
            self._by_nav_name.setdefault(_join(_words(name)), []).append(self._by_id[ident])

    def of(self, text: str) -> list[Point]:
        """The point of this id, or those of exactly this name."""
        text = _composed(text)
        point = self._by_id.get(text.removeprefix("@"))
        return [point] if point is not None else self._by_name.get(text, []) if text else []

    def alike(self, text: str) -> list[Point]:
        """The points of a text, or else those whose name differs in case, blanks and punctuation alone, or navName."""
        joined = _join(_words(text))
        return self.of(text) or (self._joined.get(joined) or self._by_nav_name.get(joined, []) if joined else [])

    def like(self, glob: str) -> list[Point]:
        """The points whose name fits, ``*`` being any text and ``?`` any character, in the order given."""
        pattern = _BETWEEN_WORDS_OF_GLOBS.sub(" ", _composed(glob).casefold()).strip()
        fits = re.compile(fnmatch.translate(pattern)).match
        found = {point.id for words, points in self._by_words.items() if fits(words) for point in points}
        return [point for ident, point in self._by_id.items() if ident in found]

    def near(self, text: str) -> list[str]:
        """What to write in place of a text that names no point: names that come near, or of an id (``@``) ids."""
        if not (words := _words(text)):
            return []
        near = [point for some in self._near_names(words) for point in self._by_words[some]]
        names = self.texts(near[:_MOST_NEAR])
        if names and not text.startswith("@"):
            return names
        return [f"@{ident}" for ident in self._near_ids(words)] or names

    def fitting(self, text: str) -> list[str]:
        """What to write in place of a glob where a name was expected: the first names that fit."""
        return self.texts(self.like(text)[:_MOST_NEAR]) if is_glob(text) else []

    def texts(self, points: Sequence[Point]) -> list[str]:
        """Of each point the text that names no other: its name, or its id."""
        return [name if self.of(name := point.dis or point.id) == [point] else f"@{point.id}" for point in points]

    @cached_property
    def _near_names(self) -> Callable[[str], list[str]]:
        return _nearest({words: words for words in self._by_words})

    @cached_property
    def _near_ids(self) -> Callable[[str], list[str]]:
        return _nearest({ident: _words(ident) for ident in self._by_id})


def is_glob(text: str) -> bool:
    """Whether a text has ``*`` or ``?``; of a list it may be a name all the same."""
    return "*" in text or "?" in text


def _nearest(texts: Mapping[str, str]) -> Callable[[str], list[str]]:
    """Which of some texts, whose words are given, have the most pairs of some words, or all of them, the best first.

    It is the coefficient of Dice, of all texts at once: of thousands `difflib` would compare one after the other. It is
    small for a word of a long text, which is near however long that is.
    """
    others, pairs, places = list(texts), [_pairs_of(words) for words in texts.values()], dict[str, list[int]]()
    for place, some in enumerate(pairs):
        for pair in some:
            places.setdefault(pair, []).append(place)
    sizes = np.array([len(some) for some in pairs], np.int64)
    at = {pair: np.array(some, np.int64) for pair, some in places.items()}

    def nearest(words: str) -> list[str]:
        own = _pairs_of(words)
        hits = [at[pair] for pair in own if pair in at]
        shared = np.bincount(np.concatenate([np.empty(0, np.int64), *hits]), minlength=len(others))
        alike = 2 * shared / (sizes + len(own))
        best = np.argsort(-alike, kind="stable")[:_MOST_NEAR]
        return [others[place] for place in best if alike[place] >= _LEAST_ALIKE or shared[place] == len(own)]

    return nearest


def _composed(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()  # a Mac writes "é" in two characters


def _words(name: str) -> str:
    return _BETWEEN_WORDS.sub(" ", _composed(name).casefold()).strip()


def _join(words: str) -> str:
    return _NOT_BETWEEN_NUMBERS.sub("", words)


def _pairs_of(words: str) -> set[str]:
    """The pairs of letters that follow each other, and those of numbers: 'VAV 2-10' is not near to 'VAV 10-2'."""
    numbers = re.findall(r"\d+", words)
    pairs = {first + second for first, second in zip(f" {words}", f"{words} ", strict=True)}
    steps = zip(["", *numbers], [*numbers, ""], strict=True) if numbers else ()
    return pairs | {f"{first}, {second}" for first, second in steps}


def find_frame(
    points: Iterable[Point], names: Asked, on: str | None = None, nav_names: Mapping[str, str] | None = None
) -> pd.DataFrame:
    """What each name means among some points, as :meth:`hsframe.Session.find` gives it; `nav_names` are by id.

    >>> points = [Point("a", "Fan 1"), Point("b", "Fan 2"), Point("c", "Meter"), Point("d", "Meter")]
    >>> print(find_frame(points, ["fan-2", "Meter", "Fam 1"]).fillna("").to_string())
       asked id    dis     status   nearest
    0  fan-2  b  Fan 2      found        ()
    1  Meter            ambiguous  (@c, @d)
    2  Fam 1              missing  (Fan 1,)
    """
    columns = names.columns.tolist() if isinstance(names, pd.DataFrame) else []
    if isinstance(names, pd.DataFrame) != (on is not None) or (on is not None and columns.count(on) != 1):
        has = f"a frame with the columns {listed_columns(names)}" if isinstance(names, pd.DataFrame) else repr(names)
        raise MetadataError(f"on={on!r} must be the column of a frame that has the names, as on='Tag'; got {has}")
    given = names[on] if isinstance(names, pd.DataFrame) else names
    if not isinstance(given, Iterable):
        raise MetadataError(f"{names!r} is no name; expected a text, a list of them, or a frame and on=")
    known = Names(points, nav_names)
    matches = known.like(given) if isinstance(given, str) and is_glob(given) else []
    rows: list[_Row] = [(str(given), point.id, point.dis, "found", ()) for point in matches]
    for one in () if rows else [given] if isinstance(given, str) else given:
        text = None if is_missing(one) else str(one)
        own = known.alike(text or "")
        if len(own) == 1:
            rows.append((text, own[0].id, own[0].dis, "found", ()))
        elif own:
            rows.append((text, None, None, "ambiguous", tuple(known.texts(own))))
        else:
            rows.append((text, None, None, "missing", tuple(known.fitting(text or "") or known.near(text or ""))))
    df = pd.DataFrame(rows, columns=["asked", "id", "dis", "status", "nearest"], dtype=object)
    df = df.astype(dict.fromkeys(("asked", "id", "dis", "status"), "str"))
    return df.set_index(given.index) if isinstance(given, pd.Series) else df
