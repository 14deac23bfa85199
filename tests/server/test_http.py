"""What is wrong before an op runs, in which format the answer comes, and gzip."""

from __future__ import annotations

import gzip
import http.client
from collections.abc import Callable
from typing import Any

import pytest

from hsframe.codecs import decode, encode
from hsframe.codecs.formats import media_type
from hsframe.grid import Grid
from hsframe.kinds import Ref
from hsframe.server.version4 import accepts_gzip, answer_format, request_format

EMPTY = 'ver:"3.0"\nempty\n'


def test_405_get_of_an_op_that_changes_things(raw: Any) -> None:
    for op in ("hisWrite", "pointWrite", "watchSub", "watchPoll", "watchUnsub", "invokeAction", "close"):
        answer = raw.get(op)
        assert (answer.status, answer.headers["Allow"]) == (405, "POST"), op
        assert op in answer.text


def test_404_unknown_op(raw: Any) -> None:
    answer = raw.get("noSuchOp")
    assert answer.status == 404
    assert "'noSuchOp'" in answer.text
    assert raw.post("eval", EMPTY).status == 404


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"])
def test_501_other_methods(raw: Any, method: str) -> None:
    assert raw.send(method, "about").status == 501


@pytest.mark.parametrize("accept", ["text/html", "image/png, text/zinc;q=0", "application/vnd.haystack+json;version=5"])
def test_406_nothing_that_is_spoken(raw: Any, accept: str) -> None:
    answer = raw.get("about", {"Accept": accept})
    assert answer.status == 406
    assert "text/zinc" in answer.text


@pytest.mark.parametrize(
    "content_type", ["text/csv", "text/html", "application/octet-stream", "text/zinc;charset=latin-1"]
)
def test_415_a_request_in_another_format(raw: Any, content_type: str) -> None:
    answer = raw.send("POST", "about", EMPTY, {"Content-Type": content_type})
    assert answer.status == 415
    assert content_type in answer.text


def test_415_a_request_in_no_format(raw: Any) -> None:
    answer = raw.send("POST", "about", EMPTY)
    assert answer.status == 415
    assert "a request without a Content-Type is not read here" in answer.text


@pytest.mark.parametrize("body", ["", "this is { no grid", 'ver:"3.0"\nid\n@a,@b\n', 'ver:"3.0"\nid\n"never closed'])
def test_400_a_request_that_cannot_be_read(raw: Any, body: str) -> None:
    answer = raw.post("read", body)
    assert answer.status == 400
    assert "cannot be read" in answer.text


def test_400_bytes_that_are_no_utf_8(raw: Any) -> None:
    answer = raw.send("POST", "read", b'ver:"3.0"\nfilter\n"\xff"\n', {"Content-Type": "text/zinc"})
    assert answer.status == 400


def test_of_a_query_name_that_comes_twice_the_last_one_counts(raw: Any) -> None:
    assert len(raw.send("GET", "read?filter=site&filter=point").grid) == 8


def test_413_a_body_over_the_limit(start: Callable[..., Any]) -> None:
    raw = start(quirks=["body-limit=100"])
    assert raw.post("about", EMPTY).status == 200
    assert raw.post("about", 'ver:"3.0" a:"' + "x" * 100 + '"\nempty\n').status == 413


def test_413_a_long_body_of_what_only_reads(raw: Any) -> None:
    long = "\n" * 9 * 2**20
    assert raw.post("read", 'ver:"3.0"\nid\n@temp' + long).status == 413
    write = 'ver:"3.0" id:@temp\nts,val\n2026-01-01T00:00:00Z UTC,1°C'
    assert raw.post("hisWrite", write + long).status == 200


def test_413_a_body_of_many_cells_of_what_only_reads(raw: Any) -> None:
    many = 'ver:"3.0"\nid\n' + "{}\n" * 100_001
    answer = raw.post("read", many)
    assert (answer.status, answer.text.count("100,000 cells")) == (413, 1)


