"""Lists for every view: by any field, through relations, by words, on the map and in the calendar, on both databases."""

import math
import random
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from graphql import GraphQLObjectType, get_named_type
from tortoise import fields

from app.customers.models import Customer, Site
from app.infrastructure.tables import add_row, find_rows
from app.kernel.actor import Actor, user_actor
from app.kernel.dialects import Dialect
from app.kernel.errors import NotPermitted
from app.kernel.permissions import ROLES, Permission, Role
from app.kernel.places import EARTH_RADIUS_METRES, Point, great_circle_metres
from app.scheduling.models import Appointment
from app.technicians.models import Absence, Position, Shift, TechnicianSkill
from app.work_orders.models import Note, WorkOrder
from schema.kit import within
from schema.kit.areas import METRES_MAX
from schema.kit.declarations import Children, Column, Many, Parent
from schema.kit.filters import ByChildren, ByColumn, ByRelation, spec_of
from schema.kit.kinds import Kind
from schema.kit.reading.selection import connection_target, field_declaration, readable_behind
from tests.app.work_orders.world import Company, found, give_visit, submitted
from tests.schema import documents
from tests.schema.asking import ask


@pytest.fixture
async def company(database: Dialect) -> Company:
    return await found("Acme")


async def listed(
    actor: Actor, root: str, kind: str, filter: dict[str, Any], order: list[Any] | None = None
) -> list[str]:
    """The ids of a list; as many are counted."""
    document = (
        f"query ($filter: {kind}Filter, $order: [{kind}Order!]) "
        f"{{ {root}(filter: $filter, orderBy: $order, first: 100) {{ totalCount nodes {{ id }} }} }}"
    )
    answer = await ask(actor, document, {"filter": filter, "order": order or []})
    assert "errors" not in answer, answer["errors"]
    assert answer["data"][root]["totalCount"] == len(answer["data"][root]["nodes"])
    return [node["id"] for node in answer["data"][root]["nodes"]]


async def refusal(actor: Actor, root: str, kind: str, filter: Any, order: Any = None) -> dict[str, Any]:
    """What a list is refused with."""
    document = (
        f"query ($filter: {kind}Filter, $order: [{kind}Order!]) "
        f"{{ {root}(filter: $filter, orderBy: $order) {{ totalCount }} }}"
    )
    answer = await ask(actor, document, {"filter": filter, "order": order or []})
    [error] = answer["errors"]
    extensions: dict[str, Any] = error["extensions"]
    return extensions


# Any field

# A version is for updates, and a place in the journal for following it.
NOT_SORTED_BY = {"id", "version", "cursor"}
NOT_FILTERED_BY = {"version", "cursor"}


def lists() -> dict[str, tuple[GraphQLObjectType, Children | Many]]:
    """Each type that is listed, with what its list can be asked by."""
    found: dict[str, tuple[GraphQLObjectType, Children | Many]] = {}
    for type in documents.CORE.type_map.values():
        for field in type.fields.values() if isinstance(type, GraphQLObjectType) else ():
            declaration = field_declaration(field)
            if isinstance(declaration, Children | Many):
                rows = connection_target(get_named_type(field.type))
                found.setdefault(rows.name, (rows, declaration))
    return found


def test_every_column_that_a_listed_type_shows_can_be_filtered_and_sorted_by() -> None:
    missing = []
    for name, (rows, declaration) in lists().items():
        assert declaration.filter is not None, name
        assert declaration.order is not None, name
        model = readable_behind(rows).model
        narrowed = {one.column for one in spec_of(declaration.filter).fields.values() if isinstance(one, ByColumn)}
        sorted_by = {term.column for term in declaration.order.terms.values() if term.parent is None}
        for field in rows.fields.values():
            shown = field_declaration(field)
            if isinstance(shown, Parent) and shown.via not in narrowed:
                missing.append(f"{name} by {shown.via}")
            if not isinstance(shown, Column) or shown.kind is Kind.JSON:
                continue
            if shown.column not in narrowed | NOT_FILTERED_BY:
                missing.append(f"{name} by {shown.column}")
            # Nobody reads prose or ids in order.
            prose = isinstance(model._meta.fields_map.get(shown.column), fields.TextField)
            is_id = get_named_type(field.type).name == "ID"
            if not prose and not is_id and shown.column not in sorted_by | NOT_SORTED_BY:
                missing.append(f"{name} in order of {shown.column}")
    assert missing == []


