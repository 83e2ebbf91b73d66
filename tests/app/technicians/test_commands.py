"""Technicians: who they are, what they can do, when they work, what they report."""

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from app.customers.commands import create_site
from app.infrastructure.tables import add_row, find_rows
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.errors import (
    AlreadyExists,
    Conflict,
    IllegalTransition,
    InvalidInput,
    NotFound,
    NotPermitted,
    Problem,
    ScheduleConflict,
    StaleVersion,
)
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.scheduling.rules import AssignmentStatus
from app.technicians import commands, models, queries
from app.technicians.rules import (
    STATUS_LIFECYCLE,
    AbsenceKind,
    HeldSkill,
    PositionReport,
    ShiftTimes,
    SkillGrant,
    TechnicianStatus,
)
from tests.app.customers.world import Company, found_company, hire, open_account, send, stranger_to

NEW_YORK = ZoneInfo("America/New_York")
MONDAY = date(2026, 3, 2)
EIGHT = datetime(2026, 3, 2, 8, tzinfo=NEW_YORK).astimezone(UTC)

ROOM = (
    models.Skill,
    models.Technician,
    models.TechnicianSkill,
    models.Shift,
    models.Absence,
    models.Position,
    models.PositionSample,
    models.Duty,
)


@pytest.fixture
async def company(database: object) -> Company:
    return await found_company()


def at(hours: float) -> datetime:
    return EIGHT + timedelta(hours=hours)


def shift(begin: float, end: float, **details: Any) -> ShiftTimes:
    return ShiftTimes(at(begin), at(end), **details)


def field_actor(company: Company, technician_id: str) -> Actor:
    return company.actor(Role.TECHNICIAN, technician_id=technician_id)


async def everything() -> list[list[dict[str, Any]]]:
    """All rows of the room."""
    return [[dict(row) for row in await model.all().order_by("id")] for model in ROOM]


async def refused_without_a_trace(company: Company, change: Any, problem: type[Problem]) -> Problem:
    facts, kept = len(await company.facts()), await everything()
    with pytest.raises(problem) as refused:
        await change
    assert await everything() == kept
    assert await company.types(after=facts) == []
    assert type(refused.value) is problem
    return refused.value


async def times_of(technician_id: str) -> list[tuple[float, float]]:
    rows = await models.Shift.filter(technician_id=technician_id).order_by("starts_at")
    return [((row.starts_at - EIGHT) / timedelta(hours=1), (row.ends_at - EIGHT) / timedelta(hours=1)) for row in rows]


async def test_a_technician_starts_off_duty_with_the_companys_zone_and_currency(company: Company) -> None:
    row = await models.Technician.get(id=await hire(company, cost_per_hour=Decimal("41.5"), phone="(212) 555-0100"))
    assert (row.number, row.status, row.is_active, row.time_zone) == ("T-0001", "OFF", True, "America/New_York")
    assert (row.cost_per_hour, row.currency, row.phone) == (Decimal("41.50"), "USD", "+12125550100")
    fact = (await company.facts())[-1]
    assert (fact.type, fact.technician_ids) == ("TechnicianCreated", (row.id,))
    assert "41.5" not in str(fact.payload)


@pytest.mark.parametrize(
    ("details", "path"),
    [
        ({"name": ""}, "name"),
        ({"home_latitude": 40.0}, "homeLongitude"),
        ({"home_longitude": 40.0}, "homeLatitude"),
        ({"time_zone": "Mars/Olympus"}, "timeZone"),
        ({"speed_factor": 0.0}, "speedFactor"),
        ({"speed_factor": float("nan")}, "speedFactor"),
        ({"color": "blue"}, "color"),
        ({"cost_per_hour": Decimal("-1")}, "costPerHour"),
        ({"cost_per_hour": Decimal("1e14")}, "costPerHour"),
        ({"user_id": "bob"}, "userId"),
        ({"territory_id": "north"}, "territoryId"),
    ],
)
async def test_refuses_a_technician_that_makes_no_sense(company: Company, details: dict[str, Any], path: str) -> None:
    problem = await refused_without_a_trace(company, hire(company, **details), InvalidInput)
    assert problem.path == (path,)


