"""Alerts: raised once, seen by whom they concern, acknowledged, resolved, and not raised again for the same cause."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from app import database as db
from app.infrastructure import journal
from app.infrastructure.conditions import column
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor, system_actor
from app.kernel.errors import IllegalTransition, NotFound, NotPermitted, Problem, StaleVersion
from app.kernel.ids import new_id
from app.messaging import commands, rules
from app.messaging.models import Alert
from app.messaging.rules import ALERT, AlertKind, AlertSeverity, AlertStatus, Danger
from app.scheduling import commands as scheduling
from tests.app.scheduling.world import Company, assignments_of, booked, told

LATE = Danger(AlertKind.VISIT_LATE, AlertSeverity.WARNING, "apt at nine")
WORSE = Danger(AlertKind.VISIT_LATE, AlertSeverity.CRITICAL, "apt at nine")
SUBJECT = new_id("apt")
STEPS: dict[AlertStatus, Callable[[Actor, str], Awaitable[str]]] = {
    AlertStatus.ACKNOWLEDGED: commands.acknowledge_alert,
    AlertStatus.RESOLVED: commands.resolve_alert,
}


async def raised(company: Company, danger: Danger = LATE, subject_id: str = SUBJECT, **scope: object) -> str:
    actor = system_actor(company.organization_id)
    id = await commands.raise_alert(actor, danger, subject_id, "Ann is late.", **scope)  # type: ignore[arg-type]
    assert id is not None
    return id


async def in_state(company: Company, status: AlertStatus) -> str:
    id = await raised(company)
    await Alert.filter(id=id).update(status=status.value)
    return id


async def snapshot() -> list[list[tuple[object, ...]]]:
    return [await db.read_rows(f'SELECT * FROM "{table}" ORDER BY "id"', []) for table in ("alert", "journal_entry")]


async def refused(attempt: Awaitable[object]) -> Problem:
    before = await snapshot()
    try:
        await attempt
    except Problem as problem:
        assert await snapshot() == before
        return problem
    raise AssertionError("nothing was refused")


async def seen_by(actor: Actor) -> list[str]:
    return [alert.id for alert in await find_rows(Alert, Alert.visible_to(actor), order=["id"])]


def test_every_kind_and_severity_has_words() -> None:
    assert set(rules.KIND_LABELS) == set(AlertKind)
    assert set(rules.SEVERITY_LABELS) == set(AlertSeverity)
    assert ALERT.states == tuple(AlertStatus)
    assert [one for one in ALERT.states if ALERT.is_final(one)] == [AlertStatus.RESOLVED]


@pytest.mark.parametrize("state", AlertStatus)
@pytest.mark.parametrize("to", STEPS)
async def test_every_state_takes_the_steps_of_the_table_and_no_others(
    company: Company, state: AlertStatus, to: AlertStatus
) -> None:
    id = await in_state(company, state)
    step = STEPS[to](company.dispatcher, id)
    if state is to:
        assert await told(company, step) == []
    elif to in ALERT.steps[state]:
        [fact] = await told(company, step)
        assert (fact.type, fact.subject_id, fact.customer_id) == (f"Alert{to.title()}", id, None)
        assert fact.payload["changes"] == {"status": [state, to]}
        assert (await Alert.get(id=id)).status == to
    else:
        assert isinstance(await refused(step), IllegalTransition)


async def test_whoever_takes_care_and_whoever_ends_it_is_noted(company: Company) -> None:
    id = await raised(company)
    await commands.acknowledge_alert(company.dispatcher, id)
    await commands.resolve_alert(company.support, id)
    row = await Alert.get(id=id)
    assert (row.acknowledged_by_id, row.resolved_by_id) == (company.dispatcher.id, company.support.id)
    assert row.acknowledged_at is not None and row.resolved_at is not None
    assert row.raised_at <= row.acknowledged_at <= row.resolved_at


async def test_a_stale_version_is_refused(company: Company) -> None:
    id = await raised(company)
    await commands.acknowledge_alert(company.dispatcher, id, version=1)
    assert isinstance(await refused(commands.resolve_alert(company.dispatcher, id, version=1)), StaleVersion)


async def test_what_is_raised_again_while_it_is_open_changes_only_if_it_is_graver(company: Company) -> None:
    [first] = await told(company, raised(company))
    assert first.payload == {
        "kind": "VISIT_LATE",
        "severity": "WARNING",
        "about_id": SUBJECT,
        "work_order_id": None,
        "appointment_id": None,
        "due_at": None,
        "changes": {},
    }
    assert await told(company, raised(company)) == []
    await commands.acknowledge_alert(company.dispatcher, first.subject_id)
    [graver] = await told(company, raised(company, WORSE))
    assert (graver.type, graver.payload["changes"]) == ("AlertSeverityChanged", {"severity": ["WARNING", "CRITICAL"]})
    [row] = await Alert.all()
    assert (row.id, row.severity, row.status) == (first.subject_id, "CRITICAL", "ACKNOWLEDGED")


async def test_what_somebody_resolved_does_not_come_back_for_the_same_cause(company: Company) -> None:
    id = await raised(company)
    await commands.resolve_alert(company.dispatcher, id)
    system = system_actor(company.organization_id)
    assert await told(company, commands.raise_alert(system, WORSE, SUBJECT, "Ann is later still.")) == []
    other = Danger(AlertKind.VISIT_LATE, AlertSeverity.WARNING, "apt at ten")
    [fact] = await told(company, commands.raise_alert(system, other, SUBJECT, "Ann is late again."))
    assert (fact.type, fact.subject_id == id) == ("AlertRaised", False)


@pytest.mark.parametrize(("may_return", "count"), [(True, 2), (False, 1)])
async def test_what_ended_by_itself_may_return_where_that_is_meant(
    company: Company, may_return: bool, count: int
) -> None:
    await raised(company)
    system, about = system_actor(company.organization_id), column("subject_id") == SUBJECT
    await commands.resolve_alerts(system, [AlertKind.VISIT_LATE], about, may_return=may_return)
    await commands.raise_alert(system, LATE, SUBJECT, "Ann is late.")
    assert await Alert.all().count() == count
    resolved = await Alert.filter(status="RESOLVED").first()
    assert resolved is not None and resolved.resolved_by_id is None


async def test_of_many_who_raise_the_same_at_once_one_does(company: Company) -> None:
    before = await journal.head(company.organization_id)
    ids = await asyncio.gather(*(raised(company) for _ in range(8)))
    assert len(set(ids)) == 1
    assert [fact.type for fact in await journal.read(company.organization_id, before)] == ["AlertRaised"]


async def test_alerts_about_others_and_of_other_kinds_stay(company: Company) -> None:
    mine = await raised(company)
    elsewhere = Danger(AlertKind.VISIT_LATE, AlertSeverity.INFO, "elsewhere")
    others = [await raised(company, elsewhere, new_id("apt"))]
    for kind in set(AlertKind) - {AlertKind.VISIT_LATE}:
        others.append(await raised(company, Danger(kind, AlertSeverity.INFO, "one")))
    system = system_actor(company.organization_id)
    ended = await commands.resolve_alerts(system, [AlertKind.VISIT_LATE], column("subject_id") == SUBJECT)
    assert ended == [mine]
    open_ones = await Alert.filter(status="OPEN").values_list("id", flat=True)
    assert set(open_ones) == set(others)


async def test_the_office_sees_all_a_technician_the_own_visits_and_a_customer_and_a_stranger_nothing(
    company: Company, stranger: Company
) -> None:
    anns, bobs = await booked(company), await booked(company, company.bob_id)
    declined = await booked(company, company.bob_id, at=(await assignments_of(bobs))[0].ends_at)
    [assignment] = await assignments_of(declined)
    await scheduling.decline_assignment(company.bob, assignment.id, "No.")
    made = {
        visit: await raised(company, Danger(AlertKind.VISIT_LATE, AlertSeverity.INFO, visit), visit, appointment_id=visit,
                            customer_id=company.customer_id, technician_ids=[company.bob_id])
        for visit in (anns, bobs, declined)
    }  # fmt: skip
    about_no_visit = await raised(company, Danger(AlertKind.PLAN_FAILED, AlertSeverity.INFO, "x"), new_id("run"))
    everything = sorted([*made.values(), about_no_visit])
    assert await seen_by(company.dispatcher) == everything
    assert await seen_by(company.support) == everything
    assert await seen_by(company.ann) == [made[anns]]
    assert await seen_by(company.bob) == [made[bobs]]
    assert await seen_by(company.customer) == []
    assert await seen_by(stranger.dispatcher) == []


@pytest.mark.parametrize("to", STEPS)
async def test_whoever_may_not_changes_nothing(company: Company, stranger: Company, to: AlertStatus) -> None:
    id = await raised(company, appointment_id=await booked(company))
    for actor in (company.ann, company.customer):
        assert isinstance(await refused(STEPS[to](actor, id)), NotPermitted)
    assert isinstance(await refused(STEPS[to](stranger.dispatcher, id)), NotFound)
