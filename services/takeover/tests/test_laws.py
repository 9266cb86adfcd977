"""The laws hold whatever the writers do, in whatever order it comes; and rules that are wrong on purpose break them.

LAWS_DEPTH=6 explores deeper, LAWS_RUNS=5000 plays longer.
"""

import os
from dataclasses import replace
from types import ModuleType
from typing import Final

import pytest
from hypothesis import HealthCheck, Phase, Verbosity, settings
from hypothesis.stateful import run_state_machine_as_test
from interleavings import FOUND, explore
from laws import LAWS, LawBroken, Rules
from mutants import MUTANTS, DoesNotApply, Mutant
from ownership_machine import Ownership

from takeover import decide as real_rules

DEPTH: Final = int(os.environ.get("LAWS_DEPTH", "5"))
RUNS: Final = int(os.environ.get("LAWS_RUNS", "200"))
STEPS: Final = 50
CHECKS: Final = [HealthCheck.too_slow, HealthCheck.filter_too_much, HealthCheck.data_too_large]


@pytest.mark.timeout(1800)
def test_whatever_happens_the_laws_hold():
    run_state_machine_as_test(
        Ownership,
        settings=settings(
            max_examples=RUNS, stateful_step_count=STEPS, deadline=None, suppress_health_check=CHECKS, print_blob=True
        ),
    )


@pytest.mark.timeout(1800)
def test_in_every_order_of_the_casts_moves_the_laws_hold():
    found = explore(real_rules, DEPTH)
    if DEPTH in FOUND:
        assert found == FOUND[DEPTH], (
            "the rules or the cast changed: judge whether less is explored, then write it here"
        )


def explored(rules: Rules) -> set[int]:
    """The laws that a breadth of orders shows broken; a depth at a time, for most faults are near."""
    for depth in (2, 3):
        try:
            explore(rules, depth)
        except LawBroken as broken:
            return broken.laws
    return set()


def played(rules: Rules) -> set[int]:
    """The laws that a fixed series of random conversations shows broken."""
    machine = type("Mutated", (Ownership,), {"rules_module": rules})
    try:
        run_state_machine_as_test(
            machine,
            settings=settings(
                max_examples=400,
                stateful_step_count=STEPS,
                deadline=None,
                derandomize=True,
                database=None,
                phases=[Phase.generate],
                report_multiple_bugs=False,
                verbosity=Verbosity.quiet,
                suppress_health_check=CHECKS,
            ),
        )
    except LawBroken as broken:
        return broken.laws
    return set()


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_rules_that_are_wrong_break_their_law(mutant: Mutant):
    rules: ModuleType = mutant.rules()
    assert mutant.law in (explored(rules) or played(rules)), "survived, or breaks another law than is said"


def test_a_mutant_whose_patch_does_not_apply_says_so():
    with pytest.raises(DoesNotApply):
        replace(MUTANTS[0], before="is not in the source").rules()


def test_each_law_has_mutants_and_the_real_rules_are_not_touched_by_them():
    assert {mutant.law for mutant in MUTANTS} == set(LAWS)
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 12
    for mutant in MUTANTS:
        assert mutant.rules().decide is not real_rules.decide
    explore(real_rules, 2)
