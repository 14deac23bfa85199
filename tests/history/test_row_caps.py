"""A server that leaves out rows without a word: all of them come, or an error says that they do not."""

from __future__ import annotations

import asyncio
import warnings
from dataclasses import replace
from datetime import UTC
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from hsframe.errors import IncompleteError, ReadWarning
from hsframe.frame.histories import History
from hsframe.grid import Col, Grid
from hsframe.history.plan import ReadOptions, RequestLimits
from hsframe.history.read import read_histories
from hsframe.kinds import Number, Ref
from hsframe.spans import Span, from_epoch_us, resolve
from tests.history.odd_server import BASE_S, NOW, OddServer, S, Samples, records_of, rows_of, spread, truth

CAPS = ["first", "newest", "point-first", "point-newest"]


def read(server: OddServer, span: Any, **options: Any) -> list[History]:
    return asyncio.run(read_histories(server, records_of(server), span, ReadOptions(NOW, **options)))


@st.composite
def capped_servers(draw: st.DrawFn) -> OddServer:
    """Some points of up to some hundred samples, regular or not, and a cap that many a request reaches."""
    samples: Samples = {}
    for name in "abc"[: draw(st.integers(1, 3))]:
        count = draw(st.integers(0, 900))
        rng = np.random.default_rng(draw(st.integers(0, 2**16)))
        kind = draw(st.sampled_from(["regular", "random", "bursts", "gaps"]))
        steps = np.full(count, draw(st.sampled_from([60, 600, 900])))
        if kind == "random":
            steps = rng.integers(1, 1800, count)
        elif kind == "bursts":
            steps = np.where(rng.random(count) < 0.05, 20_000, rng.integers(1, 20, count))
        elif kind == "gaps":
            steps = np.where(rng.random(count) < 0.02, 90_000, steps)
        instants = BASE_S + draw(st.integers(0, 3600) | st.integers(0, 900_000)) + np.cumsum(steps)
        samples[name] = [(int(second) * S, float(number + 1)) for number, second in enumerate(instants)]
    return OddServer(
        samples,
        dict.fromkeys(samples, "UTC"),
        silent_cap=draw(st.sampled_from([100, 101, 120, 150, 288, 400])),
        capped=draw(st.sampled_from(CAPS)),
        names_limit=draw(st.booleans()),
        start_exclusive=draw(st.booleans()),
        end_inclusive=draw(st.booleans()),
        extra=draw(st.booleans()),
        reverse=draw(st.booleans()),
        batch=draw(st.sampled_from(["standard", "first", "refused"])),
    )


some_limits = st.builds(
    RequestLimits,
    st.none() | st.integers(50, 2000),
    st.sampled_from([100, 101, 150, 288, 400, 1000, 100_000]),
    st.integers(1, 4),
    st.none() | st.integers(3600, 10**6).map(lambda seconds: seconds * S),
)


