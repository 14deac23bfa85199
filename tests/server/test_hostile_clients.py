"""Clients that ask for much, and clients that mean harm: what they get, and that the others are served."""

from __future__ import annotations

import asyncio
import base64
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from typing import Any, cast
from urllib.parse import urlsplit

import aiohttp
import numpy as np
import pytest

import hsframe
import hsframe.server.version4
from hsframe.grid import Grid
from hsframe.protocol.scram import b64url_encode
from hsframe.server.app import BODIES, UNREAD
from hsframe.server.auth import _COUNTS
from hsframe.server.clock import ManualClock
from hsframe.server.expiring import Expiring
from hsframe.server.state import Call
from hsframe.server.unread import Unread
from hsframe.testing.quirk_wrappers import wrap_op
from hsframe.testing.server import running_server
from tests.server.conftest import NOW, Raw, header_value, small_building

pytestmark = pytest.mark.one_python

WAIT_S = 60.0
# Other systems give only 127.0.0.1 to the loopback device.
several_addresses = pytest.mark.skipif(sys.platform != "linux", reason="needs a second loopback address")
SITES = 'ver:"3.0"\nfilter\n"site"\n'
A_DAY = 'ver:"3.0"\nid,range\n@kw,"2026-11-09"\n'


class Gate:
    """Where a thread of the server waits until the test lets it go on."""

    def __init__(self) -> None:
        self.is_reached, self.is_open = threading.Event(), threading.Event()

    def pass_by(self) -> None:
        self.is_reached.set()
        assert self.is_open.wait(WAIT_S)

    @contextmanager
    def while_waiting_in(self, do: Callable[[], Any]) -> Iterator[Future[Any]]:
        with ThreadPoolExecutor(1) as client:
            answer = client.submit(do)
            try:
                assert self.is_reached.wait(WAIT_S)
                yield answer
                assert not answer.done()
            finally:
                self.is_open.set()


def large_write(raw: Any) -> Grid:
    rows = "".join(f"2026-11-09T{row // 60:02}:{row % 60:02}:00-05:00 New_York,{row}kW\n" for row in range(600))
    return raw.call("hisWrite", f'ver:"3.0" id:@kw\nts,val\n{rows}')


def large_read(raw: Any) -> Grid:
    raw.server.database.set_history("kw", np.arange(10_000) * 1_000_000, np.zeros(10_000))
    return raw.call("hisRead", 'ver:"3.0"\nid,range\n@kw,"1970-01-01T00:00:00Z UTC,1971-01-01T00:00:00Z UTC"\n')


@pytest.mark.parametrize(
    ("step", "ask", "is_large"),
    [
        ("decode", large_write, lambda body, _: len(body) > 10_000),
        ("encode", large_read, lambda grid, _: len(grid) == 10_000),
    ],
)
def test_while_much_is_read_or_written_others_are_answered(
    raw: Any, monkeypatch: pytest.MonkeyPatch, step: str, ask: Callable[[Any], Grid], is_large: Callable[..., bool]
) -> None:
    gate, real = Gate(), getattr(hsframe.server.version4, step)

    def held_up(*arguments: Any, **limits: Any) -> Any:
        if is_large(*arguments):
            gate.pass_by()
        return real(*arguments, **limits)

    monkeypatch.setattr(hsframe.server.version4, step, held_up)
    with gate.while_waiting_in(lambda: ask(raw)) as answer:
        assert raw.call("about")[0]["serverName"] == "Small building"
        assert len(raw.call("read", 'ver:"3.0"\nfilter\n"site"\n')) == 1
    assert not answer.result().is_error


def test_while_an_op_runs_connections_and_logins_are_served(start: Callable[..., Any]) -> None:
    raw, gate = start(users={"demo": "s3cret"}), Gate()

    def held_up(call: Call, run: Callable[[Call], Grid]) -> Grid:
        gate.pass_by()
        return run(call)

    wrap_op(raw.server.app, "read", held_up)
    raw.scram("demo", "s3cret")
    with gate.while_waiting_in(lambda: raw.call("read", 'ver:"3.0"\nfilter\n"site"\n')) as answer:
        assert raw.scram("demo", "s3cret")[-1].status == 200
        assert raw.get("noSuchOp").status == 404
    assert len(answer.result()) == 1


