"""Importing work orders: what a file makes, what a second time changes, and what a bad row does not."""

import asyncio
import csv
import io
from pathlib import Path

import pytest

from app.company import commands as company
from app.customers import commands as customers
from app.customers.models import Customer, Site
from app.infrastructure import journal
from app.infrastructure.command import idempotency_key
from app.integrations import commands, models, rules
from app.integrations.mappings import GENERIC, NYC_311
from app.kernel.errors import InvalidInput, NotPermitted
from app.kernel.permissions import Role
from app.work_orders import commands as work_orders
from app.work_orders.models import WorkOrder
from tests.app.integrations.test_rules import HOUSE

REAL_FILE = Path(__file__).parents[4] / "shared" / "data" / "nyc-311-requests-2016.csv"
COLUMNS = list(dict.fromkeys([*HOUSE, *(name for one in NYC_311.fields for name in one.columns)]))


def as_csv(*rows, columns=COLUMNS):
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def request(key, address="70 BUSH STREET", **cells):
    return (
        HOUSE
        | {"Unique Key": str(key), "Incident Address": address}
        | {k.replace("_", " "): v for k, v in cells.items()}
    )


async def load(actor, data, *, mapping="nyc-311", dry_run=False, **options):
    return await commands.import_work_orders(
        actor, data, mapping=mapping, file_name="requests.csv", dry_run=dry_run, **options
    )


def counts(result):
    return (result.created, result.updated, result.unchanged, result.failed)


async def everything(company):
    """All rows an import may touch, and the facts."""
    tables = [
        await model.filter(organization_id=company.id).order_by("id").values() for model in (Customer, Site, WorkOrder)
    ]
    return tables, await company.facts()


async def test_each_row_becomes_a_work_order_and_each_address_one_customer_with_one_site(lamp):
    result = await load(lamp.someone(Role.DISPATCHER), as_csv(request(1), request(2), request(3, "9 DWIGHT STREET")))
    assert counts(result) == (3, 0, 0, 0)
    assert [(row.row, row.line, row.external_id, row.outcome, row.errors) for row in result.rows] == [
        (2, 2, "1", "CREATED", ()), (3, 3, "2", "CREATED", ()), (4, 4, "3", "CREATED", ()),
    ]  # fmt: skip
    assert sorted([row.name for row in await Customer.all()]) == ["70 Bush Street", "9 Dwight Street"]
    sites = await Site.all().order_by("name")
    assert [(site.name, site.latitude, site.time_zone) for site in sites] == [
        ("70 Bush Street", 40.67500778066339, "America/New_York"),
        ("9 Dwight Street", 40.67500778066339, "America/New_York"),
    ]
    order = await WorkOrder.get(external_id="1")
    assert (order.number, order.status, order.channel, order.category, order.submitted_at.isoformat()) == (
        "WO-000001", "SUBMITTED", "IMPORT", "Noise - Residential", "2016-06-21T02:04:21+00:00",
    )  # fmt: skip
    facts = await lamp.facts()
    assert facts.count("WorkOrderSubmitted") == 3
    assert facts.count("CustomerCreated") == facts.count("SiteCreated") == 2
    assert facts[-1] == "ImportFinished"
    kept = await models.Import.get(id=result.id)
    assert (kept.status, kept.row_count, kept.created_count, kept.failed_count, kept.errors) == (
        "FINISHED",
        3,
        3,
        0,
        [],
    )
    assert (kept.mapping, kept.file_name, len(kept.sha256), kept.dry_run) == ("nyc-311", "requests.csv", 64, False)


async def test_the_same_file_again_changes_nothing(lamp):
    data = as_csv(request(1), request(2), request(3, "9 DWIGHT STREET"))
    await load(lamp.system, data)
    tables, facts = await everything(lamp)
    assert counts(await load(lamp.system, data)) == (0, 0, 3, 0)
    again, more = await everything(lamp)
    assert again == tables
    assert more == [*facts, "ImportFinished"]


