"""What was edited in a frame of records, tag by tag, against the records themselves.

A cell of a frame does not say its kind: a text may be a Str, a Ref, or a Number that was in a CSV file, a number the
digits of a Str or a Ref, True a Marker or a Bool. It is of the kind that the tag has in the record or, where it has
none there, in others. A tag that nobody has is what the dtype says (:mod:`hsframe.frame.entities`), or a Ref where its
name ends in ``Ref``, or it names a ``spec``, as ``ph::Site``; those of histories, as ``hisInterval``, have their kinds.
What cannot be of that kind is refused; only a value of hsframe's kinds, which says its own, gives a tag another one.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any, Final

import numpy as np
import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.codecs.value_writer import to_bytes
from hsframe.codecs.zinc import parse_value
from hsframe.codecs.zinc_write import write_value
from hsframe.errors import CodecError, HsFrameError, MetadataError, UnitWarning, WriteWarning, ZoneError, ZoneWarning
from hsframe.frame.points import DIS_SUFFIX, HIS_TAGS, display_name
from hsframe.grid import Value
from hsframe.kinds import MARKER, NA, NAME, REMOVE, Bin, Coord, Marker, Na, Number, Ref, Symbol, Uri, XStr
from hsframe.protocol.answers import named
from hsframe.protocol.request_grids import as_kind, as_ref
from hsframe.unit_array.scalars import is_missing
from hsframe.units.table import convertible, find, unknown
from hsframe.zones import zone

# What Haxall (FolioUtil, 2026) never stores: a server has these from elsewhere, and they move while a frame is edited.
_NEVER_STORED: Final = frozenset(
    {"mod", "transient", "connState", "connStatus", "connErr", "curVal", "curStatus", "curErr", "curSource"}
    | {"writeVal", "writeLevel", "writeStatus", "writeErr", "nextTime", "nextVal", "hisStatus", "hisErr", "hisId"}
    | {"hisSize", "hisStart", "hisStartVal", "hisEnd", "hisEndVal"}
)
# What pandas (3.1) reads from a file as a missing cell.
_READ_AS_MISSING: Final = frozenset(
    {"", "#N/A N/A", "#N/A", "#NA", "<NA>", "N/A", "n/a", "NA", "NULL", "null", "None", "NaN", "nan", "-NaN", "-nan"}
    | {"1.#IND", "1.#QNAN", "-1.#IND", "-1.#QNAN"}
)
_SAYS_ITS_KIND: Final = (Number, Ref, Uri, Symbol, Marker, Na, Coord, XStr, Bin)
_BOOLS: Final = {"true": True, "false": False}
_MARKERS: Final = {**_BOOLS, "m": True, "marker": True, "✓": True}  # as hsframe writes and prints it
_TIMES: Final = {datetime: "DateTime", date: "Date", time: "Time"}
_NAMES: Final[Mapping[type, str]] = {Na: "NA", bool: "Bool", str: "Str", list: "List", dict: "Dict", **_TIMES}

Kinds = Mapping[str, Collection[type]]
"""The kinds that each tag has in records."""


@dataclass(frozen=True, slots=True)
class RecordChange:
    """The tags of one record that are to change, each with its value before and after; None is no tag.

    Of a record that is to go, none; `referrers` is how many others refer to it.
    """

    id: Ref | None
    dis: str
    mod: Value | None
    tags: Mapping[str, tuple[Value | None, Value | None]]
    referrers: int | None = None

    def row(self) -> dict[str, Any]:
        """The row of a request: a tag that is to go is Remove."""
        told: dict[str, Any] = {} if self.id is None else {"id": self.id}
        told |= {} if self.mod is None else {"mod": self.mod}
        return {**told, **{tag: REMOVE if new is None else new for tag, (_, new) in self.tags.items()}}


def kinds_of(records: Iterable[Mapping[str, Any]]) -> dict[str, set[type]]:
    """The kinds that the tags of records have."""
    kinds = dict[str, set[type]]()
    for rec in records:
        for tag, value in rec.items():
            if not is_missing(value):
                kinds.setdefault(tag, set()).add(type(value))
    return kinds


def id_of(cell: object) -> Ref | None:
    """The id in a cell, None where there is none; one of digits alone is a number after a CSV file."""
    if _is_blank(cell):
        return None
    return as_ref(_digits(as_kind(cell)) or cell)  # type: ignore[arg-type]  # what is neither is refused there


def tags_of(df: pd.DataFrame, known: Collection[str]) -> list[str]:
    """The columns of a frame that are tags to commit; MetadataError for one that is not `known` and cannot be a tag."""
    if not df.columns.is_unique:
        raise MetadataError(f"the frame has several columns {df.columns[df.columns.duplicated()][0]!r}; keep one")
    tags = [tag for tag in df.columns if tag != "id" and tag not in _NEVER_STORED and not _is_of_names(tag)]
    for tag in tags:
        if not isinstance(tag, str) or (tag not in known and (NAME.problem(tag) or tag[0].isupper())):
            raise MetadataError(
                f"the column {tag!r} cannot be a tag: expected {NAME.expected}; rename or drop it; nothing was sent"
            )
    return tags


def record_changes(
    df: pd.DataFrame,
    records: Mapping[str, Mapping[str, Any]],
    kinds: Kinds,
    *,
    add: bool = False,
    gone: Collection[Ref] = (),
) -> list[RecordChange]:
    """The records of a frame that differ from those of the server, by id; with `add` those too that it does not have.

    Those that are to be `gone` are not compared. `kinds` are those of the tags in these records, or in others.

    MetadataError where a row is of no such record, of one that another has changed since the frame was read, or of one
    that another row changes too, and where it has values that cannot be sent. A WriteWarning has what is not sent.
    """
    tags = tags_of(df, kinds)
    kinds = {**{tag: (kind,) for tag, kind in HIS_TAGS.items()}, **kinds}
    names = [tag for tag in df.columns if _is_of_names(tag)]
    columns = {str(tag): df[tag].tolist() for tag in ("id", "mod", *tags, *names) if tag in df}
    markers = {tag for tag in tags if df[tag].dtype == np.bool_}
    found, wrong, kept = dict[Ref | int, RecordChange](), list[str](), list[str]()
    renamed: dict[str, list[str]] = {name: [] for name in names}
    for place in range(len(df)):
        row = {tag: cells[place] for tag, cells in columns.items()}
        id = id_of(row.get("id"))
        old = {} if id is None else records.get(id.val, {})
        if not old and not add:
            what = "no id" if id is None else f"the id {id}, which the server does not have"
            raise MetadataError(f"row {place} of the frame has {what}; add=True adds such records; nothing was sent")
        dis = display_name(old or {**row, "id": id})
        who = f"row {place} of the frame" if id is None else f"{id} ({dis})"
        changed = {}
        for tag in tags if id not in gone else ():
            was, cell = old.get(tag), row[tag]
            if cell is not NA and _is_blank(cell):
                if _is_nothing(was):
                    continue
                if is_missing(cell) and _text_of(was) in _READ_AS_MISSING:
                    kept.append(f"{who}, tag {tag}: {_text_of(was)!r}")
                    continue
            try:
                new = _value(cell, None if is_missing(was) else was, kinds.get(tag, ()), tag, tag in markers)
                if _is_same(new, was):
                    continue
                to_bytes(write_value({tag: new}), "zinc")
            except (HsFrameError, ValueError) as error:
                wrong.append(f"{who}, tag {tag}: {error}")
                continue
            if tag == "unit" and isinstance(new, str) and not new.startswith("_"):
                if find(new) is None:
                    warn_caller(f"{who} gets the unit {new!r}: {unknown(new)}", UnitWarning)
                elif isinstance(was, str) and find(was) is not None and not convertible(was, new):
                    warn_caller(
                        f"{who} gets the unit {new!r} in place of {was!r}, and is another quantity then: "
                        "the samples of its history stay as they are",
                        UnitWarning,
                    )
            if tag == "tz" and isinstance(new, str):
                try:
                    zone(new)
                except ZoneError as error:
                    warn_caller(f"{who} gets the tz {new!r}: {error}", ZoneWarning)
            changed[tag] = was, new
        for name in names if old and id not in gone else ():
            of = name.removesuffix(DIS_SUFFIX)
            if of not in changed and _is_renamed(row[name], old.get(of)):
                renamed[name].append(who)
        if old and (changed or (id in gone and not _is_blank(row.get("mod")))):
            _check_mod(row.get("mod"), old.get("mod"), who)
        if changed:
            if id in found:
                raise MetadataError(f"the frame has two rows of {id} with changes; expected one; nothing was sent")
            found[id or place] = RecordChange(id, dis, old.get("mod"), changed)
    if wrong:
        more = f"\nand {len(wrong) - 10} more" if wrong[10:] else ""
        raise MetadataError("\n".join(wrong[:10]) + f"{more}; nothing was sent")
    if kept:
        warn_caller(
            f"texts that pandas reads from a file as missing cells are missing in the frame, and stay: {named(kept)}; "
            "hsframe.REMOVE takes such a tag away, as in df[tag] = df[tag].mask(rows, hsframe.REMOVE)",
            WriteWarning,
        )
    for name, rows in renamed.items():
        if rows:
            warn_caller(
                f"the column {name!r} has other names than the server, and they are not sent: {named(rows)}; a display "
                "name is made of the tags of its own record, so edit those (dis, navName) in a frame of it",
                WriteWarning,
            )
    return list(found.values())


def _is_of_names(tag: object) -> bool:
    """Whether a column has the display names of Refs, which are their own records'; their ids may be left out."""
    return isinstance(tag, str) and tag.endswith(DIS_SUFFIX)


