"""The process as the supervisor runs it."""

import asyncio
import os
import re
import signal
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest

ENVIRONMENT = {
    "CONVOBOSS_HTTP_PORT": "0",
    "CONVOBOSS_LOG_FORMAT": "console",
    "CONVOBOSS_FACEBOOK_APP_SECRET": "a",
    "CONVOBOSS_FACEBOOK_VERIFY_TOKEN": "b",
    "CONVOBOSS_FACEBOOK_PAGE_TOKEN": "c",
    "CONVOBOSS_FACEBOOK_WEBHOOK_URL": "http://127.0.0.1:9/hook",
}


async def start(*arguments: str, **environment: str) -> asyncio.subprocess.Process:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("CONVOBOSS_")}
    path = os.pathsep.join(entry for entry in sys.path if entry)
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "facebook",
        *arguments,
        env={**inherited, "PYTHONPATH": path, **environment},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.fixture
async def running() -> AsyncIterator[tuple[asyncio.subprocess.Process, str]]:
    process = await start(**ENVIRONMENT)
    assert process.stderr is not None
    async with asyncio.timeout(60):
        while not (found := re.search(rb"listens on (\S+)/", line := await process.stderr.readline())):
            assert line, "the process ended before it listened"
    yield process, found[1].decode()
    if process.returncode is None:
        process.kill()
    await process.communicate()


async def test_sigterm_ends_it_cleanly_even_with_a_page_open(running) -> None:
    process, url = running
    async with aiohttp.ClientSession() as session:
        state = await (await session.get(f"{url}/box/state")).json()
        assert state["pages"][0]["name"] == "Lumen Lamps"
        async with session.get(f"{url}/box/events", headers={"Accept": "text/event-stream"}):
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(10):
                assert await process.wait() == 0


@pytest.mark.parametrize(
    ("environment", "sentence"),
    [
        ({}, "CONVOBOSS_FACEBOOK_APP_SECRET is not set"),
        ({**ENVIRONMENT, "CONVOBOSS_HTTP_PORT": "lots"}, "CONVOBOSS_HTTP_PORT: Input should be a valid integer"),
        ({"CONVOBOSS_FACEBOOK_SETTINGS_FILE": "/nowhere.yaml"}, "/nowhere.yaml cannot be read"),
        ({**ENVIRONMENT, "CONVOBOSS_HTTP_HOST": "192.0.2.1"}, "cannot listen on 192.0.2.1"),
    ],
)
async def test_wrong_setting_is_one_sentence_that_names_the_variable(environment, sentence) -> None:
    process = await start(**environment)
    _, errors = await process.communicate()
    assert process.returncode == 1
    assert sentence in errors.decode()
    assert "Traceback" not in errors.decode()


async def test_help_lists_every_variable() -> None:
    process = await start("--help")
    text, _ = await process.communicate()
    assert process.returncode == 0
    assert b"CONVOBOSS_FACEBOOK_WEBHOOK_URL" in text


async def test_settings_file_replaces_the_demonstration(tmp_path) -> None:
    from facebook.seed import NoSeed, box_file
    from facebook.settings import Settings

    path = tmp_path / "box.yaml"
    path.write_text(
        "apps:\n- {id: 1, secret: s, verify_token: v, webhook_url: 'http://h/'}\n"
        "pages:\n- {id: 2, name: Own, tokens: {'1': t}, customers: [{psid: 3, first_name: A}]}\n"
    )
    loaded = box_file(Settings(facebook_settings_file=path))
    assert [(page.id, page.name, page.customers[0].psid) for page in loaded.pages] == [("2", "Own", "3")]
    path.write_text("apps: []\npages: [{id: 2}]\n")
    with pytest.raises(NoSeed, match=r"pages\.0\.name: Field required"):
        box_file(Settings(facebook_settings_file=path))
