"""`convoboss tail` against a real broker, as a person or a script runs it."""

import asyncio
import json
import os
import pty
import re
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from terminal_world import DEADLINE, HOSTILE, OTHER, UNREADABLE, Raw, Run, Start, environment, publish, raw, said

from convoboss.main import joined, parser
from schemas.bots import BotSettings
from schemas.envelope import event_types
from schemas.samples import CONVERSATION, SAMPLES
from schemas.topics import BOTS, CONVERSATIONS, OUTCOMES, TOPICS, TURNS

OF_CONVERSATIONS = [name for name, topic in TOPICS.items() if topic.partitions is None]
LINE = re.compile(
    r"(?P<at>\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z)  (?P<topic>\S+) +(?P<partition>\d+)@(?P<offset>\d+) +"
    r"(?P<type>\S+(?: type)?)(?: +(?P<key>\S+))?(?:  (?P<told>.*))?"
)
CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]")


def parsed(line: str) -> dict[str, str]:
    match = LINE.fullmatch(line)
    assert match, line
    return match.groupdict()


@pytest.fixture(scope="module")
def everything(filled: str, run: Run) -> "subprocess.CompletedProcess[str]":
    """One look at all topics of conversations, for the tests that ask what it shows."""
    return run(filled, "tail", "--no-follow")


# --- what is there


def test_without_options_it_reads_all_topics_of_conversations_and_shows_each_record_in_one_line(
    everything: "subprocess.CompletedProcess[str]",
) -> None:
    assert (everything.returncode, everything.stderr) == (0, "")
    lines = [parsed(line) for line in everything.stdout.splitlines()]
    records = sum(len(SAMPLES[topic]) for topic in OF_CONVERSATIONS) + 1 + len(UNREADABLE)
    assert len(lines) == records
    assert {line["topic"] for line in lines} == set(OF_CONVERSATIONS)
    shown = {line["type"] for line in lines}
    assert shown >= {name for topic in OF_CONVERSATIONS for name in event_types(topic)}
    assert [line["at"] for line in lines] == sorted(line["at"] for line in lines)
    places = [(line["topic"], line["partition"], int(line["offset"])) for line in lines]
    assert len(set(places)) == records
    for topic, partition in {place[:2] for place in places}:
        offsets = [offset for *place, offset in places if tuple(place) == (topic, partition)]
        assert offsets == sorted(offsets)


def test_what_nobody_can_read_is_shown_as_such_with_its_length_and_stops_nothing(
    everything: "subprocess.CompletedProcess[str]",
) -> None:
    lines = [parsed(line) for line in everything.stdout.splitlines()]
    unreadable = [line for line in lines if line["type"] in {"undecodable", "unknown type"}]
    told = [line["told"] for line in unreadable]
    assert len(told) == len(UNREADABLE)
    assert any("'customer.sang.v1' (2 bytes)" in text for text in told)
    assert any("no ce_type header (2 bytes)" in text for text in told)
    assert any(text.endswith("(9 bytes)") for text in told)
    assert any("no value" in text for text in told)


def test_a_customers_text_cannot_act_on_the_terminal_nor_break_the_line(
    everything: "subprocess.CompletedProcess[str]",
) -> None:
    assert not CONTROL.search(everything.stdout)
    line = next(line for line in everything.stdout.splitlines() if "alarm" in line)
    assert r'"red \u001b[31m alarm \u0007⏎second line \u202eback"' in line


def test_one_conversation_is_told_from_its_beginning_and_no_other(filled: str, run: Run) -> None:
    done = run(filled, "tail", "--no-follow", "--conversation", CONVERSATION, "--json")
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert {each["key"] for each in found} == {CONVERSATION}
    assert len({each["partition"] for each in found}) == 1
    assert len(found) == sum(event.key == CONVERSATION for topic in OF_CONVERSATIONS for event in SAMPLES[topic])


def test_types_are_chosen_by_name_with_stars(filled: str, run: Run) -> None:
    done = run(filled, "tail", "--no-follow", "--topic", OUTCOMES, "--type", "takeover.*", "--type", "bot.position.v1")
    assert [parsed(line)["type"] for line in done.stdout.splitlines()] == [
        "takeover.started.v1",
        "takeover.answered.v1",
        "takeover.changed.v1",
        "takeover.ended.v1",
        "bot.position.v1",
    ]


def test_a_limit_ends_it_though_it_would_follow(filled: str, run: Run) -> None:
    done = run(filled, "tail", "--from", "beginning", "--limit", "3")
    assert (done.returncode, len(done.stdout.splitlines())) == (0, 3)