def _is_renamed(name: Any, of: Value | None) -> bool:
    """Whether a cell beside a Ref has another name than the Ref."""
    dis = of.dis if isinstance(of, Ref) else None
    try:
        return not _is_blank(name) and _value(name, dis, {str}, "dis", False) != dis
    except HsFrameError:
        return True


def _is_blank(cell: object) -> bool:
    """Whether a cell is missing, or the empty text that ``read_csv(keep_default_na=False)`` makes of that."""
    return is_missing(cell) or (isinstance(cell, str) and not cell)


def _check_mod(cell: Any, mod: Any, who: str) -> None:
    if _is_blank(cell):
        if mod is None:
            return
        raise MetadataError(
            f"{who} has no mod in the frame, which may be older than another's change; edit a frame with the column "
            "mod, as hsframe.read() gives it, or say that what is there now was seen: "
            "df.merge(hsframe.read(...)[['id', 'mod']], on='id'); nothing was sent"
        )
    seen = None
    with suppress(HsFrameError, ValueError):
        seen = _value(cell, mod, {datetime}, "mod", False)
    if not _is_same(seen, mod):
        if not isinstance(seen, datetime) or (isinstance(mod, datetime) and _is_cut(seen, mod)):
            raise MetadataError(
                f"{who} has the mod {str(cell)!r} in the frame, which is no timestamp in full, so it does not tell if "
                "another has changed the record; expected the text of mod as it was read, as "
                "'2026-11-25 20:28:44.816+00:00', which Excel keeps in a column of texts; read it again and edit that; "
                "nothing was sent"
            )
        taken = ", taken as of the same zone" if isinstance(seen, datetime) and seen.tzinfo is None else ""
        raise MetadataError(
            f"{who} was changed on the server since the frame was read: its mod is {mod}, and in the frame {cell}"
            f"{taken}; read it again and edit that; nothing was sent"
        )


