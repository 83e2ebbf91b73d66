"""The schedule through the API: what each kind of asker sees, does and is told, on both databases."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
import pytest_asyncio
import strawberry

from app.infrastructure import journal
from app.kernel.actor import Actor, ActorKind
from app.kernel.dialects import Dialect
from app.kernel.permissions import Permission
from app.scheduling import commands
from app.scheduling.rules import ReasonCode
from app.work_orders.models import WorkOrder
from schema.kit import Context, build_schema, execute, plain_data, problems
from schema.kit.live import hears
from schema.scheduling import operations
from schema.schema import api
from tests.app.scheduling.test_plans import planned
from tests.app.scheduling.world import (
    NINE,
    Company,
    assignments_of,
    booked,
    found,
    row_of,
    sent,
    snapshot,
    visit,
    work,
)

HOUR = timedelta(hours=1)


@pytest.fixture(scope="session")
def schema() -> strawberry.Schema:
    return build_schema([operations])


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(company: Company) -> Company:
    return await found("Globex")


async def ask(schema: strawberry.Schema, actor: Actor, document: str, **variables: object) -> Mapping[str, Any]:
    """The whole answer."""
    return plain_data(await execute(schema, document, variables, None, Context(actor)))


async def data(schema: strawberry.Schema, actor: Actor, document: str, **variables: object) -> Any:
    """The answer's one field; there must be no error."""
    answer = await ask(schema, actor, document, **variables)
    assert "errors" not in answer, answer
    [value] = answer["data"].values()
    return value


async def do(schema: strawberry.Schema, actor: Actor, name: str, selection: str, **wanted: object) -> Any:
    """A mutation's payload."""
    kind = f"{name[0].upper()}{name[1:]}Input"
    document = f"""mutation ($input: {kind}!) {{ {name}(input: $input) {{
        {selection} cursor errors {{ code path
            ... on IllegalTransition {{ state to }}
            ... on PlanOutdated {{ moved }}
            ... on ScheduleConflict {{ conflicts {{ code overridable appointmentId technicianId }} }} }} }} }}"""
    return await data(schema, actor, document, input=wanted)


async def test_a_visit_from_wanted_to_done(schema: strawberry.Schema, company: Company) -> None:
    order = await work(company)
    made = await do(
        schema, company.dispatcher, "createAppointment", "appointment { id number status }", workOrderId=order
    )
    id = made["appointment"]["id"]
    assert made["appointment"] == {"id": id, "number": 1, "status": "UNSCHEDULED"}
    scheduled = await do(
        schema,
        company.dispatcher,
        "scheduleAppointment",
        "appointment { status startsAt workOrder { status } assignments { nodes { isLead technician { name } } } "
        "allowedTransitions { to blockedBy } }",
        id=id,
        technicianIds=[company.ann_id],
        startsAt=NINE.isoformat(),
    )
    assert scheduled["errors"] == []
    assert scheduled["appointment"] == {
        "status": "SCHEDULED",
        "startsAt": "2027-03-01T08:00:00+00:00",
        "workOrder": {"status": "SCHEDULED"},
        "assignments": {"nodes": [{"isLead": True, "technician": {"name": "Ann"}}]},
        "allowedTransitions": [
            {"to": "UNSCHEDULED", "blockedBy": []},
            {"to": "DISPATCHED", "blockedBy": []},
            {"to": "CANCELED", "blockedBy": []},
        ],
    }
    await do(schema, company.dispatcher, "dispatchAppointment", "appointment { id }", id=id)
    for name, values, status in (
        ("depart", {}, "EN_ROUTE"),
        ("turnBack", {"reason": "Forgot the ladder."}, "DISPATCHED"),
        ("depart", {"etaAt": None}, "EN_ROUTE"),
        ("arrive", {"latitude": 52.5, "longitude": 13.4}, "ON_SITE"),
        ("startWork", {}, "IN_PROGRESS"),
        ("pauseWork", {"reasonCode": "BREAK"}, "PAUSED"),
        ("resumeWork", {}, "IN_PROGRESS"),
        ("completeAppointment", {"result": "COMPLETED"}, "COMPLETED"),
    ):
        payload = await do(schema, company.ann, name, "appointment { status }", id=id, **values)
        assert (payload["errors"], payload["appointment"]["status"]) == ([], status)
        assert payload["cursor"] is not None
    seen = await data(
        schema,
        company.customer,
        "query ($id: ID!) { appointment(id: $id) { status arrivedCoordinates { latitude } site { name } "
        "assignments { nodes { technician { name } } } } }",
        id=id,
    )
    assert seen == {
        "status": "COMPLETED",
        "arrivedCoordinates": {"latitude": 52.5},
        "site": {"name": "Home"},
        "assignments": {"nodes": [{"technician": {"name": "Ann"}}]},
    }


