"""The options that several commands have, and how their texts are checked."""

from __future__ import annotations

import argparse
import os
import re
from collections.abc import Callable
from dataclasses import fields
from ipaddress import ip_address
from typing import Any, Final, NoReturn, TypeVar

from hsframe.cli.output import FORMATS
from hsframe.errors import MetadataError
from hsframe.options import Limits

_SPAN_HELP: Final = (
    "today, lastWeek, last14wholeDays, -7d, 2026-01, 2026-01-01,2026-01-31, ...: dates are whole days, in each point's "
    "zone"
)

# argparse takes what looks like this for a negative number and not for an option: a span such as -7d.
_SPAN: Final = re.compile(r"-\d")

Result = TypeVar("Result")

TZ_HELP: Final = "the zone of the times: a name, or point for that of the points"

_LIMITS: Final = [limit.name for limit in fields(Limits)]


class Lines(argparse.HelpFormatter):
    """Help whose indented lines, as those of examples, stay as they are."""

    def add_argument(self, action: argparse.Action) -> None:
        super().add_argument(action)
        if action.nargs == argparse.PARSER:  # argparse forgets that commands are indented once more
            self._action_max_length += 2

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        fill = super()._fill_text
        return "\n".join(line if line.startswith("  ") else fill(line, width, indent) for line in text.splitlines())


class Command(argparse.ArgumentParser):
    """The arguments of a command in any order: argparse ends a list of names at the first option."""

    _is_intermixed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **{"formatter_class": Lines, **kwargs})
        self._negative_number_matcher = _SPAN

    def error(self, message: str) -> NoReturn:
        raise MetadataError(f"{message}; see {self.prog} --help")

    def _print_message(self, message: str, file: Any = None) -> None:
        print(message, end="", file=file, flush=True)  # what is wrong with stdout is told by `main`; argparse is silent

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        if self._is_intermixed:
            return super().parse_known_args(args, namespace)
        self._is_intermixed = True
        try:
            found, strange = self.parse_known_intermixed_args(args, namespace)
        finally:
            self._is_intermixed = False
        if strange:  # argparse would say so of the program, and not of this command
            # Without the value of an option that is called wrongly, which may be a password.
            names = [word.partition("=")[0] for word in strange if word.startswith("-")]
            self.error(f"unrecognized arguments: {' '.join(names or strange)}")
        return found, strange


def server_options() -> Command:
    from hsframe.testing.quirks import BUNDLES, NUMBERS, QUIRKS

    quirks = [f"  {name}{'=N' * (name in NUMBERS)}: {text}" for name, text in QUIRKS.items()]
    parser = Command(add_help=False, epilog="\n".join(["quirks to test clients:", *quirks]))
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on; this machine only by default")
    parser.add_argument(
        "--port",
        type=checked(count_to(65535), "a number from 0 to 65535"),
        default=8080,
        help="the port to listen on, 0 for a free one",
    )
    parser.add_argument(
        "--proxy",
        type=checked(lambda text: str(ip_address(text)), "an IP address, as 127.0.0.1"),
        metavar="ADDRESS",
        help="the address from which a reverse proxy in front of this server calls; the last one in its "
        "X-Forwarded-For counts as the client's",
    )
    parser.add_argument("--quiet", action="store_true", help="log nothing but what was refused or went wrong")
    parser.add_argument_group("to test clients").add_argument(
        "--quirk",
        action="append",
        default=[],
        metavar="NAME",
        help=f"behave like another server: {', '.join(BUNDLES)}; or differ in one thing, see below; may be given "
        "several times",
    )
    return parser


def checked(check: Callable[[str], Result], expected: str) -> Callable[[str], Result]:
    """What takes the text of an option: `check`, or an error that says what was expected."""

    def take(text: str) -> Result:
        try:
            return check(text)
        except (ValueError, MetadataError):
            raise argparse.ArgumentTypeError(f"expected {expected}; got {text!r}") from None

    return take


def in_utf8(text: str) -> str:
    """What takes a text that Python has read as ASCII, as in the locale C, though it is UTF-8."""
    return text if text.isprintable() else os.fsencode(text).decode("utf-8", "surrogateescape")


def count_to(most: int) -> Callable[[str], int]:
    """What takes a whole number from 0 to `most`."""
    return lambda text: range(most + 1).index(int(text))


