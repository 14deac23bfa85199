"""A server that stands for a client, with the habits of one or another: hundreds of them a second can be tried."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st

from hsframe.errors import (
    CallError,
    CodecError,
    HTTPStatusError,
    IncompleteError,
    RequestTimeoutError,
    UnknownRecError,
)
from hsframe.frame.histories import History
from hsframe.frame.points import Point
from hsframe.grid import Col, Grid
from hsframe.history.plan import RequestLimits
from hsframe.history.point_records import PointRecord
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
    silent_cap: int | None = None
    capped: str = "first"
    names_limit: bool = False
    batch: str = "standard"
    bad_ids: frozenset[str] = frozenset()
    down: Exception | None = None
    dialect: Dialect = field(default_factory=Dialect)
    max_concurrency: int = 6
    origin: Mapping[str, Any] = field(default_factory=dict)
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
            found = self.cut(rows[ident], "answer")
            found = found[::-1] if self.reverse and not self.twice else found
            self.check_cap(len(found))
            times = [from_epoch_us(us, place) for us, _ in found]
            return Grid(
                self.meta() | {"id": Ref(ident)}, ["ts", "val"], [times, [Number(value, "kW") for _, value in found]]
            )
        all_us = self.cut(sorted({us for found in rows.values() for us, _ in found}), "answer")
        all_us = all_us[::-1] if self.reverse else all_us
        self.check_cap(len(all_us))
        cols = [Col("ts")]
        columns: list[list[Any]] = [[from_epoch_us(us, place) for us in all_us]]
        for number, ident in enumerate(ids):
            meta = {} if self.batch == "no-ids" else {"id": Ref(f"p:x:{ident}" if self.batch == "long-ids" else ident)}
            by_us = dict(rows[ident])
            cols.append(Col(f"v{number}", meta))
            columns.append([Number(by_us[us], "kW") if us in by_us else None for us in all_us])
        return Grid(self.meta(), cols, columns)

    def meta(self) -> dict[str, Any]:
        return {"hisLimit": Number(self.silent_cap)} if self.names_limit and self.silent_cap else {}

    def cut(self, rows: list[Any], of: str) -> list[Any]:
        """The rows without those that a silent cap leaves out."""
        if self.silent_cap is None or ("point" in self.capped) != (of == "point"):
            return rows
        return rows[-self.silent_cap :] if "newest" in self.capped else rows[: self.silent_cap]

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
        found = self.cut(samples[start : max(start, end)], "point")
        if self.twice:
            found = [(us, -value) for us, value in found] + found
        return found


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


def records_of(server: OddServer) -> list[PointRecord]:
    return [PointRecord(Point(ident, ident, tz=tz)) for ident, tz in server.zones.items()]


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