async def test_costs_are_told_to_the_office_only(company: Company) -> None:
    id = await hire(company)
    before = len(await company.facts())
    await commands.update_technician(company.manager, id, name="Toni P.", cost_per_hour=Decimal(50))
    shown, own = (await company.facts())[before:]
    assert (shown.type, shown.technician_ids, shown.payload["changes"]) == (
        "TechnicianUpdated",
        (id,),
        {"name": ["Toni Park", "Toni P."]},
    )
    assert (own.type, own.technician_ids) == ("TechnicianCostsUpdated", ())


async def test_numbers_are_taken_once(company: Company) -> None:
    await hire(company, number="7")
    await refused_without_a_trace(company, hire(company, "Twin", number="7"), AlreadyExists)


async def test_who_is_on_duty_is_not_deactivated_and_who_is_inactive_does_not_go_on_duty(company: Company) -> None:
    id = await hire(company)
    await commands.check_in(company.dispatcher, id)
    await refused_without_a_trace(company, commands.deactivate_technician(company.manager, id), Conflict)
    await commands.check_out(company.dispatcher, id)
    await commands.deactivate_technician(company.manager, id)
    await refused_without_a_trace(company, commands.check_in(company.dispatcher, id), Conflict)
    await commands.reactivate_technician(company.manager, id)
    await commands.check_in(company.dispatcher, id)
    assert (await models.Technician.get(id=id)).status == "AVAILABLE"


async def skill_of(company: Company, code: str) -> str:
    return await commands.create_skill(company.manager, code=code, name=code.title())


async def test_skills_are_set_as_a_whole_with_levels_and_last_days(company: Company) -> None:
    id = await hire(company)
    gas, ladder, solar = [await skill_of(company, code) for code in ("gas", "ladder", "solar")]
    await commands.set_technician_skills(company.manager, id, [SkillGrant(gas, 2), SkillGrant(ladder, 1)])
    before = len(await company.facts())
    wanted = [SkillGrant(gas, 3), SkillGrant(solar, 5, date(2027, 1, 31))]
    await commands.set_technician_skills(company.manager, id, wanted)
    held = await queries.skills_of(company.dispatcher, [id])
    assert held == {id: {gas: HeldSkill(3), solar: HeldSkill(5, date(2027, 1, 31))}}
    (fact,) = (await company.facts())[before:]
    assert (fact.type, fact.technician_ids) == ("TechnicianSkillsChanged", (id,))
    assert fact.payload["changes"]["skills"] == [
        {gas: {"level": 2, "expires_on": None}, ladder: {"level": 1, "expires_on": None}},
        {gas: {"level": 3, "expires_on": None}, solar: {"level": 5, "expires_on": "2027-01-31"}},
    ]
    await commands.set_technician_skills(company.manager, id, list(reversed(wanted)))
    assert len(await company.facts()) == before + 1


async def test_refuses_skills_that_cannot_be_held(company: Company) -> None:
    id, gas = await hire(company), await skill_of(company, "gas")
    await commands.set_technician_skills(company.manager, id, [SkillGrant(gas, 2)])
    other = await found_company("Elsewhere")
    foreign = await skill_of(other, "gas")
    for grants, problem in (
        ([SkillGrant(gas, 0)], InvalidInput),
        ([SkillGrant(gas, 6)], InvalidInput),
        ([SkillGrant(gas, 1), SkillGrant(gas, 2)], InvalidInput),
        ([SkillGrant("gas", 1)], InvalidInput),
        ([SkillGrant(foreign, 1)], NotFound),
        ([SkillGrant(new_id("skill"), 1)], NotFound),
    ):
        await refused_without_a_trace(company, commands.set_technician_skills(company.manager, id, grants), problem)
    stale = commands.set_technician_skills(company.manager, id, [], version=1)
    await refused_without_a_trace(company, stale, StaleVersion)


