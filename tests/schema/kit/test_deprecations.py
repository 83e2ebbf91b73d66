"""What is to go says so to clients, with what to use instead and the day; what does not say it does not load."""

from collections.abc import Callable
from datetime import date
from enum import StrEnum
from typing import Annotated, Any

import pytest
from graphql import build_schema, print_type

from app.kernel.permissions import Permission
from schema import kit
from schema.kit import (
    SIGNED_IN,
    Connection,
    Node,
    StringFilter,
    about,
    arg,
    by,
    children,
    col,
    deprecated,
    filterable,
    inputs,
    many,
    mutation,
    parent,
    plain,
    query,
    readable,
)
from schema.kit.deprecations import deprecations, removal_of, require_dated
from schema.kit.execution import core_of
from schema.kit.live import changed
from tests.schema.kit import scratch_models as models

DAY = date(2027, 3, 15)
going: Callable[[Any], Any] = deprecated("Use the other.", until=DAY)
REASON = "Use the other. Removed on 2027-03-15."


class Fading(StrEnum):
    """A word that stays and one that goes."""

    NEW = "NEW"
    OLD = "OLD"


kit.describe_enum(Fading, "Words.", {Fading.NEW: "It stays.", Fading.OLD: going("It goes.")})


@plain
class FadingAnswer:
    """An answer."""

    new: int = about("It stays.")
    old: int = going(about("It goes."))


@inputs
class FadeInput:
    """What to fade."""

    word: Fading = about("Which.")
    old: str | None = going(about("It goes.", default=None))


class Queries:
    """What clients may ask."""

    @going
    @query("It goes.", permission=SIGNED_IN)
    async def old_fading(word: Annotated[Fading | None, going(arg("It goes."))] = None) -> FadingAnswer:
        return FadingAnswer(new=1, old=2)

    @query("It stays.", permission=SIGNED_IN)
    async def new_fading() -> FadingAnswer:
        return FadingAnswer(new=1, old=2)


class Mutations:
    """What clients may do."""

    @going
    @mutation(FadingAnswer, "Fades.", permission=SIGNED_IN)
    async def fade_away(input: FadeInput) -> FadingAnswer:
        return FadingAnswer(new=1, old=2)


def test_everything_that_can_be_declared_can_be_said_to_go() -> None:
    holder = type("Room", (), {"Queries": Queries, "Mutations": Mutations})
    found = dict(deprecations(core_of(kit.build_schema([holder]))))
    assert found == dict.fromkeys(
        ["Query.oldFading", "Query.oldFading(word:)", "Mutation.fadeAway", "FadeAwayInput.old", "FadingAnswer.old", "Fading.OLD"],
        REASON,
    )  # fmt: skip


@filterable(models.Crew)
class FadingCrewFilter:
    """Which crews."""

    name: StringFilter | None = going(by("The name."))


@readable(models.Crew, permission=None)
class FadingCrew(Node):
    """People who work together."""

    name: str = going(col("What it is called."))
    boss: "FadingCrew" = going(parent("The crew above."))
    crews: Connection["FadingCrew"] = going(children("The crews below.", via="boss_id"))


class Room:
    """Lists and what happens to rows."""

    class Queries:
        """What clients may ask."""

        fading_crews: Connection[FadingCrew] = going(many("Crews.", permission=SIGNED_IN, filter=FadingCrewFilter))

    class Subscriptions:
        """What clients may hear."""

        fading_crew_changed = going(changed(FadingCrew, "What happens.", permission=Permission.VIEW_WORK_ORDERS))


def test_lists_filters_columns_relations_and_subscriptions_can_go_too() -> None:
    found = dict(deprecations(core_of(kit.build_schema([Room]))))
    assert found == dict.fromkeys(
        ["Query.fadingCrews", "FadingCrewFilter.name", "FadingCrew.name", "FadingCrew.boss", "FadingCrew.crews",
         "Subscription.fadingCrewChanged"],
        REASON,
    )  # fmt: skip


def test_clients_see_it_in_the_schema() -> None:
    core = core_of(kit.build_schema([Room]))
    assert f'name: String! @deprecated(reason: "{REASON}")' in print_type(core.type_map["FadingCrew"])


@pytest.mark.parametrize(
    "reason", ["", "Use the other.", "Use the other. Removed on 2027-02-30.", "Removed on 2027-03-15."]
)
def test_a_deprecation_without_what_to_use_or_a_day_does_not_load(reason: str) -> None:
    schema = build_schema(f'type Query {{ a: Int b: Int @deprecated(reason: "{reason}") }}')
    with pytest.raises(TypeError, match=r"Query\.b: a deprecation says what to use"):
        require_dated(schema)


def test_a_day_is_read_back_from_the_reason() -> None:
    assert removal_of(REASON) == DAY
    with pytest.raises(TypeError):
        deprecated("use the other", until=DAY)
