"""Starting and stopping: nothing is left, and a person is told where the server is."""

from __future__ import annotations

import asyncio
import errno
import gc
import ipaddress
import os
import signal
import socket
import ssl
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import aiohttp
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from hsframe.errors import AuthError, MetadataError, NetworkError
from hsframe.server.database import Database
from hsframe.server.run import serve
from hsframe.testing.server import async_running_server, running_server

ROOT = Path(__file__).parents[2]


def fetch(uri: str) -> bytes:
    with urllib.request.urlopen(uri) as answer:
        return bytes(answer.read())


def open_files() -> int:
    gc.collect()  # what earlier tests left for the collector is none of this test's
    return len(list(Path("/proc/self/fd").iterdir())) if Path("/proc/self/fd").exists() else 0


def test_it_starts_and_stops_and_leaves_nothing() -> None:
    before = (threading.active_count(), open_files())
    for _ in range(20):
        with running_server(Database(), users={}) as server:
            assert b"serverName" in fetch(server.uri + "/about")
            host, port = urlsplit(server.uri).hostname, urlsplit(server.uri).port
            assert host == "127.0.0.1"
            assert port is not None
        with socket.socket() as probe:
            assert probe.connect_ex((host, port)) != 0
    assert (threading.active_count(), open_files()) == before


def test_its_threads_are_there_from_its_start_to_its_end() -> None:
    before = set(threading.enumerate())
    with running_server(Database(), users={}) as server:
        started = set(threading.enumerate())
        with ThreadPoolExecutor(10) as clients:
            list(clients.map(fetch, [server.uri + "/hisRead", server.uri + "/about"] * 10))
        assert set(threading.enumerate()) == started
        assert len(started - before) == 6  # the event loop, and those that do the work
    assert set(threading.enumerate()) == before


