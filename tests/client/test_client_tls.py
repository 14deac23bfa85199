"""TLS over real sockets: own authorities, client certificates, TLS 1.2 and newer, files that do not fit."""

from __future__ import annotations

import asyncio
import http.server
import ipaddress
import socket
import ssl
import threading
import warnings
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from hsframe import cli
from hsframe.client import Client
from hsframe.client.tls import TLSConfig
from hsframe.diagnosis.doctor import examine
from hsframe.errors import AuthError, HTTPStatusError, MetadataError, NetworkError

USER, PASSWORD = "ann", "s3cret-pencil"


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """A certificate authority of the test's own."""

    def __init__(self, folder: Path, name: str) -> None:
        self.folder = folder
        self.name = name
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.cert = self._sign(name, self.key, ca=True)
        self.path = folder / f"{name}.crt"
        self.path.write_bytes(self.cert.public_bytes(serialization.Encoding.PEM))

    def _sign(
        self, name: str, key: ec.EllipticCurvePrivateKey, *, ca: bool, valid_h: tuple[int, int] = (-1, 1)
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        usage = x509.KeyUsage(
            digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
            key_agreement=False, key_cert_sign=ca, crl_sign=ca, encipher_only=False, decipher_only=False,
        )  # fmt: skip
        builder = (
            x509.CertificateBuilder()
            .subject_name(_name(name))
            .issuer_name(_name(self.name))
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(hours=valid_h[0]))
            .not_valid_after(now + timedelta(hours=valid_h[1]))
            .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
            .add_extension(usage, critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), critical=False)
        )
        if not ca:
            host = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
            builder = builder.add_extension(host, critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def issue(self, name: str, password: bytes | None = None, valid_h: tuple[int, int] = (-1, 1)) -> tuple[Path, Path]:
        key = ec.generate_private_key(ec.SECP256R1())
        cert_path, key_path = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        cert_path.write_bytes(self._sign(name, key, ca=False, valid_h=valid_h).public_bytes(serialization.Encoding.PEM))
        how: Any = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        key_path.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, how))
        return cert_path, key_path


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return Authority(tmp_path_factory.mktemp("ca"), "own-ca")


def server_context(
    authority: Authority, *, wants_client: bool = False, valid_h: tuple[int, int] = (-1, 1)
) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.issue("server", valid_h=valid_h))
    if wants_client:
        context.load_verify_locations(authority.path)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def test_an_own_authority(serve: Any, fake: Any, authority: Authority) -> None:
    async def main() -> None:
        async with serve(fake(), tls=server_context(authority)) as server:
            async with Client(server.uri, USER, PASSWORD, tls=TLSConfig(ca_certificates_path=authority.path)) as client:
                assert await client.about() == []
            async with Client(server.uri, USER, PASSWORD) as client:
                with pytest.raises(
                    NetworkError, match=r"is signed by an authority that is not trusted here.*ca_certificates_path"
                ):
                    await client.about()
            assert server.logins == 1

    asyncio.run(main())


