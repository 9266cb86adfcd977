"""The main function, the logs and the HTTP server, in a process of their own as in life."""

import asyncio
import json
import signal
import sys
import textwrap

import aiohttp
import aiohttp.web
import pytest

from runtime.health import Health
from runtime.http import HttpServer, PortTaken
from runtime.settings import ServiceSettings


async def start(body, shutdown=25.0, **env):
    """A service whose `run` has that body."""
    code = textwrap.dedent(
        """
        import asyncio, logging, sys
        from runtime import logs, tracing
        from runtime.service import main
        from runtime.settings import ServiceSettings
        log = logs.get_logger("test")
        async def run(settings):
        {body}
        main(run, ServiceSettings, "test", shutdown={shutdown})
        """
    ).format(shutdown=shutdown, body=textwrap.indent(textwrap.dedent(body), "    "))
    return await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stderr=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, env=env
    )


async def finish(process):
    """Its exit code and its log lines."""
    _, errors = await asyncio.wait_for(process.communicate(), 60)
    return process.returncode, errors.decode().splitlines()


async def logged(body, **env):
    code, lines = await finish(await start(body, **env))
    assert code == 0, lines
    return [json.loads(line) for line in lines]


async def test_service_that_is_told_to_stop_cancels_its_work_and_exits_with_0():
    process = await start(
        """
        print("up", flush=True)
        try:
            await asyncio.Event().wait()
        finally:
            log.info("cleaned up")
        """
    )
    assert await process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGTERM)
    code, lines = await finish(process)
    assert code == 0
    assert [json.loads(line)["event"] for line in lines] == ["stopping", "cleaned up", "stopped"]


async def test_service_that_fails_logs_why_and_exits_with_1():
    code, lines = await finish(await start("raise ValueError('broken')"))
    assert code == 1
    (line,) = map(json.loads, lines)
    assert (line["event"], line["error"], line["service"]) == ("failed", "ValueError: broken", "test")
    assert "Traceback" in line["exception"]


async def test_service_that_is_set_up_wrongly_says_so_in_a_sentence_without_a_traceback():
    code, lines = await finish(
        await start(
            """
            from runtime.errors import WrongPartitions
            async with asyncio.TaskGroup() as group:
                async def work():
                    raise WrongPartitions("turns", 3, 8)
                group.create_task(work())
            """
        )
    )
    assert code == 1
    (line,) = map(json.loads, lines)
    assert line["event"] == "refused to start"
    assert line["error"].startswith("Topic turns has 3 partitions")
    assert "exception" not in line


async def test_service_that_does_not_stop_is_ended_and_exits_with_3():
    process = await start(
        """
        print("up", flush=True)
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                pass
        """,
        shutdown=0.2,
    )
    assert await process.stdout.readline() == b"up\n"
    process.send_signal(signal.SIGINT)
    code, lines = await finish(process)
    assert code == 3
    assert json.loads(lines[-1])["event"] == "did not stop in time"


async def test_wrong_setting_ends_the_start_with_a_sentence_and_2():
    code, lines = await finish(await start("pass", CONVOBOSS_PARTITIONS="many", CONVOBOSS_LOG_LEVEL="loud"))
    assert code == 2
    assert lines[0].startswith("CONVOBOSS_PARTITIONS: Input should be a valid integer")
    assert lines[1].startswith("CONVOBOSS_LOG_LEVEL: Input should be 'debug', 'info'")
    assert len(lines) == 2


async def test_line_carries_conversation_event_and_trace_of_what_it_is_about():
    (line, after) = await logged(
        """
        with tracing.span("x", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"), logs.bind(conversation="c1", event="e1"):
            log.info("decided")
        log.info("after")
        """
    )
    assert (line["conversation"], line["event_id"], line["trace"]) == ("c1", "e1", "a" * 32)
    assert line["level"] == "info"
    assert {"conversation", "event_id", "trace"}.isdisjoint(after)