def _is_cut(seen: datetime, mod: datetime) -> bool:
    """Whether a time may be another without its seconds, or without their fraction, as Excel shows and saves it."""
    wall = seen if seen.tzinfo is None else seen.astimezone(mod.tzinfo).replace(tzinfo=None)
    away = abs(wall - mod.replace(tzinfo=None))
    return wall.microsecond == 0 and away < timedelta(seconds=1 if wall.second else 60)


def _value(cell: Any, was: Any, others: Collection[type], tag: str, is_marker: bool) -> Any:
    """What a cell means for a tag that was `was`, and has the kinds `others` in other records; None is no tag."""
    if cell is REMOVE or (is_missing(cell) and cell is not NA):
        return None
    says_its_kind = isinstance(cell, _SAYS_ITS_KIND)
    cell = as_kind(cell.to_pydatetime() if isinstance(cell, pd.Timestamp) else cell)
    kind: type | None = type(was) if was is not None else next(iter(others)) if len(others) == 1 else None
    if kind is None and isinstance(cell, str) and (tag.endswith("Ref") or (tag == "spec" and "::" in cell)):
        kind = Ref
    if isinstance(cell, bool) and (kind is Marker or (kind is None and is_marker)):
        return _flag(cell, Marker)
    if kind is not None and type(cell) is not kind and not says_its_kind:
        cell = _of_kind(cell, kind, was)
    if isinstance(cell, Number) and isinstance(was, Number):
        if cell.unit is None:
            return Number(cell.val, was.unit)  # one without a unit is in that of the tag, as for samples
        if not says_its_kind and was.unit not in (None, cell.unit):
            if not convertible(cell.unit, was.unit):
                raise _refusal(cell, Number, was)
            # A column has one unit, to which the values of records in others are converted.
            return was if math.isclose(was.to(cell.unit).val, cell.val, rel_tol=1e-12) else cell
    if isinstance(cell, datetime) and isinstance(was, datetime):
        if cell.tzinfo is not None:
            return cell.astimezone(was.tzinfo)
        if _is_on_the_clock_of(cell, was):
            return was
    return cell


