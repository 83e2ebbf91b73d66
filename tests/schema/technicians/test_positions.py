"""Where technicians are, live: to whom it is told, what is new, and what is gone."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any

import pytest

from app.infrastructure import broadcast
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.technicians import queries
from app.technicians.commands import check_in, check_out, take_positions
from app.technicians.models import Position
from app.technicians.rules import PositionReport
from schema.kit import BoxInput, Context, holds
from schema.kit.limits import GraphQLRequest
from tests.app.customers.world import Company, found_company, hire
from tests.schema.asking import ask, codes, heard, service
from tests.schema.listening import answers as each_answer

POSITIONS = """subscription($box: BoxInput, $ids: [ID!]) { technicianPositions(box: $box, technicianIds: $ids) {
    technicianId technician { name } coordinates { latitude longitude } isStale removed cursor } }"""
CITY = {"south": 40.0, "west": -75.0, "north": 41.0, "east": -73.0}


@pytest.fixture
async def company(database: object) -> AsyncIterator[Company]:
    await broadcast.start("memory://")
    try:
        yield await found_company()
    finally:
        await broadcast.stop()


def field_actor(company: Company, technician_id: str) -> Actor:
    return company.actor(Role.TECHNICIAN, technician_id=technician_id)


async def placed(company: Company, name: str, latitude: float) -> Actor:
    """A technician on duty, somewhere."""
    me = field_actor(company, await hire(company, name))
    await check_in(me)
    await move(me, latitude)
    return me


async def move(me: Actor, latitude: float) -> None:
    await take_positions(me, [PositionReport(latitude, -73.9, utc_now())])


class Watcher:
    """Somebody who watches; ``next`` is what they are told next: who, where and whether they are gone."""

    def __init__(self, answers: Any) -> None:
        self._answers = answers

    async def next(self) -> tuple[str, float, bool]:
        async with asyncio.timeout(10):
            answer, _ = await anext(self._answers)
        told = answer
        assert "errors" not in told, told
        event = told["data"]["technicianPositions"]
        assert event["cursor"]
        return event["technician"]["name"], event["coordinates"]["latitude"], event["removed"]

    async def hears_nothing(self, seconds: float = 1.0) -> bool:
        waiting = asyncio.ensure_future(anext(self._answers))
        done, _ = await asyncio.wait({waiting}, timeout=seconds)
        waiting.cancel()
        await asyncio.gather(waiting, return_exceptions=True)
        return not done


@asynccontextmanager
async def watching(actor: Actor, **variables: Any) -> AsyncIterator[Watcher]:
    answers = each_answer(service, GraphQLRequest(POSITIONS, None, variables), lambda: Context(actor))
    try:
        yield Watcher(answers)
    finally:
        await answers.aclose()


async def test_the_office_sees_all_on_duty_first_and_then_who_moves(company: Company) -> None:
    ann, bob = await placed(company, "Ann", 40.1), await placed(company, "Bob", 40.2)
    async with watching(company.dispatcher) as watcher:
        assert sorted([await watcher.next(), await watcher.next()]) == [("Ann", 40.1, False), ("Bob", 40.2, False)]
        await move(bob, 40.3)
        assert await watcher.next() == ("Bob", 40.3, False)
        await check_out(ann)
        assert await watcher.next() == ("Ann", 40.1, True)
        await placed(company, "Cem", 40.4)
        assert await watcher.next() == ("Cem", 40.4, False)
        assert await watcher.hears_nothing()


async def test_who_leaves_the_box_is_gone_and_who_enters_it_is_there(company: Company) -> None:
    ann, bob = await placed(company, "Ann", 40.5), await placed(company, "Bob", 42.0)
    async with watching(company.dispatcher, box=CITY) as watcher:
        assert await watcher.next() == ("Ann", 40.5, False)
        await move(ann, 41.5)
        assert await watcher.next() == ("Ann", 40.5, True)
        await move(bob, 40.9)
        assert await watcher.next() == ("Bob", 40.9, False)


async def test_only_those_who_were_asked_for_are_told(company: Company) -> None:
    ann, bob = await placed(company, "Ann", 40.1), await placed(company, "Bob", 40.2)
    async with watching(company.dispatcher, ids=[bob.technician_id]) as watcher:
        assert await watcher.next() == ("Bob", 40.2, False)
        await move(ann, 40.5)
        assert await watcher.hears_nothing()


async def test_a_technician_hears_of_the_own_position_only(company: Company) -> None:
    ann, bob = await placed(company, "Ann", 40.1), await placed(company, "Bob", 40.2)
    async with watching(ann) as watcher:
        assert await watcher.next() == ("Ann", 40.1, False)
        await move(bob, 40.5)
        assert await watcher.hears_nothing()


async def test_another_company_hears_nothing(company: Company) -> None:
    ann = await placed(company, "Ann", 40.1)
    other = await found_company("Northwind")
    assert ann.technician_id is not None
    async with watching(other.dispatcher, ids=[ann.technician_id]) as watcher:
        await move(ann, 40.2)
        assert await watcher.hears_nothing()


@pytest.mark.parametrize(
    ("role", "missing"),
    [
        (Role.PARTNER, "VIEW_POSITIONS"),
        (Role.FINANCE, "VIEW_POSITIONS"),
        (Role.CUSTOMER_USER, "VIEW_TECHNICIANS"),
        (Role.GUEST, "VIEW_TECHNICIANS"),
    ],
)
async def test_others_are_refused(company: Company, role: Role, missing: str) -> None:
    await placed(company, "Ann", 40.1)
    own = {"customer_id": new_id("cus")} if role in (Role.CUSTOMER_USER, Role.GUEST) else {}
    [answer] = await heard(company.actor(role, **own), POSITIONS)
    assert codes(answer) == ["NOT_PERMITTED"]
    assert answer["errors"][0]["extensions"]["permission"] == missing


@pytest.mark.parametrize(
    "variables",
    [
        {"box": CITY | {"south": 41.5}},
        {"box": CITY | {"west": -181}},
        {"ids": ["bob"]},
        {"ids": [new_id("tech")] * 101},
    ],
)
async def test_a_box_or_an_id_that_is_none_is_refused(company: Company, variables: dict[str, Any]) -> None:
    [answer] = await heard(company.dispatcher, POSITIONS, variables)
    assert codes(answer) == ["INVALID_INPUT"]


async def test_a_position_that_is_old_says_so(company: Company) -> None:
    await placed(company, "Ann", 40.1)
    await Position.all().update(at=utc_now() - timedelta(minutes=6))
    [answer] = await heard(company.dispatcher, POSITIONS, most=1)
    assert answer["data"]["technicianPositions"]["isStale"] is True


@pytest.mark.parametrize(
    ("longitude", "inside"),
    [(170.0, True), (180.0, True), (-180.0, True), (-170.0, True), (0.0, False), (169.9, False)],
)
def test_a_box_may_cross_the_180th_meridian(longitude: float, inside: bool) -> None:
    box = BoxInput(south=-10, west=170, north=10, east=-170)
    assert holds(box, queries.Point(0, longitude)) is inside
    assert not holds(box, queries.Point(10.1, longitude))


RECEIPT = """mutation($positions: [PositionInput!]!) { reportPositions(input: { positions: $positions }) {
    receipt { technicianId technician { position { coordinates { latitude } } } taken ignored { reason count } }
    cursor errors { code path } } }"""


def spot(minutes_ago: float, latitude: float) -> dict[str, Any]:
    at = utc_now() - timedelta(minutes=minutes_ago)
    return {"latitude": latitude, "longitude": -73.9, "at": at.isoformat()}


async def test_a_batch_is_answered_with_a_receipt(company: Company) -> None:
    me = await placed(company, "Ann", 40.1)
    batch = [spot(30, 40.5), spot(60 * 25, 40.6), spot(0, 40.7)]
    told = (await ask(me, RECEIPT, {"positions": batch}))["data"]["reportPositions"]
    assert told == {
        "receipt": {
            "technicianId": me.technician_id,
            "technician": {"position": {"coordinates": {"latitude": 40.7}}},
            "taken": 1,
            "ignored": [{"reason": "TOO_OLD", "count": 1}, {"reason": "OFF_DUTY", "count": 1}],
        },
        "cursor": None,
        "errors": [],
    }


async def test_what_cannot_be_a_batch_is_refused_and_says_why(company: Company) -> None:
    me = await placed(company, "Ann", 40.1)
    await check_out(me)
    for batch, code, path in (
        ([], "INVALID_INPUT", ["positions"]),
        ([spot(0, 40.0)] * 1001, "INVALID_INPUT", ["positions"]),
        ([spot(0, 40.0), spot(0, 91.0)], "INVALID_INPUT", ["positions", "1", "latitude"]),
        ([spot(-5, 40.0)], "INVALID_INPUT", ["positions"]),
        ([spot(-1, 40.0)], "CONFLICT", ["positions"]),
    ):
        answer = await ask(me, RECEIPT, {"positions": batch})
        assert answer["data"]["reportPositions"] == {
            "receipt": None,
            "cursor": None,
            "errors": [{"code": code, "path": path}],
        }