def restricted() -> dict[tuple[type[Any], str], Permission]:
    """The columns that only some may read, as the types say."""
    found: dict[tuple[type[Any], str], Permission] = {}
    for rows, _ in lists().values():
        for field in rows.fields.values():
            shown = field_declaration(field)
            if shown is not None and shown.permission is not None:
                names = [shown.column] if isinstance(shown, Column) else list(getattr(shown, "columns", {}).values())
                names += [shown.via] if isinstance(shown, Parent) else []
                found |= {(readable_behind(rows).model, name): shown.permission for name in names}
    return found


@pytest.mark.parametrize("role", list(Role))
def test_no_role_learns_through_a_relation_what_it_may_not_read(role: Role) -> None:
    actor = user_actor("org_1", "usr_1", frozenset({role}), technician_id="tech_1", customer_id="cus_1")
    permissions = {readable_behind(rows).model: readable_behind(rows).permission for rows, _ in lists().values()}
    columns, refused, asked = restricted(), 0, 0
    reached: set[Permission | None] = {None}
    for rows, declaration in lists().values():
        spec = spec_of(declaration.filter)  # type: ignore[arg-type]  # another test says that there is one
        for word, relation in spec.fields.items():
            if not isinstance(relation, ByRelation):
                continue
            for inner, field in relation.target.fields.items():
                if not isinstance(field, ByColumn):
                    continue
                model = relation.target.model
                needed = {
                    permissions[model],
                    columns.get((model, field.column)),
                    columns.get((readable_behind(rows).model, relation.ours)),
                }
                given: Any = {inner: {"isNull": True}}
                given = {word: {"every": given} if isinstance(relation, ByChildren) else given}
                asked += 1
                reached |= needed
                try:
                    spec.condition(actor, {"not": {"or": [given]}})
                    is_refused = False
                except NotPermitted:
                    is_refused = True
                own = {field.permission} if field.permission not in needed else set()
                assert is_refused is bool((needed | own) - {None} - ROLES[role]), (spec.name, given)
                refused += is_refused
    assert asked > 500
    assert refused or ROLES[role] >= reached - {None}


# Through relations


async def test_work_is_found_by_what_belongs_to_it_as_far_as_one_may_see_it(company: Company) -> None:
    first, second = await submitted(company), await submitted(company, site_id=company.site_id, summary="Leak")
    other = await submitted(company, customer_id=company.other_customer_id, site_id=company.other_site_id)
    visit = await give_visit(company, second)
    await add_row(
        Note, organization_id=company.organization_id, work_order_id=first, author_kind="STAFF", author_id="x",
        author_name="Ada", visibility="INTERNAL", text="Never pays", at=datetime(2026, 3, 2, tzinfo=UTC),
    )  # fmt: skip

    async def work(actor: Actor, filter: dict[str, Any]) -> set[str]:
        return set(await listed(actor, "workOrders", "WorkOrder", filter))

    office = company.dispatcher
    assert await work(office, {"customer": {"name": {"startsWith": "Grace"}}}) == {other}
    assert await work(
        office, {"appointments": {"some": {"assignments": {"some": {"technician": {"name": {"eq": "Tess Ohm"}}}}}}}
    ) == {second}  # a filter on one line
    assert await work(office, {"appointments": {"none": {}}, "site": {"name": {"eq": "Home"}}}) == {first, other}
    assert await work(office, {"notes": {"some": {"text": {"contains": "PAYS"}}}}) == {first}
    assert await work(company.customer, {"notes": {"some": {}}}) == set()
    assert await work(company.customer, {"notes": {"none": {}}}) == {first, second}
    assert await work(company.technician, {}) == {second}
    assert await listed(company.technician, "customers", "Customer", {"workOrders": {"some": {}}}) == [
        company.customer_id
    ]
    assert (
        await listed(
            company.technician, "customers", "Customer", {"workOrders": {"some": {"summary": {"eq": "No heat"}}}}
        )
        == []
    )
    assert await listed(office, "appointments", "Appointment", {"workOrder": {"summary": {"equalsFold": "LEAK"}}}) == [
        visit
    ]
    assert await listed(
        office,
        "equipment",
        "Equipment",
        {"category": {"name": {"eq": "Boilers"}}, "customer": {"sites": {"some": {"city": {"eq": ""}}}}},
    ) == [company.equipment_id]  # a filter on one line