def test_a_filter_that_takes_long_holds_up_nobody(raw: Any) -> None:
    gate = Gate()

    def held_up(call: Call, run: Callable[[Call], Grid]) -> Grid:
        answer = run(call)
        if len(call.grid[0].get("filter", "")) > 1_000:
            gate.pass_by()
        return answer

    wrap_op(raw.server.app, "read", held_up)
    long = " or ".join(["site"] * 500)
    with gate.while_waiting_in(lambda: raw.call("read", f'ver:"3.0"\nfilter\n"{long}"\n')) as answer:
        assert not raw.call("hisWrite", 'ver:"3.0" id:@kw\nts,val\n2026-11-09T00:00:00-05:00 New_York,1kW\n').is_error
        assert len(raw.call("hisRead", A_DAY)) == 1
        assert not raw.call("pointWrite", 'ver:"3.0"\nid,level,val\n@fan,10,T\n').is_error
        assert raw.call("read", 'ver:"3.0"\nid\n@fan\n')[0]["writeVal"] is True
        raw.server.database.remove("site")
    assert len(answer.result()) == 1


def test_a_record_that_was_read_stays_as_it_was() -> None:
    database = small_building()
    before = database.get("kw")
    assert before is not None
    copy = dict(before)
    database.update("kw", {"dis": "Another", "unit": None})
    assert before == copy
    assert database.get("kw") == {tag: val for tag, val in copy.items() if tag != "unit"} | {"dis": "Another"}


def test_a_filter_sees_the_records_of_one_moment() -> None:
    class Removing(dict[str, Any]):
        """A record that removes the site when a filter looks at it."""

        def get(self, tag: str, default: Any = None) -> Any:
            if tag == "siteRef":
                database.remove("site")
            return super().get(tag, default)

    database = small_building()
    database._recs["kw"] = Removing(database._recs["kw"])
    found = database.query("siteRef->area > 10ft²")
    assert "lon" in [rec["id"].val for rec in found]


def test_ops_that_change_something_or_read_samples_of_memory_run_one_at_a_time(raw: Any) -> None:
    inside: list[int] = []
    at_once: list[int] = []

    def counted(call: Call, run: Callable[[Call], Grid]) -> Grid:
        inside.append(1)
        at_once.append(len(inside))
        time.sleep(0.01)  # the others come in, if they can
        inside.pop()
        return run(call)

    for op in ("hisRead", "watchSub"):
        wrap_op(raw.server.app, op, counted)
    asked = [("hisRead", A_DAY), ("watchSub", 'ver:"3.0" watchDis:"w"\nid\n@kw\n')] * 6
    with ThreadPoolExecutor(len(asked)) as clients:
        answers = list(clients.map(lambda one: raw.call(*one), asked))
    assert not any(answer.is_error for answer in answers)
    assert at_once == [1] * len(asked)


def flood(raw: Raw, count: int, address: str) -> list[str]:
    """Begin so many logins from an address; gives their tokens."""
    headers = {"Authorization": f"HELLO username={b64url_encode('demo')}"}

    async def main() -> list[str]:
        connector = aiohttp.TCPConnector(local_addr=(address, 0))
        async with aiohttp.ClientSession(connector=connector, headers=headers) as session:
            return [await hello(session) for _ in range(count)]

    async def hello(session: aiohttp.ClientSession) -> str:
        async with session.get(f"{raw.server.uri}/about") as answer:
            return answer.headers["WWW-Authenticate"].split("handshakeToken=")[1].split(",")[0]

    return asyncio.run(main())


def goes_on(raw: Raw, token: str) -> bool:
    """Whether a login that has begun is known yet."""
    header = f"SCRAM handshakeToken={token}, data={b64url_encode('n,,n=demo,r=abc')}"
    answer = raw.send("GET", "about", headers={"Authorization": header})
    return answer.headers["WWW-Authenticate"].startswith("SCRAM")


@several_addresses
def test_who_floods_with_logins_loses_only_his_own(start: Callable[..., Any]) -> None:
    raw = start(users={"demo": "s3cret"})
    token = header_value(raw.hello("demo"), "handshakeToken")
    tokens = flood(raw, 2_100, "127.0.0.2")
    assert goes_on(raw, token)
    assert not goes_on(raw, tokens[-501])
    assert goes_on(raw, tokens[-500])


