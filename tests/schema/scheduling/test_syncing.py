"""A technician's briefcase: a device that does what each page says has exactly what it is to carry, and nothing of others."""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
import pytest_asyncio

from app.company.models import ServiceType
from app.customers import commands as customers
from app.customers.models import Contact, Customer, Site
from app.equipment import commands as equipment
from app.equipment.models import Equipment
from app.infrastructure import journal
from app.infrastructure.models import JournalEntry
from app.infrastructure.tables import BY_PREFIX, OwnedTable
from app.kernel.actor import Actor, user_actor
from app.kernel.calendar import day_bounds, zone
from app.kernel.dialects import Dialect
from app.kernel.errors import NotFound, Problem
from app.kernel.ids import prefix_of
from app.kernel.pages import encode_cursor
from app.kernel.permissions import Role
from app.scheduling import commands, queries, rules
from app.scheduling.models import Appointment, Assignment
from app.scheduling.queries.briefcase import MODELS
from app.scheduling.rules import AppointmentStatus, ReasonCode, SyncKind, SyncRemoval
from app.technicians.models import Skill
from app.work_orders import commands as work_orders
from app.work_orders.models import LineItem, Note, TimeEntry, WorkOrder
from schema.kit import problems
from schema.scheduling import syncing
from tests.app.scheduling.world import NINE, Company, assignments_of, booked, found, sent, visit, work
from tests.schema.asking import ask, codes, heard

# How many longer worlds are lived through.
WORLDS = int(os.environ.get("TRUCKROLL_TEST_SYNC_WORLDS", "4"))

DAY = timedelta(days=1)
HOUR = timedelta(hours=1)
KINDS = tuple(SyncKind)
NODES = """cursor hasMore resetRequired nodes { id kind noun removed reason record { __typename id ... on Note { text }
    ... on LineItem { description } ... on WorkOrder { version } ... on Appointment { version } } }"""
FOLLOW = f"subscription($after: String, $first: Int = 100) {{ syncEvents(after: $after, first: $first) {{ {NODES} }} }}"
PAGE = f"query($after: String, $first: Int = 100) {{ syncChanges(after: $after, first: $first) {{ {NODES} }} }}"


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture(loop_scope="session")
async def company(database: Dialect) -> Company:
    return await found("Acme")


# What is to be carried, told once more and in another way: by looking at every row of the company.


async def carried(company: Company, technician_id: str, now: datetime) -> dict[str, int]:
    """The briefcase at a moment: the version of each row by its id."""
    mine = {one.appointment_id for one in await Assignment.filter(technician_id=technician_id)
            if one.status in ("PROPOSED", "ACCEPTED")}  # fmt: skip
    today = now.astimezone(zone("Europe/Berlin")).date()
    first, _ = day_bounds(today - 7 * DAY, zone("Europe/Berlin"))
    _, last = day_bounds(today + 14 * DAY, zone("Europe/Berlin"))

    def is_carried(one: Appointment) -> bool:
        if one.id not in mine or one.status == "CANCELED" or one.starts_at is None or one.ends_at is None:
            return False
        under_way = one.status in ("DISPATCHED", "EN_ROUTE", "ON_SITE", "IN_PROGRESS", "PAUSED")
        return one.starts_at < last and (one.ends_at > first or under_way)

    every = await Appointment.filter(organization_id=company.organization_id)
    return await all_of(company, technician_id, [one for one in every if is_carried(one)])


async def all_of(company: Company, technician_id: str, visits: list[Appointment]) -> dict[str, int]:
    """Visits, and all that belongs to them."""
    orders, sites, accounts, ids = ({getattr(one, name) for one in visits}
                                    for name in ("work_order_id", "site_id", "customer_id", "id"))  # fmt: skip
    belongs: dict[type[OwnedTable], Callable[[Any], bool]] = {
        ServiceType: lambda row: True,
        Skill: lambda row: True,
        Customer: lambda row: row.id in accounts,
        Contact: lambda row: row.customer_id in accounts,
        Site: lambda row: row.id in sites,
        Equipment: lambda row: row.site_id in sites,
        WorkOrder: lambda row: row.id in orders,
        Appointment: lambda row: row.id in ids,
        Assignment: lambda row: row.appointment_id in ids and row.technician_id == technician_id,
        Note: lambda row: row.work_order_id in orders,
        LineItem: lambda row: row.work_order_id in orders,
        TimeEntry: lambda row: row.work_order_id in orders,
    }
    return {
        row.id: row.version
        for model, is_in in belongs.items()
        for row in await model.filter(organization_id=company.organization_id)
        if is_in(row)
    }


