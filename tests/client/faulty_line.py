"""A line to the embedded server on which requests fail, in one of the ways in which lines and servers fail."""

from __future__ import annotations

import asyncio
import re
import socket
import struct
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit

ZINC = b"Content-Type: text/zinc"
EMPTY = b'ver:"3.0"\nempty\n'


def http(status: int, body: bytes = b"", *lines: bytes) -> bytes:
    """An answer as bytes."""
    head = b"HTTP/1.1 %d X\r\nContent-Length: %d\r\n" % (status, len(body))
    return head + b"".join(line + b"\r\n" for line in lines or (ZINC,)) + b"\r\n" + body


@dataclass(frozen=True)
class Fault:
    """How a request fails: what the line does to it, and whether the server has run it then.

    `how` is an answer in place of the server's, or: the connection is "reset" or "closed"; the answer is "cut" in its
    middle, or between two "chunks"; there is "silence"; the answer "trickles", a byte a second.
    """

    how: bytes | str
    ran: bool = False


@dataclass
class FaultyLine:
    """A proxy of bytes: requests of the ops reach the server but for those that `fault` gives a fault for.

    `fault` gets the op and how many requests of ops came before. `seen` has the ops as they came, `ran` those that the
    server has run. Logins are let through.
    """

    to: str
    fault: Callable[[str, int], Fault | None]
    uri: str = ""
    seen: list[str] = field(default_factory=list)
    ran: list[str] = field(default_factory=list)
    over: asyncio.Event = field(default_factory=asyncio.Event)
    _server: asyncio.Server | None = None
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        # The port is taken from now on, but nobody listens there.
        self._port = _bound(0)
        self.uri = f"http://127.0.0.1:{self._port.getsockname()[1]}{urlsplit(self.to).path}"

    async def listen(self) -> None:
        """Accept connections, at first or again."""
        self._server = await asyncio.start_server(self._accept, sock=_bound(self._port.getsockname()[1]))

    async def refuse(self) -> None:
        """Nobody listens any more, and all connections are closed."""
        if self._server is not None:
            self._server.close()
        await self.drop()

    async def drop(self) -> None:
        """Close all connections, as a server does with those that nobody has used for a while."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def close(self) -> None:
        self.over.set()
        await self.refuse()
        self._port.close()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            with suppress(ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
                while await self._one(await reader.readuntil(b"\r\n\r\n"), reader, writer):
                    pass
        finally:
            self._tasks.discard(task)
            writer.close()

    async def _one(self, head: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and what becomes of it; whether the connection goes on."""
        request = head
        if length := re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE):
            request += await reader.readexactly(int(length[1]))
        elif re.search(rb"\r\ntransfer-encoding: *chunked", head, re.IGNORECASE):
            request += await reader.readuntil(b"0\r\n\r\n")
        op = re.match(rb"\w+ /\w+/(\w+)", head)
        fault = None
        if op is not None and not re.search(rb"\r\nauthorization: *(hello|scram)", head, re.IGNORECASE):
            name = op[1].decode()
            fault = self.fault(name, len(self.seen))
            self.seen.append(name)
            if fault is None or fault.ran:
                self.ran.append(name)
        if fault is None or fault.ran:
            answer_head, body = await self._forward(request)
        if fault is None:
            writer.write(answer_head + body)
        elif isinstance(fault.how, bytes):
            writer.write(fault.how)
        elif fault.how == "silence":
            await self.over.wait()
        elif fault.how == "reset":
            sock = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif fault.how == "cut":
            writer.write(answer_head + body[: len(body) // 2])
        elif fault.how == "chunks":
            head = re.sub(rb"(?i)content-length: *\d+", b"Transfer-Encoding: chunked", answer_head)
            half = body[: len(body) // 2]
            writer.write(head + b"%x\r\n%b\r\n" % (len(half), half))
        elif fault.how == "trickles":
            writer.write(answer_head)
            for number in range(len(body)):
                writer.write(body[number : number + 1])
                await writer.drain()
                await asyncio.sleep(1)
        await writer.drain()
        return fault is None or isinstance(fault.how, bytes)

    async def _forward(self, request: bytes) -> tuple[bytes, bytes]:
        where = urlsplit(self.to)
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"\r\ncontent-length: *(\d+)", head, re.IGNORECASE)
            return head, await reader.readexactly(int(length[1])) if length else b""
        finally:
            writer.close()


def _bound(port: int) -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


@asynccontextmanager
async def faulty_line(
    to: str, fault: Callable[[str, int], Fault | None] = lambda op, before: None, *, listens: bool = True
) -> AsyncIterator[FaultyLine]:
    """A line to the server with that uri while the block runs."""
    line = FaultyLine(to, fault)
    try:
        if listens:
            await line.listen()
        yield line
    finally:
        await line.close()
