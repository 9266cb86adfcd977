"""The process as the supervisor runs it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator

import pytest


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONVOBOSS_")}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "mail",
        *arguments,
        env={**inherited, "PYTHONPATH": path, "CONVOBOSS_LOG_FORMAT": "console", **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
async def running() -> AsyncIterator[tuple[asyncio.subprocess.Process, int]]:
    process = await start(CONVOBOSS_HTTP_PORT="0", CONVOBOSS_MAIL_SMTP_PORT="0")
    assert process.stderr is not None
    smtp = 0
    async with asyncio.timeout(60):
        while b"shows them on" not in (line := await process.stderr.readline()):
            assert line, "the process ended before it listened"
            found = re.search(rb"takes mails on .*:(\d+)", line)
            smtp = int(found[1]) if found else smtp
    yield process, smtp
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_sigterm_ends_it_cleanly_even_with_a_client_in_the_middle_of_a_mail(running) -> None:
    process, smtp = running
    reader, writer = await asyncio.open_connection("127.0.0.1", smtp)
    assert (await reader.readline()).startswith(b"220")
    writer.write(b"HELO test\r\nMAIL FROM:<a@example.org>\r\n")
    assert (await reader.readline()).startswith(b"250")
    process.send_signal(signal.SIGTERM)
    async with asyncio.timeout(10):
        _, errors = await process.communicate()
    assert process.returncode == 0
    assert b"Traceback" not in errors
    writer.close()


async def test_wrong_setting_is_one_sentence_that_names_the_variable() -> None:
    process = await start(CONVOBOSS_MAIL_SMTP_PORT="lots")
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"CONVOBOSS_MAIL_SMTP_PORT: Input should be a valid integer" in errors
    assert b"Traceback" not in errors


async def test_port_in_use_is_one_sentence(running) -> None:
    _, smtp = running
    process = await start(CONVOBOSS_HTTP_PORT="0", CONVOBOSS_MAIL_SMTP_PORT=str(smtp))
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert f"cannot listen on {smtp}".encode() in errors
    assert b"Traceback" not in errors


async def test_help_lists_every_variable() -> None:
    process = await start("--help")
    text, _ = await process.communicate()
    assert process.returncode == 0
    assert b"CONVOBOSS_MAIL_SMTP_PORT" in text
