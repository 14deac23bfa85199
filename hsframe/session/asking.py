"""Asks the person at the terminal or notebook for a password; nobody else."""

from __future__ import annotations

import getpass
import sys
import threading
from contextlib import suppress

from hsframe.session.progress_bar import in_notebook


def asked_password(user: str) -> str | None:
    """The password that a person types, unseen; None where nobody can be asked, as in a worker or cron."""
    import multiprocessing  # only here: it takes time to import

    is_main = threading.current_thread() is threading.main_thread() and multiprocessing.parent_process() is None
    is_terminal = sys.stdin is not None and sys.stdin.isatty()
    if is_main and (is_terminal or in_notebook()):
        # The kernel of a notebook that is run by a program refuses.
        with suppress(EOFError, NotImplementedError):
            while not (given := getpass.getpass(f"password of {user}: ")):
                pass
            return given
    return None
