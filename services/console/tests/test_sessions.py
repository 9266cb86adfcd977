"""Signing in, the session, and what protects it; over real HTTP."""

import asyncio

import pytest
from console_world import PASSWORD, a_console

from console import sessions

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_signing_in_sets_a_session_that_scripts_of_the_page_cannot_read(console):
    await console.account("ana")
    answer = await console.browser().sign_in("ANA@example.com")
    assert answer.status == 200
    assert answer.body["operator"]["email"] == "ana@example.com"
    assert "HttpOnly" in answer.cookies["convoboss_session"]
    assert "SameSite=Lax" in answer.cookies["convoboss_session"]
    assert "Secure" not in answer.cookies["convoboss_session"]
    assert "HttpOnly" not in answer.cookies["convoboss_csrf"]


async def test_behind_https_cookies_are_secure(kafka_bootstrap, database_url):
    async with a_console(kafka_bootstrap, database_url, public_url="https://desk.example.com") as console:
        await console.account("ana")
        answer = await console.browser().sign_in("ana@example.com")
        assert "Secure" in answer.cookies["convoboss_session"]
        assert "Strict-Transport-Security" in answer.headers


async def test_the_database_holds_no_token_and_no_password(console):
    browser = await console.signed_in("ana")
    token = next(cookie.value for cookie in browser.http.cookie_jar if cookie.key == "convoboss_session")
    session = await console.services.pool.fetchrow("SELECT * FROM session")
    operator = await console.services.pool.fetchrow("SELECT * FROM operator")
    assert session["token_hash"] == sessions.token_hash(token)
    assert token not in str(dict(session))
    assert operator["password_hash"].startswith("$argon2id$")
    assert PASSWORD not in str(dict(operator))


async def test_a_wrong_password_and_an_unknown_account_look_the_same(console):
    await console.account("ana")
    for email, password in (("ana@example.com", "wrong password"), ("nobody@example.com", PASSWORD)):
        answer = await console.browser().sign_in(email, password)
        assert (answer.status, answer.code) == (401, "wrong_credentials")
        assert answer.body["detail"] == ""


async def test_an_account_is_closed_to_guesses_after_ten_and_opens_when_the_window_has_passed(console):
    await console.account("ana")
    browser = console.browser()
    codes = [(await browser.sign_in("ana@example.com", f"guess {number}")).status for number in range(11)]
    assert codes == [401] * 10 + [429]
    limited = await browser.sign_in("ana@example.com")
    assert (limited.status, limited.code) == (429, "too_many_attempts")
    assert 1 <= int(limited.headers["Retry-After"]) <= 900
    console.clock.forward(901)
    assert (await browser.sign_in("ana@example.com")).status == 200


async def test_guesses_at_the_same_moment_do_not_pass_together(console):
    await console.account("ana")
    browser = console.browser()
    answers = await asyncio.gather(*(browser.ask("POST", "/session", guess(number)) for number in range(20)))
    assert sorted(answer.status for answer in answers) == [401] * 10 + [429] * 10


def guess(number):
    return {"email": "ana@example.com", "password": f"guess {number}"}


async def test_an_address_is_limited_over_all_accounts(kafka_bootstrap, database_url):
    async with a_console(kafka_bootstrap, database_url, login_address_limit=3) as console:
        browser = console.browser()
        codes = [(await browser.sign_in(f"nobody{number}@example.com")).status for number in range(4)]
        assert codes == [401, 401, 401, 429]


async def test_signing_in_right_does_not_use_up_attempts(console):
    await console.account("ana")
    browser = console.browser()
    assert {(await browser.sign_in("ana@example.com")).status for _ in range(12)} == {200}


async def test_a_change_without_the_sessions_csrf_token_is_refused(console):
    ana, ben = await console.signed_in("ana", "admin"), await console.signed_in("ben", "admin")
    for token in ("", "wrong", ben.csrf):
        answer = await ana.post("/bots", {"id": "shop", "name": "Shop"}, headers={"X-CSRF-Token": token})
        assert (answer.status, answer.code, answer.body["field"]) == (403, "csrf", "X-CSRF-Token")
    ana.csrf = None
    assert (await ana.ask("DELETE", "/session")).code == "csrf"


