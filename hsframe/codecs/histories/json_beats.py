"""The beats of rows of JSON, made of what the rows taught: a timestamp first, then one number or several."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from hsframe.codecs.histories.beats import Beat, beat_of
from hsframe.codecs.histories.json_patterns import Key
from hsframe.codecs.histories.wide_beats import WideBeat, wide_beat_of
from hsframe.codecs.histories.words import Block

__all__ = ["narrow_beat", "wide_beat"]


def narrow_beat(block: Block, start: int, keys: Sequence[Key], close: bytes) -> Beat | None:
    """The beat of rows of a timestamp and a number, as the row that starts at a place; None where they are others.

    Parameters
    ----------
    block : Block
    start : int
        Where a row begins.
    keys : sequence of Key
        The keys of the rows, that of the timestamp first.
    close : bytes
        What ends a row.
    """
    texts = _texts(keys)
    if texts is None or len(keys) != 2:
        return None
    (lead, stamp_end), (middle, number_end) = texts
    return beat_of(block, start, lead, stamp_end + middle, number_end + close)


def wide_beat(block: Block, start: int, keys: Sequence[Key], close: bytes) -> WideBeat | None:
    """As :func:`narrow_beat`, for rows of several numbers."""
    texts = _texts(keys)
    if texts is None or len(keys) < 3:
        return None
    (lead, stamp_end), (middle, _), *_ = texts
    gaps = [behind + before for (_, behind), (before, _) in pairwise(texts[1:])]
    ends = lead, stamp_end + middle, texts[-1][1] + close
    around = beat_of(block, start, *ends)
    return None if around is None else wide_beat_of(around, *ends, gaps)


def _texts(keys: Sequence[Key]) -> list[tuple[bytes, bytes]] | None:
    """What stands in front of each key's hole, and behind it; None where a key was never seen with one."""
    texts = []
    for kind, key in zip(["stamp"] + ["number"] * (len(keys) - 1), keys, strict=True):
        pattern = next((pattern for pattern in key.patterns if pattern.kind == kind), None)
        if pattern is None:
            return None
        texts.append((key.lead + pattern.before, pattern.behind))
    return texts
