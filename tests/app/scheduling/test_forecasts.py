"""Forecasts from the tables: the visits that were completed, the work that was asked for, and who may ask."""

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import pytest_asyncio

from app.company.models import BusinessCalendar, Holiday, ServiceType, Territory
from app.customers.models import Site
from app.equipment.models import Category, Equipment, EquipmentModel
from app.infrastructure.tables import add_row
from app.kernel.calendar import local_day, utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput, NotFound
from app.kernel.ids import new_id
from app.scheduling import queries
from app.scheduling.models import Appointment
from app.scheduling.queries import forecasts
from app.technicians.models import Skill
from app.work_orders.models import TimeEntry, WorkOrder
from tests.app.scheduling.world import Company, found

BERLIN = ZoneInfo("Europe/Berlin")
BEGIN = datetime(2026, 3, 2, 8, tzinfo=UTC)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


@pytest_asyncio.fixture(loop_scope="session")
async def stranger(company: Company) -> Company:
    return await found("Globex")


@pytest.fixture(autouse=True)
def anew() -> Iterator[None]:
    queries.forget_forecasts()
    yield
    queries.forget_forecasts()


async def service(company: Company, code: str) -> str:
    made = await add_row(ServiceType, organization_id=company.organization_id, code=code, name=code)
    return made.id


async def add_work(company: Company, count: int, **values: Any) -> list[str]:
    """Work orders, past the commands: history does not come about in a minute."""
    now = utc_now()
    rows = [
        WorkOrder(
            **{
                "id": new_id(WorkOrder.prefix),
                "created_at": now,
                "updated_at": now,
                "organization_id": company.organization_id,
                "number": new_id("n"),
                "customer_id": company.customer_id,
                "site_id": company.site_id,
                "status": "CLOSED",
                "priority": "NORMAL",
                "channel": "PHONE",
                "summary": "No heat",
                "duration_minutes": 60,
                "currency": "EUR",
                "submitted_at": BEGIN,
            }
            | {name: value(number) if callable(value) else value for name, value in values.items()}
        )
        for number in range(count)
    ]
    await WorkOrder.bulk_create(rows)
    return [row.id for row in rows]


async def add_visits(
    company: Company, count: int, minutes: int, *, status: str = "COMPLETED", **values: Any
) -> list[Appointment]:
    now = utc_now()
    work = await add_work(company, count, **values)
    rows = [
        Appointment(
            id=new_id(Appointment.prefix),
            created_at=now,
            updated_at=now,
            organization_id=company.organization_id,
            work_order_id=id,
            site_id=company.site_id,
            customer_id=company.customer_id,
            number=1,
            status=status,
            starts_at=BEGIN + timedelta(days=number),
            ends_at=BEGIN + timedelta(days=number, minutes=60),
            duration_minutes=60,
            technician_ids=[company.ann_id],
            started_at=BEGIN + timedelta(days=number),
            completed_at=BEGIN + timedelta(days=number, minutes=minutes + number % 3),
        )
        for number, id in enumerate(work)
    ]
    await Appointment.bulk_create(rows)
    return rows


async def test_durations_come_from_completed_visits_of_the_kind(company: Company, stranger: Company) -> None:
    repair, check = await service(company, "repair"), await service(company, "check")
    await add_visits(company, 30, 90, service_type_id=repair)
    await add_visits(company, 30, 20, service_type_id=check)
    await add_visits(company, 30, 500, status="CANCELED", service_type_id=check)
    await add_visits(stranger, 30, 900)
    times, made = await queries.forecast_duration(company.dispatcher, service_type_id=repair)
    assert (times.visits, times.since) == (60, BEGIN + timedelta(minutes=20))
    assert made is not None and (made.level, made.observations) == (1, 30)
    assert made.expected_minutes == pytest.approx(91, abs=2)
    assert times.error is not None and times.error.beats_plan
    _, shorter = await queries.forecast_duration(company.dispatcher, service_type_id=check)
    assert shorter is not None and shorter.expected_minutes == pytest.approx(21, abs=1)


