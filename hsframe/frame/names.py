"""Points by the names that people have for them: which point a text names, and what comes near it.

Lists of names come from spreadsheets and drawings, so :func:`find_frame` compares names without case, and any run of
blanks and punctuation is as one blank: ``"AHU-1 DAT"`` is ``"ahu 1  dat"``. What is alike to the letter goes before. It
alone is taken by verbs, which do not show what they have found: ``"Room -1"`` may be another than ``"Room 1"``.
"""

from __future__ import annotations

import difflib
import fnmatch
import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from hsframe.errors import MetadataError
from hsframe.frame.points import Point, listed_columns
from hsframe.unit_array.scalars import is_missing

Asked: TypeAlias = "str | Iterable[object] | pd.Series[Any] | pd.DataFrame"
"""Names, in a list or in a frame; or a glob."""
Row: TypeAlias = tuple[str | None, Point | None, Literal["found", "ambiguous", "missing"], tuple[str, ...]]
"""A text, the point that it names, what became of it, and the texts that name the points that came near."""

_BETWEEN_WORDS: Final = re.compile(r"[\W_]+")
_BETWEEN_WORDS_OF_GLOBS: Final = re.compile(r"(?:[^\w*?]|_)+")
# difflib takes some 50 µs for a pair of names: of thousands only those that share most pairs of letters are compared.
_COMPARED: Final = 30
_LEAST_ALIKE: Final = 0.6


class Names:
    """The names of some points.

    >>> names = Names([Point("a", "AHU-1 DAT"), Point("b", "AHU-2 DAT"), Point("c", "Meter"), Point("d", "Meter")])
    >>> [point.id for point in names.of("AHU-1 DAT")], [point.id for point in names.of("@b")]
    (['a'], ['b'])
    >>> names.of("ahu 1 dat"), [point.id for point in names.alike("ahu 1 dat")]
    ([], ['a'])
    >>> names.alike("AHU-1 DTA"), names.near("AHU-1 DTA"), names.near("Metre")
    ([], ['AHU-1 DAT', 'AHU-2 DAT'], ['@c', '@d'])
    """

    def __init__(self, points: Iterable[Point]) -> None:
        self._by_id: dict[str, Point] = {}
        self._by_name: dict[str, list[Point]] = {}
        self._by_words: dict[str, list[Point]] = {}
        for point in points:
            self._by_id[point.id] = point
            self._by_name.setdefault(_composed(point.dis or point.id), []).append(point)
            self._by_words.setdefault(_words(point.dis or point.id), []).append(point)

    def of(self, text: str) -> list[Point]:
        """The point of this id, or those of exactly this name."""
        text = _composed(text)
        point = self._by_id.get(text.removeprefix("@"))
        return self._by_name.get(text, []) if point is None else [point]

    def alike(self, text: str) -> list[Point]:
        """The points of a text, or else those whose name differs in case, blanks and punctuation alone."""
        return self.of(text) or (self._by_words.get(words, []) if (words := _words(text)) else [])

    def like(self, glob: str) -> list[Point]:
        """The points whose name fits, ``*`` being any text and ``?`` any character, in the order given."""
        pattern = _BETWEEN_WORDS_OF_GLOBS.sub(" ", _composed(glob).casefold()).strip()
        fits = re.compile(fnmatch.translate(pattern)).match
        found = {point.id for words, points in self._by_words.items() if fits(words) for point in points}
        return [point for ident, point in self._by_id.items() if ident in found]

    def near(self, text: str, most: int = 3) -> list[str]:
        """What to write in place of a text that names no point: the nearest names, by the measure of `difflib`."""
        words = _words(text)
        matcher = difflib.SequenceMatcher(b=words, autojunk=False)
        scores = list[tuple[float, str]]()
        for other in self._most_alike(words):
            matcher.set_seq1(other)
            if (score := matcher.ratio()) >= _LEAST_ALIKE:
                scores.append((score, other))
        scores.sort(key=lambda one: -one[0])
        return self.texts([point for _, other in scores[:most] for point in self._by_words[other]])[:most]

    def row(self, text: str | None) -> Row:
        """What became of a text."""
        own = [] if text is None else self.alike(text)
        if len(own) == 1:
            return text, own[0], "found", ()
        if own:
            return text, None, "ambiguous", tuple(self.texts(own))
        return text, None, "missing", tuple(self.near(text or ""))

    def texts(self, points: Sequence[Point]) -> list[str]:
        """Of each point the text that names no other: its name, or its id."""
        return [name if self.of(name := point.dis or point.id) == [point] else f"@{point.id}" for point in points]

    def _most_alike(self, words: str) -> list[str]:
        """The names that have most pairs of letters in common with a text (the coefficient of Dice)."""
        others, sizes, places = self._pairs
        own = _pairs_of(words)
        hits = [places[pair] for pair in own if pair in places]
        if not hits:
            return []
        shared = np.bincount(np.concatenate(hits), minlength=len(others)) / (sizes + len(own))
        best = np.argsort(-shared, kind="stable")[:_COMPARED]
        return [others[place] for place in best.tolist() if shared[place] > 0]

    @cached_property
    def _pairs(self) -> tuple[list[str], NDArray[np.int64], dict[str, NDArray[np.int64]]]:
        """The names, how many pairs of letters each has, and in which names each pair is."""
        others = list(self._by_words)
        own = list(map(_pairs_of, others))
        places: dict[str, list[int]] = {}
        for place, pairs in enumerate(own):
            for pair in pairs:
                places.setdefault(pair, []).append(place)
        sizes = np.array(list(map(len, own)), np.int64)
        return others, sizes, {pair: np.array(some, np.int64) for pair, some in places.items()}


