"""What commands write to stdout."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd


def show(df: pd.DataFrame, *, csv: bool, index: bool) -> None:
    if csv:
        df.to_csv(sys.stdout, index=index)
        return
    width = shutil.get_terminal_size().columns
    print(df.to_string(index=index, max_rows=60, line_width=width if sys.stdout.isatty() else None))
    print(f"{len(df)} rows x {len(df.columns)} columns")
