"""The kernels against Python's own readers, text by text."""

from __future__ import annotations

import re
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsframe.codecs.histories.byte_words import (
    PAD,
    Block,
    byte_index,
    eight_digits,
    ends_of,
    equal_bytes,
    read_numbers,
    zero_bytes,
)
from hsframe.codecs.histories.stamps import check_offsets, read_stamps

JSON_NUMBER = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def placed(texts: list[bytes], gap: bytes) -> tuple[Block, np.ndarray, np.ndarray]:  # type: ignore[type-arg]
    """A block that holds the texts, each with the gap around, and where they stand."""
    block = Block(sum(map(len, texts)) + len(gap) * (len(texts) + 1))
    at = PAD
    starts, ends = [], []
    for text in [b"", *texts]:
        if at > PAD or starts:
            starts.append(at)
            ends.append(at + len(text))
        whole = text + gap
        block.octets[at : at + len(whole)] = np.frombuffer(whole, np.uint8)
        at += len(whole)
    return block, np.array(starts, np.int64), np.array(ends, np.int64)


numbers = (
    st.floats(allow_nan=False, allow_infinity=False).map(repr)
    | st.decimals(-1000, 1000, places=2).map(str)
    | st.integers().map(str)
    | st.text("0123456789.-e+_", max_size=12)
    | st.from_regex(r"-?[0-9]{1,12}(\.[0-9]{1,12})?", fullmatch=True)
)


@given(st.lists(numbers, min_size=1, max_size=40), st.sampled_from([b",", b"kW\n", b" ", b"99999999,"]))
@example(["-", "", ".", "-.", "0.", ".0", "00", "-00", "12345678", "-1234567", "1.234567", "1-2", "9" * 24], b",")
def test_numbers_are_what_float_makes_of_them(texts: list[str], gap: bytes) -> None:
    block, starts, ends = placed([text.encode() for text in texts], gap)
    values, ok = read_numbers(block, starts, ends)
    for text, value, good in zip(texts, values.tolist(), ok.tolist(), strict=True):
        if good:
            assert JSON_NUMBER.fullmatch(text)
            assert value == float(text)
            assert str(value) == str(float(text))


@given(st.lists(st.decimals(-9999, 9999, places=3).map(str) | st.integers(-(10**15), 10**15).map(str), min_size=1))
def test_plain_numbers_are_always_read(texts: list[str]) -> None:
    block, starts, ends = placed([text.encode() for text in texts], b"kW,")
    values, ok = read_numbers(block, starts, ends)
    assert ok.all()
    assert values.tolist() == [float(text) for text in texts]
    assert ends_of(block, starts, None).tolist() == ends.tolist()
    assert ends_of(block, starts, ord("k")).tolist() == ends.tolist()


@pytest.mark.parametrize("text", ["1.5e3", "2E-7", "5e-324", "0.1234567890123456789012345", "1" * 40])
def test_exponents_and_many_digits_are_read(text: str) -> None:
    block, starts, ends = placed([text.encode(), b"1"], b",")
    values, ok = read_numbers(block, starts, ends)
    assert ok.tolist() == [True, True]
    assert values[0] == float(text)


stamps = st.builds(
    "{:04d}-{:02d}-{:02d}T{:02d}:{:02d}:{:02d}{}{}".format,
    st.integers(1690, 2210),
    st.integers(0, 13),
    st.integers(0, 32),
    st.integers(0, 25),
    st.integers(0, 61),
    st.integers(0, 61),
    st.just("") | st.from_regex(r"\.[0-9]{1,11}", fullmatch=True),
    st.sampled_from(["Z", "+00:00", "-00:00", "-05:00", "+05:30", "+14:00", "-14:59", "+15:00", "+01:60", "z"]),
)


@given(st.lists(stamps, min_size=1, max_size=40), st.sampled_from([b",", b" New_York,", b'","tz":"UTC"}']))
def test_stamps_are_what_fromisoformat_makes_of_them(texts: list[str], gap: bytes) -> None:
    block, starts, _ = placed([text.encode() for text in texts], gap)
    times, ok, lengths = read_stamps(block, starts)
    for text, us, good, length in zip(
        texts, times.tolist(), ok.tolist(), np.broadcast_to(lengths, len(texts)).tolist(), strict=True
    ):
        if good:
            when = datetime.fromisoformat(text)
            assert (when - datetime.fromisoformat("1970-01-01T00:00:00Z")).total_seconds() == pytest.approx(us / 1e6)
            assert us % 1_000_000 == when.microsecond
            assert length == len(text)


