"""Alerts through the API: what each kind of asker sees, does and is told, on both databases."""

from datetime import timedelta
from typing import Any

from app.infrastructure import journal
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.messaging.models import Alert
from app.scheduling import commands as scheduling
from app.scheduling import reactions
from app.work_orders import commands as work_orders
from app.work_orders import reactions as work_order_reactions
from tests.app.scheduling.world import NINE, Company, row_of, sent, work
from tests.schema.asking import ask, codes, heard

HOUR = timedelta(hours=1)
LIST = "query ($over: Boolean) { alerts(includeResolved: $over) { totalCount nodes { id status } } }"


async def start_of(company: Company) -> str:
    return journal.cursor_at(company.organization_id, await journal.head(company.organization_id))


async def late_visit(company: Company) -> tuple[str, str]:
    """A visit of Ann's and the alert that says that it is late."""
    visit = await sent(company)
    await reactions.watch_visits(NINE + timedelta(minutes=20))
    alert = await Alert.get(subject_id=visit)
    return visit, alert.id


async def step(actor: Actor, name: str, id: str, **more: object) -> dict[str, Any]:
    document = (
        f"mutation ($input: {name[0].upper()}{name[1:]}Input!) {{ {name}(input: $input) "
        "{ alert { status acknowledgedBy { id } resolvedBy { id } } errors { code } } }"
    )
    answer = await ask(actor, document, {"input": {"id": id, **more}})
    payload: dict[str, Any] = answer["data"][name]
    return payload


async def test_an_alert_leads_to_the_visit_and_the_work_and_back(company: Company) -> None:
    visit, alert = await late_visit(company)
    document = """{ alerts { totalCount nodes { id kind kindLabel severity severityLabel status message dueAt subjectId
        subject { __typename id } appointment { id alerts { nodes { id } } } workOrder { alerts { nodes { id } } } } } }"""
    answer = await ask(company.dispatcher, document)
    [node] = answer["data"]["alerts"]["nodes"]
    assert node.pop("message").startswith("Ann will not be at visit 1 of ")
    mine = {"nodes": [{"id": alert}]}
    assert node == {
        "id": alert,
        "kind": "VISIT_LATE",
        "kindLabel": "Visit late",
        "severity": "WARNING",
        "severityLabel": "Needs attention",
        "status": "OPEN",
        "dueAt": "2027-03-01T08:15:00+00:00",
        "subjectId": visit,
        "subject": {"__typename": "Appointment", "id": visit},
        "appointment": {"id": visit, "alerts": mine},
        "workOrder": {"alerts": mine},
    }


async def test_what_is_over_is_listed_only_when_it_is_asked_for(company: Company) -> None:
    _, alert = await late_visit(company)
    me = {"id": company.dispatcher.id}
    taken = await step(company.dispatcher, "acknowledgeAlert", alert, version=1)
    assert taken == {"alert": {"status": "ACKNOWLEDGED", "acknowledgedBy": me, "resolvedBy": None}, "errors": []}
    assert (await ask(company.dispatcher, LIST))["data"]["alerts"]["totalCount"] == 1
    over = await step(company.support, "resolveAlert", alert)
    assert over["alert"] == {"status": "RESOLVED", "acknowledgedBy": me, "resolvedBy": {"id": company.support.id}}
    assert (await ask(company.dispatcher, LIST))["data"]["alerts"] == {"totalCount": 0, "nodes": []}
    whole = (await ask(company.dispatcher, LIST, {"over": True}))["data"]["alerts"]
    assert whole == {"totalCount": 1, "nodes": [{"id": alert, "status": "RESOLVED"}]}
    refused = await step(company.dispatcher, "acknowledgeAlert", alert)
    assert refused == {"alert": None, "errors": [{"code": "ILLEGAL_TRANSITION"}]}


async def test_a_technician_sees_the_own_and_a_customer_and_a_stranger_none(
    company: Company, stranger: Company
) -> None:
    visit, alert = await late_visit(company)
    seen = {"totalCount": 1, "nodes": [{"id": alert, "status": "OPEN"}]}
    nothing = {"totalCount": 0, "nodes": []}
    assert (await ask(company.ann, LIST))["data"]["alerts"] == seen
    assert (await ask(company.bob, LIST))["data"]["alerts"] == nothing
    assert (await ask(stranger.dispatcher, LIST))["data"]["alerts"] == nothing
    assert codes(await ask(company.customer, LIST)) == ["NOT_PERMITTED"]
    through = "query ($id: ID!) { appointment(id: $id) { alerts { totalCount } } }"
    answer = await ask(company.customer, through, {"id": visit})
    assert (answer["data"]["appointment"]["alerts"], codes(answer)) == ({"totalCount": 0}, ["FORBIDDEN"])
    for actor, code in ((company.ann, "NOT_PERMITTED"), (stranger.dispatcher, "NOT_FOUND")):
        assert (await step(actor, "resolveAlert", alert))["errors"] == [{"code": code}]


