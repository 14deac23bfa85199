"""Installs the other implementations that the interop tests talk to, under ``.peers``.

Each peer has a venv, or a folder of npm, of its own, because its dependencies are none of ours. A peer whose Python or
node is not on this machine is left out with one line that says so, and its tests are skipped with the same reason.

    python scripts/peers.py
"""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Peer:
    """Another implementation: what to install, and the oldest Python that it runs on; None for a package of npm."""

    name: str
    requirements: tuple[str, ...]
    python: str | None


PEERS = (
    # The server of haystack-py imports fastapi, which the package does not ask for; uvicorn runs it.
    Peer("haystack-py-server", ("haystack-py==0.1.10", "fastapi>=0.115", "uvicorn>=0.32"), "3.13"),
    Peer("haystack-core", ("haystack-core@3.0.13",), None),
    # Only what its server of S3 imports: all that the extra "server" brings is twice as much.
    Peer("moto", ("moto==5.2.5", "flask>=3.1", "flask-cors>=6.0", "PyYAML>=6.0", "py-partiql-parser>=0.6"), "3.11"),
)


def make(peer: Peer) -> bool:
    """Install the peer, unless the same requirements stand there already.

    Returns
    -------
    bool
        False where this machine has no Python that is new enough, or no node and npm.

    Raises
    ------
    subprocess.CalledProcessError
        The peer could not be installed.
    """
    folder = ROOT / ".peers" / peer.name
    installed = folder / ("bin/python" if peer.python else "node_modules")
    stamp = folder / "requirements.txt"
    wanted = "\n".join(peer.requirements) + "\n"
    if installed.exists() and stamp.exists() and stamp.read_text() == wanted:
        print(f"{peer.name}: {folder} is there")
        return True
    if peer.python is None:
        npm = shutil.which("npm")
        if npm is None or shutil.which("node") is None:
            print(f"{peer.name}: left out, this machine has no node and npm")
            return False
        folder.mkdir(parents=True, exist_ok=True)
        options = ("--no-save", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder))
        subprocess.run([npm, "install", "--silent", *options, *peer.requirements], check=True)
    else:
        find = ["bash", str(ROOT / "scripts" / "find-python"), peer.python]
        found = subprocess.run(find, capture_output=True, text=True, check=False)
        if found.returncode != 0:
            print(f"{peer.name}: left out, this machine has no Python >= {peer.python}")
            return False
        subprocess.run([found.stdout.strip(), "-m", "venv", "--clear", str(folder)], check=True)
        pip = [str(installed), "-m", "pip", "install", "--quiet"]
        subprocess.run([*pip, *peer.requirements], check=True)
    stamp.write_text(wanted)
    print(f"{peer.name}: made {folder}")
    return True


if __name__ == "__main__":
    for each in PEERS:
        make(each)
    sys.exit(0)