def test_json_holds_all_of_the_event_and_why_another_could_not_be_read(filled: str, run: Run) -> None:
    done = run(filled, "tail", "--no-follow", "--json", "--topic", CONVERSATIONS)
    found = [json.loads(line) for line in done.stdout.splitlines()]
    assert [each["event"] for each in found if each["key"] == CONVERSATION] == [
        event.model_dump(mode="json") for event in SAMPLES[CONVERSATIONS] if event.key == CONVERSATION
    ]
    hostile = next(each for each in found if each["type"] == "customer.message.v1" and each["key"] == OTHER)
    assert hostile["event"]["input"]["text"] == HOSTILE
    assert not CONTROL.search(done.stdout)
    problems = {each["problem"]: each["bytes"] for each in found if each["event"] is None}
    assert problems["'customer.sang.v1'"] == 2
    assert problems["no ce_type header"] == 2
    assert found[0]["source"] == "test"


@pytest.mark.parametrize("form", [[], ["--json"]])
def test_secrets_of_bots_are_not_shown_even_encrypted_and_a_removed_bot_is_told(
    filled: str, run: Run, form: list[str]
) -> None:
    done = run(filled, "tail", "--no-follow", "--topic", BOTS, *form)
    (settings,) = SAMPLES[BOTS]
    assert isinstance(settings, BotSettings)
    (channel,) = settings.messenger
    assert "(encrypted)" in done.stdout
    for secret in (channel.app_secret, channel.verify_token, channel.page_token):
        assert secret not in done.stdout
    assert channel.page_id in done.stdout
    assert "removed" in done.stdout.splitlines()[-1]
    assert done.returncode == 0


@pytest.mark.usefixtures("everything")
def test_it_joins_no_consumer_group_and_commits_nothing(filled: str) -> None:
    async def groups() -> list[tuple[str, str]]:
        admin = AIOKafkaAdminClient(bootstrap_servers=filled)
        await admin.start()
        try:
            return list(await admin.list_consumer_groups())
        finally:
            await admin.close()

    assert [group for group, _ in asyncio.run(groups()) if "convoboss" in group or not group] == []


# --- when


def test_a_time_ago_and_a_time_both_begin_at_the_first_record_from_then_on(filled: str, run: Run) -> None:
    now = int(time.time() * 1000)
    key = f"messenger:1:{now}"
    old, new = (
        Raw(TURNS, key.encode(), b"{}", [("ce_type", name)], now - age)
        for name, age in ((b"old", 20 * 60_000), (b"new", 60_000))
    )
    asyncio.run(publish(filled, [old, new]))
    select = ["tail", "--no-follow", "--topic", TURNS, "--conversation", key]
    assert len(run(filled, *select).stdout.splitlines()) == 2
    ago = run(filled, *select, "--from", "-5m").stdout.splitlines()
    at = datetime.fromtimestamp(now / 1000 - 300, UTC).replace(tzinfo=None).isoformat()
    since = run(filled, *select, "--from", at).stdout.splitlines()
    assert [line.partition("  unknown type ")[2].strip() for line in ago] == ["'new' (2 bytes)"]
    assert since == ago
    assert run(filled, *select, "--from", "2100-01-01").stdout == ""


def test_what_comes_later_is_shown_at_once(filled: str, start: Start) -> None:
    key = f"messenger:2:{time.time_ns()}"
    asyncio.run(publish(filled, [raw(CONVERSATIONS, said("before", key))]))
    process = start(filled, "tail", "--conversation", key, "--limit", "2")
    assert process.stdout is not None
    assert '"before"' in process.stdout.readline()
    asyncio.run(publish(filled, [raw(CONVERSATIONS, said("after", key))]))
    assert '"after"' in process.stdout.readline()
    assert process.wait(DEADLINE) == 0


def test_by_default_it_begins_at_the_end(filled: str, start: Start) -> None:
    process = start(filled, "tail", "--limit", "1")
    key = f"messenger:3:{time.time_ns()}"
    deadline = time.monotonic() + DEADLINE
    while process.poll() is None and time.monotonic() < deadline:  # it is not told when it has begun
        asyncio.run(publish(filled, [raw(CONVERSATIONS, said("news", key))]))
    assert process.stdout is not None
    assert '"news"' in process.stdout.read()


