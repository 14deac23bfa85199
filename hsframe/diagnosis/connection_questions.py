"""Questions about the connection: reachable, encrypted, login, clock, ops, formats and methods, gzip, lost sessions."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Final
from urllib.parse import urlsplit

from hsframe.codecs.formats import FORMATS
from hsframe.diagnosis.examination import Answer, Examination, Finding, brief
from hsframe.errors import AuthError, ConnectionLostError, HsFrameError
from hsframe.grid import Grid
from hsframe.protocol.answers import op_names
from hsframe.protocol.dialects import Method
from hsframe.protocol.request_grids import read_by_ids_request, read_request
from hsframe.protocol.uris import is_loopback
from hsframe.protocol.version5 import JSON

_EXPECTED_OPS: Final = ("about", "ops", "read", "nav", "hisRead", "hisWrite", "watchSub", "watchPoll", "pointWrite")
_CLOCK_S: Final = 5.0
_SLOW_S: Final = 0.5
_MIB: Final = 2**20
_BODY_SIZES: Final = (2 * _MIB, _MIB, _MIB // 4, _MIB // 16)
_PIECE: Final = _MIB // 32
_BODY_TIMEOUT_S: Final = 30.0
_MIN_ZIPPED: Final = 2048
_UNKNOWN: Final = "hsframeDoctorAsksForWhatIsNot"


async def reach(exam: Examination) -> Answer:
    """Log in and ask ``about`` twice; the second request is timed."""
    await exam.client.sender.log_in()
    await exam.client.about(raw=True)
    sent = datetime.now(UTC)
    started_s = time.perf_counter()
    grid: Grid = await exam.client.about(raw=True)
    about_s = time.perf_counter() - started_s
    exam.about = dict(grid[0]) if len(grid) else {}
    server_time = exam.about.get("serverTime")
    if isinstance(server_time, datetime) and server_time.tzinfo is not None:
        exam.clock_s = (server_time - sent).total_seconds() - about_s / 2
    ms = f"{1000 * about_s:.0f}" if about_s >= 0.01 else f"{1000 * about_s:.1f}"
    if about_s < _SLOW_S:
        return f"yes, a request takes {ms} ms", ""
    return (
        f"yes, but a request takes {ms} ms",
        "give connect() a larger max_concurrency: several requests then wait at once",
    )


async def protection(exam: Examination) -> Answer:
    host = urlsplit(exam.client.base_url).hostname or ""
    if exam.client.base_url.startswith("https:"):
        if exam.client.is_verified:
            return "https, the server's certificate is checked", ""
        return (
            "https, but the server's certificate is not checked",
            "a man in the middle can impersonate the server: give tls=TLSConfig(ca_certificates_path=...) instead",
        )
    if is_loopback(host):
        return "http, within this machine", ""
    return (
        f"http, not encrypted on the way to {host}",
        "others on the network can read data and session tokens: use https:// if the server has it",
    )


async def login_scheme(exam: Examination) -> Answer:
    login = await exam.client.sender.log_in()
    if login.scheme == "scram":
        answer = f"SCRAM {login.hash}, {login.iterations:,} iterations"
        if login.iterations < 10_000:
            return answer, "few iterations: weak passwords are quickly guessed from a stolen user table"
        if login.iterations > 300_000:
            return answer, "a login takes a while: keep one session open rather than connecting for each read"
        return answer, ""
    if login.scheme in ("plaintext", "basic"):
        name = "PLAINTEXT" if login.scheme == "plaintext" else "Basic"
        return f"{name}: the password itself is sent", "use https:// only, and a separate user for hsframe"
    if login.scheme == "bearer":
        return "the token that was given", "an expired token cannot be renewed; with a password hsframe logs in again"
    return "none: everybody may call", "anyone who reaches the server can read everything, and may be able to write"


async def product(exam: Examination) -> Answer:
    stated = [str(exam.about.get(name) or "") for name in ("productName", "productVersion", "vendorName", "serverName")]
    name = " ".join(part for part in stated[:2] if part) or "the server does not say"
    more = [part for part in stated[2:] if part and part not in name]
    version = exam.about.get("haystackVersion")
    return ", ".join([name, *more, f"Haystack {version}" if version else "no haystackVersion"]), ""


async def protocol(exam: Examination) -> Answer:
    """The versions of the protocol that the server names, and the one that is used."""
    spoken, used = exam.about.get("protocolVersions"), exam.client.sender.version
    named = " and ".join(map(str, spoken)) if isinstance(spoken, list) and spoken else "the server names none"
    return f"{named}; version {used} is used", ""


async def zone_of_server(exam: Examination) -> Answer:
    """The server's zone, which is that of points without ``tz``."""
    tz = exam.about.get("tz")
    if isinstance(tz, str) and tz:
        exam.dialect.tz = tz
        return tz, ""
    return "the server does not say", "points without a tz are read in UTC: set their tag tz"


