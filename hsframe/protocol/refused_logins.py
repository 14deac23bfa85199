"""What one server has said of passwords and tokens: no client of this process sends a refused one again at once.

1. What was sent and refused is not sent again before a pause has passed. It doubles each time, to an hour; for what was
   accepted before to five minutes, so that a server that was out of order does not keep a right password out.
2. What an op is refused may be a right that is missing, and counts for that op alone. It counts for all where ``about``
   is refused too, and this op or ``about`` was accepted before. Where nothing ever was, it holds for this op and for
   ``about``, and each other op decides for itself. So a wrong token is sent once with each op that is tried.
3. The first one to send speaks for all that have not sent yet: they wait for its answer, two seconds at most, and send
   too then. It is a courtesy and no lock: the event loop of the first one may stand still, or be closed, for ever.
4. Only an answer that says something of the login refuses it: 401, 403, 423, a login page, AuthErr; to a password, or a
   proof of it, also 400, and 200 without what a login gives. Not a proxy, a busy server or a wrong address.
5. Where SCRAM has proved the server once, a user is logged in by nothing less: something else may answer in its place.

Some servers lock a user out after a few attempts, and many are made by a loop that connects anew for each point, or by
a cell of a notebook that is run again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Final

from hsframe.errors import AuthError
from hsframe.protocol.login_steps import Credentials

_FIRST_S: Final = 60.0
_LONGEST_S: Final = 3600.0
_LONGEST_OF_ACCEPTED_S: Final = 300.0
_MOST: Final = 100  # that are kept, the newest
_ALL: Final = ""  # stands for each op, and for the login itself

_now_s = time.monotonic


@dataclass(frozen=True)
class _Known:
    """For which ops these were ever accepted; what they are refused for, in which words, for how long, until when."""

    accepted: frozenset[str] = frozenset()
    refused_for: frozenset[str] = frozenset()
    words: str = ""
    pause_s: float = 0.0
    until_s: float = 0.0


class RefusedLogins:
    """What one server said last of some credentials, and who sends them now."""

    longest_turn_s = 2.0

    def __init__(self) -> None:
        self._known: dict[int, _Known] = {}
        self._turns: dict[tuple[int, int], tuple[Future[None], float]] = {}

    def check(self, who: Credentials, op: str = _ALL) -> None:
        """Raise AuthError where these credentials were refused a short while ago, for all or for this op."""
        if self.are_held(who, op):
            known = self._said_of(who)
            raise AuthError(
                f"{known.words}; so it was answered before, and this program does not send the same again for "
                f"{known.until_s - _now_s():.0f} s: some servers lock users out; connect anew with another one, or "
                "wait if this one is right by now",
                refused=not known.accepted or _ALL in known.refused_for,
            )

    def are_held(self, who: Credentials, op: str = _ALL) -> bool:
        """Whether these credentials are not sent with an op, as they were refused."""
        known = self._said_of(who)
        return known.until_s > _now_s() and not known.refused_for.isdisjoint((op, _ALL))

    def add(self, who: Credentials, words: str, op: str = _ALL) -> None:
        """Note that these were refused, in words without a secret; once, where several requests were under way."""
        if self.are_held(who, op):
            return
        known = self._said_of(who)
        refused_for = frozenset([op] if op in (_ALL, "about") else [_ALL] if known.accepted else [op, "about"])
        pause_s = known.pause_s
        if known.until_s > _now_s():  # another op was refused just now
            refused_for |= known.refused_for
        else:
            longest_s = _LONGEST_OF_ACCEPTED_S if known.accepted else _LONGEST_S
            pause_s = min(2.0 * pause_s, longest_s) or _FIRST_S
        self._note(who, _Known(known.accepted, refused_for, words, pause_s, _now_s() + pause_s))

    def accept(self, who: Credentials, op: str) -> None:
        """Note that these are accepted now, by an op; what other ops are refused stays."""
        known = self._said_of(who)
        stays, accepted = known.refused_for - {op, _ALL}, known.accepted | {op}
        said = replace(known, accepted=accepted, refused_for=stays) if stays else _Known(accepted)
        if known != said:  # what stays is not noted again: another thread would miss it meanwhile
            self._note(who, said)

    def are_accepted(self, who: Credentials) -> bool:
        """Whether these were accepted, and not refused for all since."""
        known = self._said_of(who)
        return bool(known.accepted) and _ALL not in known.refused_for

    def may_be_all(self, who: Credentials, op: str) -> bool:
        """Whether these may be refused, and not only lack a right, where they are for this op and for ``about``."""
        accepted = self._said_of(who).accepted
        return not accepted or not accepted.isdisjoint((op, "about"))

    @contextmanager
    def turn(self, who: Credentials) -> Iterator[Future[None] | None]:
        """The block in which these are sent, and what is said is noted; gives what to wait for first, where it is.

        It is done when the one that sends them now, in whichever thread, has noted what was said; who comes after
        the longest turn has its own.
        """
        key, own = (os.getpid(), _key(who)), (Future[None](), _now_s())  # a child of a fork waits for no parent
        own[0].set_running_or_notify_cancel()  # who gives up waiting does not cancel it
        first = self._turns.setdefault(key, own)
        if first[1] + self.longest_turn_s <= own[1]:
            first = self._turns[key] = own
        try:
            yield None if first is own else first[0]
        finally:
            if self._turns.get(key) is own:
                self._turns.pop(key, None)
            own[0].set_result(None)

    def _said_of(self, who: Credentials) -> _Known:
        return self._known.get(_key(who), _Known())

    def _note(self, who: Credentials, said: _Known) -> None:
        self._known.pop(_key(who), None)
        self._known[_key(who)] = said
        for oldest in list(self._known)[:-_MOST]:
            self._known.pop(oldest, None)


def _key(who: Credentials) -> int:
    # Python's hash of a text has a key of its own in each process, so it tells nothing of a secret.
    if who.sends_token:
        return hash(who.token.reveal())
    return hash((who.username, who.auth, who.password.reveal()))