async def test_a_customer_does_not_learn_what_a_technician_can_do(company: Company) -> None:
    await give_visit(company, await submitted(company))
    await add_row(
        TechnicianSkill, organization_id=company.organization_id, technician_id=company.technician_id,
        skill_id=company.skill_id, level=3,
    )  # fmt: skip
    for asked in ({"hasSkill": {"skillId": company.skill_id}}, {"skills": {"some": {"level": {"eq": 3}}}}):
        through = {"assignments": {"some": {"technician": asked}}}
        assert len(await listed(company.dispatcher, "appointments", "Appointment", through)) == 1
        assert await refusal(company.customer, "appointments", "Appointment", through) == {
            "code": "NOT_PERMITTED",
            "permission": "VIEW_TECHNICIANS",
        }


async def test_work_is_sorted_by_its_customers_and_sites(company: Company) -> None:
    ada = await submitted(company)
    grace = await submitted(company, customer_id=company.other_customer_id, site_id=company.other_site_id)
    for direction, expected in (("ASC", [ada, grace]), ("DESC", [grace, ada])):
        order = [{"field": "CUSTOMER_NAME", "direction": direction}]
        assert await listed(company.dispatcher, "workOrders", "WorkOrder", {}, order) == expected


# By words


async def test_the_best_answers_come_first_page_by_page(company: Company) -> None:
    mine: dict[str, Any] = {"organization_id": company.organization_id, "type": "RESIDENTIAL", "currency": "EUR"}
    named = await add_row(Customer, **mine, account_number="K-1", name="Pump & Co")
    begins = await add_row(Customer, **mine, account_number="K-2", name="Pumpernickel")
    mailed = await add_row(Customer, **mine, account_number="K-3", name="Zeta", email="pump@zeta.example")
    coded = await add_row(Customer, **mine, account_number="PUMP-9", name="Alpha")
    order = [{"field": "RELEVANCE"}, {"field": "NAME"}]
    document = """query ($o: [CustomerOrder!], $c: String) { customers(filter: {search: "pump"}, orderBy: $o, first: 1, after: $c) {
        nodes { id } pageInfo { endCursor hasNextPage } } }"""
    walked, cursor = [], None
    for _ in range(4):
        page = (await ask(company.dispatcher, document, {"o": order, "c": cursor}))["data"]["customers"]
        walked.append(page["nodes"][0]["id"])
        cursor = page["pageInfo"]["endCursor"]
    assert walked == [coded.id, named.id, begins.id, mailed.id]
    assert page["pageInfo"]["hasNextPage"] is False
    down = [{"field": "RELEVANCE", "direction": "DESC"}, {"field": "NAME", "direction": "DESC"}]
    assert await listed(company.dispatcher, "customers", "Customer", {"search": "pump"}, down) == walked[::-1]
    assert await refusal(company.dispatcher, "customers", "Customer", {}, order) == {
        "code": "INVALID_INPUT",
        "input": ["orderBy"],
    }


# On the map


def inside(area: dict[str, Any], place: Point) -> bool:
    """Whether a place lies in an area, reckoned by hand."""
    if (box := area.get("box")) is not None:
        east = (place.longitude - box["west"]) % 360 <= (box["east"] - box["west"]) % 360
        return bool(box["south"] <= place.latitude <= box["north"] and east)
    center = Point(area["radius"]["latitude"], area["radius"]["longitude"])
    return great_circle_metres(center, place) <= float(area["radius"]["metres"])