async def test_secrets_never_reach_the_log_whatever_they_hide_in():
    secret = "hunter2"
    lines = await logged(
        f"""
        s = "{secret}"
        log.info("plain", token=s, page_token=s, app_secret=s, Password=s, Authorization=s, x_hub_signature_256=s)
        log.info("nested", headers={{"Authorization": s, "list": [{{"api_key": s}}]}})
        log.info("texts", url="https://graph/me?access_token=" + s + "&x=1", database="postgresql://me:" + s + "@host/db")
        log.info("header Bearer " + s)
        logging.getLogger("library").warning("to %s", "smtp://user:" + s + "@host")
        try:
            raise ValueError("https://graph/?access_token=" + s)
        except ValueError:
            log.exception("raised", error="password=" + s)
        """
    )
    assert secret not in json.dumps(lines)
    assert lines[0]["token"] == "[redacted]"
    assert lines[2]["url"] == "https://graph/me?access_token=[redacted]&x=1"
    assert lines[2]["database"] == "postgresql://[redacted]@host/db"
    assert "Traceback" in lines[5]["exception"]


async def test_secrets_never_reach_a_log_for_people_either_not_even_as_a_variable_of_a_traceback():
    process = await start(
        """
        page_token = "hunter2"
        try:
            raise ValueError("https://graph/?access_token=" + page_token)
        except ValueError:
            log.exception("raised", token=page_token)
        """,
        CONVOBOSS_LOG_FORMAT="console",
    )
    code, lines = await finish(process)
    assert code == 0
    assert "hunter2" not in "\n".join(lines)
    assert any("ValueError: https://graph/?access_token=[redacted]" in line for line in lines)


async def test_spans_go_to_the_configured_endpoint_and_events_carry_them():
    received = []

    async def collect(request):
        received.append(await request.read())
        return aiohttp.web.Response()

    app = aiohttp.web.Application()
    app.router.add_post("/v1/traces", collect)
    async with HttpServer(ServiceSettings(http_port=0), Health(), app) as server:
        lines = await logged(
            """
            incoming = "00-" + "ab" * 16 + "-" + "cd" * 8 + "-01"
            with tracing.span("decide", incoming) as carried, tracing.batch("batch", [incoming, None]):
                log.info("inside", carried=carried)
            """,
            CONVOBOSS_OTLP_ENDPOINT=f"http://127.0.0.1:{server.port}",
        )
    (line,) = lines
    assert line["trace"] == "ab" * 16
    assert line["carried"].startswith(f"00-{'ab' * 16}-")
    assert "cd" * 8 not in line["carried"], "its parent is the span here"
    assert b"decide" in received[0]
    assert b"batch" in received[0]
    assert bytes.fromhex("ab" * 16) in received[0]


async def test_chatty_kafka_client_says_the_same_once():
    lines = await logged(
        """
        for number in range(50):
            logging.getLogger("aiokafka.conn").error("cannot connect to %s", number)
            logging.getLogger("other").error("said %s", number)
        """
    )
    assert len([line for line in lines if line["logger"] == "aiokafka.conn"]) == 1
    assert len([line for line in lines if line["logger"] == "other"]) == 50


async def test_pages_for_watchers():
    health = Health()
    async with HttpServer(ServiceSettings(http_port=0), health) as server, aiohttp.ClientSession() as client:
        base = f"http://127.0.0.1:{server.port}"
        assert (await client.get(f"{base}/healthz")).status == 200
        health.component("database").failing("away")
        answer = await client.get(f"{base}/readyz")
        assert answer.status == 503
        assert await answer.json() == {"ready": False, "components": {"database": {"ok": False, "detail": "away"}}}
        health.component("database").ok()
        assert (await client.get(f"{base}/readyz")).status == 200
        metrics = await (await client.get(f"{base}/metrics")).text()
        assert "convoboss_published_total" in metrics


async def test_port_in_use_is_a_sentence():
    async with HttpServer(ServiceSettings(http_port=0), Health()) as first:
        second = HttpServer(ServiceSettings(http_port=first.port), Health())
        with pytest.raises(PortTaken, match=f"Port {first.port} of 127.0.0.1 is in use: set CONVOBOSS_HTTP_PORT"):
            await second.start()