async def clock(exam: Examination) -> Answer:
    if exam.clock_s is None:
        return "the server does not say (no serverTime)", ""
    off_s = exam.clock_s
    if abs(off_s) < _CLOCK_S:
        return f"within {_CLOCK_S:g} s of this machine's", ""
    where = "ahead of" if off_s > 0 else "behind"
    amount = f"{abs(off_s):,.0f} s" if abs(off_s) < 600 else f"{abs(off_s) / 60:,.0f} min"
    return (
        f"{amount} {where} this machine's",
        "'today' and '-7d' use this machine's clock: the newest samples may seem missing or early; set both by NTP",
    )


async def ops(exam: Examination) -> Answer:
    names = op_names(await exam.client.ops(raw=True))
    if not names:
        return "the server lists none", ""
    missing = [name for name in _EXPECTED_OPS if name not in names]
    shown = f"{len(names)}: {', '.join(names)}"
    if not missing:
        return shown, ""
    what = (
        "histories cannot be read; "
        if "hisRead" in missing
        else "histories cannot be written, or not by this user; " * ("hisWrite" in missing)
    )
    return shown, f"{what}not listed: {', '.join(missing)}"


async def formats(exam: Examination) -> Answer:
    """Ask in each format, with a body of the same; if that is not taken, with a body of Zinc, for JSON by that name."""
    answers, usable, refused = [], [], []
    exam.dialect.plain_json, version = False, exam.client.sender.version
    # In version 5 a filter is sent as JSON, whatever the format is, and ids as a grid.
    request = read_request("point", 1) if version == 4 else read_by_ids_request(_UNKNOWN)
    for short, name in ((known.short, known.title) for known in FORMATS.values() if known.carries_calls):
        how = ""
        reply = await exam.ask("read", request, accept=short, body=short)
        if reply.status in (406, 415) and short != "zinc":
            reply = await exam.ask("read", request, accept=short)
            if reply.status != 406:
                refused.append(name)
            elif version == 4:  # in version 5 that name is of Jeto
                reply, how = await exam.ask("read", request, accept=JSON), f", asked for as {JSON}"
                exam.dialect.plain_json |= reply.error is None
        if reply.error is not None:
            answers.append(f"{name}: {brief(reply.error)}")
        elif reply.status != 404 and reply.format != short:  # 404 is WideSky's way to say that nothing was found
            found = "an unknown format" if reply.format is None else FORMATS[reply.format].title
            answers.append(f"{name}: no, answered in {found}{how}")
        else:
            answers.append(f"{name}: yes{how}")
            usable.append(name)
    exam.dialect.zinc_requests = bool(refused)
    answer = "; ".join(answers)
    if refused:
        answer += f"; request bodies not in {' or '.join(refused)}"
    if "Zinc" in usable:
        return answer, ""
    return answer, f"Zinc is the default: connect(..., format={'json' if 'JSON v4' in usable else 'json3'!r})"


async def methods(exam: Examination) -> Answer:
    """``about`` and ``read`` by GET and by POST, and the other ops that need no arguments."""
    answers = []
    for op, request in (("about", Grid()), ("ops", Grid()), ("read", read_request("point", 1))):
        ways: tuple[Method, ...] = ("GET", "POST")
        taken: list[Method] = [way for way in ways if (await exam.ask(op, request, method=way)).error is None]
        answers.append(f"{op} by {' and '.join(taken) or 'neither'}")
        if len(taken) == 1 and op != "read":
            exam.dialect.methods[op] = taken[0]
        elif op != "read":
            exam.dialect.methods.pop(op, None)
    advice = "hsframe uses what works; other tools may not" if any(" and " not in one for one in answers[:2]) else ""
    return "; ".join(answers), advice


