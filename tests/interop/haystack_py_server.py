"""Serves the in-memory storage of the PyPI package haystack-py. Runs in that package's own venv, not in ours.

    python haystack_py_server.py USER PASSWORD

The records come as one Hayson grid on standard input. The first line on standard output is the port; the server ends
when its standard input is closed, so that it cannot outlive the test run.
"""

import socket
import sys
import threading

import uvicorn
from hs_py.auth_types import SimpleAuthenticator
from hs_py.encoding.json import decode_grid
from hs_py.fastapi_server import create_fastapi_app
from hs_py.storage.memory import InMemoryAdapter


def main() -> None:
    user, password = sys.argv[1:]
    records = decode_grid(sys.stdin.buffer.readline())
    storage = InMemoryAdapter([dict(row) for row in records])
    app = create_fastapi_app(storage=storage, authenticator=SimpleAuthenticator({user: password}))
    # A socket that is bound before the server starts: the port is known, and nobody else can take it.
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", access_log=False))

    def end_with_the_parent() -> None:
        sys.stdin.buffer.read()
        server.should_exit = True

    threading.Thread(target=end_with_the_parent, daemon=True).start()
    server.run(sockets=[listener])


if __name__ == "__main__":
    main()