def test_it_stops_though_a_client_keeps_its_connection() -> None:
    with running_server(Database(), users={}) as server:
        parts = urlsplit(server.uri)
        with socket.create_connection((parts.hostname, parts.port)) as connection:
            connection.sendall(b"GET /api/about HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(1000).startswith(b"HTTP/1.1 200")


def test_it_stops_when_the_test_fails() -> None:
    before = threading.active_count()
    with pytest.raises(ZeroDivisionError), running_server(Database(), users={}):
        1 / 0  # noqa: B018 - the failure of a test
    assert threading.active_count() == before


def test_what_is_wrong_with_it_is_raised_in_the_test() -> None:
    with pytest.raises(AuthError, match="SHA-1"), running_server(Database(), hash="SHA-1"):
        pass


def test_its_repr_keeps_the_password() -> None:
    with running_server(Database(), users={"demo": "s3cret"}) as server:
        assert server.password == "s3cret"
        assert "s3cret" not in repr(server)
        assert "demo" in repr(server)


def test_without_a_database_it_is_the_demo() -> None:
    with running_server() as server:
        assert len(server.database.query("site")) == 3
        assert (server.user, server.password) == ("demo", "demo")


def test_several_at_once() -> None:
    with running_server(Database(name="a"), users={}) as a, running_server(Database(name="b"), users={}) as b:
        assert a.uri != b.uri
        assert b'"a"' in fetch(a.uri + "/about")
        assert b'"b"' in fetch(b.uri + "/about")


def test_on_a_loop_that_runs_already() -> None:
    async def main() -> int:
        async with async_running_server(Database(), users={}) as server, aiohttp.ClientSession() as session:
            answers = await asyncio.gather(*(session.get(server.uri + "/about") for _ in range(20)))
            for answer in answers:
                await answer.read()
            return sum(answer.status == 200 for answer in answers)

    before = threading.active_count()
    assert asyncio.run(main()) == 20
    assert threading.active_count() == before


def test_it_speaks_tls(tmp_path: Path) -> None:
    certificate, key = self_signed(tmp_path)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_side.load_cert_chain(certificate, key)
    client_side = ssl.create_default_context(cafile=str(certificate))
    before = (threading.active_count(), open_files())
    with running_server(Database(), users={}, tls=server_side) as server:
        assert server.uri.startswith("https://127.0.0.1:")
        with urllib.request.urlopen(server.uri + "/about", context=client_side) as answer:
            assert b"serverName" in answer.read()
    assert (threading.active_count(), open_files()) == before


def self_signed(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    certificate_file, key_file = folder / "certificate.pem", folder / "key.pem"
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return certificate_file, key_file


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("taken", r"cannot listen on 127\.0\.0\.1 port \d+: another program listens there; choose another port$"),
        ("not allowed", r"port 80: the system gives ports below 1024.*reverse proxy"),
        ("of another machine", r"192\.0\.2\.1 port 0: this machine has no such address; 127\.0\.0\.1 is for this"),
        ("no number", r"192\.0\.2\.1 port 0: this machine has no such address"),
        ("no name", r"no\.such\.host\.invalid port 0: no host has that name"),
    ],
)
def test_an_address_that_cannot_be_had_is_named(how: str, words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def refuse(*_: object, **__: object) -> None:
        if how == "no number":  # as asyncio of newer Pythons
            raise OSError("could not bind on any address out of [('192.0.2.1', 0)]")
        raise PermissionError(errno.EACCES, "permission denied")  # the tests may run as root, who may do all

    host = {"of another machine": "192.0.2.1", "no number": "192.0.2.1", "no name": "no.such.host.invalid"}.get(how)
    if how in ("not allowed", "no number"):
        monkeypatch.setattr(asyncio.BaseEventLoop, "create_server", refuse)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = {"taken": taken.getsockname()[1], "not allowed": 80}.get(how, 0)
        with pytest.raises(NetworkError, match=words):
            serve(host or "127.0.0.1", port, Database(), {"ann": "s3cret"})


# 192.0.2.1 is nobody's address: it cannot be bound, so nothing is ever served here.
@pytest.mark.parametrize("users", [None, {"demo": "demo"}, {"ann": "s3cret", "demo": "demo"}])
@pytest.mark.parametrize("host", ["192.0.2.1", "0.0.0.0", "::", ""])
def test_the_password_of_the_demo_does_not_leave_this_machine(host: str, users: dict[str, str] | None) -> None:
    with pytest.raises(
        MetadataError, match=r"everybody knows the password of the user demo; listen on 127\.0\.0\.1, or"
    ):
        serve(host=host, port=0, database=Database(), users=users)


def test_users_of_ones_own_and_none_may_leave_this_machine() -> None:
    for users in ({"demo": "s3cret"}, {"ann": "demo"}):
        with pytest.raises(NetworkError):
            serve(host="192.0.2.1", port=0, database=Database(), users=users)
    with pytest.warns(UserWarning, match="call without a login"), pytest.raises(NetworkError):
        serve(host="192.0.2.1", port=0, database=Database(), users={})


def test_who_can_log_in_to_data_of_ones_own_is_said_where_no_user_was_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with (
            pytest.warns(UserWarning, match="the user demo is demo; give a user of your own: users=") as told,
            pytest.raises(NetworkError),
        ):
            serve(port=port, database=Database())
        assert [one.filename for one in told] == [__file__]
        for users in ({}, {"ann": "s3cret"}, {"demo": "demo"}):  # somebody meant it
            with pytest.raises(NetworkError):
                serve(port=port, database=Database(), users=users)


@contextmanager
def serving(code: str) -> Iterator[tuple[subprocess.Popen[str], list[str]]]:
    """A process that serves, and its first three lines."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=environment,
    ) as process:
        try:
            assert process.stdout is not None
            yield process, [process.stdout.readline().strip() for _ in range(3)]
        finally:
            process.kill()


@pytest.mark.one_python
def test_serve_says_where_it_is_and_stops_on_ctrl_c() -> None:
    with serving("from hsframe.server.run import serve; serve(port=0)") as (process, lines):
        uri, what, how = lines
        assert uri.startswith("http://127.0.0.1:")
        assert uri.endswith("/api")
        assert "user demo, password demo" in what
        assert "Ctrl-C" in how
        assert b"Haystack server" in fetch(uri)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out.strip(), err) == (0, "stopped", "")


@pytest.mark.one_python
def test_serve_never_shows_a_password_that_is_somebodys() -> None:
    code = "from hsframe.server.run import serve; serve(port=0, users={'ann': 's3cret'})"
    with serving(code) as (process, lines):
        assert "users ann" in lines[1]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert "s3cret" not in "".join([*lines, out, err])