async def gzip(exam: Examination) -> Answer:
    """Whether the largest answer so far was compressed."""
    if exam.largest is None or len(exam.largest.body) < _MIN_ZIPPED:
        return "not known: every answer was short", ""
    if exam.largest.header("Content-Encoding").lower() in ("gzip", "x-gzip", "deflate"):
        return "yes", ""
    return "no", "histories shrink to about a tenth: enable compression in the server, or in a proxy before it"


async def empty_read(exam: Examination) -> Answer:
    """A read by a filter that finds nothing."""
    reply = await exam.ask("read", read_request(_UNKNOWN, 1))
    if reply.error is not None:
        return brief(reply.error), ""
    if reply.status == 404:
        return "HTTP 404", "hsframe treats it as an empty answer; other tools may not"
    return "an empty grid", ""


async def request_body(exam: Examination) -> Answer:
    """How large a request may be: a read with tags that have no meaning."""
    failure: HsFrameError | None = None
    refused = 0
    for size in _BODY_SIZES:
        padded = read_request("point", 1)
        # Many tags, because haystack-py reads no text that is longer than a mebibyte.
        tags = {f"hsframePadding{number}": "x" * _PIECE for number in range(size // _PIECE)}
        padded = Grid(tags, padded.cols, padded.columns)
        reply = await exam.ask("read", padded, timeout_s=_BODY_TIMEOUT_S)
        if reply.error is None:
            if failure is None:
                exam.dialect.body_limit = None
                return f"{_size(size)} are accepted; hsframe never sends more", ""
            exam.dialect.body_limit = size
            return f"{_size(size)} are accepted, {_size(refused)} not: {brief(failure)}", "hsframe sends less at once"
        if not (reply.status in (400, 413) or reply.status >= 500 or isinstance(reply.error, ConnectionLostError)):
            return f"not found out: {brief(reply.error)}", ""
        failure, refused = failure or reply.error, size
    assert failure is not None
    return f"not found out: {brief(failure)}", ""


def _size(count: int) -> str:
    return f"{count // _MIB} MiB" if count >= _MIB else f"{count // 1024} KiB"


async def lost_session(exam: Examination) -> Answer:
    """Close the session of this examination, then use it again, as a client does after a restart of the server."""
    sender = exam.client.sender
    session = await sender.log_in()
    if not session.on_server:
        return "there are no sessions: each request carries the credentials" if session.headers else "no login", ""
    await sender.end()
    answer = await sender.raw_exchange("about", Grid(), method=exam.dialect.methods.get("about", "GET"), login=session)
    if answer.status == 200 and answer.body.startswith(b"ver:"):
        return (
            "the session stays open after the op close",
            "its lifetime is not known: sessions may accumulate on the server if tools connect often",
        )
    found = f"a session that has ended is answered with HTTP {answer.status}"
    if sender.version == 5 and answer.err_name == "AuthErr":
        return f"{found}, as in version 5 of the protocol; hsframe then logs in again", ""
    if answer.status == 401 and answer.asks_for_login:
        return f"{found}, as in the standard; hsframe then logs in again", ""
    if answer.asks_for_login:
        return found, "hsframe then logs in again; other tools may not"
    return found, "hsframe cannot tell this from other failures and does not log in again: connect again then"


def not_reached(error: HsFrameError) -> list[Finding]:
    """The findings about a server that cannot be reached, or refuses the login."""
    if isinstance(error, AuthError):
        return [
            Finding("reachable", "yes"),
            Finding("login", f"no: {error}", "check the user name and the password; the server's log says more"),
        ]
    hint = re.search(r"; ((?:if the server|this port) .+?)(?= \(|;|$)", str(error))
    advice = hint[1] if hint else "try the uri in a browser on this machine; check port, path, proxy"
    return [Finding("reachable", f"no: {error}", advice)]
