"""What a user's type checker sees: a small script of every op, read by mypy, in which nothing may be Any."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.one_python

REPOSITORY = Path(__file__).resolve().parent.parent
SCRIPTS = REPOSITORY / "tests" / "data" / "typing"


def mypy(*scripts: Path) -> str:
    run = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", *map(str, scripts)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    return run.stdout + run.stderr


def test_a_users_script_has_types_everywhere(tmp_path: Path) -> None:
    pytest.importorskip("mypy", reason="it comes with the group dev")
    right = SCRIPTS / "user_script.py"
    # That this check can fail: the same script, once an op gives another type and once it gives Any.
    wrong = tmp_path / "wrong.py"
    text = right.read_text("utf-8")
    assert_rows = 'assert_type(await c.read("site"), Rows)'
    assert text.count(assert_rows) == 1
    wrong.write_text(text.replace(assert_rows, 'assert_type(await c.read("site"), Grid)\n    print(c.__dict__)'))
    found = mypy(right, wrong)
    assert right.name not in found
    assert 'not "Grid"' in found
    assert 'Expression type contains "Any"' in found