async def test_says_what_blocks_a_step(schema: strawberry.Schema, company: Company) -> None:
    first, second = await sent(company), await sent(company, at=NINE + 2 * HOUR)
    await commands.depart(company.ann, first)
    query = "query ($id: ID!) { appointment(id: $id) { allowedTransitions { to blockedBy } } }"
    steps = (await data(schema, company.dispatcher, query, id=second))["allowedTransitions"]
    blocked = {step["to"]: step["blockedBy"] for step in steps}
    assert blocked["EN_ROUTE"] == ["A technician is on the way to or at another visit; pause or finish that first."]
    assert blocked["SCHEDULED"] == []


async def test_conflicts_come_typed_and_nothing_changes(schema: strawberry.Schema, company: Company) -> None:
    taken, id = await booked(company), await visit(company)
    before = await snapshot()
    payload = await do(
        schema,
        company.dispatcher,
        "scheduleAppointment",
        "appointment { id }",
        id=id,
        technicianIds=[company.ann_id],
        startsAt=NINE.isoformat(),
    )
    assert payload["appointment"] is None
    assert payload["errors"] == [
        {
            "code": "SCHEDULE_CONFLICT",
            "path": [],
            "conflicts": [
                {
                    "code": "OVERLAP",
                    "overridable": False,
                    "appointmentId": taken,
                    "technicianId": company.ann_id,
                }
            ],
        }
    ]
    payload = await do(schema, company.dispatcher, "dispatchAppointments", "appointments { id }", ids=[taken, id])
    assert [error["code"] for error in payload["errors"]] == ["ILLEGAL_TRANSITION"]
    assert await snapshot() == before


async def test_the_day_shows_the_visits_that_reach_into_it_to_who_may_see_them(
    schema: strawberry.Schema, company: Company, stranger: Company
) -> None:
    anns = await booked(company)
    bobs = await booked(company, company.bob_id, at=NINE + HOUR)
    late = await visit(company)
    await commands.schedule_appointment(
        company.dispatcher, late, [company.ann_id], NINE + 15 * HOUR, override_reason="Night work."
    )
    query = """query ($day: Date!, $zone: String, $ids: [ID!]) {
        schedule(day: $day, timeZone: $zone, technicianIds: $ids) { nodes { id } totalCount } }"""

    async def ids(actor: Actor, day: str = "2027-03-01", **variables: object) -> list[str]:
        found = await data(schema, actor, query, day=day, **variables)
        assert found["totalCount"] == len(found["nodes"])
        return [node["id"] for node in found["nodes"]]

    assert await ids(company.dispatcher) == [anns, bobs]
    assert await ids(company.dispatcher, "2027-03-02") == [late]
    assert await ids(company.dispatcher, zone="America/New_York") == [anns, bobs, late]
    assert await ids(company.dispatcher, ids=[company.bob_id]) == [bobs]
    assert await ids(company.ann) == [anns]
    assert await ids(company.customer) == [anns, bobs]
    assert await ids(stranger.dispatcher) == []
    answer = await ask(schema, company.dispatcher, query, day="2027-03-01", ids=[stranger.ann_id])
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_FOUND"]


LISTS_OF_ONE = {
    "appointments": "query ($id: String!) { appointments(filter: {technicianId: $id}) { totalCount } }",
    "schedule": 'query ($id: ID!) { schedule(day: "2027-03-01", technicianIds: [$id]) { totalCount } }',
    "workOrders": "query ($id: ID!) { workOrders(filter: {technicianId: $id}) { totalCount } }",
}


