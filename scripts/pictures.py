"""Make the pictures of docs/how-to/pictures.md anew, from the demo building: ``python scripts/pictures.py``."""

from __future__ import annotations

import contextlib
import re
import tempfile
from pathlib import Path
from typing import Any

import matplotlib as mpl

import hsframe
from hsframe.testing.server import running_server

DOCS = Path(__file__).resolve().parent.parent / "docs"
PAGE = DOCS / "how-to" / "pictures.md"
PART = re.compile(r"^```python\n(.*?)^```\n(?:\n!\[[^\]]*\]\(\.\./pictures/(\w+\.png)\))?", re.MULTILINE | re.DOTALL)


def main() -> None:
    """Run the blocks of the page; a picture that follows a block is of the axes that it made."""
    mpl.use("Agg")
    names: dict[str, Any] = {}
    with running_server() as server, tempfile.TemporaryDirectory() as folder, contextlib.chdir(folder):
        for code, picture in PART.findall(PAGE.read_text("utf-8")):
            exec(compile(code.replace("http://127.0.0.1:8080/api", server.uri), str(PAGE), "exec"), names)  # noqa: S102
            if picture:
                names["axes"][0].set_title("", loc="right")  # the port of the server is another one each time
                names["axes"][0].figure.savefig(DOCS / "pictures" / picture, dpi=80)
                print(DOCS / "pictures" / picture)
        hsframe.close()


if __name__ == "__main__":
    main()
