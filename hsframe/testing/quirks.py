"""What other servers do otherwise, by name: a client is tested against it over a real socket.

A quirk is one deviation: ``rowcap=1000``, ``ignore-range``. A product is a bundle of quirks; which server does what
stands beside each bundle. The server knows of none: :mod:`hsframe.testing.deviations` stands around it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from hsframe.errors import MetadataError

__all__ = ["BUNDLES", "NUMBERS", "QUIRKS", "quirks_named"]

QUIRKS: Final[Mapping[str, str]] = {
    "rowcap": "hisRead of more rows than this is an error grid that speaks of a limit",
    "rowcap-incomplete": "hisRead answers the first rows, with meta incomplete",
    "rowcap-413": "hisRead of more rows than this is HTTP 413",
    "rowcap-500": "hisRead of more rows than this is HTTP 500",
    "rowcap-cut": "of a hisRead of more rows than this half of the body comes, then the connection ends",
    "rowcap-hang": "of a hisRead of more rows than this half of the body comes, then nothing more",
    "idcap": "a batch hisRead of more points than this is an error grid that speaks of a limit",
    "late-write": "what hisWrite was given is stored so many seconds later",
    "slow": "every op waits so many seconds",
    "first-id-only": "a batch hisRead is answered for its first id, without a word",
    "no-batch": "a batch hisRead is an error grid",
    "id0-batch": "a batch hisRead has the old form: one row with range, id0, id1, ...",
    "start-exclusive": "a range is (start, end]",
    "extra-samples": "hisRead answers one sample more at both ends",
    "ignore-range": "hisRead answers everything",
    "reversed-rows": "hisRead answers the newest first",
    "text-times": "hisStart and hisEnd are Str",
    "floor-1s": "written instants are cut to whole seconds",
    "float32": "Numbers come back in single precision",
    "mixed-zones": "a batch of several zones is answered in the first one's",
    "zone-of-range": "a range of another zone than the point's is refused",
    "drop-batch-write": "a batch hisWrite is answered 200 and forgotten",
    "get-only-about": "about, ops, formats and close answer 405 to POST",
    "no-close": "close, defs, libs and filetypes are not there",
    "zinc-only": "request bodies in other formats get 415",
    "json-v3": "JSON answers are version 3, whatever was asked for",
    "bare-accept": "an Accept with a charset gets 406",
    "expired-403": "a session that has ended gets 403",
    "login-page": "a request without a login is sent to a page for people",
    "cookie-trap": "the login sets a cookie, and a POST that brings it back gets 400",
    "empty-read-404": "a read that finds nothing is 404",
    "body-limit": "request bodies of more bytes than this get 413",
}

NUMBERS: Final[Mapping[str, float | None]] = {
    **dict.fromkeys((name for name in QUIRKS if name.startswith("rowcap")), None),
    "idcap": None,
    "late-write": 0.2,
    "slow": 0.2,
    "body-limit": 2 * 2**20,
}
"""The quirks that have a number, and which one where none is given; None: one has to be given."""

BUNDLES: Final[Mapping[str, tuple[str, ...]]] = {
    # nHaystack and haystack-java on Niagara.
    "niagara": ("zinc-only", "json-v3", "no-batch", "start-exclusive", "zone-of-range", "no-close"),
    # SkySpark 3: the samples around the range come along.
    "skyspark3": ("extra-samples",),
    # The server of the PyPI package haystack-py 0.1.10.
    "haystack-py": (
        "get-only-about",
        "ignore-range",
        "first-id-only",
        "drop-batch-write",
        "text-times",
        "body-limit=16777216",
    ),
    # WideSky.
    "widesky": ("id0-batch", "empty-read-404"),
    # Haxall 4.0.6.
    "haxall": ("login-page", "cookie-trap", "expired-403", "float32", "floor-1s", "mixed-zones", "late-write"),
    # shaystack 0.10.2.
    "shaystack": ("bare-accept", "json-v3", "first-id-only", "drop-batch-write"),
}


def quirks_named(names: Iterable[str]) -> dict[str, float]:
    """The quirks of these names, bundles among them, each with its number, or 0; of two numbers the later counts.

    Raises
    ------
    MetadataError
        There is no such quirk, or what stands behind its ``=`` is not a number.

    Examples
    --------
    >>> quirks_named(["skyspark3", "rowcap=1000"])
    {'extra-samples': 0.0, 'rowcap': 1000.0}
    """
    return dict(_quirk(part) for name in names for part in BUNDLES.get(name, (name,)))


def _quirk(text: str) -> tuple[str, float]:
    name, _, number = text.partition("=")
    if name not in QUIRKS:
        near = difflib.get_close_matches(name, [*QUIRKS, *BUNDLES], 3)
        raise MetadataError(
            f"there is no quirk {text!r}; "
            + (f"did you mean {' or '.join(near)}? " if near else "")
            + f"The quirks: {', '.join(QUIRKS)}. The servers: {', '.join(BUNDLES)}"
        )
    default = NUMBERS.get(name, 0.0)
    if number or default is None:
        try:
            return name, float(number)
        except ValueError:
            raise MetadataError(f"the quirk {text!r} needs a number, as {name}=1000") from None
    return name, default
