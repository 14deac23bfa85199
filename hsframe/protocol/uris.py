"""The uris that a user gives: of a server and of a proxy."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, unquote, urlsplit, urlunsplit

from hsframe.errors import MetadataError

URI_HINT: Final = (
    "a Haystack uri ends in the path of the API and often names a project, like http://host:port/api/demo/"
)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine."""
    try:
        return host == "localhost" or host.endswith(".localhost") or ip_address(host).is_loopback
    except ValueError:
        return False


def split_user(uri: str, what: str, *, hint: str = URI_HINT, is_shown: bool = True) -> tuple[str, str, str]:
    """A uri without its user and password, query, fragment and trailing slash; the user; the password.

    `what` is how the message calls what is no http or https uri, and the `hint` ends it. With `is_shown` it shows what
    was given, unless that may hold a password.
    """
    parts: SplitResult | None = None
    try:
        parts = urlsplit(uri.strip())
        host_and_port = (parts.hostname, parts.port)  # a bad port raises here, and not where it is used
    except (ValueError, AttributeError):
        host_and_port = (None, None)
    # A "/", "?" or "#" ends user and password (RFC 3986, section 3.2): their rest would be shown as a part of the path.
    is_cut = parts is not None and "@" in parts.path + parts.query + parts.fragment
    if parts is None or is_cut or parts.scheme not in ("http", "https") or not host_and_port[0]:
        shown = f"; got {str.__str__(uri)!r}" if is_shown and "@" not in uri else ""
        if is_cut:
            hint = "a / ? # or @ in a user or a password is written %2F %3F %23 or %40, as is an @ in a path"
        del uri, parts  # they may hold a password
        raise MetadataError(f"{what} must be an http or https uri{shown}; {hint}")
    bare = urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path.rstrip("/"), "", ""))
    return bare, unquote(parts.username or ""), unquote(parts.password or "")
