"""What commands write to stderr: messages in the words of the command line, and what a server logs."""

from __future__ import annotations

import argparse
import logging
import os
import re
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, TextIO

_SETTINGS: Final = (
    "agg|at|auth|deadline|existing|format|header|interval|layout|max_age|overlap|password|point|proxy|retries|silent_after|"
    "since|timeout|tz|units"
)

# A server may say what a terminal would do.
_CONTROLS: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

# Words of Python in messages, and those of the command line.
_IN_COMMANDS: Final[dict[str, str | Callable[[re.Match[str]], str]]] = {
    r"Archive\('([^']+)'\)\.sync\('([^']+)', since=\.\.\.\)": r"hsframe sync \1 \2 --since DATE",
    r"Archive\('([^']+)'\)\.sync\('([^']+)'\)": r"hsframe sync \1 \2",
    r"(?:archive\.)?sync\(since='([^']+)'\)": r"sync --since \1",
    r"\bsync\(\)": "hsframe sync",
    r"\bread\('([^']+)'\)": r"hsframe read '\1'",
    r"\bhsframe\.export\(\.\.\.\)": "hsframe export",
    r"; hsframe\.connect\(uri, user, password\) reads from a server": "; --uri says which server",
    # What only Python has: a frame a point, the wall times of several zones side by side, the catalog of a frame.
    r"(, and hsframe\.Archive\(folder\) opens an archive|; archive\.at\(\) has what was before)": "",
    r"(, or take one frame a point, each in its own zone, with|, or) shape='dict'.*": "",
    r"\. df\.hs\.catalog has the reason of each|, or a timedelta|df\.to_csv\(\), or ": "",
    r", a date or datetime, or several of these": "",
    r", or a pair \(start, end\) of these, dates or datetimes": ", or two of these with a comma between",
    r"hsframe\.units\.all_units\(\) lists what there is": "units are written as Project Haystack does: kW, °F, m³/h",
    r"(hsframe\.Archive\(\.\.\.\)\.check\(\)|give connect\(\) a larger max_concurrency)": r"in Python \1",
    r"convert it with df\.hs\.to\(.*?\), or pass convert=True": "--convert converts it",
    r"write it to another point, as with points=.*?(?=; nothing was written)": "to write it to "
    "another point make a CSV file whose column is called by the id of that point",
    r"it is not in the catalog, not an id, and not a display name": "it is neither an id nor a name",
    r"say which( point it is)? with points=\{.*?\}": "call it by the id of its point, as '@the-id [kW]'",
    r"version='auto'": "--protocol auto",
    "dry_run=True compares": "without --yes it is compared",
    r"the proxy (\S+) of proxy=": r"the proxy \1",
    r"units='([^']+)' is not 'native'.*?\}: ": r"--units \1 is not si, ip, a unit or pairs as °F=°C: ",
    r"doctor\(point=id\)": "--point ID",
    r", as his_read\(\.\.\., chunk=.*?\) does": "",
    r"^Limits: ": "--allow: ",
    r"limits=hsframe\.Limits\((\w+)=([\d.]+)\)": r"--allow \1=\2",
    r"as in hsframe\.connect\('([^']+)'.*?\)": r"as in --uri \1",
    r"connect\((?:\.\.\., )?(\w+=(?:'[^']+')?)\)": r"\1",
    r"tls=TLSConfig\(ca_certificates_path=\.\.\.\)": "--ca FILE",
    r"tls=TLSConfig\(certificate_path=\.\.\., private_key_path=\.\.\.\)": "--certificate FILE",
    "tls: ca_certificates_path": "--ca",
    "tls: certificate_path": "--certificate",
    "say allow_insecure=True": "say allow_insecure=True to hsframe.connect in Python",
    "storage_options=": "variables of the environment, or --storage-option",
    "needs token=": "needs HSFRAME_TOKEN in the environment",
    "give a user name and a password, or a token": "give --user and --password, or set HSFRAME_USER and "
    "HSFRAME_PASSWORD, or HSFRAME_TOKEN",
    "and key_password if the key is encrypted": "and a key that is not encrypted",
    "is for his_read with interval=": "is for hsframe his-read with --interval",
    r"read a row per sample with shape='tidy', .* \(say\)": "take hsframe export --layout tidy, or fewer points",
    r"users=\{'NAME': 'PASSWORD'\}": "hsframe serve --user NAME, or --users FILE",
    r"\b(other_server|overwrite|trust_env)=True": lambda match: _option(match[1]),
    rf"(?<![?&\w])({_SETTINGS})=(?:'([^']+)'|(?=\d))": lambda match: f"{_option(match[1])} {match[2] or ''}",
    rf"(?<![?&\w])({_SETTINGS})=(?=[ ,;:]|$)": lambda match: _option(match[1]),
}