@pytest.mark.parametrize("floods", [["192.0.2.7"], ["2001:db8::7", "2001:db8::8", "2001:db8::7"]], ids=["IPv4", "IPv6"])
def test_where_all_is_full_the_address_with_most_loses_its_oldest(floods: list[str]) -> None:
    clock = ManualClock(NOW)
    entries: Expiring[str, int] = Expiring(clock, 60, most=4, most_of_one=3)
    b, c, d = (floods * 3)[:3]
    for key, address in (("a", "one"), ("b", b), ("c", c), ("d", d), ("e", "two")):
        entries.put(key, 0, address)
    assert [key for key in "abcde" if entries.get(key) is not None] == ["a", "c", "d", "e"]
    entries.put("f", 0, b)
    assert [key for key in "abcdef" if entries.get(key) is not None] == ["a", "d", "e", "f"]
    clock.advance(59)
    assert entries.renew("a") == 0
    clock.advance(1)
    assert (len(entries), entries.get("a"), entries.renew("e")) == (1, 0, None)


def tries(raw: Raw, user: str, count: int) -> list[int]:
    """What so many wrong passwords are answered with."""
    return [raw.scram(user, "wrong")[-1].status for _ in range(count)]


@pytest.mark.parametrize("user", ["demo", "nobody"])
def test_wrong_passwords_have_to_wait_whether_the_user_exists_or_not(start: Callable[..., Any], user: str) -> None:
    clock = ManualClock(NOW)
    raw = start(users={"demo": "s3cret"}, clock=clock)
    waits = []
    assert tries(raw, user, 6) == [403] * 5 + [429]
    for _ in range(11):
        refused = raw.scram(user, "s3cret")[-1]  # nor is the right one looked at
        assert refused.status == 429
        waits.append(wait_s := int(refused.headers["Retry-After"]))
        assert f"wrong passwords; try again in {wait_s} s" in refused.text
        clock.advance(wait_s)
        assert raw.scram(user, "wrong")[-1].status == 403
    assert waits == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300]
    clock.advance(3600)
    assert tries(raw, user, 6) == [403] * 5 + [429]


def test_the_right_password_ends_the_count(start: Callable[..., Any]) -> None:
    raw = start(users={"demo": "s3cret"})
    for _ in range(3):
        assert tries(raw, "demo", 4) == [403] * 4
        assert raw.scram("demo", "s3cret")[-1].status == 200


@several_addresses
def test_wrong_passwords_of_others_hold_up_nobody(start: Callable[..., Any]) -> None:
    ann = next(name for name in ("ann", "bob") if hash(name) % _COUNTS != hash("demo") % _COUNTS)
    raw = start(users={"demo": "s3cret", ann: "s3cret"})
    attacker = Raw(raw.server, address="127.0.0.2")
    raw.scram("demo", "s3cret")
    assert tries(attacker, "demo", 6)[-1] == 429
    assert raw.get("about").status == 200
    assert raw.scram("demo", "s3cret")[-1].status == 200
    assert attacker.scram(ann, "s3cret")[-1].status == 200


@pytest.mark.parametrize("scheme", ["plaintext", "basic"])
def test_wrong_passwords_in_the_clear_have_to_wait_too(start: Callable[..., Any], scheme: str) -> None:
    raw = start(users={"demo": "s3cret"}, scheme=scheme)
    text = base64.b64encode(b"demo:wrong").decode()
    plain = f"PLAINTEXT username={b64url_encode('demo')}, password={b64url_encode('wrong')}"
    header = plain if scheme == "plaintext" else f"Basic {text}"
    answers = [raw.send("GET", "about", headers={"Authorization": header}) for _ in range(6)]
    assert [answer.status for answer in answers] == [403] * 5 + [429]


def test_a_client_that_was_mistaken_waits_by_itself() -> None:
    with running_server(small_building(), {"demo": "s3cret"}) as server:
        assert tries(Raw(server), "demo", 5) == [403] * 5
        with hsframe.connect(server.uri, "demo", "s3cret") as session:
            assert len(session.read("site")) == 1


HEAD = b"GET /api/about HTTP/1.1\r\nHost: x\r\n"


@contextmanager
def connection(raw: Raw) -> Iterator[socket.socket]:
    parts = urlsplit(raw.server.uri)
    with socket.create_connection((parts.hostname, parts.port), timeout=WAIT_S) as line:
        yield line


