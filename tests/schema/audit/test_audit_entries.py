"""The audit log: who did, tried and read what, from where; for auditors alone, who change nothing."""

from collections.abc import AsyncIterator, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from strawberry.utils.str_converters import to_camel_case

from app.customers import commands as customers
from app.identity.compliance import ComplianceSummary
from app.identity.models import AccessRequest, ApiKey, LoginAttempt, MfaMethod, SecurityPolicy, User
from app.infrastructure import heads, journal, notes, sealing
from app.infrastructure.audit import verify
from app.infrastructure.journal import Origin
from app.infrastructure.models import JournalEntry
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import NotFound, NotPermitted
from app.kernel.ids import new_id
from app.kernel.permissions import ROLES, Permission, Role
from app.technicians.models import Technician
from schema.kit import OPERATIONS, SIGNED_IN, problems
from schema.kit.live import hears
from schema.kit.reading.selection import field_declaration
from tests.schema import documents
from tests.schema.asking import ask, codes, heard, least
from tests.schema.tenants import Tenant, found, snapshot

DESK = Origin("203.0.113.7", "Firefox/140", "ses_1", "updateCustomer", caller="usr_1")
ENTRIES = """query($filter: AuditEntryFilter) { auditEntries(first: 100, filter: $filter) { nodes {
  id seq kind fact command operation actorKind actorId noun subjectId address userAgent sessionId details seal
  changes { column before after hidden } } } }"""
# What SIGNED_IN mutations outside identity are about one's own account only.
OF_ONES_OWN = frozenset({"markNotificationsRead", "updateNotificationPreferences"})


@pytest.fixture(autouse=True)
def noting() -> Iterator[None]:
    notes.start()
    yield
    notes.stop()


@pytest_asyncio.fixture
async def tenant(database: Dialect) -> Tenant:
    return await found("a", 910_000)


@pytest_asyncio.fixture(loop_scope="session")
async def small(sqlite_database: Dialect) -> AsyncIterator[Tenant]:
    yield await found("a", 910_000)


async def entries(tenant: Tenant, role: Role = Role.AUDITOR, **filter: Any) -> list[dict[str, Any]]:
    answer = await ask(tenant.actors[role], ENTRIES, {"filter": filter})
    assert "errors" not in answer, answer
    nodes: list[dict[str, Any]] = answer["data"]["auditEntries"]["nodes"]
    return nodes


async def renamed(tenant: Tenant, name: str) -> str:
    """The id of a customer whose name was changed from a desk."""
    manager = tenant.actors[Role.OPERATIONS_MANAGER]
    with journal.coming_from(DESK):
        return await customers.update_customer(manager, tenant.first.customer_id, name=name)


async def refused(actor: Actor, id: str, times: int = 1) -> None:
    for _ in range(times):
        with pytest.raises((NotPermitted, NotFound)):
            await customers.archive_customer(actor, id)


async def test_an_entry_says_who_did_what_to_what_from_where_and_what_differed(small: Tenant) -> None:
    id = await renamed(small, "Lamp & Sons")
    manager = small.actors[Role.OPERATIONS_MANAGER]
    [entry] = await entries(small, operation={"eq": "updateCustomer"})
    assert entry == {
        "id": entry["id"], "seq": entry["seq"], "kind": "CHANGE", "fact": "CustomerUpdated", "command": "update_customer",
        "operation": "updateCustomer", "actorKind": "USER", "actorId": manager.id, "noun": "customer", "subjectId": id,
        "address": "203.0.113.7", "userAgent": "Firefox/140", "sessionId": "ses_1", "details": {}, "seal": None,
        "changes": [{"column": "name", "before": "afirst-renamed", "after": "Lamp & Sons", "hidden": False}],
    }  # fmt: skip
    await sealing.seal_everything()
    [sealed] = await entries(small, operation={"eq": "updateCustomer"})
    assert sealed["seal"].startswith("sha256-")


