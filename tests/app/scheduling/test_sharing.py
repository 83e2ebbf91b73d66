"""Links to a visit: who makes and shuts them, how long they open, and what little they show."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as some

from app import database as db
from app.identity.secret import Slip
from app.infrastructure.command import idempotency_key
from app.kernel.actor import Actor, user_actor
from app.kernel.calendar import utc_now
from app.kernel.errors import Conflict, LimitReached, NotFound, NotPermitted
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.kernel.places import Point, great_circle_metres
from app.scheduling import commands, queries, rules
from app.scheduling.commands import sharing
from app.scheduling.models import Appointment, VisitShare
from app.scheduling.rules import AppointmentStatus, ReasonCode
from app.technicians import queries as technicians
from app.technicians.models import Technician
from app.technicians.rules import PositionReport
from tests.app.scheduling.test_positions import under_way
from tests.app.scheduling.world import Company, booked, refused, sent, told, visit

NOON = datetime(2026, 3, 2, 12, tzinfo=UTC)
HOURS = timedelta(hours=1)


async def shared(actor: Actor, id: str) -> tuple[str, str]:
    """A new link's id and secret."""
    slip = Slip()
    share = await commands.share_visit(actor, slip, id)
    assert slip.secret is not None
    return share, slip.secret


async def finds_nothing(token: str) -> bool:
    """Whether a link finds nothing, in the one way in which all that find nothing do."""
    try:
        await queries.find_shared_visit(token)
    except NotFound as problem:
        assert (problem.message, problem.path) == ("There is no visit behind this link.", ("token",))
        return True
    return False


# How long


@pytest.mark.parametrize(
    ("age", "planned", "ended", "revoked", "is_open"),
    [
        (timedelta(days=89), None, None, False, True),
        (timedelta(days=90), None, None, False, False),
        (timedelta(days=89), timedelta(days=200), None, False, True),
        (timedelta(days=150), timedelta(days=-50), None, False, True),
        (timedelta(days=150), timedelta(days=89), None, False, True),
        (timedelta(days=150), timedelta(days=90), None, False, False),
        (timedelta(days=1), None, 3.9 * HOURS, False, True),
        (timedelta(days=1), None, 4 * HOURS, False, False),
        (timedelta(days=150), timedelta(days=1), 4 * HOURS, False, False),
        (timedelta(days=90), None, 1 * HOURS, False, False),
        (timedelta(0), None, None, True, False),
        (timedelta(0), timedelta(days=-50), None, True, False),
    ],
)
def test_a_link_opens_until_some_hours_after_the_end(
    age: timedelta, planned: timedelta | None, ended: timedelta | None, revoked: bool, is_open: bool
) -> None:
    planned_end = NOON - planned if planned is not None else None
    ended_at = NOON - ended if ended is not None else None
    assert rules.is_share_open(NOON, NOON - age, planned_end, ended_at, NOON if revoked else None) is is_open


@given(latitude=some.floats(-90, 90), longitude=some.floats(-180, 180))
def test_a_rough_place_is_near_and_says_no_more_than_its_neighborhood(latitude: float, longitude: float) -> None:
    there = Point(latitude, longitude)
    rough = rules.rough(there)
    assert great_circle_metres(there, rough) < 80
    assert rules.rough(rough) == rough


def test_who_comes_is_called_by_the_first_name() -> None:
    assert [rules.first_name(name) for name in ("Ann", "Ann Lee", "  Bo  van Dam ", "")] == ["Ann", "Ann", "Bo", ""]


def test_every_status_has_words() -> None:
    assert all(rules.tracking_label(status) for status in AppointmentStatus)


# Who


async def test_the_office_and_the_customer_make_links_and_only_their_hashes_are_kept(company: Company) -> None:
    id = await booked(company)
    facts = await told(company, commands.share_visit(company.dispatcher, Slip(), id))
    assert [(fact.type, fact.subject_id, fact.customer_id) for fact in facts] == [
        ("VisitShared", id, company.customer_id)
    ]
    share, token = await shared(company.customer, id)
    assert len(token) == 56
    assert (await queries.find_shared_visit(token)).id == id
    for table in ("visit_share", "journal_entry", "idempotency_key"):
        assert token not in str(await db.read_rows(f'SELECT * FROM "{table}"', []))
    assert (await VisitShare.get(id=share)).created_by == company.customer.id