async def test_what_changed_in_the_file_changes_here_and_nothing_else(lamp):
    await load(lamp.system, as_csv(request(1), request(2, "9 DWIGHT STREET")))
    result = await load(
        lamp.system,
        as_csv(request(1, Descriptor="Banging/Pounding"), request(2, "9 DWIGHT STREET", Latitude="40.5"), request(3)),
    )
    assert counts(result) == (1, 2, 0, 0)
    order = await WorkOrder.get(external_id="1")
    assert (order.summary, order.number, order.version) == ("Noise - Residential: Banging/Pounding", "WO-000001", 2)
    assert (await Site.get(name="9 Dwight Street")).latitude == 40.5
    assert (await lamp.facts())[-4:] == ["WorkOrderUpdated", "SiteUpdated", "WorkOrderSubmitted", "ImportFinished"]


async def test_a_bad_row_is_reported_with_its_reasons_and_stops_no_other(lamp):
    result = await load(
        lamp.system, as_csv(request(1), request(2, Latitude="", Created_Date="soon"), request(1), request(4))
    )
    assert counts(result) == (2, 0, 0, 2)
    assert [[(error.column, error.message) for error in row.errors] for row in result.rows] == [
        [],
        [
            ("Created Date", "'soon' is not a time such as 06/20/2016 10:04:21 PM."),
            ("Latitude", "There is no latitude, so nobody could be sent there."),
        ],
        [("Unique Key", "Row 2 has the same id.")],
        [],
    ]
    kept = await models.Import.get(id=result.id)
    assert [(one["row"], one["external_id"]) for one in kept.errors] == [(3, "2"), (4, "1")]
    assert await WorkOrder.all().count() == 2


async def test_what_a_command_refuses_is_undone_for_that_row_alone(lamp):
    await load(lamp.system, as_csv(request(1)))
    customer = await Customer.get(name="70 Bush Street")
    await customers.hold_customer(lamp.system, customer.id, reason="Unpaid")
    before = await lamp.facts()
    result = await load(
        lamp.system, as_csv(request(2, City="QUEENS"), request(3, "9 DWIGHT STREET"), request(4, "0 NULL", Latitude="0", Longitude="0"))
    )  # fmt: skip
    assert counts(result) == (1, 0, 0, 2)
    assert result.rows[0].errors[0].message == "Customer C-000001 is ON_HOLD: no new work."
    assert result.rows[2].errors[0].column == "Latitude"
    assert (await Site.get(name="70 Bush Street")).city == "Brooklyn"
    assert not await Customer.filter(name="0 Null").exists()
    assert (await WorkOrder.get(external_id="3")).number == "WO-000002"
    assert (await lamp.facts())[len(before) :] == [
        "CustomerCreated",
        "SiteCreated",
        "WorkOrderSubmitted",
        "ImportFinished",
    ]


async def test_a_dry_run_tells_what_would_happen_and_leaves_no_trace_but_its_report(lamp, monkeypatch):
    monkeypatch.setattr(rules, "ROWS_PER_BATCH", 2)
    await load(lamp.system, as_csv(request(1), request(2)))
    before = await everything(lamp)
    data = as_csv(
        request(1), request(2, Descriptor="Other"), request(3), request(4, "8 NEW ROAD"), request(5, Latitude="x")
    )
    dry = await load(lamp.system, data, dry_run=True)
    assert counts(dry) == (2, 1, 1, 1)
    assert await everything(lamp) == before
    kept = await models.Import.get(id=dry.id)
    assert (kept.dry_run, kept.status, kept.created_count, kept.failed_count) == (True, "FINISHED", 2, 1)
    wet = await load(lamp.system, data)
    assert [row.outcome for row in wet.rows] == [row.outcome for row in dry.rows]
    assert (await WorkOrder.get(external_id="3")).number == "WO-000003"