async def test_the_map_finds_what_a_plain_haversine_finds(company: Company) -> None:
    dice = random.Random(20260301)
    places = [Point(dice.uniform(-90, 90), dice.uniform(-180, 180)) for _ in range(60)]
    for latitude, longitude in (
        (52.5, 13.4),
        (0.0, 180.0),
        (0.0, -180.0),
        (89.9, 10.0),
        (-89.9, -170.0),
        (-17.0, 179.9),
    ):
        for _ in range(12):
            north, east = latitude + dice.gauss(0, 0.2), longitude + dice.gauss(0, 0.5)
            places.append(Point(max(-90.0, min(90.0, north)), (east + 180) % 360 - 180))
    for number, place in enumerate(places):
        await add_row(
            Site, organization_id=company.organization_id, customer_id=company.customer_id, name=f"{number}",
            time_zone="UTC", latitude=place.latitude, longitude=place.longitude,
        )  # fmt: skip
    await add_row(
        Site, organization_id=company.organization_id, customer_id=company.customer_id, name="nowhere", time_zone="UTC"
    )
    areas: list[dict[str, Any]] = []
    for _ in range(60):
        center = dice.choice(places)
        metres = 10 ** dice.uniform(2, math.log10(METRES_MAX))
        areas.append({"radius": {"latitude": center.latitude, "longitude": center.longitude, "metres": metres}})
        south, north = sorted(dice.uniform(-90, 90) for _ in range(2))
        areas.append(
            {"box": {"south": south, "north": north, "west": dice.uniform(-180, 180), "east": dice.uniform(-180, 180)}}
        )
    quarter = EARTH_RADIUS_METRES * math.pi / 2
    for metres in (quarter - 1, quarter + 1, METRES_MAX):
        areas.append({"radius": {"latitude": 0.0, "longitude": 179.0, "metres": metres}})
    sizes = set()
    for area in areas:
        expected = {str(number) for number, place in enumerate(places) if inside(area, place)}
        assert {site.name for site in await find_rows(Site, within(area))} == expected, area
        sizes.add(len(expected))
    assert len(sizes) > 20


async def test_sites_work_visits_and_technicians_are_found_on_the_map(company: Company) -> None:
    office = company.dispatcher
    await Site.filter(id=company.site_id).update(latitude=52.52, longitude=13.405)
    here, away = await submitted(company), await submitted(
        company, customer_id=company.other_customer_id, site_id=company.other_site_id
    )  # fmt: skip
    visit = await give_visit(company, here)
    now = datetime(2026, 3, 2, 9, tzinfo=UTC)
    await add_row(
        Position, organization_id=company.organization_id, technician_id=company.technician_id, latitude=52.5,
        longitude=13.4, at=now, still_latitude=52.5, still_longitude=13.4, still_since=now,
    )  # fmt: skip
    near = {"within": {"radius": {"latitude": 52.51, "longitude": 13.4, "metres": 2000}}}
    far = {"within": {"box": {"south": 0, "west": 0, "north": 1, "east": 1}}}
    for root, kind, expected in (
        ("sites", "Site", [company.site_id]),
        ("workOrders", "WorkOrder", [here]),
        ("appointments", "Appointment", [visit]),
        ("technicians", "Technician", [company.technician_id]),
    ):
        assert await listed(office, root, kind, near) == expected
        assert await listed(office, root, kind, far) == []
        assert expected[0] not in await listed(office, root, kind, {"not": near})
    assert await listed(office, "workOrders", "WorkOrder", {"not": near}) == [away]
    for role in (company.technician, company.support):
        assert await refusal(role, "technicians", "Technician", near) == {
            "code": "NOT_PERMITTED",
            "permission": "VIEW_POSITIONS",
        }


@pytest.mark.parametrize(
    ("area", "code"),
    [
        ({"radius": {"latitude": 90.1, "longitude": 0, "metres": 1}}, "INVALID_INPUT"),
        ({"radius": {"latitude": 0, "longitude": -180.1, "metres": 1}}, "INVALID_INPUT"),
        ({"radius": {"latitude": 0, "longitude": 0, "metres": 0}}, "INVALID_INPUT"),
        ({"radius": {"latitude": 0, "longitude": 0, "metres": METRES_MAX + 1}}, "INVALID_INPUT"),
        ({"box": {"south": 2, "west": 0, "north": 1, "east": 1}}, "INVALID_INPUT"),
        ({"box": {"south": 0, "west": -181, "north": 1, "east": 1}}, "INVALID_INPUT"),
        ({}, "BAD_USER_INPUT"),
        ({"box": None}, "BAD_USER_INPUT"),
        (
            {
                "box": {"south": 0, "west": 0, "north": 1, "east": 1},
                "radius": {"latitude": 0, "longitude": 0, "metres": 1},
            },
            "BAD_USER_INPUT",
        ),
    ],
)
async def test_an_area_that_is_none_is_refused(company: Company, area: dict[str, Any], code: str) -> None:
    assert (await refusal(company.dispatcher, "sites", "Site", {"within": area}))["code"] == code


