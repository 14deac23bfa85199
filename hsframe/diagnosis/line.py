"""Questions about the line: is the server there, is it protected, who logs in how, which formats and methods, gzip."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from hsframe.codecs.formats import FORMATS
from hsframe.diagnosis.examination import Answer, Examination, Finding, brief
from hsframe.errors import AuthError, HsFrameError, HTTPStatusError
from hsframe.grid import Grid
from hsframe.kinds import Symbol
from hsframe.protocol.dialects import Method
from hsframe.protocol.http import ConnectionLostError
from hsframe.protocol.request_grids import read_request

__all__ = [
    "clock", "empty_read", "formats", "gzip", "login", "lost_session", "methods", "not_reached", "ops", "product",
    "protection", "reach", "request_body", "zone_of_server",
]  # fmt: skip

_EXPECTED_OPS: Final = ("about", "ops", "read", "nav", "hisRead", "hisWrite", "watchSub", "watchPoll", "pointWrite")
_CLOCK_S: Final = 5.0
_SLOW_S: Final = 0.5
_MIB: Final = 2**20
_BODY_SIZES: Final = (2 * _MIB, _MIB, _MIB // 4, _MIB // 16)
_PIECE: Final = _MIB // 32
_BODY_TIMEOUT_S: Final = 30.0
_MIN_ZIPPED: Final = 2048
_NOTHING: Final = "hsframeDoctorAsksForWhatIsNot"


async def reach(x: Examination) -> Answer:
    """Log in and ask ``about``; the second time with a watch in hand."""
    await x.client.sender.log_in()
    await x.client.about(raw=True)
    sent = datetime.now(UTC)
    started_s = time.perf_counter()
    grid: Grid = await x.client.about(raw=True)
    about_s = time.perf_counter() - started_s
    x.about = dict(grid[0]) if len(grid) else {}
    told = x.about.get("serverTime")
    if isinstance(told, datetime) and told.tzinfo is not None:
        x.clock_s = (told - sent).total_seconds() - about_s / 2
    ms = f"{1000 * about_s:.0f}" if about_s >= 0.01 else f"{1000 * about_s:.1f}"
    if about_s < _SLOW_S:
        return f"yes, a request takes {ms} ms", ""
    return (
        f"yes, but a request takes {ms} ms",
        "give connect() a larger max_concurrency: several requests then wait at once",
    )


async def protection(x: Examination) -> Answer:
    """TLS or not."""
    host = urlsplit(x.client.base_url).hostname or ""
    if x.client.base_url.startswith("https:"):
        if x.client.is_verified:
            return "https, the server's certificate is checked", ""
        return (
            "https, but nobody checks the server's certificate",
            "whoever is on the way can be the server: give tls=TLSConfig(ca_certificates_path=...) instead",
        )
    if x.client.is_loopback:
        return "http, within this machine", ""
    return (
        f"http, open to everybody between here and {host}",
        "data and session tokens can be read on the way: use https:// if the server has it",
    )


async def login(x: Examination) -> Answer:
    """The scheme of the login that was just made."""
    d = x.dialect
    if d.login_scheme == "scram":
        answer = f"SCRAM {d.login_hash}, {d.login_iterations:,} iterations"
        if d.login_iterations < 10_000:
            return answer, "few iterations: who steals the server's user table guesses weak passwords fast"
        if d.login_iterations > 300_000:
            return answer, "a login takes a while: keep one session open rather than connecting for each read"
        return answer, ""
    if d.login_scheme in ("plaintext", "basic"):
        name = "PLAINTEXT" if d.login_scheme == "plaintext" else "Basic"
        return f"{name}: the password itself is sent", "use https:// only, and a user for hsframe alone"
    if d.login_scheme == "bearer":
        return "the token that was given", "a token that ends cannot be renewed here: a user and a password can"
    return "none: everybody may call", "who reaches the server reads everything, and may write too"


async def product(x: Examination) -> Answer:
    """What it calls itself."""
    told = [str(x.about.get(name) or "") for name in ("productName", "productVersion", "vendorName", "serverName")]
    name = " ".join(part for part in told[:2] if part) or "it does not say"
    more = [part for part in told[2:] if part and part not in name]
    version = x.about.get("haystackVersion")
    return ", ".join([name, *more, f"Haystack {version}" if version else "no haystackVersion"]), ""


async def zone_of_server(x: Examination) -> Answer:
    """The zone of points that name none."""
    tz = x.about.get("tz")
    if isinstance(tz, str) and tz:
        x.dialect.tz = tz
        return tz, ""
    return "it does not say", "points without a tz are read in UTC: have the tag tz set on them"


async def clock(x: Examination) -> Answer:
    """The server's clock against this machine's."""
    if x.clock_s is None:
        return "it does not say (no serverTime)", ""
    off_s = x.clock_s
    if abs(off_s) < _CLOCK_S:
        return f"within {_CLOCK_S:g} s of this machine's", ""
    way = "ahead of" if off_s > 0 else "behind"
    amount = f"{abs(off_s):,.0f} s" if abs(off_s) < 600 else f"{abs(off_s) / 60:,.0f} min"
    return (
        f"{amount} {way} this machine's",
        "'today' and '-7d' go by this machine's clock: the newest samples may seem missing or early; set both by NTP",
    )


async def ops(x: Examination) -> Answer:
    """The ops that the server lists."""
    grid: Grid = await x.client.ops(raw=True)
    names = sorted({name for row in grid if (name := _op_name(row))})
    if not names:
        return "it lists none", ""
    missing = [name for name in _EXPECTED_OPS if name not in names]
    shown = f"{len(names)}: {', '.join(names)}"
    if not missing:
        return shown, ""
    what = (
        "histories cannot be read; "
        if "hisRead" in missing
        else "histories cannot be written; " * ("hisWrite" in missing)
    )
    return shown, f"{what}not listed: {', '.join(missing)}"


def _op_name(row: Any) -> str:
    name, symbol = row.get("name"), row.get("def")
    if isinstance(symbol, Symbol) and symbol.val.startswith("op:"):
        return symbol.val.removeprefix("op:")
    return name if isinstance(name, str) else ""


async def formats(x: Examination) -> Answer:
    """Ask in each format, in a body of the same format; where that is not read, in a body of Zinc."""
    words, usable, refused = [], [], []
    for short, name in ((known.short, known.title) for known in FORMATS.values() if known.carries_calls):
        seen = await x.ask("read", read_request("point", 1), accept=short, body=short)
        if seen.status == 415 and short != "zinc":
            refused.append(name)
            seen = await x.ask("read", read_request("point", 1), accept=short)
        if seen.error is not None and seen.status != 404:  # WideSky's way to say that nothing was found
            words.append(f"{name}: {brief(seen.error)}")
        elif seen.error is None and seen.format != short:
            found = "an unknown format" if seen.format is None else FORMATS[seen.format].title
            words.append(f"{name}: no, answered in {found}")
        else:
            words.append(f"{name}: yes")
            usable.append(name)
    x.dialect.zinc_requests = bool(refused)
    answer = "; ".join(words)
    if refused:
        answer += f"; request bodies not in {' or '.join(refused)}"
    if "Zinc" in usable:
        return answer, ""
    return answer, f"Zinc is the default: connect(..., format={'json' if 'JSON v4' in usable else 'json3'!r})"


async def methods(x: Examination) -> Answer:
    """``about`` and ``read`` by GET and by POST, and the other ops that need no arguments."""
    words = []
    for op, request in (("about", Grid()), ("ops", Grid()), ("read", read_request("point", 1))):
        ways: tuple[Method, ...] = ("GET", "POST")
        taken: list[Method] = [way for way in ways if (await x.ask(op, request, method=way)).error is None]
        words.append(f"{op} by {' and '.join(taken) or 'neither'}")
        if len(taken) == 1 and op != "read":
            x.dialect.methods[op] = taken[0]
        elif op != "read":
            x.dialect.methods.pop(op, None)
    advice = "hsframe takes what works; other tools may not" if any(" and " not in word for word in words[:2]) else ""
    return "; ".join(words), advice


async def gzip(x: Examination) -> Answer:
    """Whether the largest answer so far came packed."""
    if x.largest is None or len(x.largest.body) < _MIN_ZIPPED:
        return "not known: every answer was short", ""
    if x.largest.header("Content-Encoding").lower() in ("gzip", "x-gzip", "deflate"):
        return "yes", ""
    return "no", "histories shrink to about a tenth: switch compression on in the server, or in a proxy before it"


async def empty_read(x: Examination) -> Answer:
    """A read by a filter that finds nothing."""
    seen = await x.ask("read", read_request(_NOTHING, 1))
    if seen.error is None:
        return "an empty grid", ""
    if isinstance(seen.error, HTTPStatusError) and seen.status == 404:
        return "HTTP 404", "hsframe takes it for an empty answer; other tools may not"
    return brief(seen.error), ""


async def request_body(x: Examination) -> Answer:
    """How long a request may be: a read with tags that mean nothing."""
    failure: HsFrameError | None = None
    refused = 0
    for size in _BODY_SIZES:
        padded = read_request("point", 1)
        # Many tags, because haystack-py reads no text that is longer than a mebibyte.
        tags = {f"hsframePadding{number}": "x" * _PIECE for number in range(size // _PIECE)}
        padded = Grid(tags, padded.cols, padded.columns)
        seen = await x.ask("read", padded, timeout_s=_BODY_TIMEOUT_S)
        if seen.error is None or (seen.status == 404 and failure is None):
            if failure is None:
                x.dialect.body_limit = None
                return f"{_size(size)} are taken, and no more are ever sent", ""
            x.dialect.body_limit = size
            return f"{_size(size)} are taken, {_size(refused)} not: {brief(failure)}", "hsframe sends less at once"
        if not (seen.status in (400, 413) or seen.status >= 500 or isinstance(seen.error, ConnectionLostError)):
            return f"not found out: {brief(seen.error)}", ""
        failure, refused = failure or seen.error, size
    assert failure is not None
    return f"not found out: {brief(failure)}", ""


def _size(count: int) -> str:
    return f"{count // _MIB} MiB" if count >= _MIB else f"{count // 1024} KiB"


async def lost_session(x: Examination) -> Answer:
    """Close the session that this examination opened, then use it once more, as a client does after a restart."""
    sender = x.client.sender
    session = await sender.log_in()
    if not session.on_server:
        return "there are no sessions: each request carries the credentials" if session.headers else "no login", ""
    await sender.end()
    answer = await sender.raw_exchange("about", Grid(), method=x.dialect.methods.get("about", "GET"), login=session)
    if answer.status == 200 and answer.body.startswith(b"ver:"):
        return (
            "the session goes on after the op close",
            "its lifetime is not known: sessions pile up on the server where tools connect often",
        )
    x.dialect.lost_status = answer.status
    known = {401: "401, as the standard says", 403: "403"}.get(answer.status, f"HTTP {answer.status}")
    return (
        f"a session that is over is answered by {known}",
        "" if answer.status == 401 else "hsframe then logs in again",
    )


def not_reached(error: HsFrameError) -> list[Finding]:
    """The findings where an examination ends before it begins."""
    if isinstance(error, AuthError):
        return [
            Finding("reachable", "yes"),
            Finding("login", f"no: {error}", "check the user name and the password; the server's log says more"),
        ]
    return [Finding("reachable", f"no: {error}", "try the uri in a browser on this machine; mind port, path, proxy")]
