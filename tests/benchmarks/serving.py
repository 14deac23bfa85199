"""The processes of a benchmark: the server, which prints its uri and ends when its input does, and its readers."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aiohttp import web


async def serve_app(app: web.Application) -> None:
    """Serve until the input ends; its uri is the one line of the output."""
    from hsframe.server.run import listening

    async with listening(app) as uri:
        print(uri, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


@contextmanager
def server_process(module: str, *arguments: object) -> Iterator[str]:
    """The uri of the server that ``python -m module serve ...`` runs, while the block lasts."""
    command = [sys.executable, "-m", module, "serve", *map(str, arguments)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait()
        process.stdout.close()


def figures_of(module: str, *arguments: object) -> dict[str, float]:
    """What ``python -m module ...`` has measured: the last line that it prints, as JSON."""
    command = [sys.executable, "-m", module, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(done.stderr)
    found: dict[str, float] = json.loads(done.stdout.strip().splitlines()[-1])
    return found
