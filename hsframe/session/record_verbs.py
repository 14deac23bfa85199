"""The verb of a session that changes records: tags corrected in a frame, by the op commit of SkySpark and Haxall."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, Final

import pandas as pd

from hsframe.caller_warnings import warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.codecs import encode
from hsframe.errors import HsFrameError, MetadataError, WriteWarning
from hsframe.frame.points import display_name
from hsframe.frame.record_changes import Kinds, RecordChange, changes_table, id_of, kinds_of, record_changes, tags_of
from hsframe.grid import Grid
from hsframe.history.failures import may_still_run
from hsframe.history.point_records import read_records
from hsframe.history.write import BODY_BYTES, halves_of, rows_of
from hsframe.kinds import Ref
from hsframe.protocol.answers import named, op_names
from hsframe.protocol.request_grids import Ids, as_refs
from hsframe.session.base import SessionBase

_PARENTS: Final = ("siteRef", "spaceRef", "equipRef", "systemRef")
_IDS_A_FILTER: Final = 100
_DONE: Final = {"add": "added", "update": "changed", "remove": "removed"}


class RecordVerbs(SessionBase):
    """Records changed, added and removed."""

    async def commit(
        self,
        df: pd.DataFrame | None = None,
        *,
        add: bool = False,
        remove: Ids | None = None,
        dry_run: bool = False,
    ) -> pd.DataFrame:
        """Send what was edited in a frame of records (SkySpark, Haxall, ``hsframe serve``); only what has changed.

        The records are read, and each cell is compared with the tag: a missing one takes it away, and so do
        ``hsframe.REMOVE`` and of a Marker False. Columns and rows that the frame does not have stay as they are, and so
        does what a server has from elsewhere, as ``curVal`` and ``hisSize``. A record that another has changed since
        the frame was read (its ``mod``) is refused, before anything is sent or by the server. Additions are sent first,
        then changes, then removals; of each request, of 2 MiB at most, the server does all or nothing.

        A cell is of the kind that the tag has in the record, or else in other records of the server: so texts, as a CSV
        file has them, become Refs, Numbers and dates, and a number without a unit is in that of the tag. What cannot be
        of that kind is refused, and so is a Number in a unit of another dimension. A tag ``unit`` of another quantity
        and an unknown ``unit`` or ``tz`` warn. A value that says its kind, as
        ``hsframe.Number(5, "kW")`` or ``hsframe.Ref("a")``, is sent as it is. A tag that no record has is a Ref where
        its name ends in ``Ref``, a Marker in a column of bool, and else what the cell is: there ``hsframe.MARKER`` is a
        Marker, and True in one cell a Bool; ``hisInterval``, ``minVal`` and their like have the kinds that reads want.
        A Marker is set by True, 1 or the texts true, M, MARKER and ✓, and taken away by False, 0 or the text false, in
        upper or lower case.

        What a file makes of a value is no edit: digits of a Str or an id that became a number, a Bool that became 1 or
        0, a Number converted to the unit of its column, and a time without its zone, ``mod`` too, by the clock of the
        tag's zone, to the millisecond. Texts of digits are edited after ``pd.read_csv(path, dtype=str)``. An empty text
        is no tag where there is none, and texts that pandas reads as missing, as N/A and empty ones, stay with a
        warning where the cell is missing; ``hsframe.REMOVE`` takes them away.

        Parameters
        ----------
        df : DataFrame, optional
            As ``read`` gave it, and edited: a row a record, with ``id``, with ``mod`` where the server has it, and a
            column a tag.
        add : bool
            Add the rows that have no ``id``, or one that the server does not have; else they are refused.
        remove : Ref, str or iterable of them, optional
            The ids of records to remove.
        dry_run : bool
            Send nothing, and say what would change. What cannot be sent is refused as without it.

        Returns
        -------
        DataFrame
            A row a record and tag: ``id``, ``dis``, ``tag``, ``kind``, ``old`` and ``new`` (None where there is no
            tag), and ``status``: ``"added"``, ``"changed"``, ``"removed"`` or ``"dry run"``. A record that goes has one
            row; ``referrers`` is how many others keep a ``siteRef``, ``spaceRef``, ``equipRef`` or ``systemRef`` to it.

        Raises
        ------
        MetadataError
            The server has no commit for this user; a row is of no record, of one that was changed meanwhile or that
            another row changes too, or has values that are not of the tag's kind or cannot be sent (ten are named).
            Nothing was sent.
        CallError
            The server refused; ``error.report`` has what was done before, and ``"not sent"`` for the rest, which goes
            where the records are read once more and edited in the same way.

        Warns
        -----
        UnitWarning
            A record gets a ``unit`` that the unit table does not have; the server may.
        WriteWarning
            A text stays though its cell is missing; a column of display names, as ``siteRef->dis``, differs from the
            server's, and is not sent; a Ref is edited to a record that the server will not have.

        Examples
        --------
        >>> import hsframe
        >>> from hsframe.testing.server import running_server
        >>> with running_server() as server, hsframe.connect(server.uri, "demo", "demo"):
        ...     df = hsframe.read("site").assign(occupied=True)
        ...     df.loc[df["dis"] == "Harbor Tower", "dis"] = "Harbour Tower"
        ...     hsframe.commit(df, dry_run=True)[["tag", "kind", "old", "new"]].head(2)
                tag    kind           old            new
        0       dis     Str  Harbor Tower  Harbour Tower
        1  occupied  Marker          None         MARKER
        """
        if df is None and remove is not None:
            df = pd.DataFrame({"id": []})
        if not isinstance(df, pd.DataFrame) or ("id" not in df and not add):
            raise MetadataError(
                "commit takes a frame with a row a record and a column 'id', as hsframe.read() gives it; with add=True "
                "one of new records, which need no id; or remove= alone"
            )
        if "commit" not in op_names(await self.client.ops(raw=True)):
            raise MetadataError(
                f"the server at {self.uri} lists no op 'commit' for this user; SkySpark, Haxall and hsframe serve have "
                "it, for admins; elsewhere tags are changed with the tools of the server; nothing was sent"
            )
        gone = dict.fromkeys([] if remove is None else as_refs(remove, "commit"))
        ids = list(dict.fromkeys([*filter(None, map(id_of, df.get("id", ()))), *gone]))
        there = {one.id: one.tags for one in await read_records(self.client, [id.val for id in ids], {})}
        if unknown := [str(id) for id in gone if id.val not in there]:
            raise MetadataError(f"remove= names {', '.join(unknown)}, which the server does not have; nothing was sent")
        kinds = await self._kinds(df, there.values())
        edited = await in_thread(partial(record_changes, df, there, kinds, add=add, gone=gone))
        await self._warn_of_lost_refs(edited, gone)
        referrers = await self._referrers(gone, {(one.id, tag) for one in edited for tag in one.tags})
        steps = {
            "add": [one for one in edited if one.id is None or one.id.val not in there],
            "update": [one for one in edited if one.id is not None and one.id.val in there],
            "remove": [
                RecordChange(id, display_name(rec := there[id.val]), rec.get("mod"), {}, referrers[id]) for id in gone
            ],
        }
        if dry_run:
            return changes_table((one, "dry run") for own in steps.values() for one in own)
        return await self._send(steps)

    async def _send(self, steps: Mapping[str, list[RecordChange]]) -> pd.DataFrame:
        """Send the changes of each mode of commit in their order, and give what became of them."""
        changes = [one for own in steps.values() for one in own]
        status = ["not sent"] * len(changes)
        most_bytes, format = self.client.dialect.body_limit or BODY_BYTES, self.client.sender.mime
        waiting = list[tuple[str, Grid]]()  # all is written before the first is sent: what cannot be changes nothing
        for mode, own in steps.items():
            rows = [one.row() for one in own]
            whole = Grid.from_rows({"commit": mode}, list(dict.fromkeys(name for row in rows for name in row)), rows)
            waiting += [(mode, batch) for batch in await in_thread(_batches, whole, format, most_bytes)]
        done = 0
        while waiting:
            mode, batch = waiting.pop(0)
            sent = slice(done, done + len(batch))
            try:
                answer = await self.client.call("commit", batch)
            except HsFrameError as error:
                if halves := halves_of(batch, error):
                    waiting[:0] = [(mode, half) for half in halves]
                    continue
                if may_still_run(error):
                    status[sent] = ["unknown"] * len(batch)
                error.report = changes_table(zip(changes, status, strict=True))
                raise
            status[sent], done = [_DONE[mode]] * len(batch), sent.stop
            if mode == "add" and len(answer) == len(batch):  # the answer has the rows in their order, and new ids
                given = [ref if isinstance(ref := row.get("id"), Ref) else None for row in answer]
                changes[sent] = [replace(one, id=one.id or ref) for one, ref in zip(changes[sent], given, strict=True)]
        return changes_table(zip(changes, status, strict=True))

    async def _referrers(self, gone: Collection[Ref], edited: Collection[tuple[Ref | None, str]]) -> Counter[Ref]:
        """How many records that stay refer to each that is to go; a Ref that is `edited` away first does not count."""
        ids, counts = list(gone), Counter[Ref]()
        for place in range(0, len(ids), _IDS_A_FILTER):
            some = ids[place : place + _IDS_A_FILTER]
            filter = " or ".join(f"{tag}=={id}" for id in some for tag in _PARENTS)
            for rec in await self.client.read(filter, raw=True):
                if (id := rec.get("id")) not in gone:
                    kept = [rec.get(tag) for tag in _PARENTS if (id, tag) not in edited]
                    counts.update({ref for ref in kept if isinstance(ref, Ref)}.intersection(some))
        return counts

    async def _warn_of_lost_refs(self, edited: Iterable[RecordChange], gone: Collection[Ref]) -> None:
        """Warn of new Refs to records that are not there when all is done."""
        refs, added = dict[Ref, str](), {one.id for one in edited}
        for one in edited:
            for tag, (_, new) in one.tags.items():
                if isinstance(new, Ref) and new not in added and tag != "spec":  # which is no record
                    refs.setdefault(new, f"{new} ({one.dis}, tag {tag})")
        unknown: dict[str, HsFrameError] = {}
        await read_records(self.client, [ref.val for ref in refs], unknown)
        if lost := [where for ref, where in refs.items() if ref.val in unknown or ref in gone]:
            warn_caller(
                f"the server will have no records of these new Refs: {named(lost)}; expected ids that hsframe.read() "
                "gives, or of records that are added with them",
                WriteWarning,
            )

    async def _kinds(self, df: pd.DataFrame, records: Iterable[Mapping[str, Any]]) -> Kinds:
        """The kinds of the tags of a frame: in its records, and of those that none of them has in others."""
        kinds = kinds_of(records)
        while wanted := [tag for tag in tags_of(df, kinds) if tag not in kinds]:
            found = kinds_of(await self.client.read(" or ".join(wanted), limit=1, raw=True))
            if not found.keys() & set(wanted):
                break
            kinds = {**found, **kinds}
        return kinds


def _batches(grid: Grid, format: str, most_bytes: int) -> list[Grid]:
    """The rows of a grid, divided so that each body is short enough; of unequal rows some parts are divided again."""
    count = math.ceil(len(encode(grid, format)) / min(most_bytes, BODY_BYTES))
    if count == 1 or len(grid) < 2:
        return [grid] if len(grid) else []
    size = math.ceil(len(grid) / count)
    parts = [rows_of(grid, start, start + size) for start in range(0, len(grid), size)]
    return [batch for part in parts for batch in _batches(part, format, most_bytes)]