async def ever_given(company: Company, technician_id: str) -> set[str]:
    """All rows that belong to a visit that the technician has or had."""
    given = {one.appointment_id for one in await Assignment.filter(technician_id=technician_id)}
    visits = await Appointment.filter(organization_id=company.organization_id)
    return set(await all_of(company, technician_id, [one for one in visits if one.id in given]))


class Device:
    """A phone: rows by id, in the version in which they came."""

    def __init__(self, actor: Actor, size: int) -> None:
        self.actor = actor
        self.size = size
        self.cursor: str | None = None
        self.rows: dict[str, int] = {}
        self.told: set[str] = set()
        self.shown: set[str] = set()

    async def pull(self, now: datetime) -> bool:
        """Do what the next page says; whether there is more."""
        briefcase = await queries.get_briefcase(self.actor, KINDS)
        page = await queries.sync_page(briefcase, self.cursor, self.size, now)
        assert page.cursor is not None, "nothing happened for which a device has to begin anew"
        assert len(page.changes) <= self.size
        ids = [change.id for change in page.changes]
        assert len(set(ids)) == len(ids), "a row comes at most once in a page"
        for change in page.changes:
            assert MODELS[change.kind].prefix == prefix_of(change.id)
            if change.removal is not None:
                self.rows.pop(change.id, None)
                continue
            found = await BY_PREFIX[prefix_of(change.id)].get_or_none(id=change.id)
            if found is not None:
                self.rows[change.id] = found.version
                self.shown.add(change.id)
        self.told.update(ids)
        self.cursor = page.cursor
        return page.has_more

    async def catch_up(self, now: datetime) -> None:
        """Pull until there is nothing more."""
        while await self.pull(now):
            pass


