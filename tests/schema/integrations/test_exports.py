"""Bulk exports: what is asked, what is in the file, for whose eyes, and what happens when something happens."""

import asyncio
import csv
import io
from datetime import timedelta
from pathlib import Path
from typing import Any

import orjson
import pytest
import pytest_asyncio

from app import database
from app.customers import commands as customers
from app.customers.models import Customer, Site
from app.identity.models import ApiKey, User
from app.infrastructure import limits, storage
from app.infrastructure.jobs import KINDS, JobContext, Runner
from app.infrastructure.models import Job
from app.infrastructure.tables import add_row
from app.integrations import commands, reactions, rules
from app.integrations.commands.exports import JOB
from app.integrations.models import BulkExport
from app.integrations.rules import ExportFormat
from app.kernel.actor import Actor, ActorKind
from app.kernel.allowances import Allowance
from app.kernel.budgets import Caller
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.ids import new_id
from app.kernel.permissions import Permission, Role
from schema.integrations import exporting
from schema.kit import Context, plain_data, problems, walking
from schema.kit.limits import GraphQLRequest
from schema.kit.persisted import KnownDocuments
from schema.kit.service import GraphQLService
from schema.kit.walking import Walk
from schema.schema import api
from tests.schema.asking import ask, heard
from tests.schema.integrations.exports import (
    CUSTOMERS,
    Office,
    an_office,
    content,
    exported,
    lines,
    request,
    requested,
    row_of,
    shown,
    work,
)

HOSTILE = [
    "=1+1", "+1", "-1+2", "@SUM(A1)", "\tcell", "plain", "'t Hof", "'=quoted", "''=twice", 'say "hi"', "a,b", "a\nb",
    "-12.50", "+49 30 1234", "1e5", "naïve ☕", " lead", "null", "",
]  # fmt: skip

ASK_FOR = 'bulkExport(input: {document: "%s"}) { bulkExport { id } errors { code } }'


@pytest.fixture(autouse=True)
def strict(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(problems, "STRICT", True)


@pytest_asyncio.fixture
async def office(database: Dialect, tmp_path: Path) -> Office:
    return await an_office(tmp_path)


def small_pages(monkeypatch: pytest.MonkeyPatch, rows: int = 3, below: int = 2) -> None:
    monkeypatch.setattr(walking, "PAGE_SIZE_MAX", rows)
    monkeypatch.setattr(walking, "LIST_PAGE_SIZE", below)


def each_page_noted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exporting, "PROGRESS_SECONDS", 0.0)


def files(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "exports").glob("*"))


# What is in the file