async def test_work_that_is_over_is_left_alone_and_reported_when_the_file_says_otherwise(lamp):
    await load(lamp.system, as_csv(request(1)))
    order = await WorkOrder.get(external_id="1")
    await work_orders.cancel_work_order(lamp.system, order.id, reason="DUPLICATE")
    assert counts(await load(lamp.system, as_csv(request(1)))) == (0, 0, 1, 0)
    result = await load(lamp.system, as_csv(request(1, Descriptor="Other")))
    assert counts(result) == (0, 0, 0, 1)
    assert (await WorkOrder.get(id=order.id)).summary == order.summary


async def test_batches_report_progress_and_keep_what_they_finished(lamp, monkeypatch):
    monkeypatch.setattr(rules, "ROWS_PER_BATCH", 2)
    seen = []

    async def on_progress(progress):
        seen.append((progress.done, progress.total, progress.failed))
        if progress.done == 4:
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await load(lamp.system, as_csv(*(request(index) for index in range(1, 6))), on_progress=on_progress)
    assert seen == [(2, 5, 0), (4, 5, 0)]
    assert await WorkOrder.all().count() == 4
    kept = await models.Import.get()
    assert (kept.status, kept.error) == ("FAILED", "The import broke off. Import the file again.")
    assert "ImportFinished" not in await lamp.facts()
    said = []
    result = await load(
        lamp.system, as_csv(*(request(index) for index in range(1, 6))), on_progress=lambda one: said.append(one.done)
    )
    assert counts(result) == (1, 0, 4, 0)
    assert said == [2, 4, 5]


async def test_a_file_that_cannot_be_read_leaves_no_import_behind(lamp, tmp_path):
    for data in (b"", b"not,the,columns\n1,2,3\n", b"\xff\xfe", b'Unique Key\n"'):
        with pytest.raises(InvalidInput):
            await load(lamp.system, data)
    with pytest.raises(InvalidInput):
        await load(lamp.system, as_csv(request(1)), mapping="nyc-911")
    with pytest.raises(InvalidInput) as refused:
        await commands.import_file(lamp.system, tmp_path / "none.csv", "nyc-311")
    assert str(tmp_path) not in refused.value.message
    assert await models.Import.all().count() == 0
    assert await lamp.facts() == ["OrganizationCreated"]


async def test_only_those_import_who_may_do_all_that_an_import_does(lamp):
    allowed = {Role.ADMINISTRATOR, Role.OPERATIONS_MANAGER, Role.DISPATCHER}
    for role in set(Role) - allowed:
        with pytest.raises(NotPermitted):
            await load(lamp.someone(role), as_csv(request(1)))
    assert await models.Import.all().count() == 0
    for role in allowed:
        assert (await load(lamp.someone(role), as_csv(request(1)), dry_run=True)).failed == 0


async def test_two_companies_import_the_same_file_side_by_side(lamp, rival):
    data = as_csv(request(1), request(2))
    results = [await load(company.system, data) for company in (lamp, rival)]
    assert [counts(result) for result in results] == [(2, 0, 0, 0)] * 2
    assert await WorkOrder.filter(organization_id=lamp.id).count() == 2
    assert {row.currency for row in await WorkOrder.filter(organization_id=rival.id)} == {"EUR"}


async def test_the_same_file_imported_twice_at_once_makes_each_work_order_once(lamp):
    data = as_csv(*(request(index, f"{index} MAIN STREET") for index in range(1, 6)))
    results = await asyncio.gather(*(load(lamp.system, data) for _ in range(3)))
    assert await WorkOrder.all().count() == 5
    assert await Customer.all().count() == 5
    assert all(result.failed == 0 or result.created == 0 for result in results)


async def test_an_idempotency_key_does_not_stand_in_the_way(lamp):
    with idempotency_key("once"):
        assert counts(await load(lamp.system, as_csv(request(1)))) == (1, 0, 0, 0)
        assert counts(await load(lamp.system, as_csv(request(1)))) == (0, 0, 1, 0)