class World:
    """A company in which anything may happen next."""

    def __init__(self, company: Company, seed: int) -> None:
        self.company = company
        self.chance = random.Random(seed)
        self.now = NINE
        self.places: list[tuple[str, str]] = []
        self.known: set[str] = set()

    async def begin(self) -> None:
        """Another customer, sites with devices, and some visits."""
        office = self.company.dispatcher
        self.places = [
            (self.company.customer_id, self.company.site_id),
            (self.company.customer_id, self.company.far_site_id),
        ]
        other = await customers.create_customer(office, name="Grace", type="RESIDENTIAL", currency="EUR")
        self.places.append((other, await customers.create_site(office, customer_id=other, name="Yard")))
        for customer_id, site_id in self.places:
            await equipment.register_equipment(office, customer_id=customer_id, site_id=site_id, name="Boiler")
            await customers.create_contact(office, customer_id=customer_id, name="Somebody")
        for _ in range(4):
            with suppress(Problem):
                await self.book()

    async def book(self) -> None:
        """A visit of somebody, at some day around now."""
        customer_id, site_id = self.chance.choice(self.places)
        id = await visit(self.company, customer_id=customer_id, site_id=site_id)
        await self.place(commands.schedule_appointment, id)

    async def place(self, how: Callable[..., Awaitable[str]], id: str) -> None:
        who = self.chance.sample([self.company.ann_id, self.company.bob_id], self.chance.randint(1, 2))
        at = self.now + self.chance.randint(-9, 16) * DAY + self.chance.randint(0, 9) * HOUR
        await how(self.company.dispatcher, id, technician_ids=who, starts_at=at, override_reason="So it is")

    async def one_of(self, model: type[OwnedTable]) -> Any:
        rows = sorted(await model.filter(organization_id=self.company.organization_id), key=lambda row: row.id)
        if not rows:
            raise NotFound(model.noun, "any")
        return self.chance.choice(rows)

    async def happen(self) -> None:
        """Something, or nothing where it is refused."""
        with suppress(Problem):
            await self.chance.choice(self.deeds)()
        self.known |= await ever_given(self.company, self.company.ann_id)

    @property
    def deeds(self) -> list[Callable[[], Awaitable[object]]]:
        return [
            self.book, self.book, self.move, self.move, self.step, self.step, self.step, self.take_off, self.cancel,
            self.unschedule, self.write, self.add_line, self.change_line, self.remove_line, self.rename, self.rename,
            self.change_terms, self.add_contact, self.change_contact, self.remove_contact, self.add_device, self.move_device,
            self.move_device, self.learn, self.pass_time, self.pass_time, self.work_on,
        ]  # fmt: skip

    async def move(self) -> None:
        one = await self.one_of(Appointment)
        how = commands.schedule_appointment if one.status == "UNSCHEDULED" else commands.reschedule_appointment
        await self.place(how, one.id)

    async def step(self) -> None:
        one = await self.one_of(Appointment)
        steps: dict[str, Callable[..., Awaitable[str]]] = {
            "SCHEDULED": commands.dispatch_appointment, "DISPATCHED": commands.depart, "EN_ROUTE": commands.arrive,
            "ON_SITE": commands.start_work, "IN_PROGRESS": commands.complete_appointment,
        }  # fmt: skip
        if one.status in steps:
            await steps[one.status](self.company.dispatcher, one.id)

    async def take_off(self) -> None:
        one = await self.one_of(Assignment)
        if one.technician_id == self.company.ann_id and self.chance.random() < 0.5:
            await commands.decline_assignment(self.company.ann, one.id, "No")
        else:
            await commands.release_assignment(self.company.dispatcher, one.id)

    async def cancel(self) -> None:
        one = await self.one_of(Appointment)
        await commands.cancel_appointment(self.company.dispatcher, one.id, ReasonCode.OTHER)

    async def unschedule(self) -> None:
        await commands.unschedule_appointment(self.company.dispatcher, (await self.one_of(Appointment)).id)

    async def write(self) -> None:
        await work_orders.add_note(self.company.dispatcher, (await self.one_of(WorkOrder)).id, "Look at it")

    async def add_line(self) -> None:
        order = await self.one_of(WorkOrder)
        await work_orders.add_line_item(self.company.dispatcher, order.id, "LABOR", "An hour", unit_price=Decimal(50))

    async def change_line(self) -> None:
        line = await self.one_of(LineItem)
        price = Decimal(self.chance.randint(1, 99))
        await work_orders.update_line_item(self.company.dispatcher, line.id, unit_price=price)

    async def remove_line(self) -> None:
        await work_orders.remove_line_item(self.company.dispatcher, (await self.one_of(LineItem)).id)

    async def rename(self) -> None:
        name, office = f"Name {self.chance.randint(1, 999)}", self.company.dispatcher
        match self.chance.randint(1, 4):
            case 1:
                await customers.update_customer(office, (await self.one_of(Customer)).id, name=name)
            case 2:
                await customers.update_site(office, (await self.one_of(Site)).id, name=name)
            case 3:
                await equipment.update_equipment(office, (await self.one_of(Equipment)).id, name=name)
            case _:
                await work_orders.update_work_order(office, (await self.one_of(WorkOrder)).id, summary=name)

    async def change_terms(self) -> None:
        row = await self.one_of(Customer)
        await customers.update_customer(self.company.dispatcher, row.id, notes=f"{self.chance.random()}")

    async def add_contact(self) -> None:
        await customers.create_contact(
            self.company.dispatcher, customer_id=(await self.one_of(Customer)).id, name="New"
        )

    async def change_contact(self) -> None:
        await customers.update_contact(self.company.dispatcher, (await self.one_of(Contact)).id, is_primary=True)

    async def remove_contact(self) -> None:
        await customers.remove_contact(self.company.dispatcher, (await self.one_of(Contact)).id)

    async def add_device(self) -> None:
        customer_id, site_id = self.chance.choice(self.places)
        await equipment.register_equipment(
            self.company.dispatcher, customer_id=customer_id, site_id=site_id, name="Pump"
        )

    async def move_device(self) -> None:
        site_id = self.chance.choice([self.company.site_id, self.company.far_site_id])
        await equipment.update_equipment(self.company.dispatcher, (await self.one_of(Equipment)).id, site_id=site_id)

    async def learn(self) -> None:
        await work_orders.triage_work_order(self.company.dispatcher, (await self.one_of(WorkOrder)).id)

    async def work_on(self) -> None:
        order = await self.one_of(WorkOrder)
        await work_orders.start_timer(
            self.company.dispatcher, order.id, "REPAIR", technician_id=self.company.bob_id, stop_running=True
        )

    async def pass_time(self) -> None:
        self.now += self.chance.randint(1, 30) * self.chance.choice([HOUR, 5 * HOUR])


