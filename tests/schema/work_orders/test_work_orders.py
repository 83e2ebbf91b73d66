"""Work orders through the API: what each kind of asker sees, does and is told, on both databases."""

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio
import strawberry

from app import database as db
from app.infrastructure import journal
from app.kernel.actor import Actor
from app.kernel.dialects import Dialect
from app.work_orders import commands, models, rules
from schema.kit import Context, build_schema, execute, plain_data, problems
from schema.kit.live import hears
from schema.work_orders import operations
from tests.app.work_orders.world import Company, found, give_visit, in_state, snapshot, submitted


@pytest.fixture(scope="session")
def schema() -> strawberry.Schema:
    return build_schema([operations])


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


class Api:
    """Somebody at the API."""

    def __init__(self, schema: strawberry.Schema, actor: Actor) -> None:
        self.schema = schema
        self.actor = actor

    async def ask(self, document: str, **variables: object) -> Mapping[str, Any]:
        """The whole answer."""
        return plain_data(await execute(self.schema, document, variables, None, Context(self.actor)))

    async def data(self, document: str, **variables: object) -> Any:
        """The answer's one field; there must be no error."""
        answer = await self.ask(document, **variables)
        assert "errors" not in answer, answer
        [value] = answer["data"].values()
        return value

    async def do(self, name: str, wanted: Mapping[str, object], selection: str) -> Any:
        """A mutation's payload."""
        kind = "".join(part for part in (name[0].upper(), name[1:]))
        document = f"""mutation ($input: {kind}Input!) {{ {name}(input: $input) {{
            {selection} cursor errors {{ __typename code message path
                ... on IllegalTransition {{ state to allowed }}
                ... on CompletionBlocked {{ missing {{ code }} }}
                ... on StaleVersion {{ expected actual }} }} }} }}"""
        return await self.data(document, input=wanted)


async def test_a_request_travels_through_its_whole_life(company: Company, schema: strawberry.Schema) -> None:
    customer, office, finance = (Api(schema, one) for one in (company.customer, company.manager, company.finance))
    asked = {
        "customerId": company.customer_id, "siteId": company.site_id, "summary": "No heat",
        "serviceTypeId": company.service_type_id, "equipmentId": company.equipment_id,
    }  # fmt: skip
    payload = await customer.do("createWorkOrder", asked, "workOrder { id number status statusLabel channel priority }")
    row = payload["workOrder"]
    id = row.pop("id")
    assert (payload["errors"], row) == (
        [],
        {
            "number": "WO-000001", "status": "SUBMITTED", "statusLabel": "We have received your request",
            "channel": "PORTAL", "priority": "HIGH",
        },
    )  # fmt: skip
    assert journal.seq_of(payload["cursor"], company.organization_id) == 1
    for step, status in (("triageWorkOrder", "TRIAGED"), ("startWorkOrder", "IN_PROGRESS")):
        payload = await office.do(step, {"id": id}, "workOrder { status }")
        assert payload["workOrder"] == {"status": status}
    payload = await office.do("completeWorkOrder", {"id": id}, "workOrder { status }")
    assert payload["workOrder"] is None
    [problem] = payload["errors"]
    assert (problem["__typename"], problem["missing"]) == (
        "CompletionBlocked", [{"code": "LINE_ITEM"}, {"code": "NOTE"}, {"code": "TIME"}],
    )  # fmt: skip
    line = {"workOrderId": id, "kind": "LABOR", "description": "Work", "quantity": "1.5", "unitPrice": "80"}
    payload = await office.do("addLineItem", line, "lineItem { quantity unitPrice amount workOrder { totalAmount } }")
    assert payload["lineItem"] is not None
    assert [float(payload["lineItem"][name]) for name in ("quantity", "unitPrice", "amount")] == [1.5, 80, 120]
    assert payload["lineItem"]["workOrder"] == {"totalAmount": "120.00"}
    await office.do("addNote", {"workOrderId": id, "text": "Valve stuck"}, "note { visibility }")
    timer = {"workOrderId": id, "kind": "REPAIR", "technicianId": company.technician_id}
    entry = (await office.do("startTimer", timer, "timeEntry { id endedAt technician { name } }"))["timeEntry"]
    assert (entry["endedAt"], entry["technician"]) == (None, {"name": "Tess Ohm"})
    stopped = await office.do("stopTimer", {"id": entry["id"], "billedMinutes": 45}, "timeEntry { billedMinutes }")
    assert stopped["timeEntry"] == {"billedMinutes": 45}
    payload = await office.do("completeWorkOrder", {"id": id}, "workOrder { status }")
    assert payload["workOrder"] == {"status": "COMPLETED"}
    payload = await finance.do("approveWorkOrders", {"ids": [id]}, "workOrders { status }")
    assert payload["workOrders"] == [{"status": "APPROVED"}]
    payload = await finance.do("closeWorkOrder", {"id": id}, "workOrder { status allowedTransitions { to } }")
    assert payload["workOrder"] == {"status": "CLOSED", "allowedTransitions": []}


