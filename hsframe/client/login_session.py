"""The session of a client: one login for all calls, a new one when the server has forgotten it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import replace
from typing import Final

from hsframe.caller_warnings import warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.client.request_log import logged
from hsframe.client.retries import Patience
from hsframe.client.transport import Transport
from hsframe.errors import AuthError, HsFrameError, LoginWarning, NetworkError
from hsframe.protocol.dialects import Dialect
from hsframe.protocol.http import ConnectionLostError, HttpAnswer, HttpRequest, http_failure
from hsframe.protocol.login_steps import Credentials, LoginResult, login_steps
from hsframe.protocol.request_grids import Op
from hsframe.protocol.secret import Secret

_LOGIN: Final = Op("login", get=True, repeatable=True)


class LoginSession:
    """Logs in when needed, once for all calls that wait for it.

    The credentials are kept, because a lost session logs in again. `accept` is the MIME type that a server may answer
    in where it wants no login, `dialect` what all clients of the server know: also what not to send again.
    """

    def __init__(
        self, transport: Transport, base: str, credentials: Credentials, accept: str, dialect: Dialect
    ) -> None:
        self._transport = transport
        self._base = base
        self._credentials = credentials
        self._accept = accept
        self._dialect = dialect
        for secret in (credentials.password, credentials.token):
            transport.secrets.add_own(secret, credentials.username, base)
        self._session: LoginResult | None = None
        self._lock = asyncio.Lock()
        self._tried = 0
        self._failure: HsFrameError | None = None

    def forget(self) -> LoginResult | None:
        """Give the session and drop it."""
        session, self._session = self._session, None
        return session

    def expect_scram(self) -> None:
        """Let no login by less count, also not the one that there is, unless `auth` has it."""
        self._credentials = replace(self._credentials, scram_seen=True)
        if self._session is not None and self._session.scheme != "scram":
            self._session = None

    async def current(self, patience: Patience) -> LoginResult:
        """The session; logs in if there is none.

        All calls that wait for one login get its failure; a later call tries again, at once if nothing was refused.
        What each request carries may have been refused in another session meanwhile: then it is not sent again either.
        """
        session = self._session
        if session is None or (_is_carried(session) and self._dialect.refused.held(self._credentials)):
            return await self.renew(session, patience)
        return session

    async def renew(self, old: LoginResult | None, patience: Patience) -> LoginResult:
        """A session newer than `old`: the one that another call has made already, or that of a new login.

        A login that fails begins again, at its first step, as the patience of the call allows. A password that was
        given beside a token is sent while the token is refused, and takes its place if the server takes it.
        """
        tried = self._tried
        async with self._lock:
            if self._session is not None and self._session is not old:
                return self._session
            if self._failure is not None and self._tried != tried:
                raise self._failure
            self._session = self._failure = None
            who = self._credentials
            if who.auth == "auto" and who.username and self._dialect.refused.held(who):
                who = replace(who, token=Secret(""))
            self._dialect.refused.check(who)
            try:
                return await self._log_in(who, patience)
            except HsFrameError as error:
                self._failure = error  # not of a cancelled login: the next call that waits logs in
                self._note_refusal(error, who)
                raise
            finally:
                self._tried += 1

    async def refusal(
        self, session: LoginResult, answer: HttpAnswer, about: Callable[[], Awaitable[HttpAnswer]]
    ) -> AuthError | None:
        """The error where the answer to an op refuses what each request of `session` carries, which is noted.

        None where it refuses nothing, or only a right is missing for the op: the answer itself says more then. Where
        it says nothing, a token is named: the right may be one of the token.
        """
        if not _is_carried(session) or not answer.refuses_login:
            return None
        before = ", which was accepted before" if self._dialect.refused.are_accepted(self._credentials) else ""
        is_refused = await self._is_refused(session, answer, about)
        if not is_refused and (session.scheme == "basic" or answer.is_grid):
            return None
        which = before if is_refused else " for this op"
        what = f"the token is not accepted{which}: " if session.scheme == "bearer" else ""
        error = AuthError(f"{what}{http_failure(answer)}", refused=is_refused)
        self._note_refusal(error, self._credentials, session)
        return error

    def note_acceptance(self, session: LoginResult, op: str) -> None:
        """Note that an op was answered with what each request of `session` carries."""
        if session is self._session and _is_carried(session):
            self._dialect.refused.accept(self._credentials, op)

    def is_lost(self, session: LoginResult, answer: HttpAnswer) -> bool:
        """Whether the server has forgotten the session, and a login may help; of a token, whether it is refused."""
        who = self._credentials
        if not who.username or who.auth in ("bearer", "none") or session.scheme == "basic":
            return False
        return answer.asks_for_login and (session.scheme != "bearer" or self._dialect.refused.held(who) is not None)

    async def _is_refused(
        self, session: LoginResult, answer: HttpAnswer, about: Callable[[], Awaitable[HttpAnswer]]
    ) -> bool:
        """Whether it is refused for `about` too, which most may ask; by it alone where it was answered before."""
        if answer.request.op == "about":
            return not self._dialect.refused.are_accepted(self._credentials, but_for_about=True)
        async with self._lock:  # of many calls one asks
            if session is not self._session:
                return True
            with suppress(HsFrameError):
                return (await about()).refuses_login
        return False

    def _note_refusal(self, error: HsFrameError, who: Credentials, session: LoginResult | None = None) -> None:
        """Keep what was refused, in a login or in a request of `session`, from being sent again at once."""
        if isinstance(error, AuthError) and error.refused and session is self._session:
            self._session = None
            self._dialect.refused.add(who, self._transport.secrets.redacted_message(str(error)))

    async def _log_in(self, who: Credentials, patience: Patience) -> LoginResult:
        """Log in, and note what was accepted; where it was SCRAM, the next login is by nothing less."""
        with logged("login") as log:
            self._session = session = await patience.answer(_LOGIN, self._driver(who), log)
            log.outcome, log.silent = session.scheme, session.scheme in ("none", "bearer")
        if session.scheme not in ("bearer", "none"):
            self._dialect.refused.accept(who, "about")
        self._credentials = replace(who, scram_seen=session.scheme == "scram")
        if session.scheme == "none" and who.username and who.auth == "auto":
            warn_caller(
                f"the server at {self._base} wants no login of {who.username!r}: it answers everyone, or something "
                "else answers in its place; say auth='none' if that is meant, or auth='scram' to refuse it",
                LoginWarning,
            )
        return session

    def _driver(self, who: Credentials) -> Callable[[], Awaitable[LoginResult]]:
        """Runs a login, as often as it is called: its requests go out as GET about, its derivations run in a thread.

        A connection that breaks in the last step, after the derivation, is tried anew only once: the proof was sent.
        """
        has_broken = False

        async def drive() -> LoginResult:
            nonlocal has_broken
            steps, is_last = login_steps(who, self._base), False
            try:
                step = next(steps)
                while True:
                    if isinstance(step, HttpRequest):
                        headers = {**step.headers, "Accept": self._accept}
                        about = replace(step, headers=headers, hint=self._dialect.uri_hint)
                        step, is_last = steps.send(await self._transport.fetch(about)), False
                    else:
                        step, is_last = steps.send(await in_thread(step.run)), True
            except ConnectionLostError as error:
                if is_last and has_broken:
                    raise NetworkError(f"{error}, twice in the last step of the login") from None
                has_broken |= is_last
                raise
            except StopIteration as done:
                made: LoginResult = done.value
                return made

        return drive


def _is_carried(session: LoginResult) -> bool:
    """Whether each request carries the password or the token that was given: each may be refused."""
    return session.scheme in ("bearer", "basic")
