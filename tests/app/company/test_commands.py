"""A company's own settings: each command does one thing, and a refused one leaves no trace."""

import asyncio
from datetime import date, datetime
from zoneinfo import ZoneInfo

import pytest

from app import database as db
from app.company import commands, models, queries, rules
from app.infrastructure import journal
from app.infrastructure.command import command
from app.kernel.errors import (
    AlreadyExists,
    Conflict,
    InvalidInput,
    NotFound,
    NotPermitted,
    Problem,
    StaleVersion,
    Unavailable,
)
from app.kernel.ids import new_id
from app.kernel.permissions import Permission, Role

NIGHT_SHIFT = {"4": [["22:00", "24:00"]], "5": [["00:00", "06:00"]]}


@command(None)
async def number_then(actor, kind, *, fail=False):
    """Take a number, and perhaps go back."""
    number = await commands.next_number(actor, kind)
    if fail:
        raise Conflict("Never mind.")
    return number


async def test_founding_a_company_gives_it_working_hours_and_one_fact(lamp):
    organization = await queries.get_organization(lamp.system)
    calendar = await queries.business_calendar(lamp.system)
    assert (organization.id, organization.name, organization.currency) == (lamp.id, "Complicated Lamp Repairs", "USD")
    assert calendar.is_open(datetime(2026, 3, 2, 9, tzinfo=ZoneInfo("America/New_York")))
    assert not calendar.is_open(datetime(2026, 3, 1, 9, tzinfo=ZoneInfo("America/New_York")))
    assert await lamp.facts() == ["OrganizationCreated"]


async def test_only_the_system_founds_a_company(lamp):
    with pytest.raises(NotPermitted):
        await commands.create_organization(
            lamp.someone(Role.ADMINISTRATOR), name="Second", time_zone="UTC", currency="USD", country="US"
        )
    assert await models.Organization.all().count() == 1


async def test_a_company_is_founded_once(lamp):
    with pytest.raises(AlreadyExists):
        await commands.create_organization(lamp.system, name="Again", time_zone="UTC", currency="USD", country="US")
    assert (await queries.get_organization(lamp.system)).name == "Complicated Lamp Repairs"


async def test_changes_of_the_profile_are_recorded_before_and_after(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    await commands.update_organization(boss, name="  Lamp & Sons ", currency="eur", settings={"theme": "dark"})
    row = await queries.get_organization(boss)
    assert (row.name, row.currency, row.time_zone, row.settings, row.version) == (
        "Lamp & Sons", "EUR", "America/New_York", {"theme": "dark"}, 2,
    )  # fmt: skip
    entry = (await journal.read(lamp.id, 1))[0]
    assert entry.type == "OrganizationUpdated"
    assert entry.payload["changes"]["currency"] == ["USD", "EUR"]
    assert (entry.actor_id, entry.subject_id) == (boss.id, lamp.id)


async def test_saying_the_same_again_is_no_change(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    await commands.update_organization(boss, name="Complicated Lamp Repairs")
    assert (await queries.get_organization(boss)).version == 1
    assert await lamp.facts() == ["OrganizationCreated"]


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"name": " "}, "name"),
        ({"time_zone": "Mars/Olympus"}, "timeZone"),
        ({"currency": "dollars"}, "currency"),
        ({"country": "USA"}, "country"),
        ({"locale": "english"}, "locale"),
        ({"settings": ["dark"]}, "settings"),
        ({"settings": {"blob": "x" * 20_000}}, "settings"),
    ],
)
async def test_a_profile_that_cannot_be_is_refused_and_changes_nothing(lamp, changes, path):
    with pytest.raises(InvalidInput) as refused:
        await commands.update_organization(lamp.someone(Role.ADMINISTRATOR), **changes)
    assert refused.value.path == (path,)
    assert (await queries.get_organization(lamp.system)).version == 1
    assert await lamp.facts() == ["OrganizationCreated"]