def test_the_command_line_has_options_for_them(
    serve: Any, fake: Any, authority: Authority, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    cert, key = authority.issue("client-of-cli")
    both = tmp_path / "both.pem"
    both.write_bytes(cert.read_bytes() + key.read_bytes())

    async def main() -> None:
        async with serve(fake(), tls=server_context(authority, wants_client=True)) as server:
            plain = ["read", "site", "--uri", server.uri, "--user", USER, "--password", PASSWORD, "--retries", "0"]
            trusted = [*plain, "--ca", str(authority.path)]
            for args, code, words in (
                (plain, 3, "give --ca FILE"),
                (trusted, 3, "give --certificate FILE"),
                ([*trusted, "--certificate", str(both)], 0, ""),
            ):
                assert await asyncio.to_thread(cli.main, args) == code
                assert words in capsys.readouterr().err

    asyncio.run(main())


def test_a_client_certificate(serve: Any, fake: Any, authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("client", b"key-pass")
    stranger = Authority(tmp_path, "stranger")

    async def main() -> None:
        async with serve(fake(), tls=server_context(authority, wants_client=True)) as server:
            tls = TLSConfig(cert, key, authority.path, key_password="key-pass")
            async with Client(server.uri, USER, PASSWORD, tls=tls) as client:
                assert await client.about() == []
            other_cert, other_key = stranger.issue("other")
            for refused in (
                TLSConfig(ca_certificates_path=authority.path),
                TLSConfig(other_cert, other_key, authority.path),
            ):
                async with Client(server.uri, USER, PASSWORD, tls=refused) as client:
                    # TLS 1.3 refuses it after the handshake: a connection that is reset at once may take the words.
                    words = r"wants a certificate of the client.*certificate_path=|the connection broke before"
                    with pytest.raises(NetworkError, match=words):
                        await client.about()
            assert server.logins == 1

    # The server's half logs nothing of the refused handshakes: they end in the transport.
    asyncio.run(main())


def test_a_certificate_of_another_host_is_refused(serve: Any, fake: Any, authority: Authority) -> None:
    async def main() -> None:
        async with serve(fake(), tls=server_context(authority)) as server:
            uri = server.uri.replace("127.0.0.1", "localhost")
            async with Client(uri, USER, PASSWORD, tls=TLSConfig(ca_certificates_path=authority.path)) as client:
                with pytest.raises(NetworkError, match=r"not trusted: it is of another host.*in the uri"):
                    await client.about()

    asyncio.run(main())


def test_without_verification_no_password_goes_in_clear(serve: Any, fake: Any, authority: Authority) -> None:
    class Plain(fake):
        async def _login(self, scheme: str, params: dict[str, str]) -> web.StreamResponse:
            self.login_steps.append(scheme)
            return web.Response(status=401, headers={"WWW-Authenticate": "PLAINTEXT"})

    class ToLoopback(aiohttp.abc.AbstractResolver):
        async def resolve(self, host: str, port: int = 0, family: int = socket.AF_INET) -> list[Any]:
            return [{"hostname": host, "host": "127.0.0.1", "port": port, "family": family, "proto": 0, "flags": 0}]

        async def close(self) -> None:
            return None

    async def main() -> None:
        async with serve(Plain(), tls=server_context(authority)) as server:
            uri = server.uri.replace("127.0.0.1", "station.example")
            connector = aiohttp.TCPConnector(resolver=ToLoopback())
            async with Client(uri, USER, PASSWORD, tls=TLSConfig(verify=False), connector=connector) as client:
                with pytest.raises(AuthError, match="allow_insecure"):
                    await client.about()
            assert server.login_steps == ["HELLO"]
        tls = TLSConfig(verify=False)
        async with (
            serve(fake(), tls=server_context(authority)) as server,
            Client(server.uri, USER, PASSWORD, tls=tls) as client,
        ):
            assert await client.about() == []

    asyncio.run(main())


def test_http_on_an_https_port_and_the_other_way(serve: Any, fake: Any, authority: Authority) -> None:
    async def main() -> None:
        for tls, swap, words in (
            (None, ("http:", "https:"), "does not speak TLS.*begins with http://"),
            (server_context(authority), ("https:", "http:"), "login .*at http://.*begins with https://"),
        ):
            async with serve(fake(), tls=tls) as server, Client(server.uri.replace(*swap), USER, PASSWORD) as client:
                with pytest.raises(NetworkError, match=words):
                    await client.about()
                advice = (await examine(client))["advice"][0]
                assert advice.endswith(f"the uri begins with {swap[0]}//"), advice

    asyncio.run(main())


OF_HTTPS_PORTS = {
    "nginx": "<html>\r\n<head><title>400 The plain HTTP request was sent to HTTPS port</title></head>\r\n<body>\r\n"
    "<center><h1>400 Bad Request</h1></center>\r\n<center>The plain HTTP request was sent to HTTPS port</center>\r\n"
    "<hr><center>nginx/1.24.0</center>\r\n</body>\r\n</html>\r\n",
    "Apache": '<!DOCTYPE HTML PUBLIC "-//IETF//DTD HTML 2.0//EN">\n<html><head>\n<title>400 Bad Request</title></head>'
    "<body>\n<h1>Bad Request</h1>\n<p>Your browser sent a request that this server could not understand.<br />\n"
    "Reason: You're speaking plain HTTP to an SSL-enabled server port.<br />\n Instead use the HTTPS scheme to access "
    "this URL, please.<br />\n</p>\n<hr>\n<address>Apache/2.4.18 (Ubuntu) Port 443</address>\n</body></html>\n",
    "Jetty": "<!DOCTYPE html>\r\n<html>\r\n<head><title>Bad Request</title></head>\r\n<body><h1>Bad Request</h1>"
    "<p>HTTP request to HTTPS port</p></body>\r\n</html>",
    "Tomcat": "Bad Request\r\nThis combination of host and port requires TLS.\r\n",
    "Go": "Client sent an HTTP request to an HTTPS server.\n",
}


@pytest.mark.parametrize("user", ["", USER])
@pytest.mark.parametrize("server", OF_HTTPS_PORTS)
def test_https_ports_that_answer_http(server: str, user: str) -> None:
    page = OF_HTTPS_PORTS[server]
    kind = "text/html" if page.startswith("<") else "text/plain"

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(f"HTTP/1.1 400 Bad Request\r\nContent-Type: {kind}\r\nConnection: close\r\n\r\n{page}".encode())
        await writer.drain()
        writer.close()

    async def main() -> None:
        async with await asyncio.start_server(refuse, "127.0.0.1", 0) as port:
            uri = f"http://127.0.0.1:{port.sockets[0].getsockname()[1]}/api"
            async with Client(uri, user, PASSWORD) as client:
                words = r"at http://.*: found .*HTTP 400; the server says .*; this port speaks TLS, so .*https://$"
                with pytest.raises(HTTPStatusError, match=words):
                    await client.about()
                advice = (await examine(client))["advice"][0]
                assert advice.endswith("the uri begins with https://"), advice

    asyncio.run(main())


@pytest.mark.parametrize(
    ("valid_h", "words"),
    [((-48, -24), "it has expired; .*renewed on the server.*clock"), ((24, 48), "it is not valid yet; .*clocks")],
)
def test_a_certificate_of_another_day(
    serve: Any, fake: Any, authority: Authority, valid_h: tuple[int, int], words: str
) -> None:
    async def main() -> None:
        tls = TLSConfig(ca_certificates_path=authority.path)
        async with (
            serve(fake(), tls=server_context(authority, valid_h=valid_h)) as server,
            Client(server.uri, USER, PASSWORD, tls=tls) as client,
        ):
            with pytest.raises(NetworkError, match=words):
                await client.about()
            assert not server.login_steps

    asyncio.run(main())


def test_certificates_that_nobody_else_signed(serve: Any, fake: Any, tmp_path: Path) -> None:
    """One that is signed by itself, and one that is sent with that of its own authority."""
    own = Authority(tmp_path, "own")
    cert, key = own.issue("server")
    cert.write_bytes(cert.read_bytes() + own.path.read_bytes())
    root_key = tmp_path / "root.key"
    root_key.write_bytes(
        own.key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )

    async def main() -> None:
        for files, words in (
            ((own.path, root_key), r"it is signed by itself; .*ca_certificates_path="),
            ((cert, key), r"an authority of its own, which is not trusted.*ca_certificates_path="),
        ):
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*files)
            async with serve(fake(), tls=context) as server, Client(server.uri, USER, PASSWORD) as client:
                with pytest.raises(NetworkError, match=words) as caught:
                    await client.about()
                assert "SSLContext" not in str(caught.value)

    asyncio.run(main())


@contextmanager
def one_handshake(context: ssl.SSLContext) -> Iterator[str]:
    """The uri of a server that says why it refuses a handshake, as asyncio's does not, and hears the client out."""
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        raw, _ = listening.accept()
        raw.settimeout(5)
        copy = raw.dup()
        with copy, suppress(OSError):
            with suppress(ssl.SSLError):
                context.wrap_socket(raw, server_side=True).close()
            copy.shutdown(socket.SHUT_WR)
            while copy.recv(1 << 16):
                pass
        raw.close()

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"https://127.0.0.1:{listening.getsockname()[1]}/api"
    finally:
        thread.join()
        listening.close()


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
@pytest.mark.parametrize("who", ["nobody", "stranger"])
def test_a_server_that_says_which_certificate_it_wants(
    authority: Authority, tmp_path: Path, version: ssl.TLSVersion, who: str
) -> None:
    context = server_context(authority, wants_client=True)
    context.maximum_version = version
    theirs = Authority(tmp_path, "stranger").issue("other") if who == "stranger" else (None, None)
    words = {
        ("nobody", ssl.TLSVersion.TLSv1_3): r"wants a certificate of the client, and none was given; give tls=",
        ("nobody", ssl.TLSVersion.TLSv1_2): r"if it wants a certificate of the client, give tls=",
    }.get((who, version), r"does not accept the certificate of the client; .*certificate_path=")

    async def main(uri: str) -> None:
        async with Client(uri, USER, PASSWORD, tls=TLSConfig(*theirs, authority.path), retries=0) as client:
            with pytest.raises(NetworkError, match=words):
                await client.about()

    with one_handshake(context) as uri:
        asyncio.run(main(uri))


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2])
def test_a_server_that_refuses_and_closes_at_once(authority: Authority, version: ssl.TLSVersion) -> None:
    """As Python's http.server: by TLS 1.3 the client has sent its request then, and a reset may swallow the alert."""

    class Server(http.server.HTTPServer):
        def handle_error(self, *_: object) -> None:
            pass

    context = server_context(authority, wants_client=True)
    context.maximum_version = version

    async def main(uri: str) -> None:
        tls = TLSConfig(ca_certificates_path=authority.path)
        words = r"wants a certificate of the client.*certificate_path="
        for user in ["", USER] * 3:
            async with Client(uri, user, PASSWORD, tls=tls, retries=0) as client:
                with pytest.raises(NetworkError, match=words):
                    await client.about()

    with Server(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            asyncio.run(main(f"https://127.0.0.1:{server.server_port}/api"))
        finally:
            server.shutdown()
            thread.join()


def test_a_server_whose_tls_is_old(authority: Authority) -> None:
    context = server_context(authority)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1
    context.set_ciphers("ALL:@SECLEVEL=0")

    async def main(uri: str) -> None:
        async with Client(uri, tls=TLSConfig(ca_certificates_path=authority.path), retries=0) as client:
            with pytest.raises(NetworkError, match=r"no TLS of version 1\.2 or newer.*update it"):
                await client.about()

    with one_handshake(context) as uri:
        asyncio.run(main(uri))


def test_a_handshake_that_is_cut() -> None:
    async def main() -> None:
        async def cut(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1)
            writer.close()

        server = await asyncio.start_server(cut, "127.0.0.1", 0)
        uri = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}/api"
        async with Client(uri, retries=0) as client:
            with pytest.raises(NetworkError, match=r"the connection broke while TLS began.*certificate_path="):
                await client.about()
        server.close()
        await server.wait_closed()

    asyncio.run(main())


