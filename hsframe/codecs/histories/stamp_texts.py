"""Epoch microseconds to timestamps in a zone, as Arrow texts, without an object a row.

A text is put together from tables: one entry a day, one a second of the day, one an offset. Rows of one form (no
fraction, three digits, six; an offset or Z) have one length, so a form is an array of records.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Any, Final
from zoneinfo import ZoneInfo

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from hsframe.codecs.histories.words import Ints

__all__ = ["offset_minutes", "stamp_texts"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_EPOCH_DAY: Final = date(1970, 1, 1).toordinal()
_DAY_US: Final = 86_400_000_000
_MINUTE_US: Final = 60_000_000
# Zones change their offset at most once between two looks that agree.
_LOOK_US: Final = 6 * 3_600_000_000


def offset_minutes(us: Ints, zone: ZoneInfo) -> Ints:
    """The offset of each instant in whole minutes, cut towards zero as the exact writer cuts them.

    Parameters
    ----------
    us : int64 ndarray
        Epoch microseconds.
    zone : ZoneInfo
    """
    if len(us) == 0:
        return np.zeros(0, np.int64)
    looks = us // _LOOK_US
    changed = np.flatnonzero(looks[1:] != looks[:-1]) + 1
    firsts = np.concatenate(([0], changed))
    runs = looks[firsts]
    known: dict[int, int] = {}

    def at(look: int) -> int:
        if look not in known:
            known[look] = _offset_at(look * _LOOK_US, zone)
        return known[look]

    offsets = np.array([at(look) for look in runs.tolist()], np.int64)
    result = np.repeat(offsets, np.diff(firsts, append=len(us)))
    for run, look in enumerate(runs.tolist()):
        if at(look) != at(look + 1):
            begin = int(firsts[run])
            end = int(firsts[run + 1]) if run + 1 < len(firsts) else len(us)
            different, places = np.unique(us[begin:end], return_inverse=True)
            result[begin:end] = np.array([_offset_at(when, zone) for when in different.tolist()])[places]
    return result


def _offset_at(us: int, zone: ZoneInfo) -> int:
    offset = (_EPOCH + timedelta(microseconds=us)).astimezone(zone).utcoffset()
    assert offset is not None
    return int(offset.total_seconds() / 60)


def stamp_texts(us: Ints, zone: ZoneInfo, before: bytes, behind: bytes) -> pa.Array:
    """The texts ``before + 2021-01-01T00:00:00-05:00 + behind`` of instants.

    Parameters
    ----------
    us : int64 ndarray
        Epoch microseconds, in the years 1 to 9999 in the zone.
    zone : ZoneInfo
    before, behind : bytes
        What stands around each timestamp.

    Returns
    -------
    pyarrow binary array
    """
    offsets = offset_minutes(us, zone)
    local = us + offsets * _MINUTE_US
    fractions = local % 1_000_000
    if not offsets.any() or offsets.all():
        has_zero = not offsets.any()
        if not fractions.any():
            return _of_form(local, offsets, 0, has_zero, before, behind)
    digits = np.where(fractions == 0, 0, np.where(fractions % 1000 == 0, 3, 6))
    forms = digits * 2 + (offsets == 0)
    order = np.argsort(forms, kind="stable")
    pieces = []
    for form in np.unique(forms).tolist():
        rows = np.flatnonzero(forms == form)
        pieces.append(_of_form(local[rows], offsets[rows], form // 2, bool(form % 2), before, behind))
    back = np.empty(len(us), np.int64)
    back[order] = np.arange(len(us))
    return pa.concat_arrays(pieces).take(pa.array(back))


def _of_form(local: Ints, offsets: Ints, digits: int, is_utc: bool, before: bytes, behind: bytes) -> pa.Array:
    """Rows whose texts have one length."""
    days = local // _DAY_US
    in_day = local - days * _DAY_US
    parts: list[tuple[str, npt.NDArray[Any]]] = [
        ("day", _by_table(days, _day_text, before)),
        ("clock", _clock_texts()[in_day // 1_000_000]),
    ]
    if digits:
        scaled = in_day % 1_000_000 // (1000 if digits == 3 else 1)
        parts.append(("fraction", _fraction_texts(digits)[scaled]))
    if is_utc:
        parts.append(("offset", np.full(len(local), b"Z" + behind)))
    else:
        parts.append(("offset", _by_table(offsets, _offset_text, b"", behind)))
    records = np.empty(len(local), np.dtype([(name, texts.dtype) for name, texts in parts]))
    for name, texts in parts:
        records[name] = texts
    size = records.dtype.itemsize
    ends = np.arange(0, (len(local) + 1) * size, size, dtype=np.int32)
    buffers = [None, pa.py_buffer(ends), pa.py_buffer(records)]
    return pa.Array.from_buffers(pa.binary(), len(local), buffers)


def _by_table(values: Ints, text_of: Any, before: bytes, behind: bytes = b"") -> npt.NDArray[Any]:
    """The text of each value, made once for each run of equal values."""
    firsts = np.concatenate(([0], np.flatnonzero(values[1:] != values[:-1]) + 1))
    texts = np.array([before + text_of(value) + behind for value in values[firsts].tolist()])
    return np.repeat(texts, np.diff(firsts, append=len(values)))


def _day_text(day: int) -> bytes:
    return f"{date.fromordinal(day + _EPOCH_DAY).isoformat()}T".encode()


def _offset_text(minutes: int) -> bytes:
    hours, rest = divmod(abs(minutes), 60)
    return f"{'-' if minutes < 0 else '+'}{hours:02d}:{rest:02d}".encode()


@cache
def _clock_texts() -> npt.NDArray[Any]:
    seconds = range(86_400)
    return np.array([b"%02d:%02d:%02d" % (s // 3600, s // 60 % 60, s % 60) for s in seconds])


@cache
def _fraction_texts(digits: int) -> npt.NDArray[Any]:
    return np.array([b".%0*d" % (digits, value) for value in range(10**digits)])
