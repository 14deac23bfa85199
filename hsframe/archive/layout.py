"""Where the samples of an archive lie: the columns of its tables, and the partition that a sample belongs to.

A partition is a period, a month or a year of UTC, and a bucket, a number that the id of the point gives. Both are fixed
when the archive is made, so that a new point moves no other. Folders a site would be many times more files, and the
site of a point may change.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Literal, Self, TypeAlias, get_args

import numpy as np
import pyarrow as pa

from hsframe.errors import MetadataError

Period: TypeAlias = Literal["month", "year"]
Partition: TypeAlias = tuple[str, int]
"""The period, as ``"2026-03"`` or ``"2026"``, and the bucket."""

_VERSION: Final = 1
PARTITION_COLUMNS: Final = ["period", "bucket"]

# The columns of a file; the partition is in its path and in the table's log.
FILE_SCHEMA: Final = pa.schema(
    [
        pa.field("id", pa.string(), nullable=False),
        pa.field("ts", pa.timestamp("us", "UTC"), nullable=False),
        pa.field("value", pa.float64()),
        pa.field("text", pa.string()),
        pa.field("unit", pa.string()),
    ]
)
SAMPLE_SCHEMA: Final = FILE_SCHEMA.append(pa.field("period", pa.string())).append(pa.field("bucket", pa.int32()))
# The same columns in memory, where texts that repeat are numbers.
_DICTIONARY: Final = pa.dictionary(pa.int32(), pa.string())
ROWS_SCHEMA: Final = pa.schema(
    [one.with_type(_DICTIONARY) if pa.types.is_string(one.type) else one for one in FILE_SCHEMA]
)

# Rows of a partition: some 70 MB at 1.4 bytes a row.
_ROWS_A_PARTITION: Final = 50_000_000
_MOST_BUCKETS: Final = 1024
_VERSION_KEY: Final = "hsframe.version"
_PERIOD_KEY: Final = "hsframe.period"
_BUCKETS_KEY: Final = "hsframe.buckets"


@dataclass(frozen=True, slots=True)
class Layout:
    """The length of the periods, and the number of buckets."""

    period: Period = "month"
    buckets: int = 1

    @classmethod
    def of_density(cls, rows_a_day: float) -> Self:
        """The layout for points that have so many rows a day, all together."""
        if rows_a_day * 366 <= _ROWS_A_PARTITION:
            return cls("year", 1)
        wanted = max(rows_a_day * 31 / _ROWS_A_PARTITION, 1.0)
        return cls("month", min(1 << math.ceil(math.log2(wanted)), _MOST_BUCKETS))

    @classmethod
    def of_configuration(cls, configuration: Mapping[str, str | None], where: str) -> Self:
        """The layout that the configuration of a table has; `where` is the table, for the error."""
        version, period, buckets = (configuration.get(key) for key in (_VERSION_KEY, _PERIOD_KEY, _BUCKETS_KEY))
        if version is None:
            raise MetadataError(
                f"{where} is a Delta table, but no archive of hsframe: its configuration has no {_VERSION_KEY!r}; "
                "read it with deltalake.DeltaTable"
            )
        if not version.isdigit() or int(version) > _VERSION:
            raise MetadataError(
                f"{where} is an archive of version {version}, and this hsframe reads up to {_VERSION}; update hsframe"
            )
        known = next((one for one in get_args(Period) if one == period), None)
        if known is None or not (buckets and buckets.isdigit() and int(buckets)):
            raise MetadataError(f"the configuration of {where} is damaged: period {period!r}, buckets {buckets!r}")
        return cls(known, int(buckets))

    @property
    def configuration(self) -> dict[str, str | None]:
        return {_VERSION_KEY: str(_VERSION), _PERIOD_KEY: self.period, _BUCKETS_KEY: str(self.buckets)}

    def bucket(self, ident: str) -> int:
        """The bucket of a point: CRC-32 of the UTF-8 of its id, modulo the number of buckets."""
        return zlib.crc32(ident.encode()) % self.buckets

    def sort_key(self, ident: str) -> tuple[int, str]:
        """What points are sorted by so that those of one bucket, and of ids beside each other, are read together."""
        return self.bucket(ident), ident

    def bounds_us(self, name: str) -> tuple[int, int]:
        """The start of a period, and its end, which is not in it."""
        start = np.datetime64(name)
        number = int(start.astype(np.int64))
        start_us, end_us = np.array([number, number + 1]).astype(start.dtype).astype("M8[us]").astype(np.int64).tolist()
        return start_us, end_us

    def has(self, partition: Partition) -> bool:
        """Whether there is such a partition; another program may have made any."""
        pattern = r"\d{4,5}-(0[1-9]|1[0-2])" if self.period == "month" else r"\d{4,5}"
        return re.fullmatch(pattern, str(partition[0])) is not None and partition[1] in range(self.buckets)

    def parts(self, start_us: int, end_us: int) -> list[tuple[str, int, int]]:
        """The periods that a half-open window is in, each with the part of the window that is in it."""
        found, length = [], "M8[M]" if self.period == "month" else "M8[Y]"
        while start_us < end_us:
            name = str(np.datetime64(start_us, "us").astype(length))
            until_us = min(self.bounds_us(name)[1], end_us)
            found.append((name, start_us, until_us))
            start_us = until_us
        return found
