"""What the inputs are made of: texts of our own and answers that servers gave, and the words of each grammar."""

from __future__ import annotations

import functools
import gzip
import io
import json
import zlib
from datetime import UTC, date, datetime, time
from pathlib import Path
from tempfile import TemporaryDirectory

import pandas as pd

from hsframe.codecs import encode
from hsframe.codecs.formats import format_of_body
from hsframe.frame.parquet import write_parquet
from hsframe.frame.points import Point, attach
from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, NA, REMOVE, Bin, Coord, Number, Ref, Symbol, Uri, XStr
from hsframe.unit_array.dtype import UnitDtype
from hsframe.zones import zone

_WIRE = Path(__file__).parent.parent / "data" / "wire"
_TRIO = Path(__file__).parent.parent / "data" / "trio"
_LONGEST_ANSWER = 1_500
_ZONE = zone("New_York")


def _words(text: str) -> tuple[bytes, ...]:
    return tuple(word.encode() for word in text.split())


_STAMPS = _words(
    "2021-03-14T02:30:00-05:00 2021-11-07T01:30:00-04:00 0001-01-01T00:00:00Z 9999-12-31T23:59:59.999999Z 2021-02-29 "
    "T24:00:00 23:59:60 .123456789 -05:00 +00:00 Z New_York UTC GMT+5 Etc/GMT-14 Rel America/New_York"
)
_COMMON = (
    *_STAMPS,
    *_words('" \\ \\u0041 \\ud83d \\ud83d\\ude00 : , kW °F % m² kWh/ft² _ INF NaN'),
    b" ",
    b"\n",
    b"\r\n",
)
_ZINC = _words(
    'ver:"3.0" ver:"2.0" ts id dis val N M R NA T F -INF @a @p:demo:r:1 "HQ" ^elec `http://x/` C(37.5,-77.4) C( '
    'Span("today") Bin(text/plain) Bin( ) [ ] { } << >> {a:1} hisLimit:100 incomplete err \\$ \\q `\\:` 0x1f 1e5 foo'
)
_JSON = _words(
    '{ } [ ] {} [] null true false "ver" "3.0" "meta" "cols" "rows" "name" "ts" "val" "id" "err" "dis" "_kind" '
)
_JSON3 = _words(
    '"n:1" "n:1 "m:" "z:" "-:" "r:a "s: "u: "d:2021-01-01" "h:12:00" "t: "c:1,2" "x:Span:today" "b:a" "y:a" "n: "q:'
)
_JSON4 = _words(
    '"grid" "dict" "number" "unit" "ref" "marker" "na" "remove" "dateTime" "tz" "date" "time" "uri" "symbol" "coord" '
    '"lat" "lng" "xstr" "type" "Number" {"_kind":"marker"} {"_kind":"na"} {"_kind":"ref","val":"a"} '
    '{"_kind":"number","val":1,"unit":"kW"}'
)
_JETO = _words(
    '"spec" "of" "sys::Grid" "sys::Number" "sys::Ref" "sys::DateTime" "sys::Str" "ph::Coord" "xstr::Foo" "✓" '
    '"ph::Site" "72°F" "C(1,2)" {"val":"✓","spec":"sys::Marker"} {"val":"a","spec":"sys::Ref","dis":"A"} '
    '"of":"sys::Date" "sys.api::AboutInfo" "serverTime"'
)
_TRIO_WORDS = _words("dis: site --- // Zinc: Trio: true false : def:^x")
TOKENS = {
    "zinc": _COMMON + _ZINC,
    "json3": _COMMON + _JSON + _JSON3,
    "json4": _COMMON + _JSON + _JSON4,
    "jeto": _COMMON + _JSON + _JETO,
    "trio": (*_COMMON, *_ZINC, *_TRIO_WORDS, b"\n  ", b"\n\t", b"\n---\n"),
}