def _option(name: str) -> str:
    return "--" + name.replace("_", "-")


def tell(args: argparse.Namespace, text: str) -> None:
    """Print a line of what went wrong; with --quiet or --json, as in cron, it has the time and place."""
    where = ""
    if getattr(args, "quiet", False) or getattr(args, "json", False):
        place = origin(args)
        where = " ".join([place["time"], *(str(place[name]) for name in ("archive", "path") if name in place)]) + ": "
    try:
        shown = _CONTROLS.sub(lambda found: ascii(found[0])[1:-1], in_commands(text))
        print(f"hsframe: {where}{shown}", file=sys.stderr)
    except OSError:  # it is full, or nobody reads it: what the command does is the same
        discard(sys.stderr)


def discard(stream: TextIO) -> None:
    """Send the rest of a stream that failed nowhere: when the program ends, Python would try to write it once more."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())


def in_commands(text: str) -> str:
    """A message with the words of the command line."""
    for pattern, words in _IN_COMMANDS.items():
        text = re.sub(pattern, words, text)
    return text


def origin(args: argparse.Namespace) -> dict[str, Any]:
    """When, with which server and where; no password that is in the uri."""
    uri = re.sub(r"//[^/]*@", "//", getattr(args, "uri", None) or os.environ.get("HSFRAME_URI", ""))
    where = {name: getattr(args, name) for name in ("archive", "path") if hasattr(args, name)}
    return {"time": datetime.now(UTC).isoformat(timespec="seconds"), "uri": uri, **where}


@contextmanager
def logged(level: int) -> Iterator[None]:
    """Write what the server logs to stderr, from a level on."""
    handler = logging.StreamHandler()
    handler.setFormatter(LogLines("%(asctime)s %(levelname)s %(message)s", "%Y-%m-%dT%H:%M:%S%z"))
    with _handled(logging.getLogger("hsframe.server"), handler, level):
        yield


@contextmanager
def _handled(log: logging.Logger, handler: logging.Handler, level: int) -> Iterator[None]:
    before = log.level
    log.setLevel(level)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(before)


@contextmanager
def waits_told(args: argparse.Namespace) -> Iterator[None]:
    """Say in a line on stderr that a request waits for the server, and until when; not with --quiet."""
    if "retries" not in args or getattr(args, "quiet", False):
        yield
        return
    from hsframe.client.request_log import WAITS

    with _handled(WAITS, _WaitHandler(args), logging.INFO):
        yield


class _WaitHandler(logging.Handler):
    def __init__(self, args: argparse.Namespace) -> None:
        super().__init__()
        self._args = args

    def emit(self, record: logging.LogRecord) -> None:
        if sys.stderr.isatty():  # there may be a bar, which is drawn again below
            print(f"\r{'':{max(shutil.get_terminal_size().columns - 1, 0)}}\r", end="", file=sys.stderr)
        tell(self._args, record.getMessage())


class LogLines(logging.Formatter):
    """Records of the log as lines, of which no client can forge one."""

    def format(self, record: logging.LogRecord) -> str:
        """A record whose first line alone begins with a time, whatever a client or a trace says."""
        return "\n    ".join(super().format(record).splitlines())