COMMANDS_OF_THE_ADMINISTRATOR = {
    "update_organization": lambda actor: commands.update_organization(actor, name="Mine"),
    "update_number_series": lambda actor: commands.update_number_series(actor, "WORK_ORDER", digits=3),
    "create_service_type": lambda actor: commands.create_service_type(actor, code="FIX", name="Fix"),
    "update_service_type": lambda actor: commands.update_service_type(actor, new_id("svc"), name="Fix"),
    "deactivate_service_type": lambda actor: commands.deactivate_service_type(actor, new_id("svc")),
    "create_territory": lambda actor: commands.create_territory(actor, code="N", name="North"),
    "update_territory": lambda actor: commands.update_territory(actor, new_id("ter"), name="North"),
    "create_business_calendar": lambda actor: commands.create_business_calendar(
        actor, name="Nights", time_zone="UTC", week={}
    ),
    "update_business_calendar": lambda actor: commands.update_business_calendar(actor, new_id("cal"), name="x"),
    "add_holiday": lambda actor: commands.add_holiday(actor, new_id("cal"), day=date(2026, 7, 4), name="x"),
    "remove_holiday": lambda actor: commands.remove_holiday(actor, new_id("cal"), day=date(2026, 7, 4)),
}


async def test_nobody_but_the_administrator_changes_the_company(lamp):
    for role in Role:
        if role is not Role.ADMINISTRATOR:
            for name, run in COMMANDS_OF_THE_ADMINISTRATOR.items():
                with pytest.raises(NotPermitted) as refused:
                    await run(lamp.someone(role))
                assert refused.value.permission == Permission.MANAGE_ORGANIZATION, (role, name)
    assert await lamp.facts() == ["OrganizationCreated"]


async def test_what_belongs_to_another_company_is_not_found_and_stays(lamp, rival):
    boss = lamp.someone(Role.ADMINISTRATOR)
    calendar = await commands.create_business_calendar(boss, name="Nights", time_zone="UTC", week=NIGHT_SHIFT)
    service = await commands.create_service_type(boss, code="FIX", name="Fix")
    territory = await commands.create_territory(boss, code="N", name="North")
    before = await lamp.facts()
    intruder = rival.someone(Role.ADMINISTRATOR)
    for attempt in (
        commands.update_service_type(intruder, service, name="Mine"),
        commands.deactivate_service_type(intruder, service),
        commands.update_territory(intruder, territory, name="Mine"),
        commands.update_business_calendar(intruder, calendar, name="Mine"),
        commands.add_holiday(intruder, calendar, day=date(2026, 7, 4), name="Mine"),
        commands.remove_holiday(intruder, calendar, day=date(2026, 7, 4)),
        queries.business_calendar(intruder, calendar),
        queries.find_holidays(intruder, calendar),
    ):
        with pytest.raises(NotFound):
            await attempt
    assert await queries.find_service_type(intruder, "FIX") is None
    assert await rival.facts() == ["OrganizationCreated"]
    assert await lamp.facts() == before
    assert (await models.ServiceType.get(id=service)).name == "Fix"


async def test_numbers_of_a_kind_count_up_and_kinds_and_companies_count_alone(lamp, rival):
    assert [await number_then(lamp.system, "WORK_ORDER") for _ in range(3)] == ["WO-000001", "WO-000002", "WO-000003"]
    assert await number_then(lamp.system, "CUSTOMER") == "C-000001"
    assert await number_then(lamp.system, "loan_unit") == "LOA-000001"
    assert await number_then(rival.system, "WORK_ORDER") == "WO-000001"


async def test_a_command_that_goes_back_gives_its_number_back(lamp):
    assert await number_then(lamp.system, "WORK_ORDER") == "WO-000001"
    with pytest.raises(Conflict):
        await number_then(lamp.system, "WORK_ORDER", fail=True)
    assert await number_then(lamp.system, "WORK_ORDER") == "WO-000002"


async def test_numbers_taken_at_once_have_no_gap_and_no_twin(lamp):
    async def patiently(fail):
        while True:
            try:
                return await number_then(lamp.system, "WORK_ORDER", fail=fail)
            except Unavailable:
                await asyncio.sleep(0.01)
            except Conflict:
                return None

    taken = await asyncio.gather(*(patiently(fail=index % 4 == 0) for index in range(24)))
    assert sorted(number for number in taken if number) == [f"WO-{index:06d}" for index in range(1, 19)]