async def live_through(company: Company, seed: int, deeds: int) -> None:
    """A world in which devices pull now and then; at the end they have what they are to have."""
    world = World(company, seed)
    await world.begin()
    devices = [Device(company.ann, size) for size in (1, 3, 20, 100)]
    for _ in range(deeds):
        await world.happen()
        for device in devices:
            if world.chance.random() < {1: 0.9, 3: 0.6, 20: 0.3, 100: 0.05}[device.size]:
                await device.pull(world.now)
    devices.append(Device(company.ann, 7))
    wanted = await carried(company, company.ann_id, world.now)
    everything = {
        row.id for model in MODELS.values() for row in await model.filter(organization_id=company.organization_id)
    }
    for device in devices:
        await device.catch_up(world.now)
        assert device.rows == wanted, (seed, device.size)
        assert device.shown - world.known <= wanted.keys(), "somebody else's rows were shown"
        # What was deleted is told by its id. So may be a device that left a site before the technician first went there.
        untold = device.told - device.shown - world.known
        assert {prefix_of(id) for id in untold & everything} <= {"eq"}
        assert {prefix_of(id) for id in untold - everything} <= {"con", "li"}


@pytest.mark.parametrize("seed", range(8))
async def test_devices_that_pull_at_any_time_end_with_exactly_their_briefcase(company: Company, seed: int) -> None:
    await live_through(company, seed, 40)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(100, 100 + WORLDS))
async def test_devices_end_with_exactly_their_briefcase_in_many_longer_worlds(company: Company, seed: int) -> None:
    await live_through(company, seed, 120)


# One thing at a time


async def caught_up(company: Company, now: datetime = NINE, size: int = 100) -> Device:
    device = Device(company.ann, size)
    await device.catch_up(now)
    return device


async def changes(device: Device, now: datetime = NINE) -> list[tuple[SyncKind, str, SyncRemoval | None]]:
    """All that the next pages say."""
    told: list[tuple[SyncKind, str, SyncRemoval | None]] = []
    while True:
        page = await queries.sync_page(
            await queries.get_briefcase(device.actor, KINDS), device.cursor, device.size, now
        )
        assert page.cursor is not None
        told.extend((one.kind, one.id, one.removal) for one in page.changes)
        device.cursor = page.cursor
        if not page.has_more:
            return told


async def test_a_visit_brings_all_that_belongs_to_it_along_and_takes_it_away_again(company: Company) -> None:
    device = await caught_up(company)
    contact = await customers.create_contact(company.dispatcher, customer_id=company.customer_id, name="Ada")
    boiler = await equipment.register_equipment(
        company.dispatcher, customer_id=company.customer_id, site_id=company.site_id, name="Boiler"
    )
    order = await work(company)
    note = await work_orders.add_note(company.dispatcher, order, "Mind the dog")
    id = await commands.create_appointment(company.dispatcher, order)
    assert await changes(device) == []
    await commands.schedule_appointment(company.dispatcher, id, [company.ann_id], NINE)
    [assignment] = await assignments_of(id)
    assert await changes(device) == [
        (SyncKind.CUSTOMER, company.customer_id, None),
        (SyncKind.CONTACT, contact, None),
        (SyncKind.SITE, company.site_id, None),
        (SyncKind.EQUIPMENT, boiler, None),
        (SyncKind.WORK_ORDER, order, None),
        (SyncKind.APPOINTMENT, id, None),
        (SyncKind.ASSIGNMENT, assignment.id, None),
        (SyncKind.NOTE, note, None),
    ]
    await commands.reschedule_appointment(company.dispatcher, id, technician_ids=[company.bob_id])
    hidden = SyncRemoval.NO_LONGER_VISIBLE
    assert await changes(device) == [
        (SyncKind.CUSTOMER, company.customer_id, hidden),
        (SyncKind.CONTACT, contact, hidden),
        (SyncKind.SITE, company.site_id, hidden),
        (SyncKind.EQUIPMENT, boiler, hidden),
        (SyncKind.WORK_ORDER, order, hidden),
        (SyncKind.APPOINTMENT, id, SyncRemoval.REASSIGNED),
        (SyncKind.ASSIGNMENT, assignment.id, SyncRemoval.OUT_OF_SCOPE),
        (SyncKind.NOTE, note, hidden),
    ]
    await work_orders.add_note(company.dispatcher, order, "The dog is gone")
    assert await changes(device) == []


