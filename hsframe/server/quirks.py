"""What other servers do otherwise, to be switched on: a client is tested against it over a real socket.

A quirk is one deviation, by name: ``rowcap=1000``, ``ignore-range``. A product is a bundle of quirks. Which server
does what stands beside each bundle; the ops look at :class:`Quirks` and nowhere else.
"""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from hsframe.errors import MetadataError

__all__ = ["BUNDLES", "QUIRKS", "Quirks"]


@dataclass(frozen=True)
class Quirks:
    """How a running server deviates from the standard; the defaults deviate nowhere.

    Parameters
    ----------
    row_cap : int or None
        hisRead answers no more rows than this.
    cap_answer : {"error", "incomplete", "413", "500", "cut", "hang"}
        Beyond the cap: an error grid that speaks of a limit; the first rows with meta ``incomplete``; an HTTP code;
        half of the body and then nothing more; or no answer at all.
    id_cap : int or None
        A batch of more points is refused with an error grid that speaks of a limit.
    write_delay_s : float
        What hisWrite was given is stored so much later.
    delay_s : float
        Every op waits this long.
    batch : {"standard", "first-id", "none", "id0"}
        A batch hisRead: as the standard says; the first id only, without a word; an error grid; or the old form of
        one row with ``range``, ``id0``, ``id1``, ...
    start_exclusive : bool
        A range is ``(start, end]``.
    extra_samples : bool
        hisRead answers one sample more at both ends.
    ignore_range : bool
        hisRead answers everything.
    reversed_rows : bool
        hisRead answers the newest first.
    text_times : bool
        ``hisStart`` and ``hisEnd`` are Str.
    floor_s : bool
        Written instants are cut to whole seconds.
    float32 : bool
        Numbers come back in single precision.
    mixed_zones : bool
        A batch of several zones is answered in the first one's.
    zone_of_range : bool
        A range of another zone than the point's is refused.
    drop_batch_write : bool
        A batch hisWrite is answered 200 and forgotten.
    get_only : frozenset of str
        These ops answer 405 to POST.
    missing_ops : frozenset of str
        These ops are not there.
    zinc_requests_only : bool
        Request bodies in other formats get 415.
    json_is_v3 : bool
        JSON answers are version 3, whatever was asked for.
    bare_accept_only : bool
        An Accept item with a charset gets 406.
    expired_status : int
        The HTTP code of a lost session.
    login_page : bool
        A request without login is sent to a login page.
    cookie_trap : bool
        The login sets a cookie, and a POST that brings it back gets 400.
    empty_read_status : int
        The HTTP code of a read that finds nothing.
    body_limit : int or None
        Longer request bodies get 413.
    """

    row_cap: int | None = None
    cap_answer: Literal["error", "incomplete", "413", "500", "cut", "hang"] = "error"
    id_cap: int | None = None
    write_delay_s: float = 0.0
    delay_s: float = 0.0
    batch: Literal["standard", "first-id", "none", "id0"] = "standard"
    start_exclusive: bool = False
    extra_samples: bool = False
    ignore_range: bool = False
    reversed_rows: bool = False
    text_times: bool = False
    floor_s: bool = False
    float32: bool = False
    mixed_zones: bool = False
    zone_of_range: bool = False
    drop_batch_write: bool = False
    get_only: frozenset[str] = frozenset()
    missing_ops: frozenset[str] = frozenset()
    zinc_requests_only: bool = False
    json_is_v3: bool = False
    bare_accept_only: bool = False
    expired_status: int = 401
    login_page: bool = False
    cookie_trap: bool = False
    empty_read_status: int = 200
    body_limit: int | None = None

    @classmethod
    def named(cls, names: Iterable[str]) -> Quirks:
        """The quirks of these names, bundles among them; later ones win.

        Parameters
        ----------
        names : iterable of str
            As ``"ignore-range"``, ``"rowcap=1000"``, ``"niagara"``.

        Raises
        ------
        MetadataError
            No such quirk, or its number is none.

        Examples
        --------
        >>> Quirks.named(["rowcap=1000", "ignore-range"]).row_cap
        1000
        """
        changes: dict[str, Any] = {}
        for name in names:
            for part in BUNDLES.get(name, (name,)):
                changes.update(_changes(part))
        return dataclasses.replace(cls(), **changes)


def _set(**changes: Any) -> Callable[[str], dict[str, Any]]:
    return lambda _: changes


def _whole(field: str, default: str = "", **more: Any) -> Callable[[str], dict[str, Any]]:
    return lambda text: {field: int(text or default), **more}


QUIRKS: Final[Mapping[str, Callable[[str], dict[str, Any]]]] = {
    "rowcap": _whole("row_cap", cap_answer="error"),
    "rowcap-incomplete": _whole("row_cap", cap_answer="incomplete"),
    "rowcap-413": _whole("row_cap", cap_answer="413"),
    "rowcap-500": _whole("row_cap", cap_answer="500"),
    "rowcap-cut": _whole("row_cap", cap_answer="cut"),
    "rowcap-hang": _whole("row_cap", cap_answer="hang"),
    "idcap": _whole("id_cap"),
    "late-write": lambda text: {"write_delay_s": float(text or 0.2)},
    "slow": lambda text: {"delay_s": float(text or 0.2)},
    "first-id-only": _set(batch="first-id"),
    "no-batch": _set(batch="none"),
    "id0-batch": _set(batch="id0"),
    "start-exclusive": _set(start_exclusive=True),
    "extra-samples": _set(extra_samples=True),
    "ignore-range": _set(ignore_range=True),
    "reversed-rows": _set(reversed_rows=True),
    "text-times": _set(text_times=True),
    "floor-1s": _set(floor_s=True),
    "float32": _set(float32=True),
    "mixed-zones": _set(mixed_zones=True),
    "zone-of-range": _set(zone_of_range=True),
    "drop-batch-write": _set(drop_batch_write=True),
    "get-only-about": _set(get_only=frozenset(("about", "ops", "formats", "close"))),
    "no-close": _set(missing_ops=frozenset(("close", "defs", "libs", "filetypes"))),
    "zinc-only": _set(zinc_requests_only=True),
    "json-v3": _set(json_is_v3=True),
    "bare-accept": _set(bare_accept_only=True),
    "expired-403": _set(expired_status=403),
    "login-page": _set(login_page=True),
    "cookie-trap": _set(cookie_trap=True),
    "empty-read-404": _set(empty_read_status=404),
    "body-limit": _whole("body_limit", str(2 * 2**20)),
}

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


def _changes(name: str) -> dict[str, Any]:
    key, _, text = name.partition("=")
    make = QUIRKS.get(key)
    if make is None:
        near = difflib.get_close_matches(key, [*QUIRKS, *BUNDLES], 3)
        raise MetadataError(
            f"there is no quirk {name!r}; "
            + (f"did you mean {' or '.join(near)}? " if near else "")
            + f"The quirks: {', '.join(QUIRKS)}. The servers: {', '.join(BUNDLES)}"
        )
    try:
        return make(text)
    except ValueError:
        raise MetadataError(f"the quirk {name!r} needs a number, as {key}=1000") from None
