"""A person is erased: planted everywhere, found nowhere; work, money and the chain of seals are as they were."""

import gzip
import os
import zipfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis
from redis.exceptions import RedisError
from tortoise import fields

from app import database as db
from app.customers import commands as customers
from app.customers.models import Contact, Customer, Site
from app.customers.rules import CustomerStatus
from app.identity.commands import privacy
from app.identity.models import DataRequest, User
from app.infrastructure import (
    archives,
    chain,
    erasing,
    journal,
    mail,
    notes,
    outbox,
    retention,
    sealing,
    storage,
    texts,
)
from app.infrastructure.audit import verify
from app.infrastructure.erasing import read_list
from app.infrastructure.jobs import KINDS, Runner
from app.infrastructure.journal import Origin
from app.infrastructure.personal_data import ELSEWHERE, RULES, all_models, suspects
from app.infrastructure.tables import add_row, find_rows, table_of
from app.integrations import reactions
from app.integrations.models import BulkExport
from app.kernel.actor import Actor, system_actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.permissions import Role
from app.messaging.models import Alert, Message
from app.technicians.models import Technician
from app.work_orders.models import LineItem, Note, TimeEntry, WorkOrder
from tests.schema.tenants import Tenant, found

NAME, EMAIL, PHONE = "Zora Quillfeather", "zora@quill.example", "+12125550177"
PLANTED = "planted-"
MARKS = (PLANTED, NAME, NAME.upper(), EMAIL, PHONE, "afirst-renamed")
REDIS = os.environ.get("TRUCKROLL_TEST_REDIS", "redis://127.0.0.1:6379/13")


@pytest.fixture(autouse=True)
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setattr(retention, "FOLLOWERS", {})
    monkeypatch.setattr(retention, "_keepers", [])
    chain.configure(["a key that is known to few people only"])
    archives.configure(tmp_path / "journal")
    storage.configure_exports(tmp_path / "exports")
    outbox.configure(tmp_path / "outbox")
    erasing.configure(tmp_path)
    yield tmp_path
    chain.configure([])


@pytest_asyncio.fixture(loop_scope="session")
async def tenant(database: Dialect) -> Tenant:
    return await found("a", 910_000)


@pytest_asyncio.fixture(loop_scope="session")
async def redis() -> AsyncIterator[Redis | None]:
    client = Redis.from_url(REDIS)
    try:
        await client.ping()
    except (RedisError, OSError):
        yield None
    else:
        await texts.start(REDIS, key="{truckroll:test-erasure}")
        yield client
        await texts.forget()
        await texts.stop()
    finally:
        await client.aclose()


async def every_cell() -> str:
    """The whole database as text, its indexes of words included."""
    sqlite = db.dialect() is Dialect.SQLITE
    names = (
        "SELECT name FROM sqlite_master WHERE type = 'table' AND sql IS NOT NULL"
        if sqlite
        else "SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace"
    )
    parts = []
    for (name,) in await db.read_rows(names):
        rows = await db.read_rows(f'SELECT * FROM "{name}"')
        parts.append("\n".join(" | ".join(_text(cell) for cell in row) for row in rows))
    return "\n".join(parts)


def _text(cell: Any) -> str:
    return cell.decode("utf-8", "replace") if isinstance(cell, bytes) else str(cell)


def every_file(folder: Path) -> str:
    """What is in all files, unpacked."""
    parts = []
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as zipped:
                parts += [zipped.read(name).decode() for name in zipped.namelist()]
        elif path.suffix == ".gz":
            parts.append(gzip.decompress(path.read_bytes()).decode())
        else:
            parts.append(path.read_bytes().decode("utf-8", "replace"))
    return "\n".join(parts)


def marks_in(text: str) -> set[str]:
    return {mark for mark in MARKS if mark in text}


async def about(tenant: Tenant, ids: list[str]) -> dict[str, list[Any]]:
    """The rows that name one of some ids, or a row that does, table by table; by their cells, not by any rule."""
    known, rows = set(ids), dict[str, list[Any]]()
    models = [
        one for one in all_models() if "organization_id" in one._meta.fields_map and "journal" not in table_of(one)
    ]
    for _ in range(2):
        rows = {}
        for model in models:
            for row in await model.filter(organization_id=tenant.organization_id):
                if {one for one in dict(row).values() if isinstance(one, str)} & known:
                    rows.setdefault(table_of(model), []).append(row)
        known = {
            *ids,
            *(row.id for row in rows.get("work_order", [])),
            *(row.id for row in rows.get("conversation", [])),
        }
    return rows


