"""Users and their roles, in a file that holds no password.

A line is a user: the name, the role, and what SCRAM keeps of the password, as RFC 5803 writes it::

    ann operator SCRAM-SHA-256$600000:SALT$STOREDKEY:SERVERKEY

Empty lines and those that begin with ``#`` are for people.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import warnings
from base64 import b64decode, b64encode
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, Literal, NamedTuple, cast, get_args

from hsframe.errors import MetadataError
from hsframe.frame.whole_file import alone_on, whole_file
from hsframe.protocol.scram import MAX_ITERATIONS, MIN_ITERATIONS, ScramCredentials

Role = Literal["viewer", "operator", "admin"]
ROLES: Final[tuple[Role, ...]] = get_args(Role)
"""Each may do what those before it may: a viewer reads and watches, an operator writes and commands too.

For admins alone is commit, which changes records, and what ops a program adds without a role.
"""

# SHA-256 alone: a server tells its hash before it knows who logs in.
_HASH: Final = "SHA-256"
_B64: Final = "[A-Za-z0-9+/]"
_SALT: Final = f"((?:{_B64}{{4}})+|(?:{_B64}{{4}})*(?:{_B64}{{2}}==|{_B64}{{3}}=))"
_KEY: Final = f"({_B64}{{43}}=)"
_LINE: Final = re.compile(rf"(\S.*?)\s+({'|'.join(ROLES)})\s+SCRAM-{_HASH}\$([0-9]{{4,8}}):{_SALT}\${_KEY}:{_KEY}")

_log = logging.getLogger("hsframe.server")


class Users(NamedTuple):
    """What a server needs to know: by name, what it keeps of the password, and the role."""

    credentials: dict[str, ScramCredentials]
    roles: dict[str, Role]


def read_users(path: str | os.PathLike[str]) -> Users:
    """The users of a file; MetadataError where it cannot be read, names its line where one is no user, or has none."""
    _, _, users = _parsed(path)
    if not users.roles:  # a server without users asks for no login
        raise MetadataError(f"{path} has no user; hsframe set-user {path} NAME --role viewer adds one")
    if sys.platform != "win32" and (mode := os.stat(path).st_mode) & 0o044:
        what = f"others can read {path} ({mode & 0o777:o}), and try passwords against it; chmod 600 {path}"
        warnings.warn(what, UserWarning, stacklevel=2)
    return users


class UsersFile:
    """The users of a file, which is read again where it has changed, before the next request is answered.

    A file that can then not be used changes no user, and the log tells it once: who edits it must not lock all out.
    `check` raises MetadataError for users that are not taken.
    """

    def __init__(self, path: str | os.PathLike[str], check: Callable[[Users], None] = lambda _: None) -> None:
        self._path, self._check = path, check
        self._trouble = ""
        self._read_as = self._state()
        self.users = self._read()

    def _state(self) -> tuple[int, ...]:
        """What differs after each change of the file, also of its mode."""
        try:
            now = os.stat(self._path)
        except OSError:
            return ()
        return now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns

    def _read(self) -> Users:
        self._check(users := read_users(self._path))
        return users

    def read_again(self) -> bool:
        """Read the file where it has changed; gives whether `users` may be others than before."""
        if (state := self._state()) == self._read_as:
            return False
        self._read_as = state
        before = self.users
        try:
            self.users = self._read()
        except MetadataError as error:
            if isinstance(error.__cause__, OSError):
                self._read_as = ()  # a disk that fails for a while changes no file: the next request reads it again
            if self._trouble != str(error):
                self._trouble = str(error)
                _log.warning("%s; until the file is right, users are who they were", error)
            return False
        self._trouble = ""
        for change in _changes(before, self.users):
            _log.info("%s: %s", self._path, change)
        return True


def _changes(before: Users, now: Users) -> Iterator[str]:
    """What has become of each user, in words."""
    for name in before.roles | now.roles:
        if name not in now.roles:
            yield f"{name!r} is removed"
        elif name not in before.roles:
            yield f"{name!r} is a new {now.roles[name]}"
        else:
            if before.roles[name] != now.roles[name]:
                yield f"{name!r} is now {now.roles[name]}, and was {before.roles[name]}"
            if before.credentials[name] != now.credentials[name]:
                yield f"{name!r} has another password"


def set_user(
    path: str | os.PathLike[str], name: str, role: Role | None, password: str | ScramCredentials | None
) -> tuple[Role | None, Role]:
    """Add a user to a file, or change one, who keeps the role or the password where none is given.

    The password of before, given once more, is no other one: sessions go on. Gives the role before, and now. Only the
    owner of the file may read it then.
    """
    if not _is_name(name):
        raise MetadataError(f"{name!r} is no name of a user; expected a text of one line, not '#' in its beginning")
    with alone_on(path):
        is_there = Path(path).exists() and os.path.getsize(path)
        lines, places, users = _parsed(path) if is_there else ([], {}, Users({}, {}))
        before = users.roles.get(name)
        if (now := role or before) is None:
            raise MetadataError(f"{name!r} is new in {path}; give the role: --role viewer, operator or admin")
        known, given = users.credentials.get(name), password or None
        if isinstance(given, str):
            given = known if known and known.fit(given) else ScramCredentials.from_password(given)
        if (kept := given or known) is None or (role is None and given is None):
            raise MetadataError("the password is empty; nothing was changed")
        salt, *keys = (b64encode(part).decode() for part in (kept.salt, kept.stored_key, kept.server_key))
        line = f"{name} {now} SCRAM-{_HASH}${kept.iterations}:{salt}${':'.join(keys)}"
        place = places.get(name, len(lines))
        lines[place : place + 1] = [line]
        _write(path, lines)
    return before, now


def remove_user(path: str | os.PathLike[str], name: str) -> None:
    """Take a user out of a file; MetadataError where there is none, or no other one."""
    with alone_on(path):
        lines, places, _ = _parsed(path)
        if name not in places:
            raise MetadataError(f"{path} has no user {name!r}; it has {', '.join(places) or 'none'}")
        if len(places) == 1:  # a server would not take a file without users, and would let the last one in
            raise MetadataError(f"{name!r} is the only user of {path}; stop the server, or set another user first")
        del lines[places[name]]
        _write(path, lines)


def _write(path: str | os.PathLike[str], lines: list[str]) -> None:
    with whole_file(path) as file:
        os.chmod(file.name, 0o600)
        file.write("".join(f"{one}\n" for one in lines).encode())


def _is_name(name: str) -> bool:
    return name.isprintable() and name == name.strip() != "" and not name.startswith("#")


def _parsed(path: str | os.PathLike[str]) -> tuple[list[str], dict[str, int], Users]:
    """The lines of a file, and which of them is whose."""
    try:
        lines = Path(path).read_bytes().decode().replace("\r\n", "\n").removesuffix("\n").split("\n")
    except FileNotFoundError:  # no failure of a disk, but a wrong argument
        raise MetadataError(f"there is no file {path}; hsframe set-user {path} NAME --role viewer makes it") from None
    except OSError as error:
        raise MetadataError(f"{path} cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise MetadataError(f"{path} is no file of users: it is not UTF-8") from error
    users, places = Users({}, {}), dict[str, int]()
    for place, line in enumerate(lines):
        if not line.strip() or line.startswith("#"):
            continue
        where = f"{path}, line {place + 1}"  # without what is there: it may be a password
        found = _LINE.fullmatch(line.strip())
        if found is None or not _is_name(found[1]) or not MIN_ITERATIONS <= int(found[3]) <= MAX_ITERATIONS:
            raise MetadataError(
                f"{where}: expected NAME ROLE SCRAM-{_HASH}$ITERATIONS:SALT$STOREDKEY:SERVERKEY, with the role "
                f"{', '.join(ROLES[:-1])} or {ROLES[-1]}; remove the line, and hsframe set-user {path} NAME "
                "--role viewer writes a right one"
            )
        name, role = found[1], cast(Role, found[2])
        if name in places:
            raise MetadataError(f"{where}: the user {name!r} is in line {places[name] + 1} already; remove one of them")
        salt, stored_key, server_key = (b64decode(found[part]) for part in (4, 5, 6))
        places[name], users.roles[name] = place, role
        users.credentials[name] = ScramCredentials(_HASH, salt, int(found[3]), stored_key, server_key)
    return lines, places, users
