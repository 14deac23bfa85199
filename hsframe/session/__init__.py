"""Sessions: every verb a coroutine that gives frames, and the same verbs for synchronous code.

:class:`AsyncSession` has the verbs, once. :class:`Session`, which :func:`connect` makes, and the functions of the
package run them through a runner (:mod:`hsframe.session.runners`) and wait. What is said here about requests, errors
and logins is what :class:`hsframe.Client` does.
"""

from hsframe.session.async_session import AsyncSession
from hsframe.session.default import connect, default_session
from hsframe.session.session import Session

__all__ = ["AsyncSession", "Session", "connect", "default_session"]
