"""The notebooks that come with the package, copied to where a person opens them."""

from __future__ import annotations

import os
import shutil
from filecmp import cmp
from pathlib import Path
from typing import Final

from hsframe.errors import MetadataError
from hsframe.frame.whole_file import local_path

# In a wheel they lie inside the package, in a checkout beside it.
_PACKED: Final = Path(__file__).with_name("notebooks")


def copy_notebooks(folder: str | os.PathLike[str], *, overwrite: bool = False) -> list[Path]:
    """Copy the notebooks that come with the package, and the data that they read, into a folder.

    Parameters
    ----------
    folder : path
        Where to; made where there is none.
    overwrite : bool
        Whether a file that is there and differs, such as a notebook that you have changed, is replaced.

    Returns
    -------
    list of Path
        The notebooks in `folder`, in the order in which they are meant to be read.

    Raises
    ------
    MetadataError
        `folder` is empty; a file of that name is there and differs, and `overwrite` is False. Nothing was copied then.

    Examples
    --------
    >>> [path.name for path in copy_notebooks("hsframe-notebooks")][:2]  # doctest: +SKIP
    ['01-first-trend.ipynb', '02-units.ipynb']
    """
    source = _PACKED if _PACKED.is_dir() else _PACKED.parents[1] / "notebooks"
    local_path(folder)  # refuses an empty one, which is a variable of a shell that is not set
    target = Path(folder).expanduser()
    names = sorted(file.relative_to(source) for pattern in ("*.ipynb", "meters/*") for file in source.glob(pattern))
    new = [name for name in names if not ((at := target / name).exists() and cmp(at, source / name, shallow=False))]
    different = [str(target / name) for name in new if (target / name).exists()]
    if different and not overwrite:
        raise MetadataError(
            f"{', '.join(different)}: there already, with other content; nothing was copied. Take another folder, or "
            "overwrite=True to replace what you have changed"
        )
    for name in new:
        (target / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(source / name, target / name)
    return [target / name for name in names if name.suffix == ".ipynb"]