async def test_shifts_of_one_technician_never_overlap(company: Company) -> None:
    id = await hire(company)
    await commands.create_shift(company.dispatcher, id, shift(0, 8, overtime_minutes_max=60))
    for begin, end in ((0, 8), (-1, 1), (7, 9), (2, 3), (-1, 12), (8, 16), (8.9, 16)):
        change = commands.create_shift(company.dispatcher, id, shift(begin, end))
        await refused_without_a_trace(company, change, ScheduleConflict)
    await commands.create_shift(company.dispatcher, id, shift(9, 16))
    await commands.create_shift(company.dispatcher, id, shift(-8, 0))
    await commands.create_shift(company.dispatcher, await hire(company, "Sam"), shift(0, 8))
    assert await times_of(id) == [(-8, 0), (0, 8), (9, 16)]


async def test_many_shifts_come_all_or_none(company: Company) -> None:
    id = await hire(company)
    ids = await commands.create_shifts(company.dispatcher, id, [shift(24, 32), shift(0, 8)])
    assert [(await models.Shift.get(id=one)).starts_at for one in ids] == [at(24), at(0)]
    for wanted in ([shift(48, 56), shift(31, 40)], [shift(48, 56), shift(50, 51)]):
        change = commands.create_shifts(company.dispatcher, id, wanted)
        await refused_without_a_trace(company, change, ScheduleConflict)
    refused = commands.create_shifts(company.dispatcher, id, [shift(48, 56), shift(60, 60)])
    assert (await refused_without_a_trace(company, refused, InvalidInput)).path == ("shifts", "1", "endsAt")
    await refused_without_a_trace(company, commands.create_shifts(company.dispatcher, id, []), InvalidInput)


async def test_of_many_at_once_that_overlap_one_is_rostered(company: Company) -> None:
    id = await hire(company)
    tries = [commands.create_shift(company.dispatcher, id, shift(place / 10, 8)) for place in range(8)]
    results = await asyncio.gather(*tries, return_exceptions=True)
    assert [type(result) for result in results if not isinstance(result, str)] == [ScheduleConflict] * 7
    assert len(await times_of(id)) == 1
    assert (await company.types()).count("ShiftCreated") == 1


async def test_replacing_a_day_touches_the_shifts_that_begin_on_that_day_only(company: Company) -> None:
    id = await hire(company)
    # Hours after Monday 08:00 in New York: Sunday 23:00, Monday 08:00 and 14:00, Tuesday 00:00.
    await commands.create_shifts(company.dispatcher, id, [shift(-9, -2), shift(0, 4), shift(6, 10), shift(16, 20)])
    before = len(await company.facts())
    await commands.replace_shifts_of_day(company.dispatcher, id, MONDAY, [shift(0, 4), shift(5, 9)])
    assert await times_of(id) == [(-9, -2), (0, 4), (5, 9), (16, 20)]
    assert await company.types(after=before) == ["ShiftDeleted", "ShiftCreated"]
    tuesday = commands.replace_shifts_of_day(company.dispatcher, id, MONDAY, [shift(16, 20)])
    await refused_without_a_trace(company, tuesday, InvalidInput)
    for far in (date.min, date.max):
        nobody_works = commands.replace_shifts_of_day(company.dispatcher, id, far, [])
        await refused_without_a_trace(company, nobody_works, InvalidInput)
    into_tuesday = commands.replace_shifts_of_day(company.dispatcher, id, MONDAY, [shift(10, 17)])
    await refused_without_a_trace(company, into_tuesday, ScheduleConflict)
    await commands.replace_shifts_of_day(company.dispatcher, id, MONDAY, [])
    assert await times_of(id) == [(-9, -2), (16, 20)]


