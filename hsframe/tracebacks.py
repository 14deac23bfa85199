"""What IPython, and so a notebook, shows of an error: its message and the user's own lines; all frames on demand.

IPython asks an exception that has a method ``_render_traceback_`` for its lines. ``hsframe.options.tracebacks`` is the
:data:`form`; ``%tb`` shows the long one in any case.
"""

from __future__ import annotations

import os
import sys
import traceback
from types import TracebackType
from typing import Any, Final, Literal

form: Literal["short", "long"] = "short"

_HEAD: Final = "Traceback (most recent call last)"
_SHORT_HEAD: Final = "%tb shows the whole traceback".rjust(len(_HEAD))
_NOT_THE_USERS: Final = (os.path.dirname(__file__) + os.sep, os.path.dirname(os.__file__) + os.sep, "<frozen ")
_INSTALLED: Final = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")  # IPython's frames, above all


def running_shell() -> Any:
    """The shell of IPython that this code runs in; None elsewhere."""
    return getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()


def rendered(given: BaseException | None = None) -> list[str]:
    """The lines for an error; by default that which is handled, or was the last one."""
    handled = sys.exc_info()[1]
    error = given or handled or sys.last_value
    assert error is not None  # nobody asks before there is one
    shell = running_shell()
    if shell is None:  # another program that knows the method
        return traceback.format_exception(error)
    if form == "long" or handled is not error:  # %tb asks once more, when nothing is handled
        return list(shell.InteractiveTB.structured_traceback(type(error), error, error.__traceback__))
    # Without what led to it: IPython would show that too, and it is in the long form.
    alone = type(error).__new__(type(error), *error.args)
    vars(alone).update(vars(error))
    # By 1 line of each frame IPython shows none of a cell in a kernel, which has no file.
    lines = shell.InteractiveTB.structured_traceback(type(error), alone, _of_user(error.__traceback__), 0, 2)
    return [line.replace(_HEAD, _SHORT_HEAD) for line in lines]


def shorten(error: BaseException) -> None:
    """Have IPython show an error that is none of this package in the same way: a wrong argument, or Ctrl-C."""
    vars(error)["_render_traceback_"] = rendered  # finds the error itself: as a method of it, it would be a cycle


def _of_user(tb: TracebackType | None) -> TracebackType | None:
    """A traceback without the frames of this package, of Python and of what is installed."""
    if tb is None:
        return None
    rest, file = _of_user(tb.tb_next), tb.tb_frame.f_code.co_filename
    if file.startswith(_NOT_THE_USERS) or any(folder in file for folder in _INSTALLED):
        return rest
    return TracebackType(rest, tb.tb_frame, tb.tb_lasti, tb.tb_lineno)
