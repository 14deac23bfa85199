"""What a notebook shows of an object: a title, and a few lines of a name and a text each, without a script."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape


def card(title: str, lines: Mapping[str, str]) -> str:
    """A small table; lines without a text are left out."""
    left = ' style="text-align: left"'
    rows = "".join(
        f"<tr><th{left}>{escape(name)}</th><td{left}>{escape(text)}</td></tr>" for name, text in lines.items() if text
    )
    return f"<div><b>{escape(title)}</b><table><tbody>{rows}</tbody></table></div>"
