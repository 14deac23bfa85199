"""The verbs that tell what there is before it is read: points by their names, samples, and what a read takes."""

from __future__ import annotations

from datetime import tzinfo
from typing import get_args

import pandas as pd

from hsframe.caller_warnings import told_once, warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.errors import HsFrameError, ReadWarning, check_choice
from hsframe.frame.names import Asked, find_frame
from hsframe.frame.points import Point
from hsframe.frame.points_like import PointsLike
from hsframe.frame.tree import Tree
from hsframe.history.estimate import estimate_table, shares_of_read
from hsframe.history.inventory import inventories_of, inventory_table
from hsframe.history.plan import ReadOptions, check_count
from hsframe.history.point_records import find_records, with_zones
from hsframe.session.base import ReadingBase
from hsframe.session.reading import OnError, failure_text, note_origin
from hsframe.spans import SpanLike


class InventoryVerbs(ReadingBase):
    """What there is, of a server or of an archive."""

    async def find(self, names: Asked, *, on: str | None = None, filter: str = "point") -> pd.DataFrame:
        """Points by the names that a list from a spreadsheet or a drawing has, and what comes near where there is none.

        Names are compared without case, blanks and punctuation, except between numbers (``"2-10"`` is not ``"21-0"``);
        what is equal to the letter goes before. An id is a name too, and so is a ``navName`` where no display name is
        equal: ``"Main Meter Power"`` of each site. All records of the filter are read for it.

        Parameters
        ----------
        names : str, iterable of str, Series, or DataFrame
            Display names, in any number; or one text with ``*`` for any text and ``?`` for any character, as
            ``"*ahu-1*temp*"``; or a frame, whose column `on` has them.
        on : str, optional
            The column of a frame with the names.
        filter : str
            Which records are looked through, as ``"equip"``, or ``'point and siteRef->dis == "HQ"'``.

        Returns
        -------
        DataFrame
            A row per name in the order asked, with the index of a frame or Series; or one per match of a text with
            ``*``. ``asked``; ``id`` and ``dis`` of the record, missing where `status` is not ``"found"``; ``status``:
            ``"found"``, ``"ambiguous"`` or ``"missing"``; ``nearest``: a tuple of what to ask in place of it, the best
            first: display names, or ids where several have one name; of a text with ``*`` in a list, where it is a name
            as others are, the first names that fit. :meth:`his_read` takes the frame as its points, and warns of rows
            without an id, which it leaves out; it raises for them if it is given the names.

        Raises
        ------
        MetadataError
            `on` is no column of a frame with names. Else as :meth:`read`.
        """
        with self._one_verb() as source:
            grid = await source.read(filter, raw=True)
        rows = [row for row in grid if "id" in row]
        points = [Point.from_record(row) for row in rows]
        pairs = zip(points, (row.get("navName") for row in rows), strict=True)
        nav_names = {point.id: name for point, name in pairs if isinstance(name, str)}
        df = await in_thread(find_frame, points, names, on, nav_names)
        found = set(df["id"])
        self._remember(point for point in points if point.id in found)
        return df

    async def tree(self, text: str = "", *, filter: str = "site or equip or point", limit: int = 1000) -> Tree:
        """Sites, their equipment and their points, to look around: a notebook shows branches that open and close.

        Parameters
        ----------
        text : str
            Show only what has this in its name, with what is above and below it: ``"supply"``, ``"*ahu*temp*"``.
            Names are compared as by :meth:`find`.
        filter : str
            Which records are read: of a large server one site, as ``'point and siteRef->dis == "HQ"'``.
        limit : int
            The most records to show, the upper levels first. The tree says where it leaves some out, and how many.

        Returns
        -------
        Tree
            Its text has a line a record, with the id that the other verbs take; see :class:`hsframe.frame.tree.Tree`.

        Raises
        ------
        CallError, IncompleteError
            As :meth:`read`.
        """
        check_count(limit, "limit")
        with self._one_verb() as source:
            grid = await source.read(filter, raw=True)
        tree = await in_thread(Tree, grid, text, limit)
        self._remember(tree.points)
        self._sites.update(tree.sites)
        return tree

    async def inventory(
        self,
        points: PointsLike,
        span: SpanLike | None = None,
        *,
        tz: str | tzinfo = "point",
        week_start: str = "monday",
        on_error: OnError = "raise",
    ) -> pd.DataFrame:
        """Which samples some points have, before they are read: the first, the last, how many and how far apart.

        Parameters
        ----------
        points, week_start
            As for :meth:`his_read`.
        span : optional
            As for :meth:`his_read`; by default all up to now.
        tz : str or tzinfo
            The zone of ``first`` and ``last``; ``"point"`` is that of the points, or UTC where they have several.
        on_error : {"raise", "warn", "catalog"}
            As for :meth:`his_read`; a point that could not be read has a row all the same, of status ``"failed"``.

        Returns
        -------
        DataFrame
            One row per point: ``id``, ``dis``; ``first`` and ``last``, the instants of these samples; ``rows``
            (``Int64``, missing where nothing tells); ``period``, how far apart samples are (``timedelta64[us]``, from a
            minute on in whole seconds); ``age`` of the last one; ``source``; ``status``, ``"ok"``, ``"empty"`` or
            ``"failed"``, and of the last the ``reason``. Of the sources ``"record"`` is by ``hisStart``, ``hisEnd``,
            ``hisSize`` as the server gives them; without ``hisInterval`` the period is their mean. ``"archive"`` is
            counted. With ``"probe"`` ``last`` is exact; ``first`` is the first of the samples that go on without a hole
            of a day (of seldom ones, 40 days), up to ten years back; ``period`` is that of the last days, and ``rows``
            what there would be by it.

        Raises
        ------
        SpanError, UnknownRecError, MetadataError, CallError, NetworkError, AuthError
            As :meth:`his_read`.

        Warns
        -----
        ReadWarning
            With ``on_error="warn"``: points that could not be read.
        """
        check_choice("on_error", on_error, get_args(OnError))
        failures: dict[str, HsFrameError] = {}
        options = ReadOptions(week_start=week_start, failures=None if on_error == "raise" else failures)
        with self._one_verb() as source, told_once(source.dialect.told):
            records = await with_zones(source, await find_records(source, points, failures=options.failures))
            found = [*(record.point for record in records), *(Point(ident, ident) for ident in failures)]
            spans = None if span is None else options.spans(span, (record.tz for record in records))
            inventories = await inventories_of(source, records, spans, options)
            df = inventory_table(found, inventories, failures, options.now_us, tz)
            note_origin([df], source, options, (spans or {}).values())
        self._remember(record.point for record in records)
        if failures and on_error == "warn":
            warn_caller(failure_text(failures, len(found), "samples", "The frame"), ReadWarning)
        return df

    async def estimate(self, points: PointsLike, span: SpanLike, *, week_start: str = "monday") -> pd.DataFrame:
        """What a read of some histories is expected to take, from the records alone.

        Parameters
        ----------
        points, span, week_start
            As for :meth:`his_read`; but `span` is no frame of episodes.

        Returns
        -------
        DataFrame
            One row per point: ``id``, ``dis``; ``rows``, none before ``hisStart`` and after ``hisEnd``; ``requests``,
            its share of those that it shares with others, without those that prove answers whole; ``bytes`` in memory,
            an instant and a value for each row; ``seconds`` at the speed of the largest read of this server so far,
            missing before one of 100,000 samples, also in a ``sum(skipna=False)``; ``source``: ``"record"``
            (``hisInterval``, or ``hisSize``), or ``"assumed"``: a sample each quarter of an hour. All columns of
            numbers add up.

        Raises
        ------
        SpanError, UnknownRecError, MetadataError, CallError, NetworkError, AuthError
            As :meth:`his_read`.
        """
        options = ReadOptions(week_start=week_start)
        with self._one_verb() as source:
            records = await with_zones(source, await find_records(source, points))
            spans = options.spans(span, (record.tz for record in records))
            self._remember(record.point for record in records)
            df = estimate_table(records, shares_of_read(records, spans, options), source)
            note_origin([df], source, options, spans.values())
        return df
