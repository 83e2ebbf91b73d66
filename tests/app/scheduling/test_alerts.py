"""What needs attention about visits and plans: told when it is so, and taken back when it is seen to."""

from datetime import datetime, timedelta

import pytest

from app.customers.models import Site
from app.infrastructure import journal
from app.infrastructure.followers import FOLLOWERS as KNOWN
from app.infrastructure.tables import find_rows
from app.kernel.actor import system_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput
from app.messaging import commands as messaging
from app.messaging.models import Alert
from app.scheduling import commands, reactions
from app.scheduling.models import Appointment
from app.scheduling.rules import AppointmentStatus, ReasonCode, lateness_danger
from app.work_orders import commands as work_orders
from tests.app.scheduling.world import DAY, NINE, Company, assignments_of, booked, row_of, sent, told, visit

MINUTE = timedelta(minutes=1)
FOLLOWERS = (
    reactions.keep_lateness_true,
    reactions.tell_of_declines,
    reactions.tell_of_failures,
    reactions.tell_of_plans,
)


async def followed(company: Company, after: int = 0) -> None:
    """Hand each fact to whoever follows it, twice: a follower may run twice."""
    system = system_actor(company.organization_id)
    for follower in (one for one in KNOWN.values() if one.react in FOLLOWERS):
        for entry in await journal.read(company.organization_id, after):
            if entry.type in follower.types:
                for _ in range(2):
                    await follower.react(system, entry)


async def said() -> list[tuple[str, str, str]]:
    """Kind, severity and status of every alert, in the order in which they were raised."""
    return [(one.kind, one.severity, one.status) for one in await Alert.all().order_by("raised_at", "id")]


# Lateness


def late(
    status: str = "SCHEDULED",
    *,
    minutes: int,
    window: int | None = None,
    eta: int | None = None,
    travel: int | None = None,
) -> str | None:
    """How grave it is, so many minutes after the planned start."""
    danger = lateness_danger(
        "apt",
        status=status,
        starts_at=NINE,
        window_end=None if window is None else NINE + window * MINUTE,
        eta_at=None if eta is None else NINE + eta * MINUTE,
        travel_minutes=travel,
        now=NINE + minutes * MINUTE,
    )
    return None if danger is None else danger.severity


@pytest.mark.parametrize("status", AppointmentStatus)
def test_only_a_visit_that_has_a_time_and_has_not_begun_is_late(status: AppointmentStatus) -> None:
    waits = status in ("SCHEDULED", "DISPATCHED", "EN_ROUTE")
    assert (late(status, minutes=600) is not None) == waits
    nothing = lateness_danger(
        "apt", status=status, starts_at=None, window_end=None, eta_at=None, travel_minutes=None, now=NINE
    )
    assert nothing is None


def test_without_a_window_a_visit_is_late_15_minutes_after_its_start_and_badly_after_45() -> None:
    assert [late(minutes=one) for one in (0, 15, 16, 45, 46)] == [None, None, "WARNING", "WARNING", "CRITICAL"]


def test_with_a_window_its_end_counts() -> None:
    assert [late(minutes=one, window=60) for one in (16, 60, 61, 91)] == [None, None, "WARNING", "CRITICAL"]


def test_whoever_has_not_set_out_still_has_the_way_before_them() -> None:
    assert late(minutes=-20, travel=30) is None
    assert late(minutes=-14, travel=30) == "WARNING"
    assert late("DISPATCHED", minutes=-14, travel=70) == "CRITICAL"


def test_whoever_is_on_the_way_is_as_late_as_the_eta_says_before_the_promise_is_broken() -> None:
    assert late("EN_ROUTE", minutes=-30, eta=15, travel=90) is None
    assert late("EN_ROUTE", minutes=-30, eta=20) == "WARNING"
    assert late("EN_ROUTE", minutes=20, eta=10) == "WARNING"


