"""Environments of the peers: one folder each under ``.peers/``, made when it is first needed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

__all__ = ["PEERS", "Peer", "python_of"]

FOLDER = Path(__file__).resolve().parents[2] / ".peers"


@dataclass(frozen=True, slots=True)
class Peer:
    """A package to compare with.

    Parameters
    ----------
    name : str
        On PyPI.
    packages : tuple of str
        What pip installs.
    most_rows : int
        The most rows that it reads at all, or in a bearable time.
    formats, encodes : tuple of str
        The formats that it reads and writes.
    python : tuple of int
        The least version of Python.
    """

    name: str
    packages: tuple[str, ...]
    most_rows: int
    formats: tuple[str, ...]
    encodes: tuple[str, ...] = ("zinc", "json4")
    python: tuple[int, int] = (3, 11)


PEERS = (
    # 100,000 rows are its own cap for JSON. It imports fastapi without naming it as a dependency.
    Peer(
        "haystack-py",
        ("haystack-py==0.1.10", "fastapi", "pandas>=3.0"),
        100_000,
        ("zinc", "json4", "json3"),
        python=(3, 13),
    ),
    Peer("phable", ("phable==0.1.29", "pandas>=3.0"), 100_000, ("zinc", "json4")),
    Peer("rusty-haystack", ("rusty-haystack==0.7.2", "pandas>=3.0"), 100_000, ("zinc", "json4", "json3")),
    Peer("hszinc", ("hszinc==1.3.2", "pandas>=3.0"), 2_000, ("zinc",), ("zinc",)),
    Peer("msgspec", ("msgspec",), 1_000_000, ("json4", "json3"), ()),
)


def python_of(peer: Peer) -> tuple[Path | None, str]:
    """The interpreter of a peer's environment, made if need be; None and the reason where that is impossible."""
    folder = FOLDER / peer.name
    python = folder / "bin" / "python"
    if (folder / "complete").exists():
        return python, ""
    base = _interpreter(peer.python)
    if base is None:
        return None, "needs Python {}.{} or later, and none was found".format(*peer.python)
    shutil.rmtree(folder, ignore_errors=True)
    steps = ([base, "-m", "venv", str(folder)], [str(python), "-m", "pip", "install", "-q", *peer.packages])
    for step in steps:
        done = subprocess.run(step, capture_output=True, text=True, check=False)
        if done.returncode:
            last = (done.stderr.strip().splitlines() or ["no message"])[-1]
            return None, f"{' '.join(step[1:4])} failed: {last}"
    (folder / "complete").touch()
    return python, ""


def _interpreter(least: tuple[int, int]) -> str | None:
    if sys.version_info[:2] >= least:
        return sys.executable
    pyenv = Path.home() / ".pyenv" / "versions"
    found = [*(f"python3.{minor}" for minor in range(least[1], least[1] + 4))]
    found += [str(path) for path in sorted(pyenv.glob("3.*/bin/python"))]
    for name in found:
        path = shutil.which(name)
        if path is None:
            continue
        done = subprocess.run(
            [path, "-c", "import sys; print(*sys.version_info[:2])"], capture_output=True, text=True, check=False
        )
        version = tuple(int(part) for part in done.stdout.split())
        if done.returncode == 0 and version >= least:
            return path
    return None
