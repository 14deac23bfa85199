"""Timestamps to epoch microseconds: ``2021-01-01T00:00:00[.FFFFFFFFF](Z|±hh:mm)``, all rows at once.

The clock comes out of one word and one multiplication. Date and offset stay the same over long runs of rows, so each
different pair is read once, by :mod:`datetime`, which knows the calendar. The offset decides the instant; the zone
name after it only labels the instant (in an hour that a zone repeats, the offset tells which one is meant), and is not
read here. What is not exactly of this form is reported as not ok: the exact parser decides.
"""

from __future__ import annotations

import re
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

import numpy as np

from hsframe.arrays import Bools
from hsframe.codecs.histories.byte_words import (
    HIGH_BITS,
    ZEROS,
    Block,
    Day,
    Ints,
    Positions,
    Words,
    byte_index,
    eight_digits,
    equal_bytes,
    is_digit,
    not_digits,
)
from hsframe.durations import SECOND_US
from hsframe.spans import epoch_us
from hsframe.zones import check_offset, zone

#: A pattern of what is likely a timestamp; the kernels decide.
STAMP_TEXT: Final = r"[0-9-]{10}T[0-9:]{8}(?:\.[0-9]+)?(?:Z|[+-][0-9]{2}:[0-9]{2})"
_MIDNIGHT = re.compile(rb"[0-9]{4}-[0-9]{2}-[0-9]{2}T00:00(?:Z|[+-](?:0[0-9]|1[0-4]):[0-5][0-9])")
_END = re.compile(rb"(?:\.([0-9]{1,9}))?([Z+-])")
# Far beyond these years instants leave the range of what pandas and datetime agree on; the exact parser handles them.
_YEARS: Final = range(1700, 2201)
_INVALID: Final = np.iinfo(np.int64).min
_NO_OFFSET: Final = np.uint64(1)

_CLOCK: Final = np.uint64(int.from_bytes(b"00:00:00", "little"))
# What a byte of the clock may be at most after `xor "00:00:00"`, as the number that lifts one more to the high bit.
_CLOCK_LIMIT: Final = np.uint64(int.from_bytes(bytes(0x7F - most for most in (2, 9, 0, 5, 9, 0, 5, 9)), "little"))
_SIX_BYTES: Final = np.uint64(0xFFFFFFFFFFFF)
_MOST_DAYS: Final = 1 << 12


def clock_seconds(clock: Words) -> tuple[Words, Bools]:
    """The seconds of the day of words ``hh:mm:ss``, and whether they are valid ones."""
    clock = clock ^ _CLOCK
    ok = (((clock + _CLOCK_LIMIT) | clock) & HIGH_BITS) == 0
    # Bytes 0, 3 and 6 become hours, minutes and seconds; the multiplication adds hours * 3600 + minutes * 60.
    parts = clock * np.uint64(10)
    parts += clock >> np.uint64(8)
    parts &= np.uint64(0x00FF0000FF0000FF)
    seconds = parts * np.uint64((3600 << 24) | 60)
    seconds >>= np.uint64(24)
    seconds &= np.uint64(0xFFFFFF)
    seconds += parts >> np.uint64(48)
    ok &= seconds < 86_400
    return seconds, ok


