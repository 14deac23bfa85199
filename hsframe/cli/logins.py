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
    user, password = args.user, args.password
    env = os.environ
    if password is not None or user == "" or args.auth in ("none", "bearer") or env.get("HSFRAME_PASSWORD"):
        return user, password
    if user is None and env.get("HSFRAME_TOKEN"):
        return user, password
    uri, name = args.uri or env.get("HSFRAME_URI", ""), user or env.get("HSFRAME_USER") or None
    host = None
    with suppress(ValueError):  # what is wrong with it is told where it is used
        host = urlsplit(uri).hostname
    found = _of_netrc(args, host, name) if host else None
    if found is None and host and name and (kept := _of_keyring(args, uri.rstrip("/"), name)):
        found = name, kept
    return found or (user, password)


def _of_netrc(args: argparse.Namespace, host: str, name: str | None) -> tuple[str, str] | None:
    """The login of a host, as curl takes it: of any port, and of this user if one is named.

    The entry ``default`` is not for a server that it does not name.
    """
    given = os.environ.get("NETRC")
    try:
        entry = netrc.netrc(given or None).hosts.get(host)
    except OSError as error:
        if given or not isinstance(error, FileNotFoundError):
            tell(args, f"{error.filename or given} is not used: {error.strerror}")
        return None
    except (netrc.NetrcParseError, UnicodeDecodeError) as error:  # whose text may have a password in it
        line = getattr(error, "lineno", None)
        why = f"line {line} is not understood" if line else "others may read it, or it is another user's: chmod 600"
        tell(args, f"{given or '~/.netrc'} is not used: {why}")
        return None
    if entry is None or not entry[2] or (name is not None and entry[0] != name) or not (name or entry[0]):
        return None
    return entry[0], entry[2]


def _of_keyring(args: argparse.Namespace, uri: str, name: str) -> str | None:
    """The password of a user that ``keyring set URI USER`` has kept, where a person is there.

    A keyring that is locked opens a window, and waits: a program of cron would hang.
    """
    if not sys.stdin.isatty():
        return None
    try:
        import keyring
        import keyring.errors
    except ImportError:  # it is optional
        return None
    try:
        found: str | None = keyring.get_password(uri, name)
        return found
    except keyring.errors.NoKeyringError:
        return None
    except keyring.errors.KeyringError as error:
        tell(args, f"the keyring is not used: {error}")
        return None
