"""Whatever a server does, and however a span is cut: the rows are those of the truth, each once.

The server here is a class that stands for a client, so that hundreds of servers a second can be tried; over sockets
the same is tested in test_read_sockets.py.
"""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hsframe.errors import (
    AuthError,
    CallError,
    CodecError,
    HsFrameError,
    HTTPStatusError,
    IncompleteError,
    MetadataError,
    NetworkError,
    RequestTimeoutError,
    UnknownRecError,
)
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.grid import Col, Grid
from hsframe.history.plan import RequestLimits
from hsframe.history.read import read_batches, read_histories
from hsframe.history.records import PointRecord, find_records, read_records
from hsframe.kinds import MARKER, Number, Ref
from hsframe.protocol.answers import check_batch
from hsframe.protocol.dialects import Dialect
from hsframe.spans import Span, epoch_us, from_epoch_us, range_text, resolve
from hsframe.zones import zone

S = 1_000_000
BASE_S = 1_793_500_000  # some hours before New York's clocks go back on 2026-11-01
NOW = datetime(2026, 11, 18, 17, 30, tzinfo=UTC)

Samples = dict[str, list[tuple[int, float]]]


@dataclass
class OddServer:
    """Answers hisRead and read as a client would, with the habits of one server or another."""

    samples: Samples
    zones: dict[str, str | None]
    start_exclusive: bool = False
    end_inclusive: bool = False
    ignore_range: bool = False
    extra: bool = False
    reverse: bool = False
    twice: bool = False
    floor: bool = False
    id_cap: int | None = None
    poison: str = ""
    row_cap: int | None = None
    cap_error: str = "error"
    batch: str = "standard"
    bad_ids: frozenset[str] = frozenset()
    down: Exception | None = None
    dialect: Dialect = field(default_factory=Dialect)
    asked: list[tuple[list[str], str]] = field(default_factory=list)
    running: int = 0
    most_running: int = 0

    async def about(self, *, raw: bool) -> Grid:
        assert raw
        return Grid.from_rows({}, ["tz"], [{"tz": "Kathmandu"}])

    async def read_by_ids(self, ids: Sequence[Ref], *, checked: bool, raw: bool) -> Grid:
        assert raw
        assert not checked
        rows: list[dict[str, Any]] = []
        for ref in ids:
            known = ref.val in self.zones
            rows.append({"id": ref, "point": MARKER, "his": MARKER, "tz": self.zones[ref.val]} if known else {})
        unknown = [ref.val for ref in ids if ref.val not in self.zones]
        if unknown:
            raise UnknownRecError("unknown", ids=unknown)
        return Grid.from_rows({}, ["id", "point", "his", "tz"], rows)

    async def read(self, filter: str, limit: int | None = None, *, raw: bool) -> Grid:
        names = {"point": list(self.zones), "mixed": list(self.zones), "nothing": [], "word": []}[filter]
        rows = [{"id": Ref(name), "point": MARKER, "tz": self.zones[name]} for name in names]
        if filter == "mixed":
            rows[0]["his"] = MARKER
        return Grid.from_rows({}, ["id", "point", "his", "tz"], rows)

    async def his_read(self, id: Ref, range: str, *, raw: bool) -> Grid:
        assert raw
        return await self.answer([id.val], range, single=True)

    async def his_read_batch(self, ids: Sequence[Ref], range: str, *, raw: bool) -> Grid:
        assert raw
        grid = await self.answer([ref.val for ref in ids], range, single=False)
        try:
            check_batch(grid, ids, "http://x")
        except IncompleteError:
            self.dialect.his_read_batch = False
            raise
        self.dialect.his_read_batch = True
        return grid

    async def answer(self, ids: list[str], text: str, *, single: bool) -> Grid:
        self.asked.append((ids, text))
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        try:
            await asyncio.sleep(0)
            if self.down is not None:
                raise self.down
            return self.grid(ids, text, single=single)
        finally:
            self.running -= 1

    def grid(self, ids: list[str], text: str, *, single: bool) -> Grid:
        if self.id_cap is not None and len(ids) > self.id_cap:
            raise CallError("no", error_grid("LimitErr", f"too many points: the limit is {self.id_cap}"))
        if self.poison in ids:
            raise RequestTimeoutError("late")
        if not single and self.batch == "refused":
            raise CallError("no batches", error_grid("sys::UnknownNameException", "range"))
        bad = [ident for ident in ids if ident in self.bad_ids]
        if bad:
            raise CallError(f"the record {bad[0]} has no history", error_grid("", f"bad {bad[0]}"))
        if not single and self.batch == "first":
            ids, single = ids[:1], True
        rows = {ident: self.rows(ident, text) for ident in ids}
        place = zone(self.zones[ids[0]] or "Kathmandu")
        if single:
            (ident,) = ids
            found = rows[ident]
            self.check_cap(len(found))
            times = [from_epoch_us(us, place) for us, _ in found]
            return Grid({"id": Ref(ident)}, ["ts", "val"], [times, [Number(value, "kW") for _, value in found]])
        all_us = sorted({us for found in rows.values() for us, _ in found}, reverse=self.reverse)
        self.check_cap(len(all_us))
        cols = [Col("ts")]
        columns: list[list[Any]] = [[from_epoch_us(us, place) for us in all_us]]
        for number, ident in enumerate(ids):
            meta = {} if self.batch == "no-ids" else {"id": Ref(f"p:x:{ident}" if self.batch == "long-ids" else ident)}
            by_us = dict(rows[ident])
            cols.append(Col(f"v{number}", meta))
            columns.append([Number(by_us[us], "kW") if us in by_us else None for us in all_us])
        return Grid({}, cols, columns)

    def check_cap(self, rows: int) -> None:
        if self.row_cap is None or rows <= self.row_cap:
            return
        if self.cap_error == "incomplete":
            raise IncompleteError("not whole", Grid({"incomplete": MARKER}))
        if self.cap_error == "timeout":
            raise RequestTimeoutError("late")
        if self.cap_error in ("413", "504"):
            raise HTTPStatusError("no", status=int(self.cap_error), url="http://x")
        if self.cap_error == "broken":
            raise CodecError("the body ends early")
        raise CallError("limit", error_grid("haystack::LimitExceededErr", f"more than {self.row_cap} rows"))

    def rows(self, ident: str, text: str) -> list[tuple[int, float]]:
        samples = self.samples[ident]
        if self.floor:
            samples = [(us // S * S, value) for us, value in samples]
        asked = resolve(text, "UTC", NOW)
        all_us = [us for us, _ in samples]
        start = (bisect_right if self.start_exclusive else bisect_left)(all_us, asked.start_us)
        end = len(all_us)
        if asked.end_us is not None:
            end = (bisect_right if self.end_inclusive else bisect_left)(all_us, asked.end_us)
        if self.ignore_range:
            start, end = 0, len(all_us)
        if self.extra:
            start, end = max(start - 1, 0), min(end + 1, len(all_us))
        found = samples[start : max(start, end)]
        if self.twice:
            found = [(us, -value) for us, value in found] + found
        return found[::-1] if self.reverse and not self.twice else found


def error_grid(kind: str, dis: str) -> Grid:
    return Grid({"err": MARKER, "errType": kind, "dis": dis})


def truth(server: OddServer, span: Span) -> Samples:
    end_us = span.end_us
    step = S if server.floor else 1
    kept = {ident: [(us // step * step, value) for us, value in samples] for ident, samples in server.samples.items()}
    return {
        ident: [(us, value) for us, value in samples if span.start_us <= us and (end_us is None or us < end_us)]
        for ident, samples in kept.items()
    }


def rows_of(histories: list[History]) -> Samples:
    """What the frame makes of histories: of equal instants the last one, in order of time."""
    found: dict[str, dict[int, float]] = {}
    for history in histories:
        own = found.setdefault(history.point.id, {})
        own.update(
            (us, float(value)) for us, value in zip(history.ts_us.tolist(), history.values, strict=True) if value
        )
    return {ident: sorted(own.items()) for ident, own in found.items()}


def read(server: OddServer, span: Any, **options: Any) -> list[History]:
    records = [PointRecord(Point(ident, ident, tz=tz)) for ident, tz in server.zones.items()]
    return asyncio.run(read_histories(server, records, span, now=NOW, **options))


def spread(ids: str, count: int, step_s: int, start_s: int = BASE_S) -> Samples:
    return {ident: [((start_s + number * step_s) * S, float(number + 1)) for number in range(count)] for ident in ids}


@st.composite
def odd_servers(draw: st.DrawFn) -> OddServer:
    names = "abcd"[: draw(st.integers(1, 4))]
    tz = st.sampled_from(["New_York", "Lord_Howe", "Kathmandu", "Sao_Paulo", "GMT+5", "UTC"])
    samples: Samples = {}
    for name in names:
        # Mostly on the quarter hours, where the ends of spans and of windows are too.
        steps = draw(
            st.lists(st.sampled_from([900, 1800, 7200]), min_size=8, max_size=60)
            | st.lists(st.integers(1, 7200), max_size=60)
        )
        us, own = BASE_S, []
        fractions = draw(st.sampled_from([0, 250_000, 999_999]))
        for number, step in enumerate(steps):
            us += step
            own.append((us * S + fractions, float(number + 1)))
        samples[name] = own
    ignore_range = draw(st.booleans())
    return OddServer(
        samples=samples,
        zones={name: draw(tz) for name in names},
        start_exclusive=draw(st.booleans()),
        end_inclusive=draw(st.booleans()),
        ignore_range=ignore_range,
        extra=draw(st.booleans()),
        reverse=draw(st.booleans()),
        twice=draw(st.booleans()),
        floor=draw(st.booleans()),
        id_cap=draw(st.none() | st.integers(1, 3)),
        # With a sample more at each end and everything twice, eight rows are the least that two seconds may hold.
        # Who answers everything and no more than a cap can be read by nobody.
        row_cap=None if ignore_range else draw(st.none() | st.integers(40, 200)),
        cap_error=draw(st.sampled_from(["error", "incomplete", "timeout", "413", "504", "broken"])),
        batch=draw(st.sampled_from(["standard", "first", "refused", "no-ids", "long-ids"])),
    )


@st.composite
def cases(draw: st.DrawFn) -> tuple[OddServer, Span]:
    """A server and a span whose ends are mostly instants of samples: that is where servers differ."""
    server = draw(odd_servers())
    instants = sorted({us for samples in server.samples.values() for us, _ in samples}) or [BASE_S * S]
    ends = st.sampled_from(instants) | st.integers(BASE_S - 3600, BASE_S + 300_000).map(lambda s: s * S)
    start_us, end_us = sorted((draw(ends), draw(ends)))
    return server, Span(from_epoch_us(start_us, UTC), draw(st.sampled_from([from_epoch_us(end_us, UTC), None])))


def unplanned(server: OddServer, span: Span) -> Samples:
    """One request a point over all of the span, cut by hand."""
    plain = replace(server, row_cap=None, batch="standard", asked=[])
    end = None if span.end is None else span.end + timedelta(seconds=2)
    found = {}
    for ident in plain.zones:
        text = range_text(span.start_us - 2 * S, None if end is None else epoch_us(end), "UTC")
        grid = asyncio.run(plain.his_read(Ref(ident), text, raw=True))
        rows = dict(zip(map(epoch_us, grid.column("ts")), (number.val for number in grid.column("val")), strict=True))
        end_us = span.end_us
        kept = (us for us in sorted(rows) if span.start_us <= us and (end_us is None or us < end_us))
        found[ident] = [(us, float(rows[us])) for us in kept]
    return found


some_limits = st.builds(
    RequestLimits,
    st.none() | st.integers(20, 500),
    st.integers(20, 500),
    st.integers(1, 5),
    st.none() | st.integers(1800 * S, 10**11),
)


@given(cases(), some_limits, st.integers(1, 7))
def test_any_server_and_any_splitting_give_the_true_rows(
    case: tuple[OddServer, Span], limits: RequestLimits, concurrency: int
) -> None:
    server, span = case
    histories = read(server, span, limits=replace(limits, max_concurrency=concurrency))
    assert rows_of(histories) == truth(server, span) == unplanned(server, span)
    assert list(dict.fromkeys(history.point.id for history in histories)) == list(server.zones)
    assert server.most_running <= concurrency


@given(cases(), some_limits, st.sets(st.sampled_from("abcd")))
def test_points_that_cannot_be_read_spoil_no_other(
    case: tuple[OddServer, Span], limits: RequestLimits, bad: set[str]
) -> None:
    server, span = case
    server.bad_ids = frozenset(bad)
    failures: dict[str, HsFrameError] = {}
    histories = read(server, span, limits=limits, failures=failures)
    good = {ident: rows for ident, rows in truth(server, span).items() if ident not in bad}
    assert rows_of(histories) == good
    assert set(failures) == bad & set(server.zones)
    assert all(f"@{ident}" in str(error) for ident, error in failures.items())


def test_a_point_that_makes_batches_time_out_is_isolated() -> None:
    names = [f"p{number}" for number in range(40)]
    server = OddServer({name: spread("a", 40, 900)["a"] for name in names}, dict.fromkeys(names, "UTC"), poison="p33")
    server.dialect.his_read_batch = True
    span = Span(from_epoch_us(BASE_S * S, UTC), from_epoch_us((BASE_S + 40 * 900) * S, UTC))
    failures: dict[str, HsFrameError] = {}
    histories = read(server, span, failures=failures, limits=RequestLimits(points=20))
    assert set(failures) == {"p33"}
    assert isinstance(failures["p33"], RequestTimeoutError)
    assert rows_of(histories) == {name: rows for name, rows in truth(server, span).items() if name != "p33"}
    assert len(server.asked) < 80


def test_a_server_that_does_not_answer_is_not_asked_for_each_point() -> None:
    names = [f"p{number}" for number in range(200)]
    server = OddServer({}, dict.fromkeys(names, "UTC"), down=RequestTimeoutError("late"))
    failures: dict[str, HsFrameError] = {}
    assert read(server, "2026", failures=failures) == []
    assert set(failures) == set(names)
    assert len(server.asked) < 60


def test_a_refused_login_is_raised_all_the_same() -> None:
    server = OddServer(spread("ab", 10, 900), dict.fromkeys("ab", "UTC"), down=AuthError("refused"))
    with pytest.raises(AuthError):
        read(server, "2026", failures={})


def test_a_limit_of_points_is_learned() -> None:
    names = [f"p{number}" for number in range(100)]
    server = OddServer({name: spread("a", 400, 900)["a"] for name in names}, dict.fromkeys(names, "UTC"), id_cap=20)
    span = Span(from_epoch_us(BASE_S * S, UTC), from_epoch_us((BASE_S + 400 * 900) * S, UTC))
    assert rows_of(read(server, span)) == truth(server, span)
    answered = [ids for ids, _ in server.asked if len(ids) <= 20]
    assert len(server.asked) - len(answered) <= 4  # 100, 50, 25
    assert len(answered) <= 11  # batches stay whole in time


@pytest.mark.parametrize("batch", ["standard", "first"])
def test_a_server_that_answers_everything_is_not_asked_again_and_again(batch: str) -> None:
    names = [f"p{number}" for number in range(10)]
    rows = spread("a", 3000, 900)["a"]
    server = OddServer(dict.fromkeys(names, rows), dict.fromkeys(names, "UTC"), ignore_range=True, batch=batch)
    span = Span(from_epoch_us(BASE_S * S, UTC), from_epoch_us((BASE_S + 3000 * 900) * S, UTC))
    limits = RequestLimits(cells=1000, rows=100, points=5)
    assert rows_of(read(server, span, limits=limits)) == truth(server, span)
    assert server.dialect.ignores_range is True
    once = 2 if batch == "standard" else 10
    assert len(server.asked) <= once + 2  # and the first looks
    server.asked.clear()
    assert rows_of(read(server, span, limits=limits)) == truth(server, span)
    assert len(server.asked) <= once + 1


def test_who_gives_a_sample_more_at_both_ends_is_no_such_server() -> None:
    week_s = 7 * 86_400
    server = OddServer(spread("a", 50, week_s, BASE_S - 40 * week_s), {"a": "UTC"}, extra=True)
    span = Span(from_epoch_us((BASE_S - 10 * week_s) * S, UTC), from_epoch_us((BASE_S - 4 * week_s) * S, UTC))
    assert rows_of(read(server, span)) == truth(server, span)
    assert server.dialect.ignores_range is False


def test_a_first_look_tells_how_dense_a_history_is() -> None:
    # A sample in ten seconds: ninety times what is guessed.
    server = OddServer(spread("ab", 30_000, 10), dict.fromkeys("ab", "UTC"))
    span = Span(from_epoch_us(BASE_S * S, UTC), from_epoch_us((BASE_S + 300_000) * S, UTC))
    seen: list[int] = []
    grid = server.grid

    def noting(ids: list[str], text: str, *, single: bool) -> Grid:
        answer = grid(ids, text, single=single)
        seen.append(len(answer))
        return answer

    server.grid = noting  # type: ignore[method-assign]
    assert rows_of(read(server, span, limits=RequestLimits(cells=4000, rows=300))) == truth(server, span)
    assert max(seen[1:]) <= 310
    # Without a first look, as one request is enough by the guess, the first answer tells.
    seen.clear()
    assert rows_of(read(server, span, limits=RequestLimits(rows=1000, max_concurrency=1))) == truth(server, span)


def test_a_server_that_ignores_the_range() -> None:
    server = OddServer(spread("ab", 200, 900), {"a": "New_York", "b": "London"}, ignore_range=True)
    span = resolve("2026-11-01", "New_York")
    histories = read(server, span, limits=RequestLimits(rows=10))
    assert rows_of(histories) == truth(server, span)
    assert len(rows_of(histories)["a"]) == 100  # 25 hours


def test_each_point_is_cut_in_its_own_zone() -> None:
    server = OddServer(spread("ab", 400, 900), {"a": "New_York", "b": "Brisbane"})
    found = rows_of(read(server, "2026-11-01"))
    for ident, tz in server.zones.items():
        assert tz is not None
        assert found[ident] == truth(server, resolve("2026-11-01", tz))[ident]
    assert {text.rsplit(" ", 1)[-1] for _, text in server.asked} == {"New_York", "Brisbane"}


def test_a_point_without_a_zone_is_in_the_servers() -> None:
    server = OddServer(spread("a", 400, 900), {"a": None})
    assert rows_of(read(server, "2026-11-01")) == truth(server, resolve("2026-11-01", "Kathmandu"))
    assert server.dialect.tz == "Kathmandu"


def test_points_without_samples_are_there_all_the_same() -> None:
    server = OddServer({"a": [], "b": []}, {"a": "New_York", "b": "New_York"})
    assert [history.point.id for history in read(server, "today")] == ["a", "b"]


def test_columns_of_a_batch_share_their_instants() -> None:
    server = OddServer(spread("abc", 100, 900), dict.fromkeys("abc", "New_York"))
    histories = read(server, "2026-11-01")
    assert len({id(history.ts_us) for history in histories}) == 1


@pytest.mark.parametrize("batch", ["first", "refused"])
def test_a_server_without_batches_is_remembered(batch: str) -> None:
    server = OddServer(spread("abc", 300, 900), dict.fromkeys("abc", "New_York"), batch=batch)
    span = resolve("2026-11", "New_York")
    assert rows_of(read(server, span)) == truth(server, span)
    assert server.dialect.his_read_batch is False
    server.asked.clear()
    assert rows_of(read(server, span)) == truth(server, span)
    assert [ids for ids, _ in server.asked] == [["a"], ["b"], ["c"]]


def test_a_bad_point_of_a_batch_is_named_and_batches_stay() -> None:
    server = OddServer(spread("abc", 10, 900), dict.fromkeys("abc", "New_York"), bad_ids=frozenset("b"))
    server.dialect.his_read_batch = True
    with pytest.raises(CallError, match=r"@b \(b\) over 2026-10-31T23:59:59.*no history") as caught:
        read(server, "2026-11-01")
    assert caught.value.grid is not None
    assert server.dialect.his_read_batch is True
    two = OddServer(spread("abc", 10, 900), dict.fromkeys("abc", "New_York"), bad_ids=frozenset("bc"))
    with pytest.raises(CallError, match=r"refused to read 2 of 3 points: @b, @c"):
        read(two, "2026-11-01")


def test_what_was_too_large_once_is_cut_before_it_is_sent() -> None:
    server = OddServer(spread("a", 2000, 900), {"a": "UTC"}, row_cap=300)
    span = Span(from_epoch_us(BASE_S * S, UTC), from_epoch_us((BASE_S + 2000 * 900) * S, UTC))
    # Eight windows of 250 rows would do; the plan is made for rows that are not so many.
    assert rows_of(read(server, span, limits=RequestLimits(rows=1000, max_concurrency=1))) == truth(server, span)
    first_look, answered = 1, 8
    refused = len(server.asked) - first_look - answered
    assert refused == 2


@pytest.mark.parametrize(
    ("error", "at_most"),
    [
        (NetworkError("nothing answers there"), 1),
        (AuthError("refused"), 1),
        (HTTPStatusError("not found", status=404, url="http://x"), 1),
        (UnknownRecError("unknown", ids=["a"]), 1),
        (CallError("denied", error_grid("PermissionErr", "no access")), 1),
        (RequestTimeoutError("late"), 8),
        (HTTPStatusError("down", status=503, url="http://x"), 8),
        (CallError("limit", error_grid("", "too many rows")), 40),
    ],
)
def test_a_server_that_only_fails_is_not_asked_for_ever(error: Exception, at_most: int) -> None:
    server = OddServer(spread("a", 10, 900), {"a": "New_York"}, down=error)
    with pytest.raises(type(error)):
        read(server, "2026", limits=RequestLimits(max_concurrency=1))
    assert 1 <= len(server.asked) <= at_most
    # What failed is split: to send the same once more is for the client to decide.
    assert max(Counter((tuple(ids), text) for ids, text in server.asked).values()) == 1


def test_a_failure_stops_the_other_requests() -> None:
    server = OddServer(spread("a", 10, 900), {"a": "New_York"}, down=NetworkError("nothing answers there"))
    with pytest.raises(NetworkError, match="nothing answers"):
        read(server, "2026", limits=RequestLimits(rows=100, max_concurrency=2))
    assert len(server.asked) <= 4
    assert server.running == 0


# Batch by batch ----------------------------------------------------------------------------------------------------


def batches_of(server: OddServer, span: Any, **options: Any) -> AsyncGenerator[list[History], None]:
    records = [PointRecord(Point(ident, ident, tz=tz)) for ident, tz in server.zones.items()]
    return read_batches(server, records, span, now=NOW, **options)


def forty(**habits: Any) -> OddServer:
    names = [f"p{number:02}" for number in range(40)]
    server = OddServer(dict.fromkeys(names, spread("a", 300, 900)["a"]), dict.fromkeys(names, "UTC"), **habits)
    server.dialect = Dialect(his_read_batch=True, ignores_range=False)
    return server


WEEK = Span(from_epoch_us(BASE_S * S, UTC), from_epoch_us((BASE_S + 7 * 86_400) * S, UTC))


@given(cases(), some_limits)
def test_each_point_comes_in_one_batch_and_whole(case: tuple[OddServer, Span], limits: RequestLimits) -> None:
    server, span = case

    async def run() -> list[list[History]]:
        return [histories async for histories in batches_of(server, span, limits=limits)]

    found = asyncio.run(run())
    points = [ident for histories in found for ident in {history.point.id for history in histories}]
    assert sorted(points) == sorted(server.zones)
    assert rows_of([history for histories in found for history in histories]) == truth(server, span)


def test_a_batch_is_given_before_all_are_read_and_no_more_than_wanted_are_read_ahead() -> None:
    server = forty()

    async def run() -> list[int]:
        asked = []
        limits = RequestLimits(points=1, max_concurrency=2)
        async with aclosing(batches_of(server, WEEK, limits=limits)) as batches:
            async for _ in batches:
                await asyncio.sleep(0.001)  # the consumer is slow: what is under way comes to its end
                asked.append(len(server.asked))
        return asked

    asked = asyncio.run(run())
    assert len(server.asked) == 40
    assert [max(count - number, 4) for number, count in enumerate(asked)] == [4] * 40


def test_who_leaves_early_leaves_nothing_behind() -> None:
    server = forty()

    async def run() -> int:
        async with aclosing(batches_of(server, WEEK, limits=RequestLimits(points=1))) as batches:
            async for histories in batches:
                assert len(histories) == 1
                break
        return len(asyncio.all_tasks()) - 1

    assert asyncio.run(run()) == 0
    assert server.running == 0
    assert len(server.asked) < 20


def test_who_is_cancelled_cancels_the_requests() -> None:
    server = forty()

    async def never(*args: Any, **kwargs: Any) -> Grid:
        server.running += 1
        try:
            return await asyncio.Future()
        finally:
            server.running -= 1

    server.answer = never  # type: ignore[method-assign]

    async def run() -> None:
        task = asyncio.create_task(anext(batches_of(server, WEEK, limits=RequestLimits(points=1))))
        await asyncio.sleep(0.01)
        assert server.running == 6
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert server.running == 0
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(run())


def test_a_failure_comes_after_what_was_given_and_ends_the_read() -> None:
    server = forty(bad_ids=frozenset(["p07"]))

    async def run() -> list[str]:
        given: list[str] = []
        batches = batches_of(server, WEEK, limits=RequestLimits(points=1, max_concurrency=2))
        for _ in range(7):
            given += [history.point.id for history in await anext(batches)]
        with pytest.raises(CallError, match="@p07"):
            await anext(batches)
        assert len(asyncio.all_tasks()) == 1
        return given

    assert asyncio.run(run()) == [f"p{number:02}" for number in range(7)]
    assert server.running == 0
    assert len(server.asked) < 15


def test_more_than_one_column_for_one_point_is_refused() -> None:
    class TwoColumns(OddServer):
        def grid(self, ids: list[str], text: str, *, single: bool) -> Grid:
            return Grid({}, ["ts", "v0", "v1"], [[NOW], [Number(1)], [Number(2)]])

    with pytest.raises(CodecError, match=r"@a came with 2 columns"):
        read(TwoColumns({"a": []}, {"a": "UTC"}), "today")


def test_at_least_one_request_at_a_time() -> None:
    with pytest.raises(MetadataError, match="max_concurrency"):
        read(OddServer({"a": []}, {"a": "UTC"}), "today", limits=RequestLimits(max_concurrency=0))


# What people call points ------------------------------------------------------------------------------------------


def find(server: OddServer, points: Any) -> list[str]:
    return [record.id for record in asyncio.run(find_records(server, points))]


@pytest.fixture
def building() -> OddServer:
    names = {"a": "New_York", "word": "London", "p:demo:r:1": "UTC"}
    return OddServer({name: [] for name in names}, dict(names))


@pytest.mark.parametrize(
    ("points", "ids"),
    [
        ("@a", ["a"]),
        (" @p:demo:r:1 ", ["p:demo:r:1"]),
        ("p:demo:r:1", ["p:demo:r:1"]),  # no filter parses like that
        ("point", ["a", "word", "p:demo:r:1"]),
        ("mixed", ["a"]),  # one of them has the tag his
        ("word", ["word"]),  # finds nothing as a filter
        (Ref("a"), ["a"]),
        ([Ref("word"), "@a", "p:demo:r:1", "a"], ["word", "a", "p:demo:r:1"]),
        (Point("a", "A"), ["a"]),
    ],
)
def test_points_are_ids_or_a_filter(building: OddServer, points: Any, ids: list[str]) -> None:
    assert find(building, points) == ids


def test_points_that_are_none(building: OddServer) -> None:
    with pytest.raises(UnknownRecError, match=r"@x, @y") as caught:
        find(building, ["x", "a", "y"])
    assert caught.value.ids == ("x", "y")
    with pytest.raises(UnknownRecError, match=r"no record has the tag 'nothing', and none has the id @nothing"):
        find(building, "nothing")
    with pytest.raises(MetadataError, match="no points to read"):
        find(building, [])
    with pytest.raises(MetadataError, match="is no point"):
        find(building, 7)


def test_a_filter_that_finds_no_points(building: OddServer) -> None:
    class Sites(OddServer):
        async def read(self, filter: str, limit: int | None = None, *, raw: bool) -> Grid:
            rows = [{"id": Ref("s"), "site": MARKER}] if filter == "site" else []
            return Grid.from_rows({}, ["id", "site"], rows)

    with pytest.raises(MetadataError, match="'site' finds 1 records, none of them a point"):
        find(Sites({}, {}), "site")
    with pytest.raises(MetadataError, match="'site and point' finds no record"):
        find(Sites({}, {}), "site and point")


def test_records_are_known_by_the_id_that_was_asked_for() -> None:
    class LongIds(OddServer):
        async def read_by_ids(self, ids: Sequence[Ref], *, checked: bool, raw: bool) -> Grid:
            rows = [{"id": Ref(f"p:x:{ref.val}", "Meter"), "tz": "London"} for ref in ids]
            return Grid.from_rows({}, ["id", "tz"], rows)

    (record,) = asyncio.run(read_records(LongIds({}, {}), ["r:1"]))
    assert (record.id, record.point.dis, record.tz) == ("r:1", "Meter", "London")


def test_many_ids_are_read_in_several_requests() -> None:
    names = [str(number) for number in range(1201)]
    server = OddServer({}, dict.fromkeys(names, "UTC"))
    records = asyncio.run(read_records(server, names))
    assert [record.id for record in records] == names
    assert epoch_us(NOW) > 0
