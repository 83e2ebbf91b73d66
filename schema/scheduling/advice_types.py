"""What clients see of the planner's advice: whom to send, why, what else fits, what would help, how to make room."""

from collections.abc import Iterable
from datetime import datetime

from app.scheduling import planning, rules
from app.scheduling.rules import SuggestionCode
from schema.kit import ID, JSON, about, describe_enum, link, plain
from schema.scheduling.types import Appointment
from schema.technicians.types import Technician

describe_enum(
    SuggestionCode,
    "What a reason for or against somebody is about.",
    {
        SuggestionCode.TRAVEL: "How much more would be driven.",
        SuggestionCode.LATENESS: "Whether work would be late.",
        SuggestionCode.CONTINUITY: "The site knows them from before.",
        SuggestionCode.SKILL: "How well the skills fit.",
        SuggestionCode.GAP: "What would stay free around it.",
        SuggestionCode.WORKLOAD: "What is planned for them already.",
    },
)


@plain
class SuggestionReason:
    """One thing that speaks for or against somebody."""

    code: SuggestionCode = about("What it is about.")
    sentence: str = about("The reason for a person.")
    figure: int | None = about("How much, if that can be counted.")
    unit: str | None = about("What the figure counts, such as minutes.")


@plain
class TechnicianSuggestion:
    """Technicians for a visit and when they could begin. The figures are what that adds to what is planned."""

    appointment_id: ID | None = about("The visit; null for work that has none yet: scheduleWork makes it.")
    appointment: Appointment | None = link("The visit; null for work that has none yet.", "appointment_id")
    technician_ids: list[ID] = about("Who would go, the lead first.")
    technician_id: ID = about("The lead.")
    technician: Technician | None = link("Who would go, or lead the crew.", "technician_id")
    starts_at: datetime = about("When they could begin.")
    duration_minutes: int = about("How long it takes them.")
    travel_minutes: int = about("Minutes more on the road.")
    travel_metres: int = about("Metres more on the road.")
    added_cents: int = about("What it costs by the planner's weights, in cents; lateness is told apart.")
    late_cents: int = about("What lateness it adds costs, in cents.")
    surplus_levels: int = about("How many levels of skill they have beyond what is needed.")
    gap_minutes: int = about("Minutes that stay free around it.")
    workload_minutes: int = about("Minutes of work and travel that are planned in that shift already.")
    knows_site: bool = about("Whether they were at the site before.")
    reasons: list[SuggestionReason] = about("What speaks for and against it, the weightiest first.")
    sentence: str = about("All of it in a sentence.")


@plain
class AssignmentExplanation:
    """Why a visit is with whom it is."""

    sentence: str = about("The comparison in a sentence.")
    technician_ids: list[ID] = about("Who has it, the lead first.")
    chosen: TechnicianSuggestion | None = about(
        "What they add to the rest of the plan; null where that cannot be told apart from it."
    )
    alternatives: list[TechnicianSuggestion] = about("What others would add, the best first.")


@plain
class PlanRemedy:
    """Something that would let a visit fit. It was tried: the planner solved again with it, and the visit fitted."""

    code: str = about("Stable code of what is to be done.")
    sentence: str = about("What is to be done, for a person.")
    added_cents: int | None = about("What it costs by the planner's weights, in cents, if it can be counted.")
    change: JSON = about("What is to be changed, by name; times are minutes since the plan's first midnight.")


@plain
class NearbyWork:
    """A visit near a technician's route or a place."""

    appointment_id: ID = about("Which visit.")
    appointment: Appointment | None = link("The visit.", "appointment_id")
    metres: int = about("How far it is by road.")
    near_appointment_id: ID | None = about("The planned visit that it is near to; null for a home or a place.")
    near_appointment: Appointment | None = link("The planned visit that it is near to.", "near_appointment_id")
    technician_ids: list[ID] = about("Who has it so far; empty while it waits for a time.")
    starts_at: datetime | None = about("When it is to begin so far; null while it waits for a time.")


