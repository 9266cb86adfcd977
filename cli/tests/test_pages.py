"""`convoboss pages` and `convoboss catch-up`: how pages are, and what was missed is asked for."""

import json

from terminal_world import Run

from schemas.samples import PAGE, SAMPLES
from schemas.topics import PAGES


def test_a_page_is_shown_with_what_its_admin_does(filled: str, run: Run) -> None:
    done = run(filled, "pages", PAGE)
    assert (done.returncode, done.stderr) == (0, "")
    status = SAMPLES[PAGES][0]
    text = " ".join(done.stdout.split())
    assert PAGE in text
    assert f"{status.aspect} {status.state} since" in text
    assert status.reason in text
    assert f"1. {status.steps[0].text} (before: {status.steps[0].older})" in text


def test_json_tells_the_same_to_programs(filled: str, run: Run) -> None:
    (status,) = json.loads(run(filled, "pages", "--json").stdout)
    assert (status["page"], status["aspect"], status["state"]) == (PAGE, "routing", "failing")
    assert json.loads(run(filled, "pages", "--json", "5").stdout) == []
    assert "Nothing is known of page 5" in run(filled, "pages", "5").stdout


def test_what_was_missed_is_asked_for_and_shown_as_under_way(filled: str, run: Run) -> None:
    done = run(filled, "catch-up", PAGE, "--from", "2026-11-24T08:00")
    assert (done.returncode, done.stderr) == (0, "")
    text = " ".join(run(filled, "pages").stdout.split())
    assert "What was missed since 2026-11-24T08:00:00.000Z is being read. Asked for by ops." in text


def test_what_is_no_page_or_no_time_is_refused(filled: str, run: Run) -> None:
    assert run(filled, "catch-up", "salon").returncode == 2
    assert run(filled, "catch-up", PAGE, "--from", "beginning").returncode == 2
    assert run("127.0.0.1:1", "pages").returncode == 3
