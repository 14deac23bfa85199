"""Makes the venvs of the other implementations that the interop tests talk to, under ``.peers``.

Each peer has a venv of its own, because its dependencies are none of ours. A peer whose Python is not on this machine
is left out with one line that says so, and its tests are skipped with the same reason.

    python scripts/peers.py
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Peer:
    """Another implementation: what to install, and the oldest Python that it runs on."""

    name: str
    requirements: tuple[str, ...]
    python: str


PEERS = (
    # The server of haystack-py imports fastapi, which the package does not ask for; uvicorn runs it.
    Peer("haystack-py-server", ("haystack-py==0.1.10", "fastapi>=0.115", "uvicorn>=0.32"), "3.13"),
)


def make(peer: Peer) -> bool:
    """Make the peer's venv, unless the same requirements stand there already.

    Returns
    -------
    bool
        False where this machine has no Python that is new enough.

    Raises
    ------
    subprocess.CalledProcessError
        The venv could not be made or filled.
    """
    folder = ROOT / ".peers" / peer.name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.txt"
    wanted = "\n".join(peer.requirements) + "\n"
    if python.exists() and stamp.exists() and stamp.read_text() == wanted:
        print(f"{peer.name}: {folder} is there")
        return True
    found = subprocess.run(
        ["bash", str(ROOT / "scripts" / "find-python"), peer.python], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        print(f"{peer.name}: left out, this machine has no Python >= {peer.python}")
        return False
    subprocess.run([found.stdout.strip(), "-m", "venv", "--clear", str(folder)], check=True)
    subprocess.run([str(python), "-m", "pip", "install", "--quiet", *peer.requirements], check=True)
    stamp.write_text(wanted)
    print(f"{peer.name}: made {folder}")
    return True


if __name__ == "__main__":
    for each in PEERS:
        make(each)
    sys.exit(0)
