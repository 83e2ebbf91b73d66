"""Free text finds the same rows, in the same order of relevance, on both databases."""

import random
from typing import Any

import pytest

from app import database as db
from app.customers import models as customers
from app.customers.models import Customer, Site
from app.infrastructure.conditions import Writer
from app.infrastructure.search import WORDS_MAX, Matches, found_by, relevance, words_in
from app.infrastructure.tables import Table, find_rows
from app.kernel.actor import Actor, user_actor
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import InvalidInput
from app.kernel.permissions import Role
from app.kernel.texts import search_rank, words_of
from app.work_orders.models import WorkOrder
from tests.app.work_orders.world import found as company_named
from tests.app.work_orders.world import submitted

ORGANIZATION = "org_01jd0000000000000000000000"
OFFICE = user_actor(ORGANIZATION, "usr_office", frozenset({Role.DISPATCHER}))
STRANGER = user_actor("org_01jd0000000000000000000009", "usr_other", frozenset({Role.DISPATCHER}))


async def customer(number: int, name: str, **values: Any) -> Customer:
    row = Customer(
        id=f"cus_01jd00000000000000000000{number:02}", organization_id=ORGANIZATION, account_number=f"C-{number:04}",
        name=name, type="ENTERPRISE", currency="EUR", created_at=utc_now(), updated_at=utc_now(), **values,
    )  # fmt: skip
    await row.save(force_create=True)
    return row


async def names(text: str, actor: Actor = OFFICE, model: type[Table] = Customer) -> list[str]:
    visible = model.visible_to(actor) & found_by(model, actor, text)
    return [row.name for row in await find_rows(model, visible, order=["name"])]  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("acme", ["Acme Heating & Cooling"]),
        ("ACM hea", ["Acme Heating & Cooling"]),
        ("heating acme", ["Acme Heating & Cooling"]),
        ("cme", []),
        ("acme boiler", []),
        ("ecole", ["École Ørsted"]),
        ("ÉCOLE", ["École Ørsted"]),
        ("e\u0301cole", ["École Ørsted"]),
        ("ørst", ["École Ørsted"]),
        ("orst", []),
        ("straße", ["O'Neill-Straße 5"]),
        ("strasse", []),
        ("o'neill", ["O'Neill-Straße 5"]),
        ('"O\'Neill"*', ["O'Neill-Straße 5"]),
        ("acme OR neill", []),
        ("acme AND heating", []),
        ("NOT acme", []),
        ("acme:*", ["Acme Heating & Cooling"]),
        ("acme & !heating | (cooling)", ["Acme Heating & Cooling"]),
        ("NEAR(acme, 5)", []),
        ("{b} : acme", []),
        ("c-0002", ["École Ørsted"]),
        ("2", ["École Ørsted"]),
        ("ops@acme.example", ["Acme Heating & Cooling"]),
        ("+1212", ["Acme Heating & Cooling"]),
        ("1212555", ["Acme Heating & Cooling"]),
        ("東京", ["東京 電力"]),
        ("ЙОШ", ["Йошкар"]),
        ("иош", []),
    ],
)
async def test_finds_rows_by_the_beginnings_of_all_words(database: Dialect, text: str, expected: list[str]) -> None:
    await customer(1, "Acme Heating & Cooling", email="ops@acme.example", phone="+12125550100")
    await customer(2, "École Ørsted")
    await customer(3, "O'Neill-Straße 5")
    await customer(4, "東京 電力")
    await customer(5, "Йошкар")
    assert await names(text) == expected
    assert await names(text, STRANGER) == []


@pytest.mark.parametrize("text", ["", "  ", '"*" - ()', "x" * 201, " ".join("abcdefghijklmnop"[: WORDS_MAX + 1])])
def test_a_search_for_nothing_or_for_too_much_is_refused(text: str) -> None:
    with pytest.raises(InvalidInput) as refused:
        words_in(text)
    assert refused.value.path == ("search",)


async def test_what_is_found_follows_the_rows(database: Dialect) -> None:
    one = await customer(1, "Acme")
    await Customer.filter(id=one.id).update(name="Globex")
    assert (await names("acme"), await names("globex")) == ([], ["Globex"])
    await Customer.filter(id=one.id).update(name="Initech", external_id="X-77")
    assert (await names("globex"), await names("x 77")) == ([], ["Initech"])
    await Customer.filter(id=one.id).delete()
    assert await names("initech") == []
    assert await db.connection().execute_query_dict('SELECT * FROM "search_document"') == []
    again = await customer(1, "Acme")
    assert (await names("acme"), again.id) == (["Acme"], one.id)


async def test_a_change_that_is_rolled_back_is_not_found(database: Dialect) -> None:
    one = await customer(1, "Acme")

    async def fail() -> None:
        await Customer.filter(id=one.id).update(name="Globex")
        assert await names("globex") == ["Globex"]
        raise RuntimeError

    with pytest.raises(RuntimeError):
        await db.unit_of_work(fail)
    assert (await names("acme"), await names("globex")) == (["Acme"], [])


