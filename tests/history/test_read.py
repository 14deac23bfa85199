"""Whatever a server does, and however a span is cut: the rows are those of the truth, each once.

Over sockets the same is tested in test_read_sockets.py.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from datetime import UTC
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
from hsframe.grid import Grid
from hsframe.history.failures import combined_error
from hsframe.history.plan import ReadOptions, RequestLimits
from hsframe.history.read import read_histories
from hsframe.kinds import Number
from hsframe.spans import Span, from_epoch_us, resolve
from tests.history.odd_server import (
    BASE_S,
    NOW,
    OddServer,
    S,
    cases,
    error_grid,
    records_of,
    rows_of,
    some_limits,
    spread,
    truth,
    unplanned,
)


def read(server: OddServer, span: Any, **options: Any) -> list[History]:
    return asyncio.run(read_histories(server, records_of(server), span, ReadOptions(NOW, **options)))


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
    server.asked.clear()
    assert rows_of(read(server, span)) == truth(server, span)
    assert max(len(ids) for ids, _ in server.asked) <= 20, "it is remembered"


@pytest.mark.parametrize("batch", ["standard", "first"])
def test_a_server_that_answers_everything_is_not_asked_again_and_again(batch: str) -> None:
    names = [f"p{number}" for number in range(10)]
    rows = spread("a", 3001, 900)["a"]
    server = OddServer(dict.fromkeys(names, rows), dict.fromkeys(names, "UTC"), ignore_range=True, batch=batch)
    span = Span(from_epoch_us(BASE_S * S, UTC), from_epoch_us((BASE_S + 3001 * 900) * S, UTC))
    limits = RequestLimits(cells=1000, rows=100, points=5)
    assert rows_of(read(server, span, limits=limits)) == truth(server, span)
    assert server.dialect.ignores_range is True
    once = 2 if batch == "standard" else 10
    assert len(server.asked) <= once + 4  # and the first looks, and the ends of one answer
    server.asked.clear()
    assert rows_of(read(server, span, limits=limits)) == truth(server, span)
    assert len(server.asked) <= once + 2


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
    assert [ids for ids, _ in server.asked][:3] == [["a"], ["b"], ["c"]]
    assert len(server.asked) == 5, "the ends of one of them are asked for, and the others are like it"


def test_a_bad_point_of_a_batch_is_named_and_batches_stay() -> None:
    server = OddServer(spread("abc", 10, 900), dict.fromkeys("abc", "New_York"), bad_ids=frozenset("b"))
    server.dialect.his_read_batch = True
    with pytest.raises(CallError, match=r"@b over 2026-10-31T23:59:59.*no history") as caught:
        read(server, "2026-11-01")
    assert caught.value.grid is not None
    assert server.dialect.his_read_batch is True
    two = OddServer(spread("abc", 10, 900), dict.fromkeys("abc", "New_York"), bad_ids=frozenset("bc"))
    with pytest.raises(CallError, match=r"refused to read 2 of 3 points: @b, @c"):
        read(two, "2026-11-01")


@pytest.mark.parametrize(("of_c", "kind"), [(IncompleteError, IncompleteError), (CallError, CallError)])
def test_points_that_are_cut_are_so_too_where_they_fail_at_once(of_c: type[CallError], kind: type[CallError]) -> None:
    error = combined_error({"b": IncompleteError("at most 5 rows"), "c": of_c("no")}, 3)
    assert type(error) is kind


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


def test_more_than_one_column_for_one_point_is_refused() -> None:
    class TwoColumns(OddServer):
        def grid(self, ids: list[str], text: str, *, single: bool) -> Grid:
            return Grid({}, ["ts", "v0", "v1"], [[NOW], [Number(1)], [Number(2)]])

    with pytest.raises(CodecError, match=r"@a came with 2 columns"):
        read(TwoColumns({"a": []}, {"a": "UTC"}), "today")


def test_at_least_one_request_at_a_time() -> None:
    with pytest.raises(MetadataError, match="max_concurrency"):
        read(OddServer({"a": []}, {"a": "UTC"}), "today", limits=RequestLimits(max_concurrency=0))
