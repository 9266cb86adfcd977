"""Small rules, without I/O."""

import io
from datetime import UTC, datetime

import pytest

from console import access, command_line, sessions
from console import bots as rules
from console.flow_documents import MAX_DEPTH, read
from console.frames import STREAM_PATTERN
from console.problems import Refusal
from console.registry import PREFIX, RawDocument
from schemas.bots import FALLBACK, TakeoverSettings


def test_the_table_of_attempts_cannot_grow_past_its_buckets():
    buckets = {sessions.account_bucket(f"{number}@example.com") for number in range(5000)}
    assert all(0 <= bucket < sessions.BUCKETS for bucket in buckets)
    assert sessions.address_bucket("10.0.0.1") >= sessions.BUCKETS


def test_behind_proxies_the_visitors_address_is_the_one_that_the_outermost_trusted_proxy_saw():
    assert sessions.visitor_address("10.0.0.9", "6.6.6.6, 1.2.3.4", 1) == "1.2.3.4"
    assert sessions.visitor_address("10.0.0.9", "6.6.6.6, 1.2.3.4, 10.0.0.8", 2) == "1.2.3.4"
    assert sessions.visitor_address("10.0.0.9", "6.6.6.6", 0) == "10.0.0.9"


def test_an_older_publication_never_replaces_a_newer_one():
    bot = rules.Bot("shop", "Shop", FALLBACK, TakeoverSettings(), 1, None, 0, (), datetime.now(UTC))
    newer = bot.points_to("shop@2", 7)
    assert newer.flow == "shop@2"
    assert newer.points_to("shop@1", 6) is newer


@pytest.mark.parametrize(
    ("text", "status", "code"),
    [
        (b"a: [", 400, "bad_yaml"),
        (b"a: &x [1]\nb: *x", 400, "bad_yaml"),
        (b"a: 1\na: 2", 400, "bad_yaml"),
        (b"!!python/object:os.system {}", 400, "bad_yaml"),
        (b"- 1", 422, "invalid"),
        (b"", 422, "invalid"),
        (b"a: .nan", 422, "invalid"),
        (b"a: !!binary aGk=", 422, "invalid"),
        (b"? [1, 2]\n: 3", 400, "bad_yaml"),
        (b'a: "\\0"', 422, "invalid"),
        (b'a: "\\ud800"', 422, "invalid"),
        (b"a: " + b"[" * 100 + b"]" * 100, 422, "invalid"),
        (b"a: " + b"[" * 5000 + b"]" * 5000, 400, "bad_yaml"),
        (b"\xff\xfe\x00", 400, "bad_yaml"),
    ],
)
def test_yaml_that_says_what_json_cannot_is_refused(text, status, code):

    with pytest.raises(Refusal) as refused:
        read(RawDocument(text, yaml=True))
    assert (refused.value.status, refused.value.problem.code) == (status, code)


def test_a_time_in_yaml_stays_a_text():

    assert read(RawDocument(b"a: 2026-11-24", yaml=True)).value == {"a": "2026-11-24"}
    assert MAX_DEPTH > 10


def test_the_table_names_every_stream_that_a_frame_may_name():
    assert all(prefix in STREAM_PATTERN for prefix in access.STREAMS)
    assert PREFIX == "/api/v1"


@pytest.mark.parametrize(
    ("arguments", "password", "says"),
    [
        (("--email", "no address", "--name", "Ana"), "a good long password", "--email"),
        (("--email", "a@example.com", "--name", " "), "a good long password", "--name"),
        (("--email", "a@example.com", "--name", "Ana"), "short", "10 to 200"),
        (("--email", "a@example.com", "--name", "Ana"), None, "CONVOBOSS_ADMIN_PASSWORD"),
    ],
)
def test_the_command_that_makes_an_admin_says_what_is_wrong(monkeypatch, capsys, arguments, password, says):
    monkeypatch.setattr("console.command_line.logs.configure", lambda **_: None)
    monkeypatch.setattr("sys.stdin", io.StringIO())
    if password is None:
        monkeypatch.delenv("CONVOBOSS_ADMIN_PASSWORD", raising=False)
    else:
        monkeypatch.setenv("CONVOBOSS_ADMIN_PASSWORD", password)
    assert command_line.parse(["create-admin", *arguments]).execute() == 1
    assert says in capsys.readouterr().err
