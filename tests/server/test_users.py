"""Users in a file, and what each role may do."""

from __future__ import annotations

import io
import os
import re
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import hsframe
from hsframe import cli
from hsframe.errors import CallError, MetadataError
from hsframe.protocol.scram import MIN_ITERATIONS, ScramClient, ScramCredentials, b64url_decode, b64url_encode
from hsframe.protocol.secret import Secret
from hsframe.server.app import LOGINS, SERVED_OPS
from hsframe.server.ops import OPS, Op
from hsframe.server.run import serve
from hsframe.server.users import ROLES, UsersFile, read_users, remove_user, set_user
from hsframe.testing.server import running_server
from tests.server.conftest import header_value, small_building

REQUESTS = {
    "read": 'ver:"3.0"\nfilter\n"site"\n',
    "nav": 'ver:"3.0"\nempty\n',
    "hisRead": 'ver:"3.0"\nid,range\n@kw,"2026-11-09"\n',
    "hisWrite": 'ver:"3.0" id:@kw\nts,val\n2026-11-09T00:00:00-05:00 New_York,1kW\n',
    "pointWrite": 'ver:"3.0"\nid\n@fan\n',
    "invokeAction": 'ver:"3.0" id:@kw action:"none"\nempty\n',
    "watchSub": 'ver:"3.0" watchDis:"w"\nid\n@kw\n',
    "watchPoll": 'ver:"3.0" watchId:"w"\nempty\n',
    "watchUnsub": 'ver:"3.0" watchId:"w"\nempty\n',
    "commit": 'ver:"3.0" commit:"add"\ndis\n"new"\n',
}
WRITES = {"hisWrite", "invokeAction", "commit"}


def kept(password: str) -> ScramCredentials:
    return ScramCredentials.from_password(password, iterations=MIN_ITERATIONS)


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_do_what_is_its_and_no_more(start: Callable[..., Any], role: str) -> None:
    raw = start(users={"ann": "s3cret"}, roles={"ann": role})
    raw.scram("ann", "s3cret")
    refused = set()
    for op in [*sorted(OPS.keys() - {"close"}), "close"]:
        answer = raw.call(op, REQUESTS.get(op, 'ver:"3.0"\nempty\n'))
        if answer.meta.get("errType") == "PermissionErr":
            refused.add(op)
            needed = "admin" if op == "commit" else "operator"
            assert f"'ann' has the role {role}, and {op} needs the role {needed}" in answer.meta["dis"]
    assert refused == {"viewer": WRITES, "operator": {"commit"}, "admin": set()}[role]
    assert len(raw.server.database.history("kw")) == (role != "viewer")


def test_a_viewer_watches_and_reads_the_levels_of_a_point_and_writes_none(start: Callable[..., Any]) -> None:
    raw = start(users={"ann": "s3cret"}, roles={"ann": "viewer"})
    raw.scram("ann", "s3cret")
    watch = raw.call("watchSub", REQUESTS["watchSub"]).meta["watchId"]
    raw.server.database.update("kw", {"curVal": 7.0})
    assert [row["id"].val for row in raw.call("watchPoll", f'ver:"3.0" watchId:"{watch}"\nempty\n')] == ["kw"]
    assert raw.call("watchUnsub", f'ver:"3.0" watchId:"{watch}" close\nempty\n').is_empty
    assert len(raw.call("pointWrite", REQUESTS["pointWrite"])) == 17
    for cells in ("10,T", "10,N"):
        refused = raw.refused("pointWrite", f'ver:"3.0"\nid,level,val\n@fan,{cells}\n')
        assert "'ann' has the role viewer, and pointWrite needs the role operator" in refused
    assert not raw.server.database.priorities("fan").was_written


def test_a_user_without_a_role_may_do_all_and_an_op_without_one_is_for_admins(start: Callable[..., Any]) -> None:
    raw = start(users={"ann": "s3cret", "bob": "s3cret"}, roles={"bob": "operator"})
    raw.server.app[SERVED_OPS]["tidyUp"] = Op("tidyUp", OPS["formats"].run, False, "Of this test")
    raw.scram("ann", "s3cret")
    assert not raw.call("tidyUp").is_error
    raw.scram("bob", "s3cret")
    assert "tidyUp needs the role admin" in raw.refused("tidyUp", 'ver:"3.0"\nempty\n')


