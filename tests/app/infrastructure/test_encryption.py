"""Encrypted columns: what the database keeps tells nothing, fits only its own place, and outlives a change of keys."""

import os
import re
from base64 import b64encode
from collections.abc import Iterator
from pathlib import Path

import pytest

from app import database as db
from app.customers import commands
from app.customers.models import Site
from app.infrastructure import encryption, keyring, rotation
from app.infrastructure.encryption import Undecipherable, opened, seal, unseal
from app.infrastructure.models import FieldKey
from app.infrastructure.search import searched
from app.kernel.calendar import utc_now
from app.kernel.dialects import Dialect
from app.kernel.errors import ConfigurationError
from app.kernel.field_keys import read_field_keys
from app.settings import read_settings
from schema.kit.kinds import column_kind
from tests.app.customers.world import Company, found_company, open_account

OLD, NEW = bytes(range(32)), bytes(range(1, 33))
PLACE = ("site", "access_instructions", "site_1", "org_1")


@pytest.fixture(autouse=True)
def keys() -> Iterator[None]:
    encryption.configure({"test": OLD})
    yield
    encryption.configure({"test": OLD})


async def stored(id: str) -> str:
    rows = await db.read_rows('SELECT "access_instructions" FROM "site" WHERE "id" = ' + f"'{id}'")
    return str(rows[0][0])


async def with_code(company: Company, code: str) -> str:
    customer = await open_account(company)
    return await commands.create_site(company.dispatcher, customer_id=customer, name="Main 1", access_instructions=code)


def test_what_was_sealed_opens_in_its_place_and_two_seals_of_one_text_differ() -> None:
    one, two = seal(*PLACE, "gate 4711 ü"), seal(*PLACE, "gate 4711 ü")
    assert re.fullmatch(r"enc1:test:[A-Za-z0-9_=-]+", one) and one != two
    assert unseal(*PLACE, one) == unseal(*PLACE, two) == "gate 4711 ü"
    assert seal(*PLACE, "") == ""


@pytest.mark.parametrize("part", range(4))
def test_a_value_of_another_table_column_row_or_organization_does_not_open(part: int) -> None:
    elsewhere = [*PLACE]
    elsewhere[part] += "x"
    with pytest.raises(Undecipherable, match="altered, or put there from elsewhere"):
        unseal(*elsewhere, seal(*PLACE, "gate 4711"))


def test_every_altered_letter_is_found() -> None:
    value = seal(*PLACE, "gate 4711")
    for index in range(len("enc1:test:"), len(value) - 2):
        other = value[:index] + ("A" if value[index] != "A" else "B") + value[index + 1 :]
        with pytest.raises(Undecipherable):
            unseal(*PLACE, other)


def test_a_value_of_a_key_that_is_not_there_says_which_key_is_missing() -> None:
    value = seal(*PLACE, "gate 4711")
    encryption.configure({"other": NEW})
    with pytest.raises(Undecipherable, match="the key 'test', which TRUCKROLL_FIELD_KEYS lacks"):
        unseal(*PLACE, value)


async def test_the_database_never_holds_the_code_and_the_row_opens_it(database: Dialect) -> None:
    company = await found_company()
    site = await with_code(company, "gate code 4711")
    await commands.update_site(company.dispatcher, site, access_instructions="gate code 0815")
    assert (await stored(site)).startswith("enc1:test:")
    assert opened(await Site.get(id=site), "access_instructions") == "gate code 0815"
    before = await stored(site)
    await commands.update_site(company.dispatcher, site, access_instructions="gate code 0815")
    assert await stored(site) == before  # the same text is no change, though a seal of it would look different


async def test_what_was_there_in_the_clear_is_read_and_then_encrypted(database: Dialect) -> None:
    company = await found_company()
    site, empty = await with_code(company, ""), await with_code(company, "")
    await Site.filter(id=site).update(access_instructions="old code")
    assert opened(await Site.get(id=site), "access_instructions") == "old code"
    [column] = [one for one in await rotation.seal_anew() if str(one) == "site.access_instructions"]
    assert (column.sealed, column.failed) == (1, 0)
    assert (await stored(site)).startswith("enc1:test:") and await stored(empty) == ""
    assert opened(await Site.get(id=site), "access_instructions") == "old code"
    assert sum(one.sealed for one in await rotation.seal_anew()) == 0


