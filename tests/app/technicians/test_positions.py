"""Positions: taken on duty only, the newest shown, a few kept for as long as the company says, and never a fact."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest

from app.company.commands import update_organization
from app.infrastructure import broadcast
from app.infrastructure.followers import FOLLOWERS, Followers
from app.infrastructure.jobs import KINDS, Runner
from app.infrastructure.models import Job, JournalEntry
from app.infrastructure.tables import find_rows
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, InvalidInput, NotFound, NotPermitted
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.technicians import commands, models, reactions
from app.technicians.rules import PositionReport
from tests.app.customers.world import Company, found_company, hire
from tests.app.technicians.test_commands import field_actor, refused_without_a_trace


@pytest.fixture
async def company(database: object) -> Company:
    return await found_company()


def report(minutes_ago: float, latitude: float = 40.7) -> PositionReport:
    return PositionReport(latitude, -73.9, utc_now() - timedelta(minutes=minutes_ago))


async def on_duty(company: Company, *, minutes: float = 60) -> Actor:
    """A technician who has been on duty for so long."""
    me = field_actor(company, await hire(company))
    await commands.check_in(me)
    await models.Duty.all().update(starts_at=utc_now() - timedelta(minutes=minutes))
    return me


async def places() -> list[float]:
    return [row.latitude for row in await models.PositionSample.all().order_by("at")]


def counts(taken: Any) -> tuple[int, dict[str, int]]:
    return taken["taken"], dict(taken["ignored"])


async def test_the_newest_position_wins_whatever_the_order_of_arrival_and_is_no_fact(company: Company) -> None:
    me = await on_duty(company)
    before = len(await company.facts())
    first = await commands.take_positions(me, [report(11, 40.1), report(5, 40.5), report(7, 40.3)])
    late = await commands.take_positions(me, [report(9, 40.2)])
    last = await commands.take_positions(me, [report(1, 40.9)])
    assert [counts(one) for one in (first, late, last)] == [(3, {}), (1, {}), (1, {})]
    assert [one["is_newest"] for one in (first, late, last)] == [True, False, True]
    (row,) = await models.Position.all()
    assert (row.technician_id, row.latitude) == (me.technician_id, 40.9)
    assert await places() == [40.1, 40.2, 40.3, 40.5, 40.9]
    assert await company.types(after=before) == []


async def test_a_batch_that_comes_again_changes_nothing(company: Company) -> None:
    me = await on_duty(company)
    batch = [report(9, 40.1), report(5, 40.5), report(8.9, 40.4)]
    assert counts(await commands.take_positions(me, batch)) == (2, {"NOT_NEEDED": 1})
    kept = [dict(row) for model in (models.Position, models.PositionSample) for row in await model.all().order_by("id")]
    again = await commands.take_positions(me, batch)
    assert (counts(again), again["is_newest"]) == ((0, {"NOT_NEEDED": 3}), False)
    assert kept == [
        dict(row) for model in (models.Position, models.PositionSample) for row in await model.all().order_by("id")
    ]


async def test_positions_sent_all_at_once_leave_the_newest(company: Company) -> None:
    me = await on_duty(company)
    await asyncio.gather(*[commands.take_positions(me, [report(2 * place, 40.0 + place)]) for place in (4, 2, 0, 3, 1)])
    (row,) = await models.Position.all()
    assert row.latitude == 40.0
    assert await places() == [44.0, 43.0, 42.0, 41.0, 40.0]


async def test_what_was_taken_off_duty_is_not_stored_whenever_it_comes(company: Company) -> None:
    me = await on_duty(company, minutes=10)
    mixed = [report(30, 40.1), report(8, 40.2), report(25 * 60, 40.3), report(-3, 40.4)]
    taken = await commands.take_positions(me, mixed)
    assert counts(taken) == (1, {"OFF_DUTY": 1, "TOO_OLD": 1, "FROM_THE_FUTURE": 1})
    assert await places() == [40.2]


async def test_what_was_taken_on_duty_is_history_after_it_but_shows_nobody_where_one_is(company: Company) -> None:
    me = await on_duty(company, minutes=30)
    await commands.take_positions(me, [report(20, 40.1)])
    await commands.check_out(me)
    assert await models.Position.all().count() == 0
    taken = await commands.take_positions(me, [report(10, 40.2)])
    assert (counts(taken), taken["is_newest"]) == ((1, {}), False)
    assert await models.Position.all().count() == 0
    assert await places() == [40.1, 40.2]


async def test_who_is_off_duty_or_has_a_wrong_clock_is_told_so(company: Company) -> None:
    me = field_actor(company, await hire(company))
    await refused_without_a_trace(company, commands.take_positions(me, [report(1)]), Conflict)
    await commands.check_in(me)
    problem = await refused_without_a_trace(company, commands.take_positions(me, [report(-3)]), InvalidInput)
    assert problem.path == ("positions",)
    assert counts(await commands.take_positions(me, [report(1)])) == (0, {"OFF_DUTY": 1})
    await commands.check_out(me)
    await refused_without_a_trace(company, commands.take_positions(me, [report(-1)]), Conflict)


async def test_nobody_reports_where_somebody_else_is(company: Company) -> None:
    await hire(company)
    for actor, problem in (
        (company.dispatcher, NotPermitted),
        (company.actor(Role.TECHNICIAN), InvalidInput),
        (company.actor(Role.TECHNICIAN, technician_id=new_id("tech")), NotFound),
    ):
        await refused_without_a_trace(company, commands.take_positions(actor, [report(0)]), problem)


async def test_who_stays_is_at_rest_since_they_came(company: Company) -> None:
    me = await on_duty(company)
    moments = [utc_now() - timedelta(minutes=minutes) for minutes in (9, 8, 7, 6)]
    road = [
        PositionReport(40.0 + north, -73.0, at) for north, at in zip((0, 0.01, 0.0101, 0.0102), moments, strict=True)
    ]
    await commands.take_positions(me, road[:2])
    await commands.take_positions(me, road[2:])
    (row,) = await models.Position.all()
    assert (row.latitude, row.still_latitude, row.still_since) == (40.0102, 40.01, moments[1])


# Who is told


async def test_only_those_who_wait_for_positions_are_woken_and_only_by_a_newer_one(company: Company) -> None:
    me = await on_duty(company)
    await broadcast.start("memory://")
    try:
        with broadcast.news([commands.TOPIC]) as news, broadcast.news() as others:
            await commands.take_positions(me, [report(2)])
            assert await news.wait(2) == {f"{company.organization_id}/positions"}
            await commands.take_positions(me, [report(3)])
            assert await news.wait(0.1) == {broadcast.EVERYWHERE}
            assert await others.wait(0.1) == {broadcast.EVERYWHERE}
            await commands.check_out(me)
            heard = await news.wait(2) - {broadcast.EVERYWHERE}  # which is due every so often
            assert heard == {company.organization_id, f"{company.organization_id}/positions"}
    finally:
        await broadcast.stop()


async def test_a_journal_of_the_time_when_positions_were_facts_is_still_read(company: Company) -> None:
    me = await on_duty(company)
    (entry,) = await JournalEntry.filter(type="TechnicianStatusChanged")
    position = {"type": "TechnicianPositionChanged", "noun": "position", "subject_id": new_id("pos")}
    await JournalEntry.filter(id=entry.id).update(
        **position, payload={"technician_id": me.technician_id, "changes": {}}
    )
    facts = await company.facts()
    assert facts[-1].type == "TechnicianPositionChanged"
    await Followers(FOLLOWERS.values()).catch_up()


# How long it is kept


async def age(days: float) -> None:
    """Make all that is kept so old."""
    await models.PositionSample.all().update(at=utc_now() - timedelta(days=days))


async def sampled(company: Company) -> Actor:
    me = await on_duty(company)
    await commands.take_positions(me, [report(9, 40.1), report(5, 40.5)])
    return me


async def test_a_company_that_keeps_no_history_has_none(company: Company) -> None:
    me = await on_duty(company)
    await update_organization(company.system, position_history_days=0)
    assert counts(await commands.take_positions(me, [report(9), report(5)])) == (1, {"NOT_NEEDED": 1})
    assert await places() == []
    assert await models.Position.all().count() == 1


@pytest.mark.parametrize("days", [-1, 91])
async def test_a_history_has_a_length(company: Company, days: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        await update_organization(company.system, position_history_days=days)
    assert refused.value.path == ("positionHistoryDays",)


async def test_the_timer_lets_go_of_what_was_kept_long_enough_of_every_company(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.technicians.commands.positions.FORGOTTEN_AT_ONCE", 1)
    other = await found_company("Northwind")
    await update_organization(other.system, position_history_days=9)
    await sampled(company)
    await sampled(other)
    await age(8)
    await reactions.forget_old_positions()
    owners = await models.PositionSample.all().values_list("organization_id", flat=True)
    assert owners == [other.organization_id] * 2


async def test_times_on_duty_are_kept_as_long_as_positions_may_come_from_them(company: Company) -> None:
    me = await on_duty(company)
    await commands.check_out(me)
    await commands.check_in(me)
    await commands.forget_positions(company.organization_id)
    assert await models.Duty.all().count() == 2
    await models.Duty.exclude(ends_at=None).update(ends_at=utc_now() - timedelta(hours=24, minutes=1))
    await commands.forget_positions(company.organization_id)
    assert [row.ends_at for row in await models.Duty.all()] == [None]


async def test_who_keeps_it_for_fewer_days_does_not_wait_for_the_timer(company: Company) -> None:
    await sampled(company)
    await age(3)
    await update_organization(company.system, position_history_days=2)
    follower = FOLLOWERS["technicians.forget_positions_sooner"]
    await Followers([follower]).catch_up()
    assert len(await places()) == 2
    await Runner(kinds={reactions.JOB: KINDS[reactions.JOB]}).run_due()
    assert await places() == []
    await update_organization(company.system, name="Brightwater")
    await Followers([follower]).catch_up()
    assert await Job.filter(kind=reactions.JOB, status="QUEUED").count() == 0


# Who sees it


async def test_history_is_seen_by_whom_positions_are_seen(company: Company) -> None:
    me = await sampled(company)
    colleague = field_actor(company, await hire(company, "Sam"))
    seen = {
        "dispatcher": company.dispatcher,
        "finance": company.actor(Role.FINANCE),
        "self": me,
        "colleague": colleague,
        "customer": company.actor(Role.CUSTOMER_USER, customer_id=new_id("cus")),
        "stranger": (await found_company("Northwind")).dispatcher,
    }
    samples = {who: len(await find_rows(models.PositionSample, models.PositionSample.visible_to(actor)))
               for who, actor in seen.items()}  # fmt: skip
    assert samples == {"dispatcher": 2, "finance": 0, "self": 2, "colleague": 0, "customer": 0, "stranger": 0}