def test_a_client_reads_why_it_may_not_and_the_ops_are_those_that_it_may() -> None:
    with (
        running_server(small_building(), {"ann": "s3cret"}, roles={"ann": "viewer"}) as server,
        hsframe.connect(server.uri, "ann", "s3cret") as session,
    ):
        assert len(session.read("site")) == 1
        with pytest.raises(CallError, match="'ann' has the role viewer, and pointWrite needs the role operator"):
            session.point_write("@fan", 10, True)
        assert set(session.ops()["name"]) == OPS.keys() - WRITES
        told = hsframe.doctor(server.uri, "ann", "s3cret").set_index("question")["advice"]["ops"]
        assert told.startswith("histories cannot be written, or not by this user; not listed: hisWrite")
        assert server.open_sessions == 1  # a refusal is no reason to log in again


def test_roles_that_are_of_nobody_or_none_are_refused() -> None:
    for roles in ({"bob": "viewer"}, {"ann": "boss"}):
        with pytest.raises(MetadataError, match="expected names of users, each with viewer or operator or admin"):
            serve(port=0, database=small_building(), users={"ann": "s3cret"}, roles=roles)  # type: ignore[arg-type]


def test_a_file_has_users_and_no_passwords(tmp_path: Path) -> None:
    path = tmp_path / "users"
    assert set_user(path, "ann", "viewer", kept("s3cret")) == (None, "viewer")
    path.write_text(f"# who may what\n\n{path.read_text()}")
    path.chmod(0o644)
    assert set_user(path, "Bob the builder, 3rd", "operator", kept("other")) == (None, "operator")
    assert set_user(path, "ann", "admin", kept("n3w")) == ("viewer", "admin")
    assert set_user(path, "Bob the builder, 3rd", None, kept("other")) == ("operator", "operator")
    with pytest.raises(MetadataError, match=r"'carl' is new in .*; give the role: --role viewer, operator or admin"):
        set_user(path, "carl", None, kept("x"))
    assert path.read_text().startswith("# who may what\n\nann admin SCRAM-SHA-256$4096:")
    assert "s3cret" not in path.read_text()
    if os.name != "nt":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert os.listdir(tmp_path) == ["users"]
    users, roles = read_users(path)
    assert roles == {"ann": "admin", "Bob the builder, 3rd": "operator"}
    with running_server(small_building(), users, roles=roles) as server:
        for name, password in (("ann", "n3w"), ("Bob the builder, 3rd", "other")):
            with hsframe.connect(server.uri, name, password) as session:
                assert len(session.read("site")) == 1
        with hsframe.connect(server.uri, "ann", "s3cret") as session, pytest.raises(hsframe.AuthError):
            session.about()


def test_the_iterations_do_not_tell_who_is_a_user(start: Callable[..., Any]) -> None:
    raw = start(users={"ann": ScramCredentials.from_password("s3cret", iterations=5000)})

    def told(user: str) -> str:
        token = header_value(raw.hello(user), "handshakeToken")
        header = f"SCRAM handshakeToken={token}, data={b64url_encode(f'n,,n={user},r=abc')}"
        answer = raw.send("GET", "about", headers={"Authorization": header}, auth=False)
        return b64url_decode(header_value(answer, "data")).rpartition(",i=")[2]

    assert (told("ann"), told("nobody")) == ("5000", "5000")