async def test_a_change_from_another_origin_is_refused_even_when_signing_in(console):
    admin = await console.signed_in("ana", "admin")
    for headers in (
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ):
        answer = await admin.post("/bots", {"id": "shop", "name": "Shop"}, headers=headers)
        assert (answer.status, answer.code) == (403, "bad_origin")
        answer = await admin.ask("POST", "/session", {"email": "a@example.com", "password": "x"}, headers=headers)
        assert (answer.status, answer.code) == (403, "bad_origin")


async def test_our_own_pages_may_change_things(console):
    admin = await console.signed_in("ana", "admin")
    for number, origin in enumerate((console.url, console.services.settings.public_url)):
        body = {"id": f"shop{number}", "name": "Shop"}
        headers = {"Origin": origin, "Sec-Fetch-Site": "same-origin"}
        assert (await admin.post("/bots", body, headers=headers)).status == 201


async def test_signing_out_ends_the_session_for_good(console):
    browser = await console.signed_in("ana")
    token = next(cookie.value for cookie in browser.http.cookie_jar if cookie.key == "convoboss_session")
    assert (await browser.ask("DELETE", "/session")).status == 204
    assert (await browser.get("/session")).status == 401
    again = await browser.ask("GET", "/session", headers={"Cookie": f"convoboss_session={token}"})
    assert again.status == 401


async def test_a_session_ends_after_twelve_idle_hours(console):
    browser = await console.signed_in("ana")
    console.clock.forward(11 * 3600)
    assert (await browser.get("/session")).status == 200
    console.clock.forward(11 * 3600)
    assert (await browser.get("/session")).status == 200
    console.clock.forward(12 * 3600 + 1)
    assert (await browser.get("/session")).code == "not_signed_in"


async def test_a_session_ends_after_seven_days_however_busy(console):
    browser = await console.signed_in("ana")
    for _ in range(15):
        console.clock.forward(11 * 3600)
        status = (await browser.get("/session")).status
    assert status == 200
    console.clock.forward(4 * 3600)
    assert (await browser.get("/session")).status == 401


async def test_a_made_up_cookie_is_nobody(console):
    for cookie in ("x", "é" * 43, "a" * 43, "a" * 5000):
        answer = await console.browser().ask("GET", "/session", headers={"Cookie": f"convoboss_session={cookie}"})
        assert answer.status == 401


async def test_a_refusal_names_the_request_and_the_request_may_name_itself(console):
    answer = await console.browser().ask("GET", "/session", headers={"X-Request-Id": "mine-1"})
    assert answer.body["request_id"] == answer.headers["X-Request-Id"] == "mine-1"
    answer = await console.browser().ask("GET", "/session", headers={"X-Request-Id": "not <allowed>"})
    assert len(answer.body["request_id"]) == 32
    assert answer.headers["Content-Type"].startswith("application/problem+json")


async def test_what_is_not_there_is_refused_in_the_same_shape(console):
    browser = console.browser()
    assert (await browser.get("/nowhere")).code == "unknown_page"
    answer = await browser.ask("PUT", "/session")
    assert (answer.status, answer.code) == (405, "method_not_allowed")
    assert "POST" in answer.headers["Allow"]


async def test_while_the_console_starts_the_answer_is_to_come_again(console):
    from aiohttp import ClientSession

    from console.application import make
    from console.routes import all_routes
    from console.services import Door
    from runtime.health import Health
    from runtime.http import HttpServer

    app = make(all_routes(), Door(), secure=False)
    async with (
        HttpServer(console.services.settings, Health(), app) as server,
        ClientSession() as http,
        http.get(f"http://127.0.0.1:{server.port}/api/v1/session") as answer,
    ):
        assert (answer.status, (await answer.json())["code"]) == (503, "starting")
        assert answer.headers["Retry-After"] == "2"
