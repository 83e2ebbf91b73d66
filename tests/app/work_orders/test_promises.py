"""Whether work is done in time: the rule as a table, and the alerts that say it while it is true."""

from datetime import datetime, timedelta

import pytest

from app.customers.models import Site
from app.infrastructure import journal
from app.kernel.actor import system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput
from app.kernel.work import Priority
from app.messaging import commands as messaging
from app.messaging.models import Alert
from app.work_orders import commands, models, reactions
from app.work_orders.rules import OPEN, RISK_LEAD, WorkOrderStatus, due_danger, waiting_danger
from tests.app.work_orders.world import NOON, Company, in_state, submitted, told

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)


def of(*, left: timedelta, status: str = "SCHEDULED", priority: str = "NORMAL") -> tuple[str, str] | None:
    danger = due_danger("wo", status=status, priority=priority, due_at=NOON + left, now=NOON)
    return None if danger is None else (danger.kind, danger.severity)


@pytest.mark.parametrize(
    ("priority", "lead"), [("LOW", 24), ("NORMAL", 8), ("HIGH", 4), ("URGENT", 2), ("EMERGENCY", 1)]
)
def test_open_work_is_at_risk_so_many_hours_before_its_due_time_and_then_overdue(priority: str, lead: int) -> None:
    assert RISK_LEAD[Priority(priority)] == lead * HOUR
    severity = "CRITICAL" if priority in ("URGENT", "EMERGENCY") else "WARNING"
    assert of(left=lead * HOUR + MINUTE, priority=priority) is None
    assert of(left=lead * HOUR, priority=priority) == ("SLA_AT_RISK", severity)
    assert of(left=MINUTE, priority=priority) == ("SLA_AT_RISK", severity)
    assert of(left=timedelta(0), priority=priority) == ("SLA_BREACHED", "CRITICAL")
    assert of(left=-HOUR, priority=priority) == ("SLA_BREACHED", "CRITICAL")


@pytest.mark.parametrize("status", WorkOrderStatus)
def test_only_open_work_is_in_danger(status: WorkOrderStatus) -> None:
    assert (of(left=-HOUR, status=status) is not None) == (status in OPEN)
    assert due_danger("wo", status=status, priority="LOW", due_at=None, now=NOON) is None


@pytest.mark.parametrize("status", WorkOrderStatus)
@pytest.mark.parametrize("priority", Priority)
@pytest.mark.parametrize("minutes", [14, 15])
def test_an_emergency_without_a_visit_waits_15_minutes(
    status: WorkOrderStatus, priority: Priority, minutes: int
) -> None:
    danger = waiting_danger(
        "wo", status=status, priority=priority, submitted_at=NOON - minutes * MINUTE, now=NOON
    )  # fmt: skip
    waits = priority == "EMERGENCY" and status in ("SUBMITTED", "TRIAGED") and minutes == 15
    assert (danger is not None) == waits


async def due(company: Company, at: datetime, **values: object) -> str:
    return await submitted(company, due_at=at, **values)


async def said() -> list[tuple[str, str, str]]:
    """Kind, severity and status of every alert, in the order in which they were raised."""
    return [(one.kind, one.severity, one.status) for one in await Alert.all().order_by("raised_at", "id")]


async def follow(company: Company, after: int) -> None:
    """Hand every fact that the room follows to its reaction, twice: a follower may run twice."""
    system = system_actor(company.organization_id)
    for entry in await journal.read(company.organization_id, after):
        if entry.payload.get("changes") and entry.noun == "work order":
            for _ in range(2):
                await reactions.keep_alerts_true(system, entry)


async def test_time_alone_puts_work_at_risk_then_makes_it_overdue_and_each_is_told_once(company: Company) -> None:
    id = await due(company, NOON)
    facts = []
    for now in (NOON - 9 * HOUR, NOON - 8 * HOUR, NOON - HOUR, NOON, NOON + HOUR):
        before = await journal.head(company.organization_id)
        await reactions.watch_due_times(now)
        new = await journal.read(company.organization_id, before)
        facts.append([(one.type, one.payload["kind"], one.payload.get("superseded_by")) for one in new])
    assert facts == [
        [],
        [("AlertRaised", "SLA_AT_RISK", None)],
        [],
        [("AlertResolved", "SLA_AT_RISK", "SLA_BREACHED"), ("AlertRaised", "SLA_BREACHED", None)],
        [],
    ]
    alert = await Alert.get(status="OPEN")
    assert (alert.subject_id, alert.work_order_id, alert.customer_id, alert.due_at) == (
        id,
        id,
        company.customer_id,
        NOON,
    )
    number = (await models.WorkOrder.get(id=id)).number
    assert alert.message == f"{number} is overdue since 13:00 on 2 March: No heat"


async def test_after_a_downtime_only_what_is_true_now_is_told_and_what_is_long_overdue_not_at_all(
    company: Company,
) -> None:
    await due(company, NOON - HOUR)
    await due(company, NOON - timedelta(days=8))
    await reactions.watch_due_times(NOON)
    assert await said() == [("SLA_BREACHED", "CRITICAL", "OPEN")]


