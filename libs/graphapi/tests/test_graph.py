"""The Graph client against servers that behave badly: what may have happened, and what cannot have."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr

from graphapi.answers import Accepted, Later, Permanent, Unknown
from graphapi.client import ANSWER_LIMIT, Graph
from graphapi.request import Body, Credentials, GraphRequest


class Asks(Body):
    sender_action: str = "typing_on"


TYPING = GraphRequest("1029/messages", Asks())
OWNER = GraphRequest("1029/thread_owner", query=(("recipient", "7733"),))
KEYS = Credentials(SecretStr("the-token"), "the-proof")

Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def server(answer: Answer) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await answer(reader, writer)
        finally:
            writer.transport.abort()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    host, port = listening.sockets[0].getsockname()
    async with listening:
        yield f"http://{host}:{port}/v26.0"


async def ask(url, request=None, **more):
    async with Graph(url, timeout=more.pop("timeout", 2.0), connections=4) as graph:
        return await graph.ask(request or TYPING, KEYS, **more)


def answering(head: bytes, body: bytes = b"", asked: list[bytes] | None = None) -> Answer:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        if asked is not None:
            asked.append(request)
        writer.write(head + b"\r\nContent-Length: %d\r\nConnection: close\r\n\r\n" % len(body) + body)
        await writer.drain()

    return answer


async def test_the_token_is_in_a_header_and_never_in_the_address():
    asked: list[bytes] = []
    async with server(answering(b"HTTP/1.1 200 OK", b"{}", asked)) as url:
        assert isinstance(await ask(url), Accepted)
    line, *headers = asked[0].split(b"\r\n")
    assert line == b"POST /v26.0/1029/messages?appsecret_proof=the-proof HTTP/1.1"
    assert b"Authorization: Bearer the-token" in headers


async def test_a_question_is_a_get_with_its_query():
    asked: list[bytes] = []
    async with server(answering(b"HTTP/1.1 200 OK", b"{}", asked)) as url:
        await ask(url, OWNER)
    assert asked[0].startswith(b"GET /v26.0/1029/thread_owner?recipient=7733&appsecret_proof=the-proof HTTP/1.1")


async def test_a_process_that_stood_still_until_it_had_its_connection_writes_nothing_and_the_next_request_goes_out():
    asked: list[bytes] = []

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while request := await reader.read(65536):
            asked.append(request)
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    past, future = time.monotonic() - 1.0, time.monotonic() + 60.0
    async with server(answer) as url, Graph(url, timeout=5.0, connections=1) as graph:
        for begin_by in (past, future, past, future):  # a new connection, then one that is used again
            verdict = await graph.ask(TYPING, KEYS, begin_by=begin_by)
            assert isinstance(verdict, Later if begin_by == past else Accepted)
    assert len(asked) == 2


async def test_nobody_listening_means_that_nothing_was_sent():
    async with server(answering(b"HTTP/1.1 200 OK")) as url:
        pass  # gone again
    assert isinstance(await ask(url), Later)


async def test_a_name_that_cannot_be_resolved_means_that_nothing_was_sent():
    assert isinstance(await ask("http://graph.invalid/v26.0"), Later)


async def test_a_connection_cut_after_the_request_leaves_its_outcome_unknown():
    async def cut(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")

    async with server(cut) as url:
        assert isinstance(await ask(url), Unknown)


async def test_a_connection_cut_within_the_answer_leaves_its_outcome_unknown():
    async def half(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b'HTTP/1.1 200 OK\r\nContent-Length: 90\r\n\r\n{"message_id"')
        await writer.drain()

    async with server(half) as url:
        assert isinstance(await ask(url), Unknown)


async def test_no_answer_in_time_leaves_the_outcome_unknown():
    async def never(reader: asyncio.StreamReader, _writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with server(never) as url:
        verdict = await ask(url, within=0.2)
    assert isinstance(verdict, Unknown)
    assert "0.2 s" in verdict.reason


async def test_an_answer_that_trickles_does_not_hold_longer_than_the_time_out():
    async def trickle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
        while not writer.is_closing():
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.02)

    async with server(trickle) as url, asyncio.timeout(5.0):
        assert isinstance(await ask(url, within=0.3), Unknown)


async def test_an_endless_answer_is_not_read_to_its_end():
    body = b'{"message_id": "' + b"x" * ANSWER_LIMIT + b'"}'
    async with server(answering(b"HTTP/1.1 200 OK", body)) as url:
        assert isinstance(await ask(url), Unknown)


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"HTTP/1.1 200 OK", Unknown),
        (b"HTTP/1.1 502 Bad Gateway", Later),
        (b"HTTP/1.1 429 Too Many Requests", Later),
        (b"HTTP/1.1 404 Not Found", Permanent),
    ],
)
async def test_an_answer_that_is_no_json_is_judged_by_its_status(head, kind):
    async with server(answering(head, b"<html>sorry</html>")) as url:
        assert isinstance(await ask(url), kind)


async def test_a_redirect_is_not_followed_with_our_token():
    asked: list[bytes] = []
    async with server(answering(b"HTTP/1.1 200 OK", b"{}", asked)) as elsewhere:
        head = b"HTTP/1.1 307 Temporary Redirect\r\nLocation: " + elsewhere.encode()
        async with server(answering(head)) as url:
            assert isinstance(await ask(url), Later)
    assert asked == []


async def test_what_answers_no_http_leaves_the_outcome_unknown():
    async def noise(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"\x00\x01\x02 not http\r\n\r\n")
        await writer.drain()

    async with server(noise) as url:
        assert isinstance(await ask(url), Unknown)


async def test_a_verdict_names_no_secret():
    async with server(answering(b"HTTP/1.1 200 OK")) as url:
        pass
    verdict = await ask(url)
    assert isinstance(verdict, Later)
    assert "the-token" not in verdict.reason
    assert "the-proof" not in verdict.reason
