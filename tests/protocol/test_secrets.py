"""What a server says is shown without the secrets, however it writes them."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from hsframe.grid import Col, Grid
from hsframe.kinds import MARKER, Ref
from hsframe.protocol import known_secrets
from hsframe.protocol.known_secrets import KnownSecrets
from hsframe.protocol.secret import Secret


def _json(text: str) -> str:
    return json.dumps(text)[1:-1]


def _sixteen(form: str) -> Callable[[str], str]:
    return lambda one: form.format(ord(one))


def _units(form: str) -> Callable[[str], str]:
    """By the units of UTF-16, as JSON and Java escape a character."""
    return lambda one: "".join(
        form.format(int.from_bytes(pair)) for pair in (one.encode("utf-16-be")[:2], one.encode("utf-16-be")[2:]) if pair
    )


def _entity(one: str) -> str:
    return (
        html.escape(one)
        .replace("&#x27;", "&apos;")
        .replace("é", "&eacute;")
        .replace("ß", "&szlig;")
        .replace("\t", "&Tab;")
    )


def _only_signs(escape: Callable[[str], str]) -> Callable[[str], str]:
    return lambda one: one if one.isalnum() else escape(one)


def _latin_1(one: str) -> bytes:
    return one.encode("latin-1", "ignore") or one.encode()


# What becomes of each character.
ESCAPES: dict[str, Callable[[str], str]] = {
    "itself": str,
    "upper": lambda one: one.upper(),
    "lower": lambda one: one.lower(),
    "uri": lambda one: quote(one, safe=""),
    "uri, lower": lambda one: quote(one, safe="").lower(),
    "form": lambda one: "+" if one == " " else quote(one, safe=""),
    "uri, each": lambda one: "".join(f"%{byte:02X}" for byte in one.encode()),
    "uri, twice": lambda one: quote(quote(one, safe=""), safe=""),
    "uri, thrice": lambda one: "".join(f"%2525{byte:02x}" for byte in one.encode()),
    "uri, Latin-1": lambda one: quote(_latin_1(one), safe=""),
    "json": _json,
    "json, utf-8": lambda one: json.dumps(one, ensure_ascii=False)[1:-1],
    "json, each": _units("\\u{:04x}"),
    "json of .NET": _only_signs(_units("\\u{:04X}")),
    "json of Go": lambda one: _units("\\u{:04x}")(one) if one in "<>&" else _json(one),
    "json of PHP": lambda one: _json(one).replace("/", "\\/"),
    "json in json": lambda one: _json(_json(one)),
    "json in json in json": lambda one: _json(_json(_json(one))),
    "each in json in json": lambda one: _json(_units("\\u{:04x}")(one)),
    "zinc": lambda one: "\\" + one if one in '\\"$' else one,
    "python": lambda one: repr(one.encode())[2:-1],
    "c": lambda one: {"\a": "\\a", "\v": "\\v"}.get(one, _json(one)),
    "bytes": lambda one: "".join(f"\\x{byte:02x}" for byte in one.encode()),
    "octal": lambda one: "".join(f"\\{byte:03o}" for byte in one.encode()),
    "octal of C": _only_signs(lambda one: "".join(f"\\{byte:03o}" for byte in one.encode())),
    "octal of a shell": lambda one: "".join(f"\\0{byte:03o}" for byte in one.encode()),
    "octal in json": lambda one: "".join(f"\\\\{byte:03o}" for byte in one.encode()),
    "long": _sixteen("\\U{:08x}"),
    "javascript": _sixteen("\\u{{{:x}}}"),
    "shell": lambda one: "'\\\\''" if one == "'" else one,
    "sql": lambda one: one * 2 if one in "'\"" else one,
    "html": html.escape,
    "html, names": _entity,
    "html, twice": lambda one: html.escape(html.escape(one)),
    "html of markupsafe": lambda one: html.escape(one).replace("&#x27;", "&#39;").replace("&quot;", "&#34;"),
    "html of PHP": lambda one: html.escape(one).replace("&#x27;", "&#039;"),
    "html, quotes kept": lambda one: html.escape(one, quote=False),
    "html, each": _sixteen("&#{};"),
    "html, each, hex": _sixteen("&#x{:x};"),
    "html, each, HEX": _sixteen("&#X{:X};"),
    "html in json": lambda one: _json(html.escape(one)),
    "utf-8 as Latin-1": lambda one: one.encode().decode("latin-1"),
    "utf-8 as cp1252": lambda one: one.encode().decode("cp1252", "replace"),
}
# What becomes of the whole.
ENCODINGS: dict[str, Callable[[str], str]] = {
    "hex": lambda text: text.encode().hex(),
    "HEX": lambda text: text.encode().hex().upper(),
    "hex:": lambda text: text.encode().hex(":"),
    "hex, spaces": lambda text: text.encode().hex(" "),
    "hex, pairs": lambda text: text.encode().hex(" ", 2),
    "0x": lambda text: ", ".join(f"0x{byte:02x}" for byte in text.encode()),
    "base64": lambda text: base64.b64encode(text.encode()).decode(),
    "base64url": lambda text: base64.urlsafe_b64encode(text.encode()).decode().rstrip("="),
    "base64 at 1": lambda text: base64.b64encode(f"x{text}".encode()).decode(),
    "base64 at 2": lambda text: base64.b64encode(f"xy{text}".encode()).decode(),
    "Basic": lambda text: base64.b64encode(f"Ann:{text}".encode()).decode(),
    "Basic, Latin-1": lambda text: base64.b64encode(b"ann:" + text.encode("latin-1", "replace")).decode(),
    "lines": lambda text: base64.encodebytes(f"{'x' * 50}{text}".encode()).decode(),
    "lines in json": lambda text: _json(base64.encodebytes(f"{'x' * 50}{text}".encode()).decode()),
    "json in base64": lambda text: base64.b64encode(
        json.dumps({"user": "ann", "password": text}, ensure_ascii=False).encode()
    ).decode(),
    "base64 in a uri": lambda text: quote(base64.b64encode(text.encode()).decode(), safe=""),
}
AROUND = st.text("ghijk XYZ.,:;()=", max_size=30)
CHARACTERS = "abcdefnrtvSTUXu019\a\b\t\n\v\f\r'\"\\<>&/%+$ -_;#{}éßÄ€ñЖ漢😀"
PASSWORDS = st.text(CHARACTERS, min_size=4, max_size=40).filter(lambda text: text == text.strip() and len({*text}) > 3)


def known(password: str) -> KnownSecrets:
    secrets = KnownSecrets()
    secrets.add_own(Secret(password))
    return secrets


def beginnings(password: str) -> list[str]:
    """What a secret is known by: not of letters alone, 8 characters with what stands among them, and no half run."""
    return [
        password[:end]
        for end in range(8, len(password))
        if not password[:8].isalpha()
        and sum(map(str.isalnum, password[:end])) >= 8
        and (password[end - 1] + password[end]).isalnum()
    ]


@example("u}_%>&\\\\", "", "", 8)
@example("a%25b&c%41d\\\\e", "", "", 8)
@example("0000001\\9ab2", "", "", 0)
@example("01\fa", "", "", 0)
@example("ab\\0110\\\\101c\\", "", "", 0)
@given(PASSWORDS, AROUND, AROUND, st.integers(0, 40))
def test_nothing_is_left_of_a_secret_that_is_escaped(password: str, before: str, after: str, which: int) -> None:
    """Nor of a beginning: a server cuts what it says."""
    secrets, cut = known(password), beginnings(password) or [password]
    for form, escape in ESCAPES.items():
        for part in {password, cut[which % len(cut)]}:
            found = secrets.redacted(f"{before}|{''.join(map(escape, part))}|{after}")
            # A backslash before the first character may be left.
            assert found.replace("\\", "") == f"{before}|<secret>|{after}", (form, found)


@given(PASSWORDS, AROUND, AROUND)
def test_nothing_is_left_of_a_secret_that_is_encoded(password: str, before: str, after: str) -> None:
    password += "pass1"
    secrets = known(password)
    # In base64 what stands before and after it is left, with some bits of its first and last character.
    most = {"Basic": 6, "Basic, Latin-1": 6, "lines": 70, "lines in json": 70, "json in base64": 44}
    for form, encode in ENCODINGS.items():
        found = secrets.redacted(f"{before}|{encode(password)}|{after}")
        assert "<secret>" in found, (form, found)
        start, _, end = found.removeprefix(f"{before}|").removesuffix(f"|{after}").partition("<secret>")
        assert len(start) <= most.get(form, 4), (form, found)
        assert len(end) <= 8, (form, found)


@pytest.mark.parametrize("password", ["wrong", "password", "user name", "again in", "name or the pass"])
def test_a_word_that_is_said_of_any_password_is_not_left_out(password: str) -> None:
    """The gap would say what the password is; in other words of the server it is hidden as any other."""
    said = "Forbidden: the user name or the password is wrong; there were 5 wrong passwords; try again in 30 s"
    assert known(password).redacted(said) == known(password).redacted_message(said) == said
    assert known(password).redacted(f"refused '{password}'") == "refused '<secret>'"
    assert known(password).redacted(f"{said}: {password}") == f"{said}: <secret>"


@pytest.mark.parametrize("password", ["%41%42", "\\" * 5, "abc"])
def test_what_is_too_short_is_in_too_many_words(password: str) -> None:
    assert known(password).redacted("AB \\ abc") == "AB \\ abc"


@pytest.mark.parametrize("password", ["PassWordOfLettersAlone", "S3cret-Pencil24"])
def test_how_much_of_its_beginning_a_secret_is_known_by(password: str) -> None:
    """A beginning of letters alone may be a word, by which the password would be known to begin."""
    least = 16 if password.isalpha() else 8
    assert known(password).redacted(f"<{password[:least]}>") == "<<secret>>"
    assert known(password).redacted(f"<{password[: least - 1]}>") == f"<{password[: least - 1]}>"


@pytest.mark.parametrize(
    "piece", ["'", "\\", "%", "%25", "&", "&amp;", "&#0", "\\u0", "0", " ", "S3cret-", "''S", "%25S", "\\S"]
)
@pytest.mark.parametrize("password", ["S3cret-Pencil24", "''xy", "%25%%&amp;&&;", "\\\\\\ab\\\\c", " + + x"])
def test_long_texts_are_looked_through_once(password: str, piece: str) -> None:
    """The square of the length would take hours; and of what a server says no more is shown than a trace may have."""
    said = piece * (300_000 // len(piece))
    assert len(found := known(password).redacted(said)) <= 20_003
    assert found.endswith("...")


@pytest.mark.parametrize("escape", ["octal in json", "json in json in json", "each in json in json"])
@pytest.mark.parametrize("encoding", ["hex:", "base64", "base64 at 1", "lines in json", "as it is"])
@pytest.mark.parametrize("password", ["n&\tetfff\bT/€cpass1", "漢ß" * 10, "\\\\\\n\\n\\r\\n\\n-", "'' x"])
def test_what_only_begins_as_a_secret_is_looked_through_once(password: str, encoding: str, escape: str) -> None:
    """Each way to write a character that could be read in two ways doubled the time of a search: it never ended."""
    whole = ENCODINGS.get(encoding, str)(password)
    for end in range(1, min(len(whole), 20)):
        known(password).redacted(_json("".join(map(ESCAPES[escape], whole[:end]))) + "~", is_kept=True)


@pytest.mark.parametrize("before", [19_980, 19_988, 19_992])
def test_a_secret_that_goes_on_after_what_is_shown(before: int) -> None:
    said = "." * before + "S3cret-Pencil24" + "." * 2_000_000
    assert known("S3cret-Pencil24").redacted(said).rstrip(".") == "." * before + "<secret>"


def test_a_run_of_backslashes_is_looked_through_from_its_ends() -> None:
    """A secret that begins with some was looked for from each of them: that took 8 s a megabyte."""
    forms = known_secrets._escaped("\\\\ab\\c\\d")
    assert all(form.head.pattern.startswith("(?:(?<!") for form in forms)


def test_of_an_error_grid_there_is_its_meta() -> None:
    """Its rows may be millions, of which each would be looked through; a tag of many values is shown whole, or not."""
    secret = "S3cret-Pencil24"
    many = Grid(
        {"err": MARKER, "dis": f"no {secret}", "at": [Ref("a")], "list": [[secret]]}
        | {f"a{number}": number for number in range(5_000)},
        [Col("val", {"dis": secret})],
        [[secret] * 1_000],
    )
    found = known(secret).redacted_error(many)
    assert (len(found.meta), len(found), secret in repr(found)) == (1_000, 0, False)
    assert (found.meta["dis"], found.meta["at"], found.meta["list"]) == ("no <secret>", [Ref("a")], "<secret>")


def test_a_tag_whose_name_is_a_secret_is_not_named() -> None:
    secrets = known("s3cretPencil24")
    assert secrets.redacted_error(Grid({"err": MARKER, "s3cretPencil24": 1})) == Grid({"err": MARKER, "secret": 1})
    cut = Grid({"incomplete": "cut"}, ["a"], [[1]])
    assert known("incomplete").redacted_error(cut).meta.keys() == {"incomplete"}, "rows that lack are told nevertheless"


NESTED: dict[str, Callable[[str], Any]] = {
    "a cell": lambda said: Grid({}, ["a"], [[1, said]]),
    "a cell of a cell": lambda said: Grid({}, ["a"], [[Grid({}, ["b"], [[[{"c": said}]]])]]),
    "the meta": lambda said: Grid({"a": {"b": [said]}}),
    "the meta of a column": lambda said: Grid({}, [Col("a", {"b": Grid({"c": said})})], [[1]]),
    "a list": lambda said: [1, [Grid({}, ["a"], [[said]])]],
    "a dict": lambda said: {"a": {"b": Grid({}, ["a"], [[said]])}},
    "a Ref": lambda said: Grid({}, ["a"], [[Ref("a", said)]]),
    "a name": lambda said: {said: 1},
    "far behind": lambda said: Grid({}, ["a"], [[*range(100_000), said]]),
}


@pytest.mark.parametrize("nested", NESTED.values(), ids=NESTED)
def test_what_is_nested_in_the_meta_of_an_error_is_looked_through(nested: Callable[[str], Any]) -> None:
    secrets = known("s3cretPencil24")
    for meta in ({"err": MARKER}, {"incomplete": "cut"}):
        assert secrets.redacted_error(Grid({**meta, "more": nested("s3cretPencil24")})).meta["more"] == "<secret>"
    short = Grid({"err": MARKER, "more": [{"a": Grid({"b": 1}, ["c"], [["good"]])}]})
    assert secrets.redacted_error(short) == short
