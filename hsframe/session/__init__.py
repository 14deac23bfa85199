"""The synchronous face: :func:`connect`, and :class:`Session` with every verb as a method.

Async is the core. A session runs the methods of its :class:`hsframe.Client` through a runner
(:mod:`hsframe.session.runners`), and makes frames of the grids that come back. What is said here about requests,
errors and logins is what the client does.
"""

from hsframe.session.connecting import connect
from hsframe.session.default import default_kept, default_session
from hsframe.session.session import Session

__all__ = ["Session", "connect", "default_kept", "default_session"]
