"""The short version of `make faults`: one round of the faults that find most."""

import json

import pytest

from faults.chaos import telling, whole
from faults.main import plan_of
from faults.run import run
from faults.stack import SERVICES
from faults.table import table

SEED = 7  # make faults draws a new one each time
CUSTOMERS = 10


@pytest.mark.infra
@pytest.mark.timeout(900)  # measured 170 s on two idle cores
async def test_under_load_and_faults_nothing_is_lost_nothing_comes_twice_and_one_voice_speaks(tmp_path):
    result = await run(plan_of(SEED, telling, CUSTOMERS), tmp_path, print)
    shown = "\n".join([table(result), *map(str, result.verdict.findings)])
    assert result.clean, shown
    assert len(result.faults) == len(plan_of(SEED, telling, CUSTOMERS).deck()), shown
    # what was counted happened: a run in which nobody does anything is clean too
    seen = result.verdict.seen
    assert result.verdict.accepted > 200, shown
    for what in ("flow", "operator", "page_inbox"):
        assert seen[f"episodes begun: {what}"], shown
    for what in ("expired", "operator"):
        assert seen[f"episodes ended: {what}"], shown
    assert seen["e-mails"], shown
    assert result.ends, shown
    json.dumps(result.shown())


def test_the_same_seed_gives_the_same_faults_on_the_same_targets_and_another_does_not():
    for deck in (telling, whole):
        one, same, other = (plan_of(seed, deck, CUSTOMERS) for seed in (1, 1, 2))
        assert [one.deck(), one.deck()] == [same.deck(), same.deck()]
        assert one.deck() != other.deck()


def test_a_round_of_the_whole_deck_kills_every_service():
    deck = plan_of(1, whole, CUSTOMERS).deck()
    assert {planned.target for planned in deck if planned.name == "kill -9"} == {*SERVICES, "postgres"}