LINE = "ann viewer SCRAM-SHA-256$4096:c2FsdHNhbHRzYWx0c2FsdA==$" + ":".join(["A" * 43 + "="] * 2)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "has no user; hsframe set-user"),
        ("# only words\n", "has no user; hsframe set-user"),
        (f"{LINE}\nbob s3cret\n", "line 2: expected NAME ROLE SCRAM-SHA-256"),
        (LINE.replace("viewer", "boss"), "with the role viewer, operator or admin; remove the line, and hsframe"),
        (LINE.replace("4096", "4095"), "line 1: expected"),
        (LINE.replace("4096", "99999999"), "line 1: expected"),
        (LINE.replace("SHA-256", "SHA-512"), "line 1: expected"),
        (LINE[:-3], "line 1: expected"),
        (LINE.replace("c2Fsd", "c2Fs"), "line 1: expected"),
        (f"{LINE}\n\n{LINE}", "line 3: the user 'ann' is in line 1 already; remove one of them"),
        (f"\ufeff{LINE}", "line 1: expected"),
        (b"\xff\xfe", "it is not UTF-8"),
    ],
)
def test_a_broken_file_is_named_with_its_line_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | bytes, words: str
) -> None:
    path = tmp_path / "users"
    path.write_bytes(raw := text if isinstance(text, bytes) else text.encode())
    with pytest.raises(MetadataError) as caught:
        read_users(path)
    assert str(path) in str(caught.value)
    assert words in str(caught.value)
    assert "s3cret" not in str(caught.value)
    if "has no user" not in words:
        with pytest.raises(MetadataError):
            set_user(path, "bob", "viewer", kept("x"))
        assert path.read_bytes() == raw
    if "hsframe" in words:
        advised = re.search(r"hsframe (set-user .*) (adds|writes)", str(caught.value))
        assert advised is not None
        path.write_bytes(b"")
        monkeypatch.setattr("sys.stdin", io.StringIO("s3cret\n"))
        assert cli.main(advised[1].split()) == 0
        assert read_users(path).roles == {"NAME": "viewer"}


@pytest.mark.parametrize("name", ["", " ann", "#ann", "a\nb", "a\u2028b", "a\tb"])
def test_a_name_that_the_file_cannot_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(MetadataError, match="is no name of a user"):
        set_user(tmp_path / "users", name, "viewer", kept("x"))


def test_a_file_that_is_not_there(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["serve", "--users", str(tmp_path / "none")]) == 2
    assert "none; hsframe set-user" in capsys.readouterr().err
    with pytest.raises(MetadataError, match="'ann' is new in"):
        set_user(tmp_path / "none", "ann", None, kept("x"))
    assert list(tmp_path.iterdir()) == []
    assert cli.main(["serve", "--users", "a", "--anonymous"]) == 2


def test_a_users_file_may_leave_this_machine_but_not_with_the_password_of_the_demo(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    set_user(path, "ann", "viewer", kept("s3cret"))
    # 192.0.2.1 is nobody's address: it cannot be bound.
    arguments = ["serve", "--host", "192.0.2.1", "--port", "0", "--users", str(path)]
    assert cli.main(arguments) == 3
    assert "cannot listen on 192.0.2.1" in capsys.readouterr().err
    set_user(path, "demo", "viewer", kept("demo"))
    assert cli.main(arguments) == 2
    assert "everybody knows the password of the user demo" in capsys.readouterr().err


def test_set_user_takes_the_password_from_the_standard_input_or_asks_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "users")

    def given(text: str, role: str, *asked: str) -> int:
        answers = iter(asked)
        stdin = io.StringIO(text)
        monkeypatch.setattr(stdin, "isatty", lambda: bool(asked))
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr("getpass.getpass", lambda prompt: next(answers))
        return cli.main(["set-user", path, "ann", "--role", role])

    assert given("s3cret\n", "viewer") == 0
    assert (
        capsys.readouterr().out == f"{path}: ann is a new viewer; a server that runs takes it with its next request\n"
    )
    assert given("", "operator", "n3w", "n3w") == 0
    assert (
        f"{path}: ann is now operator, with the password that was given; a server that runs" in capsys.readouterr().out
    )
    known = read_users(path).credentials["ann"]
    assert known == ScramCredentials.from_password("n3w", "SHA-256", known.salt, known.iterations)
    assert given("", "admin", "a", "b") == 2
    assert "differ" in capsys.readouterr().err
    assert read_users(path).roles == {"ann": "operator"}
    for text, role, *asked in (("\n", "admin"), ("", "viewer", ""), ("", "operator")):
        assert given(text, role, *asked) == 0
        assert f"ann is now {role}, with the password of before; " in capsys.readouterr().out
        assert read_users(path) == ({"ann": known}, {"ann": role})