async def plant(tenant: Tenant, ids: list[str]) -> set[str]:
    """Write marks into every column that looks personal of every row about somebody, but those that stay; which tables."""
    tables, number = set(), 0
    for table, rows in (await about(tenant, ids)).items():
        for row in rows:
            rule = RULES[type(row)]
            for name in suspects(type(row)):
                made = type(row)._meta.fields_map[name]
                is_id = name.endswith(("_id", "_ids", "_by", "_kind")) and name != "external_id"
                if rule.why or name in rule.keeps or is_id or not isinstance(made, fields.CharField | fields.TextField):
                    continue
                if name == "author_name" and row.author_id not in ids:
                    continue  # somebody else's name
                if row.id in ids and name in ("legal_name", "name", "email", "phone"):
                    continue
                number += 1
                mark = f"{NAME} {number}" if name in rule.mentions or name == rule.recipient else f"{PLANTED}{number}"
                if getattr(made, "max_length", 99) >= len(mark):
                    await type(row).filter(id=row.id).update(**{name: mark})
                    tables.add(table)
    return tables


async def a_life(tenant: Tenant, folder: Path) -> dict[str, str]:
    """Who is to be erased, as a customer and as a technician who was one of us; with names, mail and files."""
    manager = tenant.actors[Role.ADMINISTRATOR]
    customer, technician = tenant.first.customer_id, tenant.first.technician_id
    user = (await Technician.get(id=technician)).user_id
    assert user is not None
    await Customer.filter(id=customer).update(
        name=NAME, email=EMAIL, phone=PHONE, type="RESIDENTIAL", status=CustomerStatus.INACTIVE.value
    )
    await Contact.filter(customer_id=customer).update(name=NAME, email=EMAIL, phone=PHONE)
    await User.filter(id=user).update(legal_name=NAME, email=EMAIL, phone=PHONE, status="DEACTIVATED")
    for theirs in ({"customer_id": customer}, {"technician_id": technician}):
        await User.filter(**theirs).update(status="DEACTIVATED")
    await Technician.filter(id=technician).update(name=NAME, phone=PHONE, email=EMAIL, is_active=False)
    await mail.send(manager, EMAIL, "Your visit", f"Dear {NAME}, we come at nine.")
    await mail.send(manager, "boss@example.com", "Complaint", f"{NAME.upper()} called.")
    await Runner(kinds={outbox.DELIVER: KINDS[outbox.DELIVER]}).run_due()
    await texts.keep("a", f'{{ customers(filter: {{ name: {{ eq: "{NAME}" }} }}) {{ nodes {{ id }} }} }}')
    await sealing.seal_everything()
    await retention.archive(tenant.organization_id, utc_now())
    return {"customer": customer, "technician": technician, "user": user}


async def figures(tenant: Tenant) -> list[Any]:
    """Money, hours and the order of the work."""
    ours = {"organization_id": tenant.organization_id}
    return [
        sorted(await LineItem.filter(**ours).values_list("id", "amount", "currency", "quantity")),
        sorted(await TimeEntry.filter(**ours).values_list("id", "worked_minutes", "technician_id")),
        sorted(await WorkOrder.filter(**ours).values_list("id", "number", "status", "customer_id", "submitted_at")),
        sorted(await Site.filter(**ours).values_list("id", "city", "customer_id")),
    ]


async def erased(tenant: Tenant, person_id: str) -> DataRequest:
    boss = tenant.actors[Role.ADMINISTRATOR]
    id = await privacy.request_erasure(boss, person_id=person_id, reason="asked by letter")
    await identity_approve(boss, id)
    await Runner(kinds={privacy.JOB: KINDS[privacy.JOB]}).run_due()
    return await DataRequest.get(id=id)


async def identity_approve(boss: Actor, id: str) -> None:
    await privacy.approve_data_request(boss, id)