async def test_whoever_follows_alerts_hears_of_each_step_in_order(company: Company, stranger: Company) -> None:
    start, elsewhere = await start_of(company), await start_of(stranger)
    _, alert = await late_visit(company)
    await step(company.dispatcher, "acknowledgeAlert", alert)
    await step(company.dispatcher, "resolveAlert", alert)
    document = "subscription ($after: String) { alerts(after: $after) { fact alertId alert { status } } }"
    for actor in (company.dispatcher, company.ann):
        events = [one["data"]["alerts"] for one in await heard(actor, document, {"after": start})]
        assert [(one["fact"], one["alertId"]) for one in events] == [
            ("AlertRaised", alert), ("AlertAcknowledged", alert), ("AlertResolved", alert)
        ]  # fmt: skip
        assert {one["alert"]["status"] for one in events} == {"RESOLVED"}
    assert await heard(company.bob, document, {"after": start}) == []
    assert await heard(stranger.dispatcher, document, {"after": elsewhere}) == []
    [refused] = await heard(company.customer, document, {"after": start})
    assert codes(refused) == ["NOT_PERMITTED"]


async def test_who_no_longer_has_a_late_visit_hears_that_its_alert_is_not_theirs(company: Company) -> None:
    visit, alert = await late_visit(company)
    start = await start_of(company)
    await scheduling.reschedule_appointment(company.dispatcher, visit, technician_ids=[company.bob_id])
    await scheduling.watch_visit(system_actor(company.organization_id), visit, now=NINE + timedelta(minutes=20))
    document = "subscription ($after: String) { alerts(after: $after) { fact alertId alert { status } } }"
    for actor, shown in ((company.ann, None), (company.bob, {"status": "OPEN"})):
        events = [one["data"]["alerts"] for one in await heard(actor, document, {"after": start})]
        assert events == [{"fact": "AlertUpdated", "alertId": alert, "alert": shown}]


async def test_whoever_follows_due_times_hears_what_is_at_risk_then_overdue_then_no_more(company: Company) -> None:
    start, now = await start_of(company), utc_now()
    await late_visit(company)
    id = await work(company, due_at=now + HOUR)
    await work_order_reactions.watch_due_times(now)
    await work_order_reactions.watch_due_times(now + 2 * HOUR)
    head = await journal.head(company.organization_id)
    await work_orders.cancel_work_order(company.dispatcher, id, reason="DUPLICATE")
    for entry in await journal.read(company.organization_id, head):
        await work_order_reactions.keep_alerts_true(system_actor(company.organization_id), entry)
    document = """subscription ($after: String) { slaAtRisk(after: $after) {
        kind severity dueAt minutesLeft removed workOrderId workOrder { status } alert { kind } } }"""
    events = [one["data"]["slaAtRisk"] for one in await heard(company.dispatcher, document, {"after": start})]
    assert [(one["kind"], one["severity"], one["removed"]) for one in events] == [
        ("SLA_AT_RISK", "WARNING", False),
        ("SLA_BREACHED", "CRITICAL", False),
        ("SLA_BREACHED", "CRITICAL", True),
    ]
    assert {one["minutesLeft"] for one in events} <= {58, 59}
    assert {(one["workOrderId"], one["workOrder"]["status"]) for one in events} == {(id, "CANCELED")}
    assert {one["dueAt"] for one in events} == {(now + HOUR).isoformat()}
    assert await heard(company.ann, document, {"after": start}) == []


async def test_an_alert_of_work_that_one_may_not_see_gives_nothing_of_it_away(company: Company) -> None:
    visit, alert = await late_visit(company)
    row = await row_of(visit)
    await Alert.filter(id=alert).update(work_order_id=row.work_order_id, subject_id=await work(company))
    document = "{ alerts { nodes { subject { id } workOrder { id } } } }"
    [node] = (await ask(company.ann, document))["data"]["alerts"]["nodes"]
    assert node == {"subject": None, "workOrder": {"id": row.work_order_id}}