def _of_kind(cell: Any, kind: type, was: Any) -> Any:
    """A text as a value of a kind: as it is written in Zinc, or as pandas writes the kind into a CSV file.

    A number is what pandas makes of a column of a file: of digits, also with blanks, and of Bools with blanks. True is
    what it makes of the texts true.
    """
    text_there = _text_of(was)
    if was is not None and str(cell) == str(was):
        return was
    if kind is date and isinstance(cell, datetime) and cell.time() == time():
        return cell.date()  # as read_csv(parse_dates=...) makes it
    if isinstance(cell, Number) and cell.unit is None:
        if kind in (bool, Marker) and cell.val in (0, 1):
            return _flag(bool(cell.val), kind)
        if text_there is not None and _number_of(text_there) == cell.val:
            return was  # as 1234 is "01234"
        if kind is Ref and (digits := _digits(cell)):
            return Ref(digits)
    if isinstance(cell, bool) and text_there is not None and _BOOLS.get(text_there.lower()) is cell:
        return was
    if not isinstance(cell, str):
        raise _refusal(cell, kind, was)
    text = cell.strip()
    if kind in (bool, Marker) and text.lower() in (told := _BOOLS if kind is bool else _MARKERS):
        return _flag(told[text.lower()], kind)
    try:
        value = _OF_TEXT.get(kind, parse_value)(text)
    except (CodecError, ValueError):
        value = None
    if type(value) is not kind:
        raise _refusal(cell, kind, was)
    return value


def _flag(is_set: bool, kind: type) -> Any:
    return is_set if kind is bool else MARKER if is_set else None