@asynccontextmanager
async def damaging(to: str) -> AsyncIterator[tuple[str, list[bytes]]]:
    """The uri of a line to a server, and what comes from it in place of the next answers, one a connection."""
    damage, port = list[bytes](), int(to.split(":")[2].split("/")[0])
    lines = set[asyncio.Task[None]]()

    async def join(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        lines.add(task)
        back, forth = await asyncio.open_connection("127.0.0.1", port)

        async def answer() -> None:
            while part := await back.read(1 << 16):
                writer.write(damage.pop(0) if damage else part)

        answers = asyncio.create_task(answer())
        try:
            while part := await reader.read(1 << 16):
                forth.write(part)
        except (ConnectionError, asyncio.CancelledError):
            pass
        finally:
            answers.cancel()
            for end in (writer, forth):
                end.close()

    server = await asyncio.start_server(join, "127.0.0.1", 0)
    try:
        yield to.replace(f":{port}", f":{server.sockets[0].getsockname()[1]}"), damage
    finally:
        server.close()
        for line in lines:
            line.cancel()
        await asyncio.gather(*lines, return_exceptions=True)


@pytest.mark.parametrize(
    "damage",
    [b"\x17\x03\x03\x00\x20" + bytes(32), b"HTTP/1.1 502 Bad Gateway\r\n\r\n"],
    ids=["a wrong record", "no record"],
)
def test_a_connection_that_breaks_after_the_handshake_is_made_anew(
    serve: Any, fake: Any, authority: Authority, damage: bytes
) -> None:
    async def main() -> None:
        tls = TLSConfig(ca_certificates_path=authority.path)
        async with (
            serve(fake(), tls=server_context(authority)) as server,
            damaging(server.uri) as (uri, damages),
            Client(uri, USER, PASSWORD, tls=tls, retries=1) as client,
        ):
            await client.about()
            damages.append(damage)
            assert await client.about() == []
            assert not damages
            server.forget_sessions()
            damages.append(damage)
            assert await client.read("site") == [], "also where a login is under way"

    asyncio.run(main())


@pytest.mark.parametrize(
    ("scheme", "words"),
    [
        ("http", "nothing answers there"),
        ("https", r"broke while TLS began \(ConnectionResetError\).*certificate_path="),
    ],
)
def test_a_reset_without_a_connection(scheme: str, words: str) -> None:
    class Resetting(aiohttp.TCPConnector):
        async def connect(self, req: Any, *args: Any, **kwargs: Any) -> Any:
            raise aiohttp.ClientConnectorError(
                req.connection_key, ConnectionResetError(104, "Connection reset by peer")
            )

    async def main() -> None:
        async with Client(f"{scheme}://127.0.0.1:9/api", connector=Resetting(), retries=0) as client:
            with pytest.raises(NetworkError, match=words):
                await client.about()

    asyncio.run(main())


def test_the_context_is_strict(authority: Authority) -> None:
    context = TLSConfig().client_context()
    assert context.minimum_version == ssl.TLSVersion.TLSv1_2
    assert context.verify_mode == ssl.CERT_REQUIRED
    assert context.check_hostname
    own = TLSConfig(ca_certificates_path=authority.path).client_context()
    assert own.cert_store_stats()["x509_ca"] == 1, "own authorities are instead of the machine's"
    assert own.verify_mode == ssl.CERT_REQUIRED
    assert TLSConfig(verify=False).client_context().verify_mode == ssl.CERT_NONE


def test_files_that_cannot_be_used(authority: Authority, tmp_path: Path) -> None:
    cert, key = authority.issue("one", b"right")
    _, other_key = authority.issue("two")
    junk = tmp_path / "junk.pem"
    junk.write_text("no pem")
    cases = [
        (TLSConfig(ca_certificates_path=tmp_path / "none.crt"), "none.crt"),
        (TLSConfig(ca_certificates_path=junk), "junk.pem"),
        (TLSConfig(cert, tmp_path / "none.key"), "none.key"),
        (TLSConfig(cert, other_key), "belong together"),
        (TLSConfig(cert, key, key_password="wr0ng-pass"), "key_password"),
        (TLSConfig(cert, key), "key_password"),
        (TLSConfig(private_key_path=key), "without certificate_path"),
    ]
    for config, words in cases:
        with pytest.raises(MetadataError, match=words) as caught:
            Client("https://host/api", tls=config)
        assert "wr0ng-pass" not in str(caught.value)
        assert "wr0ng-pass" not in repr(config)