@plain
class InsertionMove:
    """A visit that would make room."""

    appointment_id: ID = about("Which visit.")
    appointment: Appointment | None = link("The visit as it stands now.", "appointment_id")
    technician_ids: list[ID] = about("Who would go then; empty if it loses its time.")
    starts_at: datetime | None = about("When it would begin then; null if it loses its time.")


@plain
class InsertionOption:
    """One way to serve an urgent visit. The figures are what it adds to what is planned."""

    key: str = about("Give it to insertUrgent, within 15 minutes.")
    technician_ids: list[ID] = about("Who would go, the lead first.")
    technician_id: ID = about("The lead.")
    technician: Technician | None = link("Who would go, or lead the crew.", "technician_id")
    starts_at: datetime = about("When it would begin.")
    moved: list[InsertionMove] = about("Visits that would begin later, or be done by others.")
    bumped: list[InsertionMove] = about("Less urgent visits that would lose their time.")
    travel_minutes: int = about("Minutes more on the road.")
    travel_metres: int = about("Metres more on the road.")
    added_cents: int = about("What it costs by the planner's weights, in cents; lateness is told apart.")
    late_cents: int = about("What lateness it adds costs, in cents.")
    sentence: str = about("All of it in a sentence.")


def shown_suggestion(one: planning.Suggestion) -> TechnicianSuggestion:
    """A suggestion as clients see it."""
    return TechnicianSuggestion(
        appointment_id=None if one.is_of_new_visit else ID(one.visit.id),
        technician_ids=shown_ids(one.technician_ids),
        technician_id=ID(one.technician_ids[0]),
        starts_at=one.starts_at,
        duration_minutes=one.duration_minutes,
        travel_minutes=one.travel_minutes,
        travel_metres=one.travel_metres,
        added_cents=one.added_cents,
        late_cents=one.late_cents,
        surplus_levels=one.surplus_levels,
        gap_minutes=one.gap_minutes,
        workload_minutes=one.workload_minutes,
        knows_site=one.knows_site,
        reasons=[_shown_reason(reason) for reason in one.reasons],
        sentence=one.sentence,
    )


def shown_explanation(found: planning.Explanation) -> AssignmentExplanation:
    """An explanation as clients see it."""
    return AssignmentExplanation(
        sentence=found.sentence,
        technician_ids=shown_ids(found.technician_ids),
        chosen=None if found.chosen is None else shown_suggestion(found.chosen),
        alternatives=[shown_suggestion(one) for one in found.alternatives],
    )


def shown_option(one: planning.InsertionOption) -> InsertionOption:
    """An option as clients see it."""
    return InsertionOption(
        key=one.key,
        technician_ids=shown_ids(one.technician_ids),
        technician_id=ID(one.technician_ids[0]),
        starts_at=one.starts_at,
        moved=[_shown_move(move) for move in one.moved],
        bumped=[_shown_move(move) for move in one.bumped],
        travel_minutes=one.travel_minutes,
        travel_metres=one.travel_metres,
        added_cents=one.added_cents,
        late_cents=one.late_cents,
        sentence=one.sentence,
    )


def shown_nearby(one: planning.Nearby) -> NearbyWork:
    """Work near something as clients see it."""
    return NearbyWork(
        appointment_id=ID(one.visit.id),
        metres=one.metres,
        near_appointment_id=None if one.near_visit_id is None else ID(one.near_visit_id),
        technician_ids=shown_ids(one.technician_ids),
        starts_at=one.starts_at,
    )


def shown_ids(ids: Iterable[str]) -> list[ID]:
    """Ids as the schema has them."""
    return [ID(id) for id in ids]


def _shown_reason(reason: rules.SuggestionReason) -> SuggestionReason:
    return SuggestionReason(code=reason.code, sentence=reason.sentence, figure=reason.figure, unit=reason.unit)


def _shown_move(move: planning.MovedVisit) -> InsertionMove:
    return InsertionMove(
        appointment_id=ID(move.visit.id), technician_ids=shown_ids(move.technician_ids), starts_at=move.starts_at
    )