@pytest.mark.parametrize("name", LISTS_OF_ONE)
async def test_who_is_given_what_is_told_as_far_as_one_may_see_it(company: Company, name: str) -> None:
    """Ann and Bob go together, then Bob alone to work that Ann opened: she sees both, but only what she is given herself."""
    await booked(company, company.ann_id, company.bob_id)
    bobs = await row_of(await booked(company, company.bob_id, at=NINE + 3 * HOUR))
    await WorkOrder.filter(id=bobs.work_order_id).update(opened_by_user_id=company.ann.id)

    async def counted(actor: Actor) -> list[int]:
        ids = (company.ann_id, company.bob_id)
        return [(await data(api, actor, LISTS_OF_ONE[name], id=id))["totalCount"] for id in ids]

    assert await counted(company.dispatcher) == [1, 2]
    assert await counted(company.customer) == [1, 2]
    assert await counted(company.ann) == [1, 0]
    assert await counted(company.bob) == [0, 2]
    held = company.dispatcher.permissions - {Permission.VIEW_SCHEDULE}
    unscheduled = Actor(company.organization_id, ActorKind.API_KEY, "key_1", frozenset(), held)
    answer = await ask(api, unscheduled, LISTS_OF_ONE[name], id=company.ann_id)
    assert [error["extensions"] for error in answer["errors"]] == [
        {"code": "NOT_PERMITTED", "permission": "VIEW_SCHEDULE"}
    ]


async def test_a_plan_is_read_committed_and_undone(schema: strawberry.Schema, company: Company) -> None:
    id = await visit(company)
    impossible = await visit(company, required_skills={company.skill_id: 5})
    run = await planned(company)
    query = """query ($id: ID!) { planRun(id: $id) {
        status day visitCount progress { elapsedSeconds } allowedTransitions { to }
        summary { added unassigned travelMinutes score { mandatoryPoints } }
        visits { nodes { change before { startsAt } reasons { code sentence }
            appointment { id } technician { name } run { id } } } } }"""
    seen = await data(schema, company.dispatcher, query, id=run.id)
    assert (seen["status"], seen["day"], seen["visitCount"], seen["progress"]) == (
        "READY",
        "2027-03-01",
        2,
        None,
    )
    assert (seen["summary"]["added"], seen["summary"]["unassigned"]) == (1, 1)
    assert seen["summary"]["score"]["mandatoryPoints"] > 0
    assert [step["to"] for step in seen["allowedTransitions"]] == [
        "PARTLY_COMMITTED",
        "COMMITTED",
        "DISCARDED",
    ]
    by_visit = {node["appointment"]["id"]: node for node in seen["visits"]["nodes"]}
    assert (by_visit[id]["change"], by_visit[id]["before"], by_visit[id]["reasons"]) == ("ADDED", None, [])
    assert by_visit[impossible]["technician"] is None
    assert [reason["code"] for reason in by_visit[impossible]["reasons"]] == ["SKILL_LEVEL_TOO_LOW"]
    for actor in (company.ann, company.customer):
        assert await data(schema, actor, "query ($id: ID!) { planRun(id: $id) { id } }", id=run.id) is None
    payload = await do(schema, company.dispatcher, "commitPlan", "planRun { status }", id=run.id)
    assert (payload["planRun"], payload["errors"]) == ({"status": "COMMITTED"}, [])
    await commands.dispatch_appointment(company.dispatcher, id)
    payload = await do(schema, company.dispatcher, "undoPlan", "planRun { status }", id=run.id)
    assert (payload["planRun"], payload["errors"]) == (
        None,
        [{"code": "PLAN_OUTDATED", "path": [], "moved": [id]}],
    )


