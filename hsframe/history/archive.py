"""Histories as files: a trend frame as Parquet, with units, zones and ids in its metadata."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hsframe.errors import MetadataError

if TYPE_CHECKING:
    import os

    import pandas as pd

__all__ = ["checked_path", "write_archive"]


def checked_path(path: str | os.PathLike[str]) -> Path:
    """The file to write; looked at before anything is read, as a long read for nothing is a pity.

    Raises
    ------
    MetadataError
        Its folder is not there, or it is a folder itself.
    """
    target = Path(path)
    if target.is_dir():
        raise MetadataError(f"{target} is a folder; expected the name of a file, as in {target / 'trends.parquet'}")
    if not target.parent.is_dir():
        raise MetadataError(f"there is no folder {target.parent}; make it first, or write to another one")
    return target


def write_archive(df: pd.DataFrame, path: Path) -> Path:
    """Write a trend frame so that the file is there whole or not at all."""
    from hsframe.frame.arrow import write_parquet  # pyarrow's Parquet, loaded where it is wanted

    part = path.with_name(path.name + ".part")
    try:
        write_parquet(df, part)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)
    return path
