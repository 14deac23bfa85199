"""Sites, their equipment and their points as a tree: text with indents; in a notebook branches that open and close.

A record stands below that of its ``equipRef``, ``spaceRef`` or ``siteRef``, the first that it has. A record that was
not read, as a filter does not find it, is known by the name that came with the Ref.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from html import escape
from typing import Any, Final

from hsframe.frame.names import Names, is_glob
from hsframe.frame.points import Point
from hsframe.kinds import Ref

_PARENTS: Final = ("equipRef", "spaceRef", "siteRef")
_CLASSES: Final = ("site", "equip", "point")
_TOP: Final = ""
_NUMBER: Final = re.compile(r"(\d+)")


class Tree:
    """What :meth:`hsframe.Session.tree` gives: its text is the tree, and a notebook shows branches to open.

    Parameters
    ----------
    records : iterable of mappings
        The sites, equipment and points.
    text : str
        What is looked for in the names; empty for all.
    limit : int
        The most records to show.

    Attributes
    ----------
    counts : mapping of str to int
        How many ``"site"``, ``"equip"`` and ``"point"`` were read.
    found : list of str
        The ids of the records that have the text.
    points : list of Point
    sites : list of str
        The points that were read, and the ids of the sites.

    Examples
    --------
    >>> hq, ahu = {"id": Ref("hq", "HQ"), "site": True}, {"id": Ref("a", "AHU-1"), "equip": True, "siteRef": Ref("hq")}
    >>> fan = {"id": Ref("f", "Fan"), "point": True, "kind": "Number", "unit": "kW", "equipRef": Ref("a")}
    >>> Tree([hq, ahu, fan], "", 100)
    1 site, 1 equip, 1 point
    HQ  @hq
      AHU-1  @a
        Fan, kW  @f
    """

    def __init__(self, records: Iterable[Mapping[str, Any]], text: str, limit: int) -> None:
        self._text = text
        self._nodes: dict[str, Point] = {}
        self._class_of: dict[str, str] = {}
        above: dict[str, Ref] = {}
        for record in records:
            if isinstance(own := record.get("id"), Ref):
                self._nodes[own.val] = Point.from_record(record)
                self._class_of[own.val] = next((name for name in _CLASSES if name in record), "")
                refs = (ref for name in _PARENTS if isinstance(ref := record.get(name), Ref))
                if (parent := next(refs, None)) is not None:
                    above[own.val] = parent
        self.counts: Mapping[str, int] = Counter(self._class_of.values())
        for ref in above.values():
            self._nodes.setdefault(ref.val, Point(ref.val, ref.dis or ref.val))
        self._above = {ident: ref.val for ident, ref in above.items()}
        for ident in above:
            if ident in self._line_above(ident):  # equipment in a circle: one stands at the top
                del self._above[ident]
        self.points = [self._nodes[ident] for ident, name in self._class_of.items() if name == "point"]
        self.sites = [ident for ident, name in self._class_of.items() if name == "site"]
        self._find(text)
        self._show(limit)

    def _line_above(self, ident: str) -> list[str]:
        line: list[str] = []
        while (ident := self._above.get(ident, _TOP)) and ident not in line:
            line.append(ident)
        return line

    def _find(self, text: str) -> None:
        """Keep what has the text, all that is above it, and all below it."""
        glob = text if is_glob(text) else f"*{text}*"
        self.found = [point.id for point in Names(self._nodes.values()).like(glob)] if text else [*self._nodes]
        kept = set(self.found)
        above = {one for ident in self.found for one in self._line_above(ident)} if text else set()
        self._below: dict[str, list[str]] = {}
        self._size: Counter[str] = Counter()  # of each what is below it
        for ident in self._nodes:
            line = self._line_above(ident)
            if ident in kept or ident in above or not kept.isdisjoint(line):
                self._below.setdefault(line[0] if line else _TOP, []).append(ident)
                self._size.update([*line, _TOP])

    def _show(self, limit: int) -> None:
        """Choose what is shown: the upper levels before the lower ones, so that no branch hides the next one."""
        self._shown, level = set[str](), [_TOP]
        while level and len(self._shown) < limit:
            for ident in level:
                self._below.get(ident, []).sort(key=self._place)
            level = [one for ident in level for one in self._below.get(ident, [])]
            self._shown.update(level[: limit - len(self._shown)])

    def _place(self, ident: str) -> tuple[bool, list[str | tuple[int, str]]]:
        """Points come last, and ``AHU 2`` before ``AHU 10``."""
        parts = _NUMBER.split(self._nodes[ident].dis)
        return self._class_of.get(ident) == "point", [(int(part), part) if part.isdecimal() else part for part in parts]

    def _name(self, ident: str) -> str:
        """The display name, without that of what it stands below, and the unit or kind of a point."""
        point, above = self._nodes[ident], self._nodes.get(self._above.get(ident, _TOP))
        name = point.dis.removeprefix(f"{above.dis} " if above else "") or ident
        detail = point.unit or point.kind if self._class_of.get(ident) == "point" else None
        return f"{name}, {detail}" if detail else name

    def _lines(self, ident: str, depth: int) -> list[str]:
        lines = []
        for one in self._shown_below(ident):
            lines += [f"{'  ' * depth}{self._name(one)}  @{one}", *self._lines(one, depth + 1)]
        return [*lines, *(f"{'  ' * depth}{more}" for more in self._left_out(ident))]

    def _shown_below(self, ident: str) -> list[str]:
        return [one for one in self._below.get(ident, []) if one in self._shown]

    def _left_out(self, ident: str) -> list[str]:
        count = sum(1 + self._size[one] for one in self._below.get(ident, []) if one not in self._shown)
        return [f"... and {count:,} more: tree('part of a name') finds them, limit= shows more"] if count else []

    @property
    def _title(self) -> str:
        names = {"site": "sites", "equip": "equips", "point": "points"}
        counts = ((self.counts[one], one if self.counts[one] == 1 else many) for one, many in names.items())
        found = f"; {len(self.found):,} with {self._text!r}" if self._text else ""
        return ", ".join(f"{count:,} {name}" for count, name in counts) + found

    def __repr__(self) -> str:
        return "\n".join([self._title, *self._lines(_TOP, 0)])

    def _repr_html_(self) -> str:
        return f"<div><b>{escape(self._title)}</b>{self._branches(_TOP)}</div>"

    def _branches(self, ident: str) -> str:
        parts = []
        for one in self._shown_below(ident):
            text = f"{escape(self._name(one))} <code>@{escape(one)}</code>"
            if self._below.get(one):
                is_open = self._text or self._class_of.get(one) == "site"
                text = f"<details{' open' * bool(is_open)}><summary>{text}</summary>{self._branches(one)}</details>"
            parts.append(f'<div style="margin-left: 1.5em">{text}</div>')
        parts += [f'<div style="margin-left: 1.5em"><i>{escape(more)}</i></div>' for more in self._left_out(ident)]
        return "".join(parts)
