"""Copies and erasures of people: who may ask, what is refused, what goes on after a crash, and what comes back with a backup."""

import asyncio
import zipfile
from pathlib import Path
from typing import Any

import orjson
import pytest

from app.identity.commands import consents, privacy
from app.identity.data_copies import find_copy, link_to, require_not_withdrawn
from app.identity.models import DataRequest, User
from app.identity.privacy import ConsentChannel, ConsentPurpose, ConsentWithdrawn
from app.infrastructure import archives, erasing, outbox
from app.infrastructure.encryption import opened
from app.infrastructure.erasing import read_list
from app.infrastructure.jobs import KINDS, Runner
from app.infrastructure.tables import add_row
from app.kernel.actor import Actor, user_actor
from app.kernel.dialects import Dialect
from app.kernel.errors import Conflict, NotFound, NotPermitted
from app.kernel.permissions import Role
from tests.app.company.companies import Company, found


@pytest.fixture
async def company(sqlite_database: Dialect, tmp_path: Path) -> Company:
    archives.configure(tmp_path / "journal")
    erasing.configure(tmp_path)
    outbox.configure(tmp_path / "outbox")
    return await found("Complicated Lamp Repairs")


async def person(company: Company, *roles: Role, name: str = "Zora Quill") -> Actor:
    user = await add_row(
        User, organization_id=company.id, email=f"{name.replace(' ', '.')}@example.com", legal_name=name,
        roles=[one.value for one in roles],
    )  # fmt: skip
    return user_actor(company.id, user.id, frozenset(roles))


async def work() -> None:
    await Runner(kinds={privacy.JOB: KINDS[privacy.JOB]}).run_due()


async def test_a_person_gets_the_own_copy_at_once_by_a_link_that_is_for_nobody_else(company: Company) -> None:
    zora, other = await person(company, Role.SUPPORT), await person(company, Role.SUPPORT, name="Bo Berg")
    id = await privacy.request_data_export(zora)
    await work()
    row = await DataRequest.get(id=id)
    assert (row.status, row.rows["user"]) == ("DONE", 1)
    link = link_to(zora, id, row.link_secret or "")
    query = dict(one.split("=") for one in link.partition("?")[2].split("&"))
    found = await find_copy(id, query["for"], int(query["until"]), query["token"])
    with zipfile.ZipFile(found.path) as copy:
        [user] = orjson.loads(copy.read("user.json"))
    assert user["legal_name"] == "Zora Quill" and "password_hash" not in user
    assert found.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(NotFound):
        await find_copy(id, other.id, int(query["until"]), query["token"])
    stolen = dict(one.split("=") for one in link_to(other, id, row.link_secret or "").partition("?")[2].split("&"))
    with pytest.raises(NotPermitted):
        await find_copy(id, stolen["for"], int(stolen["until"]), stolen["token"])


async def test_another_persons_copy_and_any_decision_need_the_permission(company: Company) -> None:
    zora, other = await person(company, Role.SUPPORT), await person(company, Role.SUPPORT, name="Bo Berg")
    for ask in (privacy.request_data_export, privacy.request_erasure):
        with pytest.raises(NotPermitted):
            await ask(other, person_id=zora.id)
    id = await privacy.request_erasure(zora)
    for decide in (privacy.approve_data_request(zora, id), privacy.refuse_data_request(zora, id, reason="no")):
        with pytest.raises(NotPermitted):
            await decide
    assert (await DataRequest.get(id=id)).status == "RECEIVED"


async def test_who_is_still_at_work_is_not_erased(company: Company) -> None:
    zora, boss = await person(company, Role.SUPPORT), await person(company, Role.ADMINISTRATOR, name="The Boss")
    id = await privacy.request_erasure(zora)
    with pytest.raises(Conflict, match="Deactivate the account first"):
        await privacy.approve_data_request(boss, id)
    assert (await User.get(id=zora.id)).legal_name == "Zora Quill"


async def to_be_erased(company: Company) -> tuple[str, str]:
    zora, boss = await person(company, Role.SUPPORT), await person(company, Role.ADMINISTRATOR, name="The Boss")
    await User.filter(id=zora.id).update(status="DEACTIVATED")
    id = await privacy.request_erasure(boss, person_id=zora.id)
    await privacy.approve_data_request(boss, id)
    return id, zora.id


async def test_an_erasure_that_was_killed_remembers_the_name_and_goes_on(
    company: Company, monkeypatch: pytest.MonkeyPatch
) -> None:
    id, user = await to_be_erased(company)

    async def dies(*_: Any) -> int:
        raise asyncio.CancelledError

    with monkeypatch.context() as patch:
        patch.setattr(erasing, "_forget_mentions", dies)
        begun = await privacy.begin_data_request(company.system, id)
        assert begun is not None
        with pytest.raises(asyncio.CancelledError):
            await privacy.erase_person(company.system, begun)
    row = await DataRequest.get(id=id)
    assert row.status == "RUNNING" and row.called.startswith("enc1:") and "Zora Quill" in opened(row, "called")
    await DataRequest.filter(id=id).update(reason="Zora Quill wants it")
    await work()
    done = await DataRequest.get(id=id)
    assert (done.status, done.called, done.reason) == ("DONE", "", "[erased] wants it")
    assert (await User.get(id=user)).legal_name == "[erased]"


async def test_who_comes_back_with_a_backup_is_erased_again_and_nothing_is_done_twice(company: Company) -> None:
    id, user = await to_be_erased(company)
    await work()
    [erasure] = read_list()
    assert (erasure.request_id, erasure.person_id) == (id, user)
    assert not await privacy.reapply_erasure(company.system, erasure)
    await DataRequest.filter(id=id).delete()
    await User.filter(id=user).update(legal_name="Zora Quill", email="zora@example.com")
    assert await privacy.reapply_erasure(company.system, erasure)
    row = await User.get(id=user)
    assert (row.legal_name, row.email) == ("[erased]", f"{user}@erased.invalid")
    assert len(read_list()) == 1 and (await DataRequest.get(id=id)).status == "DONE"


async def test_a_consent_that_was_taken_back_holds_its_purpose_until_a_newer_one(company: Company) -> None:
    zora = await person(company, Role.TECHNICIAN)
    said: Any = {"purpose": ConsentPurpose.LOCATION_SHARING, "text_version": "2026-11", "channel": ConsentChannel.APP}
    look = (company.id, [zora.id], ConsentPurpose.LOCATION_SHARING)
    await require_not_withdrawn(*look)
    id = await consents.give_consent(zora, **said)
    await require_not_withdrawn(*look)
    await consents.withdraw_consent(zora, id, channel=ConsentChannel.PHONE)
    with pytest.raises(ConsentWithdrawn):
        await require_not_withdrawn(*look)
    with pytest.raises(Conflict, match="taken back already"):
        await consents.withdraw_consent(zora, id, channel=ConsentChannel.PHONE)
    await consents.give_consent(zora, **said)
    await require_not_withdrawn(*look)