async def test_a_visit_that_time_makes_late_is_told_once_and_graver_when_it_gets_worse(company: Company) -> None:
    id = await sent(company)
    facts = []
    for minutes in (10, 20, 30, 50):
        before = await journal.head(company.organization_id)
        await reactions.watch_visits(NINE + minutes * MINUTE)
        new = await journal.read(company.organization_id, before)
        facts.append([(one.type, one.payload["severity"]) for one in new])
    assert facts == [[], [("AlertRaised", "WARNING")], [], [("AlertSeverityChanged", "CRITICAL")]]
    [alert] = await Alert.all()
    row = await row_of(id)
    assert (alert.subject_id, alert.appointment_id, alert.work_order_id) == (id, id, row.work_order_id)
    assert (alert.customer_id, alert.technician_ids) == (company.customer_id, [company.ann_id])
    assert alert.due_at == NINE + 15 * MINUTE
    assert alert.message.startswith("Ann will not be at visit 1 of ")
    assert "before 09:50 on 1 March; promised was 09:15 on 1 March: No heat" in alert.message


@pytest.mark.parametrize("how", ["arrived", "moved", "unscheduled", "canceled"])
async def test_whoever_arrives_or_gets_another_time_is_late_no_more(company: Company, how: str) -> None:
    id = await sent(company)
    other = await booked(company, company.bob_id)
    await reactions.watch_visits(NINE + 20 * MINUTE)
    before = await journal.head(company.organization_id)
    if how == "arrived":
        await commands.depart(company.ann, id)
        await commands.arrive(company.ann, id)
    elif how == "moved":
        await commands.reschedule_appointment(company.dispatcher, id, starts_at=NINE + 60 * MINUTE)
    elif how == "unscheduled":
        await commands.unschedule_appointment(company.dispatcher, id)
    else:
        await commands.cancel_appointment(company.dispatcher, id, ReasonCode.CUSTOMER_REQUEST)
    # The visits lie in the future of whoever runs this, so what is late at nine is not late now.
    await followed(company, before)
    status = {row.subject_id: row.status for row in await Alert.all()}
    assert status == {id: "RESOLVED", other: "OPEN"}


async def test_an_eta_after_the_window_is_told_when_the_technician_sets_out_and_taken_back_with_a_better_one(
    company: Company,
) -> None:
    now = utc_now()
    id = await sent(company)
    await Appointment.filter(id=id).update(starts_at=now - 5 * MINUTE, window_end=now + 20 * MINUTE)
    before = await journal.head(company.organization_id)
    await commands.depart(company.ann, id, eta_at=now + 30 * MINUTE)
    await followed(company, before)
    assert await said() == [("VISIT_LATE", "WARNING", "OPEN")]
    await Appointment.filter(id=id).update(eta_at=now + 10 * MINUTE)
    await reactions.watch_visits(now)
    assert await said() == [("VISIT_LATE", "WARNING", "RESOLVED")]
    await Appointment.filter(id=id).update(eta_at=now + 90 * MINUTE)
    await reactions.watch_visits(now)
    assert await said() == [("VISIT_LATE", "WARNING", "RESOLVED"), ("VISIT_LATE", "CRITICAL", "OPEN")]


async def test_what_somebody_resolved_is_not_told_again_for_the_same_time(company: Company) -> None:
    await sent(company)
    await reactions.watch_visits(NINE + 20 * MINUTE)
    [alert] = await Alert.all()
    await messaging.resolve_alert(company.dispatcher, alert.id)
    await reactions.watch_visits(NINE + 50 * MINUTE)
    assert await said() == [("VISIT_LATE", "WARNING", "RESOLVED")]


async def test_the_alert_of_a_late_visit_goes_over_to_whoever_has_it_now(company: Company) -> None:
    id = await sent(company)
    system = system_actor(company.organization_id)
    await reactions.watch_visits(NINE + 20 * MINUTE)
    await commands.reschedule_appointment(company.dispatcher, id, technician_ids=[company.bob_id])
    [fact] = await told(company, commands.watch_visit(system, id, now=NINE + 20 * MINUTE))
    assert (fact.type, fact.payload["severity"]) == ("AlertUpdated", "WARNING")
    assert fact.technician_ids == (company.bob_id, company.ann_id)
    [alert] = await Alert.all()
    assert (alert.technician_ids, alert.severity, alert.status) == ([company.bob_id], "WARNING", "OPEN")
    assert alert.message.startswith("Bob will not be at visit 1 of ")
    assert await told(company, commands.watch_visit(system, id, now=NINE + 20 * MINUTE)) == []
    [graver] = await told(company, commands.watch_visit(system, id, now=NINE + 50 * MINUTE))
    assert (graver.type, graver.technician_ids) == ("AlertSeverityChanged", (company.bob_id,))


