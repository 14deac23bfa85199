"""Where the password of a command comes from: what was given, then .netrc, then the keyring in a terminal."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest

from hsframe import cli
from hsframe.testing.server import RunningServer


@pytest.fixture
def kept(login: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The file that NETRC names, which is empty; nothing else has a login."""
    for name in ("USER", "PASSWORD"):
        monkeypatch.delenv(f"HSFRAME_{name}")
    path = tmp_path / "netrc"
    path.touch(mode=0o600)
    monkeypatch.setenv("NETRC", str(path))
    return path


def code_of(capsys: pytest.CaptureFixture[str], *args: str) -> tuple[int, str]:
    code = cli.main(["read", "site", "--csv", *args])
    return code, capsys.readouterr().err


GIVEN = "machine 127.0.0.1 login demo password demo\n"
ANN = "machine 127.0.0.1 login ann password x\n"


def test_netrc_has_the_login_of_a_host(kept: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept.write_text(f"machine other login demo password wrong\n{GIVEN}")
    assert code_of(capsys) == (0, "")
    assert code_of(capsys, "--user", "demo") == (0, "")
    assert code_of(capsys, "--user", "demo", "--password", "wrong")[0] == 3
    code, told = code_of(capsys, "--user", "ann")  # it is another user's
    assert (code, "no password of 'ann' was given" in told) == (2, True)
    assert f"{kept} is not used: it has the password of 'demo' for 127.0.0.1, not of 'ann'; of several" in told
    for entries, code in ((f"{ANN}{GIVEN}", 0), (f"{GIVEN}{ANN}", 2)):
        kept.write_text(entries)  # Python takes the last one
        found, told = code_of(capsys, "--user", "demo")
        assert (found, "of several entries the last one counts" in told) == (code, code == 2)


def test_a_password_of_the_environment_goes_first(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.write_text(GIVEN.replace("password demo", "password wrong"))
    assert code_of(capsys, "--user", "demo")[0] == 3
    monkeypatch.setenv("HSFRAME_PASSWORD", "demo")
    assert code_of(capsys, "--user", "demo") == (0, "")


@pytest.mark.parametrize(
    "text", ["", "default login demo password demo\n", "machine localhost login demo password demo\n"]
)
def test_what_names_another_host_is_not_sent(kept: Path, capsys: pytest.CaptureFixture[str], text: str) -> None:
    kept.write_text(text)
    assert code_of(capsys)[0] == 3
    assert code_of(capsys, "--user", "demo")[0] == 2


def test_a_file_that_cannot_be_read_is_told_without_what_is_in_it(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.write_text("machine 127.0.0.1 login demo\nhush hush\n")
    code, told = code_of(capsys, "--user", "demo")
    assert code == 2
    assert f"hsframe: {kept} is not used: line 2 is not understood\n" in told
    assert "hush" not in told
    monkeypatch.setenv("NETRC", str(kept.parent / "none"))
    assert "none is not used: there is no such file" in code_of(capsys, "--user", "demo")[1]


@pytest.mark.skipif(sys.platform == "win32", reason="modes of files are of POSIX")
def test_the_file_of_the_home_folder_is_for_its_owner_alone(
    kept: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("NETRC")
    monkeypatch.setenv("HOME", str(kept.parent))
    assert code_of(capsys, "--user", "demo")[0] == 2  # there is none
    path = kept.rename(kept.parent / ".netrc")
    path.write_text(GIVEN)
    assert code_of(capsys) == (0, "")
    path.chmod(0o644)
    assert "~/.netrc is not used: others may read it" in code_of(capsys, "--user", "demo")[1]


def test_the_keyring_is_asked_in_a_terminal_alone(
    kept: Path, login: RunningServer, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A locked one waits for a person, so a program of cron would hang."""
    asked: list[tuple[str, str]] = []
    module, errors = ModuleType("keyring"), ModuleType("keyring.errors")
    errors.KeyringError = type("KeyringError", (Exception,), {})  # type: ignore[attr-defined]
    errors.NoKeyringError = type("NoKeyringError", (errors.KeyringError,), {})  # type: ignore[attr-defined]

    def get_password(service: str, user: str) -> str | None:
        asked.append((service, user))
        if user == "locked":
            raise errors.KeyringError("it is locked")  # type: ignore[attr-defined]
        return {"demo": "demo"}.get(user)

    module.get_password, module.errors = get_password, errors  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "keyring", module)
    monkeypatch.setitem(sys.modules, "keyring.errors", errors)
    assert code_of(capsys, "--user", "demo")[0] == 2
    assert asked == []
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr("hsframe.session.default.asked_password", lambda user: None)
    assert code_of(capsys, "--user", "demo", "--uri", f"{login.uri}/") == (0, "")
    assert asked == [(login.uri, "demo")]
    code, told = code_of(capsys, "--user", "locked")
    assert (code, told.splitlines()[0]) == (2, "hsframe: the keyring is not used: it is locked")
    assert code_of(capsys, "--user", "nobody")[0] == 2
    monkeypatch.setitem(sys.modules, "keyring", None)  # it is not installed
    assert code_of(capsys, "--user", "demo")[0] == 2