async def test_our_own_columns_make_customers_sites_and_work_orders_of_a_service_type(lamp):
    service = await company.create_service_type(lamp.system, code="FIX", name="Fix", duration_minutes=45)
    full = {
        "external_id": "A-1", "customer_external_id": "C-9", "customer_name": "Lamp Café", "customer_type": "enterprise",
        "customer_email": "info@cafe.example", "customer_phone": "(212) 555-0100", "site_external_id": "S-9",
        "site_name": "Terrace", "address_line": "1 Main Street", "city": "New York", "region": "NY", "country": "us",
        "latitude": "40.7", "longitude": "-74", "time_zone": "America/New_York", "summary": "Lamp is out",
        "description": "Third from the left", "category": "Lamps", "priority": "high", "service_type": "fix",
        "created_at": "2026-03-01T09:00:00+01:00", "due_at": "2026-03-09T09:00:00Z", "window_start": "2026-03-05T09:00:00Z",
        "window_end": "2026-03-05T12:00:00Z",
    }  # fmt: skip
    columns = [one.columns[0] for one in GENERIC.fields] + ["a column of theirs"]
    data = as_csv(full, full | {"external_id": "A-2", "service_type": "NONE"}, columns=columns)
    result = await load(lamp.system, data, mapping="generic")
    assert counts(result) == (1, 0, 0, 1)
    assert [error.column for error in result.rows[1].errors] == ["service_type"]
    customer, order = await Customer.get(), await WorkOrder.get()
    assert (customer.type, customer.phone, customer.email) == ("ENTERPRISE", "+12125550100", "info@cafe.example")
    assert (order.service_type_id, order.duration_minutes, order.priority) == (service, 45, "HIGH")
    assert order.submitted_at.isoformat() == "2026-03-01T08:00:00+00:00"
    assert (await Site.get()).country == "US"
    facts = await lamp.facts()
    assert counts(await load(lamp.system, data, mapping="generic")) == (0, 0, 1, 1)
    assert await lamp.facts() == [*facts, "ImportFinished"]


async def test_a_file_on_this_machine_is_read_by_its_path(lamp, tmp_path):
    path = tmp_path / "requests.csv"
    path.write_bytes(as_csv(request(1)))
    result = await commands.import_file(lamp.system, path, "nyc-311", True)
    assert (result.dry_run, counts(result)) == (True, (1, 0, 0, 0))
    assert (await models.Import.get()).file_name == "requests.csv"


async def test_an_import_is_seen_by_those_who_import_in_the_same_company(lamp, rival):
    from app.infrastructure.tables import find_rows

    await load(lamp.system, as_csv(request(1)))
    for actor, many in (
        (lamp.someone(Role.DISPATCHER), 1),
        (lamp.someone(Role.TECHNICIAN), 0),
        (lamp.someone(Role.GUEST), 0),
        (rival.someone(Role.ADMINISTRATOR), 0),
    ):
        assert len(await find_rows(models.Import, models.Import.visible_to(actor))) == many
    entry = (await journal.read(lamp.id, 0))[-1]
    assert (entry.payload["created"], entry.payload["failed"], entry.payload["file_name"]) == (1, 0, "requests.csv")


@pytest.mark.skipif(not REAL_FILE.exists(), reason="the city's file is not here")
@pytest.mark.slow
async def test_the_citys_own_file_of_summer_2016(lamp):
    result = await commands.import_file(lamp.system, REAL_FILE, "nyc-311")
    assert counts(result) == (116, 0, 0, 1)
    failed = [row for row in result.rows if row.outcome is rules.ImportOutcome.FAILED]
    assert [(row.row, row.external_id, [error.column for error in row.errors]) for row in failed] == [
        (93, "33814014", ["Latitude", "Longitude"])
    ]
    assert await Site.all().count() == await Customer.all().count()
    assert counts(await commands.import_file(lamp.system, REAL_FILE, "nyc-311")) == (0, 0, 116, 1)
