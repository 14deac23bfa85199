"""The session of a command: from its options, after a look at what can be wrong without a server."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any, Final

from hsframe.cli.logins import kept_login
from hsframe.cli.output import settle_output
from hsframe.durations import duration_us
from hsframe.errors import MetadataError
from hsframe.options import Limits

if TYPE_CHECKING:
    from hsframe.session import Session

_SETTINGS: Final = ("auth", "format", "timeout", "retries", "deadline", "proxy", "trust_env", "version")


def connect(args: argparse.Namespace) -> Session:
    from hsframe.frame.trend import index_zone_of
    from hsframe.session import connect as opened
    from hsframe.spans import resolve

    # What is wrong is told before anything is asked.
    tz = getattr(args, "tz", None) or "point"
    if tz != "local" or not getattr(args, "interval", None):  # which is for rows of whole days
        index_zone_of([], tz)
    points = getattr(args, "points", None) or ()
    if nothing := [word for word in points if word.strip() in ("", "@")]:
        raise MetadataError(f"{nothing[0]!r} names no point; expected a filter, or ids as @nyc-meter-kw")
    words = [*points, getattr(args, "span", "")]
    if getattr(args, "output", None) == "csv" and (file := next((word for word in words if word.endswith(".csv")), "")):
        raise MetadataError(f"--csv writes to stdout and takes no file; write --csv > {file}")
    if hasattr(args, "output"):
        settle_output(args)
    for given in (getattr(args, "span", None), getattr(args, "since", None)):
        for part in () if given is None else given.split(","):
            resolve(part.strip(), "UTC")  # which end of a span is the first depends on the zones of the points
    if (silent_after := getattr(args, "silent_after", None)) is not None:
        duration_us(silent_after, "silent_after")
    options: dict[str, Any] = {name: getattr(args, name) for name in _SETTINGS}
    options = {name: value for name, value in options.items() if value is not None}
    if args.allow:
        options["limits"] = Limits(**dict(args.allow))
    if args.ca or args.certificate:
        from hsframe.client.tls import TLSConfig

        options["tls"] = TLSConfig(args.certificate, ca_certificates_path=args.ca)
    (user, password), args.password = kept_login(args), None
    args.session = session = opened(args.uri, user, password, **options)
    return session


def points_of(args: argparse.Namespace) -> str | list[str]:
    """A filter, also one whose words came one by one; or ids and names."""
    points: list[str] = args.points
    return " ".join(points) if len(points) == 1 or {"and", "or", "not"} & {*points} else points