async def test_a_step_of_a_visit_tells_of_the_visit_and_its_work_alone(company: Company) -> None:
    id = await sent(company)
    device = await caught_up(company)
    await commands.depart(company.ann, id)
    told = await changes(device)
    work = SyncKind.WORK_ORDER  # the subject of the fact that its clock runs
    assert {kind for kind, _, _ in told} == {SyncKind.APPOINTMENT, SyncKind.ASSIGNMENT, work, SyncKind.TIME_ENTRY}
    assert all(removal is None for _, _, removal in told)


@pytest.mark.parametrize(
    ("end", "reason"),
    [
        (
            lambda company, id: commands.cancel_appointment(company.dispatcher, id, ReasonCode.WEATHER),
            SyncRemoval.CANCELED,
        ),
        (lambda company, id: commands.unschedule_appointment(company.dispatcher, id), SyncRemoval.REASSIGNED),
        (
            lambda company, id: commands.reschedule_appointment(
                company.dispatcher, id, starts_at=NINE + 20 * DAY, override_reason="Later"
            ),
            SyncRemoval.OUT_OF_SCOPE,
        ),
    ],
)
async def test_a_visit_that_leaves_says_why(company: Company, end: Any, reason: SyncRemoval) -> None:
    id = await booked(company)
    device = await caught_up(company)
    await end(company, id)
    assert [removal for kind, _, removal in await changes(device) if kind is SyncKind.APPOINTMENT] == [reason]


async def test_days_that_pass_bring_what_is_ahead_and_take_what_is_over(company: Company) -> None:
    over = await sent(company)
    for step in (commands.depart, commands.arrive, commands.start_work, commands.complete_appointment):
        await step(company.ann, over)
    under_way = await sent(company, at=NINE + 2 * HOUR)
    ahead = await visit(company)
    await commands.schedule_appointment(
        company.dispatcher, ahead, [company.ann_id], NINE + 16 * DAY, override_reason="So"
    )
    device = await caught_up(company)
    assert {over, under_way} <= device.rows.keys()
    assert ahead not in device.rows
    assert await changes(device, NINE + 1 * DAY) == []
    visits = [(id, why) for kind, id, why in await changes(device, NINE + 2 * DAY) if kind is SyncKind.APPOINTMENT]
    assert visits == [(ahead, None)]
    visits = [(id, why) for kind, id, why in await changes(device, NINE + 8 * DAY) if kind is SyncKind.APPOINTMENT]
    assert sorted(visits) == sorted([(over, SyncRemoval.COMPLETED_LONG_AGO), (under_way, None)])


async def test_a_walk_that_is_under_way_tells_afterwards_what_changed_behind_it(company: Company) -> None:
    first, second = await booked(company), await booked(company, at=NINE + HOUR)
    device = Device(company.ann, 4)
    assert await device.pull(NINE)
    await commands.reschedule_appointment(company.dispatcher, first, technician_ids=[company.bob_id])
    third = await booked(company, at=NINE + 3 * HOUR)
    await customers.update_customer(company.dispatcher, company.customer_id, name="Ada anew")
    await device.catch_up(NINE)
    assert device.rows == await carried(company, company.ann_id, NINE)
    assert {second, third} <= device.rows.keys()
    assert first not in device.rows


# Through the API


async def page(actor: Actor, after: str | None = None, first: int = 100) -> dict[str, Any]:
    answer = await ask(actor, PAGE, {"after": after, "first": first})
    assert "errors" not in answer, answer
    shown: dict[str, Any] = answer["data"]["syncChanges"]
    return shown