async def test_minutes_that_were_clocked_count_and_the_way_and_breaks_do_not(company: Company) -> None:
    repair = await service(company, "repair")
    visits = await add_visits(company, 12, 240, service_type_id=repair)
    now = utc_now()
    entries = [("REPAIR", 40, company.ann_id), ("TESTING", 10, company.ann_id), ("BREAK", 99, company.ann_id)]
    entries += [("TRAVEL", 99, company.ann_id), ("REPAIR", 30, company.bob_id)]
    await TimeEntry.bulk_create(
        [
            TimeEntry(
                id=new_id(TimeEntry.prefix),
                created_at=now,
                updated_at=now,
                organization_id=company.organization_id,
                work_order_id=one.work_order_id,
                appointment_id=one.id,
                technician_id=technician_id,
                kind=kind,
                started_at=BEGIN,
                ended_at=BEGIN,
                worked_minutes=minutes,
            )
            for one in visits
            for kind, minutes, technician_id in entries
        ]
    )
    _, made = await queries.forecast_duration(company.dispatcher, service_type_id=repair)
    assert made is not None and made.expected_minutes == pytest.approx(50, abs=0.5)


async def test_a_model_of_equipment_and_a_technician_make_a_kind_finer(company: Company) -> None:
    repair = await service(company, "repair")
    own = {"organization_id": company.organization_id}
    category = await add_row(Category, **own, name="Boilers")
    models = [
        await add_row(EquipmentModel, **own, category_id=category.id, manufacturer="Acme", name=name) for name in "AB"
    ]
    for model, minutes in zip(models, (30, 120), strict=True):
        device = await add_row(
            Equipment,
            **own,
            customer_id=company.customer_id,
            site_id=company.site_id,
            model_id=model.id,
            name="x",
            status="OPERATIONAL",
        )
        await add_visits(company, 20, minutes, service_type_id=repair, equipment_id=device.id)
    answers = [
        (await queries.forecast_duration(company.dispatcher, service_type_id=repair, equipment_model_id=model.id))[1]
        for model in models
    ]
    assert [one and one.level for one in answers] == [2, 2]
    assert [one and round(one.expected_minutes / 10) for one in answers] == [3, 12]
    _, one = await queries.forecast_duration(
        company.dispatcher, service_type_id=repair, equipment_model_id=models[0].id, technician_id=company.ann_id
    )
    assert one is not None and one.expected_minutes == pytest.approx(31, abs=2)


async def test_without_history_there_is_no_forecast(company: Company) -> None:
    times, made = await queries.forecast_duration(company.dispatcher)
    assert (times.visits, times.since, times.error, made) == (0, None, None, None)
    assert await queries.forecast_demand(company.dispatcher, 7) is None


async def test_what_is_foreign_or_absurd_is_refused(company: Company, stranger: Company) -> None:
    theirs = await service(stranger, "repair")
    with pytest.raises(NotFound):
        await queries.forecast_duration(company.dispatcher, service_type_id=theirs)
    with pytest.raises(NotFound):
        await queries.forecast_demand(company.dispatcher, 7, service_type_id=theirs)
    with pytest.raises(InvalidInput):
        await queries.forecast_duration(company.dispatcher, technician_id=company.ann_id)
    for days in (0, forecasts.HORIZON_DAYS_MAX + 1):
        with pytest.raises(InvalidInput):
            await queries.forecast_demand(company.dispatcher, days)


