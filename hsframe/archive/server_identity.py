"""Which server an archive is from: what tells it from others, so that histories of two are not mixed.

How it logged in is noted too. A job of cron connects anew each night, so what a session knows of this is not enough.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from hsframe.archive.points import LOGIN_KEY, SERVER_KEY, ArchivedRecord, PointTable
from hsframe.archive.storage import Storage
from hsframe.archive.tables import Tables, has_archive
from hsframe.caller_warnings import warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.errors import MetadataError, ReadWarning
from hsframe.history.source import Source, WholeSource
from hsframe.protocol.uris import is_loopback


async def server_of(source: Source) -> str:
    """What tells a server from others: its uri, and of one on this machine after # what it calls itself."""
    uri = str(source.origin["uri"]) if source.origin["kind"] == "server" else ""
    if not is_loopback(urlsplit(uri).hostname or ""):
        return uri
    about = [*await source.about(raw=True), {}][0]
    names = (about.get(name) for name in ("serverName", "tz", "vendorName", "productName"))
    return f"{uri}#{', '.join(str(name) for name in names if name)}"


async def expect_login(source: Source, storage: Storage) -> None:
    """Refuse from now on what answers by less, where the archive was read by a login with SCRAM before."""

    def opened() -> PointTable | None:
        return PointTable(storage.inside("points")) if has_archive(storage) else None

    if points := await in_thread(opened):
        expect_noted_login(source, points)


def expect_noted_login(source: Source, points: PointTable) -> None:
    """As `expect_login`, where the table of points is open."""
    if isinstance(source, WholeSource):
        return
    source.dialect.archived |= (points.server or "").partition("#")[0] == source.origin["uri"]
    if points.setting(LOGIN_KEY) == "scram":
        source.sender.expect_scram()


async def note_server(source: Source, points: PointTable, server: str) -> None:
    """Note the server, where it is known, and by which scheme it was logged in to: a token says nothing of that."""
    settings = {SERVER_KEY: server} if server else {}
    if not isinstance(source, WholeSource) and (login := await source.sender.log_in()).scheme != "bearer":
        settings[LOGIN_KEY] = login.scheme
    await in_thread(points.change_settings, settings)


def known_records(storage: Storage, server: str = "") -> dict[str, ArchivedRecord]:
    """The records of an archive, by id, none where there is none yet; MetadataError if it is from another server."""
    if not has_archive(storage):
        return {}
    tables = Tables.open(storage)
    known = tables.points.server or server
    if server and are_different_servers(known, server):
        raise MetadataError(
            f"{storage.uri} is from the server {known}, and this is {server}: nothing was read, so as not to mix them; "
            "if the server has moved, let the archive sync once with other_server=True; else take another folder"
        )
    if server and urlsplit(known).port != urlsplit(server).port:
        warn_caller(
            f"{storage.uri} is from {known}, and this is {server}: it is read all the same, because on this "
            "machine servers of one name count as one, whatever the port. If they are two, take a folder for each; "
            "archive.at() has what was before",
            ReadWarning,
        )
    return tables.records()


def are_different_servers(one: str, other: str, *, by_port: bool = False) -> bool:
    """Whether two servers differ. On this machine a port tells nothing, as each tunnel has one; its name does."""
    a, b = urlsplit(one), urlsplit(other)
    addresses = [by_port and part.port if is_loopback(part.hostname or "") else part.netloc for part in (a, b)]
    return addresses[0] != addresses[1] or a.path != b.path or len({a.fragment, b.fragment} - {""}) > 1