async def test_every_filter_finds_what_it_says(tenant: Tenant) -> None:
    customer, site = await renamed(tenant, "Zanzibar Lamps"), tenant.first.rows["site"].id
    manager, support = tenant.actors[Role.OPERATIONS_MANAGER], tenant.actors[Role.SUPPORT]
    await refused(tenant.actors[Role.GUEST], customer)
    notes.note_reading(support, "Site.accessInstructions", site)
    await notes.flush()
    [changed] = await entries(tenant, address={"startsWith": "203.0.113."})

    async def facts(**filter: Any) -> set[str]:
        return {one["fact"] for one in await entries(tenant, **filter)}

    assert await facts(kind="REFUSAL") == {"AttemptRefused"}
    assert await facts(kind="READING") == {"SensitiveDataRead"}
    assert not {"AttemptRefused", "SensitiveDataRead"} & await facts(kind="CHANGE")
    assert await facts(fact={"eq": "CustomerUpdated"}, actorId={"eq": manager.id}) == {"CustomerUpdated"}
    assert await facts(actorId={"eq": support.id}) == {"SensitiveDataRead"}
    assert await facts(command={"eq": "archive_customer"}) == {"AttemptRefused"}
    assert await facts(mentions=site, kind="READING") == {"SensitiveDataRead"}
    assert await facts(mentions=new_id("site")) == set()
    assert "CustomerUpdated" in await facts(subject="zanzibar")
    assert await facts(subject="nothing is called this") == set()
    assert await facts(seq={"eq": changed["seq"]}, noun={"eq": "customer"}) == {"CustomerUpdated"}
    assert await facts(userAgent={"contains": "firefox"}, sessionId={"eq": "ses_1"}) == {"CustomerUpdated"}


async def test_entries_come_newest_first(small: Tenant) -> None:
    numbers = [entry["seq"] for entry in await entries(small)]
    assert numbers == sorted(numbers, reverse=True)
    assert len(numbers) > 10


@pytest.mark.parametrize("role", [role for role in Role if Permission.VIEW_AUDIT not in ROLES[role]])
async def test_nobody_else_reads_it(small: Tenant, role: Role) -> None:
    entry = small.rows["fact"].id
    assert codes(await ask(small.actors[role], ENTRIES)) == ["NOT_PERMITTED"]
    assert codes(await ask(small.actors[role], "query($id: ID!) { node(id: $id) { id } }", {"id": entry})) == [
        "FORBIDDEN"
    ]


async def test_the_administrator_reads_it_as_well(small: Tenant) -> None:
    assert await entries(small, Role.ADMINISTRATOR) == await entries(small)


# What is refused


async def test_refused_attempts_are_told_together_the_first_at_once(small: Tenant) -> None:
    guest, id = small.actors[Role.GUEST], small.first.customer_id
    await refused(guest, id)
    assert await notes.flush() == 1
    await refused(guest, id, times=50)
    assert await notes.flush() == 0
    assert await notes.flush(everything=True) == 1
    told = [(one["actorId"], one["command"], one["details"]["tries"]) for one in await entries(small, kind="REFUSAL")]
    assert told == [(guest.id, "archive_customer", 50), (guest.id, "archive_customer", 1)]
    first = (await entries(small, kind="REFUSAL"))[-1]
    assert first["details"] | {"since": ""} == {
        "code": "NOT_PERMITTED", "permission": "MANAGE_CUSTOMERS", "tries": 1, "ids": [], "since": "",
    }  # fmt: skip
    assert first["subjectId"] == guest.id


async def test_an_operation_that_is_refused_at_the_door_is_told(small: Tenant) -> None:
    guest = small.actors[Role.GUEST]
    assert codes(await ask(guest, "{ apiKeys { nodes { id } } }")) == ["NOT_PERMITTED"]
    assert codes(await ask(guest, *least("mutation", "createCustomer"))) == ["NOT_PERMITTED"]
    await notes.flush()
    told = {(one["command"], one["details"]["permission"]) for one in await entries(small, kind="REFUSAL")}
    assert told == {("api_keys", "MANAGE_API_KEYS"), ("create_customer", "MANAGE_CUSTOMERS")}


async def test_ids_of_what_one_may_not_see_are_told(small: Tenant) -> None:
    stranger = new_id("cus")
    await refused(small.actors[Role.DISPATCHER], stranger, times=2)
    await notes.flush()
    [entry] = await entries(small, kind="REFUSAL")
    assert (entry["subjectId"], entry["details"]["code"]) == (stranger, "NOT_FOUND")
    assert entry["details"] == {
        "code": "NOT_FOUND", "permission": None, "tries": 2, "ids": [stranger], "since": entry["details"]["since"],
    }  # fmt: skip


async def test_a_refusal_is_written_though_nothing_of_the_refused_command_is(small: Tenant) -> None:
    before = await snapshot(small.organization_id)
    await refused(small.actors[Role.GUEST], small.first.customer_id)
    assert await snapshot(small.organization_id) == before
    await notes.flush()
    after = await snapshot(small.organization_id)
    changed = {name for name in after if after[name] != before[name]}
    assert changed == {"journal_entry", "journal_head"}


