"""For tests of programs that use this package: Hypothesis strategies, servers of frames, recorded cases.

- :func:`serve`: a server of the histories that frames have.
- :func:`record` and :func:`replay`: what a server was asked and has answered, in a file without secrets, and a server
  of such a file.
- :mod:`hsframe.testing.server`: the embedded server on loopback, with quirks of other servers if wanted
  (:mod:`hsframe.testing.quirks`).
- :mod:`hsframe.testing.strategies`: every kind, grids and histories; needs ``hsframe[testing]``.
- ``hsframe_server`` and ``hsframe_session`` are fixtures, see :mod:`hsframe.pytest_plugin`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from hsframe.testing.frames import serve
    from hsframe.testing.recording import record, replay

__all__ = ["record", "replay", "serve"]


def __getattr__(name: str) -> Any:
    # Only when it is used: the command line has the quirks, and needs no server for that.
    if name not in __all__:
        raise AttributeError(f"module 'hsframe.testing' has no attribute {name!r}")
    return getattr(importlib.import_module(f"hsframe.testing.{'frames' if name == 'serve' else 'recording'}"), name)