async def test_no_more_than_some_are_told_at_a_time_and_the_others_after_them(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(5):
        await due(company, NOON)
    monkeypatch.setattr(reactions, "WATCHED_AT_ONCE", 2)
    counts = []
    for minute in range(4):
        await reactions.watch_due_times(NOON + minute * MINUTE)
        counts.append(await Alert.all().count())
    assert counts == [2, 4, 5, 5]


@pytest.mark.parametrize(
    ("status", "step"),
    [
        ("IN_PROGRESS", lambda company, id: commands.complete_work_order(company.manager, id)),
        ("SCHEDULED", lambda company, id: commands.cancel_work_order(company.manager, id, reason="DUPLICATE")),
        ("SUBMITTED", lambda company, id: commands.decline_work_order(company.manager, id, reason="DUPLICATE")),
        ("SCHEDULED", lambda company, id: commands.mark_cannot_complete(company.manager, id, reason="UNSAFE")),
        (
            "SUBMITTED",
            lambda company, id: commands.update_work_order(company.manager, id, due_at=utc_now() + 40 * HOUR),
        ),
        ("SUBMITTED", lambda company, id: commands.update_work_order(company.manager, id, due_at=None)),
    ],
    ids=["completed", "canceled", "declined", "given up", "due later", "not due"],
)
@pytest.mark.parametrize("left", [HOUR, -HOUR])
async def test_what_is_over_or_due_at_another_time_is_told_no_more(
    company: Company, status: str, step: object, left: timedelta
) -> None:
    now = utc_now()
    id = await in_state(company, status, due_at=now + left)
    await reactions.watch_due_times(now)
    [(kind, _, _)] = await said()
    before = await journal.head(company.organization_id)
    await step(company, id)  # type: ignore[operator]
    await follow(company, before)
    assert [(one[0], one[2]) for one in await said()] == [(kind, "RESOLVED")]


async def test_what_no_follower_heard_of_the_timer_puts_right(company: Company) -> None:
    id = await due(company, NOON)
    await reactions.watch_due_times(NOON)
    await models.WorkOrder.filter(id=id).update(status="COMPLETED")
    await reactions.watch_due_times(NOON + MINUTE)
    assert [one[2] for one in await said()] == ["RESOLVED"]


async def test_another_due_time_that_is_missed_as_well_is_another_alert(company: Company) -> None:
    now = utc_now()
    id = await due(company, now - HOUR)
    await reactions.watch_due_times(now)
    before = await journal.head(company.organization_id)
    await commands.update_work_order(company.manager, id, due_at=now - 2 * HOUR)
    await follow(company, before)
    assert [one[2] for one in await said()] == ["RESOLVED", "OPEN"]


async def test_what_somebody_resolved_stays_so_until_the_due_time_changes(company: Company) -> None:
    id = await due(company, NOON)
    await reactions.watch_due_times(NOON)
    [alert] = await Alert.all()
    await messaging.resolve_alert(company.dispatcher, alert.id)
    await reactions.watch_due_times(NOON + MINUTE)
    assert len(await said()) == 1
    await models.WorkOrder.filter(id=id).update(due_at=NOON + HOUR)
    await reactions.watch_due_times(NOON + 2 * HOUR)
    assert [one[2] for one in await said()] == ["RESOLVED", "OPEN"]


async def test_a_higher_priority_makes_what_is_at_risk_graver(company: Company) -> None:
    now = utc_now()
    id = await due(company, now + HOUR)
    await reactions.watch_due_times(now)
    before = await journal.head(company.organization_id)
    await commands.update_work_order(company.manager, id, priority="URGENT")
    await follow(company, before)
    assert await said() == [("SLA_AT_RISK", "CRITICAL", "OPEN")]


async def test_an_emergency_that_waits_is_told_until_a_visit_is_booked(company: Company) -> None:
    now = utc_now()
    id = await in_state(company, "TRIAGED", priority="EMERGENCY", submitted_at=now - 20 * MINUTE)
    await in_state(company, "TRIAGED", priority="EMERGENCY", submitted_at=now - 10 * MINUTE)
    await in_state(company, "TRIAGED", priority="EMERGENCY", submitted_at=now - timedelta(days=2))
    await reactions.watch_due_times(now)
    assert [one.subject_id for one in await Alert.all()] == [id]
    before = await journal.head(company.organization_id)
    await commands.follow_appointments(system_actor(company.organization_id), id, ["SCHEDULED"])
    await follow(company, before)
    assert await said() == [("EMERGENCY_WAITING", "CRITICAL", "RESOLVED")]


async def test_a_fact_that_changes_nothing_of_it_leads_to_nothing(company: Company) -> None:
    id = await due(company, utc_now() - HOUR)
    before = await journal.head(company.organization_id)
    await commands.update_work_order(company.manager, id, summary="Still no heat")
    assert await told(company, follow(company, before)) == []
    assert await said() == []


async def test_each_company_is_told_of_its_own(company: Company, stranger: Company) -> None:
    await due(company, NOON)
    await due(stranger, NOON)
    await reactions.watch_due_times(NOON)
    owners = await Alert.all().values_list("organization_id", flat=True)
    assert sorted(owners) == sorted([company.organization_id, stranger.organization_id])


@pytest.mark.parametrize("broken", ["company", "stranger"])
async def test_a_company_whose_work_cannot_be_watched_holds_up_no_other(
    company: Company, stranger: Company, broken: str
) -> None:
    await due(company, NOON)
    await due(stranger, NOON)
    bad, good = (company, stranger) if broken == "company" else (stranger, company)
    await Site.filter(organization_id=bad.organization_id).update(time_zone="Nowhere")
    with pytest.raises(InvalidInput):
        await reactions.watch_due_times(NOON)
    assert await Alert.all().values_list("organization_id", flat=True) == [good.organization_id]
