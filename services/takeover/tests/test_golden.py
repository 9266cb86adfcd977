"""Recorded conversations come out as they did. A change of the rules shows here as a diff, for its reader to judge."""

import pytest
from golden_stories import STORIES

from golden import FOLDER, REPAIR, Log, differences, page

NAMES = sorted(path.stem for path in FOLDER.glob("*.jsonl"))


@pytest.mark.parametrize("name", NAMES)
def test_a_recorded_conversation_comes_out_as_it_did(name):
    difference = differences([name])
    assert not difference, f"\n{difference}\nWhere this is what was wanted: {REPAIR}"


def test_each_story_was_recorded_and_each_record_has_its_page():
    assert set(NAMES) == set(STORIES)
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(NAMES)
    assert len(NAMES) >= 12


def test_a_log_reads_back_as_it_was_written():
    for name in NAMES:
        path = FOLDER / f"{name}.jsonl"
        assert Log.read(path).text() == path.read_text(encoding="utf-8")


def test_a_change_of_behaviour_is_a_readable_diff(tmp_path, monkeypatch):
    name = "an-answer-in-time-beats-a-late-timer"
    monkeypatch.setattr("golden.FOLDER", tmp_path)
    (tmp_path / f"{name}.jsonl").write_text((FOLDER / f"{name}.jsonl").read_text(encoding="utf-8"), encoding="utf-8")
    was = page(Log.read(FOLDER / f"{name}.jsonl"))
    (tmp_path / f"{name}.txt").write_text(was.replace('cause="expired"', 'cause="operator"'), encoding="utf-8")
    lines = differences([name]).splitlines()
    assert [line for line in lines if line.startswith("-    >")] != []
    assert any('cause="expired"' in line for line in lines if line.startswith("+    >"))