def all_of(line: socket.socket) -> bytes:
    """What comes until the server closes the connection."""
    return b"".join(iter(lambda: line.recv(65_536), b""))


def is_answered(line: socket.socket) -> bool:
    try:
        line.sendall(HEAD + b"\r\n")
        return line.recv(65_536).startswith(b"HTTP/1.1 200")
    except ConnectionError:
        return False


@several_addresses
def test_of_one_address_so_many_connections_are_kept_and_others_get_in(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each takes a file of the process, of which some systems give it 1,024, and then nobody gets in."""
    monkeypatch.setattr("hsframe.server.run._MOST_OF_ADDRESS", 3)
    raw, proxied = start(), start(proxy="127.0.0.1")
    place = urlsplit(raw.server.uri).hostname, urlsplit(raw.server.uri).port
    with ExitStack() as stack:
        idle = [stack.enter_context(connection(raw)) for _ in range(3)]
        assert is_answered(idle[-1])
        for _ in range(3):
            assert not is_answered(stack.enter_context(connection(raw)))
        other = socket.create_connection(place, WAIT_S, source_address=("127.0.0.2", 0))
        assert is_answered(stack.enter_context(other))
        idle[0].close()
        wait_until(lambda: is_answered(stack.enter_context(connection(raw))))
        assert all(is_answered(stack.enter_context(connection(proxied))) for _ in range(5))


@pytest.mark.parametrize(
    "sent", [b"", b"GET /api/ab", HEAD, HEAD + b"\r\n" + HEAD], ids=["none", "line", "first", "second"]
)
def test_a_head_that_never_ends_is_not_waited_for(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, sent: bytes
) -> None:
    monkeypatch.setattr("hsframe.server.run._IDLE_S", 0.3)
    with connection(start()) as line:
        line.sendall(sent)
        assert all_of(line).count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")


@pytest.mark.parametrize("header", ["Authorization: BEARER authToken=S3CRET\x01", "X: S3CRET" + "x" * 9_000, "S3CRET"])
def test_what_is_wrong_in_a_head_is_not_shown(raw: Raw, caplog: pytest.LogCaptureFixture, header: str) -> None:
    caplog.set_level("DEBUG")
    with connection(raw) as line:
        line.sendall(f"GET /api/about HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
        answer = all_of(line)
    assert b" 400 " in answer
    assert b"the request is not valid HTTP: " in answer
    assert "what 127.0.0.1 sends is not valid HTTP: " in caplog.text
    assert "S3CRET" not in caplog.text + answer.decode()


SENDS = HEAD.replace(b"GET", b"POST").replace(b"about", b"read") + b"Content-Type: text/zinc\r\n"


@pytest.mark.parametrize(
    "sent",
    {
        "ten thousand lines": HEAD + b"".join(b"X-%d: y\r\n" % number for number in range(10_000)) + b"\r\n",
        "a line of a megabyte": HEAD + b"X: " + b"y" * 2**20 + b"\r\n\r\n",
        "a length below zero": SENDS + b"Content-Length: -5\r\n\r\nabc",
        "a length with a sign": SENDS + b"Content-Length: +3\r\n\r\nabc",
        "two lengths": SENDS + b"Content-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "a length and chunks": SENDS + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "a length beyond all": SENDS + b"Content-Length: 99999999999999999999999\r\n\r\nabc",
        "chunks twice": SENDS + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "a chunk without a size": SENDS + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        "no host": b"GET /api/about HTTP/1.1\r\n\r\n",
        "a zero byte": HEAD.replace(b"about", b"ab\0ut") + b"\r\n",
        "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        "TLS": b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03" + b"a" * 300,
    }.items(),
    ids=lambda item: item[0],
)
def test_what_is_no_request_is_refused_at_once(raw: Any, sent: tuple[str, bytes]) -> None:
    answer = b""
    with connection(raw) as line, suppress(ConnectionError):
        line.sendall(sent[1])
        answer = all_of(line)
    is_long = len(sent[1]) > 2**16  # then the server closes before all has come, and its answer may be lost
    assert b" 400 " in answer or (is_long and not answer)
    assert raw.call("about")[0]["serverName"] == "Small building"


def test_requests_that_come_without_waiting_are_answered_one_after_the_other(raw: Any) -> None:
    ops = [b"about", b"ops", b"formats"] * 100
    with connection(raw) as line:
        line.sendall(b"".join(HEAD.replace(b"about", op) + b"\r\n" for op in ops))
        line.sendall(HEAD.replace(b"1.1", b"1.0") + b"\r\n")  # after which the connection ends
        answers = all_of(line).split(b"HTTP/1.")[1:]
    assert len(answers) == len(ops) + 1
    assert [b"serverName" in answer for answer in answers[:-1]] == [op == b"about" for op in ops]


def test_a_head_that_comes_byte_by_byte_is_not_waited_for(
    start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def trickle(line: socket.socket) -> None:
        line.sendall(HEAD + b"X-Long: ")
        for _ in range(int(WAIT_S / 0.05)):
            line.sendall(b"x")
            time.sleep(0.05)

    monkeypatch.setattr("hsframe.server.run._IDLE_S", 0.3)
    with connection(start()) as line, pytest.raises(ConnectionError):
        trickle(line)


def test_a_body_that_comes_byte_by_byte_is_not_waited_for(raw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsframe.server.bodies._MAX_S", 0.3)
    with connection(raw) as line:
        line.sendall(b"POST /api/read HTTP/1.1\r\nHost: x\r\nContent-Type: text/zinc\r\nContent-Length: 99999\r\n\r\n")
        line.settimeout(0.01)
        answer = b""
        for _ in range(int(WAIT_S / 0.01)):
            line.sendall(b"x")
            with suppress(TimeoutError):
                answer = line.recv(65_536)
                break
        assert answer.startswith(b"HTTP/1.1 408 ")


def test_a_body_that_is_said_to_be_too_long_is_refused_before_it_comes(raw: Any) -> None:
    with connection(raw) as line:
        line.sendall(post("read", "").replace(b"Length: 0", b"Length: 99999999999"))
        assert line.recv(65_536).startswith(b"HTTP/1.1 413 ")


def large_body(kind: str = "long") -> bytes:
    """A request to read with a body of more than 1 MB."""
    body = SITES.encode() + b"\n" * 2**20
    if kind == "chunked":
        return SENDS + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    return SENDS + b"Content-Length: %d\r\n\r\n%b" % (len(body), body)


@contextmanager
def bodies_that_stay_away(raw: Raw, count: int, sent: bytes) -> Iterator[list[socket.socket]]:
    """Connections on which all but the end of a request has arrived."""
    with ExitStack() as stack:
        lines = [stack.enter_context(connection(raw)) for _ in range(count)]
        for line in lines:
            line.sendall(sent)
        arrived = count * (len(sent.partition(b"\r\n\r\n")[2]) - 20)  # 20: the sizes of chunks
        wait_until(lambda: raw.server.app[BODIES].held >= arrived)
        yield lines


@pytest.mark.parametrize("count", [4, 40])
@pytest.mark.parametrize("kind", ["long", "chunked"])
def test_while_large_bodies_come_slowly_others_are_answered(raw: Raw, kind: str, count: int) -> None:
    whole = large_body(kind)
    with bodies_that_stay_away(raw, count, whole[:-1]) as lines, connection(raw) as other:
        assert len(raw.call("read", SITES)) == 1
        other.sendall(whole)
        assert other.recv(65_536).startswith(b"HTTP/1.1 200 ")
        lines[0].sendall(whole[-1:])
        assert lines[0].recv(65_536).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: raw.server.app[BODIES].held == 0)


@pytest.mark.parametrize("kind", ["long", "chunked"])
def test_past_some_memory_few_large_bodies_are_read_at_once_and_small_ones_meanwhile(
    raw: Raw, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    monkeypatch.setattr("hsframe.server.bodies._MOST_HELD", 0)
    monkeypatch.setattr("hsframe.server.bodies._LITTLE_S", 2 * WAIT_S)
    whole, bodies = large_body(kind), raw.server.app[BODIES]
    with bodies_that_stay_away(raw, 4, whole[:-1]) as lines, connection(raw) as waiting:
        before = bodies.held
        waiting.sendall(whole)
        wait_until(lambda: bodies.held > before + 2**16)
        assert len(raw.call("read", SITES)) == 1
        assert bodies.held < before + 2**20, "the fifth is not read on"
        lines[-1].sendall(whole[-1:])
        assert lines[-1].recv(65_536).startswith(b"HTTP/1.1 200 ")
        assert waiting.recv(65_536).startswith(b"HTTP/1.1 200 ")
    wait_until(lambda: bodies.held == 0)  # who has a turn and goes away gives it away
    with connection(raw) as line:
        line.sendall(whole)
        assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")


@pytest.mark.parametrize("trickles", [False, True], ids=["stops", "trickles"])
def test_past_some_memory_a_body_that_hardly_comes_gives_way(
    raw: Raw, monkeypatch: pytest.MonkeyPatch, trickles: bool
) -> None:
    monkeypatch.setattr("hsframe.server.bodies._MOST_HELD", 2**20)
    monkeypatch.setattr("hsframe.server.bodies._LITTLE_S", 0.3)
    whole, is_over = large_body(), threading.Event()

    def trickle(lines: list[socket.socket]) -> None:
        while not is_over.wait(0.05):
            for line in lines:
                with suppress(OSError):  # those that were refused
                    line.sendall(b"\n")

    with ExitStack() as stack:
        lines = [stack.enter_context(connection(raw)) for _ in range(40)]
        for line in lines:
            line.sendall(whole[:150_000])
        wait_until(lambda: raw.server.app[BODIES].held > 2**20)
        stack.enter_context(ThreadPoolExecutor(1)).submit(trickle, lines if trickles else [])
        stack.callback(is_over.set)
        other = stack.enter_context(connection(raw))
        other.sendall(whole)
        assert other.recv(65_536).startswith(b"HTTP/1.1 200 ")
        refused = select.select(lines, [], [], WAIT_S)[0][0].recv(65_536)  # not all: until there is memory again
        assert refused.startswith(b"HTTP/1.1 408 ")
        assert b"bytes in 0.3 s, where memory is short" in refused
    wait_until(lambda: raw.server.app[BODIES].held == 0)


def test_who_may_not_call_an_op_is_told_before_the_body_comes(start: Callable[..., Raw]) -> None:
    raw = start(users={"ann": "s3cret"}, roles={"ann": "viewer"})
    raw.scram("ann", "s3cret")
    token = f"Authorization: BEARER authToken={raw.token}\r\nContent-Length: 50000000".encode()
    with connection(raw) as line:
        line.sendall(post("hisWrite", "").replace(b"Content-Length: 0", token))
        answer = line.recv(65_536)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"the user 'ann' has the role viewer, and hisWrite needs the role operator" in answer


def test_what_is_asked_while_many_large_bodies_are_decoded_waits_for_none_of_them(
    raw: Raw, monkeypatch: pytest.MonkeyPatch
) -> None:
    decoding, may_go_on, real = list[int](), threading.Semaphore(0), hsframe.server.version4.decode

    def held_up(body: bytes, short: str, **limits: Any) -> Grid:
        if len(body) > 2**20:
            decoding.append(len(body))
            assert may_go_on.acquire(timeout=WAIT_S)
        return real(body, short, **limits)

    monkeypatch.setattr("hsframe.server.version4.decode", held_up)
    with bodies_that_stay_away(raw, 7, large_body()) as lines:
        wait_until(lambda: len(decoding) == 2)
        assert not raw.call("hisRead", A_DAY).is_error
        assert len(decoding) == 2
        may_go_on.release(7)
        for line in lines:
            assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")


def with_much(raw: Raw) -> Raw:
    """The same server, where the history of Temp has 10 MB and more."""
    values = np.random.default_rng(7).normal(size=300_000)
    raw.server.database.set_history("temp", np.arange(300_000) * 1_000_000, values)
    return raw


def post(op: str, body: str) -> bytes:
    head = f"POST /api/{op} HTTP/1.1\r\nHost: x\r\nContent-Type: text/zinc\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()


ALL = post("hisRead", 'ver:"3.0"\nid,range\n@temp,"1970-01-01T00:00:00Z UTC,1971-01-01T00:00:00Z UTC"\n')


def wait_until(is_so: Callable[[], bool]) -> None:
    end_s = time.monotonic() + WAIT_S
    while not is_so():
        assert time.monotonic() < end_s
        time.sleep(0.01)


def unread_bytes(raw: Raw) -> int:
    return sum(one.get_write_buffer_size() for one in list(raw.server.app[UNREAD]._left))


@pytest.mark.parametrize(
    "asked", [ALL, ALL * 20, HEAD.replace(b"/api/about", b"/nothing") + b"\r\n"], ids=["1", "20", "404"]
)
def test_an_answer_that_is_never_read_is_not_waited_for(
    start: Callable[..., Raw], monkeypatch: pytest.MonkeyPatch, asked: bytes
) -> None:
    monkeypatch.setattr("hsframe.server.unread._UNREAD_S", 0.5)
    large = with_much(start())

    def send_on(line: socket.socket) -> None:
        with suppress(OSError):  # also where the server takes no more
            line.sendall(asked if asked.startswith(b"POST") else asked * 100_000)

    with connection(large) as line, ThreadPoolExecutor(1) as sender:
        sender.submit(send_on, line)
        wait_until(lambda: unread_bytes(large) > 0)
        wait_until(lambda: unread_bytes(large) == 0)
        assert len(large.call("read", 'ver:"3.0"\nfilter\n"site"\n')) == 1
        with suppress(ConnectionError):
            got = all_of(line)
            assert got.count(b"HTTP/1.1 ") < 20 or asked.startswith(b"GET")
            assert len(got) < 10_000_000


def test_while_much_is_unread_what_is_small_is_answered(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    large = with_much(raw)
    monkeypatch.setattr("hsframe.server.unread._MOST_UNREAD", 1_000_000)
    with connection(large) as line:
        line.sendall(ALL)
        wait_until(lambda: unread_bytes(large) > 1_000_000)
        assert len(large.call("read", 'ver:"3.0"\nfilter\n"site"\n')) == 1
        with connection(large) as other:
            other.sendall(ALL)
            answer = other.recv(65_536)
            assert answer.startswith(b"HTTP/1.1 503 ")
            assert b"Retry-After: 10" in answer
            assert b"clients have 1,000,000 bytes of answers to read; ask again later" in answer
    wait_until(lambda: unread_bytes(large) == 0)
    with connection(large) as line:
        line.sendall(ALL)
        assert line.recv(65_536).startswith(b"HTTP/1.1 200 ")


def test_while_much_is_unread_what_has_run_is_answered(raw: Raw, monkeypatch: pytest.MonkeyPatch) -> None:
    ran: list[int] = []

    def action(*_: object) -> Grid:
        ran.append(1)
        return Grid.from_rows({}, ["said"], [{"said": "x" * 100_000}])

    large = with_much(raw)
    large.server.database.actions["run"] = action
    monkeypatch.setattr("hsframe.server.unread._MOST_UNREAD", 1_000_000)
    with connection(large) as line:
        line.sendall(ALL)
        wait_until(lambda: unread_bytes(large) > 1_000_000)
        answer = large.call("invokeAction", 'ver:"3.0" id:@kw action:"run"\nempty\n')
        assert unread_bytes(large) > 1_000_000
    assert len(answer[0]["said"]) == 100_000
    assert ran == [1]


def test_who_reads_slowly_is_waited_for() -> None:
    class Line:
        """A connection by what is left to be sent."""

        left = 0
        is_cut = False

        def get_write_buffer_size(self) -> int:
            return self.left

        def abort(self) -> None:
            self.is_cut = True

    unread, line = Unread(), Line()
    unread._left[cast("asyncio.Transport", line)] = 0, 0.0
    left_at = [(1_000, 900), (1_119, 900), (1_120, 800), (1_239, 800), (1_240, 0), (2_000, 0), (3_000, 5), (3_119, 9)]
    for now_s, line.left in left_at:
        unread.cut_off_idle(now_s)
        assert not line.is_cut
    unread.cut_off_idle(3_120)
    assert line.is_cut


def test_a_body_that_never_ends_is_not_waited_for(raw: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hsframe.server.bodies._MAX_S", 0.3)
    with connection(raw) as line:
        line.sendall(
            b"POST /api/read HTTP/1.1\r\nHost: x\r\nContent-Type: text/zinc\r\nContent-Length: 999\r\n\r\nver:"
        )
        answer = line.recv(65_536)
        assert answer.startswith(b"HTTP/1.1 408 ")
        assert b"Connection: close" in answer
    assert len(raw.call("read", 'ver:"3.0"\nfilter\n"site"\n')) == 1
