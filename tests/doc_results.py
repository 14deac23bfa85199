"""What a page shows below a block of Python: what it prints, and the value of its last line, as a notebook shows it.

A block of Python may be followed by what comes out of it: a block marked ``output`` has this text, and one marked
``text`` has the same but for numbers, which are of the day on which the page was written.
"""

from __future__ import annotations

import ast
import io
import re
from contextlib import redirect_stdout
from typing import Any

import pandas as pd

_NUMBER = re.compile(r"-?\d[\d.,:]*|NaN|NaT|<NA>")


def run(block: str, name: str, namespace: dict[str, Any]) -> str:
    """Run a block; what it shows, in a terminal of 100 columns, without blanks at the ends of lines."""
    module = ast.parse(block, name)
    last = module.body.pop() if isinstance(module.body[-1], ast.Expr) else None
    with redirect_stdout(io.StringIO()) as printed, pd.option_context("display.width", 100, "display.max_columns", 20):
        exec(compile(module, name, "exec"), namespace)
        if isinstance(last, ast.Expr):
            value = eval(compile(ast.Expression(last.value), name, "eval"), namespace)
            if value is not None:
                print(repr(value))
    return "".join(f"{line.rstrip()}\n" for line in printed.getvalue().splitlines())


def check(got: str, language: str, text: str, name: str) -> None:
    """Fail where a block shows something else than the page says."""
    if language == "output":
        assert got == text, f"{name} gives\n{got}"
    else:
        assert _without_numbers(got) == _without_numbers(text), f"{name} gives\n{got}"


def _without_numbers(text: str) -> list[list[str]]:
    return [_NUMBER.sub("#", line).split() for line in text.splitlines()]