async def test_what_is_noted_while_the_database_is_away_is_written_later(
    small: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(_: object) -> None:
        raise OSError("away")

    await refused(small.actors[Role.GUEST], small.first.customer_id)
    with monkeypatch.context() as patch:
        patch.setattr(notes.database, "unit_of_work", away)
        with pytest.raises(OSError, match="away"):
            await notes.flush()
    assert await notes.flush() == 1
    assert await notes.flush(everything=True) == 0


# What is read


async def test_readings_are_told_once_per_row_and_minute(small: Tenant) -> None:
    reader, rows = small.actors[Role.DISPATCHER], [new_id("site") for _ in range(3)]
    for _ in range(10):
        for id in rows[:2]:
            notes.note_reading(reader, "Site.accessInstructions", id)
    assert await notes.flush() == 1
    notes.note_reading(reader, "Site.accessInstructions", rows[0])
    notes.note_reading(reader, "Site.accessInstructions", rows[2])
    assert await notes.flush(everything=True) == 1
    told = [one["details"] | {"since": ""} for one in await entries(small, kind="READING")]
    assert told == [{"field": "Site.accessInstructions", "ids": ids, "since": ""} for ids in (rows[2:], rows[:2])]


SENSITIVE = {
    "one row": "query($id: ID!) { %(one)s(id: $id) { %(field)s } }",
    "a list": "{ %(many)s { nodes { %(field)s } } }",
    "a list below": "{ organization { name } %(many)s { edges { node { again: %(field)s } } } }",
    "node": "query($id: ID!) { node(id: $id) { ... on %(type)s { %(field)s } } }",
}


async def test_who_reads_a_sensitive_field_is_told_with_the_rows(tenant: Tenant) -> None:
    actor = tenant.actors[Role.OPERATIONS_MANAGER]
    for prefix, type, field in (("site", "Site", "accessInstructions"), ("tech", "Technician", "costPerHour")):
        rows = [one.rows[prefix].id for one in (tenant.first, tenant.second)]
        words = {"one": type.lower(), "many": f"{type.lower()}s", "type": type, "field": field}
        for way, template in SENSITIVE.items():
            notes.start()
            document = template % words
            with journal.coming_from(Origin("203.0.113.7", "Firefox/140", None, caller=actor.id)):
                answer = await ask(actor, document, {"id": rows[0]} if "$id" in document else {})
            assert "errors" not in answer, way
            assert await notes.flush() == 1, way
            entry = (await entries(tenant, kind="READING"))[0]
            assert entry["details"]["field"] == f"{type}.{field}"
            assert set(entry["details"]["ids"]) == set(rows if "list" in way else rows[:1]), way
            assert (entry["actorId"], entry["address"]) == (actor.id, "203.0.113.7")


async def test_reading_all_else_is_no_business_of_the_audit(small: Tenant) -> None:
    manager, finance = small.actors[Role.OPERATIONS_MANAGER], small.actors[Role.QUALITY_MANAGER]
    await ask(manager, "{ sites { nodes { name parking } } technicians { nodes { name status } } }")
    refused = await ask(finance, "{ technicians { nodes { costPerHour } } }")
    assert codes(refused) == ["FORBIDDEN"]
    assert await notes.flush(everything=True) == 0


async def test_a_sensitive_field_looks_as_any_column_would(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    [id, other] = [one.technician_id for one in (tenant.first, tenant.second)]
    await Technician.filter(id=id).update(cost_per_hour=Decimal("42.50"))
    await Technician.filter(id=other).update(cost_per_hour=None)
    document = "{ technicians { nodes { costPerHour } } }"
    noted = await ask(tenant.actors[Role.FINANCE], document)
    column = field_declaration(documents.readable_types()["tech"].fields["costPerHour"])
    monkeypatch.setattr(column, "watched", None)
    assert await ask(tenant.actors[Role.FINANCE], f"{document} # unwatched\n") == noted
    assert {one["costPerHour"] for one in noted["data"]["technicians"]["nodes"]} == {"42.5", None}


async def test_an_event_with_a_sensitive_field_is_read_by_each_who_hears_it(small: Tenant) -> None:
    start = journal.cursor_at(small.organization_id, 0)
    document = "subscription($a: String) { technicianChanged(after: $a) { technician { costPerHour } } }"
    readers = [small.actors[Role.OPERATIONS_MANAGER], small.actors[Role.FINANCE]]
    told = [await heard(reader, document, {"a": start}) for reader in readers]
    assert [event["data"]["technicianChanged"]["technician"]["costPerHour"] for event in told[1]] == [
        "910001",
        "910002",
    ]
    await notes.flush()
    assert {one["actorId"] for one in await entries(small, kind="READING")} == {reader.id for reader in readers}


async def test_what_came_from_elsewhere_is_not_taken_for_the_readers_place(small: Tenant) -> None:
    with journal.coming_from(Origin("203.0.113.7", "Firefox/140", caller="usr_somebody_else")):
        notes.note_reading(small.actors[Role.DISPATCHER], "Site.accessInstructions", small.first.rows["site"].id)
    await notes.flush()
    [entry] = await entries(small, kind="READING")
    assert (entry["address"], entry["userAgent"]) == (None, None)


# Evidence, and nobody else's business


async def test_refusals_and_readings_have_their_place_in_the_chain(small: Tenant) -> None:
    await refused(small.actors[Role.GUEST], small.first.customer_id)
    notes.note_reading(small.actors[Role.DISPATCHER], "Site.accessInstructions", small.first.rows["site"].id)
    await notes.flush()
    await sealing.seal_everything()
    assert (await verify(small.organization_id)).broken is None
    [refusal] = await entries(small, kind="REFUSAL")
    await JournalEntry.filter(id=refusal["id"]).update(payload=refusal["details"] | {"tries": 0, "changes": {}})
    broken = (await verify(small.organization_id)).broken
    assert broken is not None
    assert broken.seq == refusal["seq"]


@pytest.mark.parametrize("column", ["address", "user_agent", "session_id", "operation"])
async def test_from_where_a_fact_came_is_sealed_with_it(small: Tenant, column: str) -> None:
    await renamed(small, "Lamp & Sons")
    await sealing.seal_everything()
    [entry] = await entries(small, operation={"eq": "updateCustomer"})
    for lie in ("another", None):
        truth = await JournalEntry.get(id=entry["id"])
        await JournalEntry.filter(id=entry["id"]).update(**{column: lie})
        broken = (await verify(small.organization_id)).broken
        assert broken is not None
        assert broken.seq == entry["seq"]
        await JournalEntry.filter(id=entry["id"]).update(**{column: getattr(truth, column)})
    assert (await verify(small.organization_id)).broken is None


async def test_no_feed_tells_of_refusals_and_readings(small: Tenant) -> None:
    before = await journal.head(small.organization_id)
    await refused(small.actors[Role.GUEST], small.first.customer_id)
    notes.note_reading(small.actors[Role.DISPATCHER], "Site.accessInstructions", small.first.rows["site"].id)
    await notes.flush()
    facts = await journal.read(small.organization_id, before)
    assert len(facts) == 2
    assert [(actor, fact.type) for actor in small.actors.values() for fact in facts if hears(actor, fact)] == []


# The auditor


async def test_an_auditor_changes_nothing_but_the_own_account(small: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)
    auditor = small.actors[Role.AUDITOR]
    tried = 0
    for name, field in documents.roots("mutation").items():
        operation = OPERATIONS["mutation", name]
        if isinstance(operation.access, Permission):
            assert codes(await ask(auditor, *least("mutation", name))) == ["NOT_PERMITTED"], name
        elif operation.access is SIGNED_IN and not operation.module.startswith("schema.identity."):
            arguments = documents.least(field, lambda place, name=name: small.row(documents.prefix_at(name, place)).id)  # type: ignore[misc]
            chosen = documents.payload_selection(field.type)
            told = codes(await ask(auditor, documents.document("mutation", name, arguments, chosen), arguments))
            assert bool(told) is (name not in OF_ONES_OWN), (name, told)
        tried += 1
    assert tried > 100


async def test_an_auditor_reads_how_others_signed_in_and_ends_no_session(small: Tenant) -> None:
    auditor, other = small.actors[Role.AUDITOR], small.actors[Role.DISPATCHER]
    session = small.row("ses").id
    document = "{ sessions(first: 100) { nodes { id } } loginAttempts(first: 100) { nodes { id } } }"
    seen, hidden = (await ask(auditor, document))["data"], (await ask(other, document))["data"]
    for name, prefix in (("sessions", "ses"), ("loginAttempts", "lat")):
        assert small.row(prefix).id in {one["id"] for one in seen[name]["nodes"]}
        assert small.row(prefix).id not in {one["id"] for one in hidden[name]["nodes"]}
    ending = "mutation ($id: ID!) { revokeSession(input: {id: $id}) { session { id } errors { code } } }"
    assert (await ask(auditor, ending, {"id": session}))["data"]["revokeSession"] == {
        "session": None,
        "errors": [{"code": "NOT_PERMITTED"}],
    }


def test_an_auditor_holds_every_permission_to_see_and_none_else() -> None:
    assert {one for one in ROLES[Role.AUDITOR] if not one.startswith("VIEW_")} == set()
    assert {one for one in Permission if one.startswith("VIEW_")} == ROLES[Role.AUDITOR]


# The head


async def test_the_auditor_takes_the_head_along_and_it_verifies_later(small: Tenant, tmp_path: Path) -> None:
    heads.configure(heads.new_private_key(), tmp_path)
    await sealing.seal_everything()
    await heads.export_heads()
    document = "{ auditHead { seq seal entryCount document publicKey exportedSeq verifiedSeq } }"
    told = (await ask(small.actors[Role.AUDITOR], document))["data"]["auditHead"]
    found = heads.read_document(told["document"], told["publicKey"])
    assert [(one.seq, one.hash) for one in found.heads] == [(told["seq"], told["seal"])]
    assert (told["entryCount"], told["exportedSeq"], told["verifiedSeq"]) == (told["seq"] + 1, told["seq"], None)
    await JournalEntry.filter(organization_id=small.organization_id, seq=told["seq"]).delete()
    broken = (await verify(small.organization_id, head=found.heads[0])).broken
    assert broken is not None
    assert broken.seq == told["seq"]
    heads.configure(None, tmp_path)


async def test_the_compliance_summary_counts_what_is_there(tenant: Tenant) -> None:
    theirs, now = await found("b", 920_000), utc_now()
    for one in (tenant, theirs):
        ours: dict[str, Any] = {"organization_id": one.organization_id}
        await ApiKey.filter(**ours).update(expires_at=None, revoked_at=None)
        await SecurityPolicy.filter(**ours).delete()
        await add_row(SecurityPolicy, **ours, mfa_roles=["ADMINISTRATOR"])
        await AccessRequest.filter(**ours).update(status="PENDING")
    auditor, users = tenant.actors[Role.AUDITOR], User.filter(organization_id=tenant.organization_id, status="ACTIVE")
    active = await users.count()
    mfa = {"kind": "TOTP", "name": "phone", "confirmed_at": now}
    await MfaMethod.filter(organization_id=tenant.organization_id).delete()
    await add_row(MfaMethod, organization_id=tenant.organization_id, user_id=auditor.id, **mfa)
    old = now - timedelta(days=91)
    await users.filter(id=auditor.id).update(created_at=old, last_login_at=old)
    document = "{ complianceSummary { %s } }" % " ".join(  # noqa: UP031  # braces
        to_camel_case(name) for name in ComplianceSummary.__dataclass_fields__
    )
    before = (await ask(auditor, document))["data"]["complianceSummary"]
    # And one who may do the same by a role of the company's own.
    asked = sum("ADMINISTRATOR" in user.roles for user in await users) + 1
    assert before == {
        "pendingAccessRequests": await AccessRequest.filter(organization_id=tenant.organization_id).count(),
        "activeUsers": active, "usersWithoutSecondFactor": active - 1,
        "usersLackingRequiredSecondFactor": asked, "staleAccounts": 1, "lockedAccounts": 0, "keysNearExpiry": 0,
        "keysWithoutExpiry": 1, "failedSignIns": 0, "refusedAttempts": 0, "sensitiveReadings": 0, "headExportedAt": None,
        "journalVerifiedAt": None,
    }  # fmt: skip
    await ApiKey.filter(organization_id=tenant.organization_id).update(expires_at=now + timedelta(days=29))
    await refused(tenant.actors[Role.GUEST], tenant.first.customer_id)
    notes.note_reading(tenant.actors[Role.DISPATCHER], "Site.accessInstructions", tenant.first.rows["site"].id)
    await notes.flush()
    failed = {"login": "a@example.com", "address": "203.0.113.7", "network": "203.0.113.7", "user_agent": "", "at": now}
    await add_row(LoginAttempt, organization_id=tenant.organization_id, outcome="WRONG_PASSWORD", **failed)
    await heads.note_verified_journal(system_actor(tenant.organization_id), 1, "sha256-a")
    after = (await ask(auditor, document))["data"]["complianceSummary"]
    assert after.pop("journalVerifiedAt") is not None
    before.pop("journalVerifiedAt")
    changed = {
        "keysNearExpiry": 1,
        "keysWithoutExpiry": 0,
        "failedSignIns": 1,
        "refusedAttempts": 1,
        "sensitiveReadings": 1,
    }
    assert after == before | changed