async def test_a_rotation_that_is_killed_half_way_goes_on_where_it_was(
    database: Dialect, monkeypatch: pytest.MonkeyPatch
) -> None:
    company = await found_company()
    sites = [await with_code(company, f"code {number}") for number in range(5)]
    await FieldKey.bulk_create([FieldKey(id="test", proof=keyring._proof(OLD), since=utc_now())])
    encryption.configure({"new": NEW, "test": OLD})
    monkeypatch.setattr(rotation, "BATCH_SIZE", 2)
    with pytest.raises(KeyboardInterrupt):
        await rotation.seal_anew(lambda _: (_ for _ in ()).throw(KeyboardInterrupt))
    assert [(await stored(one)).startswith("enc1:new:") for one in sorted(sites)] == [True, True, False, False, False]
    assert await FieldKey.filter(id="test").exists()  # the old key is needed still
    [column] = only_sites(await rotation.seal_anew())
    assert (column.sealed, column.failed) == (3, 0)
    assert not await FieldKey.filter(id="test").exists()
    encryption.configure({"new": NEW})
    told = sorted([opened(await Site.get(id=one), "access_instructions") for one in sites])
    assert told == [f"code {number}" for number in range(5)]


async def test_what_cannot_be_opened_is_counted_left_as_it_is_and_keeps_the_old_keys(
    sqlite_database: Dialect,
) -> None:
    company = await found_company()
    good, moved = await with_code(company, "good"), await with_code(company, "moved")
    await Site.filter(id=moved).update(access_instructions=await stored(good))
    await FieldKey.bulk_create([FieldKey(id="test", proof=keyring._proof(OLD), since=utc_now())])
    encryption.configure({"new": NEW, "test": OLD})
    [column] = only_sites(await rotation.seal_anew())
    assert (column.sealed, column.failed) == (1, 1)
    assert (await stored(moved)).startswith("enc1:test:")
    assert await FieldKey.filter(id="test").exists()


def only_sites(columns: list[rotation.Column]) -> list[rotation.Column]:
    return [one for one in columns if one.model is Site]


def test_nothing_can_be_filtered_sorted_shown_or_searched_by_an_encrypted_column() -> None:
    for use in (lambda: column_kind(Site, "access_instructions"), lambda: searched(Site, a=("access_instructions",))):
        with pytest.raises(TypeError, match="encrypted"):
            use()


# Keys


async def test_the_first_start_makes_a_key_that_only_its_owner_may_read_and_later_ones_use_it(
    sqlite_database: Dialect, tmp_path: Path
) -> None:
    await keyring.start(None, tmp_path)
    file = tmp_path / "field-keys"
    first, id = file.read_text(), encryption.writing_key()
    assert file.stat().st_mode & 0o777 == 0o600 and os.listdir(tmp_path) == ["field-keys"]
    await keyring.start(None, tmp_path)
    assert (file.read_text(), encryption.writing_key()) == (first, id)


async def test_a_process_without_the_key_that_the_database_needs_does_not_start(
    database: Dialect, tmp_path: Path
) -> None:
    await keyring.start({"k1": OLD}, tmp_path)
    with pytest.raises(ConfigurationError, match="field-keys with their key is gone; bring it back, or set"):
        await keyring.start(None, tmp_path)
    with pytest.raises(ConfigurationError, match="encrypted with the key k1, and it is not there"):
        await keyring.start({"k2": NEW}, tmp_path)
    with pytest.raises(ConfigurationError, match="The key k1 is another than the one of that id"):
        await keyring.start({"k1": NEW}, tmp_path)
    assert os.listdir(tmp_path) == []
    await keyring.start({"k2": NEW, "k1": OLD}, tmp_path)
    assert encryption.writing_key() == "k2"


async def test_a_key_file_that_others_may_read_stops_the_start(sqlite_database: Dialect, tmp_path: Path) -> None:
    await keyring.start(None, tmp_path)
    (tmp_path / "field-keys").chmod(0o640)
    with pytest.raises(ConfigurationError, match="run `chmod 600"):
        await keyring.start(None, tmp_path)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("k1", "key number 1 has no id"),
        ("k1:abc", "the key k1 is not base64"),
        (f"k1:{b64encode(b'short').decode()}", "the key k1 has 5 bytes instead of 32"),
        (f"k1:{b64encode(OLD).decode()},k1:{b64encode(NEW).decode()}", "the key k1 is there twice"),
        (" , ", "there is no key in it"),
    ],
)
def test_a_bad_key_stops_the_start_with_one_sentence_that_does_not_tell_it(text: str, says: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        read_settings({"TRUCKROLL_FIELD_KEYS": text})
    assert str(refused.value).startswith("TRUCKROLL_FIELD_KEYS cannot be used: " + says)
    assert text.partition(":")[2] == "" or text.partition(":")[2] not in str(refused.value)


def test_keys_are_read_in_their_order_from_one_line_or_several() -> None:
    one, two = b64encode(OLD).decode(), b64encode(NEW).decode()
    assert list(read_field_keys(f"b:{one}\na:{two}\n")) == ["b", "a"]
    assert read_settings({"TRUCKROLL_FIELD_KEYS": f"b:{one}, a:{two}"}).encryption_keys == {"b": OLD, "a": NEW}
