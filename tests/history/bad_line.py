"""A line to a server that fails in the middle of a write, in ways that a test chooses."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import urlsplit

Fault = Literal["cut", "swallow", "hang", "gone", "mute"]


@dataclass
class BadLine:
    """A proxy of bytes in front of a server.

    Parameters
    ----------
    to : str
        The server's uri.
    good : int
        So many requests of hisWrite pass; what happens to the others `fault` says: the server runs it and the line
        breaks before its answer (``"cut"``); it never reaches the server (``"swallow"``); the server runs it and no
        answer comes (``"hang"``); the server runs it, and nobody reaches the server any more (``"gone"``); or the
        server runs it, and nothing is answered any more, to nobody (``"mute"``).
    at_fault : callable, optional
        Called when the first request is struck.
    """

    to: str
    good: int
    fault: Fault
    at_fault: Callable[[], None] | None = None
    uri: str = ""
    seen: int = 0
    writers: list[asyncio.StreamWriter] = field(default_factory=list)
    server: asyncio.Server | None = None

    async def start(self) -> None:
        self.server = await asyncio.start_server(self.serve, "127.0.0.1", 0)
        port = self.server.sockets[0].getsockname()[1]
        self.uri = f"http://127.0.0.1:{port}{urlsplit(self.to).path}"

    async def stop(self) -> None:
        assert self.server is not None
        self.server.close()
        for writer in self.writers:
            writer.close()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        where = urlsplit(self.to)
        up_reader, up_writer = await asyncio.open_connection(where.hostname, where.port)
        self.writers += [writer, up_writer]
        struck = asyncio.Event()
        back = asyncio.create_task(self.back(up_reader, writer, struck))
        with suppress(ConnectionError, asyncio.CancelledError):
            while data := await reader.read(65536):
                self.seen += data.count(b"/hisWrite HTTP/1.1")
                if self.seen > self.good and b"/hisWrite HTTP/1.1" in data:
                    struck.set()
                    if self.at_fault is not None:
                        self.at_fault, call = None, self.at_fault
                        call()
                    if self.fault == "swallow":
                        break
                up_writer.write(data)
        if struck.is_set() and self.fault == "swallow":
            back.cancel()
        with suppress(asyncio.CancelledError):
            up_writer.close()
            await back
        writer.close()

    async def back(self, up: asyncio.StreamReader, writer: asyncio.StreamWriter, struck: asyncio.Event) -> None:
        with suppress(ConnectionError):
            while data := await up.read(65536):
                if not struck.is_set() and not (self.fault == "mute" and self.seen > self.good):
                    writer.write(data)
                elif self.fault in ("cut", "gone"):
                    writer.close()
                    if self.fault == "gone":
                        await self.stop()
                    return


@contextmanager
def bad_line(to: str, good: int, fault: Fault, at_fault: Callable[[], None] | None = None) -> Iterator[BadLine]:
    """The proxy on a thread of its own while the block runs."""
    line = BadLine(to, good, fault, at_fault)
    loop = asyncio.new_event_loop()
    loop.run_until_complete(line.start())
    thread = threading.Thread(target=loop.run_forever, name="bad-line", daemon=True)
    thread.start()
    try:
        yield line
    finally:

        async def end() -> None:
            await line.stop()
            tasks = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        asyncio.run_coroutine_threadsafe(end(), loop).result(5)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()