# In the calendar

BERLIN = ZoneInfo("Europe/Berlin")


def span(begins: datetime, ends: datetime) -> dict[str, Any]:
    return {"during": {"from": begins.isoformat(), "to": ends.isoformat()}}


@pytest.mark.parametrize(
    "day",
    [datetime(2026, 3, 29, tzinfo=BERLIN), datetime(2026, 10, 25, tzinfo=BERLIN), datetime(2026, 6, 1, tzinfo=BERLIN)],
    ids=["of 23 hours", "of 25 hours", "of 24 hours"],
)
async def test_a_day_holds_what_shares_time_with_it_and_nothing_that_touches_it(
    company: Company, day: datetime
) -> None:
    office, midnight = company.dispatcher, datetime.combine(day.date() + timedelta(days=1), day.time(), BERLIN)
    begins, ends, minute = day.astimezone(UTC), midnight.astimezone(UTC), timedelta(minutes=1)
    spans = {
        "before": (begins - minute, begins), "into": (begins - minute, begins + minute), "within": (begins, begins + minute),
        "all of it": (begins, ends), "around": (begins - minute, ends + minute), "out of": (ends - minute, ends + minute),
        "after": (ends, ends + minute),
    }  # fmt: skip
    expected = ["into", "within", "all of it", "around", "out of"]
    work = await submitted(company)
    mine: dict[str, Any] = {"organization_id": company.organization_id}
    visit = {
        "work_order_id": work,
        "site_id": company.site_id,
        "customer_id": company.customer_id,
        "duration_minutes": 1,
    }
    names: dict[str, str] = {}
    for number, (name, (starts_at, ends_at)) in enumerate(spans.items(), start=1):
        times = {"starts_at": starts_at, "ends_at": ends_at}
        rows = [
            await add_row(Appointment, **mine, **visit, **times, number=number),
            await add_row(Shift, **mine, **times, technician_id=company.technician_id),
            await add_row(Absence, **mine, **times, technician_id=company.technician_id, kind="SICK"),
        ]
        asked_for = await submitted(company)
        await WorkOrder.filter(id=asked_for).update(requested_window_start=starts_at, requested_window_end=ends_at)
        names |= {row.id: name for row in rows} | {asked_for: name}
    await add_row(Appointment, **mine, **visit, number=99)
    await submitted(company)
    for root, kind in (("appointments", "Appointment"), ("shifts", "Shift"), ("absences", "Absence")):
        found = await listed(office, root, kind, span(day, midnight))
        assert sorted(names[id] for id in found) == sorted(expected), root
    orders = set(await listed(office, "workOrders", "WorkOrder", span(day, midnight)))
    assert work in orders
    assert sorted(names[id] for id in orders - {work}) == sorted(expected)
    long_after = span(midnight + timedelta(days=9), midnight + timedelta(days=10))
    assert await listed(office, "workOrders", "WorkOrder", long_after) == []


async def test_a_visit_that_one_may_not_see_does_not_bring_its_work_into_the_calendar(company: Company) -> None:
    work = await submitted(company)
    visit = await Appointment.get(id=await give_visit(company, work))
    day = span(visit.starts_at, visit.ends_at)  # type: ignore[arg-type]  # it has a time
    assert await listed(company.customer, "workOrders", "WorkOrder", day) == [work]
    await Appointment.filter(id=visit.id).update(customer_id=company.other_customer_id)
    assert await listed(company.customer, "workOrders", "WorkOrder", day) == []
    assert await listed(company.dispatcher, "workOrders", "WorkOrder", day) == [work]


async def test_a_range_that_ends_before_it_begins_is_refused(company: Company) -> None:
    noon = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for root, kind in (("appointments", "Appointment"), ("workOrders", "WorkOrder"), ("shifts", "Shift")):
        assert await refusal(company.dispatcher, root, kind, span(noon, noon)) == {
            "code": "INVALID_INPUT",
            "input": ["to"],
        }
