"""Make the pictures of pages anew, by the code beside them: ``python scripts/pictures.py``, beside ``hsframe demo``."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGES = (DOCS / "start.md", DOCS / "how-to" / "pictures.md")
PART = re.compile(r"^```python\n(.*?)^```\n(?:\n!\[[^\]]*\]\((.*?\.png)\))?", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Run the blocks of the pages; a picture that follows a block is of the axes that it made."""
    mpl.use("Agg")
    with tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for page in PAGES:
            names: dict[str, Any] = {}
            for code, picture in PART.findall(page.read_text("utf-8")):
                exec(compile(code, str(page), "exec"), names)  # noqa: S102
                if picture:
                    names["axes"][0].figure.savefig(page.parent / picture, dpi=80)
                    print((page.parent / picture).resolve())


if __name__ == "__main__":
    main()