async def test_a_repeated_request_makes_one_link_and_does_not_tell_its_secret_again(company: Company) -> None:
    id = await booked(company)
    slips = Slip(), Slip()
    shares = []
    for slip in slips:
        with idempotency_key("k1"):
            shares.append(await commands.share_visit(company.dispatcher, slip, id))
    assert shares[0] == shares[1]
    assert (slips[0].secret is None, slips[1].secret) == (False, None)
    assert await VisitShare.all().count() == 1


async def test_others_make_and_shut_no_links(company: Company, stranger: Company) -> None:
    id = await booked(company)
    share, token = await shared(company.dispatcher, id)
    other = user_actor(
        company.organization_id, new_id("usr"), frozenset({Role.CUSTOMER_USER}), customer_id=new_id("cus")
    )
    people = (
        (company.ann, NotPermitted),
        (company.support, NotPermitted),
        (other, NotFound),
        (stranger.dispatcher, NotFound),
    )
    for actor, problem in people:
        assert type(await refused(commands.share_visit(actor, Slip(), id))) is problem
        assert type(await refused(commands.revoke_visit_share(actor, share))) is problem
    assert not await finds_nothing(token)


async def test_there_are_so_many_links_to_a_visit_and_none_to_one_that_is_over(company: Company) -> None:
    id = await booked(company)
    for _ in range(rules.SHARES_MAX):
        share, _ = await shared(company.dispatcher, id)
    assert type(await refused(commands.share_visit(company.dispatcher, Slip(), id))) is LimitReached
    await commands.revoke_visit_share(company.dispatcher, share)
    await shared(company.dispatcher, id)
    await commands.cancel_appointment(company.dispatcher, id, ReasonCode.OTHER)
    assert type(await refused(commands.share_visit(company.dispatcher, Slip(), id))) is Conflict


# What finds nothing


async def test_a_link_that_is_wrong_revoked_or_past_its_time_finds_nothing(company: Company) -> None:
    id = await booked(company)
    share, token = await shared(company.dispatcher, id)
    wrong = ["", "visit_", token[:-1], token.replace("visit_", "key_"), token.swapcase(), "visit_\ud800", "x" * 10_000]
    assert [await finds_nothing(one) for one in wrong] == [True] * len(wrong)
    assert not await finds_nothing(token)
    facts = await told(company, commands.revoke_visit_share(company.customer, share))
    assert [fact.type for fact in facts] == ["VisitShareRevoked"]
    assert await finds_nothing(token)
    assert await told(company, commands.revoke_visit_share(company.dispatcher, share)) == []


async def test_a_link_to_a_visit_long_ahead_opens_until_the_visit_was(company: Company) -> None:
    id = await booked(company)
    share, token = await shared(company.dispatcher, id)
    await VisitShare.filter(id=share).update(created_at=utc_now() - timedelta(days=120))
    assert not await finds_nothing(token)
    assert await queries.count_open_shares(await Appointment.get(id=id)) == 1
    long_ago = utc_now() - timedelta(days=91)
    await Appointment.filter(id=id).update(starts_at=long_ago - HOURS, ends_at=long_ago)
    assert await finds_nothing(token)
    assert await queries.count_open_shares(await Appointment.get(id=id)) == 0


async def test_a_link_shows_the_end_for_some_hours(company: Company) -> None:
    id = await booked(company)
    _, token = await shared(company.dispatcher, id)
    await commands.cancel_appointment(company.dispatcher, id, ReasonCode.WEATHER)
    assert (await queries.track(await queries.find_shared_visit(token))).status == "CANCELED"
    await Appointment.filter(id=id).update(canceled_at=utc_now() - 4 * HOURS)
    assert await finds_nothing(token)


@pytest.mark.parametrize(
    ("created", "revoked", "planned", "window", "completed", "canceled", "shut_at"),
    [
        (0, 10, 5, None, None, None, 10),
        (0, None, 5, None, 6, None, 6 + 1 / 6),
        (0, None, 5, None, None, 3, 3 + 1 / 6),
        (0, None, 5, None, None, None, 95),
        (0, None, None, 7, None, None, 97),
        (0, None, 3, 7, None, None, 93),
        (0, None, None, None, None, None, 90),
        (20, None, 5, None, None, None, 110),
        (0, None, 5, None, 200, None, 95),
    ],
)
async def test_a_link_that_opened_nothing_for_thirty_days_is_forgotten_and_no_other(
    company: Company,
    monkeypatch: pytest.MonkeyPatch,
    created: float,
    revoked: float | None,
    planned: float | None,
    window: float | None,
    completed: float | None,
    canceled: float | None,
    shut_at: float,
) -> None:
    def day(number: float | None) -> datetime | None:
        return NOON + timedelta(days=number) if number is not None else None

    id, other = await booked(company), await booked(company, company.bob_id)
    share, _ = await shared(company.dispatcher, id)
    kept, _ = await shared(company.dispatcher, other)
    await VisitShare.filter(id=share).update(created_at=day(created), revoked_at=day(revoked))
    stamps = {"completed_at": day(completed), "canceled_at": day(canceled)}
    await Appointment.filter(id=id).update(ends_at=day(planned), window_end=day(window), **stamps)
    await VisitShare.filter(id=kept).update(created_at=NOON + timedelta(days=1000))
    for moved, forgotten in ((timedelta(seconds=-1), 0), (timedelta(0), 1)):
        now = NOON + timedelta(days=shut_at + 30) + moved
        monkeypatch.setattr(sharing, "utc_now", lambda now=now: now)
        assert await commands.forget_old_shares() == forgotten
    assert await VisitShare.all().values_list("id", flat=True) == [kept]