@settings(max_examples=settings.default.max_examples // 2)  # each takes long
@given(capped_servers(), some_limits, st.integers(1, 6), st.booleans(), st.integers(-3600, 300_000), st.booleans())
def test_all_rows_come_whatever_the_cap(
    server: OddServer, limits: RequestLimits, concurrency: int, open_end: bool, start_s: int, with_cap_known: bool
) -> None:
    instants = [us for samples in server.samples.values() for us, _ in samples]
    start = from_epoch_us((BASE_S + start_s) * S, UTC)
    end = from_epoch_us(max([*instants, (BASE_S + start_s) * S]) // S * S + S, UTC)
    span = Span(start, None if open_end else end)
    if with_cap_known:
        server.dialect.row_cap = server.silent_cap
    for _ in range(2):  # the second time with all that was learned
        assert rows_of(read(server, span, limits=replace(limits, max_concurrency=concurrency))) == truth(server, span)
    assert server.most_running <= concurrency
    each_once = [us for one in read(server, span, limits=limits) for us in one.ts_us.tolist() if len(server.zones) == 1]
    assert len(each_once) == len(set(each_once))


@given(
    st.lists(st.tuples(st.integers(0, 600), st.integers(0, 30_000)), min_size=2, max_size=5),
    st.sampled_from([1, 5, 30]),
    st.sampled_from([100, 101, 120, 150, 288]),
    st.sampled_from(CAPS),
)
@example([(446, 5830), (187, 2040)], 1, 150, "point-newest")
@example([(402, 0), (439, 5310)], 5, 150, "point-first")
@example([(286, 418), (305, 179)], 15, 120, "point-first")
@example([(150, 0), (151, 148)], 1, 150, "point-newest")
def test_points_at_other_times_than_each_other(
    points: list[tuple[int, int]], step_min: int, cap: int, capped: str
) -> None:
    samples: Samples = {}
    for name, (count, first_min) in zip("abcde", points, strict=False):
        samples |= spread(name, count, step_min * 60, BASE_S + first_min * 60)
    server = OddServer(samples, dict.fromkeys(samples, "UTC"), silent_cap=cap, capped=capped)
    span = seconds(0, (30_000 + 600 * 30) * 60)
    found = read(server, span)
    assert rows_of(found) == truth(server, span)
    assert sum(len(one.ts_us) for one in found if not one.sparse) <= sum(map(len, samples.values()))


def seconds(start: int, stop: int) -> Span:
    return Span(from_epoch_us((BASE_S + start) * S, UTC), from_epoch_us((BASE_S + stop) * S, UTC))


@pytest.mark.parametrize("cap", [3, 80])
@pytest.mark.parametrize("capped", CAPS)
def test_a_limit_that_is_named_counts_however_small(cap: int, capped: str) -> None:
    samples = spread("ab", 200, 60)
    server = OddServer(samples, dict.fromkeys(samples, "UTC"), silent_cap=cap, capped=capped, names_limit=True)
    assert rows_of(read(server, seconds(0, 200 * 60))) == truth(server, seconds(0, 200 * 60))


@pytest.mark.parametrize("capped", CAPS)
def test_what_cannot_be_asked_for_is_an_error(capped: str) -> None:
    """More rows in a second than the server gives: a request is of whole seconds, and of one more on either side."""
    samples = {"a": [(BASE_S * S + number * 1000, float(number + 1)) for number in range(9000)]}
    server = OddServer(samples, {"a": "UTC"}, silent_cap=500, capped=capped)
    with pytest.raises(IncompleteError, match=r"@a over .*500 rows at most.*nothing is returned"):
        read(server, seconds(0, 9))
    failures: dict[str, Any] = {}
    assert read(server, seconds(0, 9), failures=failures) == []
    assert list(failures) == ["a"]


def test_a_server_that_ignores_the_range_cannot_be_asked_for_the_ends() -> None:
    server = OddServer(spread("a", 4001, 900), {"a": "UTC"}, ignore_range=True, silent_cap=3000, names_limit=True)
    with pytest.raises(IncompleteError, match="3000 rows at most"):
        read(server, seconds(0, 4001 * 900))
    server.silent_cap = None
    server.asked.clear()
    assert rows_of(read(server, seconds(0, 4001 * 900))) == truth(server, seconds(0, 4001 * 900))
    assert len(server.asked) == 2, "the end shows that the range is still ignored"


def test_that_a_server_ignored_the_range_is_doubted_again() -> None:
    """Another server at the same uri since: it keeps to the range, and has a limit."""
    server = OddServer(spread("a", 4001, 900), {"a": "UTC"}, ignore_range=True)
    span = seconds(0, 4001 * 900)
    assert rows_of(read(server, seconds(900, 1000 * 900))) == truth(server, seconds(900, 1000 * 900))
    assert server.dialect.ignores_range
    server.ignore_range, server.silent_cap = False, 3000
    assert rows_of(read(server, span)) == truth(server, span)
    assert server.dialect.ignores_range is False


@pytest.mark.parametrize("capped", CAPS)
@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_round_number_of_rows_is_doubted_where_nothing_can_prove_it(capped: str, names: str) -> None:
    samples = spread(names, 4000, 900)
    server = OddServer(samples, dict.fromkeys(samples, "UTC"), ignore_range=True, silent_cap=3000, capped=capped)
    with pytest.warns(ReadWarning, match=r"exactly 3000.* ignores the range"):
        read(server, seconds(0, 4000 * 900))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read(server, seconds(2000 * 900, 2100 * 900))  # all its samples are there


@pytest.mark.parametrize("capped", CAPS)
def test_so_it_is_where_the_range_is_not_ignored_by_much(capped: str) -> None:
    """All that the server has is in the window, or near it."""
    server = OddServer(spread("a", 1400, 900), {"a": "UTC"}, ignore_range=True, silent_cap=500, capped=capped)
    with pytest.warns(ReadWarning, match="exactly 500"):
        read(server, seconds(0, 1200 * 900))


@pytest.mark.parametrize("rows", [0, 200])
@pytest.mark.parametrize("names", ["a", "ab"])
def test_a_limit_of_no_rows_is_no_limit_and_rows_of_nulls_are_no_samples(names: str, rows: int) -> None:
    server = OddServer({name: [] for name in names}, dict.fromkeys(names, "UTC"))
    instants = [(BASE_S + number) * S for number in range(rows)]

    def grid(ids: list[str], text: str, *, single: bool) -> Grid:
        asked = resolve(text, "UTC", NOW)
        times = [from_epoch_us(us, UTC) for us in instants if asked.start_us <= us < (asked.end_us or us + 1)]
        cols = [Col("ts"), *(Col(f"v{number}", {"id": Ref(ident)}) for number, ident in enumerate(ids))]
        return Grid({"hisLimit": Number(0)}, cols, [times, *([None] * len(times) for _ in ids)])

    server.grid = grid  # type: ignore[method-assign]
    assert rows_of(read(server, seconds(0, 900))) == {name: [] for name in names}


def test_as_many_rows_as_limit_rows_are_no_limit_of_a_server_that_ignores_the_range() -> None:
    server = OddServer(spread("a", 10, 900), {"a": "UTC"}, ignore_range=True, twice=True)
    span = seconds(3000, 10_000_000)
    assert rows_of(read(server, span, limits=RequestLimits(rows=20))) == truth(server, span)


def test_a_sample_that_comes_while_a_read_runs_is_no_limit() -> None:
    server = OddServer(spread("a", 300, 60), {"a": "UTC"})
    grid = server.grid

    def growing(ids: list[str], text: str, *, single: bool) -> Any:
        answer = grid(ids, text, single=single)
        last_us, value = server.samples["a"][-1]
        server.samples["a"] = [*server.samples["a"][:301], (last_us + 1000, value)][:301]
        return answer

    server.grid = growing  # type: ignore[method-assign]
    assert rows_of(read(server, seconds(0, 301 * 60))) == truth(server, seconds(0, 301 * 60))
    assert server.dialect.row_cap is None


@pytest.mark.parametrize(
    ("rows", "step_s", "offset_s", "requests"),
    [
        (96, 900, 7, 1),  # too few for a limit
        (1440, 60, 0, 2),  # a row at the start, so only the other end is asked for
        (1440, 60, 7, 3),
    ],
)
def test_requests_of_one_point(rows: int, step_s: int, offset_s: int, requests: int) -> None:
    samples = spread("a", rows, step_s, BASE_S + offset_s)
    server = OddServer(samples, {"a": "UTC"})
    assert rows_of(read(server, seconds(0, rows * step_s))) == truth(server, seconds(0, rows * step_s))
    assert len(server.asked) == requests
    # Samples go on after the window: that on its end comes too, and shows that none is missing.
    server = OddServer(spread("a", rows + 1, step_s), {"a": "UTC"})
    assert rows_of(read(server, seconds(0, rows * step_s))) == truth(server, seconds(0, rows * step_s))
    assert len(server.asked) == 1


def test_requests_of_many_healthy_points_with_change_of_value() -> None:
    """4 to 8 more of 100 batches; here of 30, so that the test is short."""
    rng = np.random.default_rng(5)
    samples: Samples = {}
    for number in range(600):
        instants = np.unique(BASE_S + rng.integers(0, 86_400, rng.integers(20, 140)))
        samples[f"p{number}"] = [(int(second) * S, 1.0) for second in instants]
    server = OddServer(samples, dict.fromkeys(samples, "UTC"))
    server.dialect.his_read_batch, server.dialect.ignores_range = True, False
    records = [replace(record, irregular=True, rows_a_day=80.0) for record in records_of(server)]
    found = asyncio.run(read_histories(server, records, seconds(0, 86_400), ReadOptions(NOW)))
    assert rows_of(found) == truth(server, seconds(0, 86_400))
    batches = 30
    assert batches <= len(server.asked) <= batches + 8


@pytest.mark.parametrize("step_us", [1000, 12_000])
def test_many_rows_within_a_second_or_two_and_nothing_else(step_us: int) -> None:
    """Only a range that begins or ends below a second shows what there is before and after them."""
    samples = {"a": [((BASE_S + 100) * S + number * step_us, float(number + 1)) for number in range(150)]}
    server = OddServer(samples, {"a": "UTC"})
    assert rows_of(read(server, seconds(0, 3600))) == truth(server, seconds(0, 3600))
    assert len(server.asked) == 3
    server.silent_cap = 120
    for server.capped in CAPS:
        with pytest.raises(IncompleteError, match="120 rows at most"):
            read(server, seconds(0, 3600))