async def test_lower_rooms_show_their_visits(schema: strawberry.Schema, company: Company) -> None:
    id = await booked(company)
    order = (await row_of(id)).work_order_id
    document = """query ($order: ID!, $ann: ID!, $site: ID!) {
        order: node(id: $order) { ... on WorkOrder { appointments { nodes { id } } } }
        ann: node(id: $ann) { ... on Technician { assignments { nodes { appointment { id } } } } }
        site: node(id: $site) { ... on Site { appointments { nodes { id } } } } }"""
    answer = await ask(schema, company.dispatcher, document, order=order, ann=company.ann_id, site=company.site_id)
    assert answer["data"] == {
        "order": {"appointments": {"nodes": [{"id": id}]}},
        "ann": {"assignments": {"nodes": [{"appointment": {"id": id}}]}},
        "site": {"appointments": {"nodes": [{"id": id}]}},
    }


async def test_an_assignment_is_answered_through_the_api(schema: strawberry.Schema, company: Company) -> None:
    crew = await booked(company, company.ann_id, company.bob_id)
    anns, bobs = await assignments_of(crew)
    fields = "assignment { status reason isActive allowedTransitions { to } }"
    accepted = await do(schema, company.ann, "acceptAssignment", fields, id=anns.id)
    assert accepted["assignment"]["status"] == "ACCEPTED"
    assert [step["to"] for step in accepted["assignment"]["allowedTransitions"]] == ["DECLINED", "RELEASED"]
    declined = await do(schema, company.bob, "declineAssignment", fields, id=bobs.id, reason="Sick child.")
    assert declined["assignment"] == {
        "status": "DECLINED",
        "reason": "Sick child.",
        "isActive": False,
        "allowedTransitions": [],
    }
    released = await do(schema, company.dispatcher, "releaseAssignment", fields, id=anns.id)
    assert released["assignment"]["status"] == "RELEASED"
    assert (await row_of(crew)).status == "UNSCHEDULED"


async def test_a_customer_sees_that_somebody_declined_and_not_why(schema: strawberry.Schema, company: Company) -> None:
    id = await booked(company, company.ann_id, company.bob_id)
    [_, bobs] = await assignments_of(id)
    await commands.decline_assignment(company.bob, bobs.id, "I am in hospital.")
    document = """query ($id: ID!, $where: AssignmentFilter, $by: [AssignmentOrder!]) { appointment(id: $id) {
        assignments(filter: $where, orderBy: $by) { nodes { status reason } } } }"""
    office, customer = [await ask(schema, actor, document, id=id) for actor in (company.dispatcher, company.customer)]
    declined = {"status": "DECLINED", "reason": "I am in hospital."}
    assert declined in office["data"]["appointment"]["assignments"]["nodes"]
    shown = customer["data"]["appointment"]["assignments"]["nodes"]
    assert declined | {"reason": None} in shown
    assert [one["reason"] for one in shown] == [None] * len(shown)
    for asked in ({"where": {"reason": {"contains": "hospital"}}}, {"by": [{"field": "REASON"}]}):
        [refused] = (await ask(schema, company.customer, document, id=id, **asked))["errors"]
        assert refused["extensions"]["code"] == "NOT_PERMITTED"
        assert "errors" not in await ask(schema, company.dispatcher, document, id=id, **asked)


async def test_each_hears_of_the_own_visits(company: Company, stranger: Company) -> None:
    id = await booked(company)
    before = await journal.head(company.organization_id)
    await commands.reschedule_appointment(company.dispatcher, id, technician_ids=[company.bob_id])
    run = await planned(company)
    await commands.cancel_appointment(company.dispatcher, id, ReasonCode.CUSTOMER_REQUEST)
    entries = {entry.type: entry for entry in await journal.read(company.organization_id, before)}
    moved, ready, canceled = (entries[name] for name in ("AppointmentRescheduled", "PlanReady", "AppointmentCanceled"))
    assert [hears(actor, moved) for actor in (company.dispatcher, company.ann, company.bob, company.customer)] == [
        True
    ] * 4
    assert [hears(actor, canceled) for actor in (company.ann, company.bob)] == [False, True]
    assert [hears(actor, ready) for actor in (company.dispatcher, company.ann, company.customer)] == [
        True,
        False,
        False,
    ]
    assert ready.subject_id == run.id