def daily(per_day: int) -> Any:
    """Moments half an hour after local midnight, so many a day, back from yesterday."""
    today = local_day(utc_now(), BERLIN)

    def moment(number: int) -> datetime:
        day = today - timedelta(days=1 + number // per_day)
        return datetime(day.year, day.month, day.day, 0, 30, tzinfo=BERLIN).astimezone(UTC)

    return moment


async def test_demand_is_counted_on_local_clocks_and_a_holiday_has_none(company: Company, stranger: Company) -> None:
    await add_work(company, 2 * 60, submitted_at=daily(2))
    await add_work(stranger, 9 * 60, submitted_at=daily(9))
    today = local_day(utc_now(), BERLIN)
    own = {"organization_id": company.organization_id}
    await BusinessCalendar.filter(**own).update(is_default=False)
    calendar = await add_row(BusinessCalendar, **own, name="Ours", time_zone="Europe/Berlin", is_default=True)
    await add_row(Holiday, **own, calendar_id=calendar.id, day=today + timedelta(days=3), name="Fair")
    made = await queries.forecast_demand(company.dispatcher, 7, time_zone="Europe/Berlin")
    assert made is not None and made.history_days == 60
    assert [one.day for one in made.days[:7]] == [today + timedelta(days=ahead) for ahead in range(7)]
    assert [round(one.expected, 6) for one in made.days[:7]] == [2, 2, 2, 0, 2, 2, 2]


async def test_demand_is_narrowed_by_kind_place_and_skill(company: Company) -> None:
    own = {"organization_id": company.organization_id}
    repair = await service(company, "repair")
    territory = await add_row(Territory, **own, code="north", name="North")
    skill = await add_row(Skill, **own, code="gas", name="Gas")
    site = await add_row(
        Site, **own, customer_id=company.customer_id, name="There", territory_id=territory.id, time_zone="Europe/Berlin"
    )
    await add_work(company, 60, submitted_at=daily(1), service_type_id=repair)
    await add_work(company, 120, submitted_at=daily(2), site_id=site.id)
    await add_work(company, 180, submitted_at=daily(3), required_skills={skill.id: 1, "other": 2})
    answers = []
    for narrowed in ({}, {"service_type_id": repair}, {"territory_id": territory.id}, {"skill_id": skill.id}):
        made = await queries.forecast_demand(company.dispatcher, 1, time_zone="Europe/Berlin", **narrowed)
        answers.append(made and round(made.days[0].expected, 6))
    assert answers == [6, 1, 2, 3]


async def test_many_who_ask_at_once_are_answered_by_one_reckoning(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    await add_visits(company, 12, 60)
    reckoned = []
    learn = forecasts._learn

    async def counted(organization_id: str) -> Any:
        reckoned.append(organization_id)
        return await learn(organization_id)

    monkeypatch.setattr(forecasts, "_learn", counted)
    answers = await asyncio.gather(*(queries.visit_times(company.dispatcher) for _ in range(5)))
    assert len(reckoned) == 1 and len({id(one) for one in answers}) == 1
    await queries.visit_times(company.dispatcher)
    assert len(reckoned) == 1
    monkeypatch.setattr(forecasts, "KEPT_SECONDS", -1.0)
    queries.forget_forecasts()
    await queries.visit_times(company.dispatcher)
    await queries.visit_times(company.dispatcher)
    assert len(reckoned) == 3


async def test_a_failure_is_not_kept_and_a_number_of_answers_is(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: str) -> Any:
        raise OSError("gone")

    with monkeypatch.context() as broken:
        broken.setattr(forecasts, "_learn", fail)
        with pytest.raises(OSError, match="gone"):
            await queries.visit_times(company.dispatcher)
    assert (await queries.visit_times(company.dispatcher)).visits == 0
    monkeypatch.setattr(forecasts, "KEPT_ANSWERS_MAX", 2)
    for zone in ("UTC", "Europe/Berlin", "Asia/Tokyo"):
        await queries.forecast_demand(company.dispatcher, 1, time_zone=zone)
    assert len(forecasts._answers) == 2


def test_the_day_of_a_quarter_of_an_hour_is_that_of_its_zone() -> None:
    quarter = int(datetime(2027, 1, 1, 18, 15, tzinfo=UTC).timestamp()) // 900
    assert forecasts._by_day([(quarter - 1, 2), (quarter, 3)], ZoneInfo("Asia/Kathmandu")) == {
        date(2027, 1, 1): 2.0,
        date(2027, 1, 2): 3.0,
    }