async def test_who_declines_a_late_visit_is_no_longer_late_and_hears_so(company: Company) -> None:
    id = await booked(company, company.ann_id, company.bob_id)
    await Appointment.filter(id=id).update(starts_at=utc_now() - 30 * MINUTE)
    await reactions.watch_visits()
    [alert] = await Alert.all()
    assert alert.message.startswith("Ann and Bob will not be at ")
    before = await journal.head(company.organization_id)
    [anns] = [one for one in await assignments_of(id) if one.technician_id == company.ann_id]
    await commands.decline_assignment(company.ann, anns.id, "My van broke down.")
    await followed(company, before)
    late = await Alert.get(kind="VISIT_LATE")
    assert (late.id, late.technician_ids) == (alert.id, [company.bob_id])
    assert late.message.startswith("Bob will not be at ")
    updated = [one for one in await journal.read(company.organization_id, before) if one.type == "AlertUpdated"]
    assert [one.technician_ids for one in updated] == [(company.bob_id, company.ann_id)]


async def test_what_was_forgotten_yesterday_is_no_news(company: Company) -> None:
    await sent(company)
    await reactions.watch_visits(NINE + timedelta(days=1))
    assert await said() == []


async def test_each_company_hears_of_its_own_visits(company: Company, stranger: Company) -> None:
    await sent(company)
    await sent(stranger)
    await reactions.watch_visits(NINE + 20 * MINUTE)
    owners = await Alert.all().values_list("organization_id", flat=True)
    assert sorted(owners) == sorted([company.organization_id, stranger.organization_id])


@pytest.mark.parametrize("broken", ["company", "stranger"])
async def test_a_company_whose_visits_cannot_be_watched_holds_up_no_other(
    company: Company, stranger: Company, broken: str
) -> None:
    await sent(company)
    await sent(stranger)
    bad, good = (company, stranger) if broken == "company" else (stranger, company)
    await Site.filter(organization_id=bad.organization_id).update(time_zone="Nowhere")
    with pytest.raises(InvalidInput):
        await reactions.watch_visits(NINE + 20 * MINUTE)
    assert await Alert.all().values_list("organization_id", flat=True) == [good.organization_id]


# Declined


async def declined(company: Company, *crew: str, at: datetime = NINE, **values: object) -> str:
    id = await booked(company, *crew, at=at, **values)
    [mine] = [one for one in await assignments_of(id) if one.technician_id == company.ann_id]
    await commands.decline_assignment(company.ann, mine.id, "My van broke down.")
    return id


@pytest.mark.parametrize(("priority", "severity"), [("NORMAL", "WARNING"), ("URGENT", "CRITICAL")])
async def test_a_visit_that_nobody_is_left_for_is_told_until_it_is_booked_again(
    company: Company, priority: str, severity: str
) -> None:
    id = await declined(company, priority=priority)
    await followed(company)
    assert await said() == [("ASSIGNMENT_DECLINED", severity, "OPEN")]
    [alert] = await Alert.all()
    assert alert.message.startswith("Ann declined visit 1 of ")
    assert alert.message.endswith("Nobody comes.")
    assert (alert.appointment_id, alert.technician_ids) == (id, [])
    before = await journal.head(company.organization_id)
    await commands.schedule_appointment(company.dispatcher, id, [company.bob_id], NINE)
    await followed(company, before)
    assert await said() == [("ASSIGNMENT_DECLINED", severity, "RESOLVED")]


async def test_a_visit_that_others_still_come_to_is_good_to_know(company: Company) -> None:
    await declined(company, company.ann_id, company.bob_id)
    await followed(company)
    [alert] = await Alert.all()
    assert (alert.severity, "Bob still comes." in alert.message) == ("INFO", True)


async def test_the_rest_of_the_crew_does_not_learn_why_somebody_declined(company: Company) -> None:
    await declined(company, company.ann_id, company.bob_id)
    await followed(company)
    [alert] = await find_rows(Alert, Alert.visible_to(company.bob))
    assert alert.message.startswith("Ann declined visit 1 of ")
    assert "van" not in alert.message