def _composed(text: str) -> str:
    return unicodedata.normalize("NFKC", text).strip()  # a Mac writes "é" in two characters


def _words(name: str) -> str:
    return _BETWEEN_WORDS.sub(" ", _composed(name).casefold()).strip()


def _pairs_of(words: str) -> set[str]:
    return {first + second for first, second in zip(f" {words}", f"{words} ", strict=True)}


def find_frame(points: Iterable[Point], names: Asked, on: str | None = None) -> pd.DataFrame:
    """What each name means among some points, as :meth:`hsframe.Session.find` gives it.

    >>> points = [Point("a", "Fan 1"), Point("b", "Fan 2"), Point("c", "Meter"), Point("d", "Meter")]
    >>> print(find_frame(points, ["fan-2", "Meter", "Fam 1"]).fillna("").to_string())
       asked id    dis     status         nearest
    0  fan-2  b  Fan 2      found              ()
    1  Meter            ambiguous        (@c, @d)
    2  Fam 1              missing  (Fan 1, Fan 2)
    """
    if isinstance(names, pd.DataFrame) != (on is not None) or (on is not None and on not in names):
        has = f"a frame with the columns {listed_columns(names)}" if isinstance(names, pd.DataFrame) else repr(names)
        raise MetadataError(f"on={on!r} must be the column of a frame that has the names, as on='Tag'; got {has}")
    given = names[on] if isinstance(names, pd.DataFrame) else names
    known = Names(points)
    if isinstance(given, str):
        matches = known.like(given) if re.search("[*?]", given) else []
        rows: list[Row] = [(given, point, "found", ()) for point in matches] or [known.row(given)]
    else:
        rows = [known.row(None if is_missing(one) else str(one)) for one in given]
    cells = [(text, point and point.id, point and point.dis, status, near) for text, point, status, near in rows]
    df = pd.DataFrame(cells, columns=["asked", "id", "dis", "status", "nearest"], dtype=object)
    df = df.astype(dict.fromkeys(("asked", "id", "dis", "status"), "str"))
    return df.set_index(given.index) if isinstance(given, pd.Series) else df
