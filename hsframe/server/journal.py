"""What the log tells of clients: refused logins, failed ops, and each op that changed something or was to.

Clients choose some of the words. They are cut, and what could end a line or look like another one is escaped.
"""

from __future__ import annotations

import logging
from typing import Final

from hsframe.errors import HsFrameError, in_short
from hsframe.grid import Grid
from hsframe.protocol.answers import named
from hsframe.server.state import Call

_MOST_IDS: Final = 3

_log = logging.getLogger("hsframe.server")


def refused_login(user: str, address: str, wrong: int, wait_s: int, *, is_known: bool) -> None:
    """The `wrong`-th login in a row of this user and address was refused; the next try has to wait `wait_s`.

    Whether there is such a user the log tells, and the client is not told.
    """
    why = "wrong password" if is_known else "no such user"
    waits = f"; the next try has to wait {wait_s} s" if wait_s else ""
    _log.warning("login of %r from %s refused: %s (%d)%s", in_short(user), address, why, wrong, waits)


def changed(call: Call, answer: Grid) -> None:
    """An op that changes something was called; a refusal with its reason."""
    who = f"{call.op} of {in_short(call.user)!r} from {call.address}" if call.user else f"{call.op} from {call.address}"
    asked = _plain(_asked(call, answer))
    if answer.is_error:
        _log.warning("%s refused: %s", who, "; ".join(filter(None, [_plain(answer.meta.get("dis")), asked])))
    else:
        _log.info("%s done: %s", who, asked)


def failed(call: Call, error: Exception) -> None:
    """An op failed, with what it says of a file or a disk, or else with its trace."""
    is_known = isinstance(error, HsFrameError | OSError)
    text = _plain(f"{type(error).__name__}: {error}")
    _log.error("the op %s failed: %s", call.op, text, exc_info=None if is_known else error)


def _asked(call: Call, answer: Grid) -> str:
    """Its points or records, how many rows, the action, the level, the tags; empty where it was not read."""
    grid = call.grid
    row = dict(grid[0]) if len(grid) else {}
    ids = [grid.meta.get("id"), *(col.meta.get("id") for col in grid.cols)]
    # An id that the server has given to a new record is in the answer alone.
    ids += [one.get("id") for one in answer or grid] if call.op == "commit" else [row.get("id")]
    words = [f"{len(grid)} rows" if len(grid) else "", named([id for id in ids if id is not None], _MOST_IDS)]
    words += [f"action {grid.meta['action']!r}"] if "action" in grid.meta else []
    if call.op == "commit":
        tags = [col.name for col in grid.cols if col.name not in ("id", "mod")]
        words.append(" ".join(filter(None, [str(grid.meta.get("commit", "")), ", ".join(tags)])))
    words += [f"{name} {row[name]}" for name in ("level", "val") if "level" in row and name in row]
    return "; ".join(filter(None, words))


def _plain(words: object) -> str:
    text = in_short(str(words))
    return text if text.isprintable() else repr(text)