async def test_a_decline_that_was_seen_to_before_anybody_was_told_is_not_told(company: Company) -> None:
    id = await declined(company)
    await commands.schedule_appointment(company.dispatcher, id, [company.bob_id], NINE)
    other = await declined(company, at=NINE + 120 * MINUTE)
    await commands.cancel_appointment(company.dispatcher, other, ReasonCode.CUSTOMER_REQUEST)
    assert await told(company, followed(company)) == []
    assert await said() == []


# Without success


async def failed(company: Company) -> str:
    id = await sent(company)
    await commands.depart(company.ann, id)
    await commands.complete_appointment(
        company.ann, id, result=AppointmentStatus.CANNOT_COMPLETE, reason_code=ReasonCode.NO_ACCESS
    )
    return id


@pytest.mark.parametrize("decision", ["another visit", "taken up again", "closed"])
async def test_a_visit_without_success_is_told_until_somebody_decides(company: Company, decision: str) -> None:
    id = await failed(company)
    await followed(company)
    assert await said() == [("VISIT_FAILED", "WARNING", "OPEN")]
    [alert] = await Alert.all()
    assert "by Ann ended without success (no access): No heat" in alert.message
    before = await journal.head(company.organization_id)
    order = (await row_of(id)).work_order_id
    if decision == "another visit":
        await work_orders.triage_work_order(company.dispatcher, order)
        another = await commands.create_appointment(company.dispatcher, order)
        await commands.schedule_appointment(company.dispatcher, another, [company.bob_id], NINE + 300 * MINUTE)
    elif decision == "taken up again":
        await work_orders.triage_work_order(company.dispatcher, order)
    else:
        await work_orders.close_work_order(system_actor(company.organization_id), order)
    await followed(company, before)
    assert await said() == [("VISIT_FAILED", "WARNING", "RESOLVED")]


async def test_a_visit_that_another_one_follows_already_is_not_told(company: Company) -> None:
    first = await sent(company)
    order = (await row_of(first)).work_order_id
    second = await commands.create_appointment(company.dispatcher, order)
    await commands.schedule_appointment(company.dispatcher, second, [company.bob_id], NINE + 300 * MINUTE)
    await commands.depart(company.ann, first)
    await commands.complete_appointment(
        company.ann, first, result=AppointmentStatus.CANNOT_COMPLETE, reason_code=ReasonCode.NO_ACCESS
    )
    await followed(company)
    assert await said() == []


async def test_a_visit_that_ended_well_is_not_told(company: Company) -> None:
    id = await sent(company)
    await commands.depart(company.ann, id)
    await commands.arrive(company.ann, id)
    await commands.start_work(company.ann, id)
    await commands.complete_appointment(company.ann, id)
    await visit(company)
    await followed(company)
    assert await said() == []


# Plans


async def test_a_day_without_a_plan_is_told_until_there_is_one(company: Company) -> None:
    system = system_actor(company.organization_id)
    run = await commands.plan_day(company.dispatcher, DAY)
    await commands.fail_plan_run(system, run, "The planner failed; the log says why.")
    other_day = await commands.plan_day(company.dispatcher, DAY + timedelta(days=1))
    await commands.fail_plan_run(system, other_day, "The planner failed; the log says why.")
    await followed(company)
    first, second = await Alert.all().order_by("raised_at", "id")
    assert (first.kind, first.severity, first.subject_id) == ("PLAN_FAILED", "WARNING", run)
    assert first.message == "There is no plan of 2027-03-01: The planner failed; the log says why."
    before = await journal.head(company.organization_id)
    route = await commands.optimize_route(company.dispatcher, company.ann_id, DAY)
    again = await commands.plan_day(company.dispatcher, DAY)
    for ready, status in ((route, "OPEN"), (again, "RESOLVED")):
        await commands.begin_plan_run(system, ready)
        await commands.store_plan(system, ready, [], {})
        await followed(company, before)
        assert (await Alert.get(id=first.id)).status == status
    assert [row.status for row in await Alert.all().order_by("raised_at", "id")] == ["RESOLVED", "OPEN"]
    assert second.subject_id == other_day