async def test_a_page_shows_rows_as_they_are_and_says_what_to_take_away(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "utc_now", lambda: NINE)
    id = await booked(company)
    order = (await Appointment.get(id=id)).work_order_id
    line = await work_orders.add_line_item(company.dispatcher, order, "LABOR", "An hour", unit_price=Decimal(50))
    shown = await page(company.ann)
    assert (shown["hasMore"], shown["resetRequired"]) == (False, False)
    by_id = {one["id"]: one for one in shown["nodes"]}
    assert by_id[id] == {
        "id": id, "kind": "APPOINTMENT", "noun": "appointment", "removed": False, "reason": None,
        "record": {"__typename": "Appointment", "id": id, "version": 2},
    }  # fmt: skip
    assert by_id[line]["record"] == {"__typename": "LineItem", "id": line, "description": "An hour"}
    await commands.cancel_appointment(company.dispatcher, id, ReasonCode.WEATHER)
    gone = {one["id"]: one for one in (await page(company.ann, shown["cursor"]))["nodes"]}
    assert gone[id] == {
        "id": id, "kind": "APPOINTMENT", "noun": "appointment", "removed": True, "reason": "CANCELED", "record": None,
    }  # fmt: skip


async def test_a_price_comes_to_those_only_who_may_see_prices(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "utc_now", lambda: NINE)
    order = (await Appointment.get(id=await booked(company))).work_order_id
    await work_orders.add_line_item(company.dispatcher, order, "LABOR", "An hour", unit_price=Decimal(50))
    priced = "{ syncChanges { nodes { record { ... on LineItem { unitPrice } } } } }"
    answer = await ask(company.ann, priced)
    assert codes(answer) == ["FORBIDDEN"]
    assert [one["record"] for one in answer["data"]["syncChanges"]["nodes"] if one["record"]] == [{"unitPrice": None}]


async def test_who_is_no_technician_has_nothing_to_carry(company: Company) -> None:
    assert codes(await ask(company.dispatcher, PAGE, {})) == ["INVALID_INPUT"]
    assert codes(await ask(company.customer, PAGE, {})) == ["NOT_PERMITTED"]
    assert codes(await ask(None, PAGE, {})) == ["NOT_AUTHENTICATED"]
    assert codes(await ask(company.ann, PAGE, {"first": 101})) == ["INVALID_INPUT"]


async def test_a_cursor_of_somebody_else_or_of_other_rights_begins_anew_and_a_made_up_one_is_refused(
    company: Company,
) -> None:
    cursor = (await page(company.ann))["cursor"]
    promoted = user_actor(
        company.organization_id,
        company.ann.id,
        frozenset({Role.TECHNICIAN, Role.DISPATCHER}),
        technician_id=company.ann_id,
    )
    for actor in (company.bob, promoted):
        shown = await page(actor, cursor)
        assert (shown["cursor"], shown["nodes"], shown["resetRequired"], shown["hasMore"]) == (None, [], True, False)
    stranger = await found("Globex")
    refused = ["nonsense", journal.cursor_at(company.organization_id, 0), encode_cursor("sync", [1, 2, 3])]
    for after in refused:
        assert codes(await ask(company.ann, PAGE, {"after": after})) == ["INVALID_INPUT"]
    assert codes(await ask(stranger.ann, PAGE, {"after": cursor})) == ["INVALID_INPUT"]


async def test_a_device_whose_facts_are_not_kept_any_more_begins_anew(company: Company) -> None:
    device = await caught_up(company)
    id = await booked(company)
    await JournalEntry.filter(organization_id=company.organization_id).delete()
    briefcase = await queries.get_briefcase(company.ann, KINDS)
    assert await queries.sync_page(briefcase, device.cursor, 100, NINE) == queries.SyncPage(None, [])
    long_after = NINE + (rules.DAYS_AWAY_MAX + 1) * DAY
    again = await caught_up(company)
    assert id in again.rows
    assert (await queries.sync_page(briefcase, again.cursor, 100, long_after)).cursor is None


async def test_an_office_person_who_is_a_technician_too_carries_the_own_visits_only(company: Company) -> None:
    promoted = user_actor(
        company.organization_id,
        company.ann.id,
        frozenset({Role.TECHNICIAN, Role.DISPATCHER}),
        technician_id=company.ann_id,
    )
    await booked(company)
    theirs = await booked(company, company.bob_id)
    device = Device(promoted, 100)
    await device.catch_up(NINE)
    assert device.rows == await carried(company, company.ann_id, NINE)
    assert theirs not in device.rows


