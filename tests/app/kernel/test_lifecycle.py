"""Lifecycles: what a table of steps allows, refuses and says."""

import pytest

from app.kernel.errors import IllegalTransition
from app.kernel.lifecycle import Lifecycle, Transition


def has_cargo(facts):
    return None if facts and facts["cargo"] else "The van is empty."


VAN = Lifecycle(
    "van",
    {
        "PARKED": frozenset({"DRIVING", "SCRAPPED"}),
        "DRIVING": frozenset({"PARKED"}),
        "SCRAPPED": frozenset(),
    },
    guards={"DRIVING": (has_cargo,)},
)


def test_every_step_is_in_the_table_or_refused():
    taken = set()
    for state in VAN.states:
        for to in VAN.states:
            try:
                VAN.require(state, to, {"cargo": True})
                taken.add((state, to))
            except IllegalTransition as refusal:
                assert refusal.data() == {
                    "state": state,
                    "to": to,
                    "allowed": [one for one in VAN.states if one in VAN.steps[state]],
                }
    assert taken == {("PARKED", "DRIVING"), ("PARKED", "SCRAPPED"), ("DRIVING", "PARKED")}


def test_a_guard_refuses_with_its_sentence():
    with pytest.raises(IllegalTransition, match=r"The van is empty\."):
        VAN.require("PARKED", "DRIVING", {"cargo": False})


def test_allowed_steps_name_what_blocks_them():
    assert VAN.allowed("PARKED", {"cargo": False}) == [
        Transition("DRIVING", ("The van is empty.",)),
        Transition("SCRAPPED", ()),
    ]


def test_a_state_that_nothing_leaves_is_final():
    assert [state for state in VAN.states if VAN.is_final(state)] == ["SCRAPPED"]


def test_a_step_into_an_undeclared_state_is_a_mistake_in_the_table():
    with pytest.raises(ValueError, match="MOON"):
        Lifecycle("van", {"PARKED": frozenset({"MOON"})})


def test_the_diagram_has_one_arrow_for_each_step():
    assert VAN.as_mermaid().splitlines() == [
        "stateDiagram-v2",
        "    PARKED --> DRIVING",
        "    PARKED --> SCRAPPED",
        "    DRIVING --> PARKED",
    ]
