"""Technicians, skills, shifts, absences and positions through the API."""

import json
from datetime import timedelta
from typing import Any

import pytest

from app.customers.commands import create_site
from app.infrastructure import journal
from app.kernel.actor import Actor
from app.kernel.calendar import utc_now
from app.kernel.ids import new_id
from app.kernel.permissions import Role
from app.scheduling.rules import AssignmentStatus
from app.technicians.commands import take_positions
from app.technicians.models import Duty
from app.technicians.rules import PositionReport
from tests.app.customers.world import Company, found_company, hire, open_account, send, stranger_to
from tests.schema.asking import heard
from tests.schema.customers.api import asked, codes, data, done, sent


@pytest.fixture
async def company(database: object) -> Company:
    return await found_company()


def shift(begin: str, end: str, **details: Any) -> dict[str, Any]:
    """A shift of a day in March, in New York's winter time."""
    return {"startsAt": f"2026-03-{begin}:00-05:00", "endsAt": f"2026-03-{end}:00-05:00", **details}


def field_actor(company: Company, technician_id: str) -> Actor:
    return company.actor(Role.TECHNICIAN, technician_id=technician_id)


async def prepared(company: Company) -> dict[str, str]:
    technician = await hire(company, "Toni Park", home_latitude=40.7, home_longitude=-73.9, phone="+12125550100")
    skill = await done(company.manager, "createSkill", {"code": "gas", "name": "Gas fitting"}, "id code", "skill")
    assert skill["code"] == "GAS"
    await done(
        company.manager,
        "setTechnicianSkills",
        {"technicianId": technician, "skills": [{"skillId": skill["id"], "level": 3, "expiresOn": "2027-01-31"}]},
        "version",
        "technician",
    )
    monday = {"technicianId": technician, "shift": shift("02T08:00", "02T16:00", breakMinutes=30)}
    away = {"technicianId": technician, "kind": "SICK", **shift("03T00:00", "04T00:00")}
    return {
        "technician": technician,
        "skill": skill["id"],
        "shift": (await done(company.dispatcher, "createShift", monday, "id", "shift"))["id"],
        "absence": (await done(company.dispatcher, "createAbsence", away, "id", "absence"))["id"],
    }


async def test_a_technician_is_read_with_skills_shifts_absences_and_place_in_one_question(company: Company) -> None:
    ids = await prepared(company)
    me = field_actor(company, ids["technician"])
    await done(me, "checkIn", {}, "status", "technician")
    await take_positions(me, [PositionReport(40.71, -73.95, utc_now(), accuracy_metres=5.0)])
    found = await data(
        company.dispatcher,
        """query($id: ID!) { technician(id: $id) {
            number name status isActive phone timeZone speedFactor
            home { latitude longitude } allowedTransitions { to }
            skills { nodes { level expiresOn skill { code holders { nodes { technician { name } } } } } }
            shifts { nodes { startsAt endsAt breakMinutes breakEarliestAt breakLatestAt overtimeMinutesMax } }
            absences { nodes { kind reason startsAt technician { id } } }
            position { coordinates { latitude longitude } accuracyMetres heading technician { id } }
            user { id } territory { id } } }""",
        id=ids["technician"],
    )
    assert found["technician"] == {
        "number": "T-0001",
        "name": "Toni Park",
        "status": "AVAILABLE",
        "isActive": True,
        "phone": "+12125550100",
        "timeZone": "America/New_York",
        "speedFactor": 1.0,
        "home": {"latitude": 40.7, "longitude": -73.9},
        "allowedTransitions": [{"to": to} for to in ("OFF", "TRAVELLING", "WORKING", "ON_BREAK")],
        "skills": {
            "nodes": [
                {
                    "level": 3,
                    "expiresOn": "2027-01-31",
                    "skill": {"code": "GAS", "holders": {"nodes": [{"technician": {"name": "Toni Park"}}]}},
                }
            ]
        },
        "shifts": {
            "nodes": [
                {
                    "startsAt": "2026-03-02T13:00:00+00:00",
                    "endsAt": "2026-03-02T21:00:00+00:00",
                    "breakMinutes": 30,
                    "breakEarliestAt": "2026-03-02T13:00:00+00:00",
                    "breakLatestAt": "2026-03-02T20:30:00+00:00",
                    "overtimeMinutesMax": 0,
                }
            ]
        },
        "absences": {
            "nodes": [
                {
                    "kind": "SICK",
                    "reason": "",
                    "startsAt": "2026-03-03T05:00:00+00:00",
                    "technician": {"id": ids["technician"]},
                }
            ]
        },
        "position": {
            "coordinates": {"latitude": 40.71, "longitude": -73.95},
            "accuracyMetres": 5.0,
            "heading": None,
            "technician": {"id": ids["technician"]},
        },
        "user": None,
        "territory": None,
    }