async def test_many_old_links_are_forgotten_part_by_part(company: Company, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "FORGOTTEN_AT_ONCE", 2)
    id = await booked(company)
    for _ in range(5):
        await shared(company.dispatcher, id)
    await VisitShare.all().update(revoked_at=utc_now() - timedelta(days=31))
    _, token = await shared(company.dispatcher, id)
    assert await commands.forget_old_shares() == 5
    assert not await finds_nothing(token)


# What it shows


async def seen(id: str) -> queries.Tracked:
    return await queries.track(await Appointment.get(id=id))


async def position(company: Company, seconds_ago: float = 0) -> None:
    at = utc_now() - timedelta(seconds=seconds_ago)
    await commands.report_positions(company.ann, [PositionReport(52.12345, 13.98765, at)])


async def test_who_comes_and_where_is_told_on_the_way_only(company: Company) -> None:
    await Technician.filter(id=company.ann_id).update(name="Ann Lee")
    id = await visit(company)
    assert ((await seen(id)).technician_first_name, (await seen(id)).place) == (None, None)
    id = await under_way(company)
    assert ((await seen(id)).technician_first_name, (await seen(id)).place) == ("Ann", None)
    await position(company)
    there = await seen(id)
    assert there.place == Point(52.123, 13.988)
    await Appointment.filter(id=id).update(eta_at=NOON)
    assert (await seen(id)).eta_at == NOON
    assert there.place_at is not None
    assert (there.place_at.second, there.place_at.microsecond) == (0, 0)
    steps: list[Callable[[], Awaitable[str]]] = [
        lambda: commands.arrive(company.ann, id),
        lambda: commands.start_work(company.ann, id),
        lambda: commands.complete_appointment(company.ann, id),
    ]
    for step in steps:
        await step()
        shown = await seen(id)
        assert (shown.technician_first_name, shown.place, shown.eta_at) == ("Ann", None, None)


async def test_where_somebody_was_before_they_set_out_is_not_told(company: Company) -> None:
    id = await under_way(company)
    await position(company, 60)
    await Appointment.filter(id=id).update(en_route_at=utc_now() - timedelta(seconds=30))
    assert (await seen(id)).place is None
    await position(company)
    assert (await seen(id)).place is not None


async def test_those_who_follow_at_one_moment_read_the_places_together(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    id = await under_way(company)
    await position(company)
    asked, reads, all_asked = 0, 0, asyncio.Event()
    look, read = technicians.find_last_positions, technicians._last_positions._read

    async def counted_look(organization_id: str) -> dict[str, technicians.LastPosition]:
        nonlocal asked
        asked += 1
        if asked == 5:
            all_asked.set()
        return await look(organization_id)

    async def counted_read(organization_id: str) -> dict[str, technicians.LastPosition]:
        nonlocal reads
        reads += 1
        async with asyncio.timeout(10):
            await all_asked.wait()
        return await read(organization_id)

    monkeypatch.setattr(technicians, "find_last_positions", counted_look)
    monkeypatch.setattr(technicians._last_positions, "_read", counted_read)
    shown = await asyncio.gather(*(seen(id) for _ in range(5)))
    assert [one.place for one in shown] == [Point(52.123, 13.988)] * 5
    # Who comes while one read is under way shares the next.
    assert asked == 5 and reads <= 2


async def test_whoever_is_planned_but_was_not_told_to_go_is_not_named(company: Company) -> None:
    assert (await seen(await booked(company))).technician_first_name is None
    id = await sent(company, company.bob_id)
    assert (await seen(id)).technician_first_name == "Bob"