def test_ctrl_c_ends_it_without_a_word(filled: str, start: Start) -> None:
    process = start(filled, "tail", "--from", "beginning")
    assert process.stdout is not None
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=DEADLINE)
    assert (process.returncode, errors) == (130, "")


def test_a_reader_that_has_enough_ends_it_without_a_word(filled: str) -> None:
    command = f"{sys.executable} -m convoboss tail --from beginning --topic conversations | head -n 1"
    done = subprocess.run(
        ["bash", "-c", f"{command}; echo ${{PIPESTATUS[0]}}"],
        env=environment(filled),
        capture_output=True,
        text=True,
        check=False,
        timeout=DEADLINE,
    )
    first, code = done.stdout.splitlines()
    assert parsed(first)["topic"] == CONVERSATIONS
    assert (code, done.stderr) == ("0", "")


# --- on a terminal


def on_a_terminal(bootstrap: str, arguments: list[str], width: int, **more: str) -> str:
    """What a terminal of `width` columns gets to see."""
    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "convoboss", *arguments],
        env=environment(bootstrap, COLUMNS=str(width), TERM="xterm", **more),
        stdout=theirs,
        stderr=subprocess.DEVNULL,
    )
    os.close(theirs)
    seen = b""
    try:
        while piece := os.read(ours, 65536):
            seen += piece
    except OSError:  # Linux tells the end of a terminal so
        pass
    finally:
        os.close(ours)
        process.wait(DEADLINE)
    return seen.decode().replace("\r\n", "\n")


def test_a_terminal_gets_colours_and_lines_that_fit(filled: str) -> None:
    seen = on_a_terminal(filled, ["tail", "--no-follow", "--topic", OUTCOMES], 150)
    assert "\x1b[32moutcomes" in seen
    plain = re.sub(r"\x1b\[\d+m", "", seen)
    assert "\x1b" not in plain
    lines = plain.splitlines()
    assert max(map(len, lines)) <= 150
    assert any(line.startswith("    ") for line in lines)


def test_no_color_is_obeyed(filled: str) -> None:
    seen = on_a_terminal(filled, ["tail", "--no-follow", "--topic", OUTCOMES], 150, NO_COLOR="1")
    assert "takeover.started.v1" in seen
    assert "\x1b" not in seen


# --- what can be wrong


def test_no_broker_is_told_in_a_sentence_that_names_the_setting(run: Run) -> None:
    done = run("127.0.0.1:1", "tail")
    assert (done.returncode, done.stdout) == (3, "")
    assert len(done.stderr.splitlines()) == 1
    assert "127.0.0.1:1" in done.stderr
    assert "CONVOBOSS_KAFKA_BOOTSTRAP" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--topic", "nonsense"], list(TOPICS)),
        (["--conversation", "mia"], ["messenger:<page id>:<PSID>"]),
        (["--from", "yesterday"], ["beginning", "-5m", "2026-11-24T09:30"]),
        (["--type", "nonsense.v1"], ["customer.message.v1"]),
        (["--limit", "0"], ["from 1 on"]),
    ],
    ids=["topic", "conversation", "from", "type", "limit"],
)
def test_a_wrong_argument_is_told_with_what_would_be_right(
    capsys: pytest.CaptureFixture[str], arguments: list[str], told: list[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        parser().parse_args(["tail", *arguments])
    printed = capsys.readouterr()
    assert (end.value.code, printed.out) == (2, "")
    for text in told:
        assert text in printed.err


def test_a_time_ago_needs_no_equals_sign() -> None:
    assert joined(["tail", "--from", "-5m", "--json"]) == ["tail", "--from=-5m", "--json"]
    assert joined(["tail", "--from", "--json"]) == ["tail", "--from", "--json"]


def test_a_wrong_setting_is_told_by_its_name(run: Run) -> None:
    done = run("127.0.0.1:1", "tail", CONVOBOSS_PARTITIONS="many")
    assert done.returncode == 2
    assert "CONVOBOSS_PARTITIONS" in done.stderr


def test_a_conversation_of_a_topic_that_has_none_is_refused(filled: str, run: Run) -> None:
    done = run(filled, "tail", "--topic", BOTS, "--conversation", CONVERSATION)
    assert done.returncode == 2
    assert "keyed by bot" in done.stderr


def test_help_shows_examples_and_exit_codes(run: Run) -> None:
    assert "no Kafka broker answers" in run("127.0.0.1:1", "--help").stdout
    assert "convoboss tail --conversation messenger:" in run("127.0.0.1:1", "tail", "--help").stdout