def test_a_password_is_empty_only_where_another_role_is_given_to_who_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "users"
    set_user(path, "ann", "viewer", kept("s3cret"))
    before = path.read_bytes()
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    for args in (["ann"], ["bob", "--role", "viewer"]):
        assert cli.main(["set-user", str(path), *args]) == 2
        assert "the password is empty; nothing was changed" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_user_is_removed_but_not_the_last_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "users"
    set_user(path, "ann", "viewer", kept("s3cret"))
    path.write_text(f"# ours\n{path.read_text()}")
    set_user(path, "bob", "viewer", kept("s3cret"))
    remove = ["set-user", str(path), "ann", "--remove"]
    assert cli.main(remove) == 0
    assert capsys.readouterr().out.startswith(f"{path}: ann is removed; ")
    assert path.read_text().startswith("# ours\nbob viewer ")
    assert cli.main(remove) == 2
    assert "has no user 'ann'; it has bob" in capsys.readouterr().err
    assert cli.main(["set-user", str(path), "bob", "--remove"]) == 2
    assert "'bob' is the only user of" in capsys.readouterr().err
    assert read_users(path).roles == {"bob": "viewer"}
    assert cli.main([*remove, "--role", "viewer"]) == 2


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="signals")
def test_a_server_without_a_terminal_goes_on_after_a_hangup() -> None:
    command = [sys.executable, "-m", "hsframe", "serve", "--anonymous", "--port", "0"]
    streams = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE}
    with subprocess.Popen(command, text=True, **streams) as process:  # type: ignore[call-overload]
        try:
            uri = process.stdout.readline().strip()
            process.send_signal(signal.SIGHUP)
            with hsframe.connect(uri) as session:
                assert len(session.read("site")) == 3
            process.send_signal(signal.SIGTERM)
            assert process.stdout.read().endswith("stopped\n")
        finally:
            process.kill()


def test_that_nothing_can_be_written_is_said_before_the_role(start: Callable[..., Any]) -> None:
    raw = start(users={"ann": "s3cret"}, roles={"ann": "viewer"})
    raw.server.database.refusal = "it is read-only"
    raw.scram("ann", "s3cret")
    for op in WRITES:
        assert "it is read-only" in raw.refused(op, REQUESTS[op])


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files")
def test_a_file_that_others_can_read_is_warned_of(tmp_path: Path) -> None:
    path = tmp_path / "users"
    set_user(path, "ann", "viewer", kept("s3cret"))
    read_users(path)
    path.chmod(0o640)
    with pytest.warns(UserWarning, match=r"others can read .*users \(640\).*; chmod 600"):
        read_users(path)


@pytest.mark.one_python
@pytest.mark.skipif(sys.platform == "win32", reason="locks of files")
def test_programs_that_set_users_of_one_file_at_once_lose_none(tmp_path: Path) -> None:
    path = tmp_path / "users"
    code = """if True:
        import sys
        from hsframe.protocol.scram import ScramCredentials
        from hsframe.server.users import set_user
        kept = ScramCredentials("SHA-256", b"salt" * 3, 4096, b"k" * 32, b"s" * 32)
        for number in range(40):
            set_user(sys.argv[1], f"{sys.argv[2]}{number}", "viewer", kept)
    """
    programs = [subprocess.Popen([sys.executable, "-c", code, str(path), name]) for name in "abc"]
    assert [program.wait(60) for program in programs] == [0, 0, 0]
    assert len(read_users(path).roles) == 120


