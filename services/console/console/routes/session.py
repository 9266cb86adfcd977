"""Signing in and out."""

from datetime import datetime, timedelta
from math import ceil
from typing import Annotated

from pydantic import AwareDatetime, EmailStr, Field, SecretStr

from console import sessions
from console.metrics import SIGN_INS
from console.operators import MAX_PASSWORD, Operator
from console.problems import Refusal, refuse, too_many
from console.registry import Call, Cookie, Input, Nothing, Output, Reply, Routes
from console.repository import accounts
from console.repository.accounts import Attempts
from console.services import Services

routes = Routes("Session")


class SignIn(Input):
    email: Annotated[EmailStr, Field(max_length=254)]
    password: Annotated[SecretStr, Field(min_length=1, max_length=MAX_PASSWORD)]


class Session(Output):
    """`csrf_token` goes into the header X-CSRF-Token of every change."""

    operator: Operator
    csrf_token: str
    expires_at: AwareDatetime
    server_time: AwareDatetime


@routes.route("POST", "/session", "signIn", body=SignIn, responses={200: Session}, problems=(401, 403, 429))
async def sign_in(call: Call[Nothing, Nothing, SignIn]) -> Reply:
    """Signs in: sets the session's cookie and tells its CSRF token."""
    services, email = call.services, call.body.email.lower()
    address = sessions.visitor_address(
        call.request.remote, call.header("X-Forwarded-For"), services.settings.trusted_proxies
    )
    account_bucket, address_bucket = sessions.account_bucket(email), sessions.address_bucket(address)
    await _count(services, account_bucket, address_bucket)
    found = await accounts.credentials(services.pool, email)
    password = call.body.password.get_secret_value()
    fits = await services.passwords.fits(found.password_hash if found else None, password)
    if found is None or not fits or not found.active:
        SIGN_INS.labels("refused").inc()
        raise refuse(401, "wrong_credentials", "E-mail or password is wrong.")
    await accounts.clear_attempts(services.pool, account_bucket, address_bucket)
    if services.passwords.outdated(found.password_hash):
        await accounts.set_password(services.pool, found.id, await services.passwords.hash(password))
    return await _begin(services, await accounts.get_operator(services.pool, found.id))


@routes.route("GET", "/session", "getSession", responses={200: Session})
async def get_session(call: Call[Nothing, Nothing, Nothing]) -> Reply:
    """Who is signed in, and the session's CSRF token."""
    return Reply(200, _session(call.services, call.operator, call.session.token, call.session.since))


@routes.route("DELETE", "/session", "signOut", responses={204: None})
async def sign_out(call: Call[Nothing, Nothing, Nothing]) -> Reply:
    """Ends the session; its sockets close."""
    hashed = sessions.token_hash(call.session.token)
    await accounts.end_session(call.services.pool, hashed)
    call.services.live.session_ended(hashed)
    return Reply(204, cookies=(_cookie("", 0), _csrf_cookie("", 0)))


async def _begin(services: Services, operator: Operator) -> Reply:
    token, now = sessions.new_token(services.random), services.now()
    await accounts.add_session(services.pool, sessions.token_hash(token), operator.id, now)
    SIGN_INS.labels("signed_in").inc()
    session = _session(services, operator, token, now)
    lifetime = int(services.settings.session_lifetime)
    return Reply(200, session, cookies=(_cookie(token, lifetime), _csrf_cookie(session.csrf_token, lifetime)))


def _session(services: Services, operator: Operator, token: str, since: datetime) -> Session:
    return Session(
        operator=operator,
        csrf_token=sessions.csrf_token(token),
        expires_at=since + timedelta(seconds=services.settings.session_lifetime),
        server_time=services.now(),
    )


def _cookie(token: str, max_age: int) -> Cookie:
    return Cookie(sessions.SESSION_COOKIE, token, max_age, http_only=True)


def _csrf_cookie(token: str, max_age: int) -> Cookie:
    return Cookie(sessions.CSRF_COOKIE, token, max_age, http_only=False)


async def _count(services: Services, account: int, address: int) -> None:
    """Counts the attempt. Raises `Refusal` (429) where the account or the address had too many."""
    settings, now = services.settings, services.now()
    window = timedelta(seconds=settings.login_window)
    counted = await accounts.count_attempt(services.pool, (account, address), now, now - window)
    limits = {account: settings.login_account_limit, address: settings.login_address_limit}
    over = [counted[bucket] for bucket, limit in limits.items() if counted[bucket].count > limit]
    if over:
        SIGN_INS.labels("limited").inc()
        raise _limited(over, window, now)


def _limited(over: list[Attempts], window: timedelta, now: datetime) -> Refusal:
    wait = max(attempts.window_start + window - now for attempts in over)
    return too_many(max(1, ceil(wait.total_seconds())))