async def test_an_erased_person_is_found_nowhere_and_work_money_and_seals_stay(
    tenant: Tenant, places: Path, redis: Redis | None
) -> None:
    who = await a_life(tenant, places)
    planted = await plant(tenant, list(who.values()))
    assert planted >= {
        "absence",
        "alert",
        "contact",
        "customer",
        "equipment",
        "message",
        "note",
        "site",
        "user",
        "work_order",
    }
    assert marks_in(await every_cell()) | marks_in(every_file(places)) == set(MARKS)
    assert marks_in(every_file(places)) >= {NAME, EMAIL, "afirst-renamed"}
    before = await figures(tenant)
    others = [one async for one in others_texts(tenant)]
    for person in (who["customer"], who["technician"]):
        done = await erased(tenant, person)
        assert (done.status, done.error, done.called) == ("DONE", None, "")
        assert done.rows["journal"] > 0
    assert reactions.forget_in_exports in ELSEWHERE and not await BulkExport.filter(status="READY").exists()
    cells = await every_cell()
    assert marks_in(cells) == set(), [line for line in cells.splitlines() if marks_in(line)][:5]
    assert marks_in(every_file(places)) == set()
    if redis is not None:
        assert not [key async for key in redis.scan_iter("*test-erasure*")]
    assert await figures(tenant) == before
    assert [one async for one in others_texts(tenant)] == others
    await sealing.seal_everything()
    verdict = await verify(tenant.organization_id)
    assert (verdict.broken, verdict.sealed) == (None, verdict.facts)
    assert [one.person_id for one in read_list()] == [who["customer"], who["technician"]]
    copy = places / "copy.zip"
    await erasing.write_copy(tenant.organization_id, who["customer"], copy)
    assert marks_in(every_file(places)) == set()


async def test_a_copy_tells_neither_what_only_the_company_reads_nor_from_where_others_came(
    sqlite_database: Dialect, places: Path
) -> None:
    tenant = await found("a", 910_000)
    boss, customer = tenant.actors[Role.ADMINISTRATOR], tenant.first.customer_id
    household = tenant.actors[Role.RESIDENTIAL_CUSTOMER]
    theirs = {"organization_id": tenant.organization_id, "customer_id": customer}
    with journal.coming_from(Origin("203.0.113.7", "Firefox/140")):
        await customers.update_customer(boss, customer, notes="pays late")
    notes.start()
    notes.note_reading(boss, "Customer.phone", customer)
    await notes.flush(everything=True)
    notes.stop()
    await Message.filter(**theirs).update(visibility="INTERNAL", text="never again")
    order = await WorkOrder.filter(**theirs).first()
    assert order is not None
    said = {
        "organization_id": tenant.organization_id,
        "work_order_id": order.id,
        "author_kind": "USER",
        "author_id": boss.id,
    }
    for visibility in ("INTERNAL", "CUSTOMER"):
        await add_row(
            Note, **said, author_name="Boss", visibility=visibility, text=f"note for {visibility}", at=utc_now()
        )
    with journal.coming_from(Origin("198.51.100.4", "Safari/20")):
        await privacy.request_data_export(household, person_id=household.id)
    await erasing.write_copy(tenant.organization_id, customer, places / "copies" / "copy.zip")
    told = every_file(places / "copies")
    assert {
        one for one in ("CustomerUpdated", "note for CUSTOMER", order.summary, "198.51.100.4") if one not in told
    } == set()
    secrets = (
        "pays late",
        "never again",
        "note for INTERNAL",
        "203.0.113.7",
        "Firefox",
        "SensitiveDataRead",
        '"alert"',
    )
    assert {one for one in secrets if one in told} == set()
    assert await Alert.filter(**theirs).exists()


async def others_texts(tenant: Tenant) -> AsyncIterator[Any]:
    """What is known of somebody else of the same company."""
    second = tenant.second
    for model, id in ((Customer, second.customer_id), (Technician, second.technician_id)):
        yield dict((await model.filter(id=id).values())[0])
    for model in (Site, Contact, WorkOrder):
        for row in await model.filter(customer_id=second.customer_id).order_by("id").values():
            yield dict(row)


@pytest.mark.parametrize("left_out", ["absence", "contact", "site", "message"])
async def test_a_table_that_is_left_out_of_the_rules_is_found(
    left_out: str, sqlite_database: Dialect, places: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tenant = await found("a", 910_000)
    who = await a_life(tenant, places)
    await plant(tenant, list(who.values()))
    [model] = [one for one in RULES if table_of(one) == left_out]
    monkeypatch.delitem(RULES, model)
    system = system_actor(tenant.organization_id)
    await erasing.erase(system, "dr_1", who["customer"], [])
    await erasing.erase(system, "dr_1", who["technician"], [])
    assert PLANTED in await every_cell() or NAME in await every_cell()
    assert await find_rows(model, model.visible_to(system))  # type: ignore[type-var, attr-defined]