async def test_a_shift_moves_without_running_into_itself_and_is_deleted_once(company: Company) -> None:
    id = await hire(company)
    one = await commands.create_shift(company.dispatcher, id, shift(0, 8, break_minutes=30))
    await commands.create_shift(company.dispatcher, id, shift(10, 12))
    await commands.update_shift(company.dispatcher, one, ends_at=at(9))
    row = await models.Shift.get(id=one)
    assert (row.ends_at, row.break_latest_at) == (at(9), at(7.5))
    change = commands.update_shift(company.dispatcher, one, ends_at=at(10.5))
    await refused_without_a_trace(company, change, ScheduleConflict)
    assert await commands.delete_shift(company.dispatcher, one) == id
    await refused_without_a_trace(company, commands.delete_shift(company.dispatcher, one), NotFound)
    assert await times_of(id) == [(10, 12)]


@pytest.mark.parametrize("to", list(TechnicianStatus))
@pytest.mark.parametrize("state", list(TechnicianStatus))
async def test_a_status_changes_exactly_as_the_table_says(
    company: Company, state: TechnicianStatus, to: TechnicianStatus
) -> None:
    id = await hire(company)
    await models.Technician.filter(id=id).update(status=state)
    before = len(await company.facts())
    for actor in (field_actor(company, id), company.dispatcher):
        await models.Technician.filter(id=id).update(status=state)
        before = len(await company.facts())
        if to is state:
            assert await commands.change_status(actor, id, to) == id
            assert await company.types(after=before) == []
        elif to in STATUS_LIFECYCLE.steps[state]:
            assert await commands.change_status(actor, id, to) == id
            (fact,) = (await company.facts())[before:]
            assert (fact.type, fact.technician_ids, fact.payload["changes"]) == (
                "TechnicianStatusChanged",
                (id,),
                {"status": [state, to]},
            )
        else:
            await refused_without_a_trace(company, commands.change_status(actor, id, to), IllegalTransition)
    expected = to if to in STATUS_LIFECYCLE.steps[state] else state
    assert (await models.Technician.get(id=id)).status == expected


async def test_only_the_technician_and_dispatch_say_what_a_technician_does(company: Company) -> None:
    id, colleague = await hire(company), await hire(company, "Sam")
    for actor in (
        field_actor(company, colleague),
        company.actor(Role.FINANCE),
        company.actor(Role.SUPPORT, technician_id=id),
        company.actor(Role.CUSTOMER_USER, customer_id=new_id("cus")),
    ):
        for change in (
            commands.change_status(actor, id, TechnicianStatus.AVAILABLE),
            commands.check_in(actor, id),
            commands.check_out(actor, id),
        ):
            await refused_without_a_trace(company, change, NotPermitted)
    await refused_without_a_trace(company, commands.check_in(stranger_to(company), id), NotFound)
    await refused_without_a_trace(company, commands.check_in(company.dispatcher), InvalidInput)


async def test_checking_in_and_out_may_be_repeated(company: Company) -> None:
    id = await hire(company)
    me = field_actor(company, id)
    before = len(await company.facts())
    for step in (commands.check_in, commands.check_in, commands.check_out, commands.check_out):
        assert await step(me) == id
    assert await company.types(after=before) == ["TechnicianStatusChanged"] * 2
    assert (await models.Technician.get(id=id)).status == "OFF"


async def absence_of(company: Company, technician_id: str, begin: float, end: float) -> str:
    return await commands.create_absence(
        company.dispatcher, technician_id, starts_at=at(begin), ends_at=at(end), kind=AbsenceKind.SICK
    )


async def test_an_absence_is_noted_changed_and_taken_back(company: Company) -> None:
    id = await hire(company)
    before = len(await company.facts())
    absence = await absence_of(company, id, 0, 8)
    await commands.update_absence(company.dispatcher, absence, ends_at=at(4), reason="dentist")
    row = await models.Absence.get(id=absence)
    assert (row.starts_at, row.ends_at, row.reason, row.kind) == (at(0), at(4), "dentist", "SICK")
    change = commands.update_absence(company.dispatcher, absence, starts_at=at(5))
    await refused_without_a_trace(company, change, InvalidInput)
    assert await commands.delete_absence(company.dispatcher, absence) == id
    assert await company.types(after=before) == ["AbsenceCreated", "AbsenceUpdated", "AbsenceDeleted"]
    assert await models.Absence.all().count() == 0