def every_kind() -> Grid:
    """A grid with a value of each kind, and of the odd ones of each."""
    inner = Grid({"gm": MARKER}, ["a", Col("b", {"dis": "Bee"})], [[Number(1), NA], ["x", None]])
    numbers = [Number(0), Number(-1.5, "°F"), Number(float("nan")), Number(float("inf")), Number(1e300, "kWh/ft²")]
    scalars = [
        MARKER,
        NA,
        REMOVE,
        True,
        False,
        *numbers,
        "",
        'a "b" \\ $ é \U0001f600\n',
        Uri("http://a/`b"),
        Symbol("elec"),
    ]
    refs = [Ref("a"), Ref("p:demo:r:1-2.3~4", "HQ é"), Coord(37.5, -77.25), XStr("Span", "today"), Bin("text/plain")]
    times = [
        *(date(2021, 2, 28), time(23, 59, 59, 999_999), datetime(2021, 3, 14, 3, 30, tzinfo=_ZONE)),
        *(datetime(2021, 11, 7, 1, 30, fold=fold, tzinfo=_ZONE) for fold in (0, 1)),
        datetime(2021, 1, 1, tzinfo=UTC),
    ]
    nested = [[Number(1), "x", [MARKER]], {"a": Number(1), "b": {"c": Ref("a")}}, inner, []]
    values = [*scalars, *refs, *times, *nested, None]
    meta = {"dis": "All kinds", "at": times[2], "flag": MARKER}
    return Grid(
        meta, ["id", Col("val", {"unit": "kW", "note": MARKER})], [[Ref(f"r{n}") for n in range(len(values))], values]
    )


def history(rows: int = 12) -> Grid:
    """Samples of three points over the hour that a clock repeats."""
    start_s = datetime(2021, 11, 7, 1, tzinfo=_ZONE).timestamp()
    stamps = [datetime.fromtimestamp(start_s + 600 * row, _ZONE) for row in range(rows)]
    values = [[Number(20 + row / 4, "°C"), None if row % 5 else NA, row % 2 == 0] for row in range(rows)]
    cols = [Col("ts"), *(Col(f"v{n}", {"id": Ref(f"p{n}", f"P {n}")}) for n in range(3))]
    return Grid({"hisStart": stamps[0]}, cols, [stamps, *map(list, zip(*values, strict=True))])


def records(rows: int = 8) -> Grid:
    """Records as a server answers read."""
    tags = [
        {"id": Ref(f"p{n}", f"Point {n}"), "dis": f"Point {n}, é", "point": MARKER, "kind": "Number", "unit": "kW"}
        | (
            {"area": Number(n * 1.5, "m²"), "tz": "New_York"}
            if n % 2
            else {"geoCoord": Coord(1.5, n), "tags": ["a", "b"]}
        )
        for n in range(rows)
    ]
    return Grid.from_rows({}, list(dict.fromkeys(name for row in tags for name in row)), tags)


