"""Logins that the machine keeps for its user: in ``.netrc``, and in the keyring of the desktop."""

from __future__ import annotations

import argparse
import netrc
import os
import sys
from contextlib import suppress
from urllib.parse import urlsplit

from hsframe.cli.messages import tell


def kept_login(args: argparse.Namespace) -> tuple[str | None, str | None]:
    """User and password for a command that was given no password, where the machine has one; else what was given."""
    env, given = os.environ, (args.user, args.password)
    name = args.user or env.get("HSFRAME_USER") or None
    is_settled = args.password is not None or args.user == "" or env.get("HSFRAME_PASSWORD")
    if is_settled or args.auth in ("none", "bearer") or (args.user is None and env.get("HSFRAME_TOKEN")):
        return given
    uri = args.uri or env.get("HSFRAME_URI", "")
    with suppress(ValueError):  # what is wrong with the uri is told where it is used
        if host := urlsplit(uri).hostname:
            return _of_netrc(args, host, name) or _of_keyring(args, uri.rstrip("/"), name) or given
    return given


def _of_netrc(args: argparse.Namespace, host: str, name: str | None) -> tuple[str, str] | None:
    """The login of a host, as curl takes it: of any port, and of this user if one is named.

    The entry ``default`` is not for a server that it does not name.
    """
    path, why = os.environ.get("NETRC"), ""
    try:
        login, _, password = netrc.netrc(path or None).hosts.get(host, ("", "", ""))
        if not login or name in (None, login):
            return (login, password) if login and password else None
        why = f"it has the password of {login!r} for {host}, not of {name!r}; of several entries the last one counts"
    except FileNotFoundError:
        why = "there is no such file" if path else ""
    except OSError as error:
        why = str(error.strerror)
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:  # whose text may have a password in it
        line = getattr(error, "lineno", None)
        why = f"line {line} is not understood" if line else "others may read it, or it is another user's: chmod 600"
    if why:
        tell(args, f"{path or '~/.netrc'} is not used: {why}")
    return None


def _of_keyring(args: argparse.Namespace, uri: str, name: str | None) -> tuple[str, str] | None:
    """The login of a user whose password ``keyring set URI USER`` has kept, where a person is there.

    A keyring that is locked opens a window, and waits: a program of cron would hang.
    """
    if name and sys.stdin.isatty():
        with suppress(ImportError):  # it is optional
            import keyring
            import keyring.errors

            try:
                found: str | None = keyring.get_password(uri, name)
                return (name, found) if found else None
            except keyring.errors.NoKeyringError:
                pass
            except keyring.errors.KeyringError as error:
                tell(args, f"the keyring is not used: {error}")
    return None
