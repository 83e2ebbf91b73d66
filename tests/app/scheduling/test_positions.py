"""What positions say of visits: an arrival is suggested once on each way, and a claimed one is compared with the site."""

import asyncio
from datetime import timedelta

import pytest

from app.company.models import Organization
from app.customers.models import Site
from app.kernel.calendar import utc_now
from app.kernel.errors import InvalidInput, NotPermitted
from app.scheduling import commands
from app.scheduling.models import Appointment
from app.technicians.models import Duty, Position
from app.technicians.rules import PositionReport
from tests.app.scheduling.world import Company, refused, row_of, sent, told

METRE = 1 / 111_195  # of latitude, in degrees


def report(seconds_ago: float, metres: float = 0.0, **details: float) -> PositionReport:
    """So far north of the site, so long ago."""
    return PositionReport(52.5 + metres * METRE, 13.4, utc_now() - timedelta(seconds=seconds_ago), **details)


async def under_way(company: Company, *technician_ids: str, minutes: float = 10) -> str:
    """A visit that Ann has been on the way to for some minutes."""
    id = await commands.depart(company.ann, await sent(company, *technician_ids))
    began = utc_now() - timedelta(minutes=minutes)
    await Appointment.filter(id=id).update(en_route_at=began)
    await Duty.all().update(starts_at=began)
    return id


async def test_who_stops_at_the_site_is_asked_once_whether_they_have_arrived(company: Company) -> None:
    id = await under_way(company)
    before = await row_of(id)
    assert await told(company, commands.report_positions(company.ann, [report(90, 3000), report(60, 120)])) == []
    facts = await told(company, commands.report_positions(company.ann, [report(20, 110), report(5, 100)]))
    assert [(fact.type, fact.subject_id, fact.customer_id, fact.technician_ids) for fact in facts] == [
        ("ArrivalSuggested", id, company.customer_id, (company.ann_id,))
    ]
    assert (facts[0].payload["technician_id"], facts[0].payload["work_order_id"]) == (
        company.ann_id,
        before.work_order_id,
    )
    after = await row_of(id)
    assert after.arrival_suggested_at is not None
    # A guess of ours does not keep anybody from doing something with the version they saw.
    assert (after.status, after.version) == ("EN_ROUTE", before.version)
    assert await told(company, commands.report_positions(company.ann, [report(0, 100)])) == []


@pytest.mark.parametrize(
    "reports",
    [
        [(60, 160), (0, 160)],
        [(60, 0), (0, 1000)],
        [(20, 0), (0, 10)],
        [(60, 0, {"accuracy_metres": 400.0}), (0, 0, {"accuracy_metres": 400.0})],
    ],
    ids=["too far", "drove past", "only just there", "anywhere near"],
)
async def test_nothing_is_suggested_to_who_is_not_surely_there(company: Company, reports: list[tuple]) -> None:
    id = await under_way(company)
    batch = [report(seconds, metres, **dict(*details)) for seconds, metres, *details in reports]
    assert await told(company, commands.report_positions(company.ann, batch)) == []
    assert (await row_of(id)).arrival_suggested_at is None


async def test_positions_from_before_the_way_began_suggest_nothing(company: Company) -> None:
    id = await under_way(company, minutes=30)
    await Appointment.filter(id=id).update(en_route_at=utc_now() - timedelta(minutes=2))
    assert await told(company, commands.report_positions(company.ann, [report(600), report(300)])) == []


async def test_a_late_batch_says_nothing_about_now(company: Company) -> None:
    await under_way(company)
    await commands.report_positions(company.ann, [report(0, 3000)])
    assert await told(company, commands.report_positions(company.ann, [report(300), report(200)])) == []


async def test_another_way_is_another_question(company: Company) -> None:
    id = await under_way(company)
    await commands.report_positions(company.ann, [report(60), report(0)])
    await commands.turn_back(company.ann, id)
    assert (await row_of(id)).arrival_suggested_at is None
    assert await told(company, commands.report_positions(company.ann, [report(0)])) == []
    await commands.depart(company.ann, id)
    facts = await told(company, commands.report_positions(company.ann, [report(0)]))
    assert [fact.type for fact in facts] == ["ArrivalSuggested"]


async def test_two_of_a_crew_that_arrive_together_are_asked_once(company: Company) -> None:
    id = await under_way(company, company.ann_id, company.bob_id)
    for one in (company.ann, company.bob):
        await commands.report_positions(one, [report(60)])

    # Tasks begin when they are gathered, so that is not done before ``told`` has looked where the journal stands.
    async def together() -> None:
        await asyncio.gather(*[commands.report_positions(one, [report(0)]) for one in (company.ann, company.bob)])

    facts = await told(company, together())
    assert [(fact.type, fact.subject_id) for fact in facts] == [("ArrivalSuggested", id)]


async def test_a_wider_radius_and_a_site_without_a_place(company: Company) -> None:
    id = await under_way(company)
    await Organization.filter(id=company.organization_id).update(arrival_radius_metres=500)
    await Site.filter(id=company.site_id).update(latitude=None)
    assert await told(company, commands.report_positions(company.ann, [report(60, 400), report(10, 400)])) == []
    await Site.filter(id=company.site_id).update(latitude=52.5)
    await commands.report_positions(company.ann, [report(0, 400)])
    assert (await row_of(id)).arrival_suggested_at is not None


async def test_no_visit_and_no_permission_need_no_suggestion(company: Company) -> None:
    await under_way(company)
    assert isinstance(await refused(commands.report_positions(company.dispatcher, [report(0)])), NotPermitted)
    problem = await refused(commands.report_positions(company.ann, []))
    assert (type(problem), problem.path) == (InvalidInput, ("positions",))
    assert await Position.all().count() == 0


@pytest.mark.parametrize(
    ("metres", "accuracy", "near"), [(100, None, True), (2000, None, False), (2000, 1900.0, True), (2000, 100.0, False)]
)
async def test_an_arrival_says_how_far_from_the_site_it_was_and_whether_that_is_there(
    company: Company, metres: float, accuracy: float | None, near: bool
) -> None:
    id = await under_way(company)
    north = 52.5 + metres * METRE
    [fact, *_] = await told(
        company, commands.arrive(company.ann, id, latitude=north, longitude=13.4, accuracy_metres=accuracy)
    )
    row = await row_of(id)
    assert row.status == "ON_SITE"
    assert row.arrived_distance_metres == pytest.approx(metres, abs=2)
    assert row.arrived_near_site is near
    assert (fact.type, fact.payload["is_near_site"]) == ("AppointmentArrived", near)
    assert fact.payload["distance_metres"] == row.arrived_distance_metres


async def test_who_does_not_say_where_they_are_arrives_without_a_verdict(company: Company) -> None:
    id = await under_way(company)
    problem = await refused(
        commands.arrive(company.ann, id, latitude=52.5, longitude=13.4, accuracy_metres=float("nan"))
    )
    assert (type(problem), problem.path) == (InvalidInput, ("accuracyMetres",))
    await commands.arrive(company.ann, id)
    row = await row_of(id)
    assert (row.arrived_distance_metres, row.arrived_near_site) == (None, None)