async def test_available_is_who_is_on_shift_there_and_skilled_for_all_of_the_time(company: Company) -> None:
    gas = await skill_of(company, "gas")
    grants = {"Ann": [SkillGrant(gas, 3)], "Bea": [SkillGrant(gas, 2)], "Cas": [SkillGrant(gas, 5, date(2026, 3, 1))]}
    people = {name: await hire(company, name) for name in ("Ann", "Bea", "Cas", "Dan", "Eli", "Fay")}
    for name, skills in grants.items():
        await commands.set_technician_skills(company.manager, people[name], skills)
    for name in ("Ann", "Bea", "Cas", "Fay"):
        await commands.create_shift(company.dispatcher, people[name], shift(0, 8))
    await commands.create_shifts(company.dispatcher, people["Dan"], [shift(0, 4), shift(4, 8)])
    await commands.create_shifts(company.dispatcher, people["Eli"], [shift(0, 4), shift(5, 8)])
    await absence_of(company, people["Fay"], 7, 24)

    async def names(begin: float, end: float, **asked: Any) -> list[str]:
        found = await queries.available_between(company.dispatcher, at(begin), at(end), **asked)
        return [one.technician.name for one in found]

    assert await names(3, 5) == ["Ann", "Bea", "Cas", "Dan", "Fay"]
    assert await names(0, 8) == ["Ann", "Bea", "Cas", "Dan"]
    assert await names(7, 9) == []
    assert await names(1, 2, required_skills={gas: 2}) == ["Ann", "Bea"]
    assert await names(1, 2, required_skills={gas: 3}) == ["Ann"]
    assert await names(1, 2, technician_ids=[people["Bea"], people["Eli"]]) == ["Bea", "Eli"]
    await commands.deactivate_technician(company.manager, people["Bea"])
    assert await names(1, 2, technician_ids=[people["Bea"], people["Eli"]]) == ["Eli"]
    assert await queries.available_between(stranger_to(company), at(1), at(2)) == []


async def test_shifts_of_a_day_are_those_that_share_time_with_it_where_it_is_that_day(company: Company) -> None:
    id = await hire(company)
    await commands.create_shifts(company.dispatcher, id, [shift(-10, -7), shift(0, 8), shift(16, 20)])
    found = await queries.shifts_on(company.dispatcher, MONDAY, NEW_YORK)
    assert [(one.technician_id, one.starts_at, one.ends_at) for one in found] == [
        (id, at(-10), at(-7)),
        (id, at(0), at(8)),
    ]
    assert await queries.shifts_on(company.dispatcher, MONDAY, NEW_YORK, []) == []


CHANGES: dict[str, Any] = {
    "update_skill": lambda actor, ids: commands.update_skill(actor, ids["skill"], name="Mine"),
    "update_technician": lambda actor, ids: commands.update_technician(actor, ids["technician"], name="Mine"),
    "deactivate_technician": lambda actor, ids: commands.deactivate_technician(actor, ids["technician"]),
    "reactivate_technician": lambda actor, ids: commands.reactivate_technician(actor, ids["technician"]),
    "set_technician_skills": lambda actor, ids: commands.set_technician_skills(actor, ids["technician"], []),
    "create_shift": lambda actor, ids: commands.create_shift(actor, ids["technician"], shift(30, 31)),
    "create_shifts": lambda actor, ids: commands.create_shifts(actor, ids["technician"], [shift(30, 31)]),
    "replace_day": lambda actor, ids: commands.replace_shifts_of_day(actor, ids["technician"], MONDAY, []),
    "update_shift": lambda actor, ids: commands.update_shift(actor, ids["shift"], ends_at=at(7)),
    "delete_shift": lambda actor, ids: commands.delete_shift(actor, ids["shift"]),
    "create_absence": lambda actor, ids: commands.create_absence(
        actor, ids["technician"], starts_at=at(0), ends_at=at(1), kind=AbsenceKind.OTHER
    ),
    "update_absence": lambda actor, ids: commands.update_absence(actor, ids["absence"], reason="mine"),
    "delete_absence": lambda actor, ids: commands.delete_absence(actor, ids["absence"]),
}


