"""The company's settings through the API: what each kind of asker sees, does and is told."""

import pytest

from app.kernel.ids import new_id
from app.kernel.permissions import Role
from schema.kit import OPERATIONS, problems
from tests.app.company.api import asked, data, refused, sent


@pytest.fixture(autouse=True)
def strict(monkeypatch):
    monkeypatch.setattr(problems, "STRICT", True)


async def test_the_settings_are_read_and_changed(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    payload = await sent(
        boss, "updateOrganization", {"version": 1, "name": "Lamp & Sons", "settings": {"theme": "dark"}},
        "organization { name version settings currency }",
    )  # fmt: skip
    assert payload["errors"] == []
    assert payload["cursor"]
    assert payload["organization"] == {
        "name": "Lamp & Sons", "version": 2, "settings": {"theme": "dark"}, "currency": "USD",
    }  # fmt: skip
    assert await refused(boss, "updateOrganization", {"version": 1, "name": "Late"}) == "STALE_VERSION"
    assert await refused(boss, "updateOrganization", {"settings": [1]}) == "INVALID_INPUT"
    assert (await data(boss, "{ organization { id name } }"))["organization"]["name"] == "Lamp & Sons"


async def test_service_types_are_offered_found_and_withdrawn(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    id = new_id("svc")
    made = await sent(
        boss, "createServiceType",
        {"id": id, "code": "repair", "name": "Repair", "durationMinutes": 90, "defaultPriority": "HIGH",
         "requiredEvidence": ["TIME"]},
        "serviceType { id code durationMinutes defaultPriority requiredEvidence requiredSkills isActive }",
    )  # fmt: skip
    assert made["errors"] == []
    assert made["serviceType"] == {
        "id": id, "code": "REPAIR", "durationMinutes": 90, "defaultPriority": "HIGH", "requiredEvidence": ["TIME"],
        "requiredSkills": {}, "isActive": True,
    }  # fmt: skip
    assert await refused(boss, "createServiceType", {"code": "REPAIR", "name": "Again"}) == "ALREADY_EXISTS"
    assert await refused(boss, "updateServiceType", {"id": id, "requiredSkills": {new_id("skill"): 3}}) == "NOT_FOUND"
    changed = await sent(
        boss, "updateServiceType", {"id": id, "description": "On site"}, "serviceType { description code }"
    )
    assert changed["serviceType"] == {"description": "On site", "code": "REPAIR"}
    await sent(boss, "deactivateServiceType", {"id": id})
    found = await data(
        lamp.someone(Role.CUSTOMER_USER),
        """{ serviceTypeByCode(code: "repair") { isActive }
             serviceTypes(filter: { isActive: { eq: true } }) { totalCount nodes { code } } }""",
    )
    assert found == {"serviceTypeByCode": {"isActive": False}, "serviceTypes": {"totalCount": 0, "nodes": []}}


async def test_calendars_carry_their_holidays(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    made = await sent(
        boss, "createBusinessCalendar",
        {"name": "Nights", "timeZone": "Europe/Berlin", "week": {"4": [["22:00", "24:00"]]}, "isDefault": True},
        "businessCalendar { id week isDefault }",
    )  # fmt: skip
    calendar = made["businessCalendar"]
    assert (calendar["week"], calendar["isDefault"]) == ({"4": [["22:00", "00:00"]]}, True)
    for day, name in (("2026-12-25", "Christmas"), ("2026-01-01", "New Year")):
        payload = await sent(
            boss, "addHoliday", {"calendarId": calendar["id"], "day": day, "name": name},
            "businessCalendar { holidays { nodes { day name } } }",
        )  # fmt: skip
    assert payload["businessCalendar"]["holidays"]["nodes"] == [
        {"day": "2026-01-01", "name": "New Year"}, {"day": "2026-12-25", "name": "Christmas"},
    ]  # fmt: skip
    assert (
        await refused(boss, "addHoliday", {"calendarId": calendar["id"], "day": "2026-12-25", "name": "x"})
        == "ALREADY_EXISTS"
    )
    assert await refused(boss, "updateBusinessCalendar", {"id": calendar["id"], "isDefault": False}) == "CONFLICT"
    assert (
        await refused(boss, "createBusinessCalendar", {"name": "Odd", "timeZone": "UTC", "week": []}) == "INVALID_INPUT"
    )
    await sent(boss, "removeHoliday", {"calendarId": calendar["id"], "day": "2026-12-25"})
    everything = await data(boss, "{ businessCalendars { nodes { name isDefault holidays { totalCount } } } }")
    assert everything["businessCalendars"]["nodes"] == [
        {"name": "Business hours", "isDefault": False, "holidays": {"totalCount": 0}},
        {"name": "Nights", "isDefault": True, "holidays": {"totalCount": 1}},
    ]


async def test_territories_and_numbers(lamp):
    boss = lamp.someone(Role.ADMINISTRATOR)
    made = await sent(boss, "createTerritory", {"code": "n", "name": "North"}, "territory { id code }")
    await sent(boss, "updateTerritory", {"id": made["territory"]["id"], "name": "Far north"})
    series = await sent(
        boss, "updateNumberSeries", {"kind": "WORK_ORDER", "prefix": "T-", "nextNumber": 100},
        "numberSeries { kind prefix nextNumber digits }",
    )  # fmt: skip
    assert series["numberSeries"] == {"kind": "WORK_ORDER", "prefix": "T-", "nextNumber": 100, "digits": 6}
    assert await refused(boss, "updateNumberSeries", {"kind": "WORK_ORDER", "nextNumber": 99}) == "INVALID_INPUT"
    found = await data(
        boss, '{ territories(filter: { search: "far" }) { nodes { code name } } numberSeries { totalCount } }'
    )
    assert found == {
        "territories": {"nodes": [{"code": "N", "name": "Far north"}]}, "numberSeries": {"totalCount": 1},
    }  # fmt: skip


async def test_another_company_sees_and_changes_nothing(lamp, rival):
    made = await sent(
        lamp.someone(Role.ADMINISTRATOR), "createTerritory", {"code": "n", "name": "North"}, "territory { id }"
    )
    id = made["territory"]["id"]
    intruder = rival.someone(Role.ADMINISTRATOR)
    assert await refused(intruder, "updateTerritory", {"id": id, "name": "Mine"}) == "NOT_FOUND"
    seen = await data(
        intruder,
        "query($id: ID!) { territory(id: $id) { name } node(id: $id) { id } territories { totalCount } }",
        id=id,
    )
    assert seen == {"territory": None, "node": None, "territories": {"totalCount": 0}}


async def test_every_mutation_here_is_the_administrators(lamp):
    for operation in OPERATIONS.values():
        if operation.module == "schema.company.operations" and operation.kind == "mutation":
            assert operation.access == "MANAGE_ORGANIZATION", operation.name
    answer = await asked(None, "{ organization { name } }")
    assert answer["errors"][0]["extensions"]["code"] == "NOT_AUTHENTICATED"
    answer = await asked(lamp.someone(Role.GUEST), "{ territories { totalCount } }")
    assert [error["extensions"]["code"] for error in answer["errors"]] == ["NOT_PERMITTED"]
