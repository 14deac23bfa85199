"""Epoch microseconds to timestamps in a zone, as Arrow texts, without an object per row.

A text is made for each run of one day and offset, the clock comes from a table of the seconds of a day. Rows of one
form (no fraction, three digits, six; an offset or Z) have one length, so a form is an array of records.
"""

from __future__ import annotations

from bisect import bisect_left
from datetime import date, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hsframe.codecs.histories.byte_words import Ints, Words
from hsframe.durations import DAY_US, MINUTE_US, SECOND_US
from hsframe.spans import from_epoch_us

_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_S: Final = DAY_US // SECOND_US
_DATE: Final = 11  # YYYY-MM-DDT
_CLOCK: Final = 8
# A zone changes its offset at most once between two looks: its changes are at least six days apart.
_LOOK_US: Final = DAY_US


def offset_minutes(us: Ints, zone: ZoneInfo) -> Ints:
    """The offset of each instant in whole minutes, truncated towards zero as by the exact writer."""
    if len(us) == 0:
        return np.zeros(0, np.int64)
    looks = us // _LOOK_US
    changed = np.flatnonzero(looks[1:] != looks[:-1]) + 1
    firsts = np.concatenate(([0], changed))
    runs = looks[firsts]

    @cache
    def at(look: int) -> int:
        return _offset_at(look * _LOOK_US, zone)

    offsets = np.array([at(look) for look in runs.tolist()], np.int64)
    result = np.repeat(offsets, np.diff(firsts, append=len(us)))
    for run, look in enumerate(runs.tolist()):
        if at(look) != at(look + 1):
            begin = int(firsts[run])
            end = int(firsts[run + 1]) if run + 1 < len(firsts) else len(us)
            between = range(look * _LOOK_US, (look + 1) * _LOOK_US)
            before_us = bisect_left(between, True, key=lambda when: _offset_at(when, zone) != at(look))
            result[begin:end] = np.where(us[begin:end] < between.start + before_us, at(look), at(look + 1))
    return result


def _offset_at(us: int, zone: ZoneInfo) -> int:
    offset = from_epoch_us(us, zone).utcoffset() or timedelta(0)
    return int(offset / timedelta(minutes=1))


def stamp_texts(us: Ints, zone: ZoneInfo, before: bytes, after: bytes) -> pa.Array:
    """The texts ``before + 2021-01-01T00:00:00-05:00 + after`` of instants in the years 1 to 9999 in the zone."""
    offsets = offset_minutes(us, zone)
    local = us + offsets * MINUTE_US
    seconds = local // SECOND_US
    fractions = local - seconds * SECOND_US
    has_zero = not offsets.any()
    if (has_zero or offsets.all()) and not fractions.any():
        return _binary(_records(seconds, fractions, offsets, 0, has_zero, before, after))
    digits = np.where(fractions == 0, 0, np.where(fractions % 1000 == 0, 3, 6))
    forms = digits * 2 + (offsets == 0)
    pieces, order = [], []
    for form in np.unique(forms).tolist():
        rows = np.flatnonzero(forms == form)
        parts = (seconds[rows], fractions[rows], offsets[rows])
        pieces.append(_binary(_records(*parts, form // 2, bool(form % 2), before, after)))
        order.append(rows)
    back = np.empty(len(us), np.int64)
    back[np.concatenate(order)] = np.arange(len(us))
    return pa.concat_arrays(pieces).take(pa.array(back))


def _records(
    seconds: Ints, fractions: Ints, offsets: Ints, digits: int, is_utc: bool, before: bytes, after: bytes
) -> npt.NDArray[np.void]:
    """Rows whose texts have one length: a whole text for each run of days and offsets, then clocks and fractions."""
    days = seconds // _DAY_S
    changed = (days[1:] != days[:-1]) | (offsets[1:] != offsets[:-1])
    firsts = np.concatenate(([0], np.flatnonzero(changed) + 1))
    room = bytes(_CLOCK + (digits and digits + 1))
    keys = list(zip(days[firsts].tolist(), offsets[firsts].tolist(), strict=True))
    known = {key: _day_text(key[0]) + room + (b"Z" if is_utc else _offset_text(key[1])) for key in set(keys)}
    text = b"".join([before + known[key] + after for key in keys])
    size = len(text) // len(firsts)
    records = np.repeat(np.frombuffer(text, f"V{size}"), np.diff(firsts, append=len(seconds)))
    at = len(before) + _DATE
    octets = records.view(np.uint8)

    def part(at: int, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        return np.ndarray((len(records),), dtype, octets, offset=at, strides=(size,))

    part(at, "<u8")[:] = _clock_words()[seconds - days * _DAY_S]
    if digits:
        part(at + _CLOCK, f"S{digits + 1}")[:] = _fraction_texts(digits)[fractions // (1000 if digits == 3 else 1)]
    return records


def _binary(records: npt.NDArray[np.void]) -> pa.Array:
    size = records.itemsize
    ends = np.arange(0, (len(records) + 1) * size, size, dtype=np.int32)
    return pa.Array.from_buffers(pa.binary(), len(records), [None, pa.py_buffer(ends), pa.py_buffer(records)])


def _day_text(day: int) -> bytes:
    return f"{date.fromordinal(day + _EPOCH_DAY).isoformat()}T".encode()


def _offset_text(minutes: int) -> bytes:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}".encode()


@cache
def _clock_words() -> Words:
    texts = b"".join(b"%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in range(_DAY_S))
    return np.frombuffer(texts, np.uint64)


@cache
def _fraction_texts(digits: int) -> npt.NDArray[Any]:
    return np.array([b".%0*d" % (digits, value) for value in range(10**digits)])
