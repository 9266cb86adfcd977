"""`convoboss topics`: the catalogue, and what the broker has of it."""

import json

from terminal_world import PARTITIONS, Run

from schemas.topics import TOPICS


def test_all_topics_are_listed_with_what_the_broker_has(filled: str, run: Run) -> None:
    done = run(filled, "topics")
    assert (done.returncode, done.stderr) == (0, "")
    for topic in TOPICS.values():
        line = next(line for line in done.stdout.splitlines() if line.startswith(f"{topic.name} "))
        assert "  there  " in line
        assert f"by {topic.keyed_by}" in line
        assert topic.holds.split(",")[0] in done.stdout
    assert "keeps 30 days" in done.stdout
    assert "keeps the last of each key" in done.stdout


def test_json_tells_the_same_to_programs(filled: str, run: Run) -> None:
    found = {line["topic"]: line for line in json.loads(run(filled, "topics", "--json").stdout)}
    assert set(found) == set(TOPICS)
    assert (found["conversations"]["partitions"], found["conversations"]["found"]) == (PARTITIONS, PARTITIONS)
    assert (found["bots"]["partitions"], found["bots"]["found"]) == (1, 1)


def test_a_topic_with_other_partitions_than_set_is_told(filled: str, run: Run) -> None:
    done = run(filled, "topics", CONVOBOSS_PARTITIONS="12")
    line = next(line for line in done.stdout.splitlines() if line.startswith("turns "))
    assert f"there with {PARTITIONS} partitions" in line
    assert "12 partitions" in line


def test_without_a_broker_the_catalogue_is_shown_all_the_same(run: Run) -> None:
    done = run("127.0.0.1:1", "topics")
    assert done.returncode == 3
    assert "broker not asked" in done.stdout
    assert all(name in done.stdout for name in TOPICS)
    assert "CONVOBOSS_KAFKA_BOOTSTRAP" in done.stderr
