"""Where a file of histories may be written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from hsframe.errors import MetadataError

if TYPE_CHECKING:
    import os

__all__ = ["checked_path"]


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