@given(st.datetimes(datetime(1700, 1, 1), datetime(2200, 12, 31)), st.sampled_from(["Z", "+05:30", "-12:00"]))
def test_plain_stamps_are_always_read(when: datetime, offset: str) -> None:
    texts = [when.isoformat() + offset, when.isoformat(timespec="seconds") + offset]
    block, starts, _ = placed([text.encode() for text in texts], b",")
    times, ok, _ = read_stamps(block, starts)
    epoch = datetime.fromisoformat("1970-01-01T00:00:00Z")
    assert ok.all()
    expected = [(datetime.fromisoformat(text) - epoch) // timedelta(microseconds=1) for text in texts]
    assert times.tolist() == expected


@pytest.mark.parametrize(
    "text",
    [
        *("2021-01-01T24:00:00Z", "2021-13-01T00:00:00Z", "2021-02-29T00:00:00Z", "2021-01-01T00:60:00Z"),
        *("2021-01-01T00:00:60Z", "2021-01-01T0:00:000Z", "2021-01-01t00:00:00Z", "2021-01-01T00:00:00z"),
        *("2021-01-01T00.00:00Z", "2021-01-01T00:00:00.Z", "2021-01-01T00:00:00+0100", "2021/01/01T00:00:00Z"),
        *("2021-01-01T00:00:00+01:60", "2021-01-01T00:00:00 01:00", "/021-01-01T00:00:00Z", "2021-01-01T00:00:0:Z"),
    ],
)
def test_stamps_that_are_none_are_not_read(text: str) -> None:
    block, starts, _ = placed([text.encode(), b"2021-01-01T00:00:00Z"], b" UTC,")
    _, ok, _ = read_stamps(block, starts)
    assert ok.tolist() == [False, True]


_ENDS = ["Z", "+01:00", ".5Z", ".123Z", ".12345678Z", ".123456789Z", ".123456789-05:00", ".1234567890Z"]


@pytest.mark.parametrize("end", _ENDS)
@pytest.mark.parametrize("odd", [*_ENDS, ",5Z", ".12345678 Z", ".1234567 9Z", "z", " 01:00", ".Z"])
def test_a_stamp_of_another_form_among_stamps_of_one(end: str, odd: str) -> None:
    texts = [f"2021-01-01T00:00:0{second}{end}" for second in range(9)]
    texts[2] = f"2021-01-01T00:00:02{odd}"
    block, starts, _ = placed([text.encode() for text in texts], b",1\n")
    times, ok, lengths = read_stamps(block, starts, b",")
    is_stamp = [text[19:] in _ENDS[:-1] for text in texts]
    assert ok.tolist() == is_stamp
    for text, us, length in zip(texts, times, np.broadcast_to(lengths, len(texts)), strict=True):
        if text[19:] in _ENDS[:-1]:
            when = datetime.fromisoformat(text) - datetime.fromisoformat("1970-01-01T00:00:00Z")
            assert (us, length) == (when // timedelta(microseconds=1), len(text))


@pytest.mark.parametrize("fraction", ["", ".5", ".123456"])
def test_a_row_with_an_offset_among_rows_in_utc_is_not_warned_of(fraction: str) -> None:
    texts = [f"2021-03-{day}T12:00:00{fraction}{'+01:00' if day == 29 else 'Z'}" for day in (26, 29, 27, 28, 25)]
    block, starts, _ = placed([text.encode() for text in texts], b" London\n")
    assert read_stamps(block, starts, b" London")[1].all()
    check_offsets(block.days, "London")  # London was at +00:00 until the 28th


@pytest.mark.parametrize("stamp", ["2021-01-01T00:00:00-05:00", "2021-01-01T00:00:00Z", "2021-01-01T00:00:00.5+01:00"])
@pytest.mark.parametrize("at", range(10))
def test_every_byte_behind_a_stamp_counts(stamp: str, at: int) -> None:
    wrong = bytearray(b" New_York,")
    wrong[at] ^= 1
    block, starts, _ = placed([stamp.encode() + b" New_York,", stamp.encode() + bytes(wrong)], b"1\n")
    _, ok, _ = read_stamps(block, starts, b" New_York,")
    assert ok.tolist() == [True, False]


@given(st.lists(st.integers(0, 99_999_999), min_size=1))
def test_eight_digits(values: list[int]) -> None:
    words = np.array([int.from_bytes(f"{value:08d}".encode(), "little") for value in values], np.uint64)
    assert eight_digits(words ^ np.uint64(0x3030303030303030)).tolist() == values


@given(st.lists(st.binary(min_size=8, max_size=8), min_size=1))
def test_zero_bytes_and_the_first_of_them(texts: list[bytes]) -> None:
    words = np.array([int.from_bytes(text, "little") for text in texts], np.uint64)
    flags = zero_bytes(words)
    assert [bytes(b >> 7 for b in int(flag).to_bytes(8, "little")) for flag in flags] == [
        bytes(b == 0 for b in text) for text in texts
    ]
    some = flags != 0
    assert byte_index(flags[some]).tolist() == [text.index(0) for text in texts if 0 in text]


@given(st.binary(min_size=1, max_size=30), st.integers(0, 29), st.integers(0, 255))
def test_equal_bytes_sees_every_byte(text: bytes, at: int, octet: int) -> None:
    other = bytearray(text)
    other[at % len(text)] = octet
    block, starts, _ = placed([text, bytes(other)], b"#")
    assert equal_bytes(block, starts, text).tolist() == [True, bytes(other) == text]