async def test_work_is_found_by_its_customer_and_site_by_those_who_may_see_them(database: Dialect) -> None:
    company = await company_named("Acme")
    office = company.dispatcher
    work = await WorkOrder.get(id=await submitted(company))
    await Customer.filter(id=work.customer_id).update(name="Umbrella")
    await Site.filter(id=work.site_id).update(address_line="7 Raccoon Street", city="Midwest")

    async def found(actor: Actor, text: str) -> bool:
        return bool(await find_rows(WorkOrder, WorkOrder.visible_to(actor) & found_by(WorkOrder, actor, text)))

    assert [await found(office, text) for text in ("umbr", "raccoon umbrella", "midw", "acme")] == [
        True,
        True,
        True,
        False,
    ]
    opened = user_actor(office.organization_id, "usr_tech", frozenset({Role.TECHNICIAN}), technician_id="tech_none")
    await WorkOrder.filter(id=work.id).update(opened_by_user_id=opened.id, summary="Boiler", number="WO-000123")
    assert not await find_rows(Customer, Customer.visible_to(opened))
    assert [await found(opened, text) for text in ("boiler", "123", "umbrella", "boiler umbrella")] == [
        True,
        True,
        False,
        False,
    ]
    assert await ranked(WorkOrder, office, "umbrella boiler") == [10]
    assert await ranked(WorkOrder, opened, "umbrella boiler") == [8]


async def ranked(model: type[Table], actor: Actor, text: str) -> list[int]:
    writer = Writer(db.dialect())
    rank = relevance(model, actor, text)(writer, "r")
    visible = model.visible_to(actor).write(writer, "r")
    rows = await db.read_rows(
        f'SELECT {rank} FROM "{model._meta.db_table}" r WHERE {visible} ORDER BY r."id"', writer.values
    )
    return [row[0] for row in rows]


async def test_ranks_alike_on_both_databases_and_in_python(database: Dialect) -> None:
    dice = random.Random(7)
    vocabulary = [
        "pump",
        "pumpe",
        "Ölpumpe",
        "oil",
        "a1",
        "1e5",
        "0x1f",
        "ab-cd",
        "e@x.de",
        "w/o",
        "don't",
        "12",
        "123",
        "ÉCOLE",
    ]

    def some() -> str:
        return " ".join(dice.sample(vocabulary, dice.randint(0, 4)))

    made = [await customer(number, some(), email=some(), external_id=f"{some()} {number}") for number in range(20)]
    for text in [*vocabulary, "pum oil", "12 a1 éc", "p"]:
        documents = [
            (f"{one.account_number} {one.external_id} {one.account_number.lstrip('C-0')}", one.name, one.email, "")
            for one in made
        ]
        expected = [search_rank(text, *document) for document in documents]
        assert await ranked(Customer, OFFICE, text) == expected, text
        complete = {
            one.name for one, document in zip(made, documents, strict=True)
            if all(search_rank(word, *document) for word in words_of(text))
        }  # fmt: skip
        assert set(await names(text)) == complete, text


async def test_words_are_the_same_on_both_databases_for_every_latin_letter(database: Dialect) -> None:
    letters = [chr(code) for code in (*range(0xC0, 0x250), *range(0x1E00, 0x1F00)) if chr(code).isalpha()]
    work = await WorkOrder.get(id=await submitted(await company_named("Acme")))
    await WorkOrder.filter(id=work.id).update(description=" ".join(f"q{letter}q" for letter in letters))

    async def is_found(text: str) -> bool:
        writer = Writer(database)
        found = Matches("wo", work.organization_id, text).write(writer, "r")
        return bool(await db.read_rows(f'SELECT 1 FROM "work_order" r WHERE {found}', writer.values))

    assert not await is_found("qaqa")
    assert [letter for letter in letters if not await is_found(f"q{letter}q")] == []
    assert [letter for letter in letters if not await is_found(words_of(f"q{letter}q")[0])] == []


async def test_rows_that_were_there_before_are_found_once_the_index_is_made(database: Dialect) -> None:
    [extra] = [extra for extra in customers.EXTRAS if extra.name == "customer_search"]
    assert extra.reverse is not None
    for statement in extra.reverse[database.value]:
        await db.connection().execute_script(statement)
    await customer(1, "Acme")
    assert await names("acme") == []
    for statement in extra.sql[database.value]:
        await db.connection().execute_script(statement)
    assert await names("acme") == ["Acme"]
    await Customer.all().update(name="Globex")
    assert (await names("acme"), await names("globex")) == ([], ["Globex"])
    if database is Dialect.SQLITE:
        await db.connection().execute_script(
            "INSERT INTO search_words (search_words, rank) VALUES ('integrity-check', 1)"
        )


async def test_a_word_without_end_is_kept_and_found_by_how_it_begins(database: Dialect) -> None:
    company = await company_named("Acme")
    work = await WorkOrder.get(id=await submitted(company, description="é" * 4000 + " " + "z" * 5000))
    for text in ("é" * 150, "z" * 200):
        visible = WorkOrder.visible_to(company.dispatcher) & found_by(WorkOrder, company.dispatcher, text)
        assert [row.id for row in await find_rows(WorkOrder, visible)] == [work.id]