def test_a_packed_body_is_never_unpacked(start: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    unpacked: list[bytes] = []
    monkeypatch.setattr(
        "aiohttp.compression_utils.ZLibDecompressor.decompress_sync", lambda _, data, *__: unpacked.append(data) or b""
    )
    raw = start()
    body = gzip.compress(b"a" * 2**22)
    headers = {"Content-Type": "text/zinc", "Content-Encoding": "gzip"}
    for path, given in ("read", {}), ("read", {"Authorization": "Bearer authToken=no"}), ("no", {}), ("hisWrite", {}):
        assert raw.send("POST", path, body, headers | given).status in (401, 403, 404, 415)
    assert unpacked == []


def test_a_broken_request_line_does_no_harm(raw: Any) -> None:
    host, port = raw.server.uri.removeprefix("http://").removesuffix("/api").split(":")
    connection = http.client.HTTPConnection(host, int(port))
    connection.putrequest("GET", "/api/about", skip_host=True)
    connection.putheader("Content-Length", "not a number")
    connection.endheaders()
    assert connection.getresponse().status == 400
    connection.close()
    assert raw.get("about").status == 200


def test_a_trailing_slash_is_the_same_op(raw: Any) -> None:
    assert raw.get("about/").grid[0]["serverName"] == "Small building"


def test_the_front_page_tells_the_uri(raw: Any) -> None:
    for path in ("", "../"):
        answer = raw.send("GET", path)
        assert (answer.status, raw.server.uri in answer.text) == (200, True)


def test_every_format_says_the_same(raw: Any) -> None:
    zinc = raw.get("read", {"Accept": "text/zinc"}, filter="point").grid
    assert len(zinc) == 8
    for accept, content_type in [
        ("application/json", "application/json"),
        ("application/vnd.haystack+json;version=4", "application/vnd.haystack+json;version=4"),
        ("application/vnd.haystack+json; version=3", "application/vnd.haystack+json;version=3"),
        ("text/trio", "text/trio; charset=utf-8"),
        ("text/plain", "text/plain; charset=utf-8"),
    ]:
        answer = raw.get("read", {"Accept": accept}, filter="point")
        assert answer.headers["Content-Type"] == content_type
        assert [dict(row) for row in answer.grid] == [dict(row) for row in zinc], accept


def test_csv_is_written(raw: Any) -> None:
    answer = raw.get("read", {"Accept": "text/csv"}, filter="site")
    assert answer.headers["Content-Type"] == "text/csv; charset=utf-8"
    assert answer.text.splitlines()[0] == "id,dis,area,mod,site,tz"


@pytest.mark.parametrize("short", ["zinc", "json4", "json3", "trio"])
def test_requests_are_read_in_every_format(raw: Any, short: str) -> None:
    mime = {
        "zinc": "text/zinc; charset=utf-8",
        "json4": "application/json",
        "json3": "application/vnd.haystack+json;version=3",
        "trio": "text/trio",
    }[short]
    body = encode(Grid.from_rows(None, ["id"], [{"id": Ref("temp")}, {"id": Ref("site")}]), short)
    answer = raw.send("POST", "read", body, {"Content-Type": mime, "Accept": "text/zinc"})
    assert [row["id"].val for row in answer.grid] == ["temp", "site"]


def test_text_is_utf_8(raw: Any) -> None:
    assert "ft²".encode() in raw.get("read", filter="site").body


def test_gzip_where_it_is_taken(raw: Any) -> None:
    plain = raw.get("ops")
    zipped = raw.get("ops", {"Accept-Encoding": "gzip, deflate"})
    assert "Content-Encoding" not in plain.headers
    assert zipped.headers["Content-Encoding"] == "gzip"
    assert len(zipped.body) < len(plain.body)
    assert gzip.decompress(zipped.body) == plain.body
    assert "Content-Encoding" not in raw.get("ops", {"Accept-Encoding": "gzip;q=0"}).headers
    assert "Content-Encoding" not in raw.get("libs", {"Accept-Encoding": "gzip"}).headers  # too short to gain


def test_a_large_answer_is_zipped_in_a_thread(raw: Any) -> None:
    for number in range(3_000):
        raw.server.database.add({"id": Ref(f"rec-{number}"), "note": f"note {number} " * 10})
    answer = raw.get("read", {"Accept-Encoding": "gzip"}, filter="note")
    assert len(decode(gzip.decompress(answer.body), "zinc")) == 3_000


@pytest.mark.parametrize("body", [gzip.compress(b'ver:"3.0"\nid\n@temp\n'), b"damaged"], ids=["whole", "damaged"])
def test_415_a_packed_request(raw: Any, body: bytes) -> None:
    answer = raw.send("POST", "read", body, {"Content-Type": "text/zinc", "Content-Encoding": "gzip"})
    assert (answer.status, b"without Content-Encoding" in answer.body) == (415, True)


def test_get_arguments_are_zinc_or_text(raw: Any) -> None:
    assert [row["id"].val for row in raw.get("read", filter="temp").grid] == ["temp"]
    assert [row["id"].val for row in raw.get("read", filter='"temp"').grid] == ["temp"]
    assert [row["id"].val for row in raw.get("read", id="@kw").grid] == ["kw"]
    assert [row["id"].val for row in raw.get("read", id="kw").grid] == ["kw"]
    assert len(raw.get("read", filter="point", limit="2").grid) == 2
    assert raw.get("read", filter="point", limit="two").grid.is_error


def test_an_op_that_fails_for_a_reason_of_its_own_is_an_error_grid(raw: Any, caplog: pytest.LogCaptureFixture) -> None:
    raw.server.database.actions["broken"] = lambda database, rec, args: 1 // 0
    grid = raw.call("invokeAction", 'ver:"3.0" id:@site action:"broken"\nempty\n')
    assert grid.meta["errType"] == "InternalErr"
    assert "ZeroDivisionError" in grid.meta["dis"]
    assert "the op invokeAction failed" in caplog.text
    assert raw.get("about").status == 200


@pytest.mark.parametrize(
    ("accept", "short"),
    [
        (None, "zinc"),
        ("", "zinc"),
        ("*/*", "zinc"),
        ("text/*", "zinc"),
        ("application/*", "json4"),
        ("application/json, text/zinc", "json4"),
        ("text/zinc;q=0.5, application/json;q=0.9", "json4"),
        ("*/*, text/trio", "trio"),
        ("text/zinc;q=abc", "zinc"),
        ("text/zinc;q=nan", "zinc"),
        ("TEXT/ZINC", "zinc"),
        ("text/html, */*;q=0.1", "zinc"),
        ('application/vnd.haystack+json;version="3"', "json3"),
        ("application/vnd.haystack+json", "json4"),
        ("application/json;version=3", "json3"),
        ("application/vnd.haystack+json;version=5", None),
        ("*/*;q=0", None),
        (",,;;", None),
    ],
)
def test_accept(accept: str | None, short: str | None) -> None:
    found = answer_format(accept)
    assert (None if found is None else found.short) == short


def test_content_type() -> None:
    assert request_format(None) is None
    assert request_format("*/*") is None
    assert request_format("text/plain;charset=UTF-8") == "zinc"
    assert request_format("application/vnd.haystack+json;version=3") == "json3"
    assert media_type("A/B; C = D") == ("a/b", {"c": "d"})


def test_accept_encoding() -> None:
    assert accepts_gzip("deflate, gzip;q=0.5")
    assert not accepts_gzip("identity")