async def test_every_field_of_a_work_order_is_read_by_one_statement(
    company: Company, schema: strawberry.Schema, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await submitted(company, service_type_id=company.service_type_id, equipment_id=company.equipment_id)
    await submitted(company, parent_id=id, summary="Order a valve")
    await commands.add_note(company.manager, id, "Valve stuck")
    await commands.add_line_item(company.manager, id, "FEE", "Goodwill")
    statements: list[str] = []
    read = db.read_rows

    async def counted(sql: str, values: Sequence[Any]) -> Any:
        statements.append(sql)
        return await read(sql, values)

    monkeypatch.setattr(db, "read_rows", counted)
    row = await Api(schema, company.manager).data(
        """query ($id: ID!) { workOrder(id: $id) {
            number status statusLabel priority channel summary description durationMinutes externalId currency version
            submittedAt triagedAt dueAt lineItemCount hasRunningTimer totalAmount holdReason reasonCode
            requiredSkills { skillId code name level }
            priorityScore { points parts { code points explanation } }
            allowedTransitions { to blockedBy }
            customer { name } site { name } equipment { name } serviceType { name } partOf { number }
            openedBy { legalName }
            parts { nodes { number partOf { number } } }
            lineItems { totalCount nodes { kind description } }
            notes { nodes { text authorKind authorName visibility } }
            timeEntries { nodes { kind } }
        } }""",
        id=id,
    )
    assert row["requiredSkills"] == [{"skillId": company.skill_id, "code": "HVAC", "name": "Heating", "level": 2}]
    assert row["priorityScore"] == {
        "points": 40, "parts": [{"code": "URGENCY", "points": 40, "explanation": "The priority is HIGH."}],
    }  # fmt: skip
    assert row["allowedTransitions"] == [
        {"to": "TRIAGED", "blockedBy": []}, {"to": "CANCELED", "blockedBy": []}, {"to": "DECLINED", "blockedBy": []},
    ]  # fmt: skip
    assert (row["customer"], row["site"], row["equipment"]) == (
        {"name": "Ada Lovelace"},
        {"name": "Home"},
        {"name": "Boiler"},
    )
    assert (row["partOf"], row["openedBy"]) == (None, {"legalName": "Our operations_manager"})
    assert row["parts"] == {"nodes": [{"number": "WO-000002", "partOf": {"number": "WO-000001"}}]}
    assert row["lineItems"] == {"totalCount": 1, "nodes": [{"kind": "FEE", "description": "Goodwill"}]}
    assert row["notes"]["nodes"] == [
        {"text": "Valve stuck", "authorKind": "STAFF", "authorName": "Our operations_manager", "visibility": "INTERNAL"}
    ]
    assert (row["totalAmount"], row["lineItemCount"], row["hasRunningTimer"]) == ("0.00", 1, False)


async def test_a_customer_is_not_told_what_our_skills_are_called(company: Company, schema: strawberry.Schema) -> None:
    id = await submitted(company, service_type_id=company.service_type_id)
    document = "query ($id: ID!) { workOrder(id: $id) { requiredSkills { code name level } } }"
    row = await Api(schema, company.customer).data(document, id=id)
    assert row["requiredSkills"] == [{"code": None, "name": None, "level": 2}]


async def test_blocked_steps_say_why_in_every_database(company: Company, schema: strawberry.Schema) -> None:
    id = await submitted(company, service_type_id=company.service_type_id)
    await models.WorkOrder.filter(id=id).update(status="IN_PROGRESS")
    await commands.start_timer(company.manager, id, "REPAIR", technician_id=company.technician_id)
    row = await Api(schema, company.manager).data(
        "query ($id: ID!) { workOrder(id: $id) { allowedTransitions { to blockedBy } } }", id=id
    )
    blocked = {step["to"]: len(step["blockedBy"]) for step in row["allowedTransitions"]}
    assert blocked == {
        "TRIAGED": 1, "SCHEDULED": 1, "ON_HOLD": 0, "COMPLETED": 4, "CANNOT_COMPLETE": 0, "CANCELED": 0,
    }  # fmt: skip


async def test_each_asker_sees_their_own_view(company: Company, schema: strawberry.Schema) -> None:
    id = await in_state(company, "IN_PROGRESS")
    await submitted(company, customer_id=company.other_customer_id, site_id=company.other_site_id)
    await give_visit(company, id)
    await commands.add_note(company.manager, id, "Dog bites")
    await commands.add_note(company.manager, id, "On our way", visibility="CUSTOMER")
    await commands.start_timer(company.technician, id, "REPAIR")
    document = """{ workOrders { totalCount nodes { id totalAmount notes { nodes { text } } timeEntries { nodes { kind } }
        lineItems { nodes { amount } } } } }"""
    views = {}
    for name in ("manager", "customer", "technician", "other_customer"):
        answer = await Api(schema, getattr(company, name)).ask(document)
        [row] = [one for one in answer["data"]["workOrders"]["nodes"] if one["id"] == id] or [None]
        views[name] = (
            answer["data"]["workOrders"]["totalCount"],
            row and sorted(note["text"] for note in row["notes"]["nodes"]),
            row and len(row["timeEntries"]["nodes"]),
            row and row["totalAmount"],
            {error["extensions"]["code"] for error in answer.get("errors", [])},
        )
    both = ["Dog bites", "On our way"]
    assert views == {
        "manager": (2, both, 1, "80.00", set()),
        "customer": (1, ["On our way"], 0, "80.00", set()),
        "technician": (1, both, 1, None, {"FORBIDDEN"}),
        "other_customer": (1, None, None, None, {"FORBIDDEN"}),
    }


async def test_lists_are_narrowed_sorted_and_searched(company: Company, schema: strawberry.Schema) -> None:
    low = await submitted(company, priority="LOW", summary="Drip", external_id="311-9")
    urgent = await submitted(company, priority="URGENT", summary="Burst pipe", category="Water")
    other = await submitted(company, customer_id=company.other_customer_id, site_id=company.other_site_id)
    over = await in_state(company, "CANCELED")
    await give_visit(company, urgent)
    office = Api(schema, company.dispatcher)
    names = {low: "low", urgent: "urgent", other: "other", over: "over"}

    async def listed(filter: Mapping[str, object], **order: str) -> list[str]:
        document = """query ($filter: WorkOrderFilter, $order: [WorkOrderOrder!]) {
            workOrders(filter: $filter, orderBy: $order) { nodes { id } } }"""
        answer = await office.data(document, filter=filter, order=[order] if order else None)
        return [names[node["id"]] for node in answer["nodes"]]

    assert await listed({}) == ["over", "other", "urgent", "low"]
    assert await listed({"isOpen": True}) == ["other", "urgent", "low"]
    assert await listed({"isOpen": False}) == ["over"]
    assert await listed({"priority": {"in": ["URGENT", "EMERGENCY"]}}) == ["urgent"]
    assert await listed({"technicianId": company.technician_id}) == ["urgent"]
    assert await listed({"search": "BURST"}) == ["urgent"]
    assert await listed({"search": "water"}) == ["urgent"]
    assert await listed({"search": "hopper"}) == ["other"]
    assert await listed({"externalId": {"eq": "311-9"}}) == ["low"]
    assert await listed({"customerId": {"eq": company.other_customer_id}}) == ["other"]
    assert await listed({"not": {"status": {"eq": "SUBMITTED"}}}) == ["over"]
    assert (await listed({}, field="PRIORITY", direction="DESC"))[0] == "urgent"
    found_row = await office.data('{ workOrderByNumber(number: "WO-000002") { id } }')
    assert names[found_row["id"]] == "urgent"
    assert await office.data('{ workOrderByNumber(number: "WO-000099") { id } }') is None


async def test_queues_and_their_counts_agree(company: Company, schema: strawberry.Schema) -> None:
    await submitted(company)
    await in_state(company, "ON_HOLD", hold_reason="ESCALATED")
    await in_state(company, "COMPLETED")
    office = Api(schema, company.dispatcher)
    counts = {one["queue"]: one["count"] for one in await office.data("{ queueCounts { queue count } }")}
    assert list(counts) == [str(queue) for queue in rules.WorkQueue]
    assert {queue: count for queue, count in counts.items() if count} == {
        "UNTRIAGED": 1, "UNASSIGNED": 1, "ON_HOLD": 1, "ESCALATED": 1, "ISSUES": 1, "AWAITING_APPROVAL": 1,
    }  # fmt: skip
    for queue, count in counts.items():
        page = await office.data("query ($name: WorkQueue!) { queue(name: $name) { totalCount } }", name=queue)
        assert page["totalCount"] == count
    theirs = await Api(schema, company.other_customer).data("{ queueCounts { count } }")
    assert {one["count"] for one in theirs} == {0}


async def test_only_the_given_fields_are_changed_and_null_clears(company: Company, schema: strawberry.Schema) -> None:
    id = await submitted(company, category="Heating", description="Since Monday")
    office = Api(schema, company.dispatcher)
    wanted = {
        "id": id, "version": 1, "category": None, "dueAt": "2026-03-01T09:00:00+01:00",
        "requiredSkills": [{"skillId": company.skill_id, "level": 3}],
    }  # fmt: skip
    selection = "workOrder { category description dueAt version requiredSkills { level } }"
    payload = await office.do("updateWorkOrder", wanted, selection)
    row = payload["workOrder"]
    assert row.pop("dueAt").startswith("2026-03-01T08:00:00")
    assert row == {"category": None, "description": "Since Monday", "version": 2, "requiredSkills": [{"level": 3}]}
    payload = await office.do("updateWorkOrder", wanted, selection)
    assert payload["workOrder"] is None
    assert [(one["__typename"], one["expected"], one["actual"]) for one in payload["errors"]] == [
        ("StaleVersion", 1, 2)
    ]


async def test_refusals_are_typed_and_leave_no_trace(company: Company, schema: strawberry.Schema) -> None:
    id = await in_state(company, "SUBMITTED")
    line = (await models.LineItem.filter(work_order_id=id))[0].id
    before = await snapshot()
    office, guest = Api(schema, company.dispatcher), Api(schema, company.guest)
    payload = await office.do("resumeWorkOrder", {"id": id}, "workOrder { id }")
    assert payload["errors"][0]["__typename"] == "IllegalTransition"
    assert payload["errors"][0]["allowed"] == ["TRIAGED", "CANCELED", "DECLINED"]
    for name, wanted in (
        ("cancelWorkOrder", {"id": id, "reason": "DUPLICATE"}),
        ("removeLineItem", {"id": line}),
        ("addNote", {"workOrderId": id, "text": "Hello"}),
    ):
        selection = "note { id }" if name == "addNote" else "workOrder { id }"
        payload = await guest.do(name, wanted, selection)
        assert [one["__typename"] for one in payload["errors"]] == ["NotPermitted"], name
    assert await snapshot() == before


async def test_a_customer_hears_of_the_work_and_not_of_what_is_ours(company: Company) -> None:
    id = await submitted(company)
    await give_visit(company, id)
    await commands.triage_work_order(company.manager, id)
    await commands.add_note(company.manager, id, "Dog bites")
    await commands.add_note(company.manager, id, "On our way", visibility="CUSTOMER")
    await commands.add_line_item(company.manager, id, "PART", "Valve", unit_price=Decimal(9))
    await commands.start_timer(company.technician, id, "TRAVEL")
    await commands.hold_work_order(company.manager, id, reason="ESCALATED", comment="Ask the chief")
    entries = await journal.read(company.organization_id, 0)

    def heard_by(actor: Actor) -> list[str]:
        return [entry.type for entry in entries if hears(actor, entry)]

    told = ["WorkOrderSubmitted", "WorkOrderTriaged", "NoteAdded", "LineItemAdded", "WorkOrderHeld"]
    assert heard_by(company.customer) == heard_by(company.guest) == told
    assert heard_by(company.other_customer) == []
    assert heard_by(company.technician) == [
        "WorkOrderTriaged", "NoteAdded", "NoteAdded", "LineItemAdded", "TimerStarted", "WorkOrderHeld", "NoteAdded",
    ]  # fmt: skip
    assert heard_by(company.dispatcher) == [entry.type for entry in entries]


def test_every_operation_of_the_room_is_there(schema: strawberry.Schema) -> None:
    core = schema._schema
    assert core.query_type and core.mutation_type and core.subscription_type
    assert set(commands.__all__) - {
        "WorkOrderChanges",
        "follow_appointments",
        "follow_all_appointments",
        "watch_work_order",
    } == {"".join(f"_{one.lower()}" if one.isupper() else one for one in name) for name in core.mutation_type.fields}
    assert "workOrderChanged" in core.subscription_type.fields
