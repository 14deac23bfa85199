"""Which passwords and tokens a server has refused: no client of this process sends the same again at once.

Some servers lock a user out after a few attempts, and many are made by a loop that connects anew for each point, or by
a cell of a notebook that is run again. Clients that log in at the same moment do not know of each other.
What an op is refused may be a right that is missing: what it carries is refused where ``about`` is refused too, and by
``about`` alone where that was answered before, or nothing was. A token may have the right to read and not that one.
A login page may be shown for a while only, as by a server that starts: what is refused is sent again after a pause.
"""

from __future__ import annotations

import time
from typing import Final, Literal, NamedTuple, TypeAlias

from hsframe.errors import AuthError
from hsframe.protocol.login_steps import Credentials

# How long they are not sent again; each time twice as long. What was accepted before does not wait for long: a server
# that was out of order for an hour does not keep a right password out for another.
_FIRST_S: Final = 60.0
_LONGEST_S: Final = 3600.0
_LONGEST_OF_ACCEPTED_S: Final = 300.0
_MOST: Final = 100  # that are kept, the newest

_now_s = time.monotonic


class _Refusal(NamedTuple):
    """What was said, for how long and until when the same is not sent, and whether it was accepted before."""

    words: str
    pause_s: float
    until_s: float
    was_accepted: bool


_Acceptance: TypeAlias = Literal["by about", "by others"]


class RefusedLogins:
    """What one server said last of some credentials: that it accepts them, or a refusal and how long it holds."""

    def __init__(self) -> None:
        self._known: dict[int, _Refusal | _Acceptance] = {}

    def check(self, who: Credentials) -> None:
        """Raise AuthError where these credentials were refused a short while ago."""
        if refusal := self.held(who):
            raise AuthError(
                f"{refusal.words}; so it was answered before, and this program does not send the same again for "
                f"{refusal.until_s - _now_s():.0f} s: some servers lock users out; connect anew with another one, or "
                "wait if this one is right by now",
                refused=True,
            )

    def held(self, who: Credentials) -> _Refusal | None:
        """The refusal of these credentials, as long as they are not sent again."""
        refusal = self._known.get(_key(who))
        return refusal if isinstance(refusal, _Refusal) and refusal.until_s > _now_s() else None

    def add(self, who: Credentials, words: str) -> None:
        """Note that these were refused, in words without a secret; once, where several requests were under way."""
        if self.held(who):
            return
        before = self._known.get(_key(who))
        if isinstance(before, _Refusal):
            was_accepted = before.was_accepted
            pause_s = min(2.0 * before.pause_s, _LONGEST_OF_ACCEPTED_S if was_accepted else _LONGEST_S)
        else:
            was_accepted, pause_s = before is not None, _FIRST_S
        self._note(who, _Refusal(words, pause_s, _now_s() + pause_s, was_accepted))

    def accept(self, who: Credentials, op: str) -> None:
        """Note that these are accepted now, by an op."""
        known = self._known.get(_key(who))
        said: _Acceptance = "by about" if op == "about" or known == "by about" else "by others"
        if known != said:  # what stays is not noted again: another thread would miss it meanwhile
            self._note(who, said)

    def are_accepted(self, who: Credentials, *, but_for_about: bool = False) -> bool:
        """Whether these were accepted, and not refused since; `but_for_about` by other ops alone."""
        known = self._known.get(_key(who))
        return known == "by others" or (known == "by about" and not but_for_about)

    def _note(self, who: Credentials, said: _Refusal | _Acceptance) -> None:
        self._known.pop(_key(who), None)
        self._known[_key(who)] = said
        for oldest in list(self._known)[:-_MOST]:
            self._known.pop(oldest, None)


def _key(who: Credentials) -> int:
    # Python's hash of a text has a key of its own in each process, so it tells nothing of a secret.
    if who.sends_token:
        return hash(who.token.reveal())
    return hash((who.username, who.auth, who.password.reveal()))