async def test_a_roster_is_made_changed_and_replaced(company: Company) -> None:
    ids = await prepared(company)
    week = {"technicianId": ids["technician"], "shifts": [shift("05T08:00", "05T16:00"), shift("06T08:00", "06T12:00")]}
    made = await done(company.dispatcher, "createShifts", week, "id technician { id }", "shifts")
    assert [one["technician"]["id"] for one in made] == [ids["technician"]] * 2
    moved = {"id": made[1]["id"], "endsAt": "2026-03-06T14:00:00-05:00"}
    assert await done(company.dispatcher, "updateShift", moved, "endsAt version", "shift") == {
        "endsAt": "2026-03-06T19:00:00+00:00",
        "version": 2,
    }
    day = {"technicianId": ids["technician"], "day": "2026-03-05"}
    replaced = {**day, "shifts": [shift("05T10:00", "05T18:00")]}
    (new,) = await done(company.dispatcher, "replaceShiftsOfDay", replaced, "id startsAt", "shifts")
    assert new["startsAt"] == "2026-03-05T15:00:00+00:00"
    assert await done(company.dispatcher, "replaceShiftsOfDay", {**day, "shifts": []}, "id", "shifts") == []
    fields = "shifts { nodes { id } }"
    left = await done(company.dispatcher, "deleteShift", {"id": made[1]["id"]}, fields, "technician")
    assert left == {"shifts": {"nodes": [{"id": ids["shift"]}]}}
    gone = await done(
        company.dispatcher, "deleteAbsence", {"id": ids["absence"]}, "absences { totalCount }", "technician"
    )
    assert gone == {"absences": {"totalCount": 0}}


async def test_shifts_that_overlap_are_answered_with_every_clash(company: Company) -> None:
    ids = await prepared(company)
    before = len(await company.facts())
    twice = {
        "technicianId": ids["technician"],
        "shifts": [shift("02T09:00", "02T10:00"), shift("02T09:30", "02T11:00")],
    }
    fields = "shifts { id } errors { ... on ScheduleConflict { conflicts { code technicianId overridable } } }"
    payload = await sent(company.dispatcher, "createShifts", twice, fields)
    assert payload["shifts"] is None
    (error,) = payload["errors"]
    clash = {"code": "SHIFTS_OVERLAP", "technicianId": ids["technician"], "overridable": False}
    assert (error["code"], error["conflicts"]) == ("SCHEDULE_CONFLICT", [clash] * 3)
    assert await company.types(after=before) == []


@pytest.mark.parametrize(
    ("asked_for", "names"),
    [
        (("02T09:00", "02T10:00", 3), ["Toni Park"]),
        (("02T09:00", "02T10:00", 4), []),
        (("02T15:30", "02T16:30", 1), []),
        (("03T09:00", "03T10:00", 1), []),
    ],
)
async def test_available_technicians_are_on_shift_there_and_skilled(
    company: Company, asked_for: tuple[str, str, int], names: list[str]
) -> None:
    ids = await prepared(company)
    await done(
        company.dispatcher,
        "createShift",
        {"technicianId": ids["technician"], "shift": shift("03T08:00", "03T16:00")},
        "id",
        "shift",
    )
    begin, end, level = asked_for
    found = await data(
        company.dispatcher,
        """query($startsAt: DateTime!, $endsAt: DateTime!, $skills: [SkillRequirementInput!]) {
            availableTechnicians(startsAt: $startsAt, endsAt: $endsAt, requiredSkills: $skills) { nodes { name } } }""",
        **shift(begin, end),
        skills=[{"skillId": ids["skill"], "level": level}],
    )
    assert [one["name"] for one in found["availableTechnicians"]["nodes"]] == names