async def prepared(company: Company) -> dict[str, str]:
    technician, skill = await hire(company), await skill_of(company, "gas")
    await commands.set_technician_skills(company.manager, technician, [SkillGrant(skill, 3)])
    return {
        "technician": technician,
        "skill": skill,
        "shift": await commands.create_shift(company.dispatcher, technician, shift(0, 8)),
        "absence": await absence_of(company, technician, 24, 48),
    }


@pytest.mark.parametrize("name", CHANGES)
async def test_another_companys_technicians_are_not_there_and_who_may_not_changes_nothing(
    company: Company, name: str
) -> None:
    ids = await prepared(company)
    await refused_without_a_trace(company, CHANGES[name](stranger_to(company), ids), NotFound)
    for actor in (
        field_actor(company, ids["technician"]),
        company.actor(Role.SUPPORT),
        company.actor(Role.ACCOUNT_ADMINISTRATOR, customer_id=new_id("cus")),
    ):
        await refused_without_a_trace(company, CHANGES[name](actor, ids), NotPermitted)


async def visible(model: Any, actor: Actor) -> int:
    return len(await find_rows(model, model.visible_to(actor)))


async def test_each_kind_of_person_sees_what_concerns_them(company: Company) -> None:
    ids = await prepared(company)
    colleague = await hire(company, "Sam")
    await commands.create_shift(company.dispatcher, colleague, shift(0, 8))
    for technician in (ids["technician"], colleague):
        await commands.check_in(company.dispatcher, technician)
        await commands.take_positions(field_actor(company, technician), [PositionReport(40.7, -73.9, utc_now())])
    customer = await open_account(company)
    site = await create_site(company.dispatcher, customer_id=customer, name="Main Street 1")
    await send(company, colleague, site, AssignmentStatus.ACCEPTED)
    await send(company, ids["technician"], site, AssignmentStatus.DECLINED)
    seen = {
        "dispatcher": company.dispatcher,
        "finance": company.actor(Role.FINANCE),
        "technician": field_actor(company, ids["technician"]),
        "customer": company.actor(Role.CUSTOMER_USER, customer_id=customer),
        "other customer": company.actor(Role.CUSTOMER_USER, customer_id=new_id("cus")),
        "stranger": stranger_to(company),
    }
    # Skills, technicians, skills held, shifts, absences, positions, samples of them, times on duty.
    assert {who: [await visible(model, actor) for model in ROOM] for who, actor in seen.items()} == {
        "dispatcher": [1, 2, 1, 2, 1, 2, 2, 2],
        "finance": [1, 2, 1, 2, 1, 0, 0, 2],
        "technician": [1, 2, 1, 1, 1, 1, 1, 1],
        "customer": [0, 1, 0, 0, 0, 0, 0, 0],
        "other customer": [0, 0, 0, 0, 0, 0, 0, 0],
        "stranger": [0, 0, 0, 0, 0, 0, 0, 0],
    }


async def test_a_level_out_of_range_is_refused_by_the_database_itself(company: Company) -> None:
    ids = await prepared(company)
    owner = {"organization_id": company.organization_id, "technician_id": ids["technician"]}
    other = await skill_of(company, "solar")
    with pytest.raises(Exception, match="technician_skill_level"):
        await add_row(models.TechnicianSkill, **owner, skill_id=other, level=6)
