"""The names of quirks: deviations from the standard that real servers have, to test clients against.

A quirk is one deviation: ``rowcap=1000``, ``ignore-range``. A product is a bundle of quirks; a comment at each bundle
names the server. The embedded server itself has none: ``hsframe.testing.quirk_wrappers`` wraps its ops.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from typing import Final

from hsframe.errors import MetadataError

QUIRKS: Final[Mapping[str, str]] = {
    "rowcap": "hisRead of more rows than this is an error grid that names the limit",
    "rowcap-incomplete": "hisRead answers the first rows, with meta incomplete",
    "rowcap-413": "hisRead of more rows than this is HTTP 413",
    "rowcap-500": "hisRead of more rows than this is HTTP 500",
    "rowcap-cut": "hisRead of more rows than this sends half of the body, then ends the connection",
    "rowcap-hang": "hisRead of more rows than this sends half of the body, then nothing more",
    "cap-first": "hisRead answers the first rows, so many, and says nothing of the others",
    "cap-newest": "hisRead answers the newest rows, so many, and says nothing of the others",
    "point-cap-first": "hisRead answers the first samples of each point, so many, and says nothing of the others",
    "point-cap-newest": "hisRead answers the newest samples of each point, so many, and says nothing of the others",
    "his-limit": "the meta of each hisRead names the cap of its rows as hisLimit",
    "dates-only": "a range of instants is an error grid; dates are days of UTC",
    "mixed-up": "every so many requests of hisRead, a new one gets the answer of the one before, once",
    "rowcap-gzip": "hisRead of more rows than this is packed and well framed, with half of what is packed",
    "idcap": "a batch hisRead of more points than this is an error grid that names the limit",
    "remove-na": "hisWrite stores Remove as NA",
    "remove-ignored": "hisWrite answers Remove and leaves the sample",
    "late-write": "hisWrite stores its samples this many seconds later",
    "slow-write": "hisWrite and pointWrite answer this many seconds after they ran",
    "slow": "every op waits this many seconds",
    "outage": "of every forty requests, logins among them, these many in a row are HTTP 502",
    "first-id-only": "a batch hisRead is answered for its first id only, without an error",
    "no-batch": "a batch hisRead is an error grid",
    "id0-batch": "a batch hisRead has the old form: one row with range, id0, id1, ...",
    "start-exclusive": "a range is (start, end]",
    "extra-samples": "hisRead answers one more sample at both ends",
    "ignore-range": "hisRead answers the whole history",
    "reversed-rows": "hisRead answers the newest first",
    "text-times": "hisStart and hisEnd are Str",
    "floor-1s": "written instants are cut to whole seconds",
    "float32": "Numbers come back in single precision",
    "mixed-zones": "a batch of several zones is answered in the first one's",
    "zone-of-range": "a range of another zone than the point's is refused",
    "drop-batch-write": "a batch hisWrite is answered 200 and not stored",
    "get-only-about": "about, ops, formats and close answer 405 to POST",
    "no-close": "close, defs, libs and filetypes do not exist",
    "zinc-only": "request grids in other formats get 415",
    "json-v3": "JSON answers are version 3, whatever was asked for",
    "plain-json": "JSON is application/json, of version 3 where json-v3 is too; its other names get 406",
    "bare-accept": "an Accept with a charset gets 406",
    "expired-403": "a session that has ended gets 403",
    "login-page": "a request without a login is redirected to an HTML page",
    "cookie-trap": "the login sets a cookie, and a POST that sends it back gets 400",
    "bare-unknown": "an unknown id has a row of nothing but that id",
    "empty-read-404": "a read that finds nothing is 404",
    "body-limit": "request bodies of more bytes than this get 413",
    "only-4": "version 5 of the protocol is refused, with the versions that are spoken",
    "only-5": "version 4 of the protocol is refused, with the versions that are spoken",
    "no-versions": "the header that asks for version 5 is not known: version 4 is spoken to all",
}

NUMBERS: Final[Mapping[str, float | None]] = {
    **dict.fromkeys((name for name in QUIRKS if name.startswith(("rowcap", "cap-", "point-cap-"))), None),
    "mixed-up": 3,
    "idcap": None,
    "late-write": 0.2,
    "slow-write": 0.2,
    "slow": 0.2,
    "outage": 3,
    "body-limit": 2 * 2**20,
}
"""The quirks that take a number, with its default; None: the number must be given."""

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
    # rusty-haystack 0.7.2.
    "rusty-haystack": ("dates-only", "no-batch", "bare-unknown", "body-limit=2097152"),
    # shaystack 0.10.2.
    "shaystack": ("bare-accept", "plain-json", "json-v3", "first-id-only", "drop-batch-write"),
}


def quirks_named(names: Iterable[str]) -> dict[str, float]:
    """The quirks of these names, bundles among them, each with its number, or 0; the later of two numbers counts.

    A text is one name. MetadataError where there is no such quirk, or the text after its ``=`` is not a number.

    >>> quirks_named(["skyspark3", "rowcap=1000"])
    {'extra-samples': 0.0, 'rowcap': 1000.0}
    """
    names = [names] if isinstance(names, str) else names
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