@pytest.mark.one_python
def test_the_whole_way_from_a_file_to_a_session(tmp_path: Path) -> None:
    path = str(tmp_path / "users")
    hs = [sys.executable, "-m", "hsframe"]
    subprocess.run([*hs, "set-user", path, "ann", "--role", "viewer"], input="s3cret\n", text=True, check=True)
    with subprocess.Popen([*hs, "serve", "--users", path, "--port", "0"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            uri = process.stdout.readline().strip()
            assert "users ann" in process.stdout.readline()
            with hsframe.connect(uri, "ann", "s3cret") as session:
                assert len(session.read("site")) == 3
        finally:
            process.kill()


@pytest.fixture
def followed(tmp_path: Path, start: Callable[..., Any]) -> tuple[Path, Any]:
    """A file of users, and a server that follows it."""
    path = tmp_path / "users"
    for name in ("ann", "bob"):
        set_user(path, name, "operator", kept("s3cret"))
    return path, start(users=UsersFile(path))


def test_a_user_who_is_changed_while_the_server_runs(followed: tuple[Path, Any]) -> None:
    path, raw = followed
    with (
        hsframe.connect(raw.server.uri, "ann", "s3cret") as ann,
        hsframe.connect(raw.server.uri, "bob", "s3cret") as bob,
    ):
        ann.point_write("@fan", 10, True)
        bob.about()
        tokens = raw.server.open_sessions
        set_user(path, "ann", "viewer", kept("n3w"))
        with pytest.raises(hsframe.AuthError, match="password"):
            ann.about()  # the session has ended, and the password of before opens none
        bob.about()
        assert raw.server.open_sessions == tokens - 1, "another user's session goes on"
    raw.scram("ann", "n3w")
    assert "'ann' has the role viewer" in raw.refused("hisWrite", REQUESTS["hisWrite"])
    set_user(path, "ann", "operator", None)
    assert not raw.call("hisWrite", REQUESTS["hisWrite"]).is_error, "another role alone ends no session"
    set_user(path, "ann", None, "n3w")
    assert raw.get("about").status == 200, "nor does the password of before"
    set_user(path, "ann", None, "0ther")
    assert raw.get("about").status == 401


def test_a_user_who_is_taken_out_of_the_file_while_the_server_runs(followed: tuple[Path, Any]) -> None:
    path, raw = followed
    raw.scram("ann", "s3cret")
    assert raw.get("about").status == 200
    remove_user(path, "ann")
    assert raw.get("about").status == 401
    assert raw.scram("ann", "s3cret")[-1].status == 403
    raw.scram("bob", "s3cret")
    assert raw.get("about").status == 200


def login_in_steps(raw: Any, user: str, password: str) -> Iterator[tuple[int, str]]:
    """Gives the status and the challenge after each step of a login, and then waits."""

    def step(message: str) -> Any:
        header = f"SCRAM handshakeToken={token}, data={b64url_encode(message)}"
        return raw.send("GET", "about", headers={"Authorization": header}, auth=False)

    answer, client = raw.hello(user), ScramClient(user)
    token = header_value(answer, "handshakeToken")
    yield answer.status, answer.headers["WWW-Authenticate"]
    answer = step(client.first())
    yield answer.status, answer.headers["WWW-Authenticate"]
    derivation = client.challenge(b64url_decode(header_value(answer, "data")), Secret(password))
    answer = step(client.final(derivation.run()))
    yield answer.status, answer.headers.get("WWW-Authenticate", "")


CHANGES: dict[str, Callable[[Path], object]] = {
    "another password": lambda path: set_user(path, "ann", None, kept("n3w")),
    "another role": lambda path: set_user(path, "ann", "viewer", None),
    "removed": lambda path: remove_user(path, "ann"),
    "added": lambda path: set_user(path, "carl", "viewer", kept("s3cret")),
}
DONE, WRONG, AGAIN = (200, ""), (403, ""), (401, "HELLO")


@pytest.mark.parametrize(
    ("change", "steps", "ann", "carl"),
    [
        ("another password", 1, WRONG, WRONG),
        ("another password", 2, AGAIN, WRONG),
        ("another role", 1, DONE, WRONG),
        ("another role", 2, DONE, WRONG),
        ("removed", 1, WRONG, WRONG),
        ("removed", 2, AGAIN, WRONG),
        ("added", 1, DONE, DONE),
        ("added", 2, DONE, AGAIN),
    ],
)
def test_of_the_logins_under_way_those_of_a_changed_user_begin_again(
    followed: tuple[Path, Any], change: str, steps: int, ann: object, carl: object
) -> None:
    """Whose name was not told yet goes on with the users of now."""
    path, raw = followed
    logins = [login_in_steps(raw, user, "s3cret") for user in ("ann", "bob", "carl")]
    for login in logins * steps:
        assert next(login)[0] == 401
    CHANGES[change](path)
    assert [list(login)[-1] for login in logins] == [ann, DONE, carl]


def test_a_login_under_way_does_not_tell_who_is_a_user(followed: tuple[Path, Any]) -> None:
    path, raw = followed
    logins = [login_in_steps(raw, user, "s3cret") for user in ("ann", "nobody")]
    for login in logins:
        next(login)
    for user in ("ann", "bob"):
        set_user(path, user, None, ScramCredentials.from_password("s3cret", iterations=5000))
    told = {b64url_decode(next(login)[1].rpartition("data=")[2]).rpartition(",i=")[2] for login in logins}
    assert told == {"5000"}


@pytest.mark.parametrize("how", ["gone", "broken", "empty", "not UTF-8", "unreadable"])
def test_a_file_that_breaks_while_the_server_runs_changes_no_user_and_is_told_once(
    followed: tuple[Path, Any], caplog: pytest.LogCaptureFixture, how: str
) -> None:
    path, raw = followed
    raw.scram("ann", "s3cret")
    right = path.read_text()
    path.unlink()
    if how == "unreadable":
        path.mkdir()
    elif how != "gone":
        path.write_bytes({"broken": f"{right}carl s3cret\n".encode(), "empty": b"", "not UTF-8": b"\xff"}[how])
        path.chmod(0o600)
    for _ in range(2):
        assert raw.get("about").status == 200
        assert raw.scram("bob", "s3cret")[-1].status == 200
    told = [record.message for record in caplog.records if record.levelname == "WARNING"]
    assert len(told) == 1
    assert told[0].endswith("until the file is right, users are who they were")
    assert str(path) in told[0]
    assert "s3cret" not in told[0]
    if how == "unreadable":
        path.rmdir()
    path.write_text(right.replace("bob operator", "bob viewer"))
    path.chmod(0o600)
    assert "needs the role operator" in raw.refused("hisWrite", REQUESTS["hisWrite"])


def test_a_file_that_cannot_be_read_for_a_while_is_read_when_it_can_and_told_each_time(
    followed: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path, raw = followed

    def fail(_: Path) -> bytes:
        raise OSError(5, "Input/output error")

    for role in ("viewer", "operator"):
        set_user(path, "bob", role, kept("s3cret"))
        caplog.clear()
        before = raw.server.app[LOGINS].role_of("bob")
        with monkeypatch.context() as patched:
            patched.setattr(Path, "read_bytes", fail)
            assert raw.scram("bob", "s3cret")[-1].status == 200
            assert raw.server.app[LOGINS].role_of("bob") == before != role
        (told,) = caplog.messages
        assert told.startswith(f"{path} cannot be read: Input/output error; ")
        assert raw.scram("bob", "s3cret")[-1].status == 200
        assert raw.server.app[LOGINS].role_of("bob") == role


def test_the_demos_password_does_not_come_in_by_a_file_that_is_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "users"
    set_user(path, "ann", "viewer", kept("s3cret"))

    served: list[object] = []

    async def serving(app: Any, *_: object) -> None:
        served.append(app)
        set_user(path, "demo", "viewer", kept("demo"))
        app[LOGINS].keep_up()
        assert "everybody knows the password of the user demo" in caplog.text
        assert app[LOGINS].role_of("ann") == "viewer"
        assert "demo" not in app[LOGINS]._users

    monkeypatch.setattr("hsframe.server.run._serve", serving)
    serve("0.0.0.0", database=small_building(), users=path)
    assert served