async def test_a_file_has_every_row_once_as_the_api_shows_it_in_the_order_of_the_ids(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    rows = await office.customers(10)
    chosen = "{ id name type email creditLimit createdAt __typename accountManager { id } note: notes }"
    found = lines(await exported(office.boss, f"{{ customers {{ nodes {chosen} }} }}"))
    assert [one["id"] for one in found] == sorted(row.id for row in rows)
    answer = await ask(office.boss, f"{{ customers(first: 100) {{ nodes {chosen} }} }}")
    assert found == sorted(answer["data"]["customers"]["nodes"], key=lambda one: one["id"])
    assert list(found[0]) == [
        "id", "name", "type", "email", "creditLimit", "createdAt", "__typename", "accountManager", "note",
    ]  # fmt: skip


async def test_an_export_says_how_far_it_is_and_when_it_is_ready(office: Office) -> None:
    await office.customers(4)
    payload = await request(office.boss, fileName="../our: people", format="NDJSON")
    export = payload["bulkExport"]
    assert payload["errors"] == []
    assert (export["status"], export["url"], export["cursor"], export["estimatedRows"]) == ("QUEUED", None, None, None)
    assert (export["fileName"], export["root"]) == ("our people.ndjson", "customers")
    assert await work() == 1
    ready = await shown(office.boss, export["id"])
    assert (ready["status"], ready["rowCount"], ready["lineCount"], ready["estimatedRows"]) == ("READY", 4, 4, 4)
    assert ready["byteCount"] == len(await content(export["id"]))
    assert ready["url"].startswith(f"/exports/{export['id']}?for={office.boss.id}&until=")
    kept = await row_of(export["id"])
    assert kept.expires_at is not None and kept.finished_at is not None
    assert kept.expires_at - kept.finished_at == timedelta(days=7)


async def test_rows_of_lists_below_follow_on_lines_of_their_own_however_many_there_are(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    few, none, many = await office.customers(3)
    sites = {few.id: await office.sites(few, 1), none.id: [], many.id: await office.sites(many, 7)}
    document = """query($active: Boolean) { customers { nodes { name
        sites(filter: {isActive: {eq: $active}}) { nodes { ...S customer { name } } } other: sites { nodes { name } } } } }
        fragment S on Site { id where: addressLine }"""
    found = lines(await exported(office.boss, document, variables={"active": True}))
    expected: list[dict[str, Any]] = []
    for row in (few, none, many):
        expected.append({"id": row.id, "name": row.name})
        expected += [
            {"id": site.id, "where": site.address_line, "customer": {"name": row.name}, "__parentId": row.id,
             "__list": "sites"}
            for site in sites[row.id]
        ]  # fmt: skip
        expected += [
            {"id": site.id, "name": site.name, "__parentId": row.id, "__list": "other"} for site in sites[row.id]
        ]
    assert found == expected


async def test_lists_below_lists_and_below_single_rows_name_the_row_they_belong_to(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_pages(monkeypatch)
    [row] = await office.customers(1)
    sites = await office.sites(row, 3)
    document = "{ sites { nodes { id customer { sites { nodes { id customer { sites { nodes { name } } } } } } } } }"
    found = lines(await exported(office.boss, document))
    assert len(found) == 3 + 3 * 3 + 3 * 3 * 3
    below = [one for one in found if "__parentId" in one]
    assert {(one["__parentId"], one["__list"]) for one in below} == {(row.id, "sites")}
    assert sorted(one["name"] for one in found if "name" in one) == sorted(
        site.name for site in sites for _ in range(9)
    )


async def test_a_table_comes_back_from_csv_as_it_was_whatever_stands_in_it(office: Office) -> None:
    rows = await office.customers(len(HOSTILE))
    for row, text in zip(rows, HOSTILE, strict=True):
        await Customer.filter(id=row.id).update(notes=text, email=None)
    document = "{ customers { nodes { id notes email accountManager { name: legalName } } } }"
    data = await exported(office.boss, document, format="CSV")
    header, *cells = list(csv.reader(io.StringIO(data.decode(), newline=""), strict=True))
    assert header == ["id", "notes", "email", "accountManager.name"]
    assert [[row[0], rules.unguarded(row[1])] for row in cells] == [
        [row.id, text] for row, text in zip(rows, HOSTILE, strict=True)
    ]
    starts = {row[1][0] for row in cells if row[1]}
    assert starts & set("=+@\t") == set()
    assert [row[1] for row in cells if row[1].startswith("-")] == ["-12.50"]
    assert data.endswith(b'"",,\r\n'), "an empty text is told from no value"


async def test_a_csv_file_may_begin_with_a_byte_order_mark_and_has_a_header_when_there_is_no_row(
    office: Office,
) -> None:
    site = "{ sites { nodes { name customer { name number: accountNumber } openingHours } } }"
    data = await exported(office.boss, site, format="CSV", byteOrderMark=True)
    assert data == b'\xef\xbb\xbf"name","customer.name","customer.number","openingHours"\r\n'


async def test_lists_of_values_are_json_in_a_cell(office: Office) -> None:
    [row] = await office.customers(1)
    [site] = await office.sites(row, 1)
    await Site.filter(id=site.id).update(opening_hours={"0": [["08:00", "17:00"]]})
    shown_hours = (await ask(office.boss, "{ sites { nodes { openingHours } } }"))["data"]["sites"]["nodes"]
    data = await exported(office.boss, "{ sites { nodes { openingHours isActive } } }", format="CSV")
    [[hours, active]] = list(csv.reader(io.StringIO(data.decode())))[1:]
    assert orjson.loads(hours) == shown_hours[0]["openingHours"]
    assert active == "true"


async def test_an_empty_list_is_an_empty_file(office: Office) -> None:
    assert await exported(office.boss, "{ workOrders { nodes { id } } }") == b""


async def test_a_filter_narrows_the_file_and_a_false_include_leaves_a_field_out(office: Office) -> None:
    await office.customers(2, "Keep")
    await office.customers(2, "Drop")
    document = """query($f: CustomerFilter, $more: Boolean = false) {
        customers(filter: $f) { nodes { name email @include(if: $more) } } }"""
    found = lines(await exported(office.boss, document, variables={"f": {"name": {"startsWith": "Keep"}}}))
    assert [sorted(one) for one in found] == [["id", "name"]] * 2
    assert {one["name"] for one in found} == {"Keep 0", "Keep 1"}


async def test_a_page_is_found_by_the_ids_without_sorting_all_that_a_company_has(
    sqlite_database: Dialect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each page costs the same, however long the list is. The control: another list goes through all the company's rows."""
    office = await an_office(tmp_path)
    await office.customers(3)
    asked: list[tuple[str, list[Any]]] = []
    read_rows = database.read_rows

    async def noted(sql: str, values: list[Any]) -> list[Any]:
        asked.append((sql, values))
        return await read_rows(sql, values)

    async def goes_by_id() -> bool:
        sql, values = next(one for one in asked if "accountNumber" in one[0] or "account_number" in one[0])
        asked.clear()
        plan = await read_rows(f"EXPLAIN QUERY PLAN {sql}", values)
        return any("sqlite_autoindex_customer_1" in str(step[3]) for step in plan)

    monkeypatch.setattr(database, "read_rows", noted)
    small_pages(monkeypatch, rows=2)
    walk = exporting._walk(office.boss, "{ customers { nodes { accountNumber } } }", {}, ExportFormat.NDJSON)

    async def asker() -> Actor:
        return office.boss

    first = await walk.page(asker, None)
    assert await goes_by_id()
    await walk.page(asker, first[-1]["__id"])
    assert await goes_by_id()
    await ask(office.boss, "{ customers(first: 2, orderBy: {field: CREATED_AT}) { nodes { accountNumber } } }")
    assert not await goes_by_id()


# What is refused


@pytest.mark.parametrize(
    ("document", "variables", "path"),
    [
        ("{", {}, "document"),
        ("{ nothing }", {}, "document"),
        ("{ customers { nodes { nothing } } }", {}, "document"),
        ("{ viewer { __typename } }", {}, "document"),
        ("{ customers { nodes { id } } sites { nodes { id } } }", {}, "document"),
        ("{ customers { nodes { id } } __typename }", {}, "document"),
        ("query A { customers { nodes { id } } } query B { sites { nodes { id } } }", {}, "document"),
        ("mutation { signOut { errors { code } } }", {}, "document"),
        ("subscription { customerChanged { cursor } }", {}, "document"),
        ("{ customers { totalCount } }", {}, "document"),
        ("{ customers { nodes { id } pageInfo { hasNextPage } } }", {}, "document"),
        ("{ customers { edges { node { id } } } }", {}, "document"),
        ("{ customers { a: nodes { id } b: nodes { id } } }", {}, "document"),
        ("{ customers(first: 5) { nodes { id } } }", {}, "document"),
        ('{ customers(after: "x") { nodes { id } } }', {}, "document"),
        ("{ customers(orderBy: {field: NAME}) { nodes { id } } }", {}, "document"),
        ("{ customers { nodes { sites(first: 3) { nodes { id } } } } }", {}, "document"),
        ("{ customers { nodes { sites { totalCount } } } }", {}, "document"),
        ("query($a: Int!) { customers { nodes { id } } }", {"a": 1}, "document"),
        ("query($f: CustomerFilter!) { customers(filter: $f) { nodes { id } } }", {}, "variables"),
        ("query($f: CustomerFilter) { customers(filter: $f) { nodes { id } } }", {"f": {"x": 1}}, "variables"),
        ("{ customers { nodes { id } } }", {"__first": 1000}, "variables"),
        ("{ customers { nodes { id } } }", [], "variables"),
        ("{ customers { nodes { sites { nodes { customer { sites { nodes { customer { sites { nodes { id } } } } } } } } } } }",
         {}, "document"),
    ],
)  # fmt: skip
async def test_what_cannot_be_exported_is_said_at_once_and_nothing_is_queued(
    office: Office, document: str, variables: Any, path: str
) -> None:
    payload = await request(office.boss, document, variables=variables)
    assert [(one["code"], one["path"]) for one in payload["errors"]] == [("INVALID_INPUT", [path])]
    assert payload["bulkExport"] is None
    assert (await BulkExport.all().count(), await Job.all().count()) == (0, 0)


@pytest.mark.parametrize(
    "document",
    [
        "{ customers { nodes { __id: name } } }",
        "{ customers { nodes { ...f } } } fragment f on Customer { sites { nodes { __anything: id } } }",
        "{ __root: customers { nodes { id } } }",
        "query($__id: String) { customers(filter: {name: {eq: $__id}}) { nodes { id } } }",
        "query($__first: String) { customers(filter: {name: {eq: $__first}}) { nodes { id } } }",
    ],
)
async def test_a_document_leaves_the_walk_its_names(office: Office, document: str) -> None:
    payload = await request(office.boss, document)
    [error] = payload["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["document"])
    assert "two underscores" in error["message"]
    assert (payload["bulkExport"], await BulkExport.all().count()) == (None, 0)
    plain = await request(office.boss, document.replace("__", "_"))
    assert plain["errors"] == []


@pytest.mark.parametrize(
    "document",
    [
        "{ sites { nodes { id code: accessInstructions } } }",
        "{ customers { nodes { ...f } } } fragment f on Customer { sites { nodes { accessInstructions } } }",
    ],
)
async def test_what_is_kept_encrypted_goes_into_no_file(office: Office, document: str) -> None:
    [error] = (await request(office.boss, document))["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["document"])
    assert "accessInstructions is kept encrypted" in error["message"]
    assert await BulkExport.all().count() == 0


async def test_a_table_has_no_lists_below_its_rows(office: Office) -> None:
    payload = await request(office.boss, "{ customers { nodes { sites { nodes { id } } } } }", format="CSV")
    assert [one["message"] for one in payload["errors"]] == [
        "A CSV file is one table: export lists below their rows as NDJSON."
    ]


@pytest.mark.parametrize(
    ("roles", "document", "missing"),
    [
        ([Role.DISPATCHER], CUSTOMERS, "EXPORT_DATA"),
        ([Role.FINANCE], "{ apiKeys { nodes { id } } }", "MANAGE_API_KEYS"),
        ([Role.QUALITY_MANAGER], "{ technicians { nodes { id costPerHour } } }", "VIEW_TECHNICIAN_COSTS"),
    ],
)
async def test_who_may_not_read_something_may_not_export_it_either(
    office: Office, roles: list[Role], document: str, missing: str
) -> None:
    payload = await request(await office.person(*roles), document)
    assert [(one["code"], one.get("permission")) for one in payload["errors"]] == [("NOT_PERMITTED", missing)]
    assert await BulkExport.all().count() == 0


async def test_where_documents_must_be_trusted_an_export_is_made_of_a_trusted_one(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = KnownDocuments({"one": CUSTOMERS}, only_trusted=True)
    monkeypatch.setattr(exporting, "_require_trusted", known.require_trusted)
    assert (await request(office.boss))["errors"] == []
    other = await request(office.boss, "{ sites { nodes { id } } }")
    assert [(one["code"], one["path"]) for one in other["errors"]] == [("INVALID_INPUT", ["document"])]


def pages_read(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The lists of which a page is read from now on."""
    read: list[str] = []
    page = Walk.page

    async def noted(walk: Walk, *args: Any) -> Any:
        read.append(walk.root)
        return await page(walk, *args)

    monkeypatch.setattr(Walk, "page", noted)
    return read


async def test_each_try_out_is_paid_for_as_the_query_that_it_is_and_not_begun_by_who_cannot(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = pages_read(monkeypatch)
    await limits.start("memory://")
    service = GraphQLService(
        api, introspection="everybody", once=frozenset(), budgets=dict.fromkeys(Caller, Allowance(150, 1))
    )
    document = "{ customers { nodes { id sites { nodes { id } } } } }"  # of one row: 1 + 1 + 1 + 50
    export = ASK_FOR % document
    asked = GraphQLRequest(f"mutation {{ a: {export} b: {export} c: {export} }}", None, {})
    answer = plain_data(await service.run(asked, Context(office.boss)))
    codes = [[one["code"] for one in answer["data"][key]["errors"]] for key in "abc"]
    assert codes == [[], [], ["RATE_LIMITED"]]
    assert read == ["customers", "customers"]
    cost = answer["extensions"]["cost"]
    assert (cost["requested"], cost["actual"]) == (3 * 12 + 2 * 53, 3 * 12 + 2 * 53)
    assert cost["budget"]["available"] == 150 - 3 * 12 - 2 * 53
    await limits.stop()


async def test_without_room_nothing_is_read_and_one_asked_for_again_is_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    document = f"mutation {{ {ASK_FOR % CUSTOMERS} }}"
    service = GraphQLService(api, introspection="everybody", once=frozenset())

    async def sent(key: str) -> Any:
        context = Context(office.boss, idempotency_key=key)
        return plain_data(await service.run(GraphQLRequest(document, None, {}), context))["data"]["bulkExport"]

    first = await sent("first")
    for _ in range(4):
        await requested(office.boss)
    read = pages_read(monkeypatch)
    assert [one["code"] for one in (await sent("sixth"))["errors"]] == ["LIMIT_REACHED"]
    assert await sent("first") == first
    assert read == []


async def test_so_many_at_a_time_are_under_way_and_no_more(office: Office) -> None:
    other = await office.person(Role.OPERATIONS_MANAGER)
    ids = [await requested(actor) for actor in (office.boss, other, office.boss, other, office.boss)]
    payload = await request(other)
    assert [(one["code"], one["limit"]) for one in payload["errors"]] == [("LIMIT_REACHED", 5)]
    await commands.cancel_bulk_export(office.boss, ids[0])
    assert (await request(other))["errors"] == []


async def test_many_who_ask_at_once_get_no_more_than_so_many(office: Office) -> None:
    payloads = await asyncio.gather(*(request(office.boss) for _ in range(12)))
    codes = [[one["code"] for one in payload["errors"]] for payload in payloads]
    assert codes.count([]) == 5
    assert {code for one in codes for code in one} <= {"LIMIT_REACHED", "UNAVAILABLE"}
    assert await BulkExport.filter(status="QUEUED").count() == 5


async def test_a_customers_account_has_a_place_of_its_own(office: Office) -> None:
    ours, theirs = await office.customers(2)
    owner = await office.person(Role.ACCOUNT_ADMINISTRATOR, customer_id=ours.id)
    neighbor = await office.person(Role.ACCOUNT_ADMINISTRATOR, customer_id=theirs.id)
    for _ in range(5):
        await requested(office.boss)
    await requested(owner)
    assert [one["limit"] for one in (await request(owner))["errors"]] == [1]
    await requested(neighbor)


async def test_a_file_that_grows_too_large_is_given_up(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await office.customers(20)
    monkeypatch.setattr(storage.exports(), "bytes_max", 500)
    id = await requested(office.boss)
    await work()
    export = await shown(office.boss, id)
    assert (export["status"], export["errorCode"], export["url"]) == ("FAILED", "LIMIT_REACHED", None)
    assert files(tmp_path) == []


# For whose eyes


async def test_a_customers_file_has_that_account_only_and_others_do_not_see_the_export(office: Office) -> None:
    ours, theirs = await office.customers(2)
    mine = await office.sites(ours, 3)
    await office.sites(theirs, 3)
    owner = await office.person(Role.RESIDENTIAL_CUSTOMER, customer_id=ours.id)
    neighbor = await office.person(Role.ACCOUNT_ADMINISTRATOR, customer_id=theirs.id)
    manager = await office.person(Role.OPERATIONS_MANAGER)
    id = await requested(owner, "{ sites { nodes { id customer { name } } } }")
    await work()
    assert [one["id"] for one in lines(await content(id))] == [site.id for site in mine]
    assert (await shown(owner, id))["url"] is not None
    assert (await shown(office.boss, id))["url"] is not None, "an administrator may see all that the customer may"
    for stranger in (neighbor, manager):
        assert await shown(stranger, id) is None
        answer = await ask(stranger, "{ bulkExports { totalCount nodes { id } } }")
        assert answer["data"]["bulkExports"] == {"totalCount": 0, "nodes": []}


async def test_who_manages_the_company_gets_no_link_to_what_they_may_not_see(office: Office) -> None:
    key = await a_key(office, [Permission.EXPORT_DATA, Permission.MANAGE_ORGANIZATION])
    await office.customers(1)
    id = await requested(office.boss)
    await work()
    seen = await shown(key, id)
    assert (seen["status"], seen["url"]) == ("READY", None)


async def a_key(office: Office, scopes: list[Permission]) -> Actor:
    row = await add_row(
        ApiKey, organization_id=office.organization_id, name="CRM", shown_prefix="trk_x", secret_hash=new_id("usr"),
        scopes=[scope.value for scope in scopes],
    )  # fmt: skip
    return Actor(office.organization_id, ActorKind.API_KEY, row.id, frozenset({Role.PARTNER}), frozenset(scopes))


def after_first_page(monkeypatch: pytest.MonkeyPatch, happening: Any) -> None:
    """Something happens when a first page was read and the second is about to be."""
    page = Walk.page
    asked = 0

    async def page_after_that(self: Walk, asker: Any, after: Any, size: Any = None) -> Any:
        nonlocal asked
        asked += 1
        if asked == 2:
            await happening()
        return await page(self, asker, after, size)

    monkeypatch.setattr(Walk, "page", page_after_that)


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"roles": ["DISPATCHER"]}, "NOT_PERMITTED"),
        ({"status": "DEACTIVATED"}, "NOT_AUTHENTICATED"),
        ({"roles": ["FINANCE"]}, "ACCESS_CHANGED"),
        ({"roles": ["ADMINISTRATOR", "TECHNICIAN"]}, None),
    ],
)
async def test_what_the_asker_may_no_longer_see_is_not_written_and_what_was_written_is_deleted(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, change: dict[str, Any], code: str | None
) -> None:
    small_pages(monkeypatch)
    each_page_noted(monkeypatch)
    await office.customers(7)
    asker = await office.person(Role.ADMINISTRATOR)
    id = await requested(asker)
    after_first_page(monkeypatch, lambda: User.filter(id=asker.id).update(**change))
    await work()
    export = await shown(office.boss, id)
    assert (export["status"], export["errorCode"]) == (("FAILED", code) if code else ("READY", None))
    assert len(files(tmp_path)) == (0 if code else 1)


async def test_a_key_that_was_revoked_meanwhile_gets_no_file(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_pages(monkeypatch)
    await office.customers(7)
    key = await a_key(office, [Permission.EXPORT_DATA, Permission.VIEW_CUSTOMERS])
    id = await requested(key)
    after_first_page(monkeypatch, lambda: ApiKey.filter(id=key.id).update(revoked_at=utc_now()))
    await work()
    export = await shown(office.boss, id)
    assert (export["status"], export["errorCode"]) == ("FAILED", "NOT_AUTHENTICATED")
    assert files(tmp_path) == []


async def test_a_customer_moved_to_another_account_gets_no_file_of_the_first(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_pages(monkeypatch)
    ours, theirs = await office.customers(2)
    await office.sites(ours, 7)
    owner = await office.person(Role.ACCOUNT_ADMINISTRATOR, customer_id=ours.id)
    id = await requested(owner, "{ sites { nodes { id } } }")
    after_first_page(monkeypatch, lambda: User.filter(id=owner.id).update(customer_id=theirs.id))
    await work()
    assert (await row_of(id)).error_code == "ACCESS_CHANGED"
    assert files(tmp_path) == []


# What happens when something happens


class Killed(BaseException):
    """The process dies at this place."""


async def dies_at_page(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """A worker that writes until a page, and is gone: nothing is tidied up, and its lease runs out."""
    page = Walk.page
    asked = 0

    async def page_or_death(self: Walk, asker: Any, after: Any, size: Any = None) -> Any:
        nonlocal asked
        asked += 1
        if asked == number:
            raise Killed
        return await page(self, asker, after, size)

    async def nothing(self: Any) -> None:
        self._file.close()

    with monkeypatch.context() as patch:
        patch.setattr(Walk, "page", page_or_death)
        patch.setattr(exporting._Writer, "leave", nothing)
        [job] = await Job.filter(kind=JOB)
        await Job.filter(id=job.id).update(status="RUNNING", runner="dead", attempts=job.attempts + 1)
        [job] = await Job.filter(kind=JOB)
        with pytest.raises(Killed):
            await exporting.write_export(JobContext(job))
    await Job.filter(id=job.id).update(lease_until=utc_now() - timedelta(seconds=1))


@pytest.mark.parametrize("format", ["NDJSON", "CSV"])
async def test_who_goes_on_after_a_crash_loses_and_repeats_no_line(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, format: str
) -> None:
    small_pages(monkeypatch)
    each_page_noted(monkeypatch)
    rows = await office.customers(20)
    id = await requested(office.boss, format=format)
    for number in (3, 1, 4):
        await dies_at_page(number, monkeypatch)
        # What was written after the last note is there too, half a line of it: it does not count.
        [part] = [
            path
            for path in (tmp_path / "exports").glob("*")
            if path.name.startswith((await row_of(id)).position["file"])
        ]
        with part.open("ab") as file:
            file.write(b'{"id": "half a li')
    noted = await row_of(id)
    assert noted.row_count == 15
    cursor = noted.cursor
    assert await work() == 1
    done = await row_of(id)
    assert (done.status, done.row_count, done.cursor) == ("READY", 20, cursor)
    found = [row.id for row in rows]
    if format == "CSV":
        assert [row[0] for row in csv.reader(io.StringIO((await content(id)).decode()))] == ["id", *found]
    else:
        assert [one["id"] for one in lines(await content(id))] == found
    await reactions.tidy_exports()
    assert files(tmp_path) == [done.position["file"]]


async def test_one_whose_file_is_gone_begins_anew(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_pages(monkeypatch)
    each_page_noted(monkeypatch)
    rows = await office.customers(8)
    id = await requested(office.boss)
    await dies_at_page(3, monkeypatch)
    for path in (tmp_path / "exports").glob("*"):
        path.unlink()
    await work()
    assert [one["id"] for one in lines(await content(id))] == [row.id for row in rows]


async def test_one_who_was_given_up_for_dead_and_comes_to_changes_nothing(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_pages(monkeypatch)
    each_page_noted(monkeypatch)
    rows = await office.customers(8)
    id = await requested(office.boss)
    [job] = await Job.filter(kind=JOB)

    async def another_takes_over() -> None:
        other = await commands.begin_export(office_system(office), id)
        assert other is not None and other.runner == 2
        writer = exporting._Writer(JobContext(job), other)
        await writer.write()
        await writer.leave()

    after_first_page(monkeypatch, another_takes_over)
    await exporting.write_export(JobContext(job))
    done = await row_of(id)
    assert (done.status, done.row_count) == ("READY", 8)
    assert [one["id"] for one in lines(await content(id))] == [row.id for row in rows]
    assert files(tmp_path) == [done.position["file"]] == [f"{id}.2"]


def office_system(office: Office) -> Actor:
    return Actor(office.organization_id, ActorKind.SYSTEM, "system", frozenset(), frozenset(Permission))


async def test_a_worker_that_stops_leaves_the_rest_to_the_next(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_pages(monkeypatch)
    each_page_noted(monkeypatch)
    rows = await office.customers(8)
    id = await requested(office.boss)
    runner = Runner(kinds={JOB: KINDS[JOB]}, poll_seconds=0.02)
    at_second = asyncio.Event()

    async def stop() -> None:
        at_second.set()
        await asyncio.sleep(0.2)

    with monkeypatch.context() as patch:
        after_first_page(patch, stop)
        running = asyncio.create_task(runner.run())
        await at_second.wait()
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert (await row_of(id)).status == "RUNNING"
    await work()
    assert [one["id"] for one in lines(await content(id))] == [row.id for row in rows]
    assert len(files(tmp_path)) == 1


async def test_one_that_waits_is_canceled_at_once_and_one_under_way_at_its_next_page(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    small_pages(monkeypatch)
    each_page_noted(monkeypatch)
    await office.customers(8)
    waiting, running = await requested(office.boss), await requested(office.boss)
    cancel = (
        "mutation($i: CancelBulkExportInput!) { cancelBulkExport(input: $i) { bulkExport { status } errors { code } } }"
    )
    answer = await ask(office.boss, cancel, {"i": {"id": waiting}})
    assert answer["data"]["cancelBulkExport"] == {"bulkExport": {"status": "CANCELED"}, "errors": []}
    after_first_page(monkeypatch, lambda: commands.cancel_bulk_export(office.boss, running))
    await work()
    for id in (waiting, running):
        assert (await row_of(id)).status == "CANCELED"
        again = await ask(office.boss, cancel, {"i": {"id": id}})
        assert [one["code"] for one in again["data"]["cancelBulkExport"]["errors"]] == ["ILLEGAL_TRANSITION"]
    assert files(tmp_path) == []


async def test_a_file_is_kept_for_its_time_and_then_gone(office: Office, tmp_path: Path) -> None:
    await office.customers(1)
    kept, over = await requested(office.boss), await requested(office.boss)
    await work()
    (tmp_path / "exports" / "left.lying.part").write_bytes(b"x")
    await BulkExport.filter(id=over).update(expires_at=utc_now() - timedelta(seconds=1))
    await reactions.tidy_exports()
    assert [(await shown(office.boss, id))["status"] for id in (kept, over)] == ["READY", "EXPIRED"]
    assert (await shown(office.boss, over))["url"] is None
    assert files(tmp_path) == [f"{kept}.1"]


async def test_so_many_files_are_kept_and_of_more_the_oldest_go(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(rules, "KEPT_PER_ORGANIZATION_MAX", 2)
    monkeypatch.setattr(rules, "KEPT_PER_ACCOUNT_MAX", 1)
    [ours] = await office.customers(1)
    owner = await office.person(Role.ACCOUNT_ADMINISTRATOR, customer_id=ours.id)
    ids = []
    for asker in (owner, office.boss, office.boss, office.boss, owner):
        ids.append(await requested(asker))
        await work()
    states = [(await row_of(id)).status for id in ids]
    assert states == ["EXPIRED", "EXPIRED", "READY", "READY", "READY"]
    await reactions.tidy_exports()
    assert files(tmp_path) == sorted(f"{id}.1" for id in ids[2:])


async def test_one_that_nobody_works_at_any_more_is_said_to_have_failed(office: Office) -> None:
    id, other = await requested(office.boss), await requested(office.boss)
    await Job.filter(id=(await row_of(id)).job_id).update(status="FAILED")
    await reactions.tidy_exports()
    assert (await shown(office.boss, id))["errorCode"] == "ABANDONED"
    assert (await shown(office.boss, other))["status"] == "QUEUED"


async def test_a_bug_of_ours_is_tried_again_and_then_told_without_its_words(
    office: Office, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    await office.customers(1)
    id = await requested(office.boss)

    async def broken(*_: Any) -> Any:
        raise ZeroDivisionError("the secret word")

    monkeypatch.setattr(Walk, "measure", broken)
    for attempt in range(1, exporting.TRIES + 1):
        assert (await row_of(id)).status in ("QUEUED", "RUNNING"), attempt
        await Job.filter(kind=JOB).update(run_at=utc_now())
        await work()
    export = await shown(office.boss, id)
    assert (export["status"], export["errorCode"]) == ("FAILED", "INTERNAL")
    assert "secret" not in export["error"]
    assert files(tmp_path) == []


async def test_those_who_may_hear_how_far_it_is(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    from app.infrastructure import journal, tail

    async def replay(organization_id: str, after: int) -> Any:
        for entry in await journal.read(organization_id, after):
            yield entry

    monkeypatch.setattr(tail, "follow", replay)
    small_pages(monkeypatch)
    each_page_noted(monkeypatch)
    rows = await office.customers(4)
    start = journal.cursor_at(office.organization_id, await journal.head(office.organization_id))
    id = await requested(office.boss)
    await work()
    follow = "subscription($a: String) { bulkExportChanged(after: $a) { fact bulkExport { id rowCount status } } }"
    events = [one["data"]["bulkExportChanged"] for one in await heard(office.boss, follow, {"a": start})]
    assert [one["fact"] for one in events] == [
        "BulkExportRequested", "BulkExportStarted", "BulkExportProgressed", "BulkExportReady",
    ]  # fmt: skip
    assert {orjson.dumps(one["bulkExport"]) for one in events} == {
        orjson.dumps({"id": id, "rowCount": 4, "status": "READY"})
    }
    owner = await office.person(Role.ACCOUNT_ADMINISTRATOR, customer_id=rows[0].id)
    assert await heard(owner, follow, {"a": start}) == []
    guest = await office.person(Role.GUEST, customer_id=rows[0].id)
    [refusal] = await heard(guest, follow, {"a": start})
    assert refusal["errors"][0]["extensions"]["code"] == "NOT_PERMITTED"


async def test_a_repeated_request_with_an_id_of_the_clients_own_makes_one_export(office: Office) -> None:
    id = new_id("exp")
    assert (await request(office.boss, id=id))["bulkExport"]["id"] == id
    assert [one["code"] for one in (await request(office.boss, id=id))["errors"]] == ["ALREADY_EXISTS"]
    assert await BulkExport.all().count() == 1


# The file and the changes together


@pytest.mark.slow
async def test_a_file_and_the_changes_since_its_cursor_are_the_whole_truth(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While 20 people write, a file is made; with what changed since its cursor it is what the database says in the end."""
    small_pages(monkeypatch, rows=5)
    for number in range(30):
        await customers.create_customer(office.boss, name=f"First {number}", type="RESIDENTIAL", currency="USD")
    known = [row.id for row in await Customer.all()]
    stop = asyncio.Event()

    async def write(number: int) -> int:
        done = 0
        while not stop.is_set():
            name = f"Writer {number} {done}"
            if (number + done) % 3:
                await customers.update_customer(office.boss, known[(number * 7 + done) % len(known)], name=name)
            else:
                known.append(
                    await customers.create_customer(office.boss, name=name, type="RESIDENTIAL", currency="USD")
                )
            done += 1
            await asyncio.sleep(0)
        return done

    writers = [asyncio.create_task(write(number)) for number in range(20)]
    await asyncio.sleep(0.1)
    id = await requested(office.boss)
    await work()
    await asyncio.sleep(0.1)
    stop.set()
    assert min(await asyncio.gather(*writers)) >= 1
    export = await shown(office.boss, id)
    copy = {one["id"]: one["name"] for one in lines(await content(id))}
    in_file = dict(copy)
    touched = await all_changed(office.boss, export["cursor"])
    for start in range(0, len(touched), 100):
        answer = await ask(
            office.boss, "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Customer { id name } } }",
            {"ids": touched[start : start + 100]},
        )  # fmt: skip
        copy |= {one["id"]: one["name"] for one in answer["data"]["nodes"]}
    truth = {row.id: row.name for row in await Customer.all()}
    assert copy == truth
    assert in_file != truth, "nothing changed while the file was made, so this shows nothing"


async def all_changed(actor: Actor, cursor: str) -> list[str]:
    found: dict[str, None] = {}
    more = True
    while more:
        answer = await ask(
            actor,
            'query($after: String!) { changes(after: $after, nouns: ["customer"]) { cursor hasMore nodes { subjectId } } }',
            {"after": cursor},
        )
        page = answer["data"]["changes"]
        found |= dict.fromkeys(one["subjectId"] for one in page["nodes"])
        cursor, more = page["cursor"], page["hasMore"]
    return list(found)