@pytest.mark.parametrize(
    ("filter", "count"),
    [
        ({"search": "park"}, 1),
        ({"search": "t-0001"}, 1),
        ({"search": "nobody"}, 0),
        ({"status": {"in": ["OFF"]}}, 1),
        ({"isActive": {"eq": True}}, 1),
        ({"hasSkill": {"skillId": "SKILL"}}, 1),
        ({"hasSkill": {"skillId": "SKILL", "level": 4}}, 0),
        ({"not": {"hasSkill": {"skillId": "SKILL", "level": 3}}}, 0),
    ],
)
async def test_technicians_are_found(company: Company, filter: dict[str, Any], count: int) -> None:
    ids = await prepared(company)
    text = "query($filter: TechnicianFilter) { technicians(filter: $filter) { totalCount } }"
    wanted = json.loads(json.dumps(filter).replace("SKILL", ids["skill"]))
    assert await data(company.dispatcher, text, filter=wanted) == {"technicians": {"totalCount": count}}


def during(begin: str, end: str) -> dict[str, str]:
    times = shift(begin, end)
    return {"from": times["startsAt"], "to": times["endsAt"]}


async def test_shifts_are_found_by_the_time_they_share(company: Company) -> None:
    ids = await prepared(company)
    text = "query($during: TimeRangeInput) { shifts(filter: {during: $during}) { nodes { id } } }"
    for begin, end, found in (
        ("02T15:59", "02T20:00", True),
        ("02T16:00", "02T20:00", False),
        ("02T00:00", "02T08:00", False),
    ):
        answer = await data(company.dispatcher, text, during=during(begin, end))
        assert answer["shifts"]["nodes"] == ([{"id": ids["shift"]}] if found else [])
    assert codes(await asked(company.dispatcher, text, during=during("02T16:00", "02T16:00"))) == ["INVALID_INPUT"]


async def test_technicians_say_what_they_do_and_others_do_not(company: Company) -> None:
    ids = await prepared(company)
    me, colleague = field_actor(company, ids["technician"]), field_actor(company, await hire(company, "Sam"))
    travelling = {"technicianId": ids["technician"], "status": "TRAVELLING"}
    refused = await sent(colleague, "changeTechnicianStatus", travelling, "technician { id }")
    assert [error["code"] for error in refused["errors"]] == ["NOT_PERMITTED"]
    assert await done(me, "changeTechnicianStatus", travelling, "status", "technician") == {"status": "TRAVELLING"}
    early = await sent(me, "checkOut", {}, "technician { id }")
    assert [error["code"] for error in early["errors"]] == ["ILLEGAL_TRANSITION"]
    foreign = await sent(stranger_to(company), "checkOut", {"technicianId": ids["technician"]}, "technician { id }")
    assert [error["code"] for error in foreign["errors"]] == ["NOT_FOUND"]


async def test_costs_and_homes_are_shown_to_who_may_see_them(company: Company) -> None:
    ids = await prepared(company)
    text = "query($id: ID!) { technician(id: $id) { name costPerHour home { latitude } } }"
    for actor, refused, home in (
        (company.manager, 0, {"latitude": 40.7}),
        (company.dispatcher, 1, {"latitude": 40.7}),
        (field_actor(company, ids["technician"]), 2, None),
    ):
        answer = await asked(actor, text, id=ids["technician"])
        assert answer["data"]["technician"] == {"name": "Toni Park", "costPerHour": None, "home": home}
        assert len(answer.get("errors", [])) == refused