def _text_of(value: Any) -> str | None:
    """The text of a kind that a file has as its text alone."""
    return value.val if isinstance(value, Ref | Uri | Symbol) else value if isinstance(value, str) else None


def _digits(number: object) -> str | None:
    """The digits of which a reader of files has made a number, None where they cannot be told."""
    if not isinstance(number, Number) or number.unit is not None:
        return None
    is_whole = isinstance(number.val, int) or (number.val.is_integer() and abs(number.val) < 2**53)
    return str(int(number.val)) if is_whole else None


def _number_of(text: str) -> float | None:
    """The number that a reader of files makes of a text; of digits an int, which no rounding makes equal to another."""
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        return None


def _is_on_the_clock_of(wall: datetime, was: datetime) -> bool:
    """Whether a time without a zone is a tag's, by the clock of its zone alone; Excel has no zones, and keeps ms.

    By the clock of UTC too, an edit by as much as the zone is away from it would be lost.
    """
    return abs(wall - was.replace(tzinfo=None)) < timedelta(milliseconds=1)


def _instant(text: str) -> Any:
    """As pandas and Python write it; or with the name of a zone after it, as Zinc has it."""
    if text[-1:].isalpha():
        return parse_value(text)
    when = datetime.fromisoformat(text)
    return when if when.tzinfo is None else when.astimezone(UTC)


_OF_TEXT: Final[Mapping[type, Callable[[str], Any]]] = {
    Number: lambda text: parse_value(text.replace(" ", "")),
    Ref: as_ref,
    Uri: Uri,
    Symbol: lambda text: Symbol(text.removeprefix("^")),
    datetime: _instant,
    date: date.fromisoformat,
    time: time.fromisoformat,
}


def _refusal(cell: Any, kind: type, was: Any) -> MetadataError:
    there = _kind_name(kind) if was is None else f"{_kind_name(kind)}, {was}"
    given = cell if isinstance(cell, Number) else repr(cell)
    says = f"it is a {there}, and the frame has {given}, which cannot stand for one; "
    if kind is str and isinstance(cell, Number) and cell.unit is None:
        return MetadataError(
            f"{says}digits are read from a file as texts with pd.read_csv(path, dtype=str), and so with read_excel; "
            f"hsframe.Number({cell.val}) makes it a Number"
        )
    if kind is Marker:
        return MetadataError(f"{says}expected True, M, MARKER or ✓ to set it, False or a missing cell to take it away")
    return MetadataError(
        f"{says}only a value that says its own kind, as hsframe.Number(5, 'kW'), changes the kind or the dimension"
    )


def _kind_name(kind: type) -> str:
    return _NAMES.get(kind, kind.__name__)


def _is_nothing(value: Any) -> bool:
    return is_missing(value) or (isinstance(value, Number) and math.isnan(value.val))


def _is_same(one: Any, other: Any) -> bool:
    if isinstance(one, datetime) and isinstance(other, datetime) and one.tzinfo is not None:
        return one.astimezone(UTC) == other.astimezone(UTC)  # == of one zone does not tell an hour from its repeat
    return type(one) is type(other) and bool(one == other)


def changes_table(changes: Iterable[tuple[RecordChange, str]]) -> pd.DataFrame:
    """A row a record and tag, of kind ``kind``, with what is ``old`` and ``new``; a record that goes has one row."""
    rows: list[Sequence[Any]] = []
    for change, status in changes:
        who = (None if change.id is None else change.id.val, change.dis)
        for tag, (old, new) in (change.tags or {"": (None, None)}).items():
            kind = _kind_name(type(old if new is None else new)) if tag else None
            rows.append((*who, tag, kind, old, new, status, change.referrers))
    columns = ["id", "dis", "tag", "kind", "old", "new", "status", "referrers"]
    table = pd.DataFrame(rows, columns=columns, dtype=object)
    return table.astype({**dict.fromkeys(("id", "dis", "tag", "kind", "status"), "str"), "referrers": "Int64"})
