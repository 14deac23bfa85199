"""The session of a client: one login for all calls, a new one when the server has forgotten it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from typing import Final

from hsframe.caller_warnings import warn_caller
from hsframe.client.in_thread import in_thread
from hsframe.client.request_log import logged
from hsframe.client.retries import Patience
from hsframe.client.transport import Transport
from hsframe.errors import AuthError, ConnectionLostError, HsFrameError, LoginWarning, NetworkError
from hsframe.protocol.dialects import Dialect
from hsframe.protocol.http import HttpAnswer, HttpRequest, http_failure
from hsframe.protocol.login_steps import Credentials, LoginResult, LoginSteps, ProvingRequest, login_steps
from hsframe.protocol.request_grids import Op
from hsframe.protocol.scram import Derivation, ScramKeys
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
        self._expects_scram = False
        self._lock = asyncio.Lock()
        self._tried = 0
        self._failure: HsFrameError | None = None

    def forget(self) -> LoginResult | None:
        """Give the session and drop it."""
        session, self._session = self._session, None
        return session

    def expect_scram(self) -> None:
        """Let no login by less count, also not the one that there is, unless `auth` has it."""
        self._expects_scram = True
        if self._session is not None and self._session.scheme != "scram":
            self._session = None

    async def current(self, patience: Patience, op: str = "") -> LoginResult:
        """The session for an op; logs in if there is none.

        All calls that wait for one login get its failure; a later call tries again, at once if nothing was refused.
        What each request carries may have been refused in another session meanwhile: then it is not sent again either.
        """
        session = self._session
        if session is not None and (not _is_carried(session) or self._to_send(op) is self._credentials):
            return session
        return await self.renew(session, patience, op)

    async def renew(self, old: LoginResult | None, patience: Patience, op: str = "") -> LoginResult:
        """A session newer than `old`: the one that another call has made already, or that of a new login.

        A login that fails begins again, at its first step, as the patience of the call allows.
        """
        tried = self._tried
        async with self._lock:
            if self._session is not None and self._session is not old:
                return self._session
            failure, self._session, self._failure = self._failure, None, None
            who = self._to_send(op)
            if failure is not None and self._tried != tried and not who.sends_token:
                self._failure = failure
                raise failure
            try:
                return await self._log_in(who, patience)
            except HsFrameError as error:
                self._failure = error  # not of a cancelled login: the next call that waits logs in
                raise
            finally:
                self._tried += 1

    def _to_send(self, op: str) -> Credentials:
        """Who logs in for an op; AuthError where all was refused that was given.

        A password that was given beside a token is sent while the token is refused, and takes its place if the server
        takes it.
        """
        who = self._credentials
        if who.sends_token and who.auth == "auto" and who.username and self._dialect.refused.are_held(who, op):
            who = replace(who, token=Secret(""))
        self._dialect.refused.check(who, op)
        return who

    async def refusal(
        self, session: LoginResult, answer: HttpAnswer, about: Callable[[], Awaitable[HttpAnswer]], patience: Patience
    ) -> AuthError | None:
        """The error where the answer to an op refuses what each request of `session` carries, which is noted.

        None where it refuses nothing, or only a right is missing for the op: the answer itself says more then. Where
        it says nothing, a token is named: the right may be one of the token.
        """
        if not _is_carried(session) or not answer.refuses_login:
            return None
        refused, who, op = self._dialect.refused, self._credentials, answer.request.op
        before = ", which was accepted before" if refused.are_accepted(who) else ""
        async with self._turn(who, patience):
            may_be = op != "about" and refused.may_be_all(who, op)
            is_refused = may_be and await self._is_refused_for_about(session, who, about)
            of_this = before if is_refused else "" if op == "about" and not before else " for this op"
            what = f"the token is not accepted{of_this}: " if session.scheme == "bearer" else ""
            said = http_failure(answer) or f"{op} at {answer.request.url}: refused{answer.words}"
            error = AuthError(f"{what}{said}", refused=is_refused or not of_this)
            if session is self._session and (is_refused or op == "about"):
                self._note_refusal(error, who, op)
        return None if not is_refused and (session.scheme == "basic" or answer.is_grid) else error

    def note_acceptance(self, session: LoginResult, answer: HttpAnswer) -> None:
        """Note that an op was answered with what each request of `session` carries, if so it was."""
        is_answer = answer.status == 200 and not answer.is_html and not answer.refuses_login
        if is_answer and session is self._session and _is_carried(session):
            self._dialect.refused.accept(self._credentials, answer.request.op)

    def is_lost(self, session: LoginResult, answer: HttpAnswer) -> bool:
        """Whether the server has forgotten the session, and a login may help; of a token, whether it is refused."""
        who = self._credentials
        if not who.username or who.auth in ("bearer", "none") or session.scheme == "basic":
            return False
        is_refused = session is not self._session or self._dialect.refused.are_held(who, answer.request.op)
        return answer.asks_for_login and (session.scheme != "bearer" or is_refused)

    async def _is_refused_for_about(
        self, session: LoginResult, who: Credentials, about: Callable[[], Awaitable[HttpAnswer]]
    ) -> bool:
        """Whether it is refused for `about` too, which most may ask; of many calls one asks."""
        if session is not self._session or self._dialect.refused.are_held(who, "about"):
            return True
        with suppress(HsFrameError):
            return (await about()).refuses_login
        return False

    def _note_refusal(self, error: AuthError, who: Credentials, op: str = "") -> None:
        """Keep what was refused from being sent again at once."""
        if op != "about":
            self._session = None
        self._dialect.refused.add(who, self._transport.secrets.redacted_message(str(error)), op)

    @asynccontextmanager
    async def _turn(self, who: Credentials, patience: Patience) -> AsyncIterator[None]:
        """The block that sends these and notes what is said, after the one who sends them now, in any thread.

        It waits for half of the time that there is at most: the other half is for its own request.
        """
        refused = self._dialect.refused
        with refused.turn(who) as first:
            if first is not None:
                wait_s = min(refused.longest_turn_s, self._transport.timeout_s / 2, patience.left_s / 2)
                with suppress(TimeoutError):
                    async with asyncio.timeout(wait_s):
                        await asyncio.wrap_future(first)
            yield

    async def _log_in(self, who: Credentials, patience: Patience) -> LoginResult:
        """Log in, and note what was accepted; where it was SCRAM, the next login is by nothing less."""
        with logged("login") as log:
            self._session = session = await patience.answer(_LOGIN, self._driver(who, patience), log)
            log.outcome, log.silent = session.scheme, session.scheme in ("none", "bearer")
        if session.scheme not in ("bearer", "none") and not session.without_proof:
            self._dialect.refused.accept(who, "about")
        self._credentials = who
        if session.scheme == "scram":
            self._dialect.scram_users.add(who.username)
        if session.without_proof:
            warn_caller(
                f"the server at {self._base} wants no login of {who.username!r}: it answers everyone, or something "
                "else answers in its place; say auth='none' if that is meant, or auth='scram' to refuse it",
                LoginWarning,
            )
        return session

    def _driver(self, who: Credentials, patience: Patience) -> Callable[[], Awaitable[LoginResult]]:
        """Runs a login, as often as it is called: its requests go out as GET about, its derivations run in a thread.

        A connection that breaks in the last step, after the derivation, is tried anew only once: the proof was sent.
        """
        has_broken = False

        async def drive() -> LoginResult:
            nonlocal has_broken
            scram_seen = self._expects_scram or who.username in self._dialect.scram_users
            steps = login_steps(who, self._base, scram_seen=scram_seen)
            step, is_last = _next(steps, None), False
            try:
                while not isinstance(step, LoginResult):
                    is_last = isinstance(step, ProvingRequest)
                    if isinstance(step, Derivation):
                        step = _next(steps, await in_thread(step.run))
                    elif not is_last:
                        step = _next(steps, await self._fetch(step))
                    else:
                        async with self._turn(who, patience):
                            self._dialect.refused.check(who)
                            answer = await self._fetch(step)
                            try:
                                step = _next(steps, answer)
                            except AuthError as error:
                                if error.refused:
                                    self._note_refusal(error, who)
                                raise
            except ConnectionLostError as error:
                if is_last and has_broken:
                    raise NetworkError(f"{error}, twice in the last step of the login") from None
                has_broken |= is_last
                raise
            return step

        return drive

    async def _fetch(self, step: HttpRequest) -> HttpAnswer:
        headers = {**step.headers, "Accept": self._accept}
        return await self._transport.fetch(replace(step, headers=headers, hint=self._dialect.uri_hint))


def _next(steps: LoginSteps, answer: HttpAnswer | ScramKeys | None) -> HttpRequest | Derivation | LoginResult:
    """The next step of a login, or its end."""
    try:
        return next(steps) if answer is None else steps.send(answer)
    except StopIteration as done:
        result: LoginResult = done.value
        return result


def _is_carried(session: LoginResult) -> bool:
    """Whether each request carries the password or the token that was given: each may be refused."""
    return session.scheme in ("bearer", "basic")