async def test_a_number_is_not_given_out_outside_a_command(lamp):
    with pytest.raises(RuntimeError):
        await commands.next_number(lamp.system, "WORK_ORDER")
    assert await models.NumberSeries.all().count() == 0


async def test_a_series_changes_its_look_and_jumps_forward_only(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    await number_then(boss, "WORK_ORDER")
    await commands.update_number_series(boss, "work_order", prefix="T/", digits=4, next_number=500)
    assert await number_then(boss, "WORK_ORDER") == "T/0500"
    for wrong in ({"next_number": 500}, {"prefix": "a b"}, {"digits": 0}, {"digits": 13}):
        with pytest.raises(InvalidInput):
            await commands.update_number_series(boss, "WORK_ORDER", **wrong)
    assert await number_then(boss, "WORK_ORDER") == "T/0501"
    assert await lamp.facts() == ["OrganizationCreated", "NumberSeriesUpdated"]


async def test_a_service_type_is_offered_changed_and_withdrawn(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    id = new_id("svc")
    assert (
        await commands.create_service_type(
            boss, id=id, code=" repair ", name="Repair", duration_minutes=90, required_evidence=["TIME", "NOTE", "TIME"]
        )
        == id
    )
    row = await queries.find_service_type(boss, "REPAIR")
    assert row is not None
    assert (row.id, row.code, row.duration_minutes, row.default_priority, row.required_evidence, row.is_active) == (
        id, "REPAIR", 90, "NORMAL", ["NOTE", "TIME"], True,
    )  # fmt: skip
    await commands.update_service_type(boss, id, version=1, default_priority="HIGH", description="On site")
    with pytest.raises(StaleVersion):
        await commands.update_service_type(boss, id, version=1, name="Late")
    await commands.deactivate_service_type(boss, id)
    await commands.deactivate_service_type(boss, id)
    row = await models.ServiceType.get(id=id)
    assert (row.name, row.default_priority, row.is_active, row.version) == ("Repair", "HIGH", False, 3)
    assert (await lamp.facts())[1:] == ["ServiceTypeCreated", "ServiceTypeUpdated", "ServiceTypeDeactivated"]


@pytest.mark.parametrize(
    "values",
    [
        {"code": ""},
        {"code": "no spaces"},
        {"name": ""},
        {"duration_minutes": 0},
        {"duration_minutes": True},
        {"duration_minutes": 14 * 24 * 60 + 1},
        {"default_priority": "SOON"},
        {"required_evidence": ["SELFIE"]},
        {"required_skills": {"not-an-id": 3}},
        {"required_skills": ["skill"]},
        {"required_skills": {new_id("skill"): "3"}},
        {"required_skills": {new_id("skill"): 6}},
    ],
)
async def test_a_service_type_that_cannot_be_is_refused(lamp, values):
    with pytest.raises(InvalidInput):
        await commands.create_service_type(
            lamp.someone(Role.ADMINISTRATOR), **({"code": "FIX", "name": "Fix"} | values)
        )
    assert await models.ServiceType.all().count() == 0
    assert await lamp.facts() == ["OrganizationCreated"]


async def test_a_service_type_asks_for_skills_that_exist_here(lamp):
    with pytest.raises(NotFound) as refused:
        await commands.create_service_type(
            lamp.someone(Role.ADMINISTRATOR), code="FIX", name="Fix", required_skills={new_id("skill"): 3}
        )
    assert refused.value.path == ("requiredSkills",)
    assert await models.ServiceType.all().count() == 0


async def test_a_code_is_taken_once_per_company_and_the_refusal_spoils_nothing(lamp, rival):
    for company in (lamp, rival):
        await commands.create_territory(company.someone(Role.ADMINISTRATOR), code="N", name="North")
    with pytest.raises(AlreadyExists) as refused:
        await commands.create_territory(lamp.someone(Role.ADMINISTRATOR), code="n", name="Nowhere")
    assert refused.value.path == ("code",)
    assert [row.name for row in await models.Territory.filter(organization_id=lamp.id)] == ["North"]
    assert await lamp.facts() == ["OrganizationCreated", "TerritoryCreated"]


async def test_one_calendar_is_always_the_default(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    first = (await models.BusinessCalendar.get(organization_id=lamp.id)).id
    nights = await commands.create_business_calendar(
        boss, name="Nights", time_zone="UTC", week=NIGHT_SHIFT, is_default=True
    )
    with pytest.raises(Conflict):
        await commands.update_business_calendar(boss, nights, is_default=False)
    rows = {row.id: row for row in await models.BusinessCalendar.filter(organization_id=lamp.id)}
    assert {id: row.is_default for id, row in rows.items()} == {first: False, nights: True}
    assert rows[nights].week == {"4": [["22:00", "00:00"]], "5": [["00:00", "06:00"]]}
    await asyncio.gather(
        *(commands.update_business_calendar(boss, id, is_default=True) for id in (first, nights, first))
    )
    assert await models.BusinessCalendar.filter(organization_id=lamp.id, is_default=True).count() == 1


async def test_holidays_close_the_calendar_until_they_are_taken_back(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    calendar = (await models.BusinessCalendar.get(organization_id=lamp.id)).id
    monday = datetime(2026, 5, 25, 9, tzinfo=ZoneInfo("America/New_York"))
    await commands.add_holiday(boss, calendar, day=date(2026, 5, 25), name="Memorial Day")
    assert not (await queries.business_calendar(boss)).is_open(monday)
    assert await queries.find_holidays(boss, calendar) == {date(2026, 5, 25): "Memorial Day"}
    with pytest.raises(AlreadyExists):
        await commands.add_holiday(boss, calendar, day=date(2026, 5, 25), name="Again")
    await commands.remove_holiday(boss, calendar, day=date(2026, 5, 25))
    with pytest.raises(NotFound):
        await commands.remove_holiday(boss, calendar, day=date(2026, 5, 25))
    assert (await queries.business_calendar(boss)).is_open(monday)
    assert (await lamp.facts())[1:] == ["HolidayAdded", "HolidayRemoved"]


@pytest.mark.parametrize(
    "week",
    [
        [["08:00", "17:00"]],
        None,
        {"7": [["08:00", "17:00"]]},
        {"Monday": [["08:00", "17:00"]]},
        {"0": [["17:00", "08:00"]]},
        {"0": [["08:00", "08:00"]]},
        {"0": [["8:00", "17:00"]]},
        {"0": [["08:00", "25:00"]]},
        {"0": [["08:00"]]},
        {"0": "08:00-17:00"},
        {"0": [["08:00", "12:00"], ["11:59", "17:00"]]},
        {"0": [["20:00", "24:00"], ["22:00", "23:00"]]},
        {"0": [["08:00", "09:00"]] * 7},
    ],
)
def test_a_week_that_cannot_be_is_refused(week):
    with pytest.raises(InvalidInput) as refused:
        rules.require_week(week)
    assert refused.value.path[0] == "week"


def test_a_week_is_kept_in_order_and_without_closed_days():
    assert rules.require_week({"2": [["13:00", "17:00"], ["08:00", "12:00"]], "0": [], "1": [["00:00", "24:00"]]}) == {
        "1": [["00:00", "00:00"]],
        "2": [["08:00", "12:00"], ["13:00", "17:00"]],
    }


async def test_every_refusal_is_a_problem_not_a_database_error(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    attempts = await asyncio.gather(
        *(commands.create_territory(boss, code="N", name=f"North {index}") for index in range(8)),
        return_exceptions=True,
    )
    refused = [one for one in attempts if isinstance(one, BaseException)]
    assert len(attempts) - len(refused) == 1
    assert all(isinstance(one, Problem) for one in refused)
    assert await models.Territory.filter(organization_id=lamp.id).count() == 1
    assert not db.in_unit()