def connection_options() -> Command:
    from hsframe.codecs.formats import CALL_FORMATS
    from hsframe.protocol.login_steps import AUTH_SCHEMES
    from hsframe.protocol.version5 import VERSIONS

    parser = Command(add_help=False)
    group = parser.add_argument_group("connection")
    group.add_argument("--uri", help="where the API is, as http://127.0.0.1:8080/api; else HSFRAME_URI")
    group.add_argument("--user", help="who asks; else HSFRAME_USER")
    group.add_argument(
        "--password",
        help="all on this machine can see it; else HSFRAME_PASSWORD, .netrc, in a terminal the keyring, or asked for",
    )
    group.add_argument(
        "--auth",
        default="auto",
        choices=AUTH_SCHEMES,
        help="how to log in; auto: the best that is offered; bearer: with HSFRAME_TOKEN",
    )
    group.add_argument(
        "--format",
        default="zinc",
        choices=CALL_FORMATS,
        help="of requests and answers; that of what is shown is --output",
    )
    group.add_argument(
        "--protocol",
        dest="version",
        type=lambda text: {str(version): version for version in VERSIONS}.get(text, text),
        default="auto",
        choices=VERSIONS,
        help="the version of the protocol; auto: 4 where the server speaks it, else 5",
    )
    group.add_argument("--timeout", metavar="DURATION", help="how long one request may take, as 2min; 30s by default")
    group.add_argument(
        "--retries",
        type=checked(count_to(10**9), "a whole number from 0 up"),
        metavar="COUNT",
        help="how often a request is sent again; 4 by default",
    )
    group.add_argument("--deadline", metavar="DURATION", help="how long all requests together may take, as 5min")
    group.add_argument(
        "--allow",
        action="append",
        type=checked(
            _limit,
            f"NAME=COUNT, where NAME is {', '.join(_LIMITS)} and COUNT a whole number above 0, as in columns=50000",
        ),
        default=[],
        metavar="NAME=COUNT",
        help=f"how much an answer may hold: {', '.join(_LIMITS)}; may be given several times",
    )
    group.add_argument("--proxy", metavar="URI", help="the proxy that leads to the server, as http://gw.example:3128")
    group.add_argument(
        "--trust-env",
        action="store_true",
        help="use the proxy of HTTP_PROXY, HTTPS_PROXY and NO_PROXY, which may have a password in it",
    )
    group.add_argument("--ca", metavar="FILE", help="trust the authorities of this PEM file, not those of the machine")
    group.add_argument(
        "--certificate", metavar="FILE", help="the client's certificate and key (PEM), where the server wants one"
    )
    return parser


def outcome() -> Command:
    parser = Command(add_help=False)
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="write nothing, and say what would be read; to prove that answers are whole may take more requests",
    )
    shown = parser.add_mutually_exclusive_group()
    shown.add_argument("--quiet", action="store_true", help="print nothing but what went wrong, with when and where")
    shown.add_argument("--json", action="store_true", help="print the summary as one line of JSON, and nothing else")
    return parser


def output_options() -> Command:
    parser = Command(add_help=False)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--output", choices=FORMATS, help="table by default, or what the name of --file ends in")
    form.add_argument("--csv", action="store_const", const="csv", dest="output", help="the same as --output csv")
    parser.add_argument(
        "--file", dest="into", metavar="FILE", help="write there in place of stdout; it is there whole or not at all"
    )
    return parser


def add_silent_after(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--silent-after",
        metavar="DURATION",
        help="name each point whose last sample is older than this, as 2d, and end with exit code 4; not those that "
        "record changes alone",
    )


def value_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--tz", default="point", help=TZ_HELP)
    parser.add_argument(
        "--units",
        type=in_utf8,
        action="append",
        default=[],
        help="si, ip, a unit for all that convert to it, or pairs as °F=°C, of which several may be given",
    )
    parser.add_argument(
        "--on-error",
        choices=("raise", "warn"),
        default="raise",
        help="warn: leave out points that cannot be read, with a line on stderr and exit code 1",
    )


def store() -> Command:
    parser = Command(add_help=False)
    parser.add_argument(
        "--storage-option",
        action="append",
        type=_storage_option,
        default=[],
        metavar="KEY=VALUE",
        help="a setting of an object store, as AWS_REGION=eu-west-1; may be given several times. Keys belong into "
        "variables of the environment: everybody on this machine can see an argument",
    )
    return parser


def _storage_option(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise argparse.ArgumentTypeError("expected KEY=VALUE, as in AWS_REGION=eu-west-1")  # the text may be a secret
    return name, value


def _limit(text: str) -> tuple[str, int]:
    name, _, count = text.partition("=")
    if name not in _LIMITS or not (count.isdecimal() and int(count)):
        raise ValueError
    return name, int(count)


def add_history(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("points", nargs="+", type=in_utf8, help="a filter, or ids that start with @")
    parser.add_argument("span", help=_SPAN_HELP)
    parser.add_argument("--header", default="dis", help="what columns are called: dis, id, a tag, or equipRef->dis")