@functools.cache
def recorded(short: str) -> tuple[bytes, ...]:
    """The short answers of two servers in a format, each shape once."""
    found = {}
    for path in sorted(_WIRE.glob("*.jsonl.gz")):
        for line in gzip.decompress(path.read_bytes()).splitlines():
            body = json.loads(line)["body"].get("text", "").encode()
            if 0 < len(body) <= _LONGEST_ANSWER and format_of_body(body) == short:
                found.setdefault((len(body) // 40, body[:60]), body)
    return tuple(found.values())


def bodies(short: str) -> list[bytes]:
    """Bodies of all sorts in a format."""
    written = [encode(grid, short) for grid in (every_kind(), history(), records(), Grid({}, ["empty"], [[]]))]
    if short == "trio":
        return [*written, *(path.read_bytes()[:_LONGEST_ANSWER] for path in sorted(_TRIO.glob("*.trio")))]
    return [*written, *recorded(short)]


FILTERS = [
    text.encode()
    for text in (
        "site",
        "point and power and not equipRef->disabled",
        'area >= 100ft² and (dis == "HQ \\"1\\"" or siteRef == @p:demo:r:1-2)',
        "curVal > -1.5e3 and mod < 2021-01-01T00:00:00-05:00 New_York",
        "elec-meter or ^elec-meter or ph.points::Point // all",
        "inputs? ^air @ahu and a->b->c *== @x",
        "day != 2021-02-28 and at <= 23:59:59.5 and uri == `http://a/b` and flag == true",
    )
]
FILTER_TOKENS = (*_COMMON, *_words("and or not -> == != < <= > >= ( ) ? *== :: ^ @ true false // site a->b ph::Site"))
SPANS = [
    text.encode()
    for text in (
        *(
            "today",
            "lastWeek",
            "2026-03-08",
            "2026-01",
            "2026",
            "2026-W10",
            "2026-Q1",
            "2026-01-01,2026-02-01",
            "past 7 days",
        ),
        *("2026-03-08T01:30:00-05:00 New_York,2026-03-09T00:00:00-04:00 New_York", "15min", "1.5h", "500ms", "2 weeks"),
        *("thisMonth", "yesterday", "last 3 months", "2026-01-01..2026-01-31", "1mo", "QS"),
    )
]
SPAN_TOKENS = (*_COMMON, *_words("last this past next Week Month Quarter Year days h min mo W10 Q1 .. - , today now"))

# Where the answer of a login stands between < and >, the target writes it in base64url; NONCE is that of the client.
LOGINS = [
    text.encode()
    for text in (
        "401\nWWW-Authenticate: SCRAM handshakeToken=aa, hash=SHA-256\n\n"
        "401\nWWW-Authenticate: scram data=<r=NONCEsrv,s=c2FsdA==,i=4096>, handshakeToken=bb, hash=SHA-256\n\n"
        "200\nAuthentication-Info: authToken=tok, hash=SHA-256, data=<v=c2lnbmF0dXJl>\n\n",
        '401\nWWW-Authenticate: Basic realm="a, b", SCRAM hash=SHA-512, handshaketoken="x\\"y"\nServer: niagara\n\n'
        "401\nWWW-Authenticate: SCRAM data=<r=NONCEx,s=YQ==,i=10000000,m=x>\n\n"
        "200\nAuthentication-Info: data=<e=no>\n\n",
        "401\nWWW-Authenticate: PLAINTEXT\nWWW-Authenticate: HELLO\n\n200\nAuthentication-Info: authToken=tok\n\n",
        "401\nWWW-Authenticate: Basic\n\n200\nContent-Type: text/html\nBody: <html>prelogin</html>\n\n",
        "302\nLocation: /prelogin?x=1\nSet-Cookie: niagara_session=1\n\n403\nBody: no\n\n",
        '429\nRetry-After: 9\n\n500\nBody: {"error": "wrong 4-byte ending"}\n\n200\n\n',
    )
]
LOGIN_TOKENS = (
    *_words(
        "SCRAM HELLO PLAINTEXT Basic Bearer hash= SHA-256 SHA-512 MD5 handshakeToken= data= authToken= < > r=NONCE "
    ),
    *_words(
        "NONCE ,s= ,i= v= e= m= n,,n= c=biws p= username= 401 200 403 404 500 302 503 WWW-Authenticate: Retry-After:"
    ),
    *(
        b"=",
        b",",
        b'"',
        b"\\",
        b"\n\n",
        b"\n",
        b"Authentication-Info: ",
        b"Location: /login",
        b"Body: <html>",
        b"Date: ",
    ),
)
SERVER_LOGINS = [
    text.encode()
    for text in (
        "HELLO username=<demo>\nSCRAM handshakeToken=TOKEN, data=<n,,n=demo,r=abc>\nSCRAM handshakeToken=TOKEN, "
        "data=<c=biws,r=abcNONCE,p=cHJvb2Y=>",
        "Bearer authToken=abc\nBasic ZGVtbzpkZW1v\nPLAINTEXT username=<demo>, password=<demo>\nHELLO username=<nobody>",
    )
]


def http_answers() -> list[bytes]:
    """Answers to one request, as they are on the line."""
    zinc = encode(history(4), "zinc")
    packed = gzip.compress(zinc, mtime=0)
    deflated = zlib.compress(zinc)
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/zinc; charset=utf-8\r\n"
    chunks = b"".join(b"%x\r\n%s\r\n" % (len(part), part) for part in (zinc[:50], zinc[50:])) + b"0\r\n\r\n"
    error = b'ver:"3.0" err dis:"no such op" errTrace:"x"\nempty\n'
    return [
        head + b"Content-Length: %d\r\n\r\n" % len(zinc) + zinc,
        head + b"Transfer-Encoding: chunked\r\n\r\n" + chunks,
        head + b"Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n" % len(packed) + packed,
        head + b"Content-Encoding: deflate\r\nConnection: close\r\n\r\n" + deflated,
        head + b"Connection: close\r\n\r\n" + encode(records(3), "json4"),
        b"HTTP/1.1 500 Server Error\r\nContent-Length: %d\r\n\r\n" % len(error) + error,
        b'HTTP/1.1 404 Not Found\r\nContent-Type: application/json\r\n\r\n{"error": {"message": "nothing"}}',
        b"HTTP/1.0 302 Found\r\nLocation: http://127.0.0.1/login\r\nSet-Cookie: a=b\r\n\r\n",
        b"HTTP/1.1 503 Busy\r\nRetry-After: Wed, 21 Oct 2026 07:28:00 GMT\r\n\r\n<html><title>busy</title></html>",
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
    ]


HTTP_TOKENS = (
    *_words(
        "HTTP/1.1 HTTP/1.0 HTTP/2.0 200 204 304 401 404 500 503 999 -1 OK chunked gzip deflate br identity , ; : close"
    ),
    *(
        b"\r\n",
        b"\n",
        b"\r\n\r\n",
        b"Content-Length: ",
        b"Content-Length: 99999999999999999999\r\n",
        b"Content-Encoding: ",
    ),
    *(
        b"Transfer-Encoding: ",
        b"Connection: keep-alive\r\n",
        b"Content-Type: text/html\r\n",
        b"Retry-After: ",
        b"ffffffff\r\n",
    ),
    *(b'ver:"3.0"\n', b"0\r\n\r\n", b"<html>", b"Set-Cookie: a", b"WWW-Authenticate: Basic\r\n", b" folded\r\n"),
)


def parquet_files() -> list[bytes]:
    """Files with units, flags, texts and an hour that comes twice."""
    index = pd.date_range("2024-11-03", periods=4, freq="h", tz="America/New_York", unit="us", name="ts")
    power = pd.array([1.0, None, 3.0, 4.0], dtype=UnitDtype("kW"))
    df = pd.DataFrame({"Power": power, "Mode": ["a", None, "b", "é"], "On": [True, False, True, True]}, index=index)
    attach(df, {"Power": Point("p:1", "Power", "kW", "New_York", "Number")})
    found = []
    with TemporaryDirectory() as folder:
        for name, compression in (("zstd", "zstd"), ("plain", None)):
            write_parquet(df, path := Path(folder) / f"{name}.parquet", compression=compression)
            found.append(path.read_bytes())
        other = io.BytesIO()
        df[["On"]].reset_index().to_parquet(other)
    return [
        *found,
        other.getvalue(),
        (Path(__file__).parent.parent / "data" / "parquet" / "version-1.parquet").read_bytes(),
    ]


PARQUET_TOKENS = (
    b"PAR1",
    *_words("hsframe hsframe:unit hsframe:id hsframe:tz kW °F pandas ts index_columns version null 1 {} []"),
)