def read_stamps(block: Block, starts: Positions, after: bytes = b"") -> tuple[Ints, Bools, Ints | int]:
    """The epoch microseconds of the timestamps that begin at the given places, where ok; their lengths in bytes.

    `after` is the text that must follow each timestamp, the zone's name among it; it does not count in the lengths.
    """
    forms = {_form_at(block, start) for start in starts[:: max(len(starts) // 2, 1)].tolist()}
    form = forms.pop() if len(forms) == 1 else None
    if form is None:
        return _by_form(block, starts, after)
    # All rows are likely of one form; what is not is not ok.
    us, ok = _of_form(block, starts, form, after)
    if ok.all():
        return us, ok, form.length
    lengths = np.full(len(starts), form.length)
    rest = np.flatnonzero(~ok)
    us[rest], ok[rest], lengths[rest] = _by_form(block, starts[rest], after)
    return us, ok, lengths


class _Form(NamedTuple):
    """What follows the seconds: a fraction of some digits, then an offset, else ``Z``."""

    digits: int
    offset: bool

    @property
    def mark_at(self) -> int:
        return 20 + self.digits if self.digits else 19

    @property
    def length(self) -> int:
        return self.mark_at + (6 if self.offset else 1)


def _form_at(block: Block, start: int) -> _Form | None:
    match = _END.match(block.text(start + 19, start + 30))
    return _Form(len(match[1] or b""), match[2] != b"Z") if match else None


def _by_form(block: Block, starts: Positions, after: bytes) -> tuple[Ints, Bools, Ints]:
    """Timestamps of several forms."""
    us = np.zeros(len(starts), np.int64)
    ok = np.zeros(len(starts), bool)
    lengths = np.zeros(len(starts), np.int64)
    digits = np.zeros(len(starts), np.int64)
    mark = block.octets[starts + 19]
    fractional = np.flatnonzero(mark == ord("."))
    begin = starts[fractional] + 20
    flags = not_digits(block.words[begin] ^ ZEROS)
    found = np.where(flags == 0, 8, byte_index(flags))
    found += (found == 8) & is_digit(block.octets[begin + 8])
    digits[fractional], mark[fractional] = found, np.where(found, block.octets[begin + found], 0)
    for offset, has_mark in ((True, (mark == ord("+")) | (mark == ord("-"))), (False, mark == ord("Z"))):
        for count in np.flatnonzero(np.bincount(digits[has_mark])).tolist():
            form = _Form(count, offset)
            rows = np.flatnonzero(has_mark & (digits == count))
            us[rows], ok[rows] = _of_form(block, starts[rows], form, after)
            lengths[rows] = form.length
    return us, ok, lengths


def _of_form(block: Block, starts: Positions, form: _Form, after: bytes) -> tuple[Ints, Bools]:
    """Timestamps of one form, ok where they are of it."""
    seconds, ok = clock_seconds(block.words[11:][starts])
    if form.offset:
        after_at, offsets = form.length, block.words[form.mark_at :][starts] & _SIX_BYTES
    else:
        after_at, after, offsets = form.mark_at, b"Z" + after, np.zeros(len(starts), np.uint64)
    ok &= equal_bytes(block, starts + after_at, after)
    if form.digits:
        fraction = block.words[20:][starts] ^ ZEROS
        if form.digits < 8:
            fraction &= np.uint64((1 << 8 * form.digits) - 1)
        ok &= not_digits(fraction) == 0
        ok &= block.octets[19:][starts] == ord(".")
        if form.digits > 8:
            ok &= is_digit(block.octets[28:][starts])
    # What is read here of a row of another form is not its offset, which would be warned of.
    offsets[~ok] = _NO_OFFSET
    us, is_date = midnights(block, block.words[starts], block.words[3:][starts], offsets)
    ok &= is_date
    us += seconds.view(np.int64) * SECOND_US
    if form.digits:
        # The digits after the sixth are dropped.
        us += (eight_digits(fraction & _SIX_BYTES) // np.uint64(100)).view(np.int64)
    return us, ok


def midnights(block: Block, heads: Words, tails: Words, offsets: Words) -> tuple[Ints, Bools]:
    """Epoch microseconds, where ok, of midnight of dates in their offsets, looked up once a run of equal ones.

    The dates and offsets are in the words of a :data:`Day`. The block notes them, for :func:`check_offsets`.
    """
    changed = np.ones(len(heads), bool)
    changed[1:] = (heads[1:] != heads[:-1]) | (tails[1:] != tails[:-1]) | (offsets[1:] != offsets[:-1])
    firsts = np.flatnonzero(changed)
    keys = list(zip(heads[firsts].tolist(), tails[firsts].tolist(), offsets[firsts].tolist(), strict=True))
    block.days |= dict.fromkeys(keys)
    us = np.array([_midnight_us(*key) for key in keys], np.int64)
    us = np.repeat(us, np.diff(firsts, append=len(heads)))
    return us, us != _INVALID


@lru_cache(_MOST_DAYS)  # the answers for other points have the same days
def _midnight_us(*day: int) -> int:
    stamp = _midnight(*day)
    return _INVALID if stamp is None else epoch_us(stamp)


def _midnight(head: int, tail: int, offset: int) -> datetime | None:
    """A date's midnight in its offset, by the words of a :data:`Day`; None where there is none."""
    zone_offset = offset.to_bytes(6, "little") if offset else b"Z"
    text = head.to_bytes(8, "little") + tail.to_bytes(8, "little")[5:] + b"00:00" + zone_offset
    try:
        stamp = datetime.fromisoformat(text.decode()) if _MIDNIGHT.fullmatch(text) else None
    except ValueError:  # no such day
        return None
    return stamp if stamp is not None and stamp.year in _YEARS else None


def check_offsets(days: dict[Day, None], name: str) -> None:
    """Warn, as the exact parser does, of offsets that the zone does not have on their days; forget the days."""
    for day in days:
        if (stamp := _other_midnight(*day, name)) is not None:
            check_offset(stamp, name)
    days.clear()


@lru_cache(_MOST_DAYS)
def _other_midnight(head: int, tail: int, offset: int, name: str) -> datetime | None:
    """A date's midnight in its offset, where the zone has another one then."""
    stamp = _midnight(head, tail, offset)
    is_other = stamp is not None and stamp.astimezone(zone(name)).utcoffset() != stamp.utcoffset()
    return stamp if is_other else None


def instant_us(value: Any, label: ZoneInfo) -> int | None:
    """Epoch microseconds of a DateTime labelled with the zone; None for anything else."""
    if not isinstance(value, datetime) or value.tzinfo is not label:
        return None
    return epoch_us(value)