# As it comes


async def pages(actor: Actor, after: str | None, **more: Any) -> list[dict[str, Any]]:
    """What is told, until there is nothing more to tell."""
    variables = {"after": after, **more}
    answers = await heard(actor, FOLLOW, variables)
    assert all("errors" not in one for one in answers), answers
    return [one["data"]["syncEvents"] for one in answers]


async def test_pages_come_as_things_happen_and_are_those_that_are_read(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "utc_now", lambda: NINE)
    first = await booked(company)
    walked = await pages(company.ann, None, first=4)
    assert [one for page in walked for one in page["nodes"]] == (await page(company.ann))["nodes"]
    assert [len(one["nodes"]) for one in walked[:-1]] == [4] * (len(walked) - 1)
    assert [one["hasMore"] for one in walked] == [*[True] * (len(walked) - 1), False]
    cursor = walked[-1]["cursor"]
    assert await pages(company.ann, cursor, first=100) == []
    await commands.reschedule_appointment(company.dispatcher, first, technician_ids=[company.bob_id])
    [told] = await pages(company.ann, cursor, first=100)
    assert told == await page(company.ann, cursor)
    assert {(one["id"], one["reason"]) for one in told["nodes"]} >= {(first, "REASSIGNED")}


async def test_whoever_listens_hears_at_once_of_what_has_no_technician_in_its_audience(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(syncing, "utc_now", lambda: NINE)
    await booked(company)
    cursor = (await page(company.ann))["cursor"]
    following = asyncio.create_task(heard(company.ann, FOLLOW, {"after": cursor, "first": 100}, most=1))
    await asyncio.sleep(0.2)
    await customers.update_site(company.dispatcher, company.site_id, name="Home sweet home")
    [answer] = await asyncio.wait_for(following, 10)
    nodes = answer["data"]["syncEvents"]["nodes"]
    assert [(one["id"], one["kind"], one["removed"]) for one in nodes] == [(company.site_id, "SITE", False)]


async def test_a_page_that_requires_a_reset_is_the_last(company: Company) -> None:
    cursor = (await page(company.ann))["cursor"]
    [answer] = await heard(company.bob, FOLLOW, {"after": cursor, "first": 100})
    shown = answer["data"]["syncEvents"]
    assert (shown["resetRequired"], shown["cursor"], shown["nodes"]) == (True, None, [])


@pytest.mark.parametrize(
    ("who", "after", "code"),
    [("ann", "nonsense", "INVALID_INPUT"), ("dispatcher", None, "INVALID_INPUT"), ("customer", None, "NOT_PERMITTED")],
)
async def test_whoever_may_not_hear_pages_is_told_so(company: Company, who: str, after: str | None, code: str) -> None:
    [answer] = await heard(getattr(company, who), FOLLOW, {"after": after, "first": 100})
    assert codes(answer) == [code]


@pytest.mark.parametrize("status", AppointmentStatus)
@pytest.mark.parametrize("held", [False, True])
@pytest.mark.parametrize("day", [-30, -8, -7, 0, 14, 15])
def test_what_is_carried_has_no_reason_to_go_and_what_is_not_has_one(
    status: AppointmentStatus, held: bool, day: int
) -> None:
    span = rules.span_at(NINE, zone("Europe/Berlin"))
    start = NINE + day * DAY
    one = rules.Carried("apt", "wo", "site", "cus", status, start, start + HOUR, held, True)
    under_way = status in rules.SETTLED
    assert one.is_in(span) == (held and status != "CANCELED" and day <= 14 and (day >= -7 or under_way))
    if status == "CANCELED":
        assert one.removal(span) is SyncRemoval.CANCELED
    elif not held:
        assert one.removal(span) is SyncRemoval.REASSIGNED
    elif day < -7 and status in rules.ENDED:
        assert one.removal(span) is SyncRemoval.COMPLETED_LONG_AGO
    elif not one.is_in(span):
        assert one.removal(span) is SyncRemoval.OUT_OF_SCOPE