async def test_a_customer_sees_the_name_of_who_is_sent_and_no_more(company: Company) -> None:
    ids = await prepared(company)
    customer = await open_account(company)
    site = await create_site(company.dispatcher, customer_id=customer, name="Main Street 1")
    actor = company.actor(Role.CUSTOMER_USER, customer_id=customer)
    text = """query($id: ID!) { node(id: $id) { ... on Technician {
        name phone position { at } skills { nodes { level } } shifts { nodes { id } } } } }"""
    assert await data(actor, "query($id: ID!) { node(id: $id) { id } }", id=ids["technician"]) == {"node": None}
    await send(company, ids["technician"], site, AssignmentStatus.ACCEPTED)
    await done(company.dispatcher, "checkIn", {"technicianId": ids["technician"]}, "id", "technician")
    await take_positions(field_actor(company, ids["technician"]), [PositionReport(40.71, -73.95, utc_now())])
    seen = (await asked(actor, text, id=ids["technician"]))["data"]["node"]
    assert (seen["name"], seen["phone"], seen["position"]) == ("Toni Park", None, None)
    assert [seen[name] for name in ("skills", "shifts")] in ([None, None], [{"nodes": []}, {"nodes": []}])
    assert codes(await asked(actor, "{ technicians { nodes { id } } }")) == ["NOT_PERMITTED"]


async def test_strangers_find_nothing(company: Company) -> None:
    ids = await prepared(company)
    text = "{ technicians { totalCount } skills { totalCount } shifts { totalCount } absences { totalCount } }"
    nothing = {name: {"totalCount": 0} for name in ("technicians", "skills", "shifts", "absences")}
    assert await data(stranger_to(company), text) == nothing
    for id in ids.values():
        assert await data(stranger_to(company), "query($id: ID!) { node(id: $id) { id } }", id=id) == {"node": None}
    assert await data(company.dispatcher, "query($id: ID!) { technician(id: $id) { id } }", id=new_id("tech")) == {
        "technician": None
    }


async def test_followers_hear_statuses_and_nothing_of_positions(company: Company) -> None:
    ids = await prepared(company)
    me = field_actor(company, ids["technician"])
    start = journal.cursor_at(company.organization_id, len(await company.facts()))
    await done(me, "checkIn", {}, "id", "technician")
    await take_positions(me, [PositionReport(40.71, -73.95, utc_now())])
    await done(me, "checkOut", {}, "id", "technician")
    document = "subscription($after: String) { technicianChanged(after: $after) { fact } }"
    told = await heard(company.dispatcher, document, {"after": start}, most=2)
    assert [event["data"]["technicianChanged"]["fact"] for event in told] == ["TechnicianStatusChanged"] * 2


async def test_history_is_read_by_time_and_by_those_who_may_see_positions(company: Company) -> None:
    ids = await prepared(company)
    me, colleague = field_actor(company, ids["technician"]), field_actor(company, await hire(company, "Sam"))
    await done(me, "checkIn", {}, "id", "technician")
    await Duty.all().update(starts_at=utc_now() - timedelta(hours=1))
    now = utc_now()
    road = [PositionReport(40.7 + minute / 100, -73.9, now - timedelta(minutes=minute)) for minute in (30, 20, 10)]
    await take_positions(me, road)
    document = """query($id: ID!, $from: DateTime!) { technician(id: $id) {
        positionHistory(filter: { at: { gte: $from } }) { totalCount nodes { at coordinates { latitude } } } } }"""
    since = (now - timedelta(minutes=20)).isoformat()
    for actor, expected in (
        (company.dispatcher, [40.9, 40.8]),
        (me, [40.9, 40.8]),
        (colleague, []),
        (company.actor(Role.SUPPORT), []),
    ):
        found = await data(actor, document, id=ids["technician"], **{"from": since})
        history = found["technician"]["positionHistory"]
        assert history["totalCount"] == len(expected)
        assert [node["coordinates"]["latitude"] for node in history["nodes"]] == pytest.approx(expected)
